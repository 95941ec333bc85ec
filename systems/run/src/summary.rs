//! What became of a run, in numbers.

use std::fs;
use std::path::PathBuf;

use corec_bridges::lane::LaneReport;
use corec_bridges::store::StoreLane;
use corec_core::alert::Alerts;
use corec_core::block::Population;
use corec_core::bus::{BusHealth, RunBus};
use corec_core::outputs::OutputDigests;
use corec_core::simulation::Simulation;
use corec_core::stats::Totals;
use corec_dynamics::reshape::ReshapeTotals;
use corec_telemetry::detection::Detectors;
use corec_telemetry::feed::Feed;
use corec_telemetry::table::TableReport;
use serde::Serialize;

use crate::SUMMARY;
use crate::areas::areas;
use crate::attendants::SnapshotReport;
use crate::chaos::{Report, Studied, write_report};
use crate::clock::per_second;
use crate::costs::{PluginSummary, SystemSummary, plugins, systems};
use crate::error::RunError;
use crate::manifest;

/// What went to the outside, and for how long it could not be reached.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Lanes {
    /// The bus.
    pub bus: BusHealth,
    /// The store.
    pub store: LaneReport,
}

/// What became of a run. `--json` prints it as it is.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// The scenario's name.
    pub scenario: String,
    /// The seed.
    pub seed: u64,
    /// Worker threads.
    pub threads: usize,
    /// Live entities at the end.
    pub entities: u64,
    /// Blocks.
    pub blocks: usize,
    /// Finished ticks of the run.
    pub tick: u64,
    /// Ticks run by this process.
    pub ticks: u64,
    /// First tick's start to last tick's end, store flush included, start-up not.
    pub seconds: f64,
    /// Process start to first tick.
    pub startup_seconds: f64,
    /// `ticks / seconds`.
    pub ticks_per_second: f64,
    /// Live entities whose Process kernel ran, once a tick however many systems, since the run's first tick.
    pub entity_updates: u64,
    /// Those of this process a second.
    pub entity_updates_per_second: f64,
    /// The share of the time of this process' ticks in which all threads worked; null with one thread.
    pub parallel_share: Option<f64>,
    /// The most memory the process ever held.
    pub peak_rss_bytes: u64,
    /// `peak_rss_bytes / entities`; null without entities, or where the system does not tell.
    pub bytes_per_entity: Option<f64>,
    /// Mean fitness over live entities after the first Measure.
    pub fitness_start: Option<f64>,
    /// Mean fitness over live entities after the last Measure.
    pub fitness_end: Option<f64>,
    /// How much mean fitness has risen in a thousand ticks, on average since the first Measure; null as they are.
    pub fitness_gain_per_1000_ticks: Option<f64>,
    /// Entities that became inactive.
    pub faults: u64,
    /// Entities that were repaired.
    pub repairs: u64,
    /// What became of blocks: fused, split, grown; null if nothing did.
    pub reshapes: Option<ReshapeTotals>,
    /// Births that failed in this process because they would have needed more than `memory_max`.
    pub births_refused: u64,
    /// Alerts raised, each event once.
    pub alerts: u64,
    /// Messages taken from the input stream.
    pub messages: u64,
    /// Messages that could not be read or named no live entity.
    pub messages_refused: u64,
    /// Entries of the input stream that were gone before they could be read.
    pub messages_lost: u64,
    /// The digest of the state, 16 hex digits; null when its rows can't be trusted.
    pub state_digest: Option<String>,
    /// The digest of what the run has said up to there, 16 hex digits: to the bus and to the store.
    pub output_digest: String,
    /// The same by who said it (a plugin, or the engine), and where to.
    pub outputs: OutputDigests,
    /// The bus's URL, without its password.
    pub bus: String,
    /// The store's URL, without its password.
    pub store: String,
    /// How it was with the ways to both.
    pub lanes: Lanes,
    /// The run's folder.
    pub out: PathBuf,
    /// The tick of the snapshot that this process went on from; null if it began the run.
    pub restored_at: Option<u64>,
    /// What became of the run's snapshots.
    pub snapshots: SnapshotReport,
    /// Every system, the slowest first.
    pub systems: Vec<SystemSummary>,
    /// Every plugin, by name.
    pub plugins: Vec<PluginSummary>,
    /// The replayed table; null without one.
    pub table: Option<TableReport>,
    /// Rows left out because they had been taken before: sent again after a kill.
    pub rows_repeated: u64,
    /// Labelled rows that were scored, those before a restore included: all but the first, which the twins only learn from.
    pub rows_scored: u64,
    /// Whose scores the table's rows had: "twins", "forest", or "PLUGIN (method)"; with the rows of each where there were several.
    /// Null without a row.
    pub detector: Option<String>,
    /// Area under the ROC curve of row scores against labels; null without labels or with one class only.
    pub roc_auc: Option<f64>,
    /// Area under the precision-recall curve; null as `roc_auc`.
    pub pr_auc: Option<f64>,
    /// Volume under the precision-recall curves of windows up to 100 rows, as TSB-AD has it; null as `roc_auc`, and where
    /// `vus_missing` says why.
    pub vus_pr: Option<f64>,
    /// Why there is no `vus_pr` where there are areas; null otherwise.
    pub vus_missing: Option<String>,
    /// What became of the faults that the run injected into itself; null without any, and until [`Summary::with_chaos`].
    pub chaos: Option<Report>,
    /// The signal that ended the run early; null if none did.
    pub interrupted_by: Option<usize>,
    /// Why the run failed; null if it did not.
    pub error: Option<String>,
}

impl Summary {
    /// With the study of the run, written into its folder: `chaos.json`, and the summary again.
    ///
    /// # Errors
    /// What the system says.
    pub fn with_chaos(mut self, studied: &Studied) -> Result<Self, RunError> {
        let is_same_run = self.state_digest.as_ref() == Some(&studied.this.digest);
        let report = Report { is_same_run, ..studied.report.clone() };
        write_report(self.seed, &studied.truth, &report, &self.out)?;
        self.chaos = Some(report);
        let json = serde_json::to_vec_pretty(&self).expect("a summary is text and numbers");
        manifest::replace(&self.out, SUMMARY, &json)
            .map_err(|e| RunError::Failed(format!("{}: {e}", self.out.display())))?;
        Ok(self)
    }
}

/// The summary of a run that has ended, but for what the simulation does not know.
pub(crate) fn summarise(simulation: &mut Simulation, seconds: f64, startup_seconds: f64) -> Summary {
    let systems = systems(simulation);
    let areas = areas(simulation.world());
    let world = simulation.world();
    let totals = *world.resource::<Totals>();
    let population = world.resource::<Population>();
    let (ticks, peak) = (simulation.tick(), peak_rss_bytes());
    Summary {
        scenario: String::new(),
        seed: 0,
        threads: simulation.threads(),
        entities: population.live(),
        blocks: population.blocks().count(),
        tick: ticks,
        ticks,
        seconds,
        startup_seconds,
        ticks_per_second: per_second(ticks, seconds),
        entity_updates: totals.entity_updates,
        entity_updates_per_second: per_second(totals.entity_updates, seconds),
        parallel_share: simulation.parallel_share(),
        peak_rss_bytes: peak,
        bytes_per_entity: bytes_per_entity(peak, population.live()),
        fitness_start: totals.fitness_start,
        fitness_end: totals.fitness_end,
        fitness_gain_per_1000_ticks: fitness_gain(&totals, ticks),
        faults: totals.faults,
        repairs: totals.repairs,
        reshapes: world
            .get_resource::<ReshapeTotals>()
            .copied()
            .filter(|totals| *totals != ReshapeTotals::default()),
        births_refused: population.births_refused(),
        alerts: world.resource::<Alerts>().raised(),
        messages: totals.messages,
        messages_refused: totals.messages_refused,
        messages_lost: totals.messages_lost,
        state_digest: None,
        output_digest: String::new(),
        outputs: OutputDigests::new(),
        bus: String::new(),
        store: String::new(),
        lanes: Lanes {
            bus: world.get_resource::<RunBus>().map(RunBus::health).unwrap_or_default(),
            store: world.get_resource::<StoreLane>().map(StoreLane::report).unwrap_or_default(),
        },
        out: PathBuf::new(),
        plugins: plugins(simulation, &systems),
        systems,
        restored_at: None,
        snapshots: SnapshotReport::default(),
        table: world.get_resource::<Feed>().and_then(Feed::report),
        rows_repeated: world.get_resource::<Feed>().map_or(0, Feed::repeated),
        rows_scored: areas.rows,
        detector: world.get_resource::<Detectors>().and_then(Detectors::names),
        roc_auc: areas.roc,
        pr_auc: areas.pr,
        vus_pr: areas.vus,
        vus_missing: areas.vus_missing,
        chaos: None,
        interrupted_by: None,
        error: None,
    }
}

/// What mean fitness has gained in a thousand ticks, after `ticks` of them.
fn fitness_gain(totals: &Totals, ticks: u64) -> Option<f64> {
    let gained = totals.fitness_end? - totals.fitness_start?;
    // The first of them measured where it starts.
    (ticks > 1).then(|| gained * 1000.0 / (ticks - 1) as f64)
}

fn bytes_per_entity(peak: u64, live: u64) -> Option<f64> {
    (peak > 0 && live > 0).then(|| peak as f64 / live as f64)
}

/// The most memory this process has held, in bytes; 0 where the system does not tell.
pub fn peak_rss_bytes() -> u64 {
    status_bytes("VmHWM:")
}

/// The memory this process holds, in bytes; 0 where the system does not tell.
pub fn rss_bytes() -> u64 {
    status_bytes("VmRSS:")
}

fn status_bytes(key: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    let kilobytes = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}
