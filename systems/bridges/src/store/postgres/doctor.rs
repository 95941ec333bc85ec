//! Doctor: whether a run can stand on a database, before there is one.
//!
//! One connection, in a transaction that only reads: no table is made, none is changed.

use std::time::Instant;

use tokio_postgres::Client;
use tokio_postgres::config::Host;

use super::schema;
use super::server::{Server, within};
use super::settings::{Settings, Trust};
use super::trouble::Trouble;
use crate::finding::{Finding, Findings, is_loopback};
use crate::wait::our_clock;

/// What a run does with its tables, beside making them.
const RIGHTS: &[(&str, &str)] = &[
    (schema::HISTORY, "SELECT"),
    ("runs", "SELECT, INSERT, UPDATE"),
    ("cursors", "SELECT, INSERT, UPDATE"),
    ("block_states", "SELECT, INSERT"),
    ("alerts", "SELECT, INSERT"),
    ("metrics", "SELECT, INSERT"),
    ("plugin_rows", "SELECT, INSERT"),
    ("repairs", "SELECT, INSERT"),
    ("dead_letters", "SELECT, INSERT"),
];

/// Looks at the database of a URL.
pub(in crate::store) fn examine(url: &str) -> Vec<Finding> {
    let mut findings = Findings::of("postgresql");
    let server = Settings::parse(url).and_then(Server::new);
    let mut server = match server {
        Ok(server) => server,
        Err(error) => {
            findings.fix("url", error);
            return findings.finish();
        }
    };
    let shown = server.settings.shown.clone();
    #[expect(clippy::disallowed_methods, reason = "how long a server takes; no result depends on it")]
    let start = Instant::now();
    if let Err(trouble) = server.connect() {
        findings.fix("reachable", format!("{shown}: {}", trouble.text()));
        return findings.finish();
    }
    let milliseconds = start.elapsed().as_secs_f64() * 1e3;
    findings.ok("reachable", format!("{shown} in {milliseconds:.1} ms"));
    let settings = server.settings.clone();
    let looked = server.run(async |link| {
        let client = &link.client;
        only_reads(client, &mut findings).await?;
        within(client.batch_execute("SET default_transaction_read_only = on")).await?;
        facts(client, &mut findings).await?;
        encryption(client, &settings, &mut findings).await?;
        connections(client, &mut findings).await?;
        tables(client, &mut findings).await
    });
    if let Err(trouble) = looked {
        findings.fix("answers", format!("{shown}: {}", trouble.text()));
    }
    findings.finish()
}

async fn ask<T: for<'a> tokio_postgres::types::FromSql<'a>>(
    client: &Client,
    sql: &str,
) -> Result<T, Trouble> {
    Ok(within(client.query_one(sql, &[])).await?.try_get(0)?)
}

/// Whether transactions may write, as they begin for this user.
async fn only_reads(client: &Client, findings: &mut Findings) -> Result<(), Trouble> {
    let only_reads: String = ask(client, "SELECT current_setting('default_transaction_read_only')").await?;
    if only_reads == "on" {
        findings.fix(
            "writes",
            "found default_transaction_read_only on, must be off: ALTER DATABASE .. or ALTER ROLE .. SET default_transaction_read_only = off",
        );
    }
    Ok(())
}

/// What the server says of itself, and of the database.
async fn facts(client: &Client, findings: &mut Findings) -> Result<(), Trouble> {
    let version: String = ask(client, "SELECT current_setting('server_version')").await?;
    findings.ok("version", version);
    let asked = our_clock();
    let theirs: f64 = ask(client, "SELECT extract(epoch FROM clock_timestamp())::float8").await?;
    findings.clock(theirs, asked, our_clock());
    if ask(client, "SELECT pg_is_in_recovery()").await? {
        findings.fix("role", "found a replica, must be the primary: a replica takes no rows");
    } else {
        findings.ok("role", "primary");
    }
    let commit: String = ask(client, "SELECT current_setting('synchronous_commit')").await?;
    let fsync: String = ask(client, "SELECT current_setting('fsync')").await?;
    if fsync == "off" {
        findings.fix(
            "fsync",
            "found off, must be on: a crash of the server's machine may cost the whole database",
        );
    }
    findings.ok(
        "synchronous_commit",
        match &*commit {
            "off" => "off: rows are waited for where a run needs them on the disk".into(),
            other => other.to_string(),
        },
    );
    let bytes: i64 = ask(client, "SELECT pg_database_size(current_database())").await?;
    findings.ok("size", format!("the database has {:.1} MB", bytes as f64 / 1e6));
    Ok(())
}

async fn encryption(client: &Client, settings: &Settings, findings: &mut Findings) -> Result<(), Trouble> {
    let is_on = "SELECT coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false)";
    let is_on: bool = ask(client, is_on).await?;
    let is_here = |host: &Host| match host {
        Host::Tcp(host) => is_loopback(host),
        Host::Unix(_) => true,
    };
    let is_local = settings.config.get_hosts().iter().all(is_here);
    match (is_on, is_local, &settings.trust) {
        (true, _, Trust::Authorities(_)) => {
            findings.ok("tls", "spoken, and the server's certificate and name are checked");
        }
        (true, _, Trust::Anyone) => findings.ok(
            "tls",
            "spoken, but whoever answers is trusted: sslmode=verify-full or ca=FILE in the URL checks the certificate",
        ),
        (false, true, _) => findings.ok("tls", "not spoken, and nothing leaves the machine"),
        (false, false, _) => findings.fix(
            "tls",
            "found none to another machine, must be spoken: rows go readable; sslmode=verify-full in the URL, ssl = on there",
        ),
    }
    Ok(())
}

async fn connections(client: &Client, findings: &mut Findings) -> Result<(), Trouble> {
    let used: i64 = ask(client, "SELECT sum(numbackends)::int8 FROM pg_stat_database").await?;
    let max: i64 = ask(
        client,
        "SELECT current_setting('max_connections')::int8 - CASE WHEN (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) \
         THEN 0 ELSE current_setting('superuser_reserved_connections')::int8 END",
    )
    .await?;
    // One of them is ours, which a run needs.
    let free = max - used + 1;
    let todo = if free >= 2 { "" } else { ", must be 2 or more: raise max_connections, or end what is idle" };
    findings.note("connections", free >= 2, format!("{free} of {max} free{todo}"));
    let limit: i32 = ask(client, "SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user").await?;
    let own: i64 = ask(client, "SELECT count(*) FROM pg_stat_activity WHERE usename = current_user").await?;
    if limit >= 0 && own >= i64::from(limit) && own > 1 {
        findings.fix(
            "connections",
            format!(
                "found the user's {limit} all in use, must have one free: ALTER ROLE .. CONNECTION LIMIT"
            ),
        );
    }
    Ok(())
}

/// Whether the tables are there, or may be made.
async fn tables(client: &Client, findings: &mut Findings) -> Result<(), Trouble> {
    let user: String = ask(client, "SELECT quote_ident(current_user)").await?;
    let schema: String = ask(client, "SELECT quote_ident(current_schema())").await?;
    let [found, newest] = match schema::versions(client).await {
        Ok(versions) => versions,
        // Without the right to read which tables there are, it lacks the others too.
        Err(Trouble::Denied(_)) if schema_is_there(client).await? => {
            return rights(client, findings, &user, &schema).await;
        }
        Err(Trouble::Denied(why) | Trouble::Refused(why)) => {
            findings.fix("tables", why);
            return Ok(());
        }
        Err(other) => return Err(other),
    };
    let may_create: bool = ask(client, "SELECT has_schema_privilege(current_schema(), 'CREATE')").await?;
    let grant = format!("GRANT CREATE ON SCHEMA {schema} TO {user}");
    if found > newest {
        let text = format!(
            "found version {found}, must be at most {newest}: a newer corec made them, and must be used"
        );
        findings.fix("tables", text);
    } else if found < newest && !may_create {
        let what = if found == 0 { "none".into() } else { format!("version {found}") };
        findings.fix(
            "tables",
            format!("found {what}, must be {newest}, and '{user}' may make no tables: {grant}"),
        );
    } else if found < newest {
        findings
            .ok("tables", format!("version {found} of {newest}: the start of a run makes what is missing"));
    } else {
        findings.ok("tables", format!("version {found}"));
    }
    if found > 0 {
        return rights(client, findings, &user, &schema).await;
    }
    match schema::check_names(client).await {
        Err(Trouble::Refused(why)) => findings.fix("names", why),
        other => other?,
    }
    Ok(())
}

/// Whether a user to whom something is denied may look into the schema.
async fn schema_is_there(client: &Client) -> Result<bool, Trouble> {
    ask(client, "SELECT coalesce(has_schema_privilege(current_schema(), 'USAGE'), false)").await
}

/// Whether the user may do with the tables what a run does.
async fn rights(client: &Client, findings: &mut Findings, user: &str, schema: &str) -> Result<(), Trouble> {
    let mut missing = Vec::new();
    for (table, rights) in RIGHTS {
        for right in rights.split(", ") {
            let sql =
                format!("SELECT has_table_privilege(format('%I.{table}', current_schema()), '{right}')");
            if !ask::<bool>(client, &sql).await? {
                missing.push(format!("GRANT {right} ON {schema}.{table} TO {user}"));
            }
        }
    }
    if missing.is_empty() {
        findings.ok("permissions", format!("'{user}' may write the tables"));
    } else {
        findings.fix("permissions", format!("'{user}' may not write all tables: {}", missing.join("; ")));
    }
    Ok(())
}
