//! Flags: what they change of a scenario, and what they may not change of a run that goes on.

use corec::prelude::Scenario;
use corec_run::RunError;
use corec_run::scenarios::scale;
use corec_run::settings::{RowDetector, Telemetry, Threads};

use super::RunArgs;

/// What a restored run's rows depend on is the snapshot's to say.
pub(super) fn check_same(saved: &Scenario, asked: &Scenario) -> Result<(), RunError> {
    let differs = |flag: &str, found: String, allowed: String| {
        Err(RunError::Usage(format!(
            "{flag}: found {found}, must be {allowed} as in the snapshot, or not given"
        )))
    };
    if saved.seed != asked.seed {
        return differs("--seed", asked.seed.to_string(), saved.seed.to_string());
    }
    let detector = |scenario: &Scenario| {
        scenario.section::<Telemetry>().map(|section| section.unwrap_or_default().detector.name())
    };
    if detector(saved)? != detector(asked)? {
        return differs("--detector", detector(asked)?.into(), detector(saved)?.into());
    }
    let total =
        |scenario: &Scenario| scenario.blocks.iter().map(|group| group.entities).sum::<u64>().to_string();
    if total(saved) != total(asked) {
        return differs("--entities", total(asked), total(saved));
    }
    let load =
        |scenario: &Scenario| scenario.blocks.iter().map(|group| group.load.to_string()).collect::<Vec<_>>();
    if load(saved) != load(asked) {
        return differs("--load", load(asked).join(", "), load(saved).join(", "));
    }
    Ok(())
}

/// The scenario with everything that a flag says otherwise, checked again.
pub(super) fn with_flags(mut scenario: Scenario, args: &RunArgs) -> Result<Scenario, RunError> {
    let usage = RunError::Usage;
    if let Some(load) = args.load {
        if !(0.0..=1.0).contains(&load) {
            return Err(usage(format!("--load: found {load}, must be within 0..=1")));
        }
        scenario.blocks.iter_mut().for_each(|group| group.load = load);
    }
    match (args.entities, scenario.has_section("telemetry")) {
        (Some(_), true) => {
            return Err(usage(
                "--entities: a table decides how many twins there are; set replicas in the scenario".into(),
            ));
        }
        (Some(total), false) => scale(&mut scenario, total).map_err(usage)?,
        (None, _) => {}
    }
    if let Some(detector) = args.detector.as_deref().and_then(RowDetector::named) {
        let name = &scenario.name;
        let mut section = scenario.section::<Telemetry>()?.ok_or_else(|| {
            usage(format!(
                "--detector: scenario '{name}' takes no table: corec run telemetry --input FILE.csv"
            ))
        })?;
        section.detector = detector;
        scenario.set_section(&section);
    }
    scenario.seed = args.seed.unwrap_or(scenario.seed);
    scenario.ticks = args.ticks.unwrap_or(scenario.ticks);
    scenario.threads = args.threads.map_or(scenario.threads, Threads::Count);
    for (flag, setting) in [
        (&args.bus, &mut scenario.bus),
        (&args.store, &mut scenario.store),
        (&args.memory_max, &mut scenario.memory_max),
    ] {
        if let Some(value) = flag {
            setting.clone_from(value);
        }
    }
    scenario.input_stream = args.input_stream.clone().or(scenario.input_stream);
    scenario.check("the command line")?;
    Ok(scenario)
}
