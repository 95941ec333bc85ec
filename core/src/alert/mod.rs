//! Alerts: what a person should look at, once for each event.
//!
//! A rule raises an alert for a subject (a block, a column) when its value has been past `enter` for `hold`, and
//! clears it when the value is past `leave` again. In between, nothing more is said: that is the de-duplication.

mod beside;
mod json;
mod log;
mod signals;

mod rules;

use std::collections::{BTreeMap, BTreeSet};

use bevy_ecs::resource::Resource;
use serde::{Deserialize, Serialize};

use crate::block::BlockId;
use crate::config::{AlertRule, Scenario};
use crate::digest::Saved;
use crate::units::{Epoch, seconds_to_ticks};

pub(crate) use beside::{Author, Beside, Reason};
pub use log::{AlertLog, SEVERITY_UNKNOWN};
pub use rules::{AddAlertRule, PluginRules};
pub use signals::ToldSignals;

/// The severity of the end of an alert that has no rule: the least.
const SEVERITY_CLEARED: u8 = 5;

/// An alert as it goes out. (epoch, tick, sequence) is unique in its run: a replay gives the same.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// The instance that raised it.
    pub instance: String,
    /// The history it belongs to.
    pub epoch: u32,
    /// The tick in which it was raised or cleared.
    pub tick: u64,
    /// Its number in the run, from 0.
    pub sequence: u64,
    /// What it is about: the rule's name.
    #[doc(alias = "tipo")]
    pub name: String,
    /// Whom it is about: a block, a column, a system.
    pub subject: String,
    /// The value that decided.
    pub value: f64,
    /// How urgent: 1 is the most.
    #[doc(alias = "prioridad")]
    pub severity: u8,
    /// Whether it begins or ends.
    pub state: AlertState,
    /// The plugin that says so; empty for the engine and its rules. Not sent.
    #[serde(skip)]
    pub by: String,
    /// The reasons, for people; empty for most. [`Alert::to_json`] has it; what serde makes of an alert has not, for snapshots and spools have
    /// that form, which is older.
    #[serde(skip)]
    pub why: String,
}

/// Whether an alert begins or ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlertState {
    /// It begins.
    #[default]
    Raised,
    /// It ends.
    Cleared,
}

impl AlertState {
    /// "raised" or "cleared".
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Raised => "raised",
            Self::Cleared => "cleared",
        }
    }
}

/// The alert rules of a run, what they have seen, and what waits to be published.
#[derive(Resource, Default, Debug, Serialize, Deserialize)]
pub struct Alerts {
    #[serde(skip)]
    instance: String,
    #[serde(skip)]
    epoch: Epoch,
    #[serde(skip)]
    rules: Vec<Rule>,
    /// Every signal that a rule is about, and the places of those rules.
    #[serde(skip)]
    signals: Vec<(String, Vec<usize>)>,
    /// (rule, subject) -> state, for subjects that are past `enter` or raised.
    states: BTreeMap<(u16, u32), State>,
    /// (who, name, subject) of alerts that no rule clears.
    told: BTreeSet<(String, String, String)>,
    sequence: u64,
    raised: u64,
    outbox: Vec<Alert>,
    /// For who watches; none where nobody does.
    #[serde(skip)]
    log: Option<Box<AlertLog>>,
}

/// Where the numbers of what is said at a run's end begin; databases have numbers up to 2^63.
pub const AT_THE_END: u64 = 1 << 62;

/// The rules about a signal, as a run has them.
#[derive(Clone, Copy, Debug)]
pub struct Watched(Option<usize>);

#[derive(Debug)]
struct Rule {
    rule: AlertRule,
    hold_ticks: u64,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct State {
    since: u64,
    is_raised: bool,
}

impl Alerts {
    /// The rules of `scenario`, and `more`.
    pub fn new(scenario: &Scenario, more: &[AlertRule]) -> Self {
        let rule = |rule: &AlertRule| Rule {
            rule: rule.clone(),
            hold_ticks: if rule.hold > 0.0 { seconds_to_ticks(rule.hold, scenario.tick_seconds) } else { 0 },
        };
        let rules: Vec<Rule> = scenario.alerts.iter().chain(more).map(rule).collect();
        let mut signals: Vec<(String, Vec<usize>)> = Vec::new();
        for (at, Rule { rule, .. }) in rules.iter().enumerate() {
            match signals.iter_mut().find(|(name, _)| *name == rule.signal) {
                Some((_, places)) => places.push(at),
                None => signals.push((rule.signal.clone(), vec![at])),
            }
        }
        Self { instance: scenario.instance_id.clone(), rules, signals, ..Self::default() }
    }

    /// The rules about a signal, for [`Alerts::observe`].
    pub fn watched(&self, signal: &str) -> Watched {
        Watched(self.signals.iter().position(|(name, _)| name == signal))
    }

    /// What is said from now on is said at the run's end, at `tick`: a process that goes on with the run does not know of it, so it has
    /// numbers that no tick gives.
    pub(crate) fn begin_end(&mut self, tick: u64) {
        self.sequence = AT_THE_END + (tick << 16);
    }

    /// Shows every rule about a signal the value of a subject at `tick`. `name` is asked when an alert goes out.
    pub fn observe(
        &mut self,
        signal: Watched,
        subject: u32,
        value: f64,
        tick: u64,
        name: impl Fn() -> String,
    ) {
        let Some(signal) = signal.0 else { return };
        for at in 0..self.signals[signal].1.len() {
            self.judge(self.signals[signal].1[at], subject, value, tick, &name);
        }
    }

    /// Shows one rule the value of a subject.
    fn judge(&mut self, at: usize, subject: u32, value: f64, tick: u64, name: &impl Fn() -> String) {
        let Rule { rule, hold_ticks } = &self.rules[at];
        let too_high = rule.enter > rule.leave;
        let entered = if too_high { value >= rule.enter } else { value <= rule.enter };
        let left = if too_high { value <= rule.leave } else { value >= rule.leave };
        let key = (at as u16, subject);
        match self.states.get_mut(&key) {
            None if entered => {
                let is_raised = *hold_ticks == 0;
                self.states.insert(key, State { since: tick, is_raised });
                if is_raised {
                    self.send(at, name(), value, tick, true);
                }
            }
            None => {}
            Some(State { is_raised: true, .. }) if left => {
                self.states.remove(&key);
                self.send(at, name(), value, tick, false);
            }
            Some(State { is_raised: true, .. }) => {}
            Some(_) if !entered => _ = self.states.remove(&key),
            Some(state) if tick - state.since >= *hold_ticks => {
                state.is_raised = true;
                self.send(at, name(), value, tick, true);
            }
            Some(_) => {}
        }
    }

    /// Raises an alert that has no rule: once for each name and subject, until it is cleared. `by` is the plugin that says so, for
    /// what two of them say is not the same event; empty for the engine.
    #[doc(alias = "publicar_alerta")]
    pub fn publish(&mut self, by: &str, name: &str, subject: &str, value: f64, severity: u8, tick: u64) {
        self.publish_why(by, name, subject, value, severity, tick, "");
    }

    /// As [`Alerts::publish`], with the reasons.
    #[expect(clippy::too_many_arguments, reason = "what an alert is made of")]
    pub fn publish_why(
        &mut self,
        by: &str,
        name: &str,
        subject: &str,
        value: f64,
        severity: u8,
        tick: u64,
        why: &str,
    ) {
        if self.told.insert((by.to_string(), name.to_string(), subject.to_string())) {
            self.raised += 1;
            let (by, name, subject, why) = (by.into(), name.into(), subject.into(), why.into());
            self.push(Alert { by, name, subject, value, severity, tick, why, ..Alert::default() });
        }
    }

    /// Clears an alert that has no rule, if `by` has raised it.
    pub fn clear(&mut self, by: &str, name: &str, subject: &str, value: f64, tick: u64) {
        if self.told.remove(&(by.to_string(), name.to_string(), subject.to_string())) {
            let (by, name, subject) = (by.into(), name.into(), subject.into());
            let (severity, state) = (SEVERITY_CLEARED, AlertState::Cleared);
            self.push(Alert { by, name, subject, value, severity, tick, state, ..Alert::default() });
        }
    }

    /// Ends what rules, plugins and the engine say of a block that is no more: nobody else would.
    pub fn retire(&mut self, told: &ToldSignals, block: BlockId, name: &str, tick: u64) {
        for at in 0..self.rules.len() {
            let is_of_blocks = told.is_of_blocks(&self.rules[at].rule.signal);
            let state = if is_of_blocks { self.states.remove(&(at as u16, block.0)) } else { None };
            if state.is_some_and(|state| state.is_raised) {
                self.send(at, name.into(), self.rules[at].rule.leave, tick, false);
            }
        }
        let told: Vec<_> = self.told.iter().filter(|(.., subject)| subject == name).cloned().collect();
        told.iter().for_each(|(by, alert, subject)| self.clear(by, alert, subject, 0.0, tick));
    }

    /// From now on alerts belong to this history.
    pub fn set_epoch(&mut self, epoch: Epoch) {
        self.epoch = epoch;
    }

    /// Alerts raised so far, each event once.
    pub fn raised(&self) -> u64 {
        self.raised
    }

    /// Whether there is something to be published.
    pub fn has_outbox(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// What has not been published yet, oldest first; empties the box.
    pub fn take_outbox(&mut self) -> std::vec::Drain<'_, Alert> {
        self.outbox.drain(..)
    }

    /// From now on it is kept which alerts are up and which came last. Those that are up already are found as far as they are known:
    /// `name` gives the subjects of rules, by signal and number.
    pub fn keep_log(&mut self, name: impl Fn(&str, u32) -> String) {
        let mut log = AlertLog::default();
        for (by, name, subject) in self.told.iter().cloned() {
            log.found(Alert { by, name, subject, severity: SEVERITY_UNKNOWN, ..Alert::default() });
        }
        for ((rule, subject), state) in self.states.iter().filter(|(_, state)| state.is_raised) {
            let AlertRule { signal, name: alert, severity, enter, .. } = &self.rules[usize::from(*rule)].rule;
            let (name, subject) = (alert.clone(), name(signal, *subject));
            let (value, severity, tick) = (*enter, *severity, state.since);
            log.found(Alert { name, subject, value, severity, tick, ..Alert::default() });
        }
        self.log = Some(Box::new(log));
    }

    /// Which alerts are up and which came last; none unless [`Alerts::keep_log`] was asked for.
    pub fn log(&self) -> Option<&AlertLog> {
        self.log.as_deref()
    }

    fn send(&mut self, rule: usize, subject: String, value: f64, tick: u64, is_raised: bool) {
        let AlertRule { name, severity, .. } = &self.rules[rule].rule;
        let (name, severity) = (name.clone(), *severity);
        self.raised += u64::from(is_raised);
        let state = if is_raised { AlertState::Raised } else { AlertState::Cleared };
        self.push(Alert { name, subject, value, severity, tick, state, ..Alert::default() });
    }

    fn push(&mut self, alert: Alert) {
        let (instance, epoch, sequence) = (self.instance.clone(), self.epoch.0, self.sequence);
        self.sequence += 1;
        let alert = Alert { instance, epoch, sequence, ..alert };
        if let Some(log) = &mut self.log {
            log.note(alert.clone());
        }
        self.outbox.push(alert);
    }
}

impl Saved for Alerts {
    const NAME: &'static str = "alerts";

    fn restore(&mut self, saved: Self) {
        let Self { instance, rules, signals, epoch, log, .. } = std::mem::take(self);
        *self = Self { instance, rules, signals, epoch, log, ..saved };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::FAULT_RATIO;

    fn alerts(enter: f64, leave: f64, hold: f64) -> Alerts {
        let rule =
            AlertRule { name: "hot".into(), signal: FAULT_RATIO.into(), enter, leave, hold, severity: 1 };
        Alerts::new(&Scenario { alerts: vec![rule], ..Default::default() }, &[])
    }

    fn feed(alerts: &mut Alerts, values: &[f64]) -> Vec<(u64, &'static str)> {
        let signal = alerts.watched(FAULT_RATIO);
        for (tick, &value) in values.iter().enumerate() {
            alerts.observe(signal, 7, value, tick as u64, || "seven".into());
        }
        alerts.take_outbox().map(|a| (a.tick, a.state.as_str())).collect()
    }

    #[test]
    fn one_event_is_one_alert_and_one_clearance() {
        let mut high = alerts(0.5, 0.3, 0.0);
        let said = feed(&mut high, &[0.1, 0.6, 0.45, 0.7, 0.31, 0.3, 0.45, 0.5]);
        assert_eq!(said, [(1, "raised"), (5, "cleared"), (7, "raised")]);
        assert_eq!(high.raised(), 2);
        let said = feed(&mut alerts(0.2, 0.4, 0.0), &[0.5, 0.2, 0.39, 0.1, 0.4]);
        assert_eq!(said, [(1, "raised"), (4, "cleared")]);
    }

    #[test]
    fn a_value_must_hold_before_it_is_told() {
        let said = feed(&mut alerts(0.5, 0.3, 3.0), &[0.6, 0.6, 0.4, 0.6, 0.6, 0.6, 0.6, 0.6]);
        assert_eq!(said, [(6, "raised")], "a dip below enter starts the clock anew");
    }

    #[test]
    fn what_two_plugins_say_are_two_events() {
        let mut alerts = alerts(0.5, 0.3, 0.0);
        alerts.publish("a", "hot", "x", 1.0, 1, 0);
        alerts.publish("b", "hot", "x", 1.0, 1, 0);
        alerts.clear("b", "hot", "x", 0.0, 1);
        alerts.publish("a", "hot", "x", 1.0, 1, 2);
        alerts.publish("b", "hot", "x", 1.0, 1, 2);
        assert_eq!((alerts.raised(), alerts.take_outbox().count()), (3, 4));
    }

    #[test]
    fn what_is_said_at_the_end_has_numbers_that_a_run_which_goes_on_does_not_give() {
        let mut all = alerts(0.1, 0.05, 0.0);
        let say = |all: &mut Alerts, tick: u64| {
            all.publish("", "end", &tick.to_string(), 1.0, 1, tick);
            all.take_outbox().next_back().unwrap().sequence
        };
        let saved = serde_json::to_string(&all).unwrap();
        all.begin_end(7);
        let first = say(&mut all, 7);
        let mut restored = alerts(0.1, 0.05, 0.0);
        restored.restore(serde_json::from_str(&saved).unwrap());
        let then = say(&mut restored, 6);
        restored.begin_end(8);
        let second = say(&mut restored, 8);
        assert!(then < first && first < second && i64::try_from(second).is_ok());
    }

    #[test]
    fn a_log_has_what_is_up_and_what_came_last_and_finds_what_was_up_before() {
        let mut alerts = alerts(0.5, 0.3, 0.0);
        feed(&mut alerts, &[0.6]);
        alerts.publish("a", "odd", "x", 1.0, 2, 1);
        alerts.keep_log(|signal, subject| format!("{signal}/{subject}"));
        let up = |alerts: &Alerts| -> Vec<_> {
            alerts.log().unwrap().open(10).iter().map(|a| (a.severity, a.subject.clone())).collect()
        };
        let (odd, hot) = ((SEVERITY_UNKNOWN, "x".to_string()), (1, "fault_ratio/7".to_string()));
        assert_eq!(up(&alerts), [odd, hot.clone()]);
        alerts.clear("a", "odd", "x", 0.0, 2);
        alerts.publish_why("a", "bad", "y", 1.0, 3, 3, "because");
        assert_eq!(up(&alerts), [hot, (3, "y".into())]);
        let log = alerts.log().unwrap();
        assert_eq!(log.counts(), [0, 1, 0, 1, 0, 0]);
        let recent: Vec<_> = log.recent().map(|a| (a.tick, a.why.as_str(), a.state)).collect();
        assert_eq!(recent, [(3, "because", AlertState::Raised), (2, "", AlertState::Cleared)]);
        for n in 0..20_000 {
            alerts.publish("a", "many", &n.to_string(), 1.0, 5, 4);
        }
        let log = alerts.log().unwrap();
        assert_eq!((log.open(usize::MAX).len(), log.recent().count()), (10_000, 100));
        assert_eq!(log.counts().iter().sum::<u64>(), 20_002);
    }

    #[test]
    fn an_alert_without_a_rule_is_told_once() {
        let mut alerts = alerts(0.5, 0.3, 0.0);
        for tick in 0..5 {
            alerts.publish("", "system_error", "tire", 1.0, 1, tick);
        }
        assert_eq!((alerts.raised(), alerts.take_outbox().count()), (1, 1));
    }
}
