//! Memory: compares what a scenario will need with what there is, before anything is allocated.

mod cgroup;

use std::fmt;
use std::fs;
use std::path::Path;

use crate::config::{BlockGroup, Scenario};
use crate::kind::{BASE_BYTES, BLOCK_BYTES, KindSpec, Kinds, RECORD_BYTES};
use crate::populate::{PopulateError, resolve};
use crate::units::{MemoryMax, grouped};

/// The memory of one kind.
#[derive(Clone, Debug, PartialEq)]
pub struct KindNeed {
    /// The kind.
    pub kind: String,
    /// Its entities.
    pub entities: u64,
    /// Bytes of a row.
    pub row_bytes: usize,
    /// Bytes the world takes for a row beside it.
    pub overhead_bytes: f64,
    /// Bytes in all.
    pub bytes: u64,
}

/// The memory of a run, by kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Need {
    /// By kind.
    pub kinds: Vec<KindNeed>,
    /// Bytes of the entities' records.
    pub records: u64,
    /// Everything together, the process itself included.
    pub bytes: u64,
}

impl Need {
    /// What `scenario` will need with these kinds.
    ///
    /// # Errors
    /// A group whose kind is not there or whose blocks are too large.
    pub fn of(kinds: &Kinds, scenario: &Scenario) -> Result<Self, PopulateError> {
        let specs = resolve(kinds, scenario)?;
        let rows = |group: &BlockGroup, spec: &KindSpec| match spec.is_recycled() {
            // Whole blocks, and one to be born in for a group without entities.
            true => blocks_of(group) * u64::from(group.entities_per_block),
            false => group.entities,
        };
        let all: u64 = scenario.blocks.iter().zip(&specs).map(|(group, spec)| rows(group, spec)).sum();
        let records = all.next_power_of_two().saturating_mul(RECORD_BYTES);
        let mut need = Self { kinds: Vec::new(), records, bytes: records.saturating_add(BASE_BYTES) };
        for (group, spec) in scenario.blocks.iter().zip(specs) {
            let row = spec.row_bytes() as f64 + spec.row_overhead_bytes();
            let bytes = (rows(group, spec) as f64 * row) as u64 + blocks_of(group) * BLOCK_BYTES;
            need.bytes = need.bytes.saturating_add(bytes);
            match need.kinds.iter_mut().find(|k| k.kind == spec.name()) {
                Some(kind) => {
                    kind.entities += group.entities;
                    kind.bytes += bytes;
                }
                None => need.kinds.push(KindNeed::new(spec, group.entities, bytes)),
            }
        }
        Ok(need)
    }
}

fn blocks_of(group: &BlockGroup) -> u64 {
    group.entities.div_ceil(u64::from(group.entities_per_block)).max(1)
}

impl KindNeed {
    fn new(spec: &KindSpec, entities: u64, bytes: u64) -> Self {
        let (row_bytes, overhead_bytes) = (spec.row_bytes(), spec.row_overhead_bytes());
        Self { kind: spec.name().into(), entities, row_bytes, overhead_bytes, bytes }
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<16} {:>15} {:>10} {:>10} {:>12}", "kind", "entities", "row B", "more B", "MB")?;
        for k in &self.kinds {
            writeln!(
                f,
                "{:<16} {:>15} {:>10} {:>10.1} {:>12.1}",
                k.kind,
                grouped(k.entities),
                k.row_bytes,
                k.overhead_bytes,
                k.bytes as f64 / 1e6
            )?;
        }
        writeln!(f, "{:<16} {:>50.1}", "entity records", self.records as f64 / 1e6)?;
        write!(f, "{:<16} {:>50.1}", "with the engine", self.bytes as f64 / 1e6)
    }
}

/// Bytes that `max` allows on this machine; none where the system does not tell how much it has.
pub fn limit(max: MemoryMax) -> Option<u64> {
    match max {
        MemoryMax::Bytes(bytes) => Some(bytes),
        MemoryMax::Share(share) => Some((available()? as f64 * share) as u64),
    }
}

/// Bytes this process may use: the machine's, or its cgroup's if that has less.
fn available() -> Option<u64> {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
        Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
    });
    cgroup::limit(Path::new("/")).into_iter().chain(machine).min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::{Signal, Trait};
    use crate::config::BlockGroup;
    use crate::kind::Kind;

    #[test]
    fn a_need_is_the_sum_over_kinds() {
        let mut kinds = Kinds::default();
        kinds.register(Kind::new("cell").with::<Signal>().with::<Trait>()).unwrap();
        let group = |id: &str| BlockGroup { id: id.into(), entities: 500_000, ..Default::default() };
        let scenario = Scenario { blocks: vec![group("a"), group("b")], ..Default::default() };
        let need = Need::of(&kinds, &scenario).unwrap();
        // 24 B of row, 32.4 + 3 * 8 of bevy_ecs, 4 of directory; 2^20 records; 1000 blocks.
        assert_eq!(need.bytes, 84_400_000 + 25_165_824 + 350_000 + 14_000_000);
        assert!(need.to_string().contains("1,000,000"), "{need}");
    }
}
