//! Report: a run's summary, for people.

use std::fmt::{self, Write};

use corec_core::units::{counted, grouped};
use corec_telemetry::table::TableReport;

use crate::chaos::table as table_of_chaos;
use crate::scenarios::BUILT_IN;
use crate::summary::{Lanes, Summary};

/// Systems shown; the JSON has them all.
const SYSTEMS: usize = 5;

/// As text, with the next command to try.
impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text(self))
    }
}

/// Lines of a name and a value.
struct Lines(String);

impl Lines {
    fn line(&mut self, name: &str, value: String) {
        _ = writeln!(self.0, "{name:<16}{value}");
    }
}

fn text(s: &Summary) -> String {
    let mut text = Lines(String::new());
    amounts(s, &mut text);
    events(s, &mut text);
    if let Some(report) = &s.table {
        table(s, report, &mut text);
    }
    detection(s, &mut text);
    for (at, line) in s.chaos.iter().flat_map(table_of_chaos).enumerate() {
        text.line(if at == 0 { "chaos" } else { "" }, line);
    }
    costs(s, &mut text);
    outcome(s, &mut text);
    text.line("next", next(s));
    text.0
}

/// What was computed, how fast, and in how much memory.
fn amounts(s: &Summary, text: &mut Lines) {
    text.line(
        "scenario",
        format!("{}, seed {}, {}", s.scenario, s.seed, counted(s.threads as u64, "thread")),
    );
    text.line("entities", format!("{} in {}", grouped(s.entities), counted(s.blocks as u64, "block")));
    let rate = s.ticks_per_second;
    text.line(
        "ticks",
        format!("{} in {:.2} s: {rate:.1} ticks/s (start-up {:.2} s)", s.ticks, s.seconds, s.startup_seconds),
    );
    let at_once = s.parallel_share.map(|share| format!(", threads at work at once {:.0} %", share * 100.0));
    text.line(
        "updates",
        format!(
            "{:.1} M entity updates/s, {} in all{}",
            s.entity_updates_per_second / 1e6,
            grouped(s.entity_updates),
            at_once.unwrap_or_default()
        ),
    );
    if s.peak_rss_bytes > 0 {
        let each =
            s.bytes_per_entity.map(|bytes| format!(", {bytes:.1} bytes an entity")).unwrap_or_default();
        text.line("memory", format!("{:.1} MB at most{each}", s.peak_rss_bytes as f64 / 1e6));
    }
}

/// What happened to the entities.
fn events(s: &Summary, text: &mut Lines) {
    if let (Some(start), Some(end)) = (s.fitness_start, s.fitness_end) {
        let gain = s.fitness_gain_per_1000_ticks;
        let gain = gain.map(|gain| format!(", {gain:+.4} in 1000 ticks")).unwrap_or_default();
        text.line("fitness", format!("{start:.4} at the start, {end:.4} at the end{gain}"));
    }
    text.line(
        "events",
        format!(
            "{}, {}, {}",
            counted(s.faults, "fault"),
            counted(s.repairs, "repair"),
            counted(s.alerts, "alert")
        ),
    );
    if let Some(totals) = &s.reshapes {
        let blocks = [(totals.fused, "fused"), (totals.split, "split"), (totals.grown, "grown")];
        let done: Vec<String> = blocks
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{} {what}", counted(*count, "block")))
            .collect();
        let entities = format!("{} born, {} died", counted(totals.born, "entity"), grouped(totals.died));
        text.line("reshaped", format!("{}: {entities}", done.join(", ")));
        if totals.refused > 0 {
            text.line("", format!("{} refused: memory_max", counted(totals.refused, "birth")));
        }
    }
    if s.births_refused > 0 {
        text.line("", format!("{} refused: memory_max", counted(s.births_refused, "birth")));
    }
}

fn table(s: &Summary, table: &TableReport, text: &mut Lines) {
    text.line(
        "table",
        format!(
            "{} of {}, {}",
            counted(table.rows, "row"),
            counted(table.columns.len() as u64, "column"),
            counted(table.gaps, "gap")
        ),
    );
    for (column, gaps) in table.gaps_by_column.iter().take(5) {
        text.line("", format!("{} in {column}", counted(*gaps, "gap")));
    }
    if s.rows_repeated > 0 {
        text.line("", format!("{} left out, taken before", counted(s.rows_repeated, "row")));
    }
    for (count, what) in [(table.refused, "left out: no row"), (table.lost, "lost before being read")] {
        if count > 0 {
            text.line("", format!("{} {what}", counted(count, "entry")));
        }
    }
    away(text, table.outages, table.away_seconds, 0, table.away.as_deref());
    if !table.left_out.is_empty() {
        text.line("", format!("left out, not numbers: {}", table.left_out.join(", ")));
    }
}

fn detection(s: &Summary, text: &mut Lines) {
    if let Some(detector) = &s.detector {
        text.line("detector", detector.clone());
    }
    if let (Some(roc), Some(pr)) = (s.roc_auc, s.pr_auc) {
        let volume = s.vus_pr.map(|vus| format!(", VUS-PR {vus:.3}")).unwrap_or_default();
        text.line("detection", format!("ROC-AUC {roc:.3}, PR-AUC {pr:.3}{volume}"));
    }
    if let Some(why) = &s.vus_missing {
        text.line("", format!("no VUS-PR: {why}"));
    }
}

/// What systems and plugins have taken.
fn costs(s: &Summary, text: &mut Lines) {
    for (at, system) in s.systems.iter().take(SYSTEMS).enumerate() {
        let share = 100.0 * system.seconds / s.seconds.max(1e-9);
        text.line(
            if at == 0 { "slowest" } else { "" },
            format!("{share:5.1} %  {:<10} {}", system.phase, system.name),
        );
    }
    for plugin in &s.plugins {
        let mb = (plugin.kind_bytes + plugin.resource_bytes) as f64 / 1e6;
        let over = plugin.budget_ms.is_some_and(|budget| plugin.ms_per_tick > budget);
        let note = match (plugin.is_stopped, over) {
            (true, _) => ", stopped by a failure",
            (false, true) => ", over its budget_ms",
            (false, false) => "",
        };
        let name = plugin.name;
        text.line("plugin", format!("{name}: {:.3} ms a tick, {mb:.1} MB{note}", plugin.ms_per_tick));
    }
}

/// The digest, the snapshots, and where everything is.
fn outcome(s: &Summary, text: &mut Lines) {
    text.line(
        "digest",
        s.state_digest.clone().unwrap_or_else(|| "none: rows were changed behind the engine's back".into()),
    );
    if let Some(tick) = s.restored_at {
        text.line("restored", format!("at tick {tick}"));
    }
    if let Some(last) = &s.snapshots.last {
        let (r, mb) = (&s.snapshots, s.snapshots.last_bytes as f64 / 1e6);
        let in_place = if r.in_place { ", in place: too large to copy" } else { "" };
        let held = format!("ticks held up {:.1} ms at most{in_place}", r.held_up_ms_max);
        text.line(
            "snapshots",
            format!("{} of {mb:.1} MB, each in {:.2} s; {held}", r.written, r.write_seconds_max),
        );
        text.line("", last.display().to_string());
    }
    if let Some(error) = &s.snapshots.error {
        text.line("no snapshot", error.clone());
    }
    lanes(s, text);
    text.line("folder", s.out.display().to_string());
    if let Some(signal) = s.interrupted_by {
        text.line("interrupted", format!("by signal {signal}, after tick {}", s.tick));
        let from = s.snapshots.last.as_ref().unwrap_or(&s.out);
        text.line("go on", format!("corec run --restore {}", from.display()));
    }
}

/// Where the run's words went, and what came of it.
fn lanes(s: &Summary, text: &mut Lines) {
    let Lanes { bus, store } = &s.lanes;
    if s.bus != "memory" {
        text.line("bus", format!("{}: {} sent", s.bus, grouped(bus.sent)));
    }
    away(text, bus.outages, bus.away_seconds, bus.spooled, bus.away.as_deref());
    let lost = [(bus.lost, "lost by the server"), (bus.dropped, "let go")];
    for (count, what) in lost.into_iter().filter(|(count, _)| s.bus != "memory" && *count > 0) {
        text.line("", format!("{} {what}", grouped(count)));
    }
    text.line("store", s.store.clone());
    away(text, store.outages, store.away_seconds, store.spooled, store.away.as_deref());
    if store.dropped + store.spool_lost > 0 {
        text.line("", format!("{} lost", counted(store.dropped + store.spool_lost, "batch")));
    }
}

fn away(text: &mut Lines, outages: u64, seconds: f64, left: u64, why: Option<&str>) {
    if outages > 0 {
        text.line("", format!("away {}, {seconds:.1} s in all", counted(outages, "time")));
    }
    if let Some(why) = why {
        let waits =
            if left > 0 { format!(": {} on disk, for a restore", grouped(left)) } else { String::new() };
        text.line("", format!("still away ({why}){waits}"));
    }
}

fn next(s: &Summary) -> String {
    let has_file = s.store.starts_with("sqlite://") && !s.store.starts_with("sqlite:///");
    if s.table.is_some() && has_file {
        let file = s.out.join(&s.store["sqlite://".len()..]);
        return format!(
            "sqlite3 {} 'SELECT tick, name, subject, value FROM alerts LIMIT 10'",
            file.display()
        );
    }
    match BUILT_IN.iter().find(|b| b.name == s.scenario && s.table.is_none()) {
        Some(b) => format!(
            "corec run {} --load 1 --threads 1   # another speed; with equal load the same digest",
            b.name
        ),
        None => "corec run --help".into(),
    }
}
