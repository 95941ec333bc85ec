//! Replacing: puts other entities in the rows of old ones, which stay where they are. A repair does it instead of a death and a birth.
//!
//! Ids are the engine's: a system says which rows have new entities, and [`replace`] gives them their ids, in one order.

use bevy_ecs::resource::Resource;
use bevy_ecs::world::World;

use crate::block::{Directory, KindId, Population};
use crate::column::StableId;
use crate::raw;

/// An entity that takes another's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replaced {
    /// The kind.
    pub kind: KindId,
    /// The row of its table.
    pub row: u32,
    /// Who lived there.
    pub old: StableId,
    /// Who lives there from now on: the ids that [`Directory::next_id`] begins, without a gap.
    pub new: StableId,
}

/// Who is to be replaced, by the next call of [`replace`].
#[derive(Resource, Default, Debug)]
pub struct Replacements(pub Vec<Replaced>);

/// Gives the rows of all [`Replacements`] the ids of those who live there now. A system that needs the world to itself.
///
/// # Panics
/// If a row has another entity than it is said to, or the new ids are not the next ones.
pub fn replace(world: &mut World) {
    let mut list = std::mem::take(&mut world.resource_mut::<Replacements>().0);
    // Whichever thread found them first: the directory ends the same, but its pages should also be made in one order.
    list.sort_unstable_by_key(|replaced| replaced.new);
    world.resource_scope::<Population, _>(|world, population| {
        world.resource_scope::<Directory, _>(|world, mut directory| {
            for replaced in &list {
                assert_eq!(directory.next, replaced.new.0, "new entities have the next ids");
                directory.next += 1;
            }
            for (at, table) in population.kinds().iter().enumerate() {
                let mut own = list.iter().filter(|replaced| usize::from(replaced.kind.0) == at).peekable();
                if own.peek().is_none() {
                    continue;
                }
                let ids = raw::column_bytes_mut(world, table.table, &table.columns[0]);
                let ids: &mut [StableId] = bytemuck::cast_slice_mut(ids);
                let rows = &mut directory.kinds[at];
                for &Replaced { row, old, new, .. } in own {
                    let found = std::mem::replace(&mut ids[row as usize], new);
                    assert_eq!(found, old, "row {row} of kind '{}' is another's", table.name);
                    rows.remove(old);
                    rows.set(new, row);
                }
            }
        });
    });
    list.clear();
    world.resource_mut::<Replacements>().0 = list;
}
