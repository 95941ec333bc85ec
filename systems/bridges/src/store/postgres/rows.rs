//! Rows: how each sort of row is keyed, checked and written in PostgreSQL's binary COPY format.

use std::cmp::Ordering;

use bytes::{BufMut, BytesMut};
use corec_core::alert::Alert;
use corec_core::repairs::RepairRecord;
use corec_core::store::{Batch, BlockState, KeyValue, Metric};
use serde_json::{Value, json};

use super::binary::{
    check_numbers, check_texts, long, put_double, put_integer, put_json, put_long, put_real, put_small,
    put_text,
};
use super::cursor::Cursor;
use crate::repaired::{lists, lists_json};

/// A row of a batch, and its table.
pub(super) trait Row {
    const TABLE: &'static str;
    /// Its place among the tables.
    const PLACE: usize;
    const COLUMNS: &'static [&'static str];
    /// Columns that tell one row of a run from another. The first is a number.
    const KEY: &'static [&'static str];

    /// The key's order.
    fn compare(&self, other: &Self) -> Ordering;
    /// The key's first column.
    fn first(&self) -> u64;
    /// Whether no row of this key can be in the tables.
    fn is_above(&self, cursor: &Cursor) -> bool;
    /// Moves the cursor up to the row.
    fn raise(&self, cursor: &mut Cursor);
    /// What of it PostgreSQL has no form for.
    fn check(&self) -> Result<(), &'static str>;
    fn encode(&self, run: i64, to: &mut BytesMut);
    fn content(&self) -> Value;
}

impl Cursor {
    /// The cursor once a batch is in the tables.
    pub fn after(&self, batch: &Batch) -> Self {
        let mut next = Self { version: self.version + 1, ..*self };
        batch.blocks.iter().for_each(|row| row.raise(&mut next));
        batch.alerts.iter().for_each(|row| row.raise(&mut next));
        batch.metrics.iter().for_each(|row| row.raise(&mut next));
        batch.rows.iter().for_each(|row| row.raise(&mut next));
        batch.repairs.iter().for_each(|row| row.raise(&mut next));
        next
    }
}

/// Puts the places of those rows that can be written into `order`, each key once (the first counts, as in SQLite), and the others with
/// the cause into `aside`. Says whether none of them can be in the tables.
pub(super) fn choose<T: Row>(
    rows: &[T],
    cursor: &Cursor,
    order: &mut Vec<u32>,
    aside: &mut Vec<(u32, String)>,
) -> bool {
    order.clear();
    let (mut is_ascending, mut is_above) = (true, true);
    for (at, row) in rows.iter().enumerate() {
        if let Err(cause) = row.check() {
            aside.push((at as u32, cause.into()));
            continue;
        }
        is_above &= row.is_above(cursor);
        is_ascending &= order.last().is_none_or(|last| rows[*last as usize].compare(row).is_lt());
        order.push(at as u32);
    }
    if !is_ascending {
        let compare = |a: &u32, b: &u32| rows[*a as usize].compare(&rows[*b as usize]);
        order.sort_by(compare);
        order.dedup_by(|b, a| compare(a, b).is_eq());
    }
    is_above
}

impl Row for BlockState {
    const TABLE: &'static str = "block_states";
    const PLACE: usize = 0;
    const COLUMNS: &'static [&'static str] = &[
        "run",
        "tick",
        "block",
        "block_group",
        "channel",
        "entities",
        "active",
        "mean",
        "deviation",
        "fitness",
        "threshold",
    ];
    const KEY: &'static [&'static str] = &["tick", "block"];

    fn compare(&self, other: &Self) -> Ordering {
        (self.tick, self.block).cmp(&(other.tick, other.block))
    }

    fn first(&self) -> u64 {
        self.tick
    }

    fn is_above(&self, cursor: &Cursor) -> bool {
        long(self.tick) > cursor.blocks_tick
    }

    fn raise(&self, cursor: &mut Cursor) {
        cursor.blocks_tick = cursor.blocks_tick.max(long(self.tick));
    }

    fn check(&self) -> Result<(), &'static str> {
        check_numbers(&[self.tick], &[self.block, self.entities, self.active])?;
        check_texts(&[&self.group])
    }

    fn encode(&self, run: i64, to: &mut BytesMut) {
        put_long(to, run);
        put_long(to, long(self.tick));
        put_integer(to, self.block);
        put_text(to, &self.group);
        put_small(to, self.channel.into());
        put_integer(to, self.entities);
        put_integer(to, self.active);
        for number in [self.mean, self.deviation, self.fitness, self.threshold] {
            put_real(to, number);
        }
    }

    fn content(&self) -> Value {
        let Self { tick, block, group, channel, entities, active, mean, deviation, fitness, threshold } =
            self;
        json!({
            "tick": tick, "block": block, "block_group": **group, "channel": channel, "entities": entities,
            "active": active, "mean": mean, "deviation": deviation, "fitness": fitness, "threshold": threshold,
        })
    }
}

impl Row for Alert {
    const TABLE: &'static str = "alerts";
    const PLACE: usize = 1;
    const COLUMNS: &'static [&'static str] = &[
        "run", "epoch", "sequence", "tick", "instance", "name", "subject", "value", "severity", "state",
        "why",
    ];
    const KEY: &'static [&'static str] = &["epoch", "sequence"];

    fn compare(&self, other: &Self) -> Ordering {
        (self.epoch, self.sequence).cmp(&(other.epoch, other.sequence))
    }

    fn first(&self) -> u64 {
        self.epoch.into()
    }

    fn is_above(&self, cursor: &Cursor) -> bool {
        (i64::from(self.epoch), long(self.sequence)) > cursor.alert
    }

    fn raise(&self, cursor: &mut Cursor) {
        cursor.alert = cursor.alert.max((i64::from(self.epoch), long(self.sequence)));
    }

    fn check(&self) -> Result<(), &'static str> {
        check_numbers(&[self.tick, self.sequence], &[])?;
        check_texts(&[&self.instance, &self.name, &self.subject, &self.why])
    }

    fn encode(&self, run: i64, to: &mut BytesMut) {
        put_long(to, run);
        put_long(to, self.epoch.into());
        put_long(to, long(self.sequence));
        put_long(to, long(self.tick));
        put_text(to, &self.instance);
        put_text(to, &self.name);
        put_text(to, &self.subject);
        put_double(to, self.value);
        put_small(to, self.severity.into());
        put_text(to, self.state.as_str());
        if self.why.is_empty() {
            to.put_i32(-1);
        } else {
            put_text(to, &self.why);
        }
    }

    fn content(&self) -> Value {
        serde_json::from_slice(&self.to_json()).unwrap_or_default()
    }
}

impl Row for Metric {
    const TABLE: &'static str = "metrics";
    const PLACE: usize = 2;
    const COLUMNS: &'static [&'static str] = &["run", "tick", "name", "value"];
    const KEY: &'static [&'static str] = &["tick", "name"];

    fn compare(&self, other: &Self) -> Ordering {
        (self.tick, &*self.name).cmp(&(other.tick, &*other.name))
    }

    fn first(&self) -> u64 {
        self.tick
    }

    fn is_above(&self, cursor: &Cursor) -> bool {
        long(self.tick) > cursor.metrics_tick
    }

    fn raise(&self, cursor: &mut Cursor) {
        cursor.metrics_tick = cursor.metrics_tick.max(long(self.tick));
    }

    fn check(&self) -> Result<(), &'static str> {
        check_numbers(&[self.tick], &[])?;
        check_texts(&[&self.name])
    }

    fn encode(&self, run: i64, to: &mut BytesMut) {
        put_long(to, run);
        put_long(to, long(self.tick));
        put_text(to, &self.name);
        put_double(to, self.value);
    }

    fn content(&self) -> Value {
        json!({ "tick": self.tick, "name": self.name, "value": self.value })
    }
}

impl Row for KeyValue {
    const TABLE: &'static str = "plugin_rows";
    const PLACE: usize = 3;
    const COLUMNS: &'static [&'static str] = &["run", "tick", "plugin", "key", "value"];
    const KEY: &'static [&'static str] = &["tick", "plugin", "key"];

    fn compare(&self, other: &Self) -> Ordering {
        (self.tick, &*self.plugin, &self.key).cmp(&(other.tick, &*other.plugin, &other.key))
    }

    fn first(&self) -> u64 {
        self.tick
    }

    fn is_above(&self, cursor: &Cursor) -> bool {
        long(self.tick) > cursor.rows_tick
    }

    fn raise(&self, cursor: &mut Cursor) {
        cursor.rows_tick = cursor.rows_tick.max(long(self.tick));
    }

    fn check(&self) -> Result<(), &'static str> {
        check_numbers(&[self.tick], &[])?;
        check_texts(&[&self.plugin, &self.key, &self.value])
    }

    fn encode(&self, run: i64, to: &mut BytesMut) {
        put_long(to, run);
        put_long(to, long(self.tick));
        put_text(to, &self.plugin);
        put_text(to, &self.key);
        put_text(to, &self.value);
    }

    fn content(&self) -> Value {
        json!({ "tick": self.tick, "plugin": self.plugin, "key": self.key, "value": self.value })
    }
}

impl Row for RepairRecord {
    const TABLE: &'static str = "repairs";
    const PLACE: usize = 4;
    const COLUMNS: &'static [&'static str] =
        &["run", "tick", "block", "cause", "entities", "replaced", "parents"];
    const KEY: &'static [&'static str] = &["tick", "block", "cause"];

    fn compare(&self, other: &Self) -> Ordering {
        (self.tick, self.block, self.cause).cmp(&(other.tick, other.block, other.cause))
    }

    fn first(&self) -> u64 {
        self.tick
    }

    fn is_above(&self, cursor: &Cursor) -> bool {
        long(self.tick) > cursor.repairs_tick
    }

    fn raise(&self, cursor: &mut Cursor) {
        cursor.repairs_tick = cursor.repairs_tick.max(long(self.tick));
    }

    fn check(&self) -> Result<(), &'static str> {
        check_numbers(&[self.tick], &[self.block])
    }

    fn encode(&self, run: i64, to: &mut BytesMut) {
        put_long(to, run);
        put_long(to, long(self.tick));
        put_integer(to, self.block);
        put_text(to, self.cause.as_str());
        lists_json(self).iter().for_each(|json| put_json(to, json));
    }

    fn content(&self) -> Value {
        let [entities, replaced, parents] = lists(self);
        json!({
            "tick": self.tick, "block": self.block, "cause": self.cause, "entities": entities, "replaced": replaced,
            "parents": parents,
        })
    }
}
