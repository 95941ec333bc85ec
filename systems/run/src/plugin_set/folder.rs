//! The folder that a run's plugins are in: which it is, and the configs that are read there.

use std::path::{Path, PathBuf};

use corec_core::config::{PluginConfig, load_plugin};
use corec_core::plugin::Registered;

use crate::error::RunError;
use crate::scenarios::read_text;

/// The file in a plugin's folder that says what it is.
pub const CONFIG: &str = "config.json";

/// Where a variable of a config comes from.
pub(crate) type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The configs in `folder`: all of them, or those that `names` names, each of which must be there.
pub(super) fn choose(
    folder: &Path,
    names: Option<&[String]>,
    registry: &[Registered],
    lookup: Lookup,
) -> Result<Vec<PluginConfig>, RunError> {
    if !folder.is_dir() {
        let found = folder.display();
        return Err(RunError::Usage(format!(
            "--plugins: found no folder {found}, must be one with NAME/{CONFIG}"
        )));
    }
    let mut found = scan(folder, lookup)?;
    let Some(names) = names else { return Ok(found) };
    let is_called = |name: &str, config: &PluginConfig| {
        config.name == name || registry.iter().any(|r| r.is_called(name) && r.is_called(&config.name))
    };
    if let Some(missing) = names.iter().find(|name| !found.iter().any(|config| is_called(name, config))) {
        let there: Vec<&str> = found.iter().map(|config| config.name.as_str()).collect();
        let there = if there.is_empty() { "none".into() } else { there.join(", ") };
        let (missing, folder) = (missing.escape_debug(), folder.display());
        return Err(RunError::Usage(format!(
            "plugins: found '{missing}', must be of those in {folder}: {there}"
        )));
    }
    found.retain(|config| names.iter().any(|name| is_called(name, config)));
    Ok(found)
}

/// That plugins are wanted by name and there is no folder to look in.
pub(super) fn no_folder(names: &[String]) -> RunError {
    let names: Vec<String> = names.iter().map(|name| name.escape_debug().to_string()).collect();
    RunError::Usage(format!(
        "plugins: found no folder 'plugins' with {}, must be beside the scenario or in the working folder, or named by \
         --plugins DIR",
        names.join(", ")
    ))
}

/// `plugins` in `beside`, else in the working folder; none if neither is there.
pub(super) fn default_folder(beside: Option<&Path>) -> Option<PathBuf> {
    let candidates = beside.into_iter().chain([Path::new("")]).map(|folder| folder.join("plugins"));
    candidates.into_iter().find(|folder| folder.is_dir())
}

/// The configs in the folders of `folder`, by the folders' names. A folder without one is no plugin.
///
/// # Errors
/// A folder or a file that can't be read, or a bad config.
pub(crate) fn scan(folder: &Path, lookup: Lookup) -> Result<Vec<PluginConfig>, RunError> {
    let fail = |path: &Path, e: std::io::Error| {
        RunError::Usage(format!("{}: could not be read: {e}", path.display()))
    };
    let entries = std::fs::read_dir(folder).map_err(|e| fail(folder, e))?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path().join(CONFIG)))
        .filter(|file| file.is_file())
        .collect();
    files.sort();
    files.iter().map(|file| read(file, lookup)).collect()
}

/// Reads a config.json; its folder is the plugin's.
///
/// # Errors
/// A file that can't be read, or a bad config.
pub fn read(file: &Path, lookup: Lookup) -> Result<PluginConfig, RunError> {
    let source = file.display().to_string();
    let text = read_text(file).map_err(|e| RunError::Usage(format!("{source}: could not be read: {e}")))?;
    let mut config = load_plugin(&source, &text, lookup)?;
    // Absolute, for the run may be done again from elsewhere.
    config.folder =
        file.parent().map(|folder| folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf()));
    Ok(config)
}
