//! Rounds: every contestant once a round, the order rotated, so that a slow minute of the machine meets them all.
//!
//! Values are compared within a round only: a ratio is that of two values seconds apart.

use std::time::Instant;

/// What a contestant did in a round.
pub struct Sample {
    /// The measured value, in the case's unit; lower is better.
    pub value: f64,
    /// What its result comes to: the same for all contestants of a round.
    pub check: u64,
}

/// One way to do the work of a case.
pub struct Contestant {
    name: &'static str,
    runs: &'static str,
    run: Box<dyn FnMut() -> Sample>,
}

impl Contestant {
    pub fn new(name: &'static str, runs: &'static str, run: impl FnMut() -> Sample + 'static) -> Self {
        Self { name, runs, run: Box::new(run) }
    }
}

/// What must hold for a contestant, judged by medians.
pub struct Target {
    pub contestant: &'static str,
    /// Compared with the best of these, by the median of their ratios in a round; if empty, `at_most` is in the unit.
    pub best_of: Vec<&'static str>,
    pub at_most: f64,
}

/// The same work for all its contestants; the first is the reference.
pub struct Case {
    pub title: String,
    pub about: String,
    pub unit: &'static str,
    pub contestants: Vec<Contestant>,
    pub targets: Vec<Target>,
}

/// Median, least and most.
#[derive(Clone, Copy)]
pub struct Spread {
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

/// A contestant's line.
pub struct Line {
    pub name: &'static str,
    pub runs: &'static str,
    pub value: Spread,
    pub ratio: Spread,
}

/// Whether a target holds, in words.
pub struct Verdict {
    pub text: String,
    pub holds: bool,
}

/// A finished case.
pub struct Outcome {
    pub title: String,
    pub about: String,
    pub unit: &'static str,
    pub lines: Vec<Line>,
    pub verdicts: Vec<Verdict>,
}

impl Case {
    /// Runs one round that does not count, then `rounds` that do.
    ///
    /// # Panics
    /// If two contestants come to different results.
    pub fn run(mut self, rounds: usize) -> Outcome {
        let (start, count) = (Instant::now(), self.contestants.len());
        let mut values = vec![Vec::with_capacity(rounds); count];
        for round in 0..=rounds {
            let mut checks = vec![0; count];
            for turn in 0..count {
                let at = (round + turn) % count;
                let sample = (self.contestants[at].run)();
                checks[at] = sample.check;
                if round > 0 {
                    values[at].push(sample.value);
                }
            }
            for (contestant, check) in self.contestants.iter().zip(&checks) {
                let (name, first) = (contestant.name, self.contestants[0].name);
                assert_eq!(*check, checks[0], "{}: {name} and {first} come to different results", self.title);
            }
        }
        eprintln!("{}: {rounds} rounds in {:.0} s", self.title, start.elapsed().as_secs_f64());
        let lines: Vec<Line> =
            self.contestants.iter().zip(&values).map(|(c, own)| c.line(own, &values[0])).collect();
        let verdicts = self.targets.iter().map(|target| target.verdict(&lines, &values, self.unit)).collect();
        Outcome { title: self.title, about: self.about, unit: self.unit, lines, verdicts }
    }
}

impl Contestant {
    fn line(&self, own: &[f64], reference: &[f64]) -> Line {
        Line { name: self.name, runs: self.runs, value: spread(own.to_vec()), ratio: ratio(own, reference) }
    }
}

impl Target {
    fn verdict(&self, lines: &[Line], values: &[Vec<f64>], unit: &str) -> Verdict {
        let of = |name| lines.iter().position(|line| line.name == name).expect("a target names contestants");
        let (own, at_most) = (of(self.contestant), self.at_most);
        let median = |at: &usize| lines[*at].value.median;
        let best = self.best_of.iter().map(|name| of(name)).min_by(|a, b| median(a).total_cmp(&median(b)));
        let (found, what) = match best {
            None => (lines[own].value.median, unit.to_string()),
            Some(best) => {
                (ratio(&values[own], &values[best]).median, format!("of the time of {}", lines[best].name))
            }
        };
        let holds = found <= at_most;
        let word = if holds { "holds" } else { "is missed" };
        let text =
            format!("{}: at most {at_most:.2} {what}; found {found:.2}: the target {word}.", self.contestant);
        Verdict { text, holds }
    }
}

fn ratio(own: &[f64], reference: &[f64]) -> Spread {
    spread(own.iter().zip(reference).map(|(own, reference)| own / reference).collect())
}

fn spread(mut values: Vec<f64>) -> Spread {
    values.sort_by(f64::total_cmp);
    let (low, high) = ((values.len() - 1) / 2, values.len() / 2);
    Spread { median: (values[low] + values[high]) / 2.0, min: values[0], max: values[values.len() - 1] }
}
