//! The checks are what must be so when a round is over, from the ledger, the streams and the rows, whatever the run says of itself.

use std::collections::BTreeSet;

use rusqlite::Connection;
use serde_json::Value;

use crate::applied::Applied;
use crate::round::Round;
use crate::twin::Twin;
use crate::verdict::{Trouble, Verdict, ensure, lost, wrong};
use crate::writer::{INPUT, number};

/// Everything.
pub fn check(round: &mut Round, summary: &Value) -> Verdict {
    let applied = round.applied()?;
    inputs(round, &applied)?;
    counts(round, &applied, summary)?;
    let tick = summary["tick"].as_u64().unwrap_or(0);
    let twin = Twin::of(round.engine.run(), tick).map_err(wrong)?;
    digests(round, summary, &twin)?;
    outputs(round, summary, &twin)?;
    rows(round, &twin)
}

/// Every acknowledged record is applied once, in order, and nothing else is.
fn inputs(round: &mut Round, applied: &Applied) -> Verdict {
    let numbers = &applied.numbers;
    let (acknowledged, unknown): (BTreeSet<u64>, BTreeSet<u64>) = {
        let ledger = round.writer.ledger();
        (ledger.acknowledged.iter().map(|(number, _)| *number).collect(), ledger.unknown.clone())
    };
    once("record", &numbers.iter().map(u64::to_string).collect::<Vec<_>>())?;
    ensure(numbers.is_sorted(), || "records are applied out of order".into())?;
    let set: BTreeSet<u64> = numbers.iter().copied().collect();
    if let Some(odd) = set.iter().find(|number| !acknowledged.contains(number) && !unknown.contains(number)) {
        return Err(wrong(format!("record {odd} is applied and was never sent, or was refused")));
    }
    let missing: Vec<u64> = acknowledged.difference(&set).copied().collect();
    let count = missing.len() as u64;
    if round.may_lose.inputs {
        let entries = round.redis.ledger().entries(INPUT);
        let there: BTreeSet<u64> =
            entries.iter().filter_map(|entry| number(&entry.data, round.setup.entities)).collect();
        if let Some(passed) = missing.iter().find(|number| there.contains(number)) {
            return Err(lost(format!("record {passed} is on the stream and was passed over")));
        }
        round.notes += &format!(" missing={count} told_lost={}", applied.lost);
        let is_told = applied.lost > 0 || round.engine.said.contains("stream 'in'");
        return match count {
            0 => Ok(()),
            _ if is_told || round.may_lose.untold_inputs => Ok(()),
            _ => Err(lost(format!("{count} acknowledged records, from {} on, in silence", missing[0]))),
        };
    }
    if count > 0 {
        return Err(lost(format!("{count} acknowledged records, from {} on", missing[0])));
    }
    ensure(applied.lost == 0, || format!("{} entries are said to be lost, and none is", applied.lost))?;
    let entities = round.setup.entities;
    let entries = round.redis.ledger().entries(INPUT);
    let there: Vec<u64> = entries.iter().filter_map(|entry| number(&entry.data, entities)).collect();
    ensure(there == *numbers, || {
        format!("{} records are on the stream, {} are applied", there.len(), numbers.len())
    })
}

/// What the summary counts.
fn counts(round: &Round, applied: &Applied, summary: &Value) -> Verdict {
    let must = |key: &str, found: &Value, expected: u64| {
        ensure(found.as_u64() == Some(expected), || format!("{key}: found {found}, must be {expected}"))
    };
    must("messages", &summary["messages"], applied.numbers.len() as u64 + applied.bad)?;
    must("messages_refused", &summary["messages_refused"], applied.bad)?;
    must("messages_lost", &summary["messages_lost"], applied.lost)?;
    must("bad entries", &applied.bad.into(), round.writer.ledger().bad)?;
    for lane in ["bus", "store"] {
        for key in ["waiting", "dropped", "spooled"] {
            must(&format!("lanes.{lane}.{key}"), &summary["lanes"][lane][key], 0)?;
        }
        ensure(summary["lanes"][lane]["away"].is_null(), || {
            format!("lanes.{lane}: {}", summary["lanes"][lane])
        })?;
    }
    Ok(())
}

/// The run's digest is that of a run that is done again from its journal, by the program and here.
fn digests(round: &Round, summary: &Value, twin: &Twin) -> Verdict {
    let replay = round.engine.replay()?;
    ensure(replay["differs"].is_null(), || format!("replay: {replay}"))?;
    let same = |key: &str, found: &Value, expected: &Value| {
        ensure(found == expected, || format!("{key}: found {found}, must be {expected}"))
    };
    same("replay's tick", &replay["tick"], &summary["tick"])?;
    same("replay's digest", &replay["digest"], &summary["state_digest"])?;
    same("replay's output digest", &replay["output_digest"], &summary["output_digest"])?;
    same("the unhurt run's digest", &twin.digest.clone().into(), &summary["state_digest"])
}

/// Every output of the unhurt run is on its stream once, with its data, in order.
fn outputs(round: &mut Round, summary: &Value, twin: &Twin) -> Verdict {
    let mut missing = 0;
    for stream in twin.streams() {
        let expected = twin.on(stream);
        let entries = round.redis.ledger().entries(stream);
        let found: Vec<(&str, &[u8])> =
            entries.iter().map(|entry| (entry.id.as_deref().unwrap_or_default(), &entry.data[..])).collect();
        once(stream, &found.iter().map(|(id, _)| (*id).to_string()).collect::<Vec<_>>())?;
        let mut rest = expected.iter();
        for output in &found {
            // What is skipped on the way is missing; what is not found at all is out of order, or of nobody.
            ensure(rest.by_ref().any(|expected| expected == output), || {
                let is_known = expected.iter().any(|(id, _)| *id == output.0);
                let what = if is_known {
                    "out of order, or has other data"
                } else {
                    "nothing that the unhurt run says"
                };
                format!("{stream}: {} is {what}", output.0)
            })?;
        }
        missing += expected.len() - found.len();
        if missing > 0 && !round.may_lose.outputs {
            let ids: BTreeSet<&str> = found.iter().map(|(id, _)| *id).collect();
            let first = expected.iter().find(|(id, _)| !ids.contains(id)).map_or("", |(id, _)| *id);
            let (found, expected) = (found.len(), expected.len());
            return Err(lost(format!("{stream}: {found} entries, must be {expected}: {first} is not there")));
        }
    }
    if round.may_lose.outputs {
        let told = &summary["lanes"]["bus"]["lost"];
        round.notes += &format!(" outputs_missing={missing} told={told}");
        let is_told = told.as_u64() > Some(0) || round.engine.said.contains("outputs");
        if missing > 0 && !is_told && !round.may_lose.untold_outputs {
            return Err(lost(format!("{missing} outputs that the server had, in silence")));
        }
    }
    Ok(())
}

/// Every row of the unhurt run is in the store once.
fn rows(round: &Round, twin: &Twin) -> Verdict {
    let store = &twin.store;
    let blocks = store.blocks.iter().map(|b| format!("{}|{}|{}", b.tick, b.block, b.active)).collect();
    let alerts = store.alerts.iter().map(|a| {
        let state = if format!("{:?}", a.state) == "Raised" { "raised" } else { "cleared" };
        format!("{}|{}|{}|{}|{}|{state}", a.epoch, a.sequence, a.tick, a.name, a.subject)
    });
    let metrics = store.metrics.iter().map(|m| format!("{}|{}", m.tick, m.name)).collect();
    let repairs = store.repairs.iter().map(|r| {
        let ids: Vec<_> = r.entities.iter().map(|each| each.entity.to_string()).collect();
        format!("{}|{}|{}|[{}]", r.tick, r.block, r.cause.as_str(), ids.join(","))
    });
    let tables: [(&str, &str, Vec<String>); 4] = [
        ("block_states", "tick || '|' || block || '|' || active", blocks),
        (
            "alerts",
            "epoch || '|' || sequence || '|' || tick || '|' || name || '|' || subject || '|' || state",
            alerts.collect(),
        ),
        ("metrics", "tick || '|' || name", metrics),
        (
            "repairs",
            "tick || '|' || block || '|' || cause || '|' || replace(CAST(entities AS text), ' ', '')",
            repairs.collect(),
        ),
    ];
    for (table, columns, mut expected) in tables {
        let mut found = select(round, &format!("SELECT {columns} FROM {table}"))?;
        found.sort();
        expected.sort();
        once(table, &found)?;
        if found != expected {
            let (has, must): (BTreeSet<_>, BTreeSet<_>) = (found.iter().collect(), expected.iter().collect());
            let gone: Vec<_> = must.difference(&has).collect();
            let (found, count) = (found.len(), expected.len());
            return Err(match gone.first() {
                Some(first) => lost(format!("{table}: {found} rows, must be {count}: {first} is not there")),
                None => wrong(format!("{table}: {found} rows, must be {count}")),
            });
        }
    }
    Ok(())
}

fn select(round: &Round, sql: &str) -> Verdict<Vec<String>> {
    if let Some(database) = &round.database {
        let found = database.server.try_sql_in(&database.name, sql).map_err(wrong)?;
        return Ok(found.lines().map(String::from).collect());
    }
    let rows = || -> rusqlite::Result<Vec<String>> {
        let file = Connection::open(round.engine.run().join("store.db"))?;
        let mut statement = file.prepare(sql)?;
        statement.query_map([], |row| row.get(0))?.collect()
    };
    rows().map_err(|e| wrong(format!("store.db: {e}")))
}

fn once(what: &str, all: &[String]) -> Verdict {
    let mut seen = BTreeSet::new();
    match all.iter().find(|one| !seen.insert(*one)) {
        Some(twice) => Err(Trouble::Duplicated(format!("{what}: {twice} is there twice"))),
        None => Ok(()),
    }
}
