//! Blocks of a recycled kind beside a fixed one, changed at random and compared with a map of who is alive.

use std::collections::BTreeMap;

use bevy_app::App;
use proptest::prelude::*;

use super::*;
use crate::block::Directory;
use crate::block::GroupId;
use crate::column::Signal;
use crate::column::{Health, StableId};
use crate::config::{BlockGroup, Scenario};
use crate::kind::{AddKind, Kind};
use crate::populate::populate;
use crate::raw;
use crate::rows::Rows;

fn world(entities: u64, per_block: u32) -> World {
    let mut app = App::new();
    app.add_kind(Kind::new("spark").with::<Signal>().recycled()).add_kind(Kind::new("rock").with::<Signal>());
    let group = |id: &str, kind: &str, entities| BlockGroup {
        id: id.into(),
        kind: kind.into(),
        entities,
        entities_per_block: per_block,
        ..Default::default()
    };
    let blocks =
        vec![group("sparks", "spark", entities), group("rocks", "rock", 3), group("more", "spark", entities)];
    populate(app.world_mut(), &Scenario { blocks, ..Default::default() }).unwrap();
    let mut world = std::mem::take(app.world_mut());
    let mut rows = Rows::new(&mut world);
    for id in rows.population().kinds()[0]
        .blocks()
        .to_vec()
        .iter()
        .flat_map(|block| ids(&rows, block))
        .collect::<Vec<_>>()
    {
        rows.get(id).unwrap().set(Signal { value: id.0 as f32 }).unwrap();
    }
    drop(rows);
    world
}

/// Ids are given in the order of groups at first.
fn ids(rows: &Rows, block: &Block) -> Vec<StableId> {
    let before: u64 =
        rows.population().blocks().filter(|b| b.id() < block.id()).map(|b| u64::from(b.live())).sum();
    (0..u64::from(block.live())).map(|row| StableId(before + row)).collect()
}

fn block(world: &World, id: u32) -> Block {
    *world.resource::<Population>().block(BlockId(id)).unwrap()
}

/// Who lives in a block, in row order.
fn alive(world: &World, block: &Block) -> Vec<u64> {
    let table = &world.resource::<Population>().kinds[0];
    let row = |row: u32| raw::read::<StableId>(world, table.table, table.columns[0].id, block.start + row).0;
    (0..block.live).map(row).collect()
}

/// Every law of the blocks of the first kind.
fn check_laws(world: &mut World, values: &BTreeMap<u64, f32>) {
    let population = world.resource::<Population>();
    population.check(world).unwrap();
    let table = &population.kinds[0];
    assert_eq!(table.live as usize, values.len());
    let mut end = 0;
    for (at, block) in table.blocks.iter().enumerate() {
        assert_eq!(block.start, end);
        assert!(block.live <= block.capacity && block.capacity > 0);
        assert!(at == 0 || table.blocks[at - 1].id < block.id, "blocks are in the order of their ids");
        assert_eq!(population.by_id[block.id.0 as usize], Some((KindId(0), at as u32)));
        end += block.capacity;
        for row in block.start..end {
            let id: StableId = raw::read(world, table.table, table.columns[0].id, row);
            assert_eq!(id == StableId::NONE, row >= block.start + block.live, "row {row} of {block:?}");
        }
    }
    assert!(end <= table.rows);
    for row in end..table.rows {
        assert_eq!(raw::read::<StableId>(world, table.table, table.columns[0].id, row), StableId::NONE);
    }
    for group in &population.groups {
        let names: Vec<u32> = group
            .blocks
            .iter()
            .map(|at| population.kinds[usize::from(group.kind.0)].blocks[*at as usize].index)
            .collect();
        assert!(names.is_sorted() && names.iter().all(|name| *name < group.next_index), "{names:?}");
    }
    let mut rows = Rows::new(world);
    for (&id, &value) in values {
        let row = rows.get(StableId(id)).unwrap();
        assert_eq!((row.value::<StableId>().unwrap().0, row.value::<Signal>().unwrap().value), (id, value));
        assert!(row.value::<Health>().unwrap().is_active());
    }
    drop(rows);
    let known: usize = values.len() + 3;
    assert_eq!(world.resource::<Directory>().len(), known);
}

#[derive(Clone, Debug)]
enum Step {
    Reshape(Vec<(u8, prop::sample::Index, prop::sample::Index, Vec<bool>)>),
    Spawn(bool),
    Free(prop::sample::Index),
}

fn step() -> impl Strategy<Value = Step> {
    let change = (
        0u8..3,
        any::<prop::sample::Index>(),
        any::<prop::sample::Index>(),
        prop::collection::vec(any::<bool>(), 24),
    );
    prop_oneof![
        2 => prop::collection::vec(change, 1..6).prop_map(Step::Reshape),
        1 => any::<bool>().prop_map(Step::Spawn),
        1 => any::<prop::sample::Index>().prop_map(Step::Free),
    ]
}

/// Changes of blocks that no other has, and what becomes of the living.
fn changes(
    world: &World,
    drawn: &[(u8, prop::sample::Index, prop::sample::Index, Vec<bool>)],
    values: &mut BTreeMap<u64, f32>,
) -> Vec<Change> {
    let mut free: Vec<Block> = world.resource::<Population>().kinds[0].blocks.clone();
    let mut left: BTreeMap<GroupId, usize> = BTreeMap::new();
    free.iter().for_each(|block| *left.entry(block.group).or_default() += 1);
    let (mut changes, mut births) = (Vec::new(), BTreeMap::new());
    for (what, one, other, picks) in drawn {
        if free.len() < 2 {
            break;
        }
        let block = free.remove(one.index(free.len()));
        let chosen = |block: &Block, skip: usize| -> Vec<u32> {
            (0..block.live).filter(|row| picks[(*row as usize + skip) % picks.len()]).collect()
        };
        match what {
            0 => {
                let from = free.remove(other.index(free.len()));
                let (kept, mut moved) = (chosen(&block, 0), chosen(&from, 5));
                moved.truncate((block.capacity as usize).saturating_sub(kept.len()));
                if kept.len() + moved.len() == 0 || left[&from.group] == 1 {
                    continue;
                }
                *left.get_mut(&from.group).unwrap() -= 1;
                for (block, rows) in [(&block, &kept), (&from, &moved)] {
                    let gone = alive(world, block)
                        .into_iter()
                        .enumerate()
                        .filter(|(row, _)| !rows.contains(&(*row as u32)));
                    gone.for_each(|(_, id)| _ = values.remove(&id));
                }
                changes.push(Change::Fuse { into: block.id, kept, from: from.id, moved });
            }
            1 if block.live > 1 => changes.push(Change::Split(block.id)),
            _ if block.live > 0 => {
                let parents: Vec<u32> = chosen(&block, 0).into_iter().rev().collect();
                let here = alive(world, &block);
                births.insert(
                    block.id,
                    parents.iter().map(|row| values[&here[*row as usize]]).collect::<Vec<f32>>(),
                );
                changes.push(Change::Grow { block: block.id, parents });
            }
            _ => {}
        }
    }
    // Births are numbered by block, whatever the order of the changes.
    let first = world.resource::<Directory>().next_id().0;
    values.extend((first..).zip(births.into_values().flatten()));
    changes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn whoever_is_kept_is_found_and_nobody_else(
        entities in 1u64..60, per_block in 1u32..12, steps in prop::collection::vec(step(), 1..12)
    ) {
        let mut world = world(entities, per_block);
        let mut values: BTreeMap<u64, f32> =
            (0..entities).chain(entities + 3..2 * entities + 3).map(|id| (id, id as f32)).collect();
        for step in steps {
            match step {
                Step::Reshape(drawn) => {
                    let changes = changes(&world, &drawn, &mut values);
                    reshape(&mut world, &changes).unwrap();
                }
                Step::Spawn(more) => {
                    let mut rows = Rows::new(&mut world);
                    let id = rows.spawn(GroupId(if more { 2 } else { 0 })).unwrap().set(Signal { value: 0.5 }).unwrap().id();
                    values.insert(id.0, 0.5);
                }
                Step::Free(index) if !values.is_empty() => {
                    let id = *values.keys().nth(index.index(values.len())).unwrap();
                    values.remove(&id);
                    Rows::new(&mut world).free(StableId(id)).unwrap();
                }
                Step::Free(_) => {}
            }
            check_laws(&mut world, &values);
        }
    }
}

#[test]
fn ids_of_blocks_and_their_names_never_come_back() {
    let mut world = world(30, 10);
    let all: Vec<u32> = (0..10).collect();
    // Blocks 0, 1, 2 of "sparks", 3 of "rocks", 4, 5, 6 of "more".
    let fuse = |into: u32, from: u32| Change::Fuse {
        into: BlockId(into),
        kept: all[..5].to_vec(),
        from: BlockId(from),
        moved: all[5..].to_vec(),
    };
    let reshaped = reshape(&mut world, &[Change::Split(BlockId(5)), fuse(4, 2)]).unwrap();
    assert_eq!((reshaped.retired, reshaped.split), (vec![BlockId(2)], vec![(BlockId(5), BlockId(7))]));
    assert_eq!((reshaped.died, reshaped.born), (10, 0));
    let population = world.resource::<Population>();
    assert!(population.block(BlockId(2)).is_none());
    assert_eq!((population.block_count(), population.blocks().count()), (8, 7));
    assert_eq!(population.block_name(BlockId(7)), "more/3");
    assert_eq!(alive(&world, &block(&world, 4)), [33, 34, 35, 36, 37, 25, 26, 27, 28, 29]);
    assert_eq!((alive(&world, &block(&world, 5)).len(), alive(&world, &block(&world, 7)).len()), (5, 5));
    // A new block of "sparks" is not the one that was.
    let mut rows = Rows::new(&mut world);
    let id = rows.spawn(GroupId(0)).unwrap().block();
    assert_eq!((id, rows.population().block_name(id)), (BlockId(8), "sparks/3".into()));
}

#[test]
fn changes_that_can_not_be_made_change_nothing() {
    let mut world = world(10, 10);
    let refused = |world: &mut World, changes: &[Change]| {
        let before = (block(world, 0), block(world, 2), world.resource::<Directory>().next_id());
        let error = reshape(world, changes).unwrap_err();
        assert_eq!((block(world, 0), block(world, 2), world.resource::<Directory>().next_id()), before);
        error
    };
    let fuse = |into: u32, kept: &[u32], from: u32, moved: &[u32]| Change::Fuse {
        into: BlockId(into),
        kept: kept.to_vec(),
        from: BlockId(from),
        moved: moved.to_vec(),
    };
    let grow = |block: u32, parents: Vec<u32>| Change::Grow { block: BlockId(block), parents };
    assert_eq!(refused(&mut world, &[fuse(0, &[1], 2, &[1])]), ReshapeError::LastBlock("more/0".into()));
    assert_eq!(refused(&mut world, &[Change::Split(BlockId(1))]), ReshapeError::FixedKind("rock".into()));
    assert_eq!(refused(&mut world, &[Change::Split(BlockId(9))]), ReshapeError::UnknownBlock(9));
    let twice = [grow(0, vec![1]), Change::Split(BlockId(0))];
    assert_eq!(refused(&mut world, &twice), ReshapeError::Twice("sparks/0".into()));
    let row = |row| ReshapeError::Row { block: "sparks/0".into(), row, live: 10 };
    assert_eq!(refused(&mut world, &[grow(0, vec![3, 10])]), row(10));
    assert_eq!(refused(&mut world, &[fuse(0, &[3, 3], 2, &[])]), row(3));
    let rows = |rows, allowed| ReshapeError::Rows { block: "sparks/0".into(), rows, allowed };
    assert_eq!(refused(&mut world, &[grow(0, vec![0; 5000])]), rows(5010, BLOCK_ROWS_MAX));
    let all: Vec<u32> = (0..10).collect();
    assert_eq!(refused(&mut world, &[fuse(0, &all, 2, &[0])]), rows(11, 10));
    world.resource_mut::<Population>().bytes_max = Some(1_000_000);
    assert!(matches!(refused(&mut world, &[grow(0, vec![0; 100])]), ReshapeError::MemoryMax { .. }));
}
