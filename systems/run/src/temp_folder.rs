//! A folder of this process's own for a moment.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// It is removed with this.
pub struct TempFolder(PathBuf);

impl TempFolder {
    /// Makes one whose name begins with `name`, in the system's folder for what is not kept.
    ///
    /// # Errors
    /// What the system says.
    pub fn new(name: &str) -> std::io::Result<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        loop {
            let number = COUNT.fetch_add(1, Ordering::Relaxed);
            let path = std::env::temp_dir().join(format!("{name}-{}-{number}", std::process::id()));
            match std::fs::create_dir(&path) {
                Ok(()) => return Ok(Self(path)),
                // Left by another process of this number.
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempFolder {
    fn drop(&mut self) {
        _ = std::fs::remove_dir_all(&self.0);
    }
}
