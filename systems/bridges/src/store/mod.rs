//! Stores: where a run's states, alerts and metrics go.
//!
//! [`parse`] reads a URL, [`open`] turns it into a store, [`StoreLane`] keeps it off the tick.

mod file;
mod memory;
#[cfg(feature = "postgres")]
mod postgres;
mod sqlite;
mod written;

mod item;
mod lane;

use std::path::Path;
use std::time::Duration;

use corec_core::config::redact_url;
use corec_core::store::{Store, StoreError};

use crate::finding::{Finding, Findings};

pub use file::writable;
pub use lane::{StoreLane, StoreSink};
pub use memory::MemoryStore;
#[cfg(feature = "postgres")]
pub use postgres::PostgresStore;
pub use sqlite::SqliteStore;
pub use written::WrittenAlerts;

/// What a store's URL asks for.
pub enum StoreUrl<'u> {
    /// Rows in memory.
    Memory,
    /// An SQLite file.
    Sqlite(&'u Path),
    /// A PostgreSQL database, by its whole URL.
    Postgres(&'u str),
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
        #[cfg(feature = "postgres")]
        Some(("postgres" | "postgresql", _)) => postgres::check(url).map(|()| StoreUrl::Postgres(url)),
        #[cfg(not(feature = "postgres"))]
        Some(("postgres" | "postgresql", _)) => fail(
            "this build has no PostgreSQL, must be built with the feature `postgres`; or --store sqlite://store.db",
        ),
        _ => fail(
            "found an unknown store, must be memory, sqlite://relative.db, sqlite:///absolute.db or postgres://user@host/database",
        ),
    }
}

/// Looks whether a run can stand on the store of a URL. Changes nothing.
pub fn examine(url: &str) -> Vec<Finding> {
    let mut findings = Findings::of("store");
    match parse(url) {
        Ok(StoreUrl::Sqlite(path)) => return file::examine(path),
        #[cfg(feature = "postgres")]
        Ok(StoreUrl::Postgres(url)) => return postgres::examine(url),
        Ok(_) => findings.ok("url", "memory: nothing is kept when the run is over"),
        Err(error) => findings.fix("url", error.to_string()),
    }
    findings.finish()
}

/// Opens the store of a URL; a relative SQLite path is in `folder`, and a server is waited for.
///
/// # Errors
/// As [`parse`], a file that can't be opened, or a server that refuses or stays away.
#[cfg_attr(not(feature = "postgres"), expect(unused_variables, reason = "nothing else is waited for"))]
pub fn open(url: &str, folder: &Path, connect_timeout: Duration) -> Result<Box<dyn Store>, StoreError> {
    match parse(url)? {
        StoreUrl::Memory => Ok(Box::new(MemoryStore::default())),
        // An absolute path replaces the folder.
        StoreUrl::Sqlite(path) => Ok(Box::new(SqliteStore::open(url, &folder.join(path))?)),
        #[cfg(feature = "postgres")]
        StoreUrl::Postgres(url) => Ok(Box::new(PostgresStore::open(url, connect_timeout)?)),
        #[cfg(not(feature = "postgres"))]
        StoreUrl::Postgres(_) => {
            unreachable!("`parse` gives none without the feature")
        }
    }
}
