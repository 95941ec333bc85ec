//! The log: which alerts are up and which came last, for who watches a run. Kept only where somebody does; no part of the state.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::{Alert, AlertState};

/// Alerts that it keeps, whatever they say.
const RECENT_MAX: usize = 100;
/// Alerts that are up of which it knows what they say; more are counted.
const OPEN_MAX: usize = 10_000;
/// The severity of an alert that was raised before the log was kept, where nobody knows it any more.
pub const SEVERITY_UNKNOWN: u8 = 0;

/// Who, what and about whom: what one event has in common.
type Key = (String, String, String);

/// The alerts that are up, and the last ones.
#[derive(Clone, Debug, Default)]
pub struct AlertLog {
    open: BTreeMap<Key, Arc<Alert>>,
    recent: VecDeque<Arc<Alert>>,
    /// Those that are up, by severity.
    counts: [u64; 6],
    /// Those that are up and are not in `open`.
    unlisted: u64,
}

impl AlertLog {
    pub(super) fn note(&mut self, alert: Alert) {
        let (key, alert) = (key(&alert), Arc::new(alert));
        match alert.state {
            AlertState::Raised => self.raise(key, &alert),
            AlertState::Cleared => self.clear(&key),
        }
        self.recent.truncate(RECENT_MAX - 1);
        self.recent.push_front(alert);
    }

    /// Notes one that was raised before, of which not all may be known.
    pub(super) fn found(&mut self, alert: Alert) {
        self.raise(key(&alert), &Arc::new(alert));
    }

    fn raise(&mut self, key: Key, alert: &Arc<Alert>) {
        if self.open.len() >= OPEN_MAX && !self.open.contains_key(&key) {
            self.unlisted += 1;
            return;
        }
        self.counts[severity(alert)] += 1;
        if let Some(before) = self.open.insert(key, Arc::clone(alert)) {
            self.counts[severity(&before)] -= 1;
        }
    }

    fn clear(&mut self, key: &Key) {
        match self.open.remove(key) {
            Some(alert) => self.counts[severity(&alert)] -= 1,
            None => self.unlisted = self.unlisted.saturating_sub(1),
        }
    }

    /// Those that are up, the most urgent first, then the oldest; at most `max`.
    pub fn open(&self, max: usize) -> Vec<Arc<Alert>> {
        let mut open: Vec<Arc<Alert>> = self.open.values().cloned().collect();
        open.sort_by_key(|alert| (alert.severity, alert.tick, alert.sequence));
        open.truncate(max);
        open
    }

    /// The last ones, the newest first; a hundred at most.
    pub fn recent(&self) -> impl Iterator<Item = &Arc<Alert>> {
        self.recent.iter()
    }

    /// How many are up, by severity 1 to 5; the first is of those whose severity is not known.
    pub fn counts(&self) -> [u64; 6] {
        let mut counts = self.counts;
        counts[usize::from(SEVERITY_UNKNOWN)] += self.unlisted;
        counts
    }
}

fn key(alert: &Alert) -> Key {
    (alert.by.clone(), alert.name.clone(), alert.subject.clone())
}

fn severity(alert: &Alert) -> usize {
    usize::from(alert.severity).min(5)
}
