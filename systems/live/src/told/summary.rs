//! The summary: how a run is, at a glance.

use std::time::SystemTime;

use corec_run::view::{Ended, RunInfo, View};
use corec_run::{peak_rss_bytes, rss_bytes};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::groups::{GroupTold, group_sums};
use super::lanes::{LaneTold, lanes};
use super::plugins::{PluginTold, PluginsTold, SystemTold, systems};

/// Systems in a summary at most.
const SYSTEMS_MAX: usize = 50;

/// The run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunTold {
    /// Its id, 32 hex digits; empty until it has started.
    pub id: String,
    /// The scenario's name.
    pub scenario: String,
    /// The instance.
    pub instance: String,
    /// The seed.
    pub seed: u64,
    /// Its folder.
    pub folder: String,
    /// CoreC's version.
    pub version: String,
    /// Worker threads.
    pub threads: usize,
    /// Simulated seconds of a tick.
    pub tick_seconds: f64,
    /// When this process started it, seconds since 1970.
    pub started_unix: f64,
}

/// How long ticks took, of the last 1024, milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TickTimesTold {
    /// Half of them, at most.
    pub p50: f64,
    /// 95 of a hundred.
    pub p95: f64,
    /// 99 of a hundred.
    pub p99: f64,
    /// All of them.
    pub max: f64,
}

/// A kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct KindTold {
    /// Its name.
    pub name: String,
    /// Live entities.
    pub entities: u64,
    /// Blocks.
    pub blocks: u64,
}

/// Alerts in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AlertCounts {
    /// Raised since the run began.
    pub raised: u64,
    /// That are up.
    pub open: u64,
    /// Those by severity, 1 to 5.
    pub by_severity: [u64; 5],
}

/// The journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JournalTold {
    /// Bytes of its files.
    pub bytes: u64,
    /// Its records.
    pub records: u64,
}

/// The last snapshot.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SnapshotTold {
    /// Its tick; null if none was made by this process.
    pub tick: Option<u64>,
    /// Seconds since it was made.
    pub age_seconds: Option<f64>,
    /// Its bytes.
    pub bytes: u64,
    /// Snapshots of this process.
    pub written: u64,
    /// Why the last one could not be made; null if it could.
    pub error: Option<String>,
}

/// The last digest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DigestTold {
    /// After so many ticks.
    pub tick: u64,
    /// 16 hex digits.
    pub value: String,
}

/// Memory of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MemoryTold {
    /// What it holds.
    pub rss_bytes: u64,
    /// The most it has held.
    pub peak_bytes: u64,
    /// `rss_bytes` by live entities; null without any.
    pub bytes_per_entity: Option<f64>,
}

/// How a run is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SummaryTold {
    /// The run.
    pub run: RunTold,
    /// Finished ticks.
    pub tick: u64,
    /// The tick to stop at; null where that is not known.
    pub ticks_to_do: Option<u64>,
    /// How it has ended: `done`, `interrupted` or `failed`; null while it goes on.
    pub ended: Option<String>,
    /// Ticks a second, over about the last second.
    pub ticks_per_second: f64,
    /// How long they took.
    pub tick_ms: TickTimesTold,
    /// Ticks a second that it is paced to; null for as fast as it goes.
    pub tick_rate: Option<f64>,
    /// Ticks that began after the next one was due.
    pub deadline_misses: u64,
    /// Live entities.
    pub entities: u64,
    /// Blocks.
    pub blocks: u64,
    /// Entity updates since the run began.
    pub entity_updates: u64,
    /// By kind.
    pub kinds: Vec<KindTold>,
    /// By group.
    pub groups: Vec<GroupTold>,
    /// Mean fitness over live entities; null before it is measured.
    pub fitness: Option<f64>,
    /// Entities that became inactive.
    pub faults: u64,
    /// Entities that were repaired.
    pub repairs: u64,
    /// Births that `memory_max` refused.
    pub births_refused: u64,
    /// Messages taken in.
    pub messages: u64,
    /// Messages that could not be applied.
    pub messages_refused: u64,
    /// Messages that were gone before they could be read.
    pub messages_lost: u64,
    /// Audits of this process.
    pub audits: u64,
    /// Blocks that are flagged.
    pub flags: usize,
    /// Alerts in numbers.
    pub alerts: AlertCounts,
    /// The ways to the bus and to the store.
    pub lanes: Vec<LaneTold>,
    /// The journal.
    pub journal: JournalTold,
    /// The snapshots.
    pub snapshot: SnapshotTold,
    /// The last digest; null before the first.
    pub digest: Option<DigestTold>,
    /// The process's memory.
    pub memory: MemoryTold,
    /// The plugins.
    pub plugins: Vec<PluginTold>,
    /// The 50 systems that took the longest.
    pub systems: Vec<SystemTold>,
}

impl RunTold {
    fn of(run: &RunInfo) -> Self {
        let started = run.started.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
        Self {
            id: run.id.clone(),
            scenario: run.scenario.clone(),
            instance: run.instance.clone(),
            seed: run.seed,
            folder: run.folder.display().to_string(),
            version: env!("CARGO_PKG_VERSION").into(),
            threads: run.threads,
            tick_seconds: run.tick_seconds,
            started_unix: started.map_or(0.0, |since| since.as_secs_f64()),
        }
    }
}

impl SummaryTold {
    /// That of a picture; `journal_bytes` are those of the journal's files.
    pub fn of(view: &View, journal_bytes: u64) -> Self {
        let run = RunTold::of(&view.run);
        let [p50, p95, p99, max] =
            [view.times.p50, view.times.p95, view.times.p99, view.times.max].map(|seconds| seconds * 1e3);
        let kind = |(name, entities, blocks, _): &(String, u64, u64, u64)| KindTold {
            name: name.clone(),
            entities: *entities,
            blocks: *blocks,
        };
        let [_, by_severity @ ..] = view.alerts_open;
        let last = view.snapshots.last;
        let rss = rss_bytes();
        Self {
            run,
            tick: view.tick,
            ticks_to_do: view.ticks_to_do,
            ended: view.ended.map(Ended::as_str).map(String::from),
            ticks_per_second: view.ticks_per_second,
            tick_ms: TickTimesTold { p50, p95, p99, max },
            tick_rate: view.tick_rate,
            deadline_misses: view.deadline_misses,
            entities: view.entities,
            blocks: view.layout.blocks.len() as u64,
            entity_updates: view.totals.entity_updates,
            kinds: view.kinds.iter().map(kind).collect(),
            groups: group_sums(view).into_iter().map(GroupTold::from).collect(),
            fitness: view.totals.fitness_end,
            faults: view.totals.faults,
            repairs: view.totals.repairs,
            births_refused: view.births_refused,
            messages: view.totals.messages,
            messages_refused: view.totals.messages_refused,
            messages_lost: view.totals.messages_lost,
            audits: view.audits,
            flags: view.flagged.len(),
            alerts: AlertCounts {
                raised: view.alerts_raised,
                open: view.alerts_open.iter().sum(),
                by_severity,
            },
            lanes: lanes(view).to_vec(),
            journal: JournalTold { bytes: journal_bytes, records: view.journal_records },
            snapshot: SnapshotTold {
                tick: last.map(|(tick, ..)| tick),
                age_seconds: last.map(|(_, at, _)| at.elapsed().as_secs_f64()),
                bytes: last.map_or(0, |(.., bytes)| bytes),
                written: view.snapshots.written,
                error: view.snapshots.error.clone(),
            },
            digest: view.digest.map(|(tick, value)| DigestTold { tick, value: format!("{value:016x}") }),
            memory: MemoryTold {
                rss_bytes: rss,
                peak_bytes: peak_rss_bytes(),
                bytes_per_entity: (view.entities > 0).then(|| rss as f64 / view.entities as f64),
            },
            plugins: PluginsTold::of(view).plugins,
            systems: systems(view, SYSTEMS_MAX),
        }
    }
}
