//! Groups: what their blocks come to together.

use corec_run::view::View;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Groups in a summary at most: beyond them the last entry has what is left.
const GROUPS_MAX: usize = 64;
/// What the entry is called that stands for all other groups.
const OTHERS: &str = "(other)";

/// A group of blocks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GroupTold {
    /// Its name; `(other)` for all beyond the first 64.
    pub name: String,
    /// The kind of its entities.
    pub kind: String,
    /// Live entities.
    pub entities: u64,
    /// Blocks.
    pub blocks: u64,
    /// Mean fitness over its live entities; null before it is measured.
    pub fitness: Option<f64>,
    /// Inactive share of its live entities; null before it is measured.
    pub fault_ratio: Option<f64>,
}

/// A group's sums over its blocks.
#[derive(Clone, Debug, Default)]
pub(crate) struct GroupSums {
    pub name: String,
    pub kind: String,
    pub blocks: u64,
    pub live: u64,
    /// Live entities of measured blocks, and fitness and faults summed over them.
    measured: u64,
    fitness: f64,
    faulty: f64,
}

impl GroupSums {
    /// Mean fitness; none before it is measured.
    pub fn fitness(&self) -> Option<f64> {
        (self.measured > 0).then(|| self.fitness / self.measured as f64)
    }

    /// Inactive share; none before it is measured.
    pub fn fault_ratio(&self) -> Option<f64> {
        (self.measured > 0).then(|| self.faulty / self.measured as f64)
    }
}

/// The groups of a run, the first 64 by themselves.
pub(crate) fn group_sums(view: &View) -> Vec<GroupSums> {
    let groups = &view.layout.groups;
    let named = |(name, kind): &(String, String)| GroupSums {
        name: name.clone(),
        kind: kind.clone(),
        ..GroupSums::default()
    };
    let mut sums: Vec<GroupSums> = groups.iter().take(GROUPS_MAX).map(named).collect();
    if groups.len() > GROUPS_MAX {
        sums.push(GroupSums { name: OTHERS.into(), ..GroupSums::default() });
    }
    for (id, group, _) in &view.layout.blocks {
        let Some(stats) = view.blocks.get(id.0 as usize) else { continue };
        let sum = &mut sums[usize::from(group.0).min(GROUPS_MAX)];
        sum.blocks += 1;
        sum.live += u64::from(stats.live);
        if stats.is_measured == 1 {
            let live = f64::from(stats.live);
            sum.measured += u64::from(stats.live);
            sum.fitness += f64::from(stats.fitness) * live;
            sum.faulty += f64::from(stats.fault_ratio) * live;
        }
    }
    sums
}

impl From<GroupSums> for GroupTold {
    fn from(sums: GroupSums) -> Self {
        Self {
            entities: sums.live,
            blocks: sums.blocks,
            fitness: sums.fitness(),
            fault_ratio: sums.fault_ratio(),
            name: sums.name,
            kind: sums.kind,
        }
    }
}
