//! The PostgreSQL store: a database that many runs, instances and people share.
//!
//! [`settings`] reads the URL and [`tls`] says whom to trust; [`server`] has the connection; [`schema`] makes the tables and their days;
//! [`cursor`] knows how far a run has come and who may write it; [`flush`] brings a batch of [`rows`], in [`binary`], wholly or not
//! at all, once.

mod settings;
mod tls;
mod trouble;

mod server;

mod schema;

mod doctor;

mod cursor;

mod binary;

mod rows;

mod flush;

use std::time::{Duration, Instant};

use corec_core::config::redact_url;
use corec_core::store::{Batch, RunRecord, Store, StoreError};

pub(super) use doctor::examine;

use crate::wait::{Backoff, now};
use cursor::Owned;
use flush::{Buffers, Flushed, flush};
use server::{Link, Server};
use settings::Settings;
use trouble::Trouble;

/// The first pause before a server is tried again, and the longest.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(2)];
/// How often days are made ahead, and old ones detached.
const DAYS_EVERY: Duration = Duration::from_secs(3600);
/// How often rows that were set aside are told of.
const ASIDE_EVERY: Duration = Duration::from_secs(60);
/// How often a batch is tried on one connection: as it is, and once with care, after the cursor was read back.
const TRIES: usize = 4;

/// A store in a PostgreSQL database.
pub struct PostgresStore {
    server: Server,
    connect_timeout: Duration,
    /// None before a run has begun.
    owned: Option<Owned>,
    buffers: Buffers,
    days_at: Instant,
    aside: Aside,
}

/// Rows that were set aside.
#[derive(Default)]
struct Aside {
    rows: usize,
    told_at: Option<Instant>,
}

/// Reads a URL. Touches nothing.
///
/// # Errors
/// What in it can't be read.
pub(super) fn check(url: &str) -> Result<(), StoreError> {
    Settings::parse(url).map(|_| ()).map_err(|message| StoreError::failed(redact_url(url), message))
}

impl PostgresStore {
    /// Connects to the database of `url`, and brings its tables to this version. A server that is away is tried again for
    /// `connect_timeout`.
    ///
    /// # Errors
    /// A URL that can't be read, a server that stays away, one that refuses the user, and tables of a newer version.
    pub fn open(url: &str, connect_timeout: Duration) -> Result<Self, StoreError> {
        let fail = |message: String| StoreError::failed(redact_url(url), message);
        let server = Server::new(Settings::parse(url).map_err(fail)?).map_err(fail)?;
        let (owned, buffers, aside) = (None, Buffers::default(), Aside::default());
        let mut store = Self { server, connect_timeout, owned, buffers, days_at: now(), aside };
        let retention_days = store.server.settings.retention_days;
        store.persist(async |link, _| {
            schema::migrate(&mut link.client).await?;
            schema::keep_days(&link.client, retention_days).await
        })?;
        Ok(store)
    }

    /// Does `work` on a connection; on a new one while the server is away, until the patience is over.
    fn persist(
        &mut self,
        mut work: impl AsyncFnMut(&mut Link, &mut Option<Owned>) -> Result<(), Trouble>,
    ) -> Result<(), StoreError> {
        let (start, mut backoff) = (now(), Backoff::new(PAUSES[0], PAUSES[1]));
        loop {
            let connected = if self.server.is_connected() { Ok(()) } else { self.server.connect() };
            let owned = &mut self.owned;
            match connected.and_then(|()| self.server.run(async |link| work(link, owned).await)) {
                Ok(()) => return Ok(()),
                Err(Trouble::Away(why)) if start.elapsed() >= self.connect_timeout => {
                    let seconds = self.connect_timeout.as_secs_f32();
                    return Err(self.error(Trouble::Away(format!(
                        "away for {seconds} s: {why}: the server must be up and reachable at the URL's host and port"
                    ))));
                }
                Err(Trouble::Away(_)) => {
                    let left = self.connect_timeout.saturating_sub(start.elapsed());
                    std::thread::sleep(backoff.pause().min(left));
                }
                Err(other) => return Err(self.error(other)),
            }
        }
    }

    fn error(&self, trouble: Trouble) -> StoreError {
        let is_away = matches!(trouble, Trouble::Away(_));
        StoreError { is_away, ..StoreError::failed(self.server.settings.shown.clone(), trouble.text()) }
    }

    /// What a run that goes waits for: that the server is back, or that somebody changes back what it denies.
    fn later(&self, trouble: Trouble) -> StoreError {
        self.error(match trouble {
            Trouble::Denied(why) => Trouble::Away(why),
            other => other,
        })
    }

    /// A connection, and the cursor as it is in the database.
    fn connect(&mut self) -> Result<(), Trouble> {
        if self.server.is_connected() {
            return Ok(());
        }
        self.server.connect()?;
        self.read_back()
    }

    fn read_back(&mut self) -> Result<(), Trouble> {
        let owned = self.owned.as_mut().ok_or_else(not_begun)?;
        self.server.run(async |link| owned.read_back(&link.client).await)
    }

    fn flush(&mut self, batch: &Batch) -> Result<(), Trouble> {
        self.connect()?;
        self.keep_days()?;
        let mut is_careful = false;
        for _ in 0..TRIES {
            let (owned, buffers) = (self.owned.as_ref().ok_or_else(not_begun)?, &mut self.buffers);
            match self.server.run(async |link| flush(link, buffers, owned, batch, is_careful).await) {
                Ok(Flushed { cursor, aside, cause }) => {
                    self.owned.as_mut().ok_or_else(not_begun)?.cursor = cursor;
                    self.aside.tell(aside, cause, &self.server.settings.shown);
                    return Ok(());
                }
                Err(Trouble::Moved) => self.read_back()?,
                Err(Trouble::BadData(why)) if is_careful => {
                    return Err(Trouble::Refused(format!("{why}: no one row is the cause")));
                }
                Err(Trouble::BadData(_)) => is_careful = true,
                Err(other) => return Err(other),
            }
        }
        Err(Trouble::Away("the run's cursor does not stay where it is".into()))
    }

    /// Makes days ahead, now and then: before the rows come, or they would go where no day is.
    fn keep_days(&mut self) -> Result<(), Trouble> {
        if self.days_at.elapsed() >= DAYS_EVERY {
            let retention_days = self.server.settings.retention_days;
            self.server.run(async |link| schema::keep_days(&link.client, retention_days).await)?;
            self.days_at = now();
        }
        Ok(())
    }
}

impl Aside {
    fn tell(&mut self, rows: usize, cause: Option<String>, url: &str) {
        self.rows += rows;
        let Some(cause) = cause else { return };
        if self.told_at.is_none_or(|at| at.elapsed() >= ASIDE_EVERY) {
            self.told_at = Some(now());
            let all = self.rows;
            tracing::warn!("store {url}: {all} rows set aside in dead_letters so far, the last for: {cause}");
        }
    }
}

impl Store for PostgresStore {
    fn begin(&mut self, run: &RunRecord) -> Result<(), StoreError> {
        self.persist(async |link, owned| {
            *owned = Some(cursor::begin(&mut link.client, run).await?);
            Ok(())
        })
    }

    fn write(&mut self, batch: &Batch) -> Result<(), StoreError> {
        if batch.is_empty() {
            return Ok(());
        }
        self.flush(batch).map_err(|trouble| self.later(trouble))
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        // What was answered is on the disk, unless the database has been told not to wait for it.
        if self.server.is_durable {
            return Ok(());
        }
        let sync = |store: &mut Self| {
            store.connect()?;
            let owned = store.owned.as_ref().ok_or_else(not_begun)?;
            store.server.run(async |link| owned.sync(&link.client).await)
        };
        sync(self).map_err(|trouble| self.later(trouble))
    }

    fn end(&mut self, tick: u64) -> Result<(), StoreError> {
        let tick = i64::try_from(tick).unwrap_or(i64::MAX);
        self.persist(async |link, owned| {
            owned.as_mut().ok_or_else(not_begun)?.end(&link.client, tick).await
        })?;
        self.aside.told_at = None;
        let (all, url) = (self.aside.rows, &self.server.settings.shown);
        if all > 0 {
            tracing::warn!("store {url}: {all} rows of the run were set aside in dead_letters");
        }
        Ok(())
    }
}

fn not_begun() -> Trouble {
    Trouble::Refused("found rows of no run, must begin one first".into())
}
