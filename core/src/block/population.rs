//! The population: holds all kinds, groups and blocks of a run, and checks that they are as the engine laid them.

use bevy_ecs::component::ComponentId;
use bevy_ecs::resource::Resource;
use bevy_ecs::storage::Table;
use bevy_ecs::world::World;

use super::{Block, BlockId, Group, GroupId, KindId, KindTable};
use crate::column::StableId;
use crate::guard::{Guard, StructureError};
use crate::kind::need_of;

/// All kinds, groups and blocks of a run.
#[derive(Resource, Default, Debug)]
pub struct Population {
    pub(crate) kinds: Vec<KindTable>,
    pub(crate) groups: Vec<Group>,
    /// Block id -> (kind, place in the kind's list); none for one that has retired.
    pub(crate) by_id: Vec<Option<(KindId, u32)>>,
    /// The blocks that have retired last, together: what is still to be said of them in that tick has their names.
    pub(crate) retired: Vec<Block>,
    /// Archetypes of the world when it was populated: any later one with a `StableId` is someone else's doing.
    pub(crate) archetypes_known: usize,
    /// Bytes that the run may need, births included; none where the system does not tell.
    pub(crate) bytes_max: Option<u64>,
    /// Births that would have needed more.
    pub(crate) births_refused: u64,
}

impl Population {
    /// The kinds that have rows, in the order they were registered.
    pub fn kinds(&self) -> &[KindTable] {
        &self.kinds
    }

    /// The groups, in the scenario's order.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// The group that the scenario, or a plugin's config, calls `name`.
    pub fn group_named(&self, name: &str) -> Option<GroupId> {
        self.groups.iter().position(|group| &*group.name == name).map(|at| GroupId(at as u16))
    }

    /// The group of that id.
    ///
    /// # Panics
    /// On an id of another run.
    pub fn group(&self, id: GroupId) -> &Group {
        &self.groups[id.0 as usize]
    }

    /// Blocks that the run has had, those included that have retired: ids are `0..block_count()`.
    pub fn block_count(&self) -> usize {
        self.by_id.len()
    }

    /// A block by its id; none for one that has retired.
    pub fn block(&self, id: BlockId) -> Option<&Block> {
        let &(kind, at) = self.by_id.get(id.0 as usize)?.as_ref()?;
        Some(&self.kinds[kind.0 as usize].blocks[at as usize])
    }

    /// Every block that has not retired, in the order of ids.
    pub fn blocks(&self) -> impl Iterator<Item = &Block> {
        self.by_id.iter().flatten().map(|&(kind, at)| &self.kinds[kind.0 as usize].blocks[at as usize])
    }

    /// Whether a block has retired.
    pub(crate) fn has_retired(&self) -> bool {
        self.by_id.iter().any(Option::is_none)
    }

    /// Notes where each block of a kind is, by its id and in its group.
    pub(crate) fn index(&mut self, kind: KindId) {
        for group in self.groups.iter_mut().filter(|group| group.kind == kind) {
            group.blocks.clear();
            group.open = 0;
        }
        self.by_id
            .iter_mut()
            .filter(|place| place.is_some_and(|(of, _)| of == kind))
            .for_each(|place| *place = None);
        for (at, block) in self.kinds[usize::from(kind.0)].blocks.iter().enumerate() {
            self.by_id[block.id.0 as usize] = Some((kind, at as u32));
            self.groups[usize::from(block.group.0)].blocks.push(at as u32);
        }
    }

    /// Bytes that the run needs with so many more: of rows, rows, and blocks.
    pub(crate) fn need_with(&self, bytes: u64, rows: u64, blocks: u64) -> u64 {
        need_of(
            self.kinds.iter().map(KindTable::bytes).sum::<u64>() + bytes,
            self.kinds.iter().map(|kind| u64::from(kind.rows)).sum::<u64>() + rows,
            self.by_id.len() as u64 + blocks,
        )
    }

    /// A block's name: its group's and its place in it; also of one that has retired in this tick.
    pub fn block_name(&self, id: BlockId) -> String {
        let retired = || self.retired.iter().find(|block| block.id == id);
        match self.block(id).or_else(retired) {
            Some(block) => format!("{}/{}", self.group(block.group).settings.id, block.index),
            None => format!("block {}", id.0),
        }
    }

    /// Whether the rows are still as the engine laid them.
    ///
    /// # Errors
    /// The first structural change by anyone else.
    pub fn check(&self, world: &World) -> Result<(), StructureError> {
        if let Some(violation) = world.get_resource::<Guard>().and_then(|guard| guard.violation.clone()) {
            return Err(violation);
        }
        // A component that came and went leaves no trace in a table's length, but its archetype stays.
        let stable_id = world.component_id::<StableId>();
        for archetype in world.archetypes().iter().skip(self.archetypes_known) {
            if stable_id.is_some_and(|id| archetype.contains(id)) {
                let name = |id: &ComponentId| {
                    world.components().get_name(*id).map(|name| name.shortname().to_string())
                };
                let components: Vec<String> = archetype.components().iter().filter_map(name).collect();
                return Err(StructureError::Inserted { components: components.join(", ") });
            }
        }
        for kind in &self.kinds {
            let found = kind.table.find(world).map_or(0, Table::entity_count);
            if found != kind.rows {
                return Err(StructureError::Reshaped { kind: kind.name.clone(), found, expected: kind.rows });
            }
        }
        Ok(())
    }

    /// Entities alive.
    pub fn live(&self) -> u64 {
        self.kinds.iter().map(|k| k.live).sum()
    }

    /// Births that failed in this process because the run would have needed more than `memory_max`.
    pub fn births_refused(&self) -> u64 {
        self.births_refused
    }
}
