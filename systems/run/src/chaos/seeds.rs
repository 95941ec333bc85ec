//! Many seeds of one scenario: every figure on average, and how far it spreads.

use serde::Serialize;

use super::judge::{KindReport, Report};

/// A figure over several runs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// Runs that have it.
    pub runs: u64,
    /// The mean.
    pub mean: f64,
    /// The standard deviation of the runs; 0 of one.
    pub deviation: f64,
    /// The least.
    pub min: f64,
    /// The most.
    pub max: f64,
}

impl Spread {
    /// Of these values; none without any.
    pub fn of(values: impl IntoIterator<Item = Option<f64>>) -> Option<Self> {
        let values: Vec<f64> = values.into_iter().flatten().collect();
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
        (!values.is_empty()).then(|| Self {
            runs: values.len() as u64,
            mean,
            deviation: if values.len() > 1 { (squares / (n - 1.0)).sqrt() } else { 0.0 },
            min: values.iter().copied().fold(f64::INFINITY, f64::min),
            max: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        })
    }
}

/// A kind of event over several runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KindSpread {
    /// The kind, or "all".
    pub kind: &'static str,
    /// Events in all runs together.
    pub events: u64,
    /// Those that were told of in time.
    pub hits: u64,
    /// As [`KindReport`] has them, of each run.
    pub recall: Option<Spread>,
    /// See `recall`.
    pub ticks_to_detect: Option<Spread>,
    /// See `recall`.
    pub ticks_to_heal: Option<Spread>,
    /// See `recall`.
    pub ticks_to_heal_without_repair: Option<Spread>,
    /// See `recall`.
    pub fitness_lost: Option<Spread>,
    /// See `recall`.
    pub fitness_lost_without_repair: Option<Spread>,
    /// See `recall`.
    pub saved: Option<Spread>,
}

impl KindSpread {
    fn of(kind: &'static str, of: &[&KindReport]) -> Self {
        let spread =
            |figure: fn(&KindReport) -> Option<f64>| Spread::of(of.iter().map(|report| figure(report)));
        Self {
            kind,
            events: of.iter().map(|report| report.events).sum(),
            hits: of.iter().map(|report| report.hits).sum(),
            recall: spread(|report| report.recall),
            ticks_to_detect: spread(|report| report.ticks_to_detect),
            ticks_to_heal: spread(|report| report.ticks_to_heal),
            ticks_to_heal_without_repair: spread(|report| report.ticks_to_heal_without_repair),
            fitness_lost: spread(|report| report.fitness_lost),
            fitness_lost_without_repair: spread(|report| report.fitness_lost_without_repair),
            saved: spread(|report| report.saved),
        }
    }
}

/// One of the runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SeedRun {
    /// Its seed.
    pub seed: u64,
    /// The digest of its state at the end, 16 hex digits.
    pub state_digest: String,
    /// What became of its events.
    pub report: Report,
}

/// Runs of one scenario that differ in their seeds alone.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Seeds {
    /// The scenario's name.
    pub scenario: String,
    /// Live entities of a run.
    pub entities: u64,
    /// Ticks of a run.
    pub ticks: u64,
    /// Seeds that were asked for; fewer were run if it was interrupted.
    pub asked: u64,
    /// Seeds that were run.
    pub seeds: u64,
    /// By kind.
    pub kinds: Vec<KindSpread>,
    /// Of all kinds together.
    pub all: KindSpread,
    /// Alerts in all runs together.
    pub alerts: u64,
    /// Those without an event.
    pub alerts_false: u64,
    /// Of each run.
    pub precision: Option<Spread>,
    /// The runs.
    pub runs: Vec<SeedRun>,
}

impl Seeds {
    /// Sums up runs.
    pub fn of(scenario: &str, entities: u64, ticks: u64, asked: u64, runs: Vec<SeedRun>) -> Self {
        let mut names: Vec<&'static str> = Vec::new();
        for kind in runs.iter().flat_map(|run| &run.report.kinds) {
            if !names.contains(&kind.kind) {
                names.push(kind.kind);
            }
        }
        let of_kind = |name: &'static str| {
            let all = runs.iter().flat_map(|run| &run.report.kinds);
            KindSpread::of(name, &all.filter(|kind| kind.kind == name).collect::<Vec<_>>())
        };
        Self {
            scenario: scenario.into(),
            entities,
            ticks,
            asked,
            seeds: runs.len() as u64,
            kinds: names.iter().map(|name| of_kind(name)).collect(),
            all: KindSpread::of("all", &runs.iter().map(|run| &run.report.all).collect::<Vec<_>>()),
            alerts: runs.iter().map(|run| run.report.alerts).sum(),
            alerts_false: runs.iter().map(|run| run.report.alerts_false).sum(),
            precision: Spread::of(runs.iter().map(|run| run.report.precision)),
            runs,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_of_the_runs_that_have_the_figure() {
        let spread = Spread::of([Some(1.0), None, Some(3.0), Some(2.0)]).unwrap();
        assert_eq!(spread, Spread { runs: 3, mean: 2.0, deviation: 1.0, min: 1.0, max: 3.0 });
        assert_eq!(Spread::of([None, None]), None);
        assert_eq!(Spread::of([Some(5.0)]).unwrap().deviation, 0.0);
    }
}
