//! The manifest: what a run was, and what came of it, in its folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use corec_core::config::Scenario;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

/// The manifest's name in a run's folder.
pub const FILE: &str = "manifest.json";
/// Bytes a manifest may have: room for a million digests.
const BYTES_MAX: u64 = 64 << 20;

/// What a run was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// xxh3 of the file with zeros in this place, 16 hex digits: what it says is what a run wrote.
    #[serde(default)]
    check: String,
    /// The version of CoreC.
    pub version: String,
    /// What became of the run; "running" also if it was killed.
    pub status: Status,
    /// The scenario's name.
    pub scenario: String,
    /// The scenario as it was given, `${VAR}` not expanded, passwords left out.
    pub scenario_given: serde_json::Value,
    /// The plugins that were built, by name.
    #[serde(default)]
    pub plugins: Vec<PluginRecord>,
    /// The settings of the run, flags included, passwords left out.
    pub settings: serde_json::Value,
    /// The seed.
    pub seed: u64,
    /// The history it is.
    pub epoch: u32,
    /// Worker threads.
    pub threads: usize,
    /// Where it ran.
    pub host: Host,
    /// The table that it replayed.
    pub input: Option<PathBuf>,
    /// The snapshot that it went on from, the last time it was started.
    pub restored_from: Option<PathBuf>,
    /// Finished ticks.
    pub tick: u64,
    /// Seconds from the first tick's start to the end.
    pub seconds: f64,
    /// Seconds from the process' start to the first tick.
    pub startup_seconds: f64,
    /// The digest after so many ticks, in 16 hex digits.
    pub digests: Vec<(u64, String)>,
}

/// What became of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It is running, or was killed.
    Running,
    /// It has done what it was to do.
    Done,
    /// It ended with an error.
    Failed,
    /// A signal ended it.
    Interrupted,
}

/// A plugin of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PluginRecord {
    /// Its name.
    pub name: String,
    /// Its folder, with `models/` and `data/`; null for a plugin without one.
    pub folder: Option<PathBuf>,
    /// Its config as it was given, `${VAR}` not expanded, passwords left out.
    pub config: serde_json::Value,
}

/// The machine of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Operating system and processor architecture.
    pub platform: String,
    /// The processor, as it calls itself.
    pub processor: String,
    /// Threads that the process may use.
    pub threads: usize,
    /// The widest vector instructions in use.
    pub simd: String,
}

impl Host {
    /// This machine.
    pub fn here() -> Self {
        let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        Self {
            platform: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            processor: model.map_or("unknown", |(_, model)| model).into(),
            threads: std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get),
            simd: corec_core::width::Simd::widest().to_string(),
        }
    }
}

impl Manifest {
    /// That of a run of `scenario` that is about to begin; `given` is what `load` read, `settings` its JSON without passwords.
    pub fn new(scenario: &Scenario, given: serde_json::Value, settings: &str) -> Self {
        Self {
            check: String::new(),
            version: env!("CARGO_PKG_VERSION").into(),
            status: Status::Running,
            scenario: scenario.name.clone(),
            scenario_given: given,
            plugins: Vec::new(),
            settings: serde_json::from_str(settings).unwrap_or_default(),
            seed: scenario.seed,
            epoch: 0,
            threads: 0,
            host: Host::here(),
            input: None,
            restored_from: None,
            tick: 0,
            seconds: 0.0,
            startup_seconds: 0.0,
            digests: Vec::new(),
        }
    }

    /// Writes it into `folder`, whole at any moment.
    ///
    /// # Errors
    /// What the system says.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        let temporary = folder.join(".manifest.tmp");
        let unchecked = Self { check: ZEROS.into(), ..self.clone() };
        let text = serde_json::to_string_pretty(&unchecked).expect("a manifest is text and numbers");
        fs::write(&temporary, text.replacen(ZEROS, &check_of(&text), 1))?;
        fs::rename(temporary, folder.join(FILE))
    }

    /// Reads that of a run's folder.
    ///
    /// # Errors
    /// A text with the file, and what is wrong with it.
    pub fn read(folder: &Path) -> Result<Self, String> {
        let path = folder.join(FILE);
        let fail = |message: String| format!("{}: {message}", path.display());
        let bytes = fs::metadata(&path).map_err(|e| fail(e.to_string()))?.len();
        if bytes > BYTES_MAX {
            return Err(fail(format!("found {bytes} bytes, must be at most {BYTES_MAX}")));
        }
        let text = fs::read_to_string(&path).map_err(|e| fail(e.to_string()))?;
        Self::parse(&text).map_err(fail)
    }

    /// Reads a manifest's text.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let manifest: Self = serde_json::from_str(text).map_err(|e| format!("found no manifest: {e}"))?;
        // The first of its fields, and the first place where these digits are.
        if manifest.check.len() != ZEROS.len()
            || check_of(&text.replacen(&manifest.check, ZEROS, 1)) != manifest.check
        {
            return Err("found another checksum, must be as a run wrote it".into());
        }
        Ok(manifest)
    }
}

/// What stands in the check's place while it is computed.
const ZEROS: &str = "0000000000000000";

fn check_of(text: &str) -> String {
    format!("{:016x}", xxh3_64(text.as_bytes()))
}
