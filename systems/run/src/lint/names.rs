//! Names: the types of a crate, and what it has them for.

use std::collections::BTreeSet;

use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{Attribute, GenericArgument, Item, Token, Type};

/// What a crate has of its own.
#[derive(Default)]
pub(super) struct CrateNames {
    pub types: BTreeSet<String>,
    /// Types with `Resource` or `Component` in their derives.
    pub resources: BTreeSet<String>,
    pub components: BTreeSet<String>,
    /// Types that are saved, and those that are registered for it.
    pub saved: BTreeSet<String>,
    pub registered: BTreeSet<String>,
    /// Columns of a kind.
    pub columns: BTreeSet<String>,
}

impl<'ast> Visit<'ast> for CrateNames {
    fn visit_item(&mut self, item: &'ast Item) {
        let (name, attributes) = match item {
            Item::Struct(of) => (&of.ident, &of.attrs),
            Item::Enum(of) => (&of.ident, &of.attrs),
            _ => return visit::visit_item(self, item),
        };
        self.types.insert(name.to_string());
        for (derived, into) in [("Resource", &mut self.resources), ("Component", &mut self.components)] {
            if derives(attributes, derived) {
                into.insert(name.to_string());
            }
        }
        visit::visit_item(self, item);
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let of = item.trait_.as_ref().and_then(|(path, _)| path.segments.last());
        if of.is_some_and(|last| last.ident == "Saved") {
            self.saved.extend(name_of(&item.self_ty));
        }
        visit::visit_item_impl(self, item);
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        let into = match call.method.to_string().as_str() {
            "save_resource" => &mut self.registered,
            "with" => &mut self.columns,
            _ => return visit::visit_expr_method_call(self, call),
        };
        let generic = call.turbofish.iter().flat_map(|fish| &fish.args);
        into.extend(generic.filter_map(|argument| match argument {
            GenericArgument::Type(of) => name_of(of),
            _ => None,
        }));
        visit::visit_expr_method_call(self, call);
    }
}

fn derives(attributes: &[Attribute], name: &str) -> bool {
    let lists = attributes.iter().filter(|attribute| attribute.path().is_ident("derive"));
    lists
        .filter_map(|list| list.parse_args_with(Punctuated::<syn::Path, Token![,]>::parse_terminated).ok())
        .flatten()
        .any(|path| path.segments.last().is_some_and(|last| last.ident == name))
}

/// The last part of a type's path.
pub(super) fn name_of(of: &Type) -> Option<String> {
    match of {
        Type::Path(path) => Some(path.path.segments.last()?.ident.to_string()),
        Type::Reference(reference) => name_of(&reference.elem),
        _ => None,
    }
}
