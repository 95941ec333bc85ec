//! Flags: blocks of which an auditor says that they stand apart.
//!
//! An auditor, the built-in one or a plugin, raises a flag with a score and its reasons, and lowers it when the block is as others again. A flag is
//! an alert, [`ALERT`], from its first raise to its lowering; what comes of it beside that is for others to say: the built-in repair puts the
//! flagged to work again.

use std::collections::BTreeMap;

use bevy_ecs::resource::Resource;
use serde::{Deserialize, Serialize};

use crate::alert::Alerts;
use crate::block::BlockId;
use crate::digest::Saved;

/// The name of a flag's alert: the guide's.
pub const ALERT: &str = "anomalia_bloque";
/// How urgent it is.
const SEVERITY: u8 = 2;

/// What an auditor says of a block.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Flag {
    /// How far it stands apart, on the auditor's own scale.
    pub score: f32,
    /// In what: for people.
    pub why: String,
    /// The tick in which it was raised.
    pub since: u64,
    /// The last tick in which the auditor said so.
    pub last: u64,
}

/// The flags that are up, by block and auditor: the name of a plugin, or empty for the engine's own.
#[derive(Resource, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Flags(BTreeMap<(u32, String), Flag>);

impl Saved for Flags {
    const NAME: &'static str = "flags";
    const SINCE: u16 = 4;

    fn is_part(&self) -> bool {
        !self.0.is_empty()
    }
}

impl Flags {
    /// Raises a flag, and its alert for `subject`, the block's name. One that is up keeps its tick, and gets the new score and reasons.
    /// A score that is no finite number raises none; gives whether it is up.
    #[expect(clippy::too_many_arguments, reason = "what a flag is made of")]
    pub fn raise(
        &mut self,
        alerts: &mut Alerts,
        by: &str,
        block: BlockId,
        subject: &str,
        score: f32,
        why: &str,
        tick: u64,
    ) -> bool {
        if !score.is_finite() {
            return false;
        }
        let since = self.0.get(&(block.0, by.to_string())).map_or(tick, |flag| flag.since);
        self.0.insert((block.0, by.to_string()), Flag { score, why: why.into(), since, last: tick });
        alerts.publish_why(by, ALERT, subject, f64::from(score), SEVERITY, tick, why);
        true
    }

    /// Lowers an auditor's flag, and ends its alert.
    pub fn lower(
        &mut self,
        alerts: &mut Alerts,
        by: &str,
        block: BlockId,
        subject: &str,
        score: f32,
        tick: u64,
    ) {
        if self.0.remove(&(block.0, by.to_string())).is_some() {
            alerts.clear(by, ALERT, subject, f64::from(score), tick);
        }
    }

    /// Lowers every flag of an auditor that judges no longer, and ends their alerts; `name` gives a block's.
    pub fn silence(&mut self, alerts: &mut Alerts, by: &str, name: impl Fn(BlockId) -> String, tick: u64) {
        let own = self.0.keys().filter(|(_, auditor)| auditor == by);
        let own: Vec<BlockId> = own.map(|(block, _)| BlockId(*block)).collect();
        own.into_iter().for_each(|block| self.lower(alerts, by, block, &name(block), 0.0, tick));
    }

    /// Lowers every flag of a block that is no more, and ends their alerts.
    pub fn retire(&mut self, alerts: &mut Alerts, block: BlockId, subject: &str, tick: u64) {
        let by: Vec<String> = self.of(block).map(|(by, _)| by.to_string()).collect();
        by.iter().for_each(|by| self.lower(alerts, by, block, subject, 0.0, tick));
    }

    /// The flags of a block, with who has raised them.
    pub fn of(&self, block: BlockId) -> impl Iterator<Item = (&str, &Flag)> {
        self.0
            .range((block.0, String::new())..(block.0 + 1, String::new()))
            .map(|((_, by), flag)| (by.as_str(), flag))
    }

    /// All that are up, by block.
    pub fn iter(&self) -> impl Iterator<Item = (BlockId, &str, &Flag)> {
        self.0.iter().map(|((block, by), flag)| (BlockId(*block), by.as_str(), flag))
    }

    /// Whether none is up.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_is_one_alert_until_it_is_lowered() {
        let (mut flags, mut alerts) = (Flags::default(), Alerts::default());
        let block = BlockId(3);
        assert!(flags.raise(&mut alerts, "eye", block, "swarm/3", 0.7, "mean +9.1", 4));
        assert!(flags.raise(&mut alerts, "eye", block, "swarm/3", 0.8, "mean +9.9", 6));
        assert!(flags.raise(&mut alerts, "", block, "swarm/3", 0.6, "mean +8", 6));
        assert!(!flags.raise(&mut alerts, "", BlockId(4), "swarm/4", f32::NAN, "?", 6));
        let up: Vec<_> = flags.of(block).map(|(by, flag)| (by, flag.since, flag.score)).collect();
        assert_eq!(up, [("", 6, 0.6), ("eye", 4, 0.8)]);
        flags.lower(&mut alerts, "eye", block, "swarm/3", 0.4, 8);
        flags.lower(&mut alerts, "eye", block, "swarm/3", 0.4, 9);
        flags.retire(&mut alerts, block, "swarm/3", 9);
        assert!(flags.is_empty());
        let said: Vec<_> = alerts.take_outbox().map(|a| (a.tick, a.by, a.state.as_str(), a.why)).collect();
        let row = |tick, by: &str, state, why: &str| (tick, by.to_string(), state, why.to_string());
        assert_eq!(
            said,
            [
                row(4, "eye", "raised", "mean +9.1"),
                row(6, "", "raised", "mean +8"),
                row(8, "eye", "cleared", ""),
                row(9, "", "cleared", ""),
            ]
        );
    }
}
