//! Reports for people: a table by kind of event.

use std::fmt::{self, Write};

use corec_core::units::{counted, grouped};

use super::judge::{HIT_TICKS, Report};
use super::seeds::{Seeds, Spread};

/// What the columns are.
const NOTE: &str =
    "detected, healed: ticks from an event's first, medians; fitness lost: below a calm run, times ticks";
/// The columns of both tables.
const HEAD: [&str; 8] =
    ["events", "hits", "recall", "detected", "healed", "fitness lost", "without repair", "saved"];
const WIDTHS: [usize; 8] = [8, 6, 8, 10, 9, 14, 16, 8];
/// Of many runs, where a cell is a mean and the deviation of the runs.
const SPREAD_WIDTHS: [usize; 8] = [8, 6, 13, 12, 13, 16, 17, 12];

fn row(name: &str, cells: [String; 8], widths: [usize; 8]) -> String {
    let mut row = format!("{name:<7}");
    for (cell, width) in cells.iter().zip(widths) {
        _ = write!(row, "{cell:>width$}");
    }
    row
}

fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "-".into(), |value| format!("{value:.digits$}"))
}

fn percent(value: Option<f64>) -> String {
    value.map_or_else(|| "-".into(), |value| format!("{:.0} %", value * 100.0))
}

/// The lines of a run's report.
pub fn table(report: &Report) -> Vec<String> {
    let mut lines = vec![format!(
        "{} in {} ticks; a hit is an alert within {HIT_TICKS} ticks of an event's first",
        counted(report.all.events, "event"),
        grouped(report.ticks)
    )];
    lines.push(row("", HEAD.map(String::from), WIDTHS));
    for kind in report.kinds.iter().chain([&report.all]) {
        let cells = [
            kind.events.to_string(),
            kind.hits.to_string(),
            number(kind.recall, 2),
            number(kind.ticks_to_detect, 1),
            number(kind.ticks_to_heal, 1),
            number(kind.fitness_lost, 1),
            number(kind.fitness_lost_without_repair, 1),
            percent(kind.saved),
        ];
        lines.push(row(kind.kind, cells, WIDTHS));
    }
    lines.push(NOTE.into());
    let precision =
        report.precision.map(|precision| format!(": precision {precision:.2}")).unwrap_or_default();
    lines.push(format!(
        "{}, {} false{precision}",
        counted(report.alerts, "alert"),
        grouped(report.alerts_false)
    ));
    for alert in report.false_alerts.iter().take(3) {
        lines.push(format!("false: {} of {} at tick {}", alert.name, alert.subject, alert.tick));
    }
    if report.unjudged > 0 {
        lines.push(format!("{} too near the end to be judged", counted(report.unjudged, "event")));
    }
    if !report.is_same_run {
        lines.push(
            "of the run without what came into it from outside: done again, it ended in another state".into(),
        );
    }
    lines
}

/// A table by kind, with the mean of each figure over the runs, and their standard deviation.
impl fmt::Display for Seeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let spread = |of: Option<Spread>, digits: usize| match of {
            None => "-".to_string(),
            Some(s) => format!("{:.digits$} ±{:.digits$}", s.mean, s.deviation),
        };
        let left = if self.seeds < self.asked { format!(" of {}", self.asked) } else { String::new() };
        let (seeds, entities) = (counted(self.seeds, "seed"), grouped(self.entities));
        let (name, ticks) = (&self.scenario, grouped(self.ticks));
        writeln!(
            f,
            "{name}: {seeds}{left}, {entities} entities, {ticks} ticks; means over the runs ± their deviation"
        )?;
        writeln!(f, "{}", row("", HEAD.map(String::from), SPREAD_WIDTHS))?;
        for kind in self.kinds.iter().chain([&self.all]) {
            let cells = [
                kind.events.to_string(),
                kind.hits.to_string(),
                spread(kind.recall, 2),
                spread(kind.ticks_to_detect, 1),
                spread(kind.ticks_to_heal, 1),
                spread(kind.fitness_lost, 1),
                spread(kind.fitness_lost_without_repair, 1),
                spread(kind.saved, 2),
            ];
            writeln!(f, "{}", row(kind.kind, cells, SPREAD_WIDTHS))?;
        }
        writeln!(f, "{NOTE}")?;
        let (alerts, wrong) = (counted(self.alerts, "alert"), grouped(self.alerts_false));
        writeln!(f, "{alerts}, {wrong} false: precision {}", spread(self.precision, 2))
    }
}
