//! Stores: where a run's states, alerts and metrics go.
//!
//! [`parse`] reads a URL, [`open`] turns it into a store, [`StoreLane`] keeps it off the tick.

mod memory;
mod sqlite;

mod lane;

use std::path::Path;

use corec_core::config::redact_url;
use corec_core::store::{Store, StoreError};

pub use lane::{StoreLane, StoreSink};
pub use memory::MemoryStore;
pub use sqlite::SqliteStore;

/// What a store's URL asks for.
pub enum StoreUrl<'u> {
    /// Rows in memory.
    Memory,
    /// An SQLite file.
    Sqlite(&'u Path),
}

/// Reads a store's URL. Touches nothing.
///
/// # Errors
/// An unknown scheme, or one whose bridge this version does not have.
pub fn parse(url: &str) -> Result<StoreUrl<'_>, StoreError> {
    let fail = |message: &str| Err(StoreError::failed(redact_url(url), message));
    match url.split_once("://") {
        None if url == "memory" => Ok(StoreUrl::Memory),
        Some(("sqlite", path)) if path.is_empty() || path.ends_with('/') => {
            fail("found no file, must be sqlite://relative.db or sqlite:///absolute.db")
        }
        Some(("sqlite", path)) => Ok(StoreUrl::Sqlite(Path::new(path))),
        Some(("postgres" | "postgresql", _)) => fail(
            "PostgreSQL comes with its bridge, which this version does not have: --store sqlite://store.db",
        ),
        _ => fail("found an unknown store, must be memory, sqlite://relative.db or sqlite:///absolute.db"),
    }
}

/// Opens the store of a URL; a relative SQLite path is in `folder`.
///
/// # Errors
/// As [`parse`], or a file that can't be opened.
pub fn open(url: &str, folder: &Path) -> Result<Box<dyn Store>, StoreError> {
    match parse(url)? {
        StoreUrl::Memory => Ok(Box::new(MemoryStore::default())),
        // An absolute path replaces the folder.
        StoreUrl::Sqlite(path) => Ok(Box::new(SqliteStore::open(url, &folder.join(path))?)),
    }
}
