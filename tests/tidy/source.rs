//! Sources: the crates of the tree and their files, read as far as the checks need it.

use std::fs;
use std::path::Path;

#[derive(Clone)]
pub struct Token {
    pub line: usize,
    pub text: String,
}

/// A file of a crate. Its tokens, modules and lines are those outside `#[cfg(test)]`.
pub struct Source {
    pub path: String,
    pub text: String,
    pub module: Vec<String>,
    pub tokens: Vec<Token>,
    pub modules: Vec<String>,
    pub test_modules: Vec<String>,
    pub lines: usize,
}

pub struct Crate {
    pub row: String,
    pub manifest: Source,
    pub sources: Vec<Source>,
    pub tests: Vec<Source>,
}

/// How many bytes of white space, comment, string or character start here; 0 where code does.
pub fn length_of_no_code(rest: &str) -> usize {
    let until =
        |from: usize, end: &str| rest[from..].find(end).map_or(rest.len(), |at| from + at + end.len());
    let raw = rest.trim_start_matches('b').strip_prefix('r').unwrap_or("");
    let quoted = raw.trim_start_matches('#');
    let mut signs = rest.chars();
    match (signs.next(), signs.next()) {
        _ if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
        _ if rest.starts_with("/*") => until(2, "*/"),
        _ if quoted.starts_with('"') => {
            let hashes = "#".repeat(raw.len() - quoted.len());
            until(rest.len() - quoted.len() + 1, &format!("\"{hashes}"))
        }
        (Some('"'), _) => {
            let mut escaped = false;
            let mut ends = |c: char| (c == '"' && !escaped, escaped = c == '\\' && !escaped).0;
            rest[1..].find(&mut ends).map_or(rest.len(), |at| at + 2)
        }
        (Some('\''), Some('\\')) => until(3, "'"),
        (Some('\''), Some(c)) if signs.next() == Some('\'') => c.len_utf8() + 2,
        (Some(c), _) if c.is_whitespace() => c.len_utf8(),
        _ => 0,
    }
}

pub fn tokens_of(text: &str) -> Vec<Token> {
    let (mut tokens, mut rest, mut line) = (Vec::new(), text, 1);
    while let Some(sign) = rest.chars().next() {
        let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let length = match length_of_no_code(rest) {
            0 if rest.starts_with("::") => 2,
            0 => word.max(sign.len_utf8()),
            length => length,
        };
        if length_of_no_code(rest) == 0 {
            tokens.push(Token { line, text: rest[..length].to_string() });
        }
        line += rest[..length].matches('\n').count();
        rest = &rest[length..];
    }
    tokens
}

/// The place of the `;` or `}` that ends the item around `from`.
pub fn end_of_item(tokens: &[Token], from: usize) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate().skip(from) {
        depth += i32::from("([{".contains(&token.text)) - i32::from(")]}".contains(&token.text));
        if depth < 0 || depth == 0 && ["}", ";"].contains(&token.text.as_str()) {
            return if depth < 0 { at - 1 } else { at };
        }
    }
    tokens.len() - 1
}

/// The modules that a file lists outside any braces, in its order.
pub fn modules_of(tokens: &[Token]) -> Vec<String> {
    let (mut depth, mut modules) = (0, Vec::new());
    for pair in tokens.windows(2) {
        depth += i32::from(pair[0].text == "{") - i32::from(pair[0].text == "}");
        if depth == 0 && pair[0].text == "mod" {
            modules.push(pair[1].text.clone());
        }
    }
    modules
}

impl Source {
    /// `folder` is the crate's `src/`, within which the file's path is its module's.
    pub fn new(folder: &str, path: &str, text: &str) -> Source {
        let inside = path.strip_prefix(folder).unwrap_or(path).trim_end_matches(".rs");
        let mut module: Vec<String> = inside.split('/').map(String::from).collect();
        module.pop_if(|last| ["lib", "main", "mod"].contains(&last.as_str()));
        let (path, all, mut lines) = (path.to_string(), tokens_of(text), text.lines().count());
        let (mut tokens, mut test_modules, mut at) = (Vec::new(), Vec::new(), 0);
        while at < all.len() {
            let attribute: String = all[at..].iter().take(7).map(|token| token.text.as_str()).collect();
            let end = if attribute == "#[cfg(test)]" { end_of_item(&all, at + 7) } else { at };
            if end == at {
                tokens.push(all[at].clone());
            } else {
                lines -= all[end].line + 1 - all[at].line;
                test_modules.extend(modules_of(&all[at..=end]));
            }
            at = end + 1;
        }
        let modules = modules_of(&tokens);
        Source { path, text: text.to_string(), module, tokens, modules, test_modules, lines }
    }
}

/// A crate's sources without the files that only tests have.
pub fn without_tests(mut sources: Vec<Source>) -> Vec<Source> {
    let parents =
        sources.iter().flat_map(|source| source.test_modules.iter().map(|test| (&source.module, test)));
    let tests: Vec<_> =
        parents.map(|(parent, test)| [parent.as_slice(), std::slice::from_ref(test)].concat()).collect();
    sources.retain(|source| !tests.iter().any(|test| source.module.starts_with(test)));
    sources
}

/// Every path that starts at `crate`, `self` or `super`, and every path of a `use`, with its braces taken apart.
pub fn paths_of(tokens: &[Token]) -> Vec<(usize, Vec<String>)> {
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text.as_str());
    let (mut found, mut at) = (Vec::new(), 1);
    while at < tokens.len() {
        let rooted = ["crate", "self", "super"].contains(&text(at)) && text(at + 1) == "::";
        if text(at - 1) != "use" && (!rooted || ["::", "$"].contains(&text(at - 1))) {
            at += 1;
            continue;
        }
        let (mut prefixes, mut path) = (Vec::<Vec<String>>::new(), Vec::new());
        loop {
            match (text(at), prefixes.last().cloned()) {
                ("::", _) => {}
                ("{", _) => prefixes.push(path.clone()),
                ("as", _) => at += 1,
                (sign @ ("," | "}"), Some(prefix)) => {
                    if path.len() > prefix.len() {
                        found.push((tokens[at - 1].line, path));
                    }
                    prefixes.truncate(prefixes.len() - usize::from(sign == "}"));
                    path = prefixes.last().cloned().unwrap_or_default();
                }
                (word, _) => path.push(word.to_string()),
            }
            at += 1;
            let goes_on = !prefixes.is_empty() || text(at) == "::" || text(at - 1) == "::";
            if at >= tokens.len() || !goes_on {
                break;
            }
        }
        if !path.is_empty() {
            found.push((tokens[at - 1].line, path));
        }
    }
    found
}

pub fn rust_files(root: &Path, folder: &str) -> Vec<Source> {
    let (mut sources, mut folders) = (Vec::new(), vec![root.join(folder)]);
    while let Some(next) = folders.pop() {
        for path in
            fs::read_dir(&next).into_iter().flatten().map(|entry| entry.expect("a folder is read").path())
        {
            let name = path.strip_prefix(root).expect("is below the root").display().to_string();
            if path.is_dir() {
                folders.push(path);
            } else if name.ends_with(".rs") {
                sources.push(Source::new(
                    folder,
                    &name,
                    &fs::read_to_string(&path).expect("a source is text"),
                ));
            }
        }
    }
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    sources
}

/// Every crate of the tree: those at its top, and those in `systems/` and `plugins/`.
pub fn crates() -> Vec<Crate> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders: Vec<String> = ["", "core/", "systems/", "plugins/"].map(String::from).to_vec();
    for folder in ["systems/", "plugins/"] {
        let entries = fs::read_dir(root.join(folder)).into_iter().flatten().flatten();
        folders.extend(entries.map(|entry| format!("{folder}{}/", entry.file_name().display())));
    }
    folders.sort();
    let crates = folders.iter().filter_map(|folder| {
        let path = format!("{folder}Cargo.toml");
        let manifest = Source::new(folder, &path, &fs::read_to_string(root.join(&path)).ok()?);
        let row = match folder.trim_end_matches('/').split_once('/') {
            _ if folder.is_empty() => "corec",
            Some(("systems", name)) => name,
            _ => folder.split('/').next()?,
        };
        let sources = rust_files(root, &format!("{folder}src/"));
        let tests = rust_files(root, &format!("{folder}tests/"));
        Some(Crate { row: row.to_string(), manifest, sources, tests })
    });
    crates.collect()
}
