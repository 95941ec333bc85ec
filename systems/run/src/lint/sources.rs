//! Sources: the crates in a folder and their files, parsed, without those that only tests have.

use std::fs;
use std::path::{Path, PathBuf};

use syn::{Attribute, Item, Meta};

use crate::error::RunError;

/// Largest source file that is read: 4 MB.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// Brackets within brackets at most.
const DEPTH_MAX: usize = 500;

/// A file of a crate, read and parsed.
pub(super) struct SourceFile {
    pub path: PathBuf,
    pub text: String,
    pub syntax: syn::File,
}

fn usage(path: &Path, what: &str) -> RunError {
    RunError::Usage(format!("{}: {what}", path.display()))
}

/// The crate in `dir`, or those in its folders.
pub(super) fn crates_of(dir: &Path) -> Result<Vec<PathBuf>, RunError> {
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
    Ok(crates)
}

/// The registry of a tree has plugins beside it, and nothing to look at in itself.
fn is_registry(dir: &Path) -> bool {
    fs::read_to_string(dir.join("Cargo.toml")).is_ok_and(|text| text.contains("name = \"corec_plugins\""))
}

/// The files of the crate in `folder`.
pub(super) fn files_of(folder: &Path) -> Result<Vec<SourceFile>, RunError> {
    let mut paths = Vec::new();
    collect(&folder.join("src"), &mut paths).map_err(|e| usage(folder, &e.to_string()))?;
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
        let syntax = syn::parse_file(&text).map_err(|e| {
            let at = e.span().start();
            RunError::Usage(format!("{}:{}:{}: {e}", path.display(), at.line, at.column + 1))
        })?;
        files.push(SourceFile { path, text, syntax });
    }
    let tests: Vec<PathBuf> = files.iter().flat_map(|file| test_files(&file.path, &file.syntax)).collect();
    files.retain(|file| !tests.iter().any(|test| file.path.starts_with(test)));
    Ok(files)
}

/// The Rust files in a folder and below, by name.
fn collect(folder: &Path, into: &mut Vec<PathBuf>) -> std::io::Result<()> {
    let mut entries: Vec<_> = fs::read_dir(folder)?.collect::<Result<_, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        // A link could lead round in a circle.
        let kind = entry.file_type()?;
        if kind.is_dir() {
            collect(&path, into)?;
        } else if kind.is_file() && path.extension().is_some_and(|end| end == "rs") {
            into.push(path);
        }
    }
    Ok(())
}

/// Whether an item is only there for tests.
pub(super) fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::Path(path) => path.is_ident("test"),
        Meta::List(list) if list.path.is_ident("cfg") => {
            let text = list.tokens.to_string().replace(' ', "");
            text == "test" || text.starts_with("all(test,")
        }
        _ => false,
    })
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
