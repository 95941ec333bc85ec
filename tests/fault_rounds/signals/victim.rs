//! A victim is what is told to end: a command, with the run that it needs and whoever feeds it.

use std::fmt::{self, Display};
use std::fs;
use std::time::Duration;

use super::FORK_TICKS;
use crate::feeder::{EndOfInput, Feeder};
use crate::ledger::Ledger;
use crate::round::{Round, Verdict, repository, to_strings};
use crate::setup::{Feed, Setup};

/// What is told to end.
#[derive(Clone, Copy, PartialEq)]
pub enum Victim {
    Run(Feed),
    /// A run of a pipe: nobody writes to it; a header is all that comes; a row, then an empty line.
    NoWriter,
    HeaderOnly,
    RowThenEmptyLine,
    Restore(Feed),
    Fork,
    /// Of a run that had the communicator, and of one that had not.
    Ask(bool),
    Verify,
    VerifyKill,
    Replay,
    Runs,
    Inspect,
}

pub const VICTIMS: [Victim; 16] = [
    Victim::Run(Feed::Population),
    Victim::Run(Feed::Table),
    Victim::Run(Feed::Pipe),
    Victim::NoWriter,
    Victim::HeaderOnly,
    Victim::RowThenEmptyLine,
    Victim::Restore(Feed::Population),
    Victim::Restore(Feed::Table),
    Victim::Fork,
    Victim::Ask(true),
    Victim::Ask(false),
    Victim::Verify,
    Victim::VerifyKill,
    Victim::Replay,
    Victim::Runs,
    Victim::Inspect,
];

impl Display for Victim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run(feed) => write!(f, "run-{feed}"),
            Self::NoWriter => f.write_str("run-pipe-without-writer"),
            Self::HeaderOnly => f.write_str("run-pipe-header-only"),
            Self::RowThenEmptyLine => f.write_str("run-pipe-row-then-empty-line"),
            Self::Restore(feed) => write!(f, "restore-{feed}"),
            Self::Fork => f.write_str("fork"),
            Self::Ask(true) => f.write_str("ask-run-with-communicator"),
            Self::Ask(false) => f.write_str("ask-run-without-communicator"),
            Self::Verify => f.write_str("verify"),
            Self::VerifyKill => f.write_str("verify-kill"),
            Self::Replay => f.write_str("replay"),
            Self::Runs => f.write_str("runs"),
            Self::Inspect => f.write_str("inspect"),
        }
    }
}

impl Victim {
    pub fn feed(self) -> Feed {
        match self {
            Self::Run(feed) | Self::Restore(feed) => feed,
            Self::NoWriter | Self::HeaderOnly | Self::RowThenEmptyLine => Feed::Pipe,
            _ => Feed::Population,
        }
    }

    /// Whether it writes to the run's folder, and so leaves something to go on from.
    pub fn is_run(self) -> bool {
        matches!(
            self,
            Self::Run(_) | Self::NoWriter | Self::HeaderOnly | Self::RowThenEmptyLine | Self::Restore(_)
        )
    }

    /// What it is called with. What takes its time by itself is given more to do.
    pub fn arguments(self, setup: &Setup) -> Vec<String> {
        let plugins = repository("plugins").display().to_string();
        match self {
            Self::Restore(_) => setup.restore("run"),
            Self::Fork => {
                let ticks = FORK_TICKS.to_string();
                let set = ["--set", "blocks[0].load=0.9"];
                let more = ["--ticks", &ticks, "--out", "f", "--json"];
                to_strings(["fork", "run", "--at", "10"].into_iter().chain(set).chain(more))
            }
            Self::Ask(_) => to_strings(["ask", "how is it going?", "--run", "run", "--plugins", &plugins]),
            Self::Verify => {
                to_strings(["verify", "ecosystem", "--entities", "1k", "--ticks", "10k", "--threads", "1,2"])
            }
            Self::VerifyKill => {
                to_strings(["verify", "--entities", "1k", "--ticks", "2k", "--threads", "1", "--kill", "5"])
            }
            Self::Replay => to_strings(["replay", "run"]),
            Self::Runs => to_strings(["runs", "."]),
            Self::Inspect => to_strings(["inspect", "run/journal"]),
            _ => setup.run("run"),
        }
    }
}

/// Makes the run that is restored, forked or read.
pub fn prepare(round: &mut Round, victim: Victim, setup: &Setup) -> Verdict {
    let calm = Setup { tick_rate: 0, ..setup.clone() };
    match victim {
        Victim::Restore(_) => {
            let tick = round.draws.number("killed_at", 1..=setup.ticks / 2).to_string();
            round.run("killed", &[calm.run("run"), to_strings(["--kill-at", &tick])].concat()).map(|_| ())
        }
        Victim::Ask(true) => {
            let own = round.path("plugins/communicator");
            fs::create_dir_all(&own).unwrap();
            fs::copy(repository("plugins/communicator/config.json"), own.join("config.json")).unwrap();
            round
                .run_well("run", &[calm.run("run"), to_strings(["--plugins", "plugins"])].concat())
                .map(|_| ())
        }
        _ if victim.is_run() || matches!(victim, Victim::Verify | Victim::VerifyKill) => Ok(()),
        _ => round.run_well("run", &calm.run("run")).map(|_| ()),
    }
}

/// Whoever writes to the pipe, as far as somebody does.
pub fn feed(round: &Round, victim: Victim, ledger: &Ledger) -> Option<Feeder> {
    let start = |lines: Vec<String>, pause: u64, after| {
        Feeder::start(round.path("pipe"), lines, Duration::from_millis(pause), after)
    };
    let lines = || ledger.setup.lines(0);
    match victim {
        Victim::HeaderOnly => Some(start(lines()[..1].to_vec(), 0, EndOfInput::Hold)),
        Victim::RowThenEmptyLine => {
            Some(start([&lines()[..2], &["\n".to_string()]].concat(), 0, EndOfInput::Hold))
        }
        Victim::Run(Feed::Pipe) => Some(start(lines(), 2, EndOfInput::Close)),
        _ => None,
    }
}
