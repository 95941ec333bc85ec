//! The engine: what a simulation runs on its team, a tick, a restore and the end.

use std::collections::BTreeSet;
use std::time::Duration;

use bevy_app::{AppExit, MainScheduleOrder, SubApp};
use bevy_ecs::message::Messages;

use super::ending::{Ending, StoppedPlugins};
use super::error::SimulationError;
use super::pauses;
use crate::alert::{Alerts, Author, Beside, Reason};
use crate::block::Population;
use crate::bus::RunBus;
use crate::clock::{self, Clocks};
use crate::config::OnPluginError;
use crate::digest::{Digest, FORMAT, Saved};
use crate::executor::Reports;
use crate::flags::Flags;
use crate::phase::{Close, Owner, Shutdown};
use crate::place;
use crate::plugin::Budgets;
use crate::snapshot::Snapshot;
use crate::team::Meter;
use crate::turns::Turns;
use crate::units::{Epoch, Tick};

/// What runs on the team.
pub(super) struct Engine {
    pub main: SubApp,
    pub reports: Reports,
    pub on_plugin_error: OnPluginError,
    pub is_shut_down: bool,
    pub meter: Meter,
    /// The duration of a tick.
    pub step: Duration,
}

impl Engine {
    /// Runs one tick.
    pub fn step(&mut self) -> Result<(), SimulationError> {
        let world = self.main.world_mut();
        let tick = world.resource::<Tick>().0;
        place::begin_tick(tick);
        pauses::take(world, &self.reports, tick);
        Turns::begin(world, tick);
        self.meter.meter(|| self.main.update());
        let world = self.main.world_mut();
        world.resource_mut::<Turns>().end();
        world.resource_mut::<Tick>().0 += 1;
        Clocks::note(world, tick + 1, self.step);
        Beside::<Author>::note(world);
        Beside::<Reason>::note(world);
        let intact = world.resource::<Population>().check(world);
        intact.map_err(|error| SimulationError::Structure { tick, error })?;
        self.judge_failures(tick, false)?;
        self.failure(tick)
    }

    /// Runs `Startup` by itself, for Bevy would run it in the first tick, over what is put back here.
    pub fn resume(&mut self, snapshot: &Snapshot) -> Result<(), SimulationError> {
        let (step, world) = (self.step, self.main.world_mut());
        let head = snapshot.head();
        world.insert_resource(Epoch(head.epoch));
        world.resource_mut::<Alerts>().set_epoch(Epoch(head.epoch));
        for label in std::mem::take(&mut world.resource_mut::<MainScheduleOrder>().startup_labels) {
            _ = world.try_run_schedule(label);
        }
        self.judge_failures(head.tick, true)?;
        self.failure(head.tick)?;
        let world = self.main.world_mut();
        world.insert_resource(Tick(head.tick));
        clock::set_regular(world, head.tick, step);
        snapshot.fill(world)?;
        Beside::<Author>::set(world);
        Beside::<Reason>::set(world);
        if snapshot.has_resource(Clocks::NAME) {
            Clocks::set(world).map_err(|message| snapshot.foreign(message))?;
        } else {
            Clocks::note(world, head.tick, step);
        }
        // A plugin that was stopped stays so.
        let stopped =
            world.get_resource::<StoppedPlugins>().map(|stopped| stopped.0.clone()).unwrap_or_default();
        let plugins = world.get_resource::<Budgets>().cloned().unwrap_or_default().0;
        for (plugin, _) in plugins.iter().filter(|(plugin, _)| stopped.contains(*plugin)) {
            self.reports.stop(plugin);
        }
        pauses::hold(self.main.world(), &self.reports);
        let world = self.main.world_mut();
        // What is saved now and was not then, by a newer version or a plugin that the run had not, begins anew.
        let found =
            Digest::of_those(world, &|saved| saved.since <= FORMAT && snapshot.has_resource(saved.name))
                .value;
        if found != head.digest {
            let message = format!(
                "found a state of digest {found:016x}, must be {:016x}: a plugin changed what it saves",
                head.digest
            );
            return Err(snapshot.foreign(message).into());
        }
        Ok(())
    }

    /// Runs the schedules of the end, once.
    pub fn shut_down(&mut self) -> Result<(), SimulationError> {
        if std::mem::replace(&mut self.is_shut_down, true) {
            return Ok(());
        }
        let world = self.main.world_mut();
        let tick = world.resource::<Tick>().0;
        // A plugin that is paused puts away what it has, as any other.
        self.reports.set_paused(BTreeSet::new());
        world.get_resource_mut::<RunBus>().into_iter().for_each(|mut bus| bus.begin_end());
        world.resource_mut::<Alerts>().begin_end(tick);
        _ = world.try_run_schedule(Shutdown);
        // Whatever failed: what was said of it must get out.
        let judged = self.judge_failures(tick, true);
        _ = self.main.world_mut().try_run_schedule(Close);
        judged.and_then(|()| self.judge_failures(tick, true))?;
        self.failure(tick)
    }

    /// Tells of failed systems. Ends the run if it can't do without one, else stops the plugin that it belongs to.
    fn judge_failures(&mut self, tick: u64, is_end: bool) -> Result<(), SimulationError> {
        for failure in self.reports.take_failures() {
            tracing::error!(tick, stopped = failure.stopped, "{failure}");
            let name = if failure.stopped { "system_stopped" } else { "system_error" };
            self.main.world_mut().resource_mut::<Alerts>().publish("", name, &failure.system, 1.0, 1, tick);
            if !failure.stopped {
                continue;
            }
            // What a stopped system would have written is missing from now on: only one that writes nothing others
            // read, and that is not the engine's, may stop without the run.
            let needed = failure.writes || failure.owner == Some(Owner::BuiltIn);
            match failure.owner {
                _ if needed || self.on_plugin_error == OnPluginError::FailRun => {
                    return Err(SimulationError::System { tick, failure });
                }
                Some(Owner::Plugin(plugin)) => {
                    self.reports.stop(plugin);
                    let mut stopped = self.main.world_mut().get_resource_or_init::<StoppedPlugins>();
                    stopped.0.insert(plugin.into());
                    self.silence(plugin, tick);
                }
                // Nobody would hear of what a plain system did not do at the end.
                _ if is_end => return Err(SimulationError::System { tick, failure }),
                _ => {}
            }
        }
        Ok(())
    }

    /// Lowers the flags of a plugin that was stopped: it can't do so any more.
    fn silence(&mut self, plugin: &str, tick: u64) {
        self.main.world_mut().resource_scope::<Alerts, _>(|world, mut alerts| {
            world.resource_scope::<Flags, _>(|world, mut flags| {
                let population = world.resource::<Population>();
                flags.silence(&mut alerts, plugin, |block| population.block_name(block), tick);
            });
        });
    }

    fn failure(&self, tick: u64) -> Result<(), SimulationError> {
        let world = self.main.world();
        let exits = world.get_resource::<Messages<AppExit>>();
        if exits.is_some_and(|exits| exits.iter_current_update_messages().any(AppExit::is_error)) {
            return Err(SimulationError::Failed {
                tick,
                message: "a plugin ended the app with an error".into(),
            });
        }
        match &world.resource::<Ending>().failure {
            Some(message) => Err(SimulationError::Failed { tick, message: message.clone() }),
            None => Ok(()),
        }
    }

    /// A plain plugin ends a run as it would end an app.
    pub fn is_finished(&self) -> bool {
        let world = self.main.world();
        let exit = world.get_resource::<Messages<AppExit>>().is_some_and(|exits| !exits.is_empty());
        exit || world.resource::<Ending>().is_finished
    }
}
