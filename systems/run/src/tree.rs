//! The plugins in a source tree: a new one, and the registry that names every one of them.
//!
//! The registry is `Cargo.toml` and `src/lib.rs` in the folder `plugins`. It names each crate: one that nothing names is
//! left out by the linker.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::RunError;
use crate::plugin_set::CONFIG;

const MANIFEST: &str = "Cargo.toml";
const TEMPLATE: [(&str, &str); 5] = [
    (MANIFEST, include_str!("../../../assets/plugin/Cargo.toml")),
    ("src/lib.rs", include_str!("../../../assets/plugin/lib.rs")),
    ("tests/runs.rs", include_str!("../../../assets/plugin/tests/runs.rs")),
    (CONFIG, include_str!("../../../assets/plugin/config.json")),
    ("README.md", include_str!("../../../assets/plugin/README.md")),
];
/// Crates that a plugin's name would hide.
const TAKEN: [&str; 14] = [
    "alloc",
    "bevy_app",
    "bevy_ecs",
    "bytemuck",
    "core",
    "corec",
    "corec_api",
    "corec_core",
    "corec_plugins",
    "corec_run",
    "serde",
    "std",
    "test",
    "tracing",
];

/// The folder `plugins` of a source tree.
pub struct Tree(PathBuf);

/// A plugin's crate.
struct Crate {
    /// Its folder's name.
    folder: String,
    /// Its package.
    package: String,
    /// The type that its `corec::plugin!` names.
    plugin: String,
}

impl Tree {
    /// The tree around `from`, or above it.
    ///
    /// # Errors
    /// A place that is in no source tree.
    pub fn around(from: &Path) -> Result<Self, RunError> {
        let here = from.canonicalize().unwrap_or_else(|_| from.to_path_buf());
        let is_registry = |folder: &PathBuf| {
            fs::read_to_string(folder.join(MANIFEST))
                .is_ok_and(|text| text.contains("name = \"corec_plugins\""))
        };
        let around = here
            .ancestors()
            .flat_map(|folder| [folder.join("plugins"), folder.to_path_buf()])
            .find(is_registry);
        around.map(Self).ok_or_else(|| {
            RunError::Usage(format!(
                "{}: found no plugins/Cargo.toml of corec_plugins here or above, must be in CoreC's source tree",
                here.display()
            ))
        })
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.0
    }

    /// Writes a new plugin that builds, runs and passes its test, and the registry with it. Gives its folder.
    ///
    /// # Errors
    /// A name that can't be a crate's, one that is there, or what the system says.
    pub fn create(&self, name: &str) -> Result<PathBuf, RunError> {
        let is_snake = name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
            && name.len() <= 64;
        if !is_snake || TAKEN.contains(&name) || matches!(name, "src" | "target") || is_keyword(name) {
            return Err(RunError::Usage(format!(
                "NAME: found '{}', must be 1 to 64 of a-z, 0-9 and '_', begin with a letter and be no keyword or crate of \
                 CoreC's own: my_plugin",
                name.escape_debug()
            )));
        }
        let plugin = camel(name);
        if code_names(&plugin) {
            return Err(RunError::Usage(format!(
                "NAME: found '{name}', must be another: its type would be {plugin}, and what is written has one of that name"
            )));
        }
        let folder = self.0.join(name);
        let fail = |path: &Path, e: std::io::Error| RunError::Failed(format!("{}: {e}", path.display()));
        if folder.exists() {
            return Err(RunError::Usage(format!(
                "{}: is there already, must be a new name",
                folder.display()
            )));
        }
        for (file, text) in TEMPLATE {
            let path = folder.join(file);
            let text =
                text.replace("{name}", name).replace("{Type}", &plugin).replace("{corec}", "../../systems");
            fs::create_dir_all(path.parent().unwrap_or(&folder)).map_err(|e| fail(&path, e))?;
            fs::write(&path, text).map_err(|e| fail(&path, e))?;
        }
        for empty in ["models", "data"] {
            let keep = folder.join(empty).join(".gitkeep");
            fs::create_dir_all(folder.join(empty))
                .and_then(|()| fs::write(&keep, ""))
                .map_err(|e| fail(&keep, e))?;
        }
        self.sync()?;
        Ok(folder)
    }

    /// Writes the registry; gives the files that were not current.
    ///
    /// # Errors
    /// A crate without a plugin, or what the system says.
    pub fn sync(&self) -> Result<Vec<PathBuf>, RunError> {
        let stale = self.stale()?;
        for (path, text) in &stale {
            fs::write(path, text).map_err(|e| RunError::Failed(format!("{}: {e}", path.display())))?;
        }
        Ok(stale.into_iter().map(|(path, _)| path).collect())
    }

    /// The files of the registry that are not current, and what they should say.
    ///
    /// # Errors
    /// As [`Tree::sync`].
    pub fn stale(&self) -> Result<Vec<(PathBuf, String)>, RunError> {
        let crates = self.crates()?;
        let files =
            [(self.0.join(MANIFEST), manifest(&crates)), (self.0.join("src/lib.rs"), library(&crates))];
        Ok(files
            .into_iter()
            .filter(|(path, text)| fs::read_to_string(path).ok().as_ref() != Some(text))
            .collect())
    }

    /// The crates in the folder, by name.
    fn crates(&self) -> Result<Vec<Crate>, RunError> {
        let usage = |path: &Path, message: &str| RunError::Usage(format!("{}: {message}", path.display()));
        let entries = fs::read_dir(&self.0).map_err(|e| usage(&self.0, &e.to_string()))?;
        let folders =
            entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.join(MANIFEST).is_file());
        let mut crates = Vec::new();
        for path in folders {
            let (file, library) = (path.join(MANIFEST), path.join("src/lib.rs"));
            let read = |path: &Path| fs::read_to_string(path).map_err(|e| usage(path, &e.to_string()));
            let package = package_of(&read(&file)?).ok_or_else(|| usage(&file, "found no package name"))?;
            let plugin = plugin_of(&read(&library)?).ok_or_else(|| {
                usage(&library, "found no corec::plugin!(Type, name = ..), must have one at its root")
            })?;
            let folder = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            crates.push(Crate { folder, package, plugin });
        }
        crates.sort_by(|a, b| a.package.cmp(&b.package));
        Ok(crates)
    }
}

/// Keywords of the 2024 edition that a snake-case name could be.
fn is_keyword(name: &str) -> bool {
    const KEYWORDS: &str = "abstract as async await become box break const continue crate do dyn else enum extern false final \
                            fn for gen if impl in let loop macro match mod move mut override priv pub ref return self \
                            static struct super trait true try type typeof unsafe unsized use virtual where while yield";
    KEYWORDS.split_whitespace().any(|keyword| keyword == name)
}

/// Whether the code of a new plugin has this name already.
fn code_names(name: &str) -> bool {
    let code = TEMPLATE.iter().filter(|(file, _)| file.ends_with(".rs")).flat_map(|(_, text)| text.lines());
    let mut code = code.filter(|line| !line.trim_start().starts_with("//"));
    code.any(|line| line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == name))
}

fn camel(name: &str) -> String {
    let parts = name.split('_').filter(|part| !part.is_empty());
    parts.map(|part| part[..1].to_uppercase() + &part[1..]).collect()
}

/// The name in a manifest's `[package]`.
fn package_of(manifest: &str) -> Option<String> {
    let mut lines = manifest.lines().map(str::trim).skip_while(|line| *line != "[package]").skip(1);
    let name = lines.by_ref().take_while(|line| !line.starts_with('[')).find_map(|line| {
        let (key, value) = line.split_once('=')?;
        (key.trim() == "name").then(|| value.trim().trim_matches('"').to_string())
    });
    name.filter(|name| !name.is_empty())
}

/// The type that a library's `plugin!` names.
fn plugin_of(library: &str) -> Option<String> {
    let code: Vec<&str> = library.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let code = code.join("\n");
    let (_, rest) = code.split_once("\ncorec::plugin!(")?;
    let name = rest.split(',').next().unwrap_or_default().trim();
    (!name.is_empty()).then(|| name.to_string())
}

fn manifest(crates: &[Crate]) -> String {
    let mut text = String::from(
        "# Written by `corec plugin sync`. Do not edit: `corec plugin new NAME` adds a plugin.\n[package]\nname = \"corec_plugins\"\n\
         version.workspace = true\nedition.workspace = true\nrust-version.workspace = true\nlicense.workspace = true\n\
         publish.workspace = true\n\n[lib]\ndoctest = false\n\n[dependencies]\ncorec_api.workspace = true\n",
    );
    for Crate { folder, package, .. } in crates {
        _ = writeln!(text, "{package} = {{ path = \"{folder}\" }}");
    }
    text.push_str("\n[lints]\nworkspace = true\n");
    text
}

fn library(crates: &[Crate]) -> String {
    let mut text = String::from(
        "//! The plugins of this tree. Written by `corec plugin sync`; do not edit.\n#![forbid(unsafe_code)]\n\n\
         use corec_api::plugin::Registered;\n\n/// Every plugin, by its crate's name.\n#[rustfmt::skip]\npub const REGISTRY: &[Registered] = &[\n",
    );
    let line = |Crate { package, plugin, .. }: &Crate| {
        format!("Registered::of::<{}::{plugin}>()", package.replace('-', "_"))
    };
    crates.iter().for_each(|of| _ = writeln!(text, "    {},", line(of)));
    text.push_str("];\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(folder: &Path) -> Tree {
        fs::create_dir_all(folder.join("plugins/src")).unwrap();
        fs::write(folder.join("plugins/Cargo.toml"), "[package]\nname = \"corec_plugins\"\n").unwrap();
        Tree::around(folder).unwrap()
    }

    #[test]
    fn a_new_plugin_is_in_the_registry() {
        let folder = tempfile::tempdir().unwrap();
        let tree = tree(folder.path());
        for name in ["zeta", "my_plugin"] {
            let made = tree.create(name).unwrap();
            assert!(["models", "data"].iter().all(|sub| made.join(sub).is_dir()));
        }
        let library = fs::read_to_string(folder.path().join("plugins/src/lib.rs")).unwrap();
        assert!(
            library.contains(
                "    Registered::of::<my_plugin::MyPlugin>(),\n    Registered::of::<zeta::Zeta>(),\n"
            ),
            "{library}"
        );
        let manifest = fs::read_to_string(folder.path().join("plugins/Cargo.toml")).unwrap();
        assert!(manifest.contains("my_plugin = { path = \"my_plugin\" }\nzeta ="), "{manifest}");
        assert!(tree.stale().unwrap().is_empty());
        fs::write(folder.path().join("plugins/src/lib.rs"), "").unwrap();
        assert_eq!(tree.sync().unwrap().len(), 1);
    }

    #[test]
    fn a_name_that_no_crate_can_have_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let tree = tree(folder.path());
        for name in ["", "My", "a-b", "../up", "core", "serde", "match", "src", "1st", "ñandú"] {
            let error = tree.create(name).unwrap_err().to_string();
            assert!(error.contains("must be 1 to 64 of a-z"), "{name}: {error}");
        }
        // Their types are those of the code that is written.
        for name in ["settings", "tiredness", "plugin", "test_app"] {
            let error = tree.create(name).unwrap_err().to_string();
            assert!(error.contains("must be another: its type would be"), "{name}: {error}");
        }
        assert!(!folder.path().join("plugins/settings").exists());
        tree.create("twice").unwrap();
        assert!(tree.create("twice").unwrap_err().to_string().contains("is there already"));
    }

    #[test]
    fn a_crate_without_a_plugin_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let tree = tree(folder.path());
        let made = tree.create("hollow").unwrap();
        fs::write(made.join("src/lib.rs"), "// corec::plugin!(Hollow, name = \"hollow\");\n").unwrap();
        let error = tree.sync().unwrap_err().to_string();
        assert!(error.contains("hollow/src/lib.rs: found no corec::plugin!"), "{error}");
    }

    #[test]
    fn outside_a_tree_it_says_where_to_be() {
        let folder = tempfile::tempdir().unwrap();
        let error = Tree::around(folder.path()).err().unwrap().to_string();
        assert!(error.contains("must be in CoreC's source tree"), "{error}");
    }
}
