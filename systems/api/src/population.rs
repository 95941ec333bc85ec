//! Population: how the systems of a plugin let entities be born and die, without the world to themselves.
//!
//! What a system asks for is queued, and done when its turn among the others' comes, in the order in which it was asked. A system
//! asks for its own plugin's kinds only: so one that fails stops its plugin, and not the run.

use std::any::TypeId;
use std::marker::PhantomData;

use bevy_ecs::prelude::*;
use bevy_ecs::system::{Deferred, SystemBuffer, SystemMeta, SystemParam};
use bevy_ecs::world::DeferredWorld;
use bytemuck::Pod;
use corec_core::block::{Directory, GroupId, KindId, KindTable, Population};
use corec_core::column::StableId;
use corec_core::phase::Owner;
use corec_core::plugin::NamedPlugin;
use corec_core::rows::{Row, RowError, Rows};
use thiserror::Error;

/// Why an entity can't be born or die.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum PopulationError {
    /// What the engine says.
    #[error(transparent)]
    Row(#[from] RowError),
    /// It is another's.
    #[error("plugin '{plugin}': found the kind '{kind}', must be one that the plugin has registered")]
    NotOwn {
        /// The plugin.
        plugin: &'static str,
        /// The kind.
        kind: String,
    },
}

/// The first values of a new entity: a component, or several.
pub trait RowValues: Copy + Send + 'static {
    /// Whether one of them is a [`StableId`], which only the engine gives.
    fn has_id() -> bool;

    /// The first component that a kind has not.
    fn missing(kind: &KindTable) -> Option<&'static str>;

    /// Sets them.
    ///
    /// # Errors
    /// A component that the kind has not.
    fn set(self, row: &mut Row) -> Result<(), RowError>;
}

fn is_id<T: Component>() -> bool {
    TypeId::of::<T>() == TypeId::of::<StableId>()
}

macro_rules! row_values {
    ($($value:ident),*) => {
        impl<$($value: Component + Pod),*> RowValues for ($($value,)*) {
            fn has_id() -> bool {
                $(is_id::<$value>())||*
            }

            fn missing(kind: &KindTable) -> Option<&'static str> {
                $(if !kind.has::<$value>() {
                    return Some(std::any::type_name::<$value>());
                })*
                None
            }

            #[expect(non_snake_case, reason = "a value is called as its type is")]
            fn set(self, row: &mut Row) -> Result<(), RowError> {
                let ($($value,)*) = self;
                $(row.set($value)?;)*
                Ok(())
            }
        }
    };
}

row_values!(A);
row_values!(A, B);
row_values!(A, B, C);
row_values!(A, B, C, D);
row_values!(A, B, C, D, E);
row_values!(A, B, C, D, E, F);

/// Lets entities of the plugin `P` be born, with the values `V`; all other columns are zero, and they are active.
///
/// ```
/// # use corec_api::prelude::*;
/// # #[derive(Deserialize, JsonSchema)]
/// # struct Sparks {}
/// # impl Plugin for Sparks { fn build(&self, _: &mut App) {} }
/// # corec_api::plugin!(Sparks, name = "sparks");
/// fn ignite(population: Res<Population>, mut births: Births<Sparks, (Signal,)>) -> Result {
///     let group = population.group_named("sparks").ok_or("there is no group 'sparks'")?;
///     births.spawn(group, (Signal { value: 1.0 },))?;
///     Ok(())
/// }
/// fn fade(blocks: Blocks<(&StableId, &Signal)>, mut deaths: Deaths<Sparks>) -> Result {
///     let mut faded = Vec::new();
///     blocks.for_each(|(ids, signals)| {
///         faded.extend(ids.iter().zip(signals).filter(|(_, signal)| signal.value < 0.1).map(|(id, _)| *id));
///     });
///     faded.into_iter().try_for_each(|id| deaths.free(id))?;
///     Ok(())
/// }
/// # App::new().add_systems(Update, (ignite, fade));
/// ```
#[derive(SystemParam)]
pub struct Births<'w, 's, P: NamedPlugin, V: RowValues> {
    population: Res<'w, Population>,
    queue: Deferred<'s, BirthQueue<P, V>>,
}

impl<P: NamedPlugin, V: RowValues> Births<'_, '_, P, V> {
    /// A new entity in a group. Where the run may have no more memory it is not born, and counted: `births_refused`.
    ///
    /// # Errors
    /// A group that is not there, whose kind is another's or has not all of the values, or whose rows are fixed.
    pub fn spawn(&mut self, group: GroupId, values: V) -> Result<(), PopulationError> {
        let found = self.population.groups().get(usize::from(group.0));
        let kind = found.ok_or(RowError::UnknownGroup(group.0))?.kind();
        let kind = check::<P>(&self.population, kind)?;
        if V::has_id() {
            return Err(RowError::EngineColumn.into());
        }
        if let Some(column) = V::missing(kind) {
            return Err(RowError::NoColumn { kind: kind.name().into(), column }.into());
        }
        self.queue.births.push((group, values));
        Ok(())
    }
}

/// Lets entities of the plugin `P` die. See [`Births`].
#[derive(SystemParam)]
pub struct Deaths<'w, 's, P: NamedPlugin> {
    population: Res<'w, Population>,
    directory: Res<'w, Directory>,
    queue: Deferred<'s, DeathQueue<P>>,
}

impl<P: NamedPlugin> Deaths<'_, '_, P> {
    /// Ends an entity. To ask for it twice is to ask for it once.
    ///
    /// # Errors
    /// An entity that is not there, whose kind is another's, or whose rows are fixed.
    pub fn free(&mut self, id: StableId) -> Result<(), PopulationError> {
        let (kind, _) = self.directory.locate(id).ok_or(RowError::UnknownEntity(id.0))?;
        check::<P>(&self.population, kind)?;
        self.queue.deaths.push(id);
        Ok(())
    }
}

/// Whether the plugin may change who lives in a kind.
fn check<P: NamedPlugin>(population: &Population, kind: KindId) -> Result<&KindTable, PopulationError> {
    let kind = &population.kinds()[usize::from(kind.0)];
    if kind.owner() != Some(Owner::Plugin(P::NAME)) {
        return Err(PopulationError::NotOwn { plugin: P::NAME, kind: kind.name().into() });
    }
    if !kind.is_recycled() {
        return Err(RowError::FixedKind(kind.name().into()).into());
    }
    Ok(kind)
}

/// Who is to be born.
pub struct BirthQueue<P, V> {
    births: Vec<(GroupId, V)>,
    by: PhantomData<fn() -> P>,
}

impl<P, V> Default for BirthQueue<P, V> {
    fn default() -> Self {
        Self { births: Vec::new(), by: PhantomData }
    }
}

impl<P: NamedPlugin, V: RowValues> SystemBuffer for BirthQueue<P, V> {
    fn apply(&mut self, _: &SystemMeta, world: &mut World) {
        give_birth(world, self.births.drain(..));
    }

    /// For an observer, which may only queue.
    fn queue(&mut self, _: &SystemMeta, mut world: DeferredWorld) {
        let births = std::mem::take(&mut self.births);
        world.commands().queue(move |world: &mut World| give_birth(world, births.into_iter()));
    }
}

fn give_birth<V: RowValues>(world: &mut World, births: impl ExactSizeIterator<Item = (GroupId, V)>) {
    if births.len() == 0 {
        return;
    }
    let mut rows = Rows::new(world);
    for (group, values) in births {
        // What there is no memory for has been counted; a table that is full of rows is no more to be had either.
        let Ok(mut row) = rows.spawn(group) else { continue };
        values.set(&mut row).expect("the kind has the columns, as was looked at when it was asked for");
    }
}

/// Who is to die.
pub struct DeathQueue<P> {
    deaths: Vec<StableId>,
    by: PhantomData<fn() -> P>,
}

impl<P> Default for DeathQueue<P> {
    fn default() -> Self {
        Self { deaths: Vec::new(), by: PhantomData }
    }
}

impl<P: NamedPlugin> SystemBuffer for DeathQueue<P> {
    fn apply(&mut self, _: &SystemMeta, world: &mut World) {
        end_lives(world, self.deaths.drain(..));
    }

    /// For an observer, which may only queue.
    fn queue(&mut self, _: &SystemMeta, mut world: DeferredWorld) {
        let deaths = std::mem::take(&mut self.deaths);
        world.commands().queue(move |world: &mut World| end_lives(world, deaths.into_iter()));
    }
}

fn end_lives(world: &mut World, deaths: impl ExactSizeIterator<Item = StableId>) {
    if deaths.len() == 0 {
        return;
    }
    let mut rows = Rows::new(world);
    // Another system may have ended it in the meantime.
    deaths.for_each(|id| _ = rows.free(id));
}
