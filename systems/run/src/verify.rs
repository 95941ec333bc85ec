//! Verify: the same run at several thread counts, and what differs first if they differ.

use bevy_app::App;
use corec_bridges::bus::MemoryBus;
use corec_core::bus::RunBus;
use corec_core::config::{Scenario, Threads};
use corec_core::digest::{Digest, FORMAT, Saved};
use corec_core::journal::Journal;
use corec_core::outputs::Outputs;
pub use corec_core::outputs::{self, OutputDigests};
use corec_core::phase::Owner;
use corec_core::simulation::{Simulation, SimulationError};
use corec_core::snapshot::{
    About, Difference, Snapshot, SnapshotError, SnapshotFolder, diff, write_in_place,
};
use corec_core::stop::Stop;
pub use corec_core::suspects::Suspect;
use corec_core::suspects::suspects;
use corec_telemetry::feed::Feed;
use std::path::Path;

use crate::built_in::CorecPlugin;
use crate::error::{RunError, refusal};
pub use crate::temp_folder::TempFolder;

/// A run to do again.
pub struct Rerun<'a> {
    /// The scenario.
    pub scenario: Scenario,
    /// The journal of a run that has been: what came from outside comes from there. None for a run that has no input.
    pub journal: Option<&'a Path>,
    /// Ticks, at most.
    pub ticks: u64,
    /// Ticks between two digests, at least 1. The last tick has one as well.
    pub interval: u64,
    /// The last tick whose recorded digest is of the format before: those up to there are made so.
    pub old_until: u64,
    /// Their format.
    pub old_format: u16,
    /// Makes an app with the run's plugins, and adds their groups of blocks to the scenario.
    pub app: &'a (dyn Fn(&mut Scenario) -> App + Sync),
    /// Ends it once it is set.
    pub stop: &'a Stop,
}

/// The digests of a run, by tick.
pub type Digests = Vec<Mark>;

/// The digests after a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Finished ticks.
    pub tick: u64,
    /// Of the state.
    pub state: u64,
    /// Of what the run has said; none where an older version recorded none.
    pub said: Option<u64>,
}

impl Mark {
    /// Whether both are the same, as far as both have them.
    pub fn agrees(&self, other: &Self) -> bool {
        let said = self.said.zip(other.said).is_none_or(|(one, other)| one == other);
        self.tick == other.tick && self.state == other.state && said
    }
}

/// Where two runs part.
#[derive(Clone, Debug)]
pub struct Divergence {
    /// The first tick after which the states differ.
    pub tick: u64,
    /// In what.
    pub differences: Vec<Difference>,
    /// What is said otherwise, and by whom.
    pub said: Vec<String>,
    /// Who can have written what differs.
    pub suspects: Vec<Suspect>,
}

impl Rerun<'_> {
    fn simulation(&self, threads: u32) -> Result<Simulation, RunError> {
        let (app, scenario) = self.app(threads)?;
        Simulation::new(app, scenario).map_err(refusal)
    }

    fn app(&self, threads: u32) -> Result<(App, Scenario), RunError> {
        let mut scenario = self.scenario.clone();
        scenario.threads = Threads::Count(threads);
        let mut app = (self.app)(&mut scenario);
        if !app.is_plugin_added::<CorecPlugin>() {
            app.add_plugins(CorecPlugin);
        }
        if let Some(folder) = self.journal {
            let fail = |e| RunError::Usage(format!("journal: {e}"));
            let mut journal = Journal::replay_of(folder).map_err(fail)?.without_digests().map_err(fail)?;
            if let Some(table) = Feed::recorded_in(&mut journal) {
                corec_telemetry::insert(app.world_mut(), table);
            }
            app.insert_resource(journal);
        }
        app.insert_resource(RunBus::new(Box::new(MemoryBus::default())));
        Ok((app, scenario))
    }

    /// Runs it on `threads` threads, and gives its digests, and what it has said.
    ///
    /// # Errors
    /// What the run says; an interruption.
    pub fn run(
        &self,
        threads: u32,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(Digests, OutputDigests), RunError> {
        self.stop.heed();
        let mut simulation = self.simulation(threads)?;
        let mut digests = Digests::new();
        loop {
            let tick = simulation.tick();
            progress(tick);
            self.check_signal()?;
            let next = ((tick / self.interval + 1) * self.interval).min(self.ticks);
            let mut now = tick;
            // A few ticks at a time: nobody waits long for an interruption.
            while now < next {
                self.check_signal()?;
                let before = now;
                simulation.run((next - now).min(10)).map_err(failed)?;
                now = simulation.tick();
                if now == before {
                    break;
                }
            }
            // An input that has ended ends the run before `next`.
            if now > tick {
                let format = if now <= self.old_until { self.old_format } else { FORMAT };
                let digest = simulation.in_pool(|world| Digest::of_format(world, format));
                let said = (now > self.old_until).then(|| simulation.world().resource::<Outputs>().value());
                digests.push(Mark { tick: now, state: digest.value, said });
            }
            if now < next || now == self.ticks {
                let told = simulation.world().resource::<Outputs>().to_hex();
                return simulation.shut_down().map(|()| (digests, told)).map_err(failed);
            }
        }
    }

    /// Runs it on two thread counts side by side, and says where they part.
    ///
    /// # Errors
    /// What the runs or the snapshots say.
    pub fn diverges(&self, threads: [u32; 2]) -> Result<Option<Divergence>, RunError> {
        self.side_by_side([self.simulation(threads[0])?, self.simulation(threads[1])?])
    }

    /// Runs it, and beside it one that is restored from its state after `tick`, and says where they part. For a run without input.
    ///
    /// # Errors
    /// As [`Rerun::diverges`].
    pub fn diverges_after_restore(&self, threads: u32, tick: u64) -> Result<Option<Divergence>, RunError> {
        let mut whole = self.simulation(threads)?;
        if !self.run_to(&mut whole, tick)? {
            return Ok(None);
        }
        let folder = temp_folder()?;
        let snapshot = snapshot_in(folder.path(), &whole).map_err(unreadable)?;
        let (app, scenario) = self.app(threads)?;
        let restored = Simulation::restore(app, scenario, &snapshot).map_err(failed)?;
        self.side_by_side([whole, restored])
    }

    /// Runs it up to the tick of a snapshot that another process made, and says in what the two states differ.
    ///
    /// # Errors
    /// As [`Rerun::diverges`].
    pub fn diverges_from(&self, threads: u32, snapshot: &Snapshot) -> Result<Option<Divergence>, RunError> {
        let (mut whole, tick) = (self.simulation(threads)?, snapshot.head().tick);
        if !self.run_to(&mut whole, tick)? {
            return Ok(None);
        }
        let folder = temp_folder()?;
        let own = snapshot_in(folder.path(), &whole).map_err(unreadable)?;
        let mut differences = diff(&own, snapshot).map_err(unreadable)?;
        differences.retain(is_of_the_state);
        let divergence =
            Divergence { tick, suspects: all_suspects(&whole, &differences), differences, said: vec![] };
        Ok(Some(divergence).filter(|divergence| !divergence.differences.is_empty()))
    }

    /// Runs it up to `tick`, and says whether it came there.
    fn run_to(&self, simulation: &mut Simulation, tick: u64) -> Result<bool, RunError> {
        while simulation.tick() < tick {
            self.check_signal()?;
            let before = simulation.tick();
            simulation.run(1).map_err(failed)?;
            if simulation.tick() == before {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn side_by_side(&self, mut pair: [Simulation; 2]) -> Result<Option<Divergence>, RunError> {
        while pair[0].tick() < self.ticks {
            self.check_signal()?;
            let before = pair[0].tick();
            for simulation in &mut pair {
                simulation.run(1).map_err(failed)?;
            }
            let [a, b] = pair.each_ref().map(|simulation| simulation.digest().value);
            let [one, other] =
                pair.each_ref().map(|simulation| simulation.world().resource::<Outputs>().to_hex());
            let said = outputs::differences(&one, &other);
            if a != b || !said.is_empty() {
                let mut differences = differences(&pair)?;
                differences.retain(is_of_the_state);
                let suspects = all_suspects(&pair[0], &differences);
                return Ok(Some(Divergence { tick: before + 1, differences, said, suspects }));
            }
            if pair[0].tick() == before {
                break;
            }
        }
        Ok(None)
    }

    fn check_signal(&self) -> Result<(), RunError> {
        match self.stop.signal() {
            None => Ok(()),
            Some(signal) => Err(RunError::Interrupted(signal)),
        }
    }
}

fn failed(error: SimulationError) -> RunError {
    RunError::Failed(error.to_string())
}

fn unreadable(error: SnapshotError) -> RunError {
    RunError::Failed(error.to_string())
}

/// What is said has a more exact list.
fn is_of_the_state(difference: &Difference) -> bool {
    difference.part.strip_prefix("resource ") != Some(Outputs::NAME)
}

/// Who can have written what differs.
fn all_suspects(simulation: &Simulation, differences: &[Difference]) -> Vec<Suspect> {
    let mut found: Vec<Suspect> = Vec::new();
    for suspect in differences.iter().flat_map(|of| suspects(simulation.world(), &of.part)) {
        if !found.contains(&suspect) {
            found.push(suspect);
        }
    }
    // What the engine makes of a wrong value is wrong as well.
    let is_engines = |suspect: &Suspect| suspect.owner == Some(Owner::BuiltIn);
    if found.iter().any(|suspect| !is_engines(suspect)) {
        found.retain(|suspect| !is_engines(suspect));
    }
    found
}

fn temp_folder() -> Result<TempFolder, RunError> {
    TempFolder::new("corec-verify").map_err(|e| RunError::Failed(format!("a folder for snapshots: {e}")))
}

fn snapshot_in(folder: &Path, simulation: &Simulation) -> Result<Snapshot, SnapshotError> {
    let place = SnapshotFolder::own(folder.into(), 1);
    let written = simulation.in_pool(|world| write_in_place(world, &About::default(), &place, 1))?;
    Snapshot::open(&written.path)
}

fn differences(pair: &[Simulation; 2]) -> Result<Vec<Difference>, RunError> {
    let folder = temp_folder()?;
    let [a, b] = [0, 1].map(|at| snapshot_in(&folder.path().join(at.to_string()), &pair[at]));
    diff(&a.map_err(unreadable)?, &b.map_err(unreadable)?).map_err(unreadable)
}

#[cfg(test)]
mod tests {
    use bevy_app::Update;
    use bevy_ecs::prelude::*;
    use corec_core::blocks::Blocks;
    use corec_core::column::Signal;
    use corec_core::config::BlockGroup;
    use corec_core::phase::Phase;
    use corec_core::units::Tick;

    use super::*;

    fn again<'a>(app: &'a (dyn Fn(&mut Scenario) -> App + Sync), stop: &'a Stop) -> Rerun<'a> {
        let group = BlockGroup { id: "cells".into(), entities: 3000, ..Default::default() };
        let scenario = Scenario { blocks: vec![group], ..Default::default() };
        Rerun {
            scenario,
            journal: None,
            ticks: 25,
            interval: 10,
            old_until: 0,
            old_format: FORMAT,
            app,
            stop,
        }
    }

    #[test]
    fn a_run_that_does_not_look_at_its_threads_has_one_list_of_digests() {
        let stop = Stop::default();
        let again = again(&|_| App::new(), &stop);
        let first = again.run(1, &mut |_| {}).unwrap();
        assert_eq!(first.0.iter().map(|mark| mark.tick).collect::<Vec<_>>(), [10, 20, 25]);
        for threads in [2, 8] {
            assert_eq!(again.run(threads, &mut |_| {}).unwrap(), first);
        }
        assert!(again.diverges([1, 2]).unwrap().is_none());
    }

    #[test]
    fn a_run_without_a_tick_ends_in_good_order() {
        let (mut app, cells) =
            (App::new(), BlockGroup { id: "cells".into(), entities: 10, ..Default::default() });
        app.add_plugins(CorecPlugin);
        let mut simulation =
            Simulation::new(app, Scenario { blocks: vec![cells], ..Default::default() }).unwrap();
        simulation.shut_down().unwrap();
    }

    #[test]
    fn a_system_that_counts_threads_is_found_out_by_tick_column_and_entity() {
        let app = |_: &mut Scenario| {
            let mut app = App::new();
            let cheat = |tick: Res<Tick>, blocks: Blocks<&mut Signal>| {
                let is_seen = tick.0 == 13 && rayon::current_num_threads() == 2;
                blocks.for_each(|signals| signals[7].value *= if is_seen { 0.5 } else { 1.0 });
            };
            app.add_systems(Update, cheat.after(Phase::Repair).before(Phase::Publish));
            app
        };
        let stop = Stop::default();
        let again = again(&app, &stop);
        assert_ne!(again.run(1, &mut |_| {}).unwrap(), again.run(2, &mut |_| {}).unwrap());
        let divergence = again.diverges([1, 2]).unwrap().expect("they part");
        assert_eq!(divergence.tick, 14);
        let said = divergence.differences[0].to_string();
        assert!(
            said.starts_with("cell.Signal: 3 rows differ, first in block 0 (group 0, its 0.), entity 7:"),
            "{said}"
        );
    }

    #[derive(Resource, Default)]
    struct Count(u32);

    fn cheats<M>(
        system: impl IntoSystem<(), (), M> + Copy + Sync + 'static,
    ) -> impl Fn(&mut Scenario) -> App + Sync {
        move |_| {
            let mut app = App::new();
            app.init_resource::<Count>().add_systems(Update, IntoSystem::into_system(system));
            app
        }
    }

    fn put(blocks: Blocks<&mut Signal>, value: u32) {
        blocks.for_each(|signals| signals[0].value = (value % 100) as f32 / 100.0);
    }

    #[test]
    fn what_changes_from_run_to_run_is_found_at_one_thread_count() {
        static CALLS: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let counts = |blocks: Blocks<&mut Signal>| {
            put(blocks, CALLS.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
        };
        let (stop, app) = (Stop::default(), cheats(counts));
        let divergence = again(&app, &stop).diverges([1, 1]).unwrap().expect("they part");
        assert_eq!((divergence.tick, &divergence.differences[0].part[..]), (1, "cell.Signal"));
    }

    #[test]
    fn what_a_restore_begins_anew_is_found_with_who_can_have_written_it() {
        let stop = Stop::default();
        let of_a_local = cheats(|mut count: Local<u32>, blocks: Blocks<&mut Signal>| {
            *count += 1;
            put(blocks, *count);
        });
        let of_a_resource = cheats(|mut count: ResMut<Count>, blocks: Blocks<&mut Signal>| {
            count.0 += 1;
            put(blocks, count.0);
        });
        let all: [&(dyn Fn(&mut Scenario) -> App + Sync); 2] = [&of_a_local, &of_a_resource];
        for app in all {
            let again = again(app, &stop);
            assert!(again.diverges([1, 2]).unwrap().is_none());
            let divergence = again.diverges_after_restore(1, 7).unwrap().expect("they part");
            assert_eq!((divergence.tick, &divergence.differences[0].part[..]), (8, "cell.Signal"));
            let systems: Vec<&str> = divergence.suspects.iter().map(|suspect| &suspect.system[..]).collect();
            assert!(matches!(&systems[..], [one] if one.contains("restore_begins_anew")), "{systems:?}");
        }
        let fine = again(&|_| App::new(), &stop).diverges_after_restore(2, 7).unwrap();
        assert!(fine.is_none(), "{fine:?}");
    }
}
