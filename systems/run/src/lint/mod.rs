//! Lint: what can be seen in a plugin's source that may make its results differ, from run to run, with the number of threads or after a
//! restore. `corec verify` finds what has come of it.
//!
//! It goes by names and knows no types: a line that is fine says so in a comment, `// lint: allow(RULE) why`, on it or above it. Tests
//! (`#[cfg(test)]`, `#[test]`, `tests/`) are not looked at.

mod rule;

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::Span;
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, Expr, GenericArgument, Ident, Item, Meta, PathArguments, Token, Type};

pub use rule::Rule;
use rule::{is_std_math, rule_of};

use crate::error::RunError;

/// Largest source file that is read: 4 MB.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// Brackets within brackets at most.
const DEPTH_MAX: usize = 500;

/// A line that may be a slip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file.
    pub file: PathBuf,
    /// From 1.
    pub line: usize,
    /// From 1.
    pub column: usize,
    /// The rule.
    pub rule: Rule,
    /// What was found.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, column, rule, what } = self;
        write!(f, "{}:{line}:{column}: {}: {what}: {}", file.display(), rule.name(), rule.advice())
    }
}

/// Looks at the sources of a crate, or of every crate in a folder, and gives what it found, by file and line.
///
/// # Errors
/// A folder without a crate; a file that can't be read, or that is no Rust.
pub fn lint(dir: &Path) -> Result<Vec<Finding>, RunError> {
    let usage = |path: &Path, what: &str| RunError::Usage(format!("{}: {what}", path.display()));
    let mut crates = Vec::new();
    if dir.join("Cargo.toml").is_file() && dir.join("src").is_dir() && !is_registry(dir) {
        crates.push(dir.to_path_buf());
    } else {
        let entries = fs::read_dir(dir).map_err(|e| usage(dir, &e.to_string()))?;
        let folders = entries.filter_map(|entry| Some(entry.ok()?.path()));
        crates.extend(folders.filter(|path| path.join("Cargo.toml").is_file() && path.join("src").is_dir()));
        crates.sort();
    }
    if crates.is_empty() {
        return Err(usage(
            dir,
            "found no crate, must be a plugin's folder (Cargo.toml, src) or one with several",
        ));
    }
    let mut found = Vec::new();
    for folder in crates {
        let mut paths = Vec::new();
        sources(&folder.join("src"), &mut paths).map_err(|e| usage(&folder, &e.to_string()))?;
        let mut files = Vec::new();
        for path in paths {
            let bytes = fs::metadata(&path).map_err(|e| usage(&path, &e.to_string()))?.len();
            if bytes > FILE_BYTES_MAX {
                return Err(usage(&path, &format!("found {bytes} bytes, must be at most {FILE_BYTES_MAX}")));
            }
            let text = fs::read_to_string(&path).map_err(|e| usage(&path, &e.to_string()))?;
            if depth(&text) > DEPTH_MAX {
                let what = format!("found brackets {} deep, must be at most {DEPTH_MAX}", depth(&text));
                return Err(usage(&path, &what));
            }
            let file = syn::parse_file(&text).map_err(|e| {
                let at = e.span().start();
                RunError::Usage(format!("{}:{}:{}: {e}", path.display(), at.line, at.column + 1))
            })?;
            files.push((path, text, file));
        }
        let tests: Vec<PathBuf> = files.iter().flat_map(|(path, _, file)| test_files(path, file)).collect();
        files.retain(|(path, ..)| !tests.iter().any(|test| path.starts_with(test)));
        let mut names = CrateNames::default();
        files.iter().for_each(|(.., file)| names.visit_file(file));
        for (path, text, file) in &files {
            let mut linter = Linter { names: &names, path, found: Vec::new(), parallel: 0 };
            linter.visit_file(file);
            found.extend(linter.found.into_iter().filter(|finding| !is_allowed(text, finding)));
        }
    }
    found.sort_by(|a: &Finding, b| {
        (&a.file, a.line, a.column, a.rule).cmp(&(&b.file, b.line, b.column, b.rule))
    });
    found.dedup_by(|a, b| (&a.file, a.line, a.rule) == (&b.file, b.line, b.rule));
    Ok(found)
}

/// The registry of a tree has plugins beside it, and nothing to look at in itself.
fn is_registry(dir: &Path) -> bool {
    fs::read_to_string(dir.join("Cargo.toml")).is_ok_and(|text| text.contains("name = \"corec_plugins\""))
}

fn sources(folder: &Path, into: &mut Vec<PathBuf>) -> std::io::Result<()> {
    let mut entries: Vec<_> = fs::read_dir(folder)?.collect::<Result<_, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        // A link could lead round in a circle.
        let kind = entry.file_type()?;
        if kind.is_dir() {
            sources(&path, into)?;
        } else if kind.is_file() && path.extension().is_some_and(|end| end == "rs") {
            into.push(path);
        }
    }
    Ok(())
}

/// Whether a comment on the line, or above it, says that it is fine.
fn is_allowed(text: &str, finding: &Finding) -> bool {
    let lines: Vec<&str> = text.lines().collect();
    let says = |line: &str| {
        let allowed = line.split("// lint: allow(").nth(1).and_then(|rest| rest.split_once(')'));
        allowed.is_some_and(|(rules, why)| {
            rules.split(',').any(|rule| rule.trim() == finding.rule.name()) && !why.trim().is_empty()
        })
    };
    let at = finding.line - 1;
    let above =
        at.checked_sub(1).map(|above| lines[above]).filter(|line| line.trim_start().starts_with("//"));
    lines.get(at).is_some_and(|line| says(line)) || above.is_some_and(says)
}

/// What a crate has of its own.
#[derive(Default)]
struct CrateNames {
    types: BTreeSet<String>,
    /// Types with `Resource` or `Component` in their derives.
    resources: BTreeSet<String>,
    components: BTreeSet<String>,
    /// Types that are saved, and those that are registered for it.
    saved: BTreeSet<String>,
    registered: BTreeSet<String>,
    /// Columns of a kind.
    columns: BTreeSet<String>,
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
fn name_of(of: &Type) -> Option<String> {
    match of {
        Type::Path(path) => Some(path.path.segments.last()?.ident.to_string()),
        Type::Reference(reference) => name_of(&reference.elem),
        _ => None,
    }
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

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::Path(path) => path.is_ident("test"),
        Meta::List(list) if list.path.is_ident("cfg") => {
            let text = list.tokens.to_string().replace(' ', "");
            text == "test" || text.starts_with("all(test,")
        }
        _ => false,
    })
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

/// The files of a file's modules that are only there for tests.
fn test_files(path: &Path, file: &syn::File) -> Vec<PathBuf> {
    let (stem, folder) = (path.file_stem().unwrap_or_default(), path.parent().unwrap_or(path));
    let is_root = ["lib", "main", "mod"].iter().any(|root| stem == *root);
    let folder = if is_root { folder.to_path_buf() } else { folder.join(stem) };
    let tests = file.items.iter().filter_map(|item| match item {
        Item::Mod(of) if of.content.is_none() && is_test(&of.attrs) => Some(of.ident.to_string()),
        _ => None,
    });
    tests.flat_map(|name| [folder.join(format!("{name}.rs")), folder.join(&name)]).collect()
}

/// Brackets within brackets: the parser goes into each by a call of its own.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest) = (0usize, 0);
    for byte in text.bytes() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
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

#[cfg(test)]
mod tests {
    use super::*;

    fn found(source: &str) -> Vec<(usize, &'static str)> {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("src")).unwrap();
        fs::write(folder.path().join("Cargo.toml"), "[package]\nname = \"outside\"\n").unwrap();
        fs::write(folder.path().join("src/lib.rs"), source).unwrap();
        lint(folder.path()).unwrap().iter().map(|found| (found.line, found.rule.name())).collect()
    }

    #[test]
    fn each_slip_is_found_where_it_is() {
        let slips = [
            ("hash_order", "fn f() { let map = HashMap::<u64, f32>::new(); }"),
            ("hash_order", "struct Names(std::collections::HashSet<String>);"),
            ("rand", "fn f() -> f32 { rand::random() }"),
            ("clock", "fn f() { let t = Instant::now(); }"),
            ("clock", "fn f(time: Res<Time<Real>>) {}"),
            ("clock", "fn f(o: Option<Instant>) { o.get_or_insert_with(Instant::now); }"),
            ("std_math", "fn f(x: f32) -> f32 { x.exp() }"),
            ("std_math", "fn f(x: f32) -> f32 { f32::powf(x, 0.3) }"),
            ("process", "fn f() -> u32 { std::process::id() }"),
            ("process", "fn f() { assert!(env::var(\"HOME\").is_ok()); }"),
            ("address", "fn f(t: &Tick) -> usize { &raw const *t as usize }"),
            ("address", "fn f(entity: Entity) -> u64 { entity.to_bits() }"),
            ("thread", "fn f() -> usize { rayon::current_num_threads() }"),
            (
                "lock_order",
                "fn f(b: Blocks<&X>, l: &Mutex<Vec<u64>>) { b.par_for_each(|x| l.lock().unwrap().push(1)); }",
            ),
            (
                "lock_order",
                "fn f(b: Blocks<&X>, n: &AtomicU64) { b.par_for_each(|x| _ = n.fetch_add(1, Relaxed)); }",
            ),
            ("lock_order", "fn f() { let sum = Mutex::new(0.0f32); }"),
            ("float_sum", "fn f(x: &[f32]) -> f32 { x.par_iter().map(|x| x * 2.0).sum() }"),
            ("parallel_commands", "fn f(commands: ParallelCommands) {}"),
            ("local", "fn f(mut n: Local<u64>) {}"),
            ("static", "static CALLS: AtomicU64 = AtomicU64::new(0);"),
            ("static", "thread_local! { static X: Cell<u64> = const { Cell::new(0) }; }"),
            ("unsaved", "#[derive(Resource)] struct N(u64); fn f(mut n: ResMut<N>) {}"),
            ("unsaved", "#[derive(Resource)] struct N(u64); impl Saved for N {} fn f(mut n: ResMut<N>) {}"),
            (
                "unsaved",
                "#[derive(Resource)] struct N(u64); fn f(w: &mut World) { w.resource_mut::<N>().0 = 1; }",
            ),
            ("plain_entity", "#[derive(Component)] struct C(u64); fn f(mut q: Query<(&A, &mut C)>) {}"),
            ("timer", "fn f(app: &mut App) { app.add_systems(Update, g.run_if(on_timer(x))); }"),
            ("timer", "fn f(app: &mut App) { app.add_systems(Update, g.run_if(run_once)); }"),
            ("timer", "fn f(app: &mut App) { app.add_systems(Update, g.run_if(resource_changed::<S>)); }"),
            ("message", "fn f(mut reader: MessageReader<Ping>) {}"),
            ("file", "fn f() { let text = std::fs::read_to_string(\"x\"); }"),
        ];
        for (rule, source) in slips {
            assert_eq!(found(&format!("//! A slip.\n{source}\n")), [(2, rule)], "{source}");
        }
    }

    #[test]
    fn what_is_fine_is_left_alone() {
        let fine = [
            "use std::collections::HashMap;",
            "use bevy_platform::collections::HashMap; fn f(m: bevy_platform::collections::HashMap<u8, u8>) {}",
            "fn f(x: f32) -> f32 { maths::exp(x).sqrt() }",
            "fn f(x: &[f32]) -> f32 { x.iter().sum() }",
            "fn f(l: &Mutex<u64>) { *l.lock().unwrap() += 1; }",
            "static NAME: &str = \"x\";",
            "#[derive(Resource)] struct N(u64); fn f(n: Res<N>) {}",
            "#[derive(Resource)] struct N(u64); impl Saved for N {} \
             fn b(app: &mut App) { app.save_resource::<N>(); } fn f(mut n: ResMut<N>) {}",
            "#[derive(Component)] struct C(f32); fn b(app: &mut App) { app.add_kind(Kind::new(\"c\").with::<C>()); } \
             fn f(mut q: Query<&mut C>) {}",
            "fn f(mut t: ResMut<Totals>) {}",
            "struct Local; impl Local { fn new() -> Local { Local } }",
            "// lint: allow(local) room that is used again\nfn f(mut n: Local<Vec<u64>>) {}",
            "fn f(mut n: Local<Vec<u64>>) {} // lint: allow(rand, local) room that is used again",
            "#[cfg(test)] mod tests { fn f() { rand::random() } }",
            "#[test] fn f() { assert!(Instant::now() > x); }",
            "#[cfg(test)] static X: AtomicU64 = AtomicU64::new(0);",
            "#[cfg(all(test, unix))] mod tests { fn f() { rand::random() } }",
            "struct S; impl S { #[cfg(test)] fn f() { rand::random() } }",
        ];
        for source in fine {
            assert_eq!(found(source), [], "{source}");
        }
        // What is said of one line holds for no other.
        let two = "fn f(mut n: Local<u64>) {} // lint: allow(local) room\nfn g(mut n: Local<u64>) {}";
        assert_eq!(found(two), [(2, "local")]);
        // Without a reason it is not said.
        assert_eq!(found("fn f(mut n: Local<u64>) {} // lint: allow(local)"), [(1, "local")]);
    }

    #[test]
    fn a_file_that_is_only_there_for_tests_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        fs::create_dir(folder.path().join("src")).unwrap();
        write("Cargo.toml", "[package]\nname = \"outside\"\n");
        write("src/lib.rs", "#[cfg(test)] mod tests;\nmod other;\n");
        write("src/tests.rs", "fn f() { rand::random() }\n");
        write("src/other.rs", "fn f() { rand::random() }\n");
        let found = lint(folder.path()).unwrap();
        assert!(matches!(&found[..], [one] if one.file.ends_with("src/other.rs")), "{found:?}");
        write("src/other.rs", &"(".repeat(100_000));
        assert!(lint(folder.path()).unwrap_err().to_string().contains("brackets 100000 deep"));
    }

    #[test]
    fn what_is_no_crate_or_no_rust_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let said = |path: &Path| lint(path).unwrap_err().to_string();
        assert!(said(folder.path()).contains("found no crate"));
        fs::create_dir(folder.path().join("src")).unwrap();
        fs::write(folder.path().join("Cargo.toml"), "[package]\nname = \"outside\"\n").unwrap();
        fs::write(folder.path().join("src/lib.rs"), "fn f() {\n    let = 3;\n}\n").unwrap();
        assert!(said(folder.path()).contains("lib.rs:2:9: "), "{}", said(folder.path()));
        assert!(said(&folder.path().join("nowhere")).contains("nowhere: "));
    }
}
