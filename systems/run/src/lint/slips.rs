//! Slips: a file of a crate is gone through, and what breaks a rule by its name is noted.

use std::path::Path;

use proc_macro2::Span;
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, Expr, GenericArgument, Ident, Item, PathArguments, Token, Type};

use super::finding::Finding;
use super::names::{CrateNames, name_of};
use super::rule::{Rule, is_std_math, rule_of};
use super::sources::is_test;

/// The slips in a file of a crate that has `names`.
pub(super) fn slips(names: &CrateNames, path: &Path, file: &syn::File) -> Vec<Finding> {
    let mut linter = Linter { names, path, found: Vec::new(), parallel: 0 };
    linter.visit_file(file);
    linter.found
}

/// Goes through a file.
struct Linter<'a> {
    names: &'a CrateNames,
    path: &'a Path,
    found: Vec<Finding>,
    /// How many calls that work in parallel are around it.
    parallel: usize,
}

impl Linter<'_> {
    fn add(&mut self, rule: Rule, span: Span, what: impl Into<String>) {
        let at = span.start();
        let (file, what) = (self.path.to_path_buf(), what.into());
        self.found.push(Finding { file, line: at.line, column: at.column + 1, rule, what });
    }

    fn look_at_path(&mut self, path: &syn::Path) {
        let names: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let said = names.join("::");
        // A type of its own may have any name.
        let is_own = self.names.types.contains(names.first().copied().unwrap_or_default());
        if let Some(rule) = rule_of(&names).filter(|_| !is_own) {
            self.add(rule, path.span(), said);
        }
        let Some(last) = path.segments.last() else { return };
        let PathArguments::AngleBracketed(arguments) = &last.arguments else { return };
        let types: Vec<&Type> = arguments
            .args
            .iter()
            .filter_map(|argument| if let GenericArgument::Type(of) = argument { Some(of) } else { None })
            .collect();
        let first = types.last().and_then(|of| name_of(of));
        match (&*last.ident.to_string(), first) {
            ("ResMut" | "resource_mut" | "get_resource_mut", Some(of)) => {
                self.look_at_written(&of, path.span())
            }
            ("Mutex" | "RwLock", Some(of)) if of == "f32" || of == "f64" => {
                self.add(Rule::LockOrder, path.span(), format!("{}<{of}>", last.ident));
            }
            ("Query", _) => types.iter().for_each(|of| self.look_at_query(of)),
            _ => {}
        }
    }

    fn look_at_written(&mut self, resource: &str, span: Span) {
        let CrateNames { resources, saved, registered, .. } = self.names;
        if !resources.contains(resource) || registered.contains(resource) {
            return;
        }
        let is_half = saved.contains(resource);
        let what = if is_half { " (impl Saved, and no save_resource)" } else { "" };
        self.add(Rule::Unsaved, span, format!("{resource}{what}"));
    }

    /// Columns of kinds that a plain query writes are saved; other components are not.
    fn look_at_query(&mut self, data: &Type) {
        match data {
            Type::Tuple(tuple) => tuple.elems.iter().for_each(|of| self.look_at_query(of)),
            Type::Reference(reference) if reference.mutability.is_some() => {
                if let Some(name) = name_of(&reference.elem)
                    && self.names.components.contains(&name)
                    && !self.names.columns.contains(&name)
                {
                    self.add(Rule::PlainEntity, reference.span(), name);
                }
            }
            _ => {}
        }
    }
}

fn attributes_of(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(of) => &of.attrs,
        Item::Enum(of) => &of.attrs,
        Item::Fn(of) => &of.attrs,
        Item::Impl(of) => &of.attrs,
        Item::Macro(of) => &of.attrs,
        Item::Mod(of) => &of.attrs,
        Item::Static(of) => &of.attrs,
        Item::Struct(of) => &of.attrs,
        Item::Trait(of) => &of.attrs,
        Item::Type(of) => &of.attrs,
        _ => &[],
    }
}

/// Whether a chain of calls begins in rayon.
fn is_of_rayon(mut of: &Expr) -> bool {
    while let Expr::MethodCall(call) = of {
        if call.method.to_string().contains("par_") {
            return true;
        }
        of = &call.receiver;
    }
    false
}

fn is_parallel(method: &Ident) -> bool {
    let name = method.to_string();
    name.starts_with("par_") || name.starts_with("into_par_") || name == "reduce"
}

impl<'ast> Visit<'ast> for Linter<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if is_test(attributes_of(item)) {
            return;
        }
        match item {
            // What is only named is not used.
            Item::Use(_) => {}
            Item::Static(of) => {
                let text = of.ty.span().source_text().unwrap_or_default();
                let cells = ["Atomic", "Mutex", "RwLock", "Cell", "Once", "Lazy"];
                let is_cell = cells.iter().any(|cell| text.contains(cell));
                if is_cell || !matches!(of.mutability, syn::StaticMutability::None) {
                    self.add(Rule::Static, of.span(), format!("static {}", of.ident));
                }
            }
            _ => visit::visit_item(self, item),
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if !is_test(&item.attrs) {
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.look_at_path(path);
        visit::visit_path(self, path);
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        let name = call.method.to_string();
        let is_locked = matches!(name.as_str(), "lock" | "write" | "try_lock") && call.args.is_empty();
        if self.parallel > 0 && (is_locked || name.starts_with("fetch_") || name == "compare_exchange") {
            self.add(Rule::LockOrder, call.method.span(), format!("{name} in parallel work"));
        }
        if is_std_math(&name) && call.args.len() <= 2 {
            self.add(Rule::StdMath, call.method.span(), name.clone());
        }
        let of_entity = |of: &Expr| matches!(of, Expr::Path(path) if path.path.is_ident("entity") || path.path.is_ident("e"));
        if matches!(name.as_str(), "as_ptr" | "as_mut_ptr")
            || (name == "to_bits" && of_entity(&call.receiver))
        {
            self.add(Rule::Address, call.method.span(), name.clone());
        }
        if matches!(name.as_str(), "sum" | "product" | "reduce" | "fold" | "reduce_with")
            && is_of_rayon(&call.receiver)
        {
            self.add(Rule::FloatSum, call.method.span(), format!("{name} of a parallel iterator"));
        }
        if let Some(fish) = call.turbofish.as_ref().filter(|_| name.ends_with("resource_mut")) {
            for argument in &fish.args {
                if let GenericArgument::Type(of) = argument
                    && let Some(of) = name_of(of)
                {
                    self.look_at_written(&of, call.method.span());
                }
            }
        }
        self.visit_expr(&call.receiver);
        if let Some(fish) = &call.turbofish {
            self.visit_angle_bracketed_generic_arguments(fish);
        }
        let is_parallel = is_parallel(&call.method) || is_of_rayon(&call.receiver);
        self.parallel += usize::from(is_parallel);
        call.args.iter().for_each(|argument| self.visit_expr(argument));
        self.parallel -= usize::from(is_parallel);
    }

    fn visit_expr_raw_addr(&mut self, address: &'ast syn::ExprRawAddr) {
        self.add(Rule::Address, address.span(), "an address");
        visit::visit_expr_raw_addr(self, address);
    }

    fn visit_expr_cast(&mut self, cast: &'ast syn::ExprCast) {
        if matches!(&*cast.ty, Type::Ptr(_)) {
            self.add(Rule::Address, cast.span(), "an address");
        }
        visit::visit_expr_cast(self, cast);
    }

    fn visit_expr_call(&mut self, call: &'ast syn::ExprCall) {
        if let (Expr::Path(path), Some(Expr::Lit(literal))) = (&*call.func, call.args.first())
            && path.path.segments.iter().any(|segment| segment.ident == "Mutex" || segment.ident == "RwLock")
            && matches!(literal.lit, syn::Lit::Float(_))
        {
            self.add(Rule::LockOrder, call.span(), "a float under a lock");
        }
        visit::visit_expr_call(self, call);
    }

    fn visit_macro(&mut self, of: &'ast syn::Macro) {
        if of.path.segments.last().is_some_and(|last| last.ident == "thread_local") {
            self.add(Rule::Static, of.span(), "thread_local!");
        }
        // As a list of expressions, which most are.
        let list = Punctuated::<Expr, Token![,]>::parse_terminated.parse2(of.tokens.clone());
        list.iter().flatten().for_each(|argument| Visit::visit_expr(self, &argument.clone()));
    }
}
