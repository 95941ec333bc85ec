//! Cursor: how far the rows of a run have come, and which process may write them.
//!
//! No row in the tables is above the cursor, for both are written in one transaction. So what is above it can't be there yet, and
//! what is not may be: after a restore the ticks go back, the cursor does not. A process that begins a run becomes its owner; the one
//! before it finds that out at its next flush, and writes nothing.

use corec_core::store::RunRecord;
use tokio_postgres::{Client, Row};

use super::server::within;
use super::trouble::Trouble;

/// Ends the connection that is in the midst of a flush of a run: its process, stopped or lost, might hold the cursor for as long as it
/// likes, and whoever takes the run over has it written anew. Who holds a row is told by the row.
const END_HOLDER: &str = "SELECT pg_terminate_backend(holder.pid) FROM cursors \
    JOIN pg_stat_activity AS holder ON holder.backend_xid = cursors.xmax \
    WHERE cursors.run = $1 AND holder.usename = current_user AND holder.pid <> pg_backend_pid()";
const COLUMNS: &str =
    "version, blocks_tick, alerts_epoch, alerts_sequence, metrics_tick, rows_tick, repairs_tick";

/// The highest of each sort that is in the tables; -1 where nothing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    /// Moved by every flush.
    pub version: i64,
    pub blocks_tick: i64,
    /// Epoch and sequence.
    pub alert: (i64, i64),
    pub metrics_tick: i64,
    pub rows_tick: i64,
    pub repairs_tick: i64,
}

impl Cursor {
    fn of(row: &Row) -> Result<Self, tokio_postgres::Error> {
        Ok(Self {
            version: row.try_get(0)?,
            blocks_tick: row.try_get(1)?,
            alert: (row.try_get(2)?, row.try_get(3)?),
            metrics_tick: row.try_get(4)?,
            rows_tick: row.try_get(5)?,
            repairs_tick: row.try_get(6)?,
        })
    }
}

/// A run that this process writes.
#[derive(Clone, Debug)]
pub(super) struct Owned {
    /// What its rows are found by.
    pub run: i64,
    /// This process, until another one begins the run.
    owner: String,
    pub cursor: Cursor,
}

/// Begins a run, or goes on with it, and takes its rows over. Done again, it changes nothing but the owner.
///
/// # Errors
/// See [`Trouble`].
pub(super) async fn begin(client: &mut Client, run: &RunRecord) -> Result<Owned, Trouble> {
    within(async {
        let to = client.transaction().await?;
        let id = run.id.map(|id| id.to_string());
        let insert = "INSERT INTO runs (scenario, instance, seed, entities, settings, id) \
            VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO NOTHING RETURNING run";
        let [scenario, instance, settings] =
            [&run.scenario, &run.instance, &run.settings].map(|text| text.replace('\0', "\u{fffd}"));
        let (seed, entities) = (run.seed.to_string(), i64::try_from(run.entities).unwrap_or(i64::MAX));
        let made = to.query_opt(insert, &[&scenario, &instance, &seed, &entities, &settings, &id]).await?;
        let found = match made {
            Some(made) => made,
            None => to.query_one("SELECT run FROM runs WHERE id = $1", &[&id]).await?,
        };
        let number: i64 = found.try_get(0)?;
        // First of all: to look for the row in `cursors` already waits for who moves it.
        to.query(END_HOLDER, &[&number]).await?;
        to.execute("INSERT INTO cursors (run) VALUES ($1) ON CONFLICT (run) DO NOTHING", &[&number]).await?;
        let held_by = "'process ' || $2::int8 || ' at ' || coalesce(host(inet_client_addr()), 'the server')";
        let take = format!(
            "UPDATE cursors SET version = version + 1, owner = gen_random_uuid(), held_by = {held_by}, held_since = now() \
             WHERE run = $1 RETURNING {COLUMNS}, owner::text"
        );
        let taken = to.query_one(&take, &[&number, &i64::from(std::process::id())]).await?;
        let owned = Owned { run: number, owner: taken.try_get(7)?, cursor: Cursor::of(&taken)? };
        to.commit().await?;
        Ok::<_, Trouble>(owned)
    })
    .await
}

impl Owned {
    /// Reads the cursor back: a flush whose answer was lost may have moved it.
    ///
    /// # Errors
    /// See [`Trouble`]; a run that another process has taken over, or that is gone, is refused.
    pub async fn read_back(&mut self, client: &Client) -> Result<(), Trouble> {
        let read = format!(
            "SELECT {COLUMNS}, owner::text, held_by, held_since::text FROM cursors WHERE run = {}",
            self.run
        );
        let Some(row) = within(client.query_opt(&read, &[])).await? else {
            let message = format!("found no run {} any more: somebody has deleted it", self.run);
            return Err(Trouble::Refused(message));
        };
        let [owner, holder, since] = [7, 8, 9].map(|column| row.try_get::<_, Option<String>>(column));
        if owner?.as_deref() != Some(&self.owner) {
            let (holder, since) = (holder?.unwrap_or_default(), since?.unwrap_or_default());
            return Err(Trouble::Refused(format!(
                "the run's rows are written by {holder} since {since}, must be by one process only: this one writes no more"
            )));
        }
        let found = Cursor::of(&row)?;
        if found.version < self.cursor.version {
            let (was, is) = (self.cursor.version, found.version);
            tracing::error!(
                "store: the database has lost the last {} batches that it had taken (found cursor {is}, was {was}): its commits \
                 do not wait for its disk, or a standby without them has taken over",
                was - is
            );
        }
        self.cursor = found;
        Ok(())
    }

    /// What begins a transaction that moves the cursor to `next`. It changes one row if the cursor is where it was left, and holds it
    /// until the end: a flush of our own whose end nobody has heard of is waited for.
    pub fn begin_and_move(&self, next: &Cursor) -> String {
        let Cursor { version, blocks_tick, alert: (epoch, sequence), metrics_tick, rows_tick, repairs_tick } =
            next;
        format!(
            "BEGIN; UPDATE cursors SET version = {version}, blocks_tick = {blocks_tick}, alerts_epoch = {epoch}, \
             alerts_sequence = {sequence}, metrics_tick = {metrics_tick}, rows_tick = {rows_tick}, \
             repairs_tick = {repairs_tick} \
             WHERE run = {} AND version = {} AND owner = '{}'",
            self.run, self.cursor.version, self.owner
        )
    }

    /// Ends the run at `tick`.
    ///
    /// # Errors
    /// As [`Owned::read_back`].
    pub async fn end(&mut self, client: &Client, tick: i64) -> Result<(), Trouble> {
        let end = format!(
            "UPDATE runs SET last_tick = {tick} WHERE run = {0} \
             AND EXISTS (SELECT FROM cursors WHERE run = {0} AND owner = '{1}')",
            self.run, self.owner
        );
        match within(client.execute(&end, &[])).await? {
            0 => self.read_back(client).await,
            _ => Ok(()),
        }
    }

    /// Has everything that was committed written to the disk, where the database does not at once.
    ///
    /// # Errors
    /// See [`Trouble`].
    pub async fn sync(&self, client: &Client) -> Result<(), Trouble> {
        // The log is written up to the end of this transaction, and so is all before it.
        let sync = format!(
            "BEGIN; SET LOCAL synchronous_commit = on; UPDATE cursors SET version = version WHERE run = {}; COMMIT",
            self.run
        );
        within(client.batch_execute(&sync)).await
    }
}
