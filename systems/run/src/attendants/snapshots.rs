//! Snapshots: when one is due, the copy, and the thread that writes it while the run goes on.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bevy_ecs::world::{Mut, World};
use corec_bridges::lane::Safe;
use corec_bridges::store::{StoreLane, StoreSink};
use corec_core::bus::{Kept, RunBus};
use corec_core::journal::{Journal, Syncer};
use corec_core::snapshot::{self, About, Capture, SnapshotFolder, Written};
use corec_core::store::Batch;
use corec_core::units::Tick;
use crossbeam::channel::{Receiver, Sender, bounded};
use serde::Serialize;

use super::{Attendant, Moment};
use crate::clock::now;
use crate::options::SnapshotInterval;
use crate::view::SnapshotMark;

/// Snapshots kept unless asked otherwise.
pub const KEEP: usize = 3;

/// What became of the snapshots of a run.
#[derive(Clone, Debug, Default, Serialize)]
pub struct SnapshotReport {
    /// Snapshots written.
    pub written: u64,
    /// The last file.
    pub last: Option<PathBuf>,
    /// Its size.
    pub last_bytes: u64,
    /// The longest that writing one took.
    pub write_seconds_max: f64,
    /// The longest that a tick waited for the copy.
    pub held_up_ms_max: f64,
    /// Whether the columns were too many to copy (`snapshot_memory_max`), so that the run waited for the file.
    pub in_place: bool,
    /// Why the last one that failed did.
    pub error: Option<String>,
    /// Whether some were asked for and due, and none could be made.
    #[serde(skip)]
    pub is_missing: bool,
}

/// A copy to write, and what it counts on.
type Work = (Capture, CountsOn);
type Done = (Capture, Result<Written, String>, Duration);

/// What must be on the disk before a snapshot is: a restored run does not do again what came before it.
struct CountsOn {
    journal: Option<Syncer>,
    store: Option<Safe<StoreSink>>,
    bus: Option<Kept>,
}

impl CountsOn {
    fn of(world: &mut World) -> Result<Self, String> {
        let journal = world.resource::<Journal>().syncer().map_err(|e| e.to_string())?;
        let store = world.try_resource_scope(|world, mut lane: Mut<StoreLane>| {
            lane.send_safely(&mut world.resource_mut::<Batch>())
        });
        let bus = world.get_resource_mut::<RunBus>().map(|mut bus| bus.keep());
        Ok(Self { journal, store, bus })
    }

    fn wait(self) -> Result<(), String> {
        self.journal.map_or(Ok(()), |journal| journal.sync().map_err(|e| e.to_string()))?;
        self.store.map_or(Ok(()), |store| store.wait())?;
        self.bus.map_or(Ok(()), |kept| kept())
    }
}

/// The snapshots of a run.
pub(crate) struct Snapshots {
    every: Option<SnapshotInterval>,
    /// The tick that the process began with: there is a snapshot of it already, or none is needed.
    first_tick: u64,
    /// Whether each is waited for: where a run goes on after its end is to follow from the ticks, and not from how fast a disk is.
    is_waited_for: bool,
    place: SnapshotFolder,
    threads: usize,
    about: About,
    /// The copy, when it is not being written.
    empty: Option<Capture>,
    to_write: Option<Sender<Work>>,
    written: Receiver<Done>,
    thread: Option<JoinHandle<()>>,
    last_wall: Instant,
    /// One is due; it waits for the one before to be written.
    is_due: bool,
    report: SnapshotReport,
    /// The tick of the one that is being written, and when it was made; of the last that was written.
    making: (u64, Instant),
    made: Option<(u64, Instant)>,
    is_failing: bool,
}

impl Attendant for Snapshots {
    fn attend(&mut self, world: &mut World, _: &mut Moment) -> ControlFlow<()> {
        if world.resource::<Tick>().0 > self.first_tick {
            self.look(world);
        }
        if self.is_waited_for {
            self.collect(true);
        }
        ControlFlow::Continue(())
    }
}

impl Snapshots {
    /// Makes ready for `world`'s first tick.
    pub fn new(
        every: Option<SnapshotInterval>,
        place: SnapshotFolder,
        about: About,
        world: &World,
        memory_max: u64,
        is_waited_for: bool,
    ) -> std::io::Result<Self> {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        let in_place = Capture::bytes_of(world) > memory_max;
        let (to_write, captured) = bounded::<Work>(1);
        let (done, written) = bounded::<Done>(1);
        let (mut empty, mut thread) = (None, None);
        if every.is_some() && !in_place {
            let mut capture = Capture::default();
            capture.reserve(world);
            empty = Some(capture);
            let place = place.clone();
            let work = move || {
                for (capture, counts_on) in captured {
                    let start = now();
                    let write = || snapshot::write(&capture, &place, threads).map_err(|e| e.to_string());
                    let result = counts_on.wait().and_then(|()| write());
                    if done.send((capture, result, start.elapsed())).is_err() {
                        return;
                    }
                }
            };
            thread = Some(std::thread::Builder::new().name("corec-snapshot".into()).spawn(work)?);
        }
        Ok(Self {
            every,
            first_tick: world.resource::<Tick>().0,
            is_waited_for,
            place,
            threads,
            about,
            empty,
            to_write: thread.is_some().then_some(to_write),
            written,
            thread,
            last_wall: now(),
            is_due: false,
            report: SnapshotReport { in_place, ..Default::default() },
            making: (0, now()),
            made: None,
            is_failing: false,
        })
    }

    /// Makes a snapshot of `world`, between two ticks, if one is due and the one before is written.
    fn look(&mut self, world: &mut World) {
        self.is_due |= match self.every {
            None => false,
            Some(SnapshotInterval::Ticks(ticks)) => world.resource::<Tick>().0.is_multiple_of(ticks),
            Some(SnapshotInterval::Wall(distance)) => self.last_wall.elapsed() >= distance,
        };
        self.collect(false);
        if self.is_due && (self.report.in_place || self.empty.is_some()) {
            (self.is_due, self.last_wall) = (false, now());
            // What the state has taken in must not be younger than what the journal has on disk.
            let mut journal = world.resource_mut::<Journal>();
            journal.commit();
            self.about.journal_sequence = journal.sequence();
            if journal.failure().is_some() {
                return;
            }
            self.save(world);
        }
    }

    fn save(&mut self, world: &mut World) {
        let start = now();
        self.making = (world.resource::<Tick>().0, start);
        if let Some(mut capture) = self.empty.take() {
            match CountsOn::of(world) {
                Ok(counts_on) => {
                    snapshot::capture(world, &mut capture, &self.about);
                    if let Some(to_write) = &self.to_write {
                        _ = to_write.send((capture, counts_on));
                    }
                }
                Err(error) => {
                    self.empty = Some(capture);
                    self.note(Err(error), start.elapsed());
                }
            }
        } else {
            let result = self.write_in_place(world);
            self.note(result, start.elapsed());
        }
        self.report.held_up_ms_max = self.report.held_up_ms_max.max(start.elapsed().as_secs_f64() * 1e3);
    }

    fn write_in_place(&self, world: &mut World) -> Result<Written, String> {
        CountsOn::of(world)?.wait()?;
        snapshot::write_in_place(world, &self.about, &self.place, self.threads).map_err(|e| e.to_string())
    }

    /// Takes back a copy that has been written, waiting for it if asked to.
    fn collect(&mut self, wait: bool) {
        let is_out = self.to_write.is_some() && self.empty.is_none();
        let work = if wait && is_out { self.written.recv().ok() } else { self.written.try_recv().ok() };
        if let Some((capture, result, took)) = work {
            self.empty = Some(capture);
            self.note(result, took);
        }
    }

    fn note(&mut self, result: Result<Written, String>, took: Duration) {
        match result {
            Ok(written) => {
                self.report.written += 1;
                (self.made, self.is_failing) = (Some(self.making), false);
                self.report.write_seconds_max = self.report.write_seconds_max.max(took.as_secs_f64());
                (self.report.last, self.report.last_bytes) = (Some(written.path), written.bytes);
            }
            Err(error) => {
                // The run goes on, and the snapshots before this one are whole.
                tracing::error!("no snapshot: {error}");
                self.is_failing = true;
                self.report.error = Some(error);
            }
        }
    }

    /// What a picture has of them.
    pub fn mark(&self) -> SnapshotMark {
        let last = self.made.map(|(tick, at)| (tick, at, self.report.last_bytes));
        SnapshotMark {
            written: self.report.written,
            last,
            error: self.report.error.clone().filter(|_| self.is_failing),
        }
    }

    /// Waits for what is being written, and writes a last one of `world` if one is due or the run was interrupted. A run that failed
    /// gives no world: its state is not worth going on from.
    pub fn finish(mut self, world: Option<&mut World>, is_interrupted: bool) -> SnapshotReport {
        self.collect(true);
        // Before the first tick nothing has been started up: a run begins again as fast.
        let has_begun = |world: &&mut World| world.resource::<Tick>().0 > 0;
        if let Some(world) = world.filter(|_| self.is_due || is_interrupted).filter(has_begun) {
            self.about.journal_sequence = world.resource::<Journal>().sequence();
            self.report.error = None;
            let start = now();
            let result = self.write_in_place(world);
            self.note(result, start.elapsed());
        }
        self.to_write = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            self.report.error = Some("the thread that writes snapshots panicked".into());
        }
        self.report.is_missing =
            self.every.is_some() && self.report.written == 0 && self.report.error.is_some();
        self.report
    }
}
