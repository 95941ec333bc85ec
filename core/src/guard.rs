//! The guard: notices when anyone but the engine spawns, despawns or reshapes block rows.
//!
//! Bevy's own structural changes would shift rows between blocks without the blocks knowing. Two nets catch them:
//! hooks on `StableId` here, and `Population::check` after every tick.

use std::cell::Cell;

use bevy_ecs::lifecycle::HookContext;
use bevy_ecs::resource::Resource;
use bevy_ecs::world::DeferredWorld;
use thiserror::Error;

/// What the hooks saw.
#[derive(Resource, Default, Debug)]
pub(crate) struct Guard {
    pub violation: Option<StructureError>,
}

thread_local! {
    /// Set while the engine itself spawns rows, on the thread that does: asked for every row, so no resource.
    static IS_SPAWNING: Cell<bool> = const { Cell::new(false) };
}

/// Spawns rows: those that `spawn` adds on this thread are the engine's own.
pub(crate) fn as_engine<R>(spawn: impl FnOnce() -> R) -> R {
    struct Reset;
    impl Drop for Reset {
        fn drop(&mut self) {
            IS_SPAWNING.set(false);
        }
    }
    IS_SPAWNING.set(true);
    let _reset = Reset;
    spawn()
}

/// A structural change of block rows behind the engine's back. It ends the run: the blocks can't be trusted any more.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum StructureError {
    /// Someone spawned an entity with a `StableId`, or inserted one.
    #[error("a StableId was added by hand: spawn entities of a kind with Rows::spawn")]
    Added,
    /// A row was despawned, or its `StableId` removed.
    #[error("a block row was despawned or lost its StableId: free it with Rows::free")]
    Removed,
    /// A row has or had other components than its kind, for however short a time: rows have changed places.
    #[error(
        "a component was inserted into or removed from a block row ({components}): give the kind all its components \
         with Kind::with, and set values instead"
    )]
    Inserted {
        /// The components that such a row had.
        components: String,
    },
    /// A row left its kind's table.
    #[error(
        "kind '{kind}': found {found} rows in its table, must be {expected}: a component was inserted into or removed \
         from a block row; give the kind all its components with Kind::with, and set values instead"
    )]
    Reshaped {
        /// The kind.
        kind: String,
        /// Rows found.
        found: u32,
        /// Rows the engine made.
        expected: u32,
    },
}

pub(crate) fn stable_id_added(mut world: DeferredWorld, _: HookContext) {
    if !IS_SPAWNING.get()
        && let Some(mut guard) = world.get_resource_mut::<Guard>()
    {
        guard.violation.get_or_insert(StructureError::Added);
    }
}

pub(crate) fn stable_id_removed(mut world: DeferredWorld, _: HookContext) {
    if let Some(mut guard) = world.get_resource_mut::<Guard>() {
        guard.violation.get_or_insert(StructureError::Removed);
    }
}
