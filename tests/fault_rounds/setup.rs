//! A setup is what is run: a population, a table, or rows that come through a pipe.

use std::fmt::{self, Display};
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::draws::Draws;
use crate::round::to_strings;

/// Where a run's inputs come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Feed {
    /// None: entities that depend on the seed alone.
    Population,
    /// The file table.csv.
    Table,
    /// The pipe `pipe`, acknowledged in `ack`.
    Pipe,
}

impl Display for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Population => "population",
            Self::Table => "table",
            Self::Pipe => "pipe",
        })
    }
}

/// A run's options.
#[derive(Clone, Debug)]
pub struct Setup {
    pub feed: Feed,
    /// Entities of a population.
    pub entities: u64,
    /// Ticks of a population, rows of a table or pipe.
    pub ticks: u64,
    pub seed: u64,
    pub threads: u64,
    /// Ticks between two snapshots; 0 for none.
    pub snapshot_interval: u64,
    /// Ticks a second; 0 for as fast as it goes.
    pub tick_rate: u64,
    pub journal_sync: bool,
}

/// Seeds of runs: a few, so that their undisturbed twins can be kept.
const SEEDS: [u64; 3] = [1, 2, 3];

impl Setup {
    /// Draws a run of one of `feeds` that goes as fast as it can, with a snapshot now and then.
    pub fn draw(draws: &mut Draws, feeds: &[Feed]) -> Self {
        let feed = draws.pick("feed", feeds);
        let entities = if feed == Feed::Population { draws.pick("entities", &[500, 1000, 2000]) } else { 0 };
        Self {
            feed,
            entities,
            ticks: draws.pick("ticks", &[200, 300, 400]),
            seed: draws.pick("seed", &SEEDS),
            threads: draws.pick("threads", &[1, 2]),
            snapshot_interval: draws.pick("snapshot_interval", &[7, 25, 50, 90]),
            tick_rate: 0,
            journal_sync: false,
        }
    }

    /// Draws a pace at which the whole run takes about so many milliseconds.
    pub fn paced(mut self, draws: &mut Draws, ms: &[u64]) -> Self {
        let ms = draws.pick("lasts_ms", ms);
        self.tick_rate = (self.ticks * 1000).checked_div(ms).unwrap_or(0);
        self
    }

    /// The same run with another seed than `other`'s.
    pub fn apart_from(mut self, other: &Self) -> Self {
        self.seed = other.seed % SEEDS.len() as u64 + 1;
        self
    }

    /// What its result depends on.
    pub fn key(&self) -> String {
        let feed = if self.feed == Feed::Population { "population" } else { "table" };
        format!("{feed} {} {} {}", self.entities, self.ticks, self.seed)
    }

    /// Puts the input, if it has one, into `folder`.
    pub fn lay_out(&self, folder: &Path) {
        match self.feed {
            Feed::Population => {}
            Feed::Table => fs::write(folder.join("table.csv"), self.lines(0).concat()).unwrap(),
            Feed::Pipe => make_pipe(&folder.join("pipe")),
        }
    }

    /// `run ...` into the folder `out`.
    pub fn run(&self, out: &str) -> Vec<String> {
        let scenario = if self.feed == Feed::Population { "ecosystem" } else { "telemetry" };
        let mut arguments = to_strings(["run", scenario, "--out", out, "--seed", &self.seed.to_string()]);
        if self.feed == Feed::Population {
            let (entities, ticks) = (self.entities.to_string(), self.ticks.to_string());
            arguments.extend(to_strings(["--entities", &entities, "--ticks", &ticks]));
        }
        arguments.extend(match self.feed {
            Feed::Population => vec![],
            Feed::Table => to_strings(["--input", "table.csv"]),
            Feed::Pipe => to_strings(["--input", "pipe", "--ack", "ack"]),
        });
        arguments.extend(self.flags());
        arguments
    }

    /// `run --restore FROM ...`.
    pub fn restore(&self, from: &str) -> Vec<String> {
        let mut arguments = to_strings(["run", "--restore", from]);
        if self.feed == Feed::Pipe {
            arguments.extend(to_strings(["--input", "pipe", "--ack", "ack"]));
        }
        arguments.extend(self.flags());
        arguments
    }

    fn flags(&self) -> Vec<String> {
        let mut flags = to_strings(["--quiet", "--threads", &self.threads.to_string()]);
        for (flag, value) in
            [("--snapshot-interval", self.snapshot_interval), ("--tick-rate", self.tick_rate)]
        {
            if value > 0 {
                flags.extend([flag.to_string(), value.to_string()]);
            }
        }
        flags.extend(self.journal_sync.then(|| "--journal-sync".to_string()));
        flags
    }

    /// The header and the rows after number `after`, each with its end of line. A row depends on its number alone.
    pub fn lines(&self, after: u64) -> Vec<String> {
        let (header, is_numbered) = match self.feed {
            Feed::Pipe => ("wave,step,label,sequence\n", true),
            _ => ("wave,step,label\n", false),
        };
        let row = |row: u64| {
            let is_odd = row % 40 == 39;
            // Some of the odd rows look it, and some others as well: the areas under the curves are neither 0 nor 1.
            let jump = if row % 80 == 79 || row % 70 == 69 { 9.0 } else { 0.0 };
            let wave = (row * 37 % 101) as f64 / 10.0 + jump + self.seed as f64;
            let sequence = if is_numbered { format!(",{row}") } else { String::new() };
            format!("{wave},{},{}{sequence}\n", row / 10, u8::from(is_odd))
        };
        std::iter::once(header.to_string()).chain((after + 1..=self.ticks).map(row)).collect()
    }
}

pub fn make_pipe(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status();
    assert!(made.is_ok_and(|status| status.success()), "mkfifo {}", path.display());
}
