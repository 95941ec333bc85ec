//! A tree is every file's path and bytes, to tell whether a folder changed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The files and folders below a folder, by path; a folder has no bytes.
#[derive(PartialEq)]
pub struct Tree(BTreeMap<PathBuf, Option<Vec<u8>>>);

impl Tree {
    /// What is below `folder` now. Nothing if it is not there.
    pub fn of(folder: &Path) -> Self {
        let mut entries = BTreeMap::new();
        gather(folder, folder, &mut entries);
        Self(entries)
    }

    /// The first path that differs from what is below `folder` now.
    pub fn changed(&self, folder: &Path) -> Option<String> {
        let now = Self::of(folder);
        let all = self.0.keys().chain(now.0.keys());
        let differs = |path: &&PathBuf| self.0.get(*path) != now.0.get(*path);
        all.filter(differs).min().map(|path| match (self.0.get(path), now.0.get(path)) {
            (None, _) => format!("{} is new in {}", path.display(), folder.display()),
            (_, None) => format!("{} is gone from {}", path.display(), folder.display()),
            _ => format!("{} is another in {}", path.display(), folder.display()),
        })
    }
}

fn gather(root: &Path, folder: &Path, into: &mut BTreeMap<PathBuf, Option<Vec<u8>>>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, kind) = (entry.path(), entry.file_type());
        let name = path.strip_prefix(root).unwrap_or(&path).to_path_buf();
        match kind {
            Ok(kind) if kind.is_dir() => {
                into.insert(name, None);
                gather(root, &path, into);
            }
            // A pipe would wait for somebody.
            Ok(kind) if kind.is_file() => _ = into.insert(name, Some(fs::read(&path).unwrap_or_default())),
            _ => _ = into.insert(name, None),
        }
    }
}

/// Copies a folder with all that is in it.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The names in a folder, sorted.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
