//! Rows: entities of recycled kinds are born, die and move, one at a time.
//!
//! A freed row's place is filled by the last live row of its block (and where not all rows are due at once, by one or two others: see
//! `turns.rs`), so that a block's live rows stay in front. All of it needs the world to itself: from a parallel system, queue a
//! closure on `Commands`.

mod error;

use bevy_ecs::component::{Component, ComponentId};
use bevy_ecs::world::World;
use bytemuck::Pod;

use crate::block::{Block, BlockId, Directory, GroupId, KindId, KindTable, Population};
use crate::column::{Health, StableId};
use crate::guard::as_engine;
use crate::raw;
use crate::turns::Turns;

pub use error::RowError;

/// Edits rows. Holds the world until it is dropped.
///
/// ```
/// # use bevy_app::App;
/// # use corec_core::{block::GroupId, column::Signal, config::{BlockGroup, Scenario}};
/// # use corec_core::{kind::{AddKind, Kind}, populate::populate, rows::Rows};
/// # let mut app = App::new();
/// app.add_kind(Kind::new("spark").with::<Signal>().recycled());
/// # let group = BlockGroup { id: "sparks".into(), kind: "spark".into(), entities: 10, ..Default::default() };
/// # populate(app.world_mut(), &Scenario { blocks: vec![group], ..Default::default() })?;
/// let mut rows = Rows::new(app.world_mut());
/// let id = rows.spawn(GroupId(0))?.set(Signal { value: 0.5 })?.id();
/// assert_eq!(rows.get(id)?.value::<Signal>()?.value, 0.5);
/// rows.free(id)?;
/// assert!(rows.get(id).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Rows<'w> {
    world: &'w mut World,
    population: Population,
    directory: Directory,
    turns: Turns,
    /// What closes a gap.
    fillers: Vec<u32>,
}

impl<'w> Rows<'w> {
    /// Takes the rows of `world` in hand.
    ///
    /// # Panics
    /// If the world was not populated.
    pub fn new(world: &'w mut World) -> Self {
        let population = std::mem::take(&mut *world.resource_mut::<Population>());
        let directory = std::mem::take(&mut *world.resource_mut::<Directory>());
        let turns = std::mem::take(&mut *world.resource_mut::<Turns>());
        Self { world, population, directory, turns, fillers: Vec::new() }
    }

    /// The kinds, groups and blocks.
    pub fn population(&self) -> &Population {
        &self.population
    }

    /// A live entity.
    ///
    /// # Errors
    /// [`RowError::UnknownEntity`].
    pub fn get(&mut self, id: StableId) -> Result<Row<'_, 'w>, RowError> {
        let (kind, row) = self.directory.locate(id).ok_or(RowError::UnknownEntity(id.0))?;
        Ok(Row { rows: self, kind, row, id })
    }

    /// A new entity in the first block of `group` that has room, or in a new block. It is active, all its other
    /// columns are zero.
    ///
    /// # Errors
    /// [`RowError::UnknownGroup`], [`RowError::FixedKind`], [`RowError::TableFull`], [`RowError::MemoryMax`]: nothing has changed then,
    /// and there is room again when others have been freed.
    pub fn spawn(&mut self, group: GroupId) -> Result<Row<'_, 'w>, RowError> {
        let at = group.0 as usize;
        let Some(found) = self.population.groups.get(at) else { return Err(RowError::UnknownGroup(group.0)) };
        let kind = found.kind;
        self.recycled(kind)?;
        let open = loop {
            let (group_, blocks) =
                (&mut self.population.groups[at], &self.population.kinds[kind.0 as usize].blocks);
            match group_.blocks.get(group_.open as usize) {
                Some(&block) if blocks[block as usize].live < blocks[block as usize].capacity => {
                    break block as usize;
                }
                Some(_) => group_.open += 1,
                None => self.grow(group)?,
            }
        };
        let table = &mut self.population.kinds[kind.0 as usize];
        let block = &mut table.blocks[open];
        let row = block.start + block.live;
        block.live += 1;
        table.live += 1;
        let id = self.directory.next_id();
        self.directory.next += 1;
        raw::write_fresh_row(self.world, table.table, &table.columns, row, id);
        self.directory.kinds[kind.0 as usize].set(id, row);
        Ok(Row { rows: self, kind, row, id })
    }

    /// Ends an entity; another row of its block takes its place, mostly the last live one.
    ///
    /// # Errors
    /// [`RowError::UnknownEntity`], [`RowError::FixedKind`].
    pub fn free(&mut self, id: StableId) -> Result<(), RowError> {
        let (kind, row) = self.directory.locate(id).ok_or(RowError::UnknownEntity(id.0))?;
        self.recycled(kind)?;
        let from = self.population.kinds[kind.0 as usize].block_of(row);
        self.close_gap(kind, from, row);
        self.directory.kinds[kind.0 as usize].remove(id);
        self.population.kinds[kind.0 as usize].live -= 1;
        Ok(())
    }

    /// Moves an entity to another block of its kind; in its own block it stays where it is.
    ///
    /// # Errors
    /// [`RowError::UnknownEntity`], [`RowError::UnknownBlock`], [`RowError::FixedKind`], [`RowError::OtherKind`],
    /// [`RowError::BlockFull`]. Nothing has moved then.
    pub fn move_to(&mut self, id: StableId, block: BlockId) -> Result<(), RowError> {
        let (kind, row) = self.directory.locate(id).ok_or(RowError::UnknownEntity(id.0))?;
        self.recycled(kind)?;
        let found = self.population.by_id.get(block.0 as usize).copied().flatten();
        let (block_kind, at) = found.ok_or(RowError::UnknownBlock(block.0))?;
        let name = |kind: KindId| self.population.kinds[kind.0 as usize].name.clone();
        if block_kind != kind {
            let block = self.population.block_name(block);
            return Err(RowError::OtherKind { block, found: name(block_kind), expected: name(kind) });
        }
        let table = &mut self.population.kinds[kind.0 as usize];
        let from = table.block_of(row);
        if from == at as usize {
            return Ok(());
        }
        let target = &mut table.blocks[at as usize];
        if target.live == target.capacity {
            let capacity = target.capacity;
            return Err(RowError::BlockFull { block: self.population.block_name(block), capacity });
        }
        let to = target.start + target.live;
        target.live += 1;
        raw::copy_row(self.world, table.table, &table.columns, row, to);
        self.directory.kinds[kind.0 as usize].set(id, to);
        self.close_gap(kind, from, row);
        Ok(())
    }

    fn recycled(&self, kind: KindId) -> Result<(), RowError> {
        let table = &self.population.kinds[kind.0 as usize];
        if table.recycled { Ok(()) } else { Err(RowError::FixedKind(table.name.clone())) }
    }

    /// Fills the place of a row that left a block, with rows that are put off by it in no system's turns: mostly the last live one.
    fn close_gap(&mut self, kind: KindId, place: usize, row: u32) {
        let table = &mut self.population.kinds[kind.0 as usize];
        let block = &mut table.blocks[place];
        block.live -= 1;
        let (start, last) = (block.start, block.live);
        let (group, id) = (block.group, block.id);
        self.turns.close_gap(id, row - start, last, &mut self.fillers);
        let id_column = table.columns[0].id;
        let mut gap = row;
        let fillers = self.fillers.iter().copied().chain([last]).map(|filler| start + filler);
        for filler in fillers.filter(|filler| *filler != row) {
            raw::copy_row(self.world, table.table, &table.columns, filler, gap);
            let moved: StableId = raw::read(self.world, table.table, id_column, gap);
            self.directory.kinds[kind.0 as usize].set(moved, gap);
            gap = filler;
        }
        raw::write(self.world, table.table, id_column, start + last, StableId::NONE);
        let group = &mut self.population.groups[group.0 as usize];
        let at = group.blocks.partition_point(|at| (*at as usize) < place);
        group.open = group.open.min(at as u32);
    }

    /// Whether the run may have a block more, of so many rows and bytes.
    fn check_memory(&mut self, kind: KindId, bytes: u64, rows: u64) -> Result<(), RowError> {
        let Some(limit) = self.population.bytes_max else { return Ok(()) };
        let needed = self.population.need_with(bytes, rows, 1);
        if needed <= limit {
            return Ok(());
        }
        let kind = self.population.kinds[kind.0 as usize].name.clone();
        self.population.births_refused += 1;
        Err(RowError::MemoryMax { kind, needed: needed.div_ceil(1_000_000), limit: limit / 1_000_000 })
    }

    /// Adds a block to a group, at the end of its kind's table.
    fn grow(&mut self, group: GroupId) -> Result<(), RowError> {
        let id = BlockId(self.population.by_id.len() as u32);
        let settings = &self.population.groups[group.0 as usize];
        let (kind, capacity, index) =
            (settings.kind, settings.settings.entities_per_block, settings.next_index);
        let table = &mut self.population.kinds[kind.0 as usize];
        let start = table.end();
        if u64::from(start) + u64::from(capacity) >= u64::from(u32::MAX) {
            return Err(RowError::TableFull(table.name.clone()));
        }
        let more = (start + capacity).saturating_sub(table.rows);
        let bytes = table.bytes_of(more);
        self.check_memory(kind, bytes, more.into())?;
        let table = &mut self.population.kinds[kind.0 as usize];
        extend(self.world, table, start + capacity);
        let at = table.blocks.len() as u32;
        table.blocks.push(Block { id, group, index, start, capacity, live: 0 });
        self.population.by_id.push(Some((kind, at)));
        let group = &mut self.population.groups[group.0 as usize];
        group.blocks.push(at);
        group.next_index += 1;
        Ok(())
    }
}

/// Adds free rows to a table that has fewer than `rows`.
pub(crate) fn extend(world: &mut World, table: &mut KindTable, rows: u32) {
    let more = rows.saturating_sub(table.rows);
    if more == 0 {
        return;
    }
    let mut free = |_: u32| (StableId::NONE, Health::default());
    as_engine(|| match &table.markers[..] {
        [] => (table.spawn)(world, more, &mut free),
        markers => raw::spawn_marked(world, &table.columns, markers, more, &mut free),
    });
    table.rows += more;
}

impl Drop for Rows<'_> {
    fn drop(&mut self) {
        *self.world.resource_mut::<Population>() = std::mem::take(&mut self.population);
        *self.world.resource_mut::<Directory>() = std::mem::take(&mut self.directory);
        *self.world.resource_mut::<Turns>() = std::mem::take(&mut self.turns);
    }
}

/// A live entity in hand.
pub struct Row<'r, 'w> {
    rows: &'r mut Rows<'w>,
    kind: KindId,
    row: u32,
    id: StableId,
}

impl Row<'_, '_> {
    /// The entity's id.
    pub fn id(&self) -> StableId {
        self.id
    }

    /// The block it is in.
    pub fn block(&self) -> BlockId {
        let table = &self.rows.population.kinds[self.kind.0 as usize];
        table.blocks[table.block_of(self.row)].id
    }

    /// The value of a component.
    ///
    /// # Errors
    /// [`RowError::NoColumn`].
    pub fn value<T: Component + Pod>(&self) -> Result<T, RowError> {
        let column = self.column::<T>()?;
        let table = &self.rows.population.kinds[self.kind.0 as usize];
        Ok(raw::read(self.rows.world, table.table, column, self.row))
    }

    /// Sets a component.
    ///
    /// # Errors
    /// [`RowError::NoColumn`]; [`RowError::EngineColumn`] for a `StableId`.
    pub fn set<T: Component + Pod>(&mut self, value: T) -> Result<&mut Self, RowError> {
        let column = self.column::<T>()?;
        let table = &self.rows.population.kinds[self.kind.0 as usize];
        if column == table.columns[0].id {
            return Err(RowError::EngineColumn);
        }
        raw::write(self.rows.world, table.table, column, self.row, value);
        Ok(self)
    }

    fn column<T: Component + Pod>(&self) -> Result<ComponentId, RowError> {
        let table = &self.rows.population.kinds[self.kind.0 as usize];
        let id = self.rows.world.component_id::<T>();
        match table.columns.iter().find(|c| Some(c.id) == id) {
            Some(column) => Ok(column.id),
            None => Err(RowError::NoColumn { kind: table.name.clone(), column: std::any::type_name::<T>() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use bevy_app::App;
    use proptest::prelude::*;

    use super::*;
    use crate::column::Signal;
    use crate::config::{BlockGroup, Scenario};
    use crate::guard::StructureError;
    use crate::kind::{AddKind, Kind};
    use crate::populate::populate;

    fn world(entities: u64, per_block: u32, markers: bool) -> World {
        let mut app = App::new();
        if markers {
            // A kind with the same components before it: "spark" gets a marker, and with it its own table.
            app.add_kind(Kind::new("first").with::<Signal>().recycled());
        }
        app.add_kind(Kind::new("spark").with::<Signal>().recycled());
        app.add_kind(Kind::new("rock").with::<Signal>());
        let group = |id: &str, kind: &str, entities| BlockGroup {
            id: id.into(),
            kind: kind.into(),
            entities,
            entities_per_block: per_block,
            ..Default::default()
        };
        let blocks = vec![
            group("sparks", "spark", entities),
            group("rocks", "rock", 3),
            group("more", "spark", entities),
        ];
        populate(app.world_mut(), &Scenario { blocks, ..Default::default() }).unwrap();
        std::mem::take(app.world_mut())
    }

    /// Every law of the population: counts, places, ids, and the directory's view of them.
    fn check(world: &mut World, alive: &BTreeMap<u64, f32>) {
        world.resource::<Population>().check(world).unwrap();
        let mut rows = Rows::new(world);
        let sparks: u64 = rows.population.kinds.iter().filter(|k| k.recycled).map(|k| k.live).sum();
        assert_eq!(sparks, alive.len() as u64);
        for (&id, &value) in alive {
            let row = rows.get(StableId(id)).unwrap();
            assert_eq!(
                (row.value::<StableId>().unwrap().0, row.value::<Signal>().unwrap().value),
                (id, value)
            );
            assert!(row.value::<Health>().unwrap().is_active());
        }
        assert_eq!(rows.directory.len(), alive.len() + 3);
        for table in &rows.population.kinds {
            let live: u32 = table.blocks.iter().map(|b| b.live).sum();
            assert_eq!(u64::from(live), table.live);
            let mut end = 0;
            for block in &table.blocks {
                assert_eq!(block.start, end);
                assert!(block.live <= block.capacity);
                end += block.capacity;
                for row in block.start..end {
                    let id: StableId = raw::read(rows.world, table.table, table.columns[0].id, row);
                    assert_eq!(id == StableId::NONE, row >= block.start + block.live);
                }
            }
            assert_eq!(end, table.rows);
        }
        for (id, (kind, at)) in rows.population.by_id.iter().copied().map(Option::unwrap).enumerate() {
            assert_eq!(rows.population.kinds[kind.0 as usize].blocks[at as usize].id.0 as usize, id);
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Spawn(bool, f32),
        Free(prop::sample::Index),
        Move(prop::sample::Index, prop::sample::Index),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (any::<bool>(), 0f32..1.0).prop_map(|(more, v)| Step::Spawn(more, v)),
            any::<prop::sample::Index>().prop_map(Step::Free),
            any::<(prop::sample::Index, prop::sample::Index)>().prop_map(|(a, b)| Step::Move(a, b)),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]
        #[test]
        fn spawns_frees_and_moves_keep_ids_counts_and_places(
            entities in 1u64..40, per_block in 1u32..9, markers: bool, steps in prop::collection::vec(step(), 0..120)
        ) {
            let mut world = world(entities, per_block, markers);
            let mut alive: BTreeMap<u64, f32> =
                (0..entities).chain(entities + 3..2 * entities + 3).map(|id| (id, 0.0)).collect();
            let mut rows = Rows::new(&mut world);
            for step in steps {
                match step {
                    Step::Spawn(more, value) => {
                        let group = GroupId(if more { 2 } else { 0 });
                        let id = rows.spawn(group).unwrap().set(Signal { value }).unwrap().id();
                        prop_assert!(alive.insert(id.0, value).is_none(), "id {} came back", id.0);
                    }
                    Step::Free(index) if !alive.is_empty() => {
                        let id = *alive.keys().nth(index.index(alive.len())).unwrap();
                        alive.remove(&id);
                        rows.free(StableId(id)).unwrap();
                        prop_assert_eq!(rows.free(StableId(id)), Err(RowError::UnknownEntity(id)));
                    }
                    Step::Move(index, block) if !alive.is_empty() => {
                        let id = *alive.keys().nth(index.index(alive.len())).unwrap();
                        let block = BlockId(block.index(rows.population.block_count()) as u32);
                        match rows.move_to(StableId(id), block) {
                            Ok(()) => prop_assert_eq!(rows.get(StableId(id)).unwrap().block(), block),
                            Err(RowError::BlockFull { .. }) => {
                                let full = rows.population.block(block).unwrap();
                                prop_assert_eq!(full.live, full.capacity);
                            }
                            Err(error) => prop_assert!(matches!(error, RowError::OtherKind { .. }), "{}", error),
                        }
                    }
                    _ => {}
                }
            }
            drop(rows);
            check(&mut world, &alive);
        }
    }

    #[test]
    fn rows_of_a_fixed_kind_stay() {
        let mut world = world(4, 2, false);
        let mut rows = Rows::new(&mut world);
        let rock = StableId(4);
        assert_eq!(rows.free(rock), Err(RowError::FixedKind("rock".into())));
        assert_eq!(rows.spawn(GroupId(1)).err(), Some(RowError::FixedKind("rock".into())));
        assert_eq!(rows.spawn(GroupId(9)).err(), Some(RowError::UnknownGroup(9)));
        assert_eq!(rows.get(rock).unwrap().set(StableId(7)).err(), Some(RowError::EngineColumn));
    }

    #[test]
    fn structural_changes_by_others_are_noticed() {
        #[derive(Component)]
        struct Sticker;
        let check_of = |world: &World| world.resource::<Population>().check(world);
        let row_of = |world: &mut World| {
            let kind = &world.resource::<Population>().kinds[0];
            kind.first
        };
        let mut despawned = world(4, 2, false);
        let first = row_of(&mut despawned);
        despawned.despawn(first);
        assert_eq!(check_of(&despawned), Err(StructureError::Removed));

        let mut reshaped = world(4, 2, false);
        let first = row_of(&mut reshaped);
        reshaped.entity_mut(first).insert(Sticker);
        assert!(matches!(check_of(&reshaped), Err(StructureError::Inserted { .. })));
        // It came and went within a tick: the rows have changed places all the same.
        reshaped.entity_mut(first).remove::<Sticker>();
        assert!(check_of(&reshaped).unwrap_err().to_string().contains("Sticker"));

        let mut added = world(4, 2, false);
        added.spawn(StableId(3));
        assert_eq!(check_of(&added), Err(StructureError::Added));
    }

    #[test]
    fn rows_of_another_world_are_refused_in_words() {
        use std::panic::{AssertUnwindSafe, catch_unwind};

        let (mut here, mut there) = (world(10, 4, false), world(10, 4, true));
        std::mem::swap(&mut *here.resource_mut::<Population>(), &mut *there.resource_mut::<Population>());
        assert!(here.resource::<Population>().check(&here).is_err());
        let mut rows = Rows::new(&mut here);
        let mut row = rows.get(StableId(0)).unwrap();
        let told = catch_unwind(AssertUnwindSafe(|| _ = row.value::<Signal>())).unwrap_err();
        assert!(crate::blocks::panic_message(&*told).contains("another world"));
        let told = catch_unwind(AssertUnwindSafe(|| _ = row.set(Signal { value: 1.0 }))).unwrap_err();
        assert!(crate::blocks::panic_message(&*told).contains("another world"));
    }

    #[test]
    fn an_id_that_is_overwritten_ends_the_run() {
        let mut world = world(10, 4, false);
        let row = world.resource::<Population>().kinds()[0].first;
        world.entity_mut(row).insert(StableId(99));
        assert_eq!(world.resource::<Population>().check(&world), Err(StructureError::Added));
    }
}
