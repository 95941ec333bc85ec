//! The manifest: what a run was, and what came of it, in its folder.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use corec_core::config::Scenario;
use corec_core::file;
use corec_core::units::RunId;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::options::Options;

/// The manifest's name in a run's folder.
pub const FILE: &str = "manifest.json";
/// Bytes a manifest may have. One of a run of today has a few thousand; older ones had every digest of their run in them.
const BYTES_MAX: u64 = 256 << 20;
/// What a run sets aside on the disk for the manifest and the summary of its end, so that they can be written when the disk is full.
const RESERVED_BYTES: usize = 64 << 10;

/// What a run was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// xxh3 of the file with zeros in this place, 16 hex digits: what it says is what a run wrote.
    #[serde(default)]
    check: String,
    /// The run: 32 hex digits. Null in a manifest of an older version.
    #[serde(default)]
    pub id: Option<RunId>,
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
    /// The folder, when the run was last started: another one now tells of a run that was moved or copied.
    #[serde(default)]
    pub folder: Option<PathBuf>,
    /// The table that it replayed.
    pub input: Option<PathBuf>,
    /// What else it was asked for. A relative path is in the run's folder.
    #[serde(default)]
    pub options: Options,
    /// The snapshot that it went on from, the last time it was started.
    pub restored_from: Option<PathBuf>,
    /// Finished ticks.
    pub tick: u64,
    /// Seconds from the first tick's start to the end.
    pub seconds: f64,
    /// Seconds from the process' start to the first tick.
    pub startup_seconds: f64,
    /// The last digest: finished ticks, 16 hex digits. The journal has the others.
    #[serde(default)]
    pub digest: Option<(u64, String)>,
    /// How many digests the journal has.
    #[serde(default)]
    pub digest_count: u64,
    /// All of them, in a manifest of an older version.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    digests: Vec<(u64, String)>,
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
            id: None,
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
            folder: None,
            input: None,
            options: Options::default(),
            restored_from: None,
            tick: 0,
            seconds: 0.0,
            startup_seconds: 0.0,
            digest: None,
            digest_count: 0,
            digests: Vec::new(),
        }
    }

    /// Writes it into `folder`, whole at any moment, also after a loss of power.
    ///
    /// # Errors
    /// What the system says.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        let unchecked = Self { check: ZEROS.into(), ..self.clone() };
        let text = serde_json::to_string_pretty(&unchecked).expect("a manifest is text and numbers");
        replace(folder, FILE, text.replacen(ZEROS, &check_of(&text), 1).as_bytes())
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
        let text = file::open(&path).and_then(io::read_to_string).map_err(|e| fail(e.to_string()))?;
        Self::parse(&text).map_err(fail)
    }

    /// Reads a manifest's text.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut manifest: Self = serde_json::from_str(text).map_err(|e| format!("found no manifest: {e}"))?;
        // The first of its fields, and the first place where these digits are.
        if manifest.check.len() != ZEROS.len()
            || check_of(&text.replacen(&manifest.check, ZEROS, 1)) != manifest.check
        {
            return Err("found another checksum, must be as a run wrote it".into());
        }
        let Self { digests, digest, digest_count, .. } = &mut manifest;
        if let Some(last) = digests.last() {
            (*digest, *digest_count) = (Some(last.clone()), digests.len() as u64);
            digests.clear();
        }
        Ok(manifest)
    }
}

/// Puts `bytes` in the place of `name` in `folder`: whole at any moment, also after a loss of power.
pub(crate) fn replace(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let temporary = folder.join(format!(".{name}.tmp"));
    // What was set aside is written over, which needs no more room.
    let mut file = OpenOptions::new().create(true).write(true).truncate(false).open(&temporary)?;
    file.write_all(bytes)?;
    file.set_len(bytes.len() as u64)?;
    file.sync_all()?;
    fs::rename(temporary, folder.join(name))?;
    File::open(folder)?.sync_all()
}

/// Sets room aside on the disk for what will be written to `name` when the run ends.
pub(crate) fn reserve(folder: &Path, name: &str) {
    // Without it a full disk costs what the run would have said at its end, and nothing else.
    _ = fs::write(folder.join(format!(".{name}.tmp")), [b' '; RESERVED_BYTES]);
}

/// What stands in the check's place while it is computed.
const ZEROS: &str = "0000000000000000";

fn check_of(text: &str) -> String {
    format!("{:016x}", xxh3_64(text.as_bytes()))
}
