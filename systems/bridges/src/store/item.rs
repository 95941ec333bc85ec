//! Item: a batch as it waits on disk.
//!
//! ```text
//! ff x 10, 2    the mark, and the version
//! postcard of   blocks, alerts, metrics, rows, repairs, and the reasons of alerts: (place, text)
//! ```
//! An item of the versions before has neither mark nor repairs nor reasons. It begins with a number of blocks, which no ten bytes of the mark are;
//! nor do those versions take an item of this one for something else.

use corec_core::alert::Alert;
use corec_core::repairs::RepairRecord;
use corec_core::store::{Batch, BlockState, KeyValue, Metric};
use serde::{Deserialize, Serialize};

use crate::lane::Spooled;

/// No number of 64 bits, as postcard writes them.
const MARK: [u8; 10] = [0xff; 10];
/// The form of an item. 1, which had no mark, is [`First`].
const VERSION: u8 = 2;

/// An item without a mark.
#[derive(Deserialize)]
struct First {
    blocks: Vec<BlockState>,
    alerts: Vec<Alert>,
    metrics: Vec<Metric>,
    rows: Vec<KeyValue>,
}

/// What follows it in an item of version 2.
#[derive(Deserialize)]
struct Second {
    repairs: Vec<RepairRecord>,
    reasons: Vec<(u32, String)>,
}

/// The form of an item, of a borrowed batch.
#[derive(Serialize)]
struct Written<'b> {
    blocks: &'b [BlockState],
    alerts: &'b [Alert],
    metrics: &'b [Metric],
    rows: &'b [KeyValue],
    repairs: &'b [RepairRecord],
    reasons: Vec<(u32, &'b str)>,
}

impl Spooled for Batch {
    fn bytes(&self) -> usize {
        let Self { blocks, alerts, metrics, rows, repairs } = self;
        let texts: usize = rows.iter().map(|row| row.key.len() + row.value.len()).sum();
        let entities: usize = repairs.iter().map(|record| size_of_val(&record.entities[..])).sum();
        size_of_val(&blocks[..])
            + size_of_val(&alerts[..])
            + size_of_val(&metrics[..])
            + size_of_val(&rows[..])
            + size_of_val(&repairs[..])
            + texts
            + entities
    }

    fn encode(&self, out: &mut Vec<u8>) {
        let Self { blocks, alerts, metrics, rows, repairs } = self;
        let reasons = (0..).zip(alerts).filter(|(_, alert)| !alert.why.is_empty());
        let reasons = reasons.map(|(at, alert)| (at, &*alert.why)).collect();
        out.extend_from_slice(&MARK);
        out.push(VERSION);
        let written = Written { blocks, alerts, metrics, rows, repairs, reasons };
        let written = postcard::to_extend(&written, std::mem::take(out));
        *out = written.expect("a vector takes all there is");
    }

    fn decode(bytes: &[u8]) -> Result<Self, String> {
        let fail = |e: postcard::Error| e.to_string();
        let Some(rest) = bytes.strip_prefix(&MARK) else {
            let First { blocks, alerts, metrics, rows } = postcard::from_bytes(bytes).map_err(fail)?;
            return Ok(Self { blocks, alerts, metrics, rows, repairs: Vec::new() });
        };
        let rest = match rest.split_first() {
            Some((&VERSION, rest)) => rest,
            other => {
                let found = other.map_or("none".into(), |(version, _)| version.to_string());
                return Err(format!("an item's version: found {found}, must be at most {VERSION}"));
            }
        };
        let (First { blocks, mut alerts, metrics, rows }, rest) =
            postcard::take_from_bytes(rest).map_err(fail)?;
        let Second { repairs, reasons } = postcard::from_bytes(rest).map_err(fail)?;
        for (at, why) in reasons {
            let count = alerts.len();
            let alert = alerts.get_mut(at as usize);
            alert.ok_or_else(|| format!("a reason: found one of alert {at}, must be of {count}"))?.why = why;
        }
        Ok(Self { blocks, alerts, metrics, rows, repairs })
    }
}

#[cfg(test)]
mod tests {
    use corec_core::alert::AlertState;
    use corec_core::repairs::{RepairCause, RepairedEntity};

    use super::*;

    fn metric(value: f64) -> Metric {
        Metric { tick: 3, name: "fitness".into(), value }
    }

    fn alert(why: &str) -> Alert {
        Alert {
            instance: "corec1".into(),
            epoch: 1,
            sequence: 2,
            tick: 3,
            name: "n".into(),
            subject: "s".into(),
            value: 0.5,
            severity: 4,
            state: AlertState::Raised,
            by: String::new(),
            why: why.into(),
        }
    }

    fn batch() -> Batch {
        let state = BlockState {
            tick: 3,
            block: 9,
            group: "swarm".into(),
            channel: -1,
            entities: 10,
            active: 8,
            mean: 0.5,
            deviation: f32::INFINITY,
            fitness: 0.25,
            threshold: -0.0,
        };
        let row = KeyValue { tick: 3, plugin: "p".into(), key: "k".into(), value: "{}".into() };
        let entities = vec![
            RepairedEntity { entity: u64::MAX, replaced: Some(7), parent: None },
            RepairedEntity { entity: 8, replaced: None, parent: Some(0) },
        ];
        Batch {
            blocks: vec![state],
            alerts: vec![alert(""), alert("mean +9.1")],
            metrics: vec![metric(0.5)],
            rows: vec![row],
            repairs: vec![RepairRecord { tick: 3, block: 9, cause: RepairCause::Flag, entities }],
        }
    }

    #[test]
    fn a_batch_on_disk_is_the_batch_that_was_put() {
        let batch = batch();
        let mut bytes = b"before".to_vec();
        batch.encode(&mut bytes);
        assert_eq!(Batch::decode(&bytes[6..]), Ok(batch));
        for length in 0..bytes.len() - 6 {
            assert!(Batch::decode(&bytes[6..6 + length]).is_err(), "{length} bytes");
        }
        // What has no value keeps its bits.
        let odd = f64::from_bits(0x7ff8_0000_0000_0123);
        let batch = Batch { metrics: vec![metric(odd)], ..Batch::default() };
        let mut bytes = Vec::new();
        batch.encode(&mut bytes);
        assert_eq!(Batch::decode(&bytes).unwrap().metrics[0].value.to_bits(), odd.to_bits());
    }

    #[test]
    fn an_item_of_the_versions_before_has_neither_repairs_nor_reasons() {
        let Batch { blocks, alerts, metrics, rows, .. } = batch();
        let bytes = postcard::to_allocvec(&(&blocks, &alerts, &metrics, &rows)).unwrap();
        let alerts = vec![alert(""), alert("")];
        let wanted = Batch { blocks, alerts, metrics, rows, repairs: Vec::new() };
        assert_eq!(Batch::decode(&bytes), Ok(wanted));
    }

    #[test]
    fn an_item_of_a_version_to_come_and_a_reason_of_no_alert_are_refused() {
        let mut bytes = Vec::new();
        batch().encode(&mut bytes);
        bytes[10] = 3;
        let error = Batch::decode(&bytes).unwrap_err();
        assert_eq!(error, "an item's version: found 3, must be at most 2");
        let alone = Written {
            blocks: &[],
            alerts: &[alert("")],
            metrics: &[],
            rows: &[],
            repairs: &[],
            reasons: vec![(1, "why")],
        };
        let bytes = [&MARK[..], &[VERSION], &postcard::to_allocvec(&alone).unwrap()].concat();
        assert_eq!(Batch::decode(&bytes).unwrap_err(), "a reason: found one of alert 1, must be of 1");
    }
}
