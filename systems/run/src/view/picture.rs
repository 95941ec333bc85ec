//! The picture: what a watcher sees of a run between two ticks, and how it is made.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bevy_ecs::world::World;
use corec_bridges::lane::LaneReport;
use corec_bridges::store::StoreLane;
use corec_core::alert::{Alert, Alerts};
use corec_core::block::{BlockId, GroupId, KindTable, Population};
use corec_core::bus::{BusHealth, RunBus};
use corec_core::executor::{Reports, SystemTiming};
use corec_core::flags::Flags;
use corec_core::journal::Journal;
use corec_core::stats::{BlockStats, Stats, Totals};
use corec_core::units::Tick;
use corec_dynamics::audit::Auditor;

use super::counted::Counted;
use super::plugins::{PluginView, plugins};
use super::rows::BlockRows;
use super::times::{TickTimes, Times};
use crate::clock::now;

/// Alerts that are up and are listed; all are counted.
const OPEN_MAX: usize = 500;
/// The time over which ticks a second are reckoned, and how often it is looked how many there are.
const RATE_OVER: Duration = Duration::from_secs(1);
const MOMENT_EVERY: Duration = Duration::from_millis(100);

/// A run between two ticks.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// The run; the same in all its pictures.
    pub run: Arc<RunInfo>,
    /// When it was made; none for the empty one before the first.
    pub made: Option<Instant>,
    /// Finished ticks.
    pub tick: u64,
    /// The tick to stop at, where that is known.
    pub ticks_to_do: Option<u64>,
    /// How the run has ended; none while it goes on.
    pub ended: Option<Ended>,
    /// Finished ticks a second, over about the last second.
    pub ticks_per_second: f64,
    /// How long ticks took, without what is done between them.
    pub times: Times,
    /// Ticks a second that the run is paced to.
    pub tick_rate: Option<f64>,
    /// Ticks that began after the next one was due, of a run that is paced.
    pub deadline_misses: u64,
    /// Live entities.
    pub entities: u64,
    /// By kind: name, live entities, blocks, and bytes of its rows.
    pub kinds: Vec<(String, u64, u64, u64)>,
    /// What the run has counted.
    pub totals: Totals,
    /// Births that failed because they would have needed more than `memory_max`.
    pub births_refused: u64,
    /// Which blocks there are.
    pub layout: Arc<Layout>,
    /// Every block as last measured, by its id.
    pub blocks: Vec<BlockStats>,
    /// How far blocks stood apart in the last audit, 0..=1, by id; NaN for those that were not audited.
    pub audit_scores: Vec<f32>,
    /// Audits of this process.
    pub audits: u64,
    /// Blocks that are flagged.
    pub flagged: BTreeSet<BlockId>,
    /// What every system has cost so far.
    pub systems: Vec<SystemTiming>,
    /// Every plugin, by name.
    pub plugins: Vec<PluginView>,
    /// Alerts raised so far.
    pub alerts_raised: u64,
    /// Alerts that are up by severity 1 to 5; the first is of those whose severity is not known. Zeros unless the watch is open.
    pub alerts_open: [u64; 6],
    /// Those alerts, the most urgent first; 500 at most.
    pub open: Vec<Arc<Alert>>,
    /// The last alerts, the newest first; a hundred at most.
    pub recent: Vec<Arc<Alert>>,
    /// How it is with the bus.
    pub bus: BusHealth,
    /// How it is with the lane to the store.
    pub store: LaneReport,
    /// The last record of the journal.
    pub journal_records: u64,
    /// Snapshots of this process.
    pub snapshots: SnapshotMark,
    /// The last digest: after so many ticks.
    pub digest: Option<(u64, u64)>,
    /// Rows of blocks that were asked for.
    pub rows: BTreeMap<BlockId, Arc<BlockRows>>,
}

/// What of a run stays as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunInfo {
    /// Its id, 32 hex digits; empty before the run has started.
    pub id: String,
    /// The scenario's name.
    pub scenario: String,
    /// The instance.
    pub instance: String,
    /// The seed.
    pub seed: u64,
    /// Its folder.
    pub folder: PathBuf,
    /// Its journal's.
    pub journal: PathBuf,
    /// Worker threads.
    pub threads: usize,
    /// Simulated seconds of a tick.
    pub tick_seconds: f64,
    /// The bus's URL, without its password.
    pub bus: String,
    /// The store's.
    pub store: String,
    /// When this process started it.
    pub started: Option<SystemTime>,
    /// What was counted before this process began.
    pub before: Counted,
}

/// How a run has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All was done.
    Done,
    /// A signal ended it.
    Interrupted,
    /// It could not go on.
    Failed,
}

impl Ended {
    /// Whether it could go on, and whether it was not to.
    pub(crate) fn of(is_sound: bool, is_interrupted: bool) -> Self {
        match (is_sound, is_interrupted) {
            (false, _) => Self::Failed,
            (true, true) => Self::Interrupted,
            (true, false) => Self::Done,
        }
    }

    /// "done", "interrupted" or "failed".
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Interrupted => "interrupted",
            Self::Failed => "failed",
        }
    }
}

/// Which blocks there are, in the order of their ids. A new one has another version.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Layout {
    /// Rises with every change.
    pub version: u32,
    /// The groups' names and their kinds', by id.
    pub groups: Vec<(String, String)>,
    /// Blocks: id, group, place in the group.
    pub blocks: Vec<(BlockId, GroupId, u32)>,
}

impl Layout {
    /// A block's name: its group's and its place in it.
    pub fn name_of(&self, (_, group, index): (BlockId, GroupId, u32)) -> String {
        format!("{}/{index}", self.groups[usize::from(group.0)].0)
    }
}

/// The snapshots of a process.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SnapshotMark {
    /// How many were written.
    pub written: u64,
    /// The last one: its tick, when it was made, its bytes.
    pub last: Option<(u64, Instant, u64)>,
    /// Why the last one that failed did.
    pub error: Option<String>,
}

/// What a picture has of what is done between ticks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Marks {
    pub ticks_to_do: Option<u64>,
    pub tick_rate: Option<f64>,
    pub deadline_misses: u64,
    pub snapshots: SnapshotMark,
    pub digest: Option<(u64, u64)>,
}

/// What makes pictures, and what it remembers from one to the next.
pub(crate) struct Painter {
    pub run: Arc<RunInfo>,
    pub times: TickTimes,
    layout: Arc<Layout>,
    /// Blocks that there ever were, and that are live, as the layout has them.
    laid_out: (usize, usize),
    /// Moments and the ticks that were finished then, of about the last second, oldest first.
    moments: Vec<(Instant, u64)>,
}

impl Painter {
    pub fn new(run: RunInfo) -> Self {
        Self {
            run: Arc::new(run),
            times: TickTimes::default(),
            layout: Arc::default(),
            laid_out: (0, 0),
            moments: Vec::new(),
        }
    }

    /// The run of `world`, which is between two ticks.
    pub fn paint(&mut self, world: &World, marks: Marks) -> View {
        let tick = world.resource::<Tick>().0;
        let population = world.resource::<Population>();
        self.look_at(population);
        let auditor = world.get_resource::<Auditor>();
        let mut audit_scores = vec![f32::NAN; population.block_count()];
        for (block, score) in auditor.into_iter().flat_map(Auditor::scores) {
            audit_scores[block.0 as usize] = score;
        }
        let alerts = world.resource::<Alerts>();
        let log = alerts.log();
        let kind = |kind: &KindTable| {
            (kind.name().to_string(), kind.live(), kind.blocks().len() as u64, kind.bytes())
        };
        View {
            run: Arc::clone(&self.run),
            made: Some(now()),
            tick,
            ticks_to_do: marks.ticks_to_do,
            ended: None,
            ticks_per_second: self.rate(),
            times: self.times.told(),
            tick_rate: marks.tick_rate,
            deadline_misses: marks.deadline_misses,
            entities: population.live(),
            kinds: population.kinds().iter().map(kind).collect(),
            totals: *world.resource::<Totals>(),
            births_refused: population.births_refused(),
            layout: Arc::clone(&self.layout),
            blocks: world.resource::<Stats>().blocks.clone(),
            audit_scores,
            audits: auditor.map_or(0, Auditor::audits),
            flagged: world.resource::<Flags>().iter().map(|(block, ..)| block).collect(),
            systems: world.resource::<Reports>().timings(),
            plugins: plugins(world),
            alerts_raised: alerts.raised(),
            alerts_open: log.map(|log| log.counts()).unwrap_or_default(),
            open: log.map(|log| log.open(OPEN_MAX)).unwrap_or_default(),
            recent: log.map(|log| log.recent().cloned().collect()).unwrap_or_default(),
            bus: world.get_resource::<RunBus>().map(RunBus::health).unwrap_or_default(),
            store: world.get_resource::<StoreLane>().map(StoreLane::report).unwrap_or_default(),
            journal_records: world.resource::<Journal>().sequence(),
            snapshots: marks.snapshots,
            digest: marks.digest,
            rows: BTreeMap::new(),
        }
    }

    /// Makes the layout anew if blocks have come or gone.
    fn look_at(&mut self, population: &Population) {
        let live: usize = population.kinds().iter().map(|kind| kind.blocks().len()).sum();
        // One that comes makes the first larger, one that goes the second smaller.
        let blocks = (population.block_count(), live);
        if self.layout.version > 0 && self.laid_out == blocks {
            return;
        }
        self.laid_out = blocks;
        let kinds = population.kinds();
        let groups = population.groups().iter();
        let groups =
            groups.map(|g| (g.name().to_string(), kinds[usize::from(g.kind().0)].name().to_string()));
        let mut blocks: Vec<_> = population.blocks().map(|b| (b.id(), b.group(), b.index())).collect();
        blocks.sort_unstable_by_key(|(id, ..)| *id);
        let version = self.layout.version + 1;
        self.layout = Arc::new(Layout { version, groups: groups.collect(), blocks });
    }

    /// A tick begins.
    pub fn begin(&mut self, now: Instant) {
        if self.moments.last().is_none_or(|(at, _)| now - *at >= MOMENT_EVERY) {
            self.moments.push((now, self.times.count()));
            // The oldest that is kept is the newest of those that are a second old.
            let old = self.moments.iter().rposition(|(at, _)| now - *at >= RATE_OVER);
            self.moments.drain(..old.unwrap_or(0));
        }
    }

    /// Finished ticks a second, over about the last second.
    fn rate(&self) -> f64 {
        let ([(then, before), ..], [.., (last, after)]) = (&self.moments[..], &self.moments[..]) else {
            return 0.0;
        };
        // From the beginning of a tick to that of another; of a run that stands, to now.
        let (until, after) = match now() - *last < RATE_OVER && last > then {
            true => (*last, *after),
            false => (now(), self.times.count()),
        };
        let seconds = (until - *then).as_secs_f64();
        if seconds > 0.0 { (after - before) as f64 / seconds } else { 0.0 }
    }
}
