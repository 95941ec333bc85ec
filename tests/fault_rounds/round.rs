//! A round is one experiment with a folder of its own; its verdict is right or an outcome.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::draws::Draws;
use crate::process::{self, Finished, Process};

pub use crate::outcome::{Outcome, Verdict, ensure, wrong};

/// What rounds are about.
#[derive(Clone, Copy)]
pub struct Subject {
    pub name: &'static str,
    /// Rounds that CI plays, and those of a plain `cargo test`.
    pub full: u64,
    pub few: u64,
    /// Plays one.
    pub play: fn(&mut Round) -> Verdict,
}

/// One experiment.
pub struct Round {
    pub seed: u64,
    pub draws: Draws,
    /// Whether all rounds are asked for, or this one alone: then some may take their time.
    pub is_full: bool,
    pub temporary: TempDir,
}

impl Round {
    /// Where everything of the round happens.
    pub fn folder(&self) -> PathBuf {
        self.temporary.path().join("round")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    /// Where temporary files of the program go.
    pub fn scratch(&self) -> PathBuf {
        self.temporary.path().join("scratch")
    }

    pub fn output_folder(&self) -> PathBuf {
        self.temporary.path().join("output")
    }

    /// Starts the program.
    pub fn start(&self, name: &str, arguments: &[String]) -> Process {
        self.launch(name, process::corec(&self.folder(), arguments))
    }

    pub fn launch(&self, name: &str, command: Command) -> Process {
        Process::start(&self.output_folder(), name, command)
    }

    /// Runs the program to its end.
    pub fn run(&self, name: &str, arguments: &[String]) -> Result<Finished, Outcome> {
        self.start(name, arguments).end()
    }

    /// Runs it to its end, which must be exit status 0.
    pub fn run_well(&self, name: &str, arguments: &[String]) -> Result<Finished, Outcome> {
        let finished = self.run(name, arguments)?;
        finished.must_exit(0).map(|()| finished)
    }
}

/// Arguments as the functions here want them.
pub fn to_strings<S: AsRef<str>>(arguments: impl IntoIterator<Item = S>) -> Vec<String> {
    arguments.into_iter().map(|argument| argument.as_ref().to_string()).collect()
}

static HOME: OnceLock<PathBuf> = OnceLock::new();

/// Where what all rounds share is kept: undisturbed runs, traces. It is there as long as what this gives.
pub fn make_home() -> TempDir {
    let home = tempfile::Builder::new().prefix("corec-rounds-").tempdir().unwrap();
    _ = HOME.set(home.path().to_path_buf());
    home
}

pub fn home() -> &'static Path {
    HOME.get().expect("made before the first round")
}

/// A folder of the repository.
pub fn repository(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}
