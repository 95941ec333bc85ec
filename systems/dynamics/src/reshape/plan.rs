//! The plan: which blocks are fused, split or grown, and which of their rows live on.

use std::collections::{BTreeMap, BTreeSet};

use corec_core::block::{BlockId, GroupId, KindId};
use corec_core::column::{Health, Signal, StableId};
use corec_core::reshape::Change;
use corec_core::rng::{Draws, below};

use super::settings::ReshapePolicy;
use crate::inherit::fittest;

/// A block as the rules see it.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub id: BlockId,
    pub group: GroupId,
    pub kind: KindId,
    pub channel: i8,
    pub load: f32,
    pub live: u32,
    pub active: u32,
    /// Entities that it may have at most.
    pub entities_max: u32,
    pub fitness: f32,
    pub policy: ReshapePolicy,
}

/// What becomes of a block, before it is said of which rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    Fuse { into: BlockId, from: BlockId },
    Split(BlockId),
    Grow(BlockId, u32),
}

/// Decides by the rules, on blocks in the order of their ids. The least fit comes first and gets the fittest host; ties go to the lower id.
/// The last block of a group never retires, and one that takes part in a fusion is not changed otherwise.
pub(super) fn decide(blocks: &[Facts]) -> Vec<Decision> {
    let mut unfit: Vec<&Facts> = blocks.iter().filter(|b| b.fitness < b.policy.fitness_min).collect();
    unfit.sort_by(|a, b| a.fitness.total_cmp(&b.fitness).then(a.id.cmp(&b.id)));
    let mut hosts: Vec<&Facts> = blocks.iter().filter(|b| b.fitness > b.policy.host_fitness_min).collect();
    hosts.sort_by(|a, b| b.fitness.total_cmp(&a.fitness).then(a.id.cmp(&b.id)));
    let mut left: BTreeMap<GroupId, usize> = BTreeMap::new();
    blocks.iter().for_each(|block| *left.entry(block.group).or_default() += 1);
    let mut is_taken = BTreeSet::new();
    let mut decisions = Vec::new();
    for from in unfit {
        let is_host =
            |host: &&Facts| (host.kind, host.channel) == (from.kind, from.channel) && host.id != from.id;
        let (Some(at), Some(left)) = (hosts.iter().position(is_host), left.get_mut(&from.group)) else {
            continue;
        };
        if *left < 2 || is_taken.contains(&from.id) {
            continue;
        }
        *left -= 1;
        let into = hosts.remove(at).id;
        is_taken.extend([into, from.id]);
        decisions.push(Decision::Fuse { into, from: from.id });
    }
    for block in blocks.iter().filter(|block| !is_taken.contains(&block.id)) {
        let policy = &block.policy;
        let wanted = policy.grow_entities.min(block.entities_max);
        if block.load > policy.split_load && block.live > policy.split_entities {
            decisions.push(Decision::Split(block.id));
        } else if block.load < policy.grow_load && block.live < wanted && block.active > 0 {
            decisions.push(Decision::Grow(block.id, wanted - block.live));
        }
    }
    decisions
}

/// A row as a fusion sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rank {
    is_active: bool,
    value: f32,
    id: StableId,
}

/// The rows of a block, to be ranked.
pub(super) fn ranks(ids: &[StableId], healths: &[Health], signals: &[Signal]) -> Vec<Rank> {
    let rows = ids.iter().zip(healths).zip(signals);
    rows.map(|((id, health), signal)| Rank { is_active: health.is_active(), value: signal.value, id: *id })
        .collect()
}

/// The fittest rows of two blocks, as many as `capacity`: active before inactive, then by value, then the lower id.
pub(super) fn survivors(into: &[Rank], from: &[Rank], capacity: u32) -> (Vec<u32>, Vec<u32>) {
    let mut all: Vec<(Rank, bool, u32)> =
        into.iter().zip(0..).map(|(rank, row)| (*rank, true, row)).collect();
    all.extend(from.iter().zip(0..).map(|(rank, row)| (*rank, false, row)));
    let room = capacity as usize;
    if all.len() > room {
        all.select_nth_unstable_by(room, |(a, ..), (b, ..)| {
            b.is_active.cmp(&a.is_active).then(b.value.total_cmp(&a.value)).then(a.id.cmp(&b.id))
        });
        all.truncate(room);
    }
    let rows = |own: bool| {
        let mut rows: Vec<u32> =
            all.iter().filter(|(_, is_own, _)| *is_own == own).map(|(.., row)| *row).collect();
        rows.sort_unstable();
        rows
    };
    (rows(true), rows(false))
}

/// Parents of so many new entities: each the fittest of four active rows drawn.
pub(super) fn parents(block: BlockId, rows: &[Rank], count: u32, draws: &Draws, tick: u64) -> Vec<u32> {
    let active: Vec<u32> = (0..rows.len() as u32).filter(|row| rows[*row as usize].is_active).collect();
    let parent = |birth: u32| {
        let words = draws.words(u64::from(block.0) << 32 | u64::from(birth), tick, 0);
        let candidates = words.map(|word| active[below(word, active.len() as u32) as usize] as usize);
        fittest(candidates, |row| (rows[row].value, rows[row].id)) as u32
    };
    (0..count).map(parent).collect()
}

/// A decision with its rows.
pub(super) fn change(
    decision: Decision,
    ranks: &[Vec<Rank>],
    capacity: impl Fn(BlockId) -> u32,
    draws: &Draws,
    tick: u64,
) -> Change {
    let of = |block: BlockId| &ranks[block.0 as usize][..];
    match decision {
        Decision::Fuse { into, from } => {
            let (kept, moved) = survivors(of(into), of(from), capacity(into));
            Change::Fuse { into, kept, from, moved }
        }
        Decision::Split(block) => Change::Split(block),
        Decision::Grow(block, count) => {
            Change::Grow { block, parents: parents(block, of(block), count, draws, tick) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(id: u32, fitness: f32, load: f32, live: u32) -> Facts {
        Facts {
            id: BlockId(id),
            group: GroupId(0),
            kind: KindId(0),
            channel: 1,
            load,
            live,
            active: live,
            entities_max: 4096,
            fitness,
            policy: ReshapePolicy::default(),
        }
    }

    fn fuse(into: u32, from: u32) -> Decision {
        Decision::Fuse { into: BlockId(into), from: BlockId(from) }
    }

    #[test]
    fn the_least_fit_gets_the_fittest_host_of_its_channel_and_kind() {
        let mut blocks: Vec<Facts> =
            [0.15, 0.6, 0.1, 0.9, 0.3, 0.7].iter().zip(0..).map(|(f, id)| facts(id, *f, 0.5, 800)).collect();
        assert_eq!(decide(&blocks), [fuse(3, 2), fuse(5, 0)]);
        blocks[3].channel = 2;
        assert_eq!(decide(&blocks), [fuse(5, 2), fuse(1, 0)]);
        blocks[2].kind = KindId(1);
        assert_eq!(decide(&blocks), [fuse(5, 0)]);
        blocks[0].group = GroupId(7);
        assert_eq!(decide(&blocks), [], "the last block of its group stays");
    }

    #[test]
    fn the_crowded_are_split_and_the_idle_grown_up_to_the_bounds() {
        let at = |load, live| decide(&[facts(4, 0.4, load, live)]);
        assert_eq!(at(0.81, 501), [Decision::Split(BlockId(4))]);
        assert_eq!((at(0.8, 501), at(0.81, 500)), (vec![], vec![]));
        assert_eq!(at(0.19, 990), [Decision::Grow(BlockId(4), 10)]);
        assert_eq!((at(0.2, 990), at(0.19, 1000)), (vec![], vec![]));
        let mut small = facts(4, 0.4, 0.1, 100);
        small.entities_max = 128;
        assert_eq!(decide(&[small.clone()]), [Decision::Grow(BlockId(4), 28)]);
        small.active = 0;
        assert_eq!(decide(&[small]), [], "nobody to be a copy of");
    }

    #[test]
    fn the_fittest_of_two_blocks_live_on() {
        let row = |value: f32, id: u64, is_active: bool| Rank { is_active, value, id: StableId(id) };
        let into = [row(0.5, 7, true), row(0.9, 8, false), row(0.2, 9, true)];
        let from = [row(0.5, 1, true), row(0.1, 2, true), row(0.8, 3, true)];
        assert_eq!(survivors(&into, &from, 3), (vec![0], vec![0, 2]));
        assert_eq!(survivors(&into, &from, 2), (vec![], vec![0, 2]), "ties go to the lower id");
        assert_eq!(survivors(&into, &from, 6), (vec![0, 1, 2], vec![0, 1, 2]));
    }
}
