//! Restoring: the layout of a population as a snapshot has it, once the snapshot is known to fit.

use bevy_ecs::world::World;

use super::error::RestoreError;
use super::lay_out;
use super::layout::{Ids, Layout, Planned};
use crate::block::{BlockId, GroupId};
use crate::column::StableId;
use crate::config::Scenario;
use crate::kind::{KindSpec, Kinds};
use crate::snapshot::{Snapshot, SnapshotError};

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
    let rows = head.kinds.iter().map(|kind| (kind.name.as_str(), kind.rows)).collect();
    let (block_count, next_indices) = (head.block_count, head.next_indices.clone());
    let mut layout = Layout { blocks: Vec::new(), next_id: head.next_id, block_count, next_indices, rows };
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
    // A snapshot has them by kind, a layout by id.
    layout.blocks.sort_by_key(|block| block.id);
    Ok(lay_out(world, scenario, &layout)?)
}

/// Blocks that have retired: a fuse an hour for two thousand years.
const RETIRED_MAX: usize = 1 << 24;

/// Whether a snapshot fits the kinds of this program and the groups of the scenario.
fn check_head(specs: &[KindSpec], scenario: &Scenario, snapshot: &Snapshot) -> Result<(), SnapshotError> {
    let head = snapshot.head();
    let blocks: usize = head.kinds.iter().map(|kind| kind.blocks.len()).sum();
    if head.block_count as usize - blocks.min(head.block_count as usize) > RETIRED_MAX {
        let found = head.block_count;
        return Err(snapshot.foreign(format!(
            "found {found} blocks, must be at most {RETIRED_MAX} more than the {blocks} that it has"
        )));
    }
    let mut seen = vec![false; head.block_count as usize];
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
        if kind.rows == u32::MAX || (kind.rows > 0 && !kind.recycled && u64::from(kind.rows) != kind.live()) {
            return Err(
                snapshot.foreign(format!("kind '{}': found a table of {} rows", kind.name, kind.rows))
            );
        }
        for block in &kind.blocks {
            let group = scenario.blocks.get(block.group as usize);
            let is_new = seen.get_mut(block.id as usize).is_some_and(|seen| !std::mem::replace(seen, true));
            let has_rows = block.live <= block.capacity && (kind.recycled || block.live == block.capacity);
            let has_place =
                head.next_indices.get(usize::from(block.group)).is_some_and(|next| block.index < *next);
            if !(is_new
                && has_rows
                && has_place
                && block.capacity > 0
                && group.is_some_and(|group| group.kind == kind.name))
            {
                return Err(snapshot.foreign(format!("found a block {} that its scenario has not", block.id)));
            }
        }
    }
    let has_block =
        |at: usize| head.kinds.iter().flat_map(|kind| &kind.blocks).any(|b| usize::from(b.group) == at);
    match (0..scenario.blocks.len()).find(|at| !has_block(*at)) {
        None if head.next_indices.len() == scenario.blocks.len() => Ok(()),
        None => {
            let (found, here) = (head.next_indices.len(), scenario.blocks.len());
            Err(snapshot.foreign(format!("found {found} groups, must be the {here} of its scenario")))
        }
        Some(at) => {
            let id = &scenario.blocks[at].id;
            Err(snapshot.foreign(format!("found no block of the group '{id}', which its scenario has")))
        }
    }
}
