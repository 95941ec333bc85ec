//! Blocks: as last measured, in any order; and the rows of one.

use corec_core::block::{BlockId, GroupId};
use corec_core::stats::BlockStats;
use corec_run::view::{BlockRows, View};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::finite;

/// Blocks in one answer at most.
const LIMIT_MAX: usize = 1000;

/// A block.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BlockTold {
    /// Its id.
    pub id: u32,
    /// Its name: its group's and its place in it.
    pub name: String,
    /// Its group.
    pub group: String,
    /// Its kind.
    pub kind: String,
    /// Live entities.
    pub live: u32,
    /// Live entities that are active.
    pub active: u32,
    /// Mean value of the active ones; null where that is no number.
    pub mean: Option<f64>,
    /// Standard deviation of their values; null where that is no number.
    pub deviation: Option<f64>,
    /// Inactive share of the live ones, 0..=1.
    pub fault_ratio: f64,
    /// Smoothed fitness, 0..=1; null where that is no number.
    pub fitness: Option<f64>,
    /// What a value must exceed to be sent; null where that is no number.
    pub threshold: Option<f64>,
    /// How far it stood apart in the last audit, 0..=1; null if it was not audited.
    pub audit_score: Option<f64>,
    /// Whether somebody has flagged it.
    pub is_flagged: bool,
}

/// Some blocks of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BlocksTold {
    /// Finished ticks.
    pub tick: u64,
    /// Blocks that were asked about, beyond these too.
    pub total: usize,
    /// The blocks.
    pub blocks: Vec<BlockTold>,
}

/// A block and its rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RowsTold {
    /// Finished ticks when they were read.
    pub tick: u64,
    /// The block.
    pub block: BlockTold,
    /// What stands where in a row. `state` is 1 for one that works and 0 for one that failed; columns that the kind has not are absent.
    pub columns: Vec<String>,
    /// A row for each entity.
    pub rows: Vec<Vec<Value>>,
}

/// What blocks are sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SortBy {
    /// Their ids.
    #[default]
    Id,
    /// Fitness.
    Fitness,
    /// Fault ratio.
    FaultRatio,
    /// Mean value.
    Mean,
    /// Deviation.
    Deviation,
    /// How far they stood apart in the last audit; those that were not audited come last.
    AuditScore,
}

/// Which comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// The least.
    #[default]
    Asc,
    /// The most.
    Desc,
}

/// Which blocks are asked for.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BlockQuery {
    /// Those of one group.
    pub group: Option<String>,
    /// In which order.
    pub sort: SortBy,
    /// From which end.
    pub order: Order,
    /// How many are left out first.
    pub offset: usize,
    /// How many at most; 100 if not given, 1000 at most.
    pub limit: Option<usize>,
}

impl BlockTold {
    fn of(view: &View, at: (BlockId, GroupId, u32)) -> Self {
        let (id, group, _) = at;
        let (name, (group, kind)) = (view.layout.name_of(at), &view.layout.groups[usize::from(group.0)]);
        let stats: BlockStats = view.blocks.get(id.0 as usize).copied().unwrap_or_default();
        let score = view.audit_scores.get(id.0 as usize).copied().unwrap_or(f32::NAN);
        Self {
            id: id.0,
            name,
            group: group.clone(),
            kind: kind.clone(),
            live: stats.live,
            active: stats.active,
            mean: finite(stats.mean.into()),
            deviation: finite(stats.deviation.into()),
            fault_ratio: stats.fault_ratio.into(),
            fitness: finite(stats.fitness.into()),
            threshold: finite(stats.threshold.into()),
            audit_score: finite(score.into()),
            is_flagged: view.flagged.contains(&id),
        }
    }

    fn key(&self, by: SortBy) -> f64 {
        match by {
            SortBy::Id => self.id.into(),
            SortBy::Fitness => self.fitness.unwrap_or(f64::NAN),
            SortBy::FaultRatio => self.fault_ratio,
            SortBy::Mean => self.mean.unwrap_or(f64::NAN),
            SortBy::Deviation => self.deviation.unwrap_or(f64::NAN),
            SortBy::AuditScore => self.audit_score.unwrap_or(f64::NAN),
        }
    }
}

impl BlocksTold {
    /// Those of a picture that were asked for; none if there is no such group.
    pub fn of(view: &View, query: &BlockQuery) -> Option<Self> {
        let layout = &view.layout;
        let group = match &query.group {
            None => None,
            Some(name) => Some(layout.groups.iter().position(|(group, _)| group == name)?),
        };
        let wanted = layout.blocks.iter().filter(|(_, of, _)| group.is_none_or(|g| g == usize::from(of.0)));
        let mut blocks: Vec<BlockTold> = wanted.map(|at| BlockTold::of(view, *at)).collect();
        let key = |block: &BlockTold| block.key(query.sort);
        blocks.sort_by(|a, b| {
            let (a, b) = (key(a), key(b));
            let by_value = if query.order == Order::Desc { b.total_cmp(&a) } else { a.total_cmp(&b) };
            a.is_nan().cmp(&b.is_nan()).then(by_value)
        });
        let total = blocks.len();
        let limit = query.limit.unwrap_or(100).min(LIMIT_MAX);
        let blocks = blocks.into_iter().skip(query.offset).take(limit).collect();
        Some(Self { tick: view.tick, total, blocks })
    }
}

impl RowsTold {
    /// A block of a picture, with its rows; none if there is no such block.
    pub fn of(view: &View, id: BlockId, rows: &BlockRows) -> Option<Self> {
        let at = view.layout.blocks.binary_search_by_key(&id, |(id, ..)| *id).ok()?;
        let block = BlockTold::of(view, view.layout.blocks[at]);
        let BlockRows { ids, signals, healths, traits, .. } = rows;
        let number = |value: f32| finite(value.into()).map_or(Value::Null, Value::from);
        let mut columns = vec!["id"];
        let parts: [(&[&str], usize); 3] = [
            (&["value"], signals.len()),
            (&["state", "failures"], healths.len()),
            (&["gain", "target"], traits.len()),
        ];
        parts.iter().filter(|(_, rows)| *rows > 0).for_each(|(names, _)| columns.extend(*names));
        let row = |row: usize| {
            let mut cells = vec![Value::from(ids[row].0)];
            cells.extend(signals.get(row).map(|signal| number(signal.value)));
            if let Some(health) = healths.get(row) {
                cells.extend([Value::from(u8::from(health.is_active())), Value::from(health.failures)]);
            }
            if let Some(own) = traits.get(row) {
                cells.extend([number(own.gain), number(own.target)]);
            }
            cells
        };
        let columns = columns.into_iter().map(String::from).collect();
        Some(Self { tick: rows.tick, block, columns, rows: (0..ids.len()).map(row).collect() })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use corec_run::view::Layout;

    use super::*;

    #[test]
    fn blocks_come_in_the_order_that_was_asked_for_and_those_without_a_number_last() {
        let stats = |mean| BlockStats { mean, is_measured: 1, live: 1, ..BlockStats::default() };
        let groups = vec![("a".to_string(), "cell".to_string())];
        let view = View {
            layout: Arc::new(Layout {
                version: 1,
                groups,
                blocks: (0..4).map(|id| (BlockId(id), GroupId(0), id)).collect(),
            }),
            blocks: vec![stats(2.0), stats(f32::NAN), stats(-1.0), stats(0.5)],
            ..View::default()
        };
        let ids = |order, offset| -> Vec<u32> {
            let query = BlockQuery { sort: SortBy::Mean, order, offset, ..BlockQuery::default() };
            let told = BlocksTold::of(&view, &query).unwrap();
            assert_eq!(told.total, 4);
            // What has no number is null, and read again as such.
            let text = serde_json::to_string(&told).unwrap();
            assert_eq!(serde_json::from_str::<BlocksTold>(&text).unwrap(), told);
            told.blocks.iter().map(|block| block.id).collect()
        };
        assert_eq!(ids(Order::Asc, 0), [2, 3, 0, 1]);
        assert_eq!(ids(Order::Desc, 0), [0, 3, 2, 1]);
        assert_eq!(ids(Order::Desc, 3), [1]);
        assert!(ids(Order::Desc, 9).is_empty());
        let nobody = BlockQuery { group: Some("b".into()), ..BlockQuery::default() };
        assert_eq!(BlocksTold::of(&view, &nobody), None);
    }
}
