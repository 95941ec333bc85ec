//! The directory: finds the row of each entity by its stable id, and gives the id that comes next.

use bevy_ecs::resource::Resource;

use super::KindId;
use crate::column::StableId;
use crate::location::Locations;

/// Where each entity is, by kind and stable id, and the id that the next one gets.
#[derive(Resource, Default, Debug)]
pub struct Directory {
    pub(crate) next: u64,
    /// By [`KindId`].
    pub(crate) kinds: Vec<Locations>,
}

impl Directory {
    /// The kind and the row of an entity.
    pub fn locate(&self, id: StableId) -> Option<(KindId, u32)> {
        // Kinds are few, and ids of one kind mostly come in runs: asking each is cheaper than storing the kind.
        self.kinds.iter().enumerate().find_map(|(kind, rows)| Some((KindId(kind as u16), rows.get(id)?)))
    }

    /// The id that the next entity gets.
    pub fn next_id(&self) -> StableId {
        StableId(self.next)
    }

    /// Entities known.
    pub fn len(&self) -> usize {
        self.kinds.iter().map(Locations::len).sum()
    }

    /// Whether no entity is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
