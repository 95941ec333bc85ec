//! The options are what the command line and the environment ask for: which subjects, which rounds and how many.

use crate::draws::Draws;
use crate::round::Subject;

/// What the command line and the environment ask for.
pub struct Options {
    filters: Vec<String>,
    skips: Vec<String>,
    is_exact: bool,
    pub is_list: bool,
    /// `subject/seed`.
    one: Option<(String, u64)>,
    /// Rounds of each subject, if they are given as a number.
    rounds: Option<u64>,
    pub is_full: bool,
    base: u64,
    pub workers: usize,
    /// Whether the folders of rounds that are not right stay.
    pub keeps: bool,
}

impl Options {
    /// Reads what libtest would: filters, `--skip`, `--exact`, `--list`; other flags change nothing here.
    pub fn read(arguments: impl Iterator<Item = String>) -> Self {
        let variable = |name: &str| std::env::var(name).ok();
        let one = variable("COREC_ROUND_SEED").map(|text| {
            let (subject, seed) = text.split_once('/').expect("COREC_ROUND_SEED is subject/seed");
            (subject.to_string(), u64::from_str_radix(seed, 16).expect("a seed is hexadecimal"))
        });
        let rounds = variable("COREC_ROUNDS");
        let number = |name: &str| variable(name).and_then(|text| text.parse::<u64>().ok());
        let processors = std::thread::available_parallelism().map_or(2, std::num::NonZeroUsize::get);
        let mut options = Self {
            filters: Vec::new(),
            skips: Vec::new(),
            is_exact: false,
            is_list: false,
            keeps: one.is_some() || variable("COREC_ROUND_KEEP").is_some(),
            is_full: rounds.as_deref() == Some("full") || one.is_some(),
            rounds: rounds.and_then(|rounds| rounds.parse().ok()),
            one,
            base: number("COREC_ROUND_BASE").unwrap_or(1),
            workers: number("COREC_ROUND_WORKERS").map_or(2 * processors, |n| n.max(1) as usize),
        };
        let mut arguments = arguments.peekable();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--list" => options.is_list = true,
                "--exact" => options.is_exact = true,
                "--skip" => options.skips.extend(arguments.next()),
                "--test-threads" | "--format" | "--color" | "--logfile" | "-Z" => _ = arguments.next(),
                flag if flag.starts_with('-') => {}
                _ => options.filters.push(argument),
            }
        }
        options
    }

    /// Whether this process plays a round for another one, in a namespace of its own.
    pub fn is_inner() -> bool {
        std::env::var_os("COREC_ROUND_INNER").is_some()
    }

    /// The environment that makes a process play this round as an inner one.
    pub fn inner(subject: &str, seed: u64) -> [(&'static str, String); 2] {
        [("COREC_ROUND_INNER", "1".into()), ("COREC_ROUND_SEED", format!("{subject}/{seed:x}"))]
    }

    pub fn wants(&self, name: &str) -> bool {
        let meets =
            |filter: &String| if self.is_exact { filter == name } else { name.contains(filter.as_str()) };
        match &self.one {
            Some((subject, _)) => subject == name,
            None => {
                (self.filters.is_empty() || self.filters.iter().any(meets)) && !self.skips.iter().any(meets)
            }
        }
    }

    pub fn seeds(&self, subject: &Subject) -> Vec<u64> {
        if let Some((_, seed)) = &self.one {
            return vec![*seed];
        }
        let count = self.rounds.unwrap_or(if self.is_full { subject.full } else { subject.few });
        // Another stream for each subject, so that a subject's rounds don't depend on which others there are.
        let name = subject
            .name
            .bytes()
            .fold(self.base, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
        let mut draws = Draws::new(name);
        (0..count).map(|_| draws.word() >> 16).collect()
    }
}
