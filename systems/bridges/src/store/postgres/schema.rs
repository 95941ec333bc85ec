//! Schema: the tables as this version has them, and their days.
//!
//! Migrations are numbered SQL files. Several processes may start at once: one makes the tables, under an advisory lock, and the
//! others wait for it. A user who may only write needs no right to make tables that are there.

use std::error::Error as _;
use std::time::Duration;

use refinery::Runner;
use tokio::time::timeout;
use tokio_postgres::Client;

use super::server::within;
use super::trouble::Trouble;

mod embedded {
    #![allow(missing_docs, reason = "made by a macro")]
    refinery::embed_migrations!("src/store/postgres/migrations");
}

/// The table of those migrations that a database has had.
pub(super) const HISTORY: &str = "corec_schema_history";
/// "corec" in ASCII: one lock for all who may make the tables.
const LOCK: i64 = 0x63_6f72_6563;
/// Days that are made ahead: a server may be without a process for a long weekend.
const DAYS_AHEAD: i32 = 3;
/// Tables that are kept by day.
const BY_DAY: [&str; 5] = ["block_states", "alerts", "metrics", "plugin_rows", "repairs"];
/// Names that must be free, or are ours already.
const OURS: [&str; 8] =
    ["runs", "cursors", "block_states", "alerts", "metrics", "plugin_rows", "repairs", "dead_letters"];
/// How long a day may take to be made or detached. A reader may hold it up, and another hour will do.
const PATIENCE: Duration = Duration::from_secs(25);

fn runner() -> Runner {
    let mut runner = embedded::migrations::runner().set_grouped(true);
    runner.set_migration_table_name(HISTORY);
    runner
}

/// Brings the tables to this version.
///
/// # Errors
/// See [`Trouble`]; tables of a newer version are refused.
pub(super) async fn migrate(client: &mut Client) -> Result<(), Trouble> {
    let runner = runner();
    let version = newest(&runner);
    let found = found(client).await?;
    if found > version {
        let message = format!(
            "found tables of version {found}, must be at most {version}: a newer corec made them, and must be used with them"
        );
        return Err(Trouble::Refused(message));
    }
    if found == version {
        return Ok(());
    }
    if found == 0 {
        check_names(client).await?;
    }
    within(client.execute("SELECT pg_advisory_lock($1)", &[&LOCK])).await?;
    let made = within(async { runner.run_async(client).await.map_err(|e| of_refinery(&e)) }).await?;
    within(client.execute("SELECT pg_advisory_unlock($1)", &[&LOCK])).await?;
    let has_other = "SELECT to_regclass(format('%I.bloques_corec', current_schema())) IS NOT NULL";
    let is_other: bool = within(client.query_one(has_other, &[])).await?.try_get(0)?;
    if is_other && !made.applied_migrations().is_empty() {
        tracing::info!(
            "the database has a table bloques already: it stays as it is, the view of this name is bloques_corec"
        );
    }
    Ok(())
}

/// Looks for tables of somebody else's that have the names of ours.
///
/// # Errors
/// [`Trouble::Refused`] where there is one.
pub(super) async fn check_names(client: &Client) -> Result<(), Trouble> {
    let names = "SELECT string_agg(relname, ', ' ORDER BY relname), current_schema()::text FROM pg_class \
        WHERE relnamespace = current_schema()::regnamespace AND relname = ANY($1)";
    let row = within(client.query_one(names, &[&OURS.as_slice()])).await?;
    let (taken, schema): (Option<String>, Option<String>) = (row.try_get(0)?, row.try_get(1)?);
    // Another process may have made them meanwhile.
    match taken {
        Some(taken) if found(client).await? == 0 => Err(Trouble::Refused(format!(
            "found {taken} in the schema '{}', which CoreC has not made, must not be there: name another database in the URL, or \
             another schema with ?options=-csearch_path%3DSCHEMA",
            schema.unwrap_or_default()
        ))),
        _ => Ok(()),
    }
}

/// The version of the tables that are there, 0 where none are, and the one that this program makes.
///
/// # Errors
/// See [`Trouble`].
pub(super) async fn versions(client: &Client) -> Result<[i64; 2], Trouble> {
    Ok([found(client).await?, newest(&runner())])
}

fn newest(runner: &Runner) -> i64 {
    i64::from(runner.get_migrations().iter().map(|each| each.version()).max().unwrap_or(0))
}

/// The version of the tables that are there; 0 where none are.
async fn found(client: &Client) -> Result<i64, Trouble> {
    let schema: Option<String> =
        within(client.query_one("SELECT current_schema()::text", &[])).await?.try_get(0)?;
    if schema.is_none() {
        let message =
            "found no schema to make tables in: the user's search_path must begin with one that is there";
        return Err(Trouble::Refused(message.into()));
    }
    let is_there = format!("SELECT to_regclass(format('%I.{HISTORY}', current_schema())) IS NOT NULL");
    if !within(client.query_one(&is_there, &[])).await?.try_get::<_, bool>(0)? {
        return Ok(0);
    }
    let newest = format!("SELECT coalesce(max(version), 0)::int8 FROM {HISTORY}");
    Ok(within(client.query_one(&newest, &[])).await?.try_get(0)?)
}

fn of_refinery(error: &refinery::Error) -> Trouble {
    let mut next = error.source();
    while let Some(cause) = next {
        if let Some(said) = cause.downcast_ref::<tokio_postgres::Error>() {
            return match Trouble::of(said) {
                Trouble::BadData(why) => Trouble::Refused(why),
                other => other,
            };
        }
        next = cause.source();
    }
    Trouble::Refused(error.to_string())
}

/// Makes the days to come, and detaches those that are older than `retention_days`. What can't be done now is told, and does not
/// keep rows from being written: they have a partition for all that has no other.
///
/// # Errors
/// A server that does not answer.
pub(super) async fn keep_days(client: &Client, retention_days: Option<u16>) -> Result<(), Trouble> {
    // While it waits for a table that somebody reads, no row is written: the next time will do.
    client.batch_execute("SET lock_timeout = '1s'").await?;
    let made = make_days(client, retention_days.map(i32::from)).await;
    client.batch_execute("SET lock_timeout = '20s'").await?;
    made
}

async fn make_days(client: &Client, retention: Option<i32>) -> Result<(), Trouble> {
    for table in BY_DAY {
        let work = async {
            client.query("SELECT corec_partitions($1, $2, $3)", &[&table, &DAYS_AHEAD, &retention]).await
        };
        match timeout(PATIENCE, work).await {
            Ok(Ok(rows)) => {
                for done in rows.iter().filter_map(|row| row.try_get::<_, String>(0).ok()) {
                    if done.starts_with("could not") {
                        tracing::warn!("store: {done}: move them away, or they stay there");
                    } else {
                        tracing::debug!("store: {done}");
                    }
                }
            }
            Ok(Err(error)) if client.is_closed() => return Err(error.into()),
            Ok(Err(error)) => {
                tracing::warn!(
                    "store: the days of {table} could not be made: {}",
                    Trouble::of(&error).text()
                );
                return Ok(());
            }
            Err(_) => return Err(Trouble::Away("no answer while days were made".into())),
        }
    }
    Ok(())
}
