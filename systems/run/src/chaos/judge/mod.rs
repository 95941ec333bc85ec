//! The judge: compares what was injected with what was told of, and what it cost with what it would have cost.
//!
//! - A *hit*: an event on whose block, plugin or stream an alert is raised in its first tick or the [`HIT_TICKS`] after it.
//! - A *false alert*: one that is raised where no event is going on, or was in the last [`QUIET_TICKS`]. An event goes on until its last tick, or
//!   until nobody is afflicted by it any more, whichever is later.
//! - *Healed*: no entity is afflicted any more, by the ledger of the injection itself: each has been repaired or replaced, or the event
//!   has ended; an entity that was made inactive must work again. Not the fitness, for that follows a block only in some twenty ticks, and
//!   a block whose values are stuck loses none.
//! - *Fitness lost*: what a block's fitness is below that of the calm run, summed over the ticks from an event to the block's next one or
//!   the end.

use corec_bridges::ingest::REFUSED_ALERT;
use corec_dynamics::chaos::{Entry, Event, EventKind};
use serde::Serialize;

use super::track::{Raised, Track};
use super::truth::Truth;

/// Ticks after its first in which an event must be told of.
pub const HIT_TICKS: u64 = 10;
/// Ticks after its end in which an alert may still be about an event.
pub const QUIET_TICKS: u64 = 30;
/// False alerts that a report lists.
const LISTED_MAX: usize = 100;

/// What became of an event.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// What was injected.
    #[serde(flatten)]
    pub truth: Truth,
    /// Entities that it afflicted.
    pub afflicted: u32,
    /// The first alert about it; null if it was not told of in time.
    pub alert: Option<String>,
    /// Ticks from its first to that alert.
    pub ticks_to_detect: Option<u64>,
    /// Ticks from its first until nobody was afflicted any more; null if somebody still was at the end, or nobody ever.
    pub ticks_to_heal: Option<u64>,
    /// The same, without repair.
    pub ticks_to_heal_without_repair: Option<u64>,
    /// Fitness lost, in the block's fitness times ticks.
    pub fitness_lost: Option<f64>,
    /// The same, without repair.
    pub fitness_lost_without_repair: Option<f64>,
}

/// What became of the events of a kind, or of all.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct KindReport {
    /// The kind, or "all".
    pub kind: &'static str,
    /// Events.
    pub events: u64,
    /// Those that were told of in time.
    pub hits: u64,
    /// `hits / events`; null without events.
    pub recall: Option<f64>,
    /// Ticks from an event's first to the alert: the median of the hits.
    pub ticks_to_detect: Option<f64>,
    /// Events that were healed before the end.
    pub healed: u64,
    /// Ticks until nobody was afflicted: the median of the healed.
    pub ticks_to_heal: Option<f64>,
    /// The same, without repair.
    pub ticks_to_heal_without_repair: Option<f64>,
    /// Fitness lost in all; null where no block is afflicted.
    pub fitness_lost: Option<f64>,
    /// The same, without repair.
    pub fitness_lost_without_repair: Option<f64>,
    /// The share of the fitness lost without repair that repair has saved; null where none was lost.
    pub saved: Option<f64>,
}

/// What became of a run's events.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Ticks of the run.
    pub ticks: u64,
    /// Events too near the end to be judged; they are in no other number.
    pub unjudged: u64,
    /// By kind, those that there were.
    pub kinds: Vec<KindReport>,
    /// Of all kinds together.
    pub all: KindReport,
    /// Alerts that were raised.
    pub alerts: u64,
    /// Those without an event.
    pub alerts_false: u64,
    /// The share of the alerts that had one; null without alerts.
    pub precision: Option<f64>,
    /// The false ones, a hundred at most.
    pub false_alerts: Vec<Raised>,
    /// Whether the run that was looked at in memory ended in the state of the run itself: not if something from outside came into that.
    pub is_same_run: bool,
    /// Each event.
    pub events: Vec<Outcome>,
}

/// Judges `this` run of `ticks` ticks by the same run without repair (`bare`) and the one without events (`calm`).
pub fn judge(truth: &[Truth], ticks: u64, this: &Track, bare: &Track, calm: &Track) -> Report {
    let is_judged = |truth: &&Truth| truth.first_tick + HIT_TICKS < ticks;
    let outcome = |at: &Truth| outcome(at, truth, [this, bare, calm]);
    let events: Vec<Outcome> = truth.iter().filter(is_judged).map(outcome).collect();
    let is_false = |alert: &&Raised| !truth.iter().any(|at| is_about(alert, at) && is_near(alert, at, this));
    let false_alerts: Vec<Raised> = this.alerts.iter().filter(is_false).cloned().collect();
    let (alerts, alerts_false) = (this.alerts.len() as u64, false_alerts.len() as u64);
    let of_kind = |kind: EventKind| {
        let events: Vec<&Outcome> = events.iter().filter(|outcome| outcome.truth.kind == kind).collect();
        sum_up(kind.as_str(), &events)
    };
    Report {
        ticks,
        unjudged: (truth.len() - events.len()) as u64,
        kinds: EventKind::ALL.into_iter().map(of_kind).filter(|report| report.events > 0).collect(),
        all: sum_up("all", &events.iter().collect::<Vec<_>>()),
        alerts,
        alerts_false,
        precision: (alerts > 0).then(|| 1.0 - alerts_false as f64 / alerts as f64),
        false_alerts: false_alerts.into_iter().take(LISTED_MAX).collect(),
        is_same_run: true,
        events,
    }
}

/// Whether an alert is about what an event happens to.
fn is_about(alert: &Raised, truth: &Truth) -> bool {
    match truth.kind {
        EventKind::Plugin => {
            let of_plugin = alert.subject.strip_prefix(&truth.subject[..]);
            alert.name.starts_with("system_") && of_plugin.is_some_and(|rest| rest.starts_with("::"))
        }
        EventKind::Flood => alert.name == REFUSED_ALERT && alert.subject == truth.subject,
        _ => alert.block.is_some() && alert.block == truth.block,
    }
}

/// Whether an event is going on when an alert is raised, or was a little before.
fn is_near(alert: &Raised, truth: &Truth, track: &Track) -> bool {
    let healed = match entry(track, &truth.event) {
        Some(entry) if entry.afflicted > 0 => entry.healed.unwrap_or(u64::MAX - QUIET_TICKS),
        _ => 0,
    };
    (truth.first_tick..=truth.last_tick.max(healed) + QUIET_TICKS).contains(&alert.tick)
}

fn entry<'a>(track: &'a Track, event: &Event) -> Option<&'a Entry> {
    track.entries.iter().find(|entry| entry.event == *event)
}

fn outcome(at: &Truth, all: &[Truth], [this, bare, calm]: [&Track; 3]) -> Outcome {
    let first = at.first_tick;
    let in_time = |alert: &&Raised| is_about(alert, at) && (first..=first + HIT_TICKS).contains(&alert.tick);
    let hit = this.alerts.iter().filter(in_time).min_by_key(|alert| alert.tick);
    let heal = |track: &Track| {
        let entry = entry(track, &at.event).filter(|entry| entry.afflicted > 0)?;
        Some(entry.healed? - first)
    };
    let next = all.iter().filter(|other| at.block.is_some() && other.block == at.block);
    let next = next.map(|other| other.first_tick).filter(|tick| *tick > first).min();
    let lost = |track: &Track| {
        let block = at.block?;
        Some(fitness_lost(track.blocks.get(&block)?, calm.blocks.get(&block)?, first, next))
    };
    Outcome {
        truth: at.clone(),
        afflicted: entry(this, &at.event).map_or(0, |entry| entry.afflicted),
        alert: hit.map(|alert| alert.name.clone()),
        ticks_to_detect: hit.map(|alert| alert.tick - first),
        ticks_to_heal: heal(this),
        ticks_to_heal_without_repair: heal(bare),
        fitness_lost: lost(this),
        fitness_lost_without_repair: lost(bare),
    }
}

/// What a series is below that of a calm run, summed over the ticks from `first` to before `next`, or the end.
fn fitness_lost(series: &[f32], calm: &[f32], first: u64, next: Option<u64>) -> f64 {
    let to = next.unwrap_or(u64::MAX).min(series.len().min(calm.len()) as u64);
    let ticks = (first.min(to) as usize)..(to as usize);
    ticks.map(|tick| (f64::from(calm[tick]) - f64::from(series[tick])).max(0.0)).sum()
}

fn sum_up(kind: &'static str, events: &[&Outcome]) -> KindReport {
    let each = |of: fn(&Outcome) -> Option<u64>| events.iter().filter_map(move |event| of(event)).collect();
    let sum = |of: fn(&Outcome) -> Option<f64>| -> Option<f64> {
        let all: Vec<f64> = events.iter().filter_map(|event| of(event)).collect();
        (!all.is_empty()).then(|| all.iter().sum())
    };
    let hits = events.iter().filter(|event| event.alert.is_some()).count() as u64;
    let healed: Vec<u64> = each(|event| event.ticks_to_heal);
    let (lost, bare) = (sum(|event| event.fitness_lost), sum(|event| event.fitness_lost_without_repair));
    KindReport {
        kind,
        events: events.len() as u64,
        hits,
        recall: (!events.is_empty()).then(|| hits as f64 / events.len() as f64),
        ticks_to_detect: median(each(|event| event.ticks_to_detect)),
        healed: healed.len() as u64,
        ticks_to_heal: median(healed),
        ticks_to_heal_without_repair: median(each(|event| event.ticks_to_heal_without_repair)),
        fitness_lost: lost,
        fitness_lost_without_repair: bare,
        saved: lost.zip(bare.filter(|bare| *bare > 0.0)).map(|(lost, bare)| 1.0 - lost / bare),
    }
}

/// The middle one; the mean of the two in the middle of an even number.
fn median(mut values: Vec<u64>) -> Option<f64> {
    values.sort_unstable();
    let (half, is_odd) = (values.len() / 2, values.len() % 2 == 1);
    match values.len() {
        0 => None,
        _ if is_odd => Some(values[half] as f64),
        _ => Some((values[half - 1] + values[half]) as f64 / 2.0),
    }
}

#[cfg(test)]
mod tests;
