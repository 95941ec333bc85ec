//! Batches: what a run of a test's own has for its store.
#![allow(dead_code, reason = "each test file uses a part of it")]

use corec_core::alert::{Alert, AlertState};
use corec_core::repairs::{RepairCause, RepairRecord, RepairedEntity};
use corec_core::store::{Batch, BlockState, KeyValue, Metric, RunRecord};
use corec_core::units::RunId;

/// A run of this id, new or gone on with.
pub fn record(id: u128, continues: bool) -> RunRecord {
    RunRecord {
        id: Some(RunId(id)),
        scenario: "cells".into(),
        instance: "corec1".into(),
        seed: u64::MAX,
        entities: 5000,
        settings: "{}".into(),
        continues,
        is_old: false,
    }
}

/// States of so many blocks at a tick, half of them of each of two groups.
pub fn states(tick: u64, blocks: u32) -> Vec<BlockState> {
    let state = |block: u32| BlockState {
        tick,
        block,
        group: if block < blocks / 2 { "sensors" } else { "safety" }.into(),
        channel: -3,
        entities: 1000,
        active: 990,
        mean: 0.1,
        deviation: 0.25,
        fitness: if block < blocks / 2 { 0.5 } else { 1.0 },
        threshold: 0.4,
    };
    (0..blocks).map(state).collect()
}

/// Some of every kind at a tick.
pub fn every_kind(tick: u64) -> Batch {
    let metric = |name: &'static str| Metric { tick, name: name.into(), value: tick as f64 / 3.0 };
    let row = |key: &str| KeyValue {
        tick,
        plugin: "forest".into(),
        key: key.into(),
        value: format!("{{\"b\": {tick}, \"a\":[1.50, \"ñ\"]}}"),
    };
    let entities = vec![
        RepairedEntity { entity: 100 + tick, replaced: Some(3), parent: None },
        RepairedEntity { entity: 4, replaced: None, parent: Some(7) },
    ];
    Batch {
        blocks: states(tick, 6),
        alerts: vec![alert(tick)],
        metrics: ["fitness", "entities"].map(metric).into(),
        rows: ["x", "it's"].map(row).into(),
        repairs: vec![RepairRecord { tick, block: 3, cause: RepairCause::Flag, entities }],
    }
}

/// The alert of a tick: raised in even ones, which say why, cleared in odd ones.
pub fn alert(tick: u64) -> Alert {
    let state = if tick.is_multiple_of(2) { AlertState::Raised } else { AlertState::Cleared };
    Alert {
        instance: "corec1".into(),
        epoch: 0,
        tick,
        sequence: tick,
        name: "low_fitness".into(),
        subject: "sensors/0".into(),
        value: 0.1,
        severity: 2,
        state,
        by: String::new(),
        why: if state == AlertState::Raised { "mean +9.1, ñ".into() } else { String::new() },
    }
}
