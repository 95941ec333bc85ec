//! Columns: these are the engine's own. Everything else that a row holds is a plugin's.
//!
//! All are plain data in native byte order; they count in a row's 1024 bytes.

use bevy_ecs::component::Component;
use bytemuck::{Pod, Zeroable};

/// Names an entity for the whole run: unique, never reused, kept by a repair that inherits.
///
/// `Entity` names a row and is never written to disk or wire; this is. Only the engine writes it:
///
/// ```compile_fail
/// use corec_core::{blocks::Blocks, column::StableId};
///
/// fn rename(blocks: Blocks<&mut StableId>) {}
/// ```
#[derive(Component, Pod, Zeroable, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
#[component(immutable, on_insert = crate::guard::stable_id_added, on_remove = crate::guard::stable_id_removed)]
#[repr(transparent)]
pub struct StableId(pub u64);

impl StableId {
    /// The id of a free row.
    pub const NONE: Self = Self(u64::MAX);
}

/// What an entity shows to its block: the guide's `valor`. The default dynamics keep it within 0..=1.
#[doc(alias = "valor")]
#[derive(Component, Pod, Zeroable, Clone, Copy, Default, PartialEq, Debug)]
#[repr(transparent)]
pub struct Signal {
    /// The value.
    pub value: f32,
}

/// Whether an entity works, and how often it was repaired since it was fresh. All zeros is inactive.
///
/// Aligned as one word, which is how kernels without branches read it.
#[derive(Component, Pod, Zeroable, Clone, Copy, Default, PartialEq, Eq, Debug)]
#[repr(C, align(4))]
pub struct Health {
    /// [`Health::ACTIVE`] or [`Health::INACTIVE`].
    pub state: u16,
    /// Failures since the entity was fresh; the second one ends its inheritance.
    #[doc(alias = "fallos")]
    pub failures: u16,
}

impl Health {
    /// The state of an entity that works.
    pub const ACTIVE: u16 = 1;
    /// The state of an entity that failed and waits for repair.
    pub const INACTIVE: u16 = 0;

    /// A fresh entity: active, never failed.
    pub const FRESH: Self = Self { state: Self::ACTIVE, failures: 0 };

    /// Whether the entity works.
    #[inline(always)]
    pub fn is_active(self) -> bool {
        self.state == Self::ACTIVE
    }
}

/// What an entity inherits: how fast it follows its target, and the target.
#[derive(Component, Pod, Zeroable, Clone, Copy, Default, PartialEq, Debug)]
#[repr(C)]
pub struct Trait {
    /// Share of the distance to the target covered in a tick, 0..=1.
    pub gain: f32,
    /// Where the value tends to, 0..=1.
    pub target: f32,
}
