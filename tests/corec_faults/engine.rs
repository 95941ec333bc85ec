//! The engine is the program of a round, with what a supervisor does for it: it is started again, and goes on with its run.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::draws::Draws;
use crate::process::{Process, corec};
use crate::verdict::{Verdict, wrong};

/// The longest that anything of the program may take: far beyond what it does take, for machines under load.
pub const PATIENCE: Duration = Duration::from_secs(90);
/// What a run that was ended by SIGTERM exits with.
const TERMINATED: i32 = 143;

/// A run's options.
#[derive(Clone)]
pub struct Setup {
    pub entities: u32,
    pub scenario: Value,
    pub tick_rate: u64,
    pub snapshot_interval: u64,
    pub threads: u64,
    pub appendonly: &'static str,
}

impl Setup {
    /// A small run that says something in every few ticks. One with `has_many_blocks` has many rows for its store. Without repair, which
    /// puts new entities in the place of old ones, all that are named live.
    pub fn draw(draws: &mut Draws, has_many_blocks: bool) -> Self {
        let entities = if has_many_blocks { 120 } else { draws.pick("entities", &[60u32, 160]) };
        let per_block = if has_many_blocks { 1 } else { draws.pick("per_block", &[10u32, 50]) };
        // A batch a tick is more than a PostgreSQL server on a small machine takes.
        let (rates, stores): (&[u64], &[u64]) =
            if has_many_blocks { (&[20, 50], &[2, 5]) } else { (&[50, 150], &[1, 5]) };
        let group = |id: &str, channel: i8, entities: u32| {
            json!({"id": id, "channel": channel, "entities": entities, "entities_per_block": per_block,
                "dynamics": {"fault_rate": 0.002}, "repair": false})
        };
        let scenario = json!({
            "name": "faults", "seed": draws.number("run_seed", 1..=1000), "ticks": 100_000_000, "input_stream": "in",
            "publish_interval": draws.pick("publish_interval", &[1, 3]), "store_interval": draws.pick("store_interval", stores),
            "alerts": [{"name": "down", "signal": "fault_ratio", "enter": 0.3, "leave": 0.1, "severity": 2}],
            "blocks": [group("swarm", 1, entities / 2), group("security", 2, entities - entities / 2)],
        });
        Self {
            entities,
            scenario,
            tick_rate: draws.pick("tick_rate", rates),
            snapshot_interval: draws.pick("snapshot_interval", &[7, 40, 100]),
            threads: draws.pick("threads", &[1, 2]),
            appendonly: draws.pick("appendonly", &["always", "everysec"]),
        }
    }
}

/// The program, running or not.
pub struct Engine {
    /// Where it runs, and where its output goes.
    folder: PathBuf,
    output: PathBuf,
    /// The run's folder, as it is given.
    out: PathBuf,
    setup: Setup,
    urls: Vec<String>,
    pub environment: Vec<(String, String)>,
    process: Option<Process>,
    /// What the processes that have ended have said on stderr.
    pub said: String,
}

impl Engine {
    /// One that is not started yet; `out` is where the run's folder is to be.
    pub fn new(round: &Path, out: &Path, setup: &Setup, bus: String, store: Option<String>) -> Self {
        let folder = round.join("round");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("scenario.json"), setup.scenario.to_string()).unwrap();
        let mut urls = vec!["--bus".into(), bus];
        urls.extend(store.into_iter().flat_map(|store| ["--store".into(), store]));
        Self {
            output: round.join("output"),
            out: out.into(),
            setup: setup.clone(),
            urls,
            environment: Vec::new(),
            process: None,
            said: String::new(),
            folder,
        }
    }

    /// The run's folder.
    pub fn run(&self) -> &Path {
        &self.out
    }

    /// Begins the run, or goes on with it.
    pub fn start(&mut self) {
        let Setup { tick_rate, snapshot_interval, threads, .. } = &self.setup;
        let mut arguments: Vec<String> = vec!["run".into()];
        let out = self.out.display().to_string();
        if self.out.join("manifest.json").is_file() {
            arguments.extend(["--restore".into(), out]);
        } else {
            let flags = [
                "--tick-rate",
                &tick_rate.to_string(),
                "--snapshot-interval",
                &snapshot_interval.to_string(),
            ];
            arguments.extend(["scenario.json".into(), "--out".into(), out]);
            arguments.extend(flags.map(String::from));
        }
        arguments.extend(["--threads".into(), threads.to_string(), "--quiet".into()]);
        arguments.extend(["--connect-timeout".into(), "60".into()]);
        arguments.extend(self.urls.iter().cloned());
        let mut command = corec(&self.folder, &arguments);
        command.envs(self.environment.iter().cloned());
        self.process = Some(Process::start(&self.output, "engine", command));
    }

    /// Sends it a signal, by its name without SIG.
    pub fn signal(&self, name: &str) {
        if let Some(process) = &self.process {
            process.signal(name);
        }
    }

    /// `kill -9`.
    ///
    /// # Errors
    /// One that had ended by itself, or panicked.
    pub fn kill(&mut self) -> Verdict {
        self.check()?;
        let Some(process) = self.process.take() else { return Ok(()) };
        process.signal("KILL");
        self.said += &process.end_within(PATIENCE, "kill -9")?.err;
        Ok(())
    }

    /// It must be running, or not have been started.
    ///
    /// # Errors
    /// What it has ended with.
    pub fn check(&mut self) -> Verdict {
        match self.process.take_if(|process| process.has_ended()) {
            None => Ok(()),
            Some(ended) => Err(wrong(format!("ended by itself: {}", ended.end()?.describe()))),
        }
    }

    /// Takes what has ended by itself; none if it runs.
    ///
    /// # Errors
    /// One that panicked.
    pub fn take_ended(&mut self) -> Verdict<Option<String>> {
        let Some(ended) = self.process.take_if(|process| process.has_ended()) else { return Ok(None) };
        let ended = ended.end()?;
        self.said += &ended.err;
        Ok(Some(ended.describe()))
    }

    /// Ends it with SIGTERM; gives its summary.
    ///
    /// # Errors
    /// One that ends otherwise than by that, or not in time.
    pub fn end(&mut self) -> Verdict<Value> {
        self.check()?;
        let process = self.process.take().ok_or_else(|| wrong("it does not run"))?;
        process.signal("TERM");
        let ended = process.end_within(PATIENCE, "SIGTERM")?;
        self.said += &ended.err;
        ended.must_exit(TERMINATED)?;
        let path = self.out.join("summary.json");
        let text = std::fs::read_to_string(&path).map_err(|e| wrong(format!("{}: {e}", path.display())))?;
        serde_json::from_str(&text).map_err(|e| wrong(format!("{}: {e}", path.display())))
    }

    /// What `corec replay` finds.
    ///
    /// # Errors
    /// A replay that fails.
    pub fn replay(&self) -> Verdict<Value> {
        let arguments = ["replay", &self.out.display().to_string(), "--json"].map(String::from);
        let replay = Process::start(&self.output, "replay", corec(&self.folder, &arguments)).end()?;
        replay.must_exit(0)?;
        serde_json::from_str(&replay.out).map_err(|e| wrong(format!("replay: {e}")))
    }
}
