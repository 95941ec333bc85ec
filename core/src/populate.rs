//! Populating: lays a scenario's groups out in blocks and spawns their rows.
//!
//! Blocks and stable ids are numbered in the scenario's order; the rows of a kind are spawned in one batch, so that
//! its table is allocated once, without the slack of a growing vector.

use bevy_ecs::entity::Entity;
use bevy_ecs::world::World;
use thiserror::Error;

use crate::block::{
    Block, BlockId, Column, Directory, Group, GroupId, KindId, KindTable, Population, TableOf,
};
use crate::column::{Health, StableId};
use crate::config::{BlockGroup, Scenario};
use crate::guard::{Guard, as_engine};
use crate::kind::{KindError, KindSpec, Kinds, Recycled};
use crate::location::Locations;
use crate::raw;
use crate::snapshot::{Snapshot, SnapshotError};
use crate::turns::Turns;

/// Entities kept free below all rows, for resources that come later. bevy_ecs keeps a resource under an entity, in an array
/// as long as that entity's index: above a million rows every one of them would cost 4 MB.
const LOW_ENTITIES: usize = 1024;

/// Why a scenario can't be populated.
#[derive(Debug, Error, PartialEq)]
pub enum PopulateError {
    /// A kind was refused when a plugin registered it.
    #[error(transparent)]
    Kind(#[from] KindError),
    /// A group names a kind that no plugin registered.
    #[error("blocks[{index}].kind: found '{kind}', must be one of: {known}")]
    UnknownKind {
        /// The group's place in the scenario.
        index: usize,
        /// The name found.
        kind: String,
        /// The names registered.
        known: String,
    },
    /// A group's blocks are larger than it allows itself.
    #[error(
        "blocks[{index}].entities_per_block: found {rows} rows of {row_bytes} bytes, must be at most {bytes_max} bytes \
         a block (block_bytes_max, max_size_mb)"
    )]
    BlockTooLarge {
        /// The group's place in the scenario.
        index: usize,
        /// Rows a block.
        rows: u32,
        /// Bytes a row.
        row_bytes: usize,
        /// The bound.
        bytes_max: u64,
    },
    /// A component brings others along.
    #[error(
        "kind '{0}': found a component with #[require(..)], must have none: add what it needs with Kind::with"
    )]
    RequiredComponents(String),
    /// A group of a fixed kind without entities.
    #[error(
        "blocks[{index}].entities: found 0, must be at least 1: the rows of '{kind}' are fixed, those of a recycled kind may be none at first"
    )]
    Empty {
        /// The group's place in the scenario.
        index: usize,
        /// Its kind.
        kind: String,
    },
    /// More rows of one kind than a table can number.
    #[error("kind '{kind}': found {rows} rows, must be at most 4,294,967,294 of one kind")]
    TooManyRows {
        /// The kind.
        kind: String,
        /// Rows asked for.
        rows: u64,
    },
}

/// Why a population can't be laid out as a snapshot has it.
#[derive(Debug, Error)]
pub enum RestoreError {
    /// The scenario can't be populated.
    #[error(transparent)]
    Populate(#[from] PopulateError),
    /// The snapshot can't be read, or does not fit.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
}

/// The kind a scenario's group names, and what else must hold before anything is allocated.
///
/// # Errors
/// See [`PopulateError`].
pub fn resolve<'k>(kinds: &'k Kinds, scenario: &Scenario) -> Result<Vec<&'k KindSpec>, PopulateError> {
    let mut resolved = Vec::with_capacity(scenario.blocks.len());
    for (index, group) in scenario.blocks.iter().enumerate() {
        let Some(spec) = kinds.specs().iter().find(|spec| spec.name == group.kind) else {
            let mut known: Vec<&str> = kinds.specs().iter().map(KindSpec::name).collect();
            known.sort_unstable();
            return Err(PopulateError::UnknownKind {
                index,
                kind: group.kind.clone(),
                known: known.join(", "),
            });
        };
        if group.entities == 0 && !spec.recycled {
            return Err(PopulateError::Empty { index, kind: group.kind.clone() });
        }
        if let Some(bytes_max) = group.block_bytes_max
            && group.entities_per_block as u64 * spec.row_bytes() as u64 > bytes_max
        {
            let (rows, row_bytes) = (group.entities_per_block, spec.row_bytes());
            return Err(PopulateError::BlockTooLarge { index, rows, row_bytes, bytes_max });
        }
        resolved.push(spec);
    }
    Ok(resolved)
}

/// Creates the blocks of `scenario` and spawns every row; leaves [`Population`] and [`Directory`] in the world.
///
/// # Errors
/// See [`PopulateError`]; nothing is spawned then.
pub fn populate(world: &mut World, scenario: &Scenario) -> Result<(), PopulateError> {
    lay_out(world, scenario, &Layout::of(scenario))
}

/// As [`populate`], with the blocks and ids of a snapshot. Its columns are still to be filled in.
///
/// # Errors
/// See [`PopulateError`] and [`SnapshotError`]; nothing is spawned then.
pub(crate) fn populate_as(
    world: &mut World,
    scenario: &Scenario,
    snapshot: &Snapshot,
) -> Result<(), RestoreError> {
    check_head(world.get_resource_or_init::<Kinds>().specs(), scenario, snapshot)?;
    let head = snapshot.head();
    let ids: Vec<Vec<u8>> =
        (0..head.kinds.len()).map(|kind| snapshot.column(kind, 0)).collect::<Result<_, _>>()?;
    let mut layout = Layout { next_id: head.next_id, ..Layout::default() };
    for (kind, ids) in head.kinds.iter().zip(&ids) {
        let mut ids: &[u8] = ids;
        for block in &kind.blocks {
            let (own, rest) = ids.split_at(block.live as usize * size_of::<StableId>());
            ids = rest;
            layout.blocks.push(Planned {
                group: &scenario.blocks[block.group as usize],
                group_id: GroupId(block.group),
                id: BlockId(block.id),
                index: block.index,
                capacity: block.capacity,
                live: block.live,
                ids: Ids::These(own),
            });
        }
    }
    layout.blocks.sort_by_key(|block| block.id);
    Ok(lay_out(world, scenario, &layout)?)
}

/// Whether a snapshot fits the kinds of this program and the groups of the scenario.
fn check_head(specs: &[KindSpec], scenario: &Scenario, snapshot: &Snapshot) -> Result<(), SnapshotError> {
    let head = snapshot.head();
    let mut seen = vec![false; head.kinds.iter().map(|kind| kind.blocks.len()).sum()];
    for kind in &head.kinds {
        let Some(spec) = specs.iter().find(|spec| spec.name == kind.name) else {
            return Err(
                snapshot.foreign(format!("found the kind '{}', which no plugin here registers", kind.name))
            );
        };
        let columns = spec.columns.iter().map(|c| (c.name, c.size as u32));
        if spec.recycled != kind.recycled
            || !columns.eq(kind.columns.iter().map(|(name, size)| (&name[..], *size)))
        {
            let found: Vec<String> =
                kind.columns.iter().map(|(name, size)| format!("{name} {size}")).collect();
            let here: Vec<String> = spec.columns.iter().map(|c| format!("{} {}", c.name, c.size)).collect();
            let (found, here) = (found.join(", "), here.join(", "));
            return Err(
                snapshot.foreign(format!("kind '{}': found columns {found}, must be {here}", kind.name))
            );
        }
        for block in &kind.blocks {
            let group = scenario.blocks.get(block.group as usize);
            let is_new = seen.get_mut(block.id as usize).is_some_and(|seen| !std::mem::replace(seen, true));
            let has_rows = block.live <= block.capacity && (kind.recycled || block.live == block.capacity);
            if !(is_new
                && has_rows
                && block.capacity > 0
                && group.is_some_and(|group| group.kind == kind.name))
            {
                return Err(snapshot.foreign(format!("found a block {} that its scenario has not", block.id)));
            }
        }
    }
    Ok(())
}

fn lay_out(world: &mut World, scenario: &Scenario, layout: &Layout) -> Result<(), PopulateError> {
    let mut kinds = world.remove_resource::<Kinds>().unwrap_or_default();
    if let Some(refused) = kinds.take_refusal() {
        return Err(refused.into());
    }
    resolve(&kinds, scenario)?;
    world.register_disabling_component::<Recycled>();
    world.init_resource::<Turns>();
    world.insert_resource(Guard::default());
    let low: Vec<Entity> = (0..LOW_ENTITIES).map(|_| world.spawn_empty().id()).collect();

    let (mut population, mut directory) =
        (Population::default(), Directory { next: layout.next_id, ..Directory::default() });
    for (at, spec) in kinds.specs().iter().enumerate() {
        let planned: Vec<&Planned> = layout.blocks.iter().filter(|b| b.group.kind == spec.name).collect();
        if planned.is_empty() {
            continue;
        }
        let marker = kinds.specs()[..at].iter().any(|earlier| earlier.same_components(spec));
        let (table, locations) = spawn_kind(world, spec, marker, &planned)?;
        population.kinds.push(table);
        directory.kinds.push(locations);
    }
    population.by_id = vec![(KindId(0), 0); layout.blocks.len()];
    population.groups = scenario
        .blocks
        .iter()
        .map(|settings| {
            let kind = population.kinds.iter().position(|k| k.name == settings.kind).expect("resolved above");
            Group {
                name: settings.id.as_str().into(),
                settings: settings.clone(),
                kind: KindId(kind as u16),
                blocks: Vec::new(),
                open: 0,
            }
        })
        .collect();
    for (kind, table) in population.kinds.iter().enumerate() {
        for (at, block) in table.blocks.iter().enumerate() {
            population.by_id[block.id.0 as usize] = (KindId(kind as u16), at as u32);
            population.groups[block.group.0 as usize].blocks.push(at as u32);
        }
    }
    // The last freed is the first reused.
    low.into_iter().rev().for_each(|entity| _ = world.despawn(entity));
    population.archetypes_known = world.archetypes().len();
    world.insert_resource(population);
    world.insert_resource(directory);
    Ok(())
}

/// A block before it has a place in a table.
struct Planned<'s> {
    group: &'s BlockGroup,
    group_id: GroupId,
    id: BlockId,
    index: u32,
    capacity: u32,
    live: u32,
    ids: Ids<'s>,
}

/// The ids of a block's live rows.
enum Ids<'s> {
    /// One after the other.
    From(u64),
    /// As a snapshot has them: eight bytes each.
    These(&'s [u8]),
}

impl Ids<'_> {
    fn at(&self, row: u32) -> StableId {
        match self {
            Self::From(first) => StableId(first + u64::from(row)),
            Self::These(bytes) => StableId(bytemuck::pod_read_unaligned(&bytes[row as usize * 8..][..8])),
        }
    }
}

#[derive(Default)]
struct Layout<'s> {
    blocks: Vec<Planned<'s>>,
    groups: u16,
    next_id: u64,
}

impl<'s> Layout<'s> {
    fn of(scenario: &'s Scenario) -> Self {
        let mut layout = Self::default();
        scenario.blocks.iter().for_each(|group| layout.add_group(group));
        layout
    }

    fn add_group(&mut self, group: &'s BlockGroup) {
        let mut left = group.entities;
        let mut index = 0;
        // A group without entities has a block to be born in.
        while left > 0 || index == 0 {
            let live = left.min(u64::from(group.entities_per_block)) as u32;
            let id = BlockId(self.blocks.len() as u32);
            let group_id = GroupId(self.groups);
            let (capacity, ids) = (group.entities_per_block, Ids::From(self.next_id));
            self.blocks.push(Planned { group, group_id, id, index, capacity, live, ids });
            self.next_id += u64::from(live);
            left -= u64::from(live);
            index += 1;
        }
        self.groups += 1;
    }
}

fn spawn_kind(
    world: &mut World,
    spec: &KindSpec,
    marker: bool,
    planned: &[&Planned],
) -> Result<(KindTable, Locations), PopulateError> {
    let mut blocks = Vec::with_capacity(planned.len());
    let mut rows = 0u64;
    for p in planned {
        // A fixed kind's blocks are full; a recycled kind's have room for the whole block.
        let capacity = if spec.recycled { p.capacity } else { p.live };
        let start = rows as u32;
        rows += u64::from(capacity);
        if rows >= u64::from(u32::MAX) {
            return Err(PopulateError::TooManyRows { kind: spec.name.clone(), rows });
        }
        blocks.push(Block { id: p.id, group: p.group_id, index: p.index, start, capacity, live: p.live });
    }
    let columns: Vec<Column> = spec
        .columns
        .iter()
        .map(|c| Column { id: (c.register)(world), type_id: c.type_id, name: c.name, size: c.size })
        .collect();
    let mut markers = Vec::new();
    if marker {
        markers.extend(spec.recycled.then(|| world.register_component::<Recycled>()));
        markers.push(raw::register_marker(world, format!("kind {}", spec.name)));
    }
    let mut at = 0;
    let mut head = |row: u32| {
        while row >= blocks[at].start + blocks[at].capacity {
            at += 1;
        }
        let offset = row - blocks[at].start;
        if offset >= blocks[at].live {
            return (StableId::NONE, Health::default());
        }
        (planned[at].ids.at(offset), Health::FRESH)
    };
    let first = as_engine(|| match &markers[..] {
        [] => (spec.spawn)(world, rows as u32, &mut head),
        markers => raw::spawn_marked(world, &columns, markers, rows as u32, &mut head),
    });
    let first = first.expect("a planned kind has rows");
    let mut locations = Locations::default();
    for (block, planned) in blocks.iter().zip(planned) {
        match planned.ids {
            Ids::From(first) => locations.set_run(StableId(first), block.start, block.live),
            Ids::These(_) => {
                (0..block.live).for_each(|row| locations.set(planned.ids.at(row), block.start + row));
            }
        }
    }
    let location = world.entity(first).location();
    let archetype = world.archetypes().get(location.archetype_id).expect("a living entity has an archetype");
    if archetype.component_count() != columns.len() + usize::from(spec.recycled) + usize::from(marker) {
        return Err(PopulateError::RequiredComponents(spec.name.clone()));
    }
    let table = KindTable {
        name: spec.name.clone(),
        recycled: spec.recycled,
        owner: spec.owner,
        columns,
        first,
        table: TableOf::new(world, location.table_id),
        rows: rows as u32,
        live: planned.iter().map(|p| u64::from(p.live)).sum(),
        blocks,
        spawn: spec.spawn,
        markers,
    };
    Ok((table, locations))
}
