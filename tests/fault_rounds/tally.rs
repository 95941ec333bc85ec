//! A tally counts the verdicts of a subject's rounds; the table has those of all subjects.

use std::fmt::Write;

use crate::outcome::{Outcome, Verdict};

/// What came of a subject's rounds.
pub struct Tally {
    pub name: &'static str,
    pub rounds: u64,
    pub right: u64,
    pub refused: u64,
    pub lost: u64,
    pub wrong: u64,
    pub skipped: u64,
    pub seconds: f64,
}

impl Tally {
    pub fn holds(&self) -> bool {
        self.lost == 0 && self.wrong == 0
    }

    pub fn note(&mut self, verdict: &Verdict) {
        let count = match verdict {
            Ok(()) => &mut self.right,
            Err(Outcome::Refused(_)) => &mut self.refused,
            Err(Outcome::Lost(_)) => &mut self.lost,
            Err(Outcome::Wrong(_)) => &mut self.wrong,
            Err(Outcome::Skipped(_)) => &mut self.skipped,
        };
        *count += 1;
    }
}

/// The table of all subjects.
pub fn table(tallies: &[Tally]) -> String {
    let mut out = String::new();
    let names = ["rounds", "right", "refused", "lost", "wrong", "skipped", "seconds"];
    let line = |out: &mut String, name: &str, cells: [String; 7]| {
        _ = write!(out, "{name:<24}");
        cells.iter().for_each(|cell| _ = write!(out, " {cell:>8}"));
        out.push('\n');
    };
    out.push('\n');
    line(&mut out, "subject", names.map(String::from));
    let mut sums = [0; 6];
    for t in tallies {
        let counts = [t.rounds, t.right, t.refused, t.lost, t.wrong, t.skipped];
        sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        let [a, b, c, d, e, f] = counts.map(|count| count.to_string());
        line(&mut out, t.name, [a, b, c, d, e, f, format!("{:.1}", t.seconds)]);
    }
    let [a, b, c, d, e, f] = sums.map(|sum| sum.to_string());
    let seconds = tallies.iter().map(|tally| tally.seconds).sum::<f64>();
    line(&mut out, "all", [a, b, c, d, e, f, format!("{seconds:.1}")]);
    out
}
