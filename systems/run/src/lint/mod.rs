//! Lint: what can be seen in a plugin's source that may make its results differ, from run to run, with the number of threads or after a
//! restore. `corec verify` finds what has come of it.
//!
//! It goes by names and knows no types: a line that is fine says so in a comment, `// lint: allow(RULE) why`, on it or above it. Tests
//! (`#[cfg(test)]`, `#[test]`, `tests/`) are not looked at.

mod rule;

mod finding;
mod names;
mod sources;

mod slips;

use std::path::Path;

use syn::visit::Visit;

use crate::error::RunError;

pub use finding::Finding;
pub use rule::Rule;

use names::CrateNames;
use slips::slips;
use sources::{SourceFile, crates_of, files_of};

/// Looks at the sources of a crate, or of every crate in a folder, and gives what it found, by file and line.
///
/// # Errors
/// A folder without a crate; a file that can't be read, or that is no Rust.
pub fn lint(dir: &Path) -> Result<Vec<Finding>, RunError> {
    let mut found = Vec::new();
    for folder in crates_of(dir)? {
        let files = files_of(&folder)?;
        let mut names = CrateNames::default();
        files.iter().for_each(|SourceFile { syntax, .. }| names.visit_file(syntax));
        for SourceFile { path, text, syntax } in &files {
            let slips = slips(&names, path, syntax);
            found.extend(slips.into_iter().filter(|finding| !is_allowed(text, finding)));
        }
    }
    found.sort_by(|a: &Finding, b| {
        (&a.file, a.line, a.column, a.rule).cmp(&(&b.file, b.line, b.column, b.rule))
    });
    found.dedup_by(|a, b| (&a.file, a.line, a.rule) == (&b.file, b.line, b.rule));
    Ok(found)
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

#[cfg(test)]
mod tests {
    use std::fs;

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
