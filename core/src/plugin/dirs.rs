//! A plugin's own files: `models/` and `data/` in its folder.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::file;

use bevy_ecs::resource::Resource;
use thiserror::Error;

use super::NamedPlugin;

/// Bytes of a plugin's file, unpacked: the guide's models are a few KB, an "intelligent" block's about 5 MB.
pub const FILE_BYTES_MAX: u64 = 256 << 20;
/// zstd's default level: these files are written once in a while.
const LEVEL: i32 = 3;

/// Where each plugin's files are.
#[derive(Resource, Default)]
pub struct PluginDirs {
    dirs: BTreeMap<&'static str, PluginDir>,
    /// Whether nothing may be written: a run that is done again must find what the first one found.
    pub is_read_only: bool,
}

impl PluginDirs {
    /// The files of the plugin `P`. A plugin without a folder has none, and writes none.
    pub fn of<P: NamedPlugin>(&self) -> PluginDir {
        self.dirs.get(P::NAME).cloned().unwrap_or_default()
    }

    pub(super) fn insert(&mut self, plugin: &'static str, folder: Option<PathBuf>) {
        self.dirs.insert(plugin, PluginDir { folder, is_read_only: self.is_read_only });
    }
}

/// The files of one plugin. A name is `models/..` or `data/..`, under the plugin's folder; one that ends in `.zst` is
/// packed with zstd on its way to the disk and back.
#[derive(Clone, Debug, Default)]
pub struct PluginDir {
    folder: Option<PathBuf>,
    is_read_only: bool,
}

/// Why a plugin's file can't be read or written.
#[derive(Debug, Error)]
#[error("{}: {message}", .path.display())]
pub struct PluginFileError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong.
    pub message: String,
}

impl PluginDir {
    /// The files in `folder`, as [`PluginDirs`] would hand them over: for a plugin's own tests.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: Some(folder.into()), is_read_only: false }
    }

    /// Where the file `name` is; none without a folder.
    ///
    /// # Errors
    /// A name outside `models/` and `data/`.
    pub fn path(&self, name: &str) -> Result<Option<PathBuf>, PluginFileError> {
        let mut parts = name.split('/');
        let is_inside = matches!(parts.next(), Some("models" | "data"))
            && parts.clone().next().is_some()
            && parts.all(|part| !part.is_empty() && part != "." && part != ".." && !part.contains('\\'));
        if !is_inside {
            let message = "must be a file in models/ or data/".into();
            return Err(PluginFileError { path: name.into(), message });
        }
        Ok(self.folder.as_ref().map(|folder| folder.join(name)))
    }

    /// A file's bytes, at most [`FILE_BYTES_MAX`]; none if it is not there.
    ///
    /// # Errors
    /// A name outside, a file that is too large, damaged or can't be read.
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>, PluginFileError> {
        let Some(path) = self.path(name)? else { return Ok(None) };
        let file = match file::open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(fail(&path, e)),
        };
        let mut bytes = Vec::new();
        let read = if name.ends_with(".zst") {
            zstd::Decoder::new(file)
                .and_then(|unpacked| unpacked.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes))
        } else {
            file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)
        };
        read.map_err(|e| fail(&path, e))?;
        if bytes.len() as u64 > FILE_BYTES_MAX {
            return Err(fail(
                &path,
                format!("found more than {FILE_BYTES_MAX} bytes, must be at most so many"),
            ));
        }
        Ok(Some(bytes))
    }

    /// Writes a file, whole at any moment: beside it, synced, renamed. Does nothing without a folder, or while a run is
    /// done again (`corec verify`, `replay`).
    ///
    /// # Errors
    /// A name outside, or what the system says; what was there stays.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), PluginFileError> {
        let Some(path) = self.path(name)?.filter(|_| !self.is_read_only) else { return Ok(()) };
        let packed;
        let bytes = if name.ends_with(".zst") {
            packed = zstd::bulk::compress(bytes, LEVEL).map_err(|e| fail(&path, e))?;
            &packed
        } else {
            bytes
        };
        let folder = path.parent().unwrap_or(Path::new("."));
        let temporary = path.with_extension("tmp");
        let write = || {
            fs::create_dir_all(folder)?;
            let mut file = File::create(&temporary)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&temporary, &path)?;
            File::open(folder)?.sync_all()
        };
        write().map_err(|e: io::Error| {
            _ = fs::remove_file(&temporary);
            fail(&path, e)
        })
    }
}

fn fail(path: &Path, error: impl ToString) -> PluginFileError {
    PluginFileError { path: path.into(), message: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_comes_back_packed_or_plain() {
        let folder = tempfile::tempdir().unwrap();
        let dir = PluginDir::new(folder.path());
        for name in ["models/nn.bin", "data/deep/log.zst"] {
            assert_eq!(dir.read(name).unwrap(), None);
            let bytes = vec![7; 100_000];
            dir.write(name, &bytes).unwrap();
            assert_eq!(dir.read(name).unwrap(), Some(bytes));
        }
        assert!(fs::metadata(folder.path().join("data/deep/log.zst")).unwrap().len() < 1000);
        assert_eq!(
            fs::read_dir(folder.path().join("models")).unwrap().count(),
            1,
            "nothing is left beside it"
        );
    }

    #[test]
    fn a_name_outside_is_refused() {
        let dir = PluginDir::new("/nowhere");
        for name in ["config.json", "models", "models/", "data/../config.json", "/etc/passwd", "data//x", ""]
        {
            let error = dir.read(name).unwrap_err().to_string();
            assert!(error.contains("must be a file in models/ or data/"), "{name}: {error}");
        }
    }

    #[test]
    fn a_damaged_file_says_where() {
        let folder = tempfile::tempdir().unwrap();
        let dir = PluginDir::new(folder.path());
        dir.write("data/a", b"no frame").unwrap();
        fs::rename(folder.path().join("data/a"), folder.path().join("data/a.zst")).unwrap();
        assert!(dir.read("data/a.zst").unwrap_err().to_string().contains("data/a.zst"));
    }

    #[test]
    fn a_run_done_again_writes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let dir = PluginDir { is_read_only: true, ..PluginDir::new(folder.path()) };
        dir.write("data/a", b"x").unwrap();
        assert_eq!(dir.read("data/a").unwrap(), None);
    }
}
