//! Fork: two futures from one past, one as it was and one with other settings.

use std::path::Path;
use std::sync::atomic::AtomicUsize;

use corec_core::config::{Scenario, load};
use corec_core::plugin::Registered;
use corec_core::snapshot::{About, Snapshot, write_in_place};
use corec_core::units::Epoch;
use serde_json::Value;

use crate::past::past;
use crate::plugins::PluginSet;
use crate::run::manifest::Manifest;
use crate::run::{JOURNAL, RunError, RunPlan, Summary, copy_log, now, run};

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
    /// Where their folders go.
    pub out: &'a Path,
    /// Where the run's plugins are found. They write nothing to disk.
    pub registry: &'a [Registered],
    /// Ends it when it is not 0.
    pub signal: &'a AtomicUsize,
}

/// Takes the run to the tick, from its last snapshot before and its journal, and runs both futures, each in a folder of its own:
/// `same` and `fork`. Both are of a new epoch, for both are another history than the run's.
///
/// # Errors
/// A run that can't be read, a setting that can't be changed, a future that can't be started.
pub fn fork(fork: &Fork) -> Result<[Summary; 2], RunError> {
    let manifest = Manifest::read(fork.run).map_err(RunError::Usage)?;
    let mut changed = manifest.settings.clone();
    fork.sets.iter().try_for_each(|set| change(&mut changed, set)).map_err(RunError::Usage)?;
    let [same, other] = [&manifest.settings, &changed].map(scenario);
    let (same, other) = (same?, other?);
    check_past(&same, &other)?;
    let plugins = PluginSet::recorded(&manifest.plugins, fork.registry, &environment)?.read_only();
    let (mut simulation, sequence) = past(fork.run, same.clone(), &plugins, fork.at, "--at")?;
    simulation.world_mut().resource_mut::<Epoch>().0 += 1;
    let futures = [("same", same, &manifest.settings), ("fork", other, &changed)];
    let summaries = futures.map(|(name, scenario, settings)| -> Result<Summary, RunError> {
        let folder = fork.out.join(name);
        let failed = |e: &dyn std::fmt::Display| RunError::Failed(format!("{}: {e}", folder.display()));
        std::fs::create_dir_all(&folder).map_err(|e| failed(&e))?;
        copy_log(&fork.run.join(JOURNAL), &folder.join(JOURNAL), sequence).map_err(|e| failed(&e))?;
        let about = About {
            run: folder.display().to_string(),
            scenario: settings.to_string(),
            journal_sequence: sequence,
        };
        let snapshots = folder.join("snapshots");
        let written = simulation.in_pool(|world| write_in_place(world, &about, &snapshots, 1, 1));
        let written = written.map_err(|e| failed(&e))?;
        let mut of_future = manifest.clone();
        of_future.settings = settings.clone();
        of_future.write(&folder).map_err(|e| failed(&e))?;
        let mut scenario = scenario;
        let app = plugins.app(&mut scenario);
        let mut plan = RunPlan::new(scenario, now());
        plan.plugins = plugins.records();
        plan.ticks = fork.ticks.or(plan.ticks);
        plan.input.clone_from(&manifest.input);
        plan.restore = Some(Snapshot::open(&written.path).map_err(|e| failed(&e))?);
        plan.scenario_given = manifest.scenario_given.clone();
        run(app, plan, fork.signal, &mut |_| {})
    });
    let [same, other] = summaries;
    Ok([same?, other?])
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
            (g.id.clone(), g.kind.clone(), g.entities, g.entities_per_block, g.replicas)
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
    *at = serde_json::from_str(value).unwrap_or_else(|_| value.into());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_changed_by_its_path() {
        let mut settings = serde_json::json!({"name": "a", "blocks": [{"load": 0.5}, {"load": 0.5}]});
        change(&mut settings, "blocks[1].load=0.9").unwrap();
        change(&mut settings, "name=b").unwrap();
        assert_eq!(settings, serde_json::json!({"name": "b", "blocks": [{"load": 0.5}, {"load": 0.9}]}));
        for (set, wanted) in [
            ("blocks[2].load=1", "must be below 2"),
            ("blocks[0].lod=1", "found no key 'lod', must be one of: load"),
            ("name", "must be PATH=VALUE"),
        ] {
            let error = change(&mut settings, set).unwrap_err();
            assert!(error.contains(wanted), "{error}");
        }
    }
}
