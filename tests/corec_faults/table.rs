//! The table of all faults: what came of their rounds.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::verdict::{Trouble, Verdict};

pub const HEADER: &str = "\
lost: something acknowledged is gone in silence; duplicated: something is there twice; wrong: anything else that was promised.
recovery: seconds from the end of a fault (the process or server is started again, the link passes, there is room) until the first
record that was acknowledged after it is applied; with PostgreSQL, until the tick that the run was at then is in the database.
";

/// What came of a fault's rounds.
#[derive(Default)]
pub struct Tally {
    pub name: &'static str,
    pub number: u32,
    pub rounds: u64,
    pub survived: u64,
    pub lost: u64,
    pub duplicated: u64,
    pub wrong: u64,
    pub skipped: u64,
    pub recoveries: Vec<f64>,
}

impl Tally {
    pub fn holds(&self) -> bool {
        self.lost + self.duplicated + self.wrong == 0
    }

    pub fn note(&mut self, verdict: &Verdict, recoveries: &[f64]) {
        let count = match verdict {
            Ok(()) => &mut self.survived,
            Err(Trouble::Lost(_)) => &mut self.lost,
            Err(Trouble::Duplicated(_)) => &mut self.duplicated,
            Err(Trouble::Wrong(_)) => &mut self.wrong,
            Err(Trouble::Skipped(_)) => &mut self.skipped,
        };
        *count += 1;
        self.rounds += 1;
        self.recoveries.extend_from_slice(recoveries);
        self.recoveries.sort_by(f64::total_cmp);
    }

    /// The recovery that so many of a hundred are not slower than; none without one.
    fn recovery(&self, percent: usize) -> Option<f64> {
        let last = self.recoveries.len().checked_sub(1)?;
        Some(self.recoveries[last.min(self.recoveries.len() * percent / 100)])
    }
}

/// As text.
pub fn text(tallies: &[Tally]) -> String {
    let mut out = format!("\n{HEADER}\n");
    let names = ["rounds", "survived", "lost", "duplicated", "wrong", "skipped", "p50 s", "p99 s"];
    let line = |out: &mut String, name: &str, cells: [String; 8]| {
        _ = write!(out, "{name:<20}");
        cells.iter().for_each(|cell| _ = write!(out, " {cell:>10}"));
        out.push('\n');
    };
    line(&mut out, "fault", names.map(String::from));
    for t in tallies {
        let [a, b, c, d, e, f] =
            [t.rounds, t.survived, t.lost, t.duplicated, t.wrong, t.skipped].map(|count| count.to_string());
        let [p50, p99] =
            [50, 99].map(|p| t.recovery(p).map_or("-".into(), |seconds| format!("{seconds:.2}")));
        line(&mut out, &format!("{:>2} {}", t.number, t.name), [a, b, c, d, e, f, p50, p99]);
    }
    out
}

/// As JSON.
pub fn json(tallies: &[Tally]) -> Value {
    let row = |t: &Tally| {
        json!({
            "fault": t.name, "number": t.number, "rounds": t.rounds, "survived": t.survived, "lost": t.lost,
            "duplicated": t.duplicated, "wrong": t.wrong, "skipped": t.skipped, "recoveries": t.recoveries.len(),
            "recovery_seconds_p50": t.recovery(50), "recovery_seconds_p99": t.recovery(99),
        })
    };
    tallies.iter().map(row).collect()
}
