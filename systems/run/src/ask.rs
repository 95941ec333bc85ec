//! Ask: a question to a run that has been, put to its plugins on the stream of questions.
//!
//! The run is taken to its last tick again, from its newest snapshot and its journal, in memory; the question goes in as it
//! would from outside, and ticks go by until an answer comes out. Nothing is written: neither the run's folder nor a
//! plugin's files.

use std::path::{Path, PathBuf};
use std::time::Duration;

use corec_api::channels::Channels;
use corec_bridges::bus::MemoryBus;
use corec_core::bus::RunBus;
use corec_core::journal::Journal;
use corec_core::plugin::Registered;
use corec_core::simulation::{Ending, Simulation};
use corec_core::stop::Stop;
use serde_json::{Value, json};

use crate::clock::now;
use crate::error::RunError;
use crate::recorded::RecordedRun;

/// What the answer is known by.
const ID: &str = "ask";
/// A pause between two ticks while an answer is on its way: a model's takes seconds, and ticks go on meanwhile.
const PAUSE: Duration = Duration::from_millis(5);

/// A question to a run.
pub struct Ask<'a> {
    /// The question.
    pub text: &'a str,
    /// How much it matters, 0..=1.
    pub value: f64,
    /// The run's folder; none for the newest of `runs/`.
    pub run: Option<PathBuf>,
    /// The plugin that answers.
    pub plugin: &'a str,
    /// Where its config is, if the run had it not: a folder with NAME/config.json; none for `plugins`.
    pub plugins: Option<&'a Path>,
    /// The stream that questions come from and the one that answers go to.
    pub streams: [&'a str; 2],
    /// How long to wait for an answer.
    pub patience: Duration,
    /// Where plugins are found.
    pub registry: &'a [Registered],
    /// Ends it once it is set.
    pub stop: &'a Stop,
}

/// Asks, and gives the answer.
///
/// # Errors
/// No run, no plugin, no answer in time, an interruption.
pub fn ask(ask: &Ask) -> Result<Value, RunError> {
    let lookup = |name: &str| std::env::var(name).ok();
    let folder = ask.run.clone().map_or_else(newest_run, Ok)?;
    let run = RecordedRun::open(&folder)?;
    if run.is_going_on() {
        tracing::warn!("{}: is still going on: asked is the run as it is on disk now", folder.display());
    }
    let mut plugins = run.plugins(ask.registry)?.read_only();
    if plugins.get(ask.plugin).is_none() {
        plugins = plugins.and_without_entities(ask.plugin, ask.plugins, ask.registry, &lookup)?;
    }
    let last = run.last_tick(run.extent()?.as_ref());
    ask.stop.heed();
    let (mut simulation, _) = run.state_at(&plugins, last, "the last tick", ask.stop)?;
    let bus = MemoryBus::default();
    let world = simulation.world_mut();
    // Live from here on, and recorded nowhere.
    world.insert_resource(Journal::default());
    world.insert_resource(RunBus::new(Box::new(bus.clone())));
    Channels::begin_anew(world);
    let question = json!({ "texto": ask.text, "valor": ask.value, "id": ID }).to_string();
    let failed = |e: &dyn std::fmt::Display| RunError::Failed(e.to_string());
    bus.append(ask.streams[0], question.as_bytes()).map_err(|e| failed(&e))?;
    wait(ask, &mut simulation, &bus)
}

fn wait(ask: &Ask, simulation: &mut Simulation, bus: &MemoryBus) -> Result<Value, RunError> {
    let (start, mut seen) = (now(), 0);
    loop {
        // A table that has ended ends its run, but not the answer.
        simulation.world_mut().resource_mut::<Ending>().is_finished = false;
        simulation.run(1).map_err(|e| RunError::Failed(e.to_string()))?;
        let all = bus.entries(ask.streams[1]);
        let answers = &all[seen..];
        seen = all.len();
        // Others may have been asked something too, before the run ended. Of a question that can't be read the id is not known.
        let ours = |answer: &Value| answer["id"] == ID || answer["source"] == "error";
        let mut answers = answers.iter().filter_map(|answer| serde_json::from_slice(answer).ok());
        if let Some(answer) = answers.find(ours) {
            return Ok(answer);
        }
        if let Some(signal) = ask.stop.signal() {
            return Err(RunError::Interrupted(signal));
        }
        if start.elapsed() > ask.patience {
            let (seconds, stream) = (ask.patience.as_secs(), ask.streams[1]);
            return Err(RunError::Failed(format!(
                "found no answer on the stream {stream} after {seconds} s"
            )));
        }
        std::thread::sleep(PAUSE);
    }
}

/// The run of the highest number in `runs/`.
fn newest_run() -> Result<PathBuf, RunError> {
    let entries =
        std::fs::read_dir("runs").into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let is_run = |path: &PathBuf| path.join("manifest.json").is_file();
    let newest = entries.filter(is_run).max_by_key(|path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        (name.parse::<u32>().unwrap_or(0), path.clone())
    });
    newest.ok_or_else(|| {
        RunError::Usage(
            "--run: found no run in runs/, must be the folder of one: corec run, then corec ask again".into(),
        )
    })
}
