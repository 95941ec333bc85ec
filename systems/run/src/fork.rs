//! Fork: two futures from one past, one as it was and one with other settings.

use std::path::Path;

use corec_core::config::{Scenario, load};
use corec_core::journal::Journal;
use corec_core::plugin::Registered;
use corec_core::section::Section;
use corec_core::snapshot::{About, Snapshot, SnapshotFolder, write_in_place};
use corec_core::stop::Stop;
use corec_core::units::Epoch;
use corec_telemetry::settings::Replicas;
use serde_json::Value;

use crate::clock::now;
use crate::error::RunError;
use crate::options::{Options, new_id};
use crate::plan::RunPlan;
use crate::recorded::{Continuation, RecordedRun};
use crate::run_loop::run;
use crate::summary::Summary;
use crate::{JOURNAL, SNAPSHOTS};

/// What to fork.
pub struct Fork<'a> {
    /// The run's folder.
    pub run: &'a Path,
    /// The tick after which the two futures begin.
    pub at: u64,
    /// What differs in the second one: `blocks[0].load=0.9`.
    pub sets: &'a [String],
    /// The tick to which both go; none for the scenario's.
    pub ticks: Option<u64>,
    /// Where their folders go: a folder that is not there yet.
    pub out: &'a Path,
    /// Where the run's plugins are found. They write nothing to disk.
    pub registry: &'a [Registered],
    /// Ends it once it is set.
    pub stop: &'a Stop,
}

/// Takes the run to the tick, from its last snapshot before and its journal, and runs both futures, each in a folder of its own:
/// `same` and `fork`. Both are of a new epoch, for both are another history than the run's.
///
/// # Errors
/// A run that can't be read, a setting that can't be changed or changes nothing, a future that can't be started; an interruption, after
/// which there is nothing to compare.
pub fn fork(fork: &Fork) -> Result<[Summary; 2], RunError> {
    let recorded = RecordedRun::open(fork.run)?;
    if recorded.is_going_on() {
        tracing::warn!("{}: is still going on: forked is the run as it is on disk now", fork.run.display());
    }
    let settings = &recorded.manifest().settings;
    let mut changed = settings.clone();
    fork.sets.iter().try_for_each(|set| change(&mut changed, set)).map_err(RunError::Usage)?;
    let [same, other] = [settings, &changed].map(scenario);
    let (same, other) = (same?, other?);
    check_past(&same, &other)?;
    if other == same {
        return Err(RunError::Usage("--set: found a run of the same settings, must change one".into()));
    }
    let plugins = recorded.plugins(fork.registry)?.read_only();
    fork.stop.heed();
    let (mut simulation, sequence) = recorded.state_at(&plugins, fork.at, "--at", fork.stop)?;
    simulation.world_mut().resource_mut::<Epoch>().0 += 1;
    if let Some(ticks) = fork.ticks.filter(|ticks| *ticks < fork.at) {
        return Err(RunError::Usage(format!(
            "--ticks: found {ticks}, must be at least {}, as --at",
            fork.at
        )));
    }
    recorded.input(None)?;
    make(fork.out)?;
    let futures = [("same", same, settings), ("fork", other, &changed)];
    let summaries = futures.map(|(name, mut scenario, settings)| -> Result<Summary, RunError> {
        let folder = fork.out.join(name);
        let failed = |e: &dyn std::fmt::Display| RunError::Failed(format!("{}: {e}", folder.display()));
        std::fs::create_dir(&folder).map_err(|e| failed(&e))?;
        let id = new_id()?;
        if recorded.journal().is_dir() {
            Journal::copy(&recorded.journal(), &folder.join(JOURNAL), id, |at, _| at <= sequence)
                .map_err(|e| failed(&e))?;
        }
        let about = About {
            id: Some(id),
            run: folder.display().to_string(),
            scenario: settings.to_string(),
            journal_sequence: sequence,
        };
        let place = SnapshotFolder::own(folder.join(SNAPSHOTS), 1);
        let written = simulation.in_pool(|world| write_in_place(world, &about, &place, 1));
        let written = written.map_err(|e| failed(&e))?;
        let mut of_future = recorded.manifest().clone();
        (of_future.id, of_future.folder, of_future.settings) = (Some(id), None, settings.clone());
        of_future.options = of_the_past(recorded.options());
        of_future.write(&folder).map_err(|e| failed(&e))?;
        let app = plugins.app(&mut scenario);
        let mut plan = RunPlan::new(scenario, now());
        plan.plugins = plugins.records();
        plan.options.ticks = fork.ticks;
        plan.scenario_given = recorded.manifest().scenario_given.clone();
        let run_of = RecordedRun::open(&folder)?;
        let snapshot = Snapshot::open(&written.path).map_err(|e| failed(&e))?;
        plan.restore = Some(Continuation { run: Some(run_of), snapshot: Some(snapshot) });
        let summary = run(app, plan, fork.stop, &mut |_| {})?;
        match summary.interrupted_by {
            Some(signal) => Err(RunError::Interrupted(signal)),
            None => Ok(summary),
        }
    });
    let [same, other] = summaries;
    let (same, other) = (same?, other?);
    if same.state_digest == other.state_digest {
        let (tick, sets) = (same.tick, fork.sets.join(", "));
        tracing::warn!(
            "--set: {sets}: both futures are the same state at tick {tick}, so it had no effect on it"
        );
    }
    Ok([same, other])
}

/// What a future goes on with of what the run was asked for.
fn of_the_past(options: Options) -> Options {
    let Options { windows, digest_interval, .. } = options;
    Options { windows, digest_interval, ..Options::default() }
}

/// Makes the folder of both futures, which two forks can't have at once.
fn make(out: &Path) -> Result<(), RunError> {
    let around = out.parent().filter(|around| !around.as_os_str().is_empty());
    let made = around.map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::create_dir(out));
    made.map_err(|e| match e.kind() {
        std::io::ErrorKind::AlreadyExists => {
            RunError::Usage(format!("--out: {} is there already, must be a new folder", out.display()))
        }
        _ => RunError::Usage(format!("--out: {}: {e}", out.display())),
    })
}

fn scenario(settings: &Value) -> Result<Scenario, RunError> {
    Ok(load("the run's settings", &settings.to_string(), &environment)?.scenario)
}

fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// What the past stands on can't be another in one of its futures.
fn check_past(same: &Scenario, other: &Scenario) -> Result<(), RunError> {
    let past = |scenario: &Scenario| {
        let group = |g: &corec_core::config::BlockGroup| {
            (
                g.id.clone(),
                g.kind.clone(),
                g.entities,
                g.entities_per_block,
                g.sections.get(Replicas::NAME).cloned(),
            )
        };
        (scenario.seed, scenario.tick_seconds, scenario.blocks.iter().map(group).collect::<Vec<_>>())
    };
    if past(same) == past(other) {
        return Ok(());
    }
    let fixed = "seed, tick_seconds, and of blocks: id, kind, entities, entities_per_block, replicas";
    Err(RunError::Usage(format!("--set: found a change of the past, must not be one of {fixed}")))
}

/// Changes one setting: `path=value`, the path as errors have it, the value JSON or a text.
fn change(settings: &mut Value, set: &str) -> Result<(), String> {
    let Some((path, value)) = set.split_once('=') else {
        return Err(format!("--set: found '{set}', must be PATH=VALUE: blocks[0].load=0.9"));
    };
    let mut at = settings;
    for part in path.split('.') {
        let (key, indices) = part.split_once('[').map_or((part, ""), |(key, rest)| (key, rest));
        let known =
            at.as_object().map(|o| o.keys().cloned().collect::<Vec<_>>().join(", ")).unwrap_or_default();
        at = at
            .get_mut(key)
            .ok_or_else(|| format!("--set: {path}: found no key '{key}', must be one of: {known}"))?;
        for index in indices.split('[').filter(|index| !index.is_empty()) {
            let number = index.strip_suffix(']').and_then(|index| index.parse::<usize>().ok());
            let length = at.as_array().map_or(0, Vec::len);
            let item = number.and_then(|number| at.get_mut(number));
            at = item.ok_or_else(|| format!("--set: {path}: found [{index}, must be below {length}"))?;
        }
    }
    let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
    let whole = path.split(['.', '[']).next().unwrap_or(path);
    if let Some((_, why)) = WITHOUT_EFFECT.iter().find(|(key, _)| *key == whole) {
        return Err(format!("--set: {path}: has no effect on a future, {why}"));
    }
    if *at == value {
        return Err(format!("--set: {path}: found {value}, which it is already, must be another value"));
    }
    *at = value;
    Ok(())
}

/// Settings that change nothing in a future, and why.
const WITHOUT_EFFECT: [(&str, &str); 9] = [
    ("ticks", "whose end --ticks says"),
    ("threads", "whose results do not depend on it"),
    ("tick_seconds_max", "whose results do not depend on it"),
    ("memory_max", "whose results do not depend on it"),
    ("snapshot_memory_max", "whose results do not depend on it"),
    ("plugins", "which has the plugins that the run had"),
    ("name", "which is called as the run is"),
    ("role", "which nothing reads"),
    ("bus", "which has one of its own"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_changed_by_its_path() {
        let mut settings = serde_json::json!({"name": "a", "blocks": [{"load": 0.5}, {"load": 0.5}]});
        change(&mut settings, "blocks[1].load=0.9").unwrap();
        assert_eq!(settings, serde_json::json!({"name": "a", "blocks": [{"load": 0.5}, {"load": 0.9}]}));
        for (set, wanted) in [
            ("blocks[2].load=1", "must be below 2"),
            ("blocks[0].lod=1", "found no key 'lod', must be one of: load"),
            ("name", "must be PATH=VALUE"),
            ("name=b", "has no effect on a future"),
            ("blocks[0].load=0.5", "which it is already"),
        ] {
            let error = change(&mut settings, set).unwrap_err();
            assert!(error.contains(wanted), "{error}");
        }
    }
}
