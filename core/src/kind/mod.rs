//! Kinds: each is a fixed set of components, which its rows are made of.
//!
//! A kind is registered once, checked at once, and spawned in whole blocks. Its rows are never spawned or despawned
//! one by one by anyone but the engine.

mod error;

use std::any::TypeId;
use std::marker::PhantomData;

use bevy_app::App;
use bevy_ecs::bundle::{Bundle, NoBundleEffect};
use bevy_ecs::component::{Component, ComponentId, Mutable, StorageType};
use bevy_ecs::entity::Entity;
use bevy_ecs::resource::Resource;
use bevy_ecs::world::World;
use bytemuck::{Pod, Zeroable};

use crate::column::{Health, StableId};
use crate::phase::Owner;

pub use error::KindError;

/// Bytes a row may have, all components together: the guide's "about 1 KB an entity".
pub const ROW_BYTES_MAX: usize = 1024;

/// The largest alignment a column may have: a cache line.
pub const ALIGN_MAX: usize = 64;
/// Bytes the name of a kind may have.
const NAME_BYTES_MAX: usize = 64;

/// On every row of a recycled kind. Registered as a disabling component, so that a plain `Query` sees neither the
/// kind nor its free rows; [`Blocks`](crate::blocks::Blocks) sees its live rows.
#[derive(Component, Clone, Copy, Default)]
pub struct Recycled;

/// A kind in the making: a name and its components.
///
/// Every kind also has [`StableId`] and [`Health`]; they count in the row's 1024 bytes.
///
/// ```
/// use bevy_app::App;
/// use bevy_ecs::component::Component;
/// use bytemuck::{Pod, Zeroable};
/// use corec_core::{column::Signal, kind::{AddKind, Kind}};
///
/// #[derive(Component, Pod, Zeroable, Clone, Copy)]
/// #[repr(C)]
/// struct Tiredness(f32);
///
/// App::new().add_kind(Kind::new("tired").with::<Signal>().with::<Tiredness>());
/// ```
pub struct Kind<B = ()> {
    name: String,
    recycled: bool,
    columns: Vec<ColumnSpec>,
    rows: PhantomData<fn() -> B>,
}

impl Kind {
    /// A fixed kind called `name`: its rows are never freed, repair works in place, a plain `Query` is exact.
    pub fn new(name: impl Into<String>) -> Self {
        let columns = vec![ColumnSpec::of::<StableId>(), ColumnSpec::of::<Health>()];
        Self { name: name.into(), recycled: false, columns, rows: PhantomData }
    }
}

impl<B> Kind<B> {
    /// Adds a component to the rows. A new row starts with all its bytes zero.
    pub fn with<T: Component<Mutability = Mutable> + Pod>(mut self) -> Kind<(B, T)> {
        self.columns.push(ColumnSpec::of::<T>());
        Kind { name: self.name, recycled: self.recycled, columns: self.columns, rows: PhantomData }
    }

    /// Makes the kind a recycled one: rows are born and die, 8 bytes a row more, plain queries skip it.
    pub fn recycled(mut self) -> Self {
        self.recycled = true;
        self
    }
}

/// Adds kinds to an [`App`].
pub trait AddKind {
    /// Registers `kind`. A kind that is refused is reported by `Simulation::new`, which then fails.
    fn add_kind<B>(&mut self, kind: Kind<B>) -> &mut Self
    where
        B: Bundle<Effect: NoBundleEffect> + Zeroable;
}

impl AddKind for App {
    fn add_kind<B>(&mut self, kind: Kind<B>) -> &mut Self
    where
        B: Bundle<Effect: NoBundleEffect> + Zeroable,
    {
        let mut kinds = self.world_mut().get_resource_or_init::<Kinds>();
        if let Err(error) = kinds.register(kind) {
            kinds.refused.push(error);
        }
        self
    }
}

/// The registered kinds, in the order they were registered.
#[derive(Resource, Default)]
pub struct Kinds {
    specs: Vec<KindSpec>,
    refused: Vec<KindError>,
}

impl Kinds {
    /// Checks and registers `kind`.
    ///
    /// # Errors
    /// See [`KindError`].
    pub fn register<B>(&mut self, kind: Kind<B>) -> Result<(), KindError>
    where
        B: Bundle<Effect: NoBundleEffect> + Zeroable,
    {
        let Kind { name, recycled, columns, .. } = kind;
        if name.is_empty() || name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control) {
            return Err(KindError::Name(name));
        }
        if self.specs.iter().any(|spec| spec.name == name) {
            return Err(KindError::Duplicate(name));
        }
        for (i, column) in columns.iter().enumerate() {
            if columns[..i].iter().any(|c| c.type_id == column.type_id) {
                return Err(KindError::DuplicateColumn { kind: name, column: column.name.into() });
            }
            if column.storage != StorageType::Table || column.align > ALIGN_MAX {
                return Err(KindError::Storage { kind: name, column: column.name.into() });
            }
        }
        let bytes = columns.iter().map(|c| c.size).sum();
        if bytes > ROW_BYTES_MAX {
            let columns: Vec<String> = columns.iter().map(|c| format!("{} {}", c.name, c.size)).collect();
            return Err(KindError::RowTooLarge { kind: name, bytes, columns: columns.join(", ") });
        }
        let spawn = if recycled { spawn_recycled::<B> } else { spawn_fixed::<B> };
        self.specs.push(KindSpec { name, recycled, owner: None, columns, spawn });
        Ok(())
    }

    /// The registered kinds.
    pub fn specs(&self) -> &[KindSpec] {
        &self.specs
    }

    /// Writes down whose the kinds are that come after the first `before`.
    pub(crate) fn own_after(&mut self, before: usize, owner: Owner) {
        self.specs.iter_mut().skip(before).for_each(|spec| spec.owner = Some(owner));
    }

    /// Refuses to build a run with these kinds.
    pub(crate) fn refuse(&mut self, error: KindError) {
        self.refused.push(error);
    }

    /// The first kind that was refused.
    pub fn take_refusal(&mut self) -> Option<KindError> {
        self.refused.drain(..).next()
    }
}

/// A registered kind.
pub struct KindSpec {
    pub(crate) name: String,
    pub(crate) recycled: bool,
    pub(crate) owner: Option<Owner>,
    pub(crate) columns: Vec<ColumnSpec>,
    pub(crate) spawn: SpawnRows,
}

impl KindSpec {
    /// The kind's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether rows are born and die.
    pub fn is_recycled(&self) -> bool {
        self.recycled
    }

    /// Bytes of a row, all components together.
    pub fn row_bytes(&self) -> usize {
        self.columns.iter().map(|c| c.size).sum()
    }

    /// Bytes that the world takes for a row beside the row itself and its entity's record.
    pub fn row_overhead_bytes(&self) -> f64 {
        row_overhead_bytes(self.columns.len() + usize::from(self.recycled))
    }

    pub(crate) fn same_components(&self, other: &Self) -> bool {
        self.recycled == other.recycled
            && self.columns.len() == other.columns.len()
            && self.columns.iter().all(|c| other.columns.iter().any(|o| o.type_id == c.type_id))
    }
}

/// What a process takes beside its rows. Measured: 8.2 MB before the first entity, 12 MB with an SQLite store at work.
pub(crate) const BASE_BYTES: u64 = 14_000_000;
/// bevy_ecs' record of an entity. Their list doubles, so that a million entities take 2^20 of them. Measured at five
/// sizes from 250,000 to 10 million.
pub(crate) const RECORD_BYTES: u64 = 24;

/// What a block takes beside its rows: itself, its statistics, what systems count of it, its row in the store's batches.
/// Measured with 1,000,000 blocks of one entity: 341 bytes.
pub(crate) const BLOCK_BYTES: u64 = 350;

/// Bytes that a run needs whose kinds have `rows` rows in `blocks` blocks, which take `bytes`: what is foreseen for a scenario, from
/// what has become of it.
pub(crate) fn need_of(bytes: u64, rows: u64, blocks: u64) -> u64 {
    let records = rows.next_power_of_two().saturating_mul(RECORD_BYTES);
    BASE_BYTES.saturating_add(records).saturating_add(blocks * BLOCK_BYTES).saturating_add(bytes)
}

/// Bytes that the world takes for a row of so many components, beside the row itself and its entity's record.
///
/// Measured with bevy_ecs 0.20: 32.4 B with one component, 8 B of change ticks for each further one. The directory
/// of stable ids adds 4.
pub(crate) fn row_overhead_bytes(components: usize) -> f64 {
    32.4 + 8.0 * (components - 1) as f64 + 4.0
}

/// A component of a kind.
#[derive(Clone)]
pub(crate) struct ColumnSpec {
    pub name: &'static str,
    pub type_id: TypeId,
    pub size: usize,
    pub align: usize,
    pub storage: StorageType,
    pub register: fn(&mut World) -> ComponentId,
}

impl ColumnSpec {
    fn of<T: Component + Pod>() -> Self {
        let path = std::any::type_name::<T>();
        Self {
            name: path.rsplit("::").next().unwrap_or(path),
            type_id: TypeId::of::<T>(),
            size: size_of::<T>(),
            align: align_of::<T>(),
            storage: T::STORAGE_TYPE,
            register: World::register_component::<T>,
        }
    }
}

/// Appends so many rows to a kind's table, the `i`-th with `head(i)`, and gives the first one's entity.
pub(crate) type SpawnRows = fn(&mut World, u32, &mut dyn FnMut(u32) -> (StableId, Health)) -> Option<Entity>;

fn spawn_fixed<B>(
    world: &mut World,
    rows: u32,
    head: &mut dyn FnMut(u32) -> (StableId, Health),
) -> Option<Entity>
where
    B: Bundle<Effect: NoBundleEffect> + Zeroable,
{
    // The exact size lets the table reserve once, without the slack of a growing vector.
    let mut spawned = world.spawn_batch((0..rows).map(|i| (head(i), B::zeroed())));
    spawned.next()
}

fn spawn_recycled<B>(
    world: &mut World,
    rows: u32,
    head: &mut dyn FnMut(u32) -> (StableId, Health),
) -> Option<Entity>
where
    B: Bundle<Effect: NoBundleEffect> + Zeroable,
{
    let mut spawned = world.spawn_batch((0..rows).map(|i| (head(i), Recycled, B::zeroed())));
    spawned.next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::Signal;

    #[derive(Component, Clone, Copy, Pod, Zeroable)]
    #[repr(C)]
    struct Large([u64; 64], [u64; 32], [u64; 31]);

    #[test]
    fn a_row_over_1024_bytes_is_refused_with_its_components() {
        let error = Kinds::default().register(Kind::new("big").with::<Large>()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "kind 'big': found rows of 1028 bytes (StableId 8, Health 4, Large 1016), must be at most 1024"
        );
    }

    #[test]
    fn a_second_kind_of_the_same_name_is_refused() {
        let mut kinds = Kinds::default();
        kinds.register(Kind::new("a").with::<Signal>()).unwrap();
        assert_eq!(kinds.register(Kind::new("a")), Err(KindError::Duplicate("a".into())));
    }

    #[test]
    fn a_component_twice_is_refused() {
        let error = Kinds::default().register(Kind::new("a").with::<Signal>().with::<Signal>());
        assert_eq!(error, Err(KindError::DuplicateColumn { kind: "a".into(), column: "Signal".into() }));
        assert!(Kinds::default().register(Kind::new("a").with::<Health>()).is_err());
    }
}
