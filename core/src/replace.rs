//! Replacing: other entities in the rows of old ones, which stay where they are. What a repair does instead of a death and a birth.
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
        for &Replaced { kind, row, old, new } in &list {
            let table = &population.kinds()[kind.0 as usize];
            let id = table.columns[0].id;
            let found: StableId = raw::read(world, table.table, id, row);
            assert_eq!(found, old, "row {row} of kind '{}' is another's", table.name);
            raw::write(world, table.table, id, row, new);
            let mut directory = world.resource_mut::<Directory>();
            assert_eq!(directory.next, new.0, "new entities have the next ids");
            directory.next += 1;
            let rows = &mut directory.kinds[kind.0 as usize];
            rows.remove(old);
            rows.set(new, row);
        }
    });
    list.clear();
    world.resource_mut::<Replacements>().0 = list;
}
