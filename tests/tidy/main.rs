//! Tidy: the sources read from top to bottom. Nothing uses what comes after it, every file says what it is for, and all is short.
//!
//! Reads the tree as text, so that code which a feature or a target switches off counts too. Code for `#[cfg(test)]` does not.

mod source;

use std::collections::BTreeMap;

use source::{Source, crates, end_of_item, paths_of, without_tests};

/// Which of the tree's crates each of them may name; any other arrow points upwards. `plugins` stands for every plugin and for the
/// list of them: a plugin sees the api, and may read what the dynamics and the telemetry keep of a run.
const ARROWS: &[(&str, &[&str])] = &[
    ("core", &[]),
    ("api", &["core"]),
    ("dynamics", &["core", "api"]),
    ("telemetry", &["core", "api", "dynamics"]),
    ("spaces", &["core", "api"]),
    ("bridges", &["core"]),
    ("run", &["core", "api", "dynamics", "telemetry", "bridges"]),
    ("plugins", &["api", "dynamics", "telemetry"]),
    ("live", &["core", "run"]),
    ("corec", &["core", "api", "dynamics", "telemetry", "bridges", "run", "live", "plugins"]),
];

/// A file that can be read in one sitting, and a function that is seen whole on a screen.
const FILE_LINES_MAX: usize = 330;
const FUNCTION_LINES_MAX: usize = 70;

/// Files that are longer than that, or have a longer function, and why.
const EXCEPTIONS: &[(&str, &str)] = &[];
const EXCEPTIONS_MAX: usize = 5;

/// The path from the crate's root, or nothing for a path that starts elsewhere.
fn from_root(module: &[String], path: &[String]) -> Option<Vec<String>> {
    let ups = path.iter().take_while(|segment| *segment == "super").count();
    match path.first()?.as_str() {
        "crate" => Some(path[1..].to_vec()),
        "self" => Some([module, &path[1..]].concat()),
        _ if ups > 0 => Some([module.get(..module.len().checked_sub(ups)?)?, &path[ups..]].concat()),
        _ => None,
    }
}

/// What a folder's `mod.rs` or `lib.rs` lists: its path, its modules in order, and which module an item was taken from.
type List<'a> = (&'a str, Vec<&'a String>, BTreeMap<String, String>);

/// Uses of a module that is listed below the one that uses it, by the list of the folder that has both. An item that a `mod.rs`
/// takes from a submodule counts as the submodule's; what it or the crate's root defines is for all of its modules.
fn uses_below(sources: &[Source]) -> Vec<String> {
    let mut lists = BTreeMap::<&[String], List<'_>>::new();
    for source in sources {
        let (_, modules, items) =
            lists.entry(&source.module).or_insert((&source.path, Vec::new(), BTreeMap::new()));
        modules.extend(&source.modules);
        for (_, path) in paths_of(&source.tokens) {
            let child =
                path.iter().find(|segment| *segment != "self").filter(|child| source.modules.contains(child));
            items.extend(path.last().cloned().zip(child.cloned()));
        }
    }
    let mut findings = Vec::new();
    for source in sources {
        for (line, path) in paths_of(&source.tokens) {
            let Some(target) = from_root(&source.module, &path) else { continue };
            let shared = source.module.iter().zip(&target).take_while(|(own, used)| own == used).count();
            let (Some(own), Some(used)) = (source.module.get(shared), target.get(shared)) else { continue };
            let Some((list, modules, items)) = lists.get(&source.module[..shared]) else { continue };
            let place = |name: &String| modules.iter().position(|module| *module == name);
            let used = items.get(used).filter(|_| shared > 0 && place(used).is_none()).unwrap_or(used);
            if place(own).zip(place(used)).is_some_and(|(own, used)| used > own) {
                let file = &source.path;
                let allowed = format!("`{own}` may use what {list} lists above it");
                findings.push(format!("{file}:{line}: found a use of `{used}`, {allowed}"));
            }
        }
    }
    // One finding for all the items of a module that a line brings in.
    findings.dedup();
    findings
}

/// What a crate names of the tree's other crates, in its sources or as a dependency that is not for tests, and may not.
fn imports_upwards(row: &str, manifest: &Source, sources: &[Source]) -> Vec<String> {
    let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == row) else {
        return vec![format!("{}:1: found the crate `{row}`, must have a row in ARROWS", manifest.path)];
    };
    let (mut named, mut counts) = (Vec::new(), false);
    for (number, line) in manifest.text.lines().enumerate() {
        if line.starts_with('[') {
            counts =
                line.contains("dependencies") && !["dev-", "[workspace"].iter().any(|no| line.contains(no));
        }
        let words = line.split('#').next().unwrap_or("").split(|c: char| !c.is_alphanumeric() && c != '_');
        let renamed = line.contains("package");
        let own = words.filter(|word| word.starts_with("corec_") || *word == "corec" && !renamed);
        named.extend(own.filter(|_| counts).map(|word| (manifest.path.as_str(), number + 1, word)));
    }
    for source in sources {
        let starts = source.tokens.windows(3).filter(|three| three[2].text == "::" || three[0].text == "use");
        let own = starts.map(|three| &three[1]).filter(|token| token.text.starts_with("corec_"));
        named.extend(own.map(|token| (source.path.as_str(), token.line, token.text.as_str())));
    }
    let may =
        |name: &str| name.strip_prefix("corec_").is_some_and(|name| name == row || allowed.contains(&name));
    named.retain(|(_, _, name)| !may(name));
    named
        .iter()
        .map(|(path, line, name)| format!("{path}:{line}: found {name}, `{row}` may use {allowed:?}"))
        .collect()
}

fn without_purpose(source: &Source) -> Option<String> {
    let first: Vec<&str> = source.text.lines().map_while(|line| line.strip_prefix("//! ")).collect();
    let sentence = first.join(" ");
    let included = source.path == "src/lib.rs" && source.text.starts_with("#![doc = include_str!");
    let says = sentence.contains(' ') && sentence.trim_end().ends_with(['.', ':', '?', '!']);
    (!says && !included)
        .then(|| format!("{}:1: found {sentence:?}, must be `//! ` and a sentence that ends", source.path))
}

/// What is too long in a file, by path. A file of tests counts whole, but its functions are as long as the story they tell.
fn too_long(source: &Source, is_test: bool) -> Vec<(String, String)> {
    let (path, tokens) = (&source.path, &source.tokens);
    let lines = if is_test { source.text.lines().count() } else { source.lines };
    let mut found = Vec::new();
    if lines > FILE_LINES_MAX {
        let what = format!("{path}:{FILE_LINES_MAX}: found {lines} lines, at most {FILE_LINES_MAX}");
        found.push((path.clone(), what));
    }
    for (at, pair) in tokens.windows(2).enumerate().filter(|(_, pair)| !is_test && pair[0].text == "fn") {
        let (start, end) = (pair[0].line, &tokens[end_of_item(tokens, at)]);
        let (name, lines) = (&pair[1].text, end.line + 1 - start);
        if lines > FUNCTION_LINES_MAX && name.starts_with(|c: char| c.is_alphabetic() || c == '_') {
            let what =
                format!("{path}:{start}: found `{name}` of {lines} lines, at most {FUNCTION_LINES_MAX}");
            found.push((path.clone(), what));
        }
    }
    found
}

/// What `found` says, but for files with an exception; and of the exceptions those that nothing needs.
fn excepted(found: Vec<(String, String)>, exceptions: &[(&str, &str)]) -> Vec<String> {
    let idle = exceptions.iter().filter(|(path, _)| !found.iter().any(|(file, _)| file == path));
    let idle = idle.map(|(path, why)| {
        format!("{path}:1: found an exception ({why}), must be needed: nothing is too long")
    });
    let left = found.iter().filter(|(file, _)| !exceptions.iter().any(|(path, _)| path == file));
    idle.chain(left.map(|(_, what)| what.clone())).collect()
}

fn assert_none(findings: &[String]) {
    assert!(findings.is_empty(), "{}\n{} findings", findings.join("\n"), findings.len());
}

#[test]
fn a_module_uses_only_modules_listed_above_it() {
    let findings = crates().into_iter().flat_map(|each| uses_below(&without_tests(each.sources)));
    assert_none(&findings.collect::<Vec<_>>());
}

#[test]
fn no_crate_or_file_imports_upwards() {
    let crates = crates().into_iter();
    let findings =
        crates.flat_map(|each| imports_upwards(&each.row, &each.manifest, &without_tests(each.sources)));
    assert_none(&findings.collect::<Vec<_>>());
}

#[test]
fn a_file_opens_with_its_purpose() {
    let files = crates().into_iter().flat_map(|each| each.sources.into_iter().chain(each.tests));
    assert_none(&files.filter_map(|file| without_purpose(&file)).collect::<Vec<_>>());
}

#[test]
fn files_and_functions_are_short() {
    let mut found = Vec::new();
    for each in crates() {
        found.extend(without_tests(each.sources).iter().flat_map(|source| too_long(source, false)));
        found.extend(each.tests.iter().flat_map(|test| too_long(test, true)));
    }
    assert!(
        EXCEPTIONS.len() <= EXCEPTIONS_MAX,
        "found {} exceptions, at most {EXCEPTIONS_MAX}",
        EXCEPTIONS.len()
    );
    assert_none(&excepted(found, EXCEPTIONS));
}

/// What a crate of `a`, then `b` with `x` and then `y`, then `c`, uses from below if `file` holds `text`.
fn below(file: &str, text: &str) -> usize {
    let b = "mod x;\nmod y;\nuse y::Thing;\nstruct Own;";
    let files = [
        ("lib.rs", "mod a;\n#[expect(unsafe_code)]\npub mod b;\nmod c;\nstruct Root;"),
        ("b/mod.rs", b),
        (file, text),
    ];
    uses_below(&without_tests(files.map(|(path, text)| Source::new("", path, text)).into())).len()
}

#[test]
fn a_use_of_a_module_below_is_found() {
    assert_eq!(
        below(
            "a.rs",
            "use crate::{Root, b::{self, Own as O}, c};\nfn f() -> crate::c::C { crate::plugin!() }"
        ),
        3
    );
    assert_eq!(below("c.rs", "use crate::{a::A, b};\nfn f() { $crate::c::d() }"), 0);
    assert_eq!(
        below("b/x.rs", "use super::{Own, Thing};\nuse super::super::a::A;\nuse super::y;\nuse crate::c::C;"),
        3
    );
    assert_eq!(below("b/y.rs", "use super::x::X;\nuse super::Own;"), 0);
}

#[test]
fn comments_texts_and_tests_use_nothing() {
    let texts = "//! crate::c\n/* crate::c */ const T: &str = \"\\\" crate::c\"; const R: &str = r#\"\" crate::c\"#; const Q: char = '\"';";
    let tests = "\n#[cfg(test)]\nmod tests {\n    use crate::c;\n}\n";
    assert_eq!(below("a.rs", &format!("{texts}{tests}")), 0);
    assert_eq!(below("a.rs", &format!("{texts}{tests}fn f<'a>(_: &'a u8) {{ crate::c::d() }}")), 1);
}

#[test]
fn an_import_upwards_is_found() {
    let file = |text| Source::new("", "lib.rs", text);
    let up = |manifest, text| imports_upwards("core", &file(manifest), &[file(text)]).len();
    assert_eq!(
        up(
            "[dependencies]\ncorec_api.workspace = true\ncorec = { package = \"corec_run\" }\nserde = \"1\"",
            ""
        ),
        2
    );
    assert_eq!(
        up(
            "[dev-dependencies]\ncorec_run = \"1\"\n[features]",
            "/// corec_run::Run\nfn f() { corec_core::f() }"
        ),
        0
    );
    assert_eq!(up("", "use corec_api::App;\nfn f() { corec_run::run() }"), 2);
}

#[test]
fn a_file_without_a_purpose_is_found() {
    let lacks = |text| without_purpose(&Source::new("", "a.rs", text)).is_some();
    assert!(
        lacks("use std::fs;")
            && lacks("//! Todo")
            && lacks("// Files are read here.")
            && lacks("//! Files, but\n\n")
    );
    assert!(!lacks("//! Files of a run,\n//! and who reads them.\n//!\n//! More"));
}

#[test]
fn what_is_too_long_and_an_idle_exception_are_found() {
    let long = |lines, text: &str| too_long(&Source::new("", "a.rs", &("\n".repeat(lines) + text)), false);
    let function = |lines| format!("fn f(a: [u8; 2]) {{{}}}\n", "\n".repeat(lines));
    assert_eq!(long(330, "#[cfg(test)]\nmod tests {\n}\n").len() + long(0, &function(69)).len(), 0);
    assert_eq!((long(331, "").len(), long(0, &function(70)).len()), (1, 1));
    assert_eq!(excepted(long(331, ""), &[("a.rs", "")]).len(), 0);
    assert_eq!(excepted(long(331, ""), &[("b.rs", "")]).len(), 2);
}
