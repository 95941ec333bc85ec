//! The digest: sums up the whole state of a run in one number, with a hash per column to name a culprit.
//!
//! xxh3 of (format, tick, next id, then the kinds by name: blocks, live counts, a hash per column over live rows in
//! row order), then of every registered resource that is there, by name. Not in it: free rows, Bevy's `Entity`, plain Bevy
//! entities, timings. Little endian, like the rows.

use std::any::TypeId;
use std::fmt;

use bevy_app::App;
use bevy_ecs::component::{ComponentId, Mutable};
use bevy_ecs::resource::Resource;
use bevy_ecs::world::World;
use serde::Serialize;
use serde::de::DeserializeOwned;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::block::{Directory, KindTable, Population};
use crate::phase::{Owner, Owners};
use crate::raw;
use crate::team;
use crate::units::Tick;

/// What the digest begins with. Raised when the meaning of all digests changes.
const FORMAT_OF_ALL: u64 = 2;
/// Raised whenever the meaning of a digest changes: 3 has resources that 2 had not ([`Saved::SINCE`]), and 4 those that 3 had not.
pub const FORMAT: u16 = 4;

/// A resource that is part of the run's state: of its digest, and of its snapshots.
///
/// What serde makes of it must depend on nothing but the state: no clock, no `HashMap`. It is written by postcard, which is
/// not self-describing: no `serde_json::Value`, no `flatten`, no `untagged`. What belongs to the scenario or
/// to this process is left out with `#[serde(skip)]`.
///
/// ```
/// use bevy_ecs::resource::Resource;
/// use corec_core::digest::Saved;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Resource, Serialize, Deserialize)]
/// struct Wind(f32);
///
/// impl Saved for Wind {
///     const NAME: &'static str = "wind";
/// }
/// ```
pub trait Saved: Resource<Mutability = Mutable> + Serialize + DeserializeOwned {
    /// Its name, unique in a run.
    const NAME: &'static str;

    /// The digest's first format that has it: a digest of an older run is compared without it.
    const SINCE: u16 = 0;

    /// Whether there is anything to it yet. What says no is neither in the digest nor in a snapshot.
    fn is_part(&self) -> bool {
        true
    }

    /// Its share of the digest, for what only grows and keeps a hash as it does; none for xxh3 of what serde makes of it.
    fn hash(&self) -> Option<u64> {
        None
    }

    /// Takes the state of `saved`. A resource that skips fields keeps its own here.
    fn restore(&mut self, saved: Self) {
        *self = saved;
    }
}

/// Adds resources to the state.
pub trait SaveResource {
    /// Makes `R`, once it is inserted, part of the run's state and digest.
    fn save_resource<R: Saved>(&mut self) -> &mut Self;
}

impl SaveResource for App {
    fn save_resource<R: Saved>(&mut self) -> &mut Self {
        self.world_mut().get_resource_or_init::<SavedResources>().add::<R>();
        self
    }
}

/// The resources that are part of the state, by name.
#[derive(Resource, Default)]
pub(crate) struct SavedResources {
    resources: Vec<SavedResource>,
    /// A name that two types want.
    taken_twice: Option<&'static str>,
}

/// Bytes of the resources of an owner: their own size, or their saved form where that is larger.
pub fn resource_bytes(world: &World, owner: Owner) -> u64 {
    let saved = |id| {
        let of =
            world.get_resource::<SavedResources>()?.iter().find(|saved| (saved.id)(world) == Some(id))?;
        (of.save)(world)
    };
    let owners = world.get_resource::<Owners>().into_iter();
    let ids = owners.flat_map(|owners| owners.resources(owner));
    ids.map(|id| {
        let own = world.components().get_info(id).map_or(0, |info| info.layout().size());
        own.max(saved(id).map_or(0, |bytes| bytes.len())) as u64
    })
    .sum()
}

/// How a resource of the world is saved and restored.
#[derive(Clone, Copy)]
pub(crate) struct SavedResource {
    pub name: &'static str,
    /// Its type.
    pub type_id: TypeId,
    /// Its component, if the world knows it.
    pub id: fn(&World) -> Option<ComponentId>,
    /// Its bytes; none if it is not in the world.
    pub save: fn(&World) -> Option<Vec<u8>>,
    /// Its share of the digest; none if it is not in the world.
    pub hash: fn(&World) -> Option<u64>,
    /// The digest's first format that has it.
    pub since: u16,
    /// Restores it, from bytes that may be anything.
    pub restore: fn(&mut World, &[u8]) -> Result<(), String>,
}

impl SavedResources {
    pub fn add<R: Saved>(&mut self) {
        match self.resources.binary_search_by_key(&R::NAME, |saved| saved.name) {
            Ok(at) if self.resources[at].type_id == TypeId::of::<R>() => {}
            Ok(_) => self.taken_twice = Some(R::NAME),
            Err(at) => {
                let saved = SavedResource {
                    name: R::NAME,
                    type_id: TypeId::of::<R>(),
                    id: World::component_id::<R>,
                    save: save::<R>,
                    hash: hash::<R>,
                    since: R::SINCE,
                    restore: restore::<R>,
                };
                self.resources.insert(at, saved);
            }
        }
    }

    /// A name that two types of resources want, if there is one.
    pub fn taken_twice(&self) -> Option<&'static str> {
        self.taken_twice
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = SavedResource> {
        self.resources.iter().copied()
    }
}

fn save<R: Saved>(world: &World) -> Option<Vec<u8>> {
    let bytes = postcard::to_allocvec(world.get_resource::<R>().filter(|resource| resource.is_part())?);
    Some(bytes.expect("what serde derives for plain data can be written to memory"))
}

fn hash<R: Saved>(world: &World) -> Option<u64> {
    let resource = world.get_resource::<R>().filter(|resource| resource.is_part())?;
    resource.hash().or_else(|| Some(xxh3_64(&save::<R>(world)?)))
}

fn restore<R: Saved>(world: &mut World, bytes: &[u8]) -> Result<(), String> {
    let (saved, rest) = postcard::take_from_bytes::<R>(bytes).map_err(|e| e.to_string())?;
    if !rest.is_empty() {
        return Err(format!("{} bytes too many", rest.len()));
    }
    match world.get_resource_mut::<R>() {
        Some(mut resource) => resource.restore(saved),
        None => world.insert_resource(saved),
    }
    Ok(())
}

/// The digest of a state.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Digest {
    /// The one number.
    pub value: u64,
    /// What it is made of: `kind.column` or a resource's name, and its hash.
    pub parts: Vec<(String, u64)>,
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.value)
    }
}

impl Digest {
    /// The digest of `world`. Columns are hashed in parallel on the current thread's team.
    ///
    /// # Panics
    /// If the world was not populated.
    pub fn of(world: &World) -> Self {
        Self::of_format(world, FORMAT)
    }

    /// As [`Digest::of`], as a version of CoreC had it whose digests were of `format`: 2 or later.
    ///
    /// # Panics
    /// If the world was not populated.
    pub fn of_format(world: &World, format: u16) -> Self {
        Self::of_those(world, &|saved| saved.since <= format)
    }

    /// With those saved resources alone that are `wanted`.
    pub(crate) fn of_those(world: &World, wanted: &dyn Fn(&SavedResource) -> bool) -> Self {
        let mut hash = Xxh3::new();
        let mut parts = Vec::new();
        let mut word = |value: u64| hash.update(&value.to_le_bytes());
        word(FORMAT_OF_ALL);
        word(world.resource::<Tick>().0);
        word(world.resource::<Directory>().next_id().0);
        let population = world.resource::<Population>();
        if population.has_retired() {
            // What the next blocks will be called; elsewhere it follows from those that there are.
            word(population.block_count() as u64);
            population.groups.iter().for_each(|group| word(group.next_index.into()));
        }
        let mut kinds: Vec<&KindTable> = population.kinds().iter().collect();
        kinds.sort_by(|a, b| a.name().cmp(b.name()));
        for kind in kinds {
            word(xxh3_64(kind.name().as_bytes()));
            for block in kind.blocks() {
                word(u64::from(block.id().0) << 32 | u64::from(block.group().0));
                word(u64::from(block.capacity()) << 32 | u64::from(block.live()));
            }
            for column in kind.columns().iter().filter(|c| c.size() > 0) {
                let bytes = raw::column_bytes(world, kind.table, column);
                let row = |row: u32| row as usize * column.size();
                let blocks = kind.blocks();
                let mut hashes = vec![0u64; blocks.len()];
                let leaf = (blocks.len() / (8 * team::threads())).max(1);
                team::for_each(hashes.chunks_mut(leaf).zip(blocks.chunks(leaf)), |(hashes, blocks)| {
                    for (hash, b) in hashes.iter_mut().zip(blocks) {
                        *hash = xxh3_64(&bytes[row(b.start())..row(b.start() + b.live())]);
                    }
                });
                let value = xxh3_64(bytemuck::cast_slice(&hashes));
                word(xxh3_64(column.name().as_bytes()));
                word(value);
                parts.push((format!("{}.{}", kind.name(), column.name()), value));
            }
        }
        let saved = world.get_resource::<SavedResources>().into_iter().flat_map(SavedResources::iter);
        for SavedResource { name, hash, .. } in saved.filter(wanted) {
            let Some(value) = hash(world) else { continue };
            word(xxh3_64(name.as_bytes()));
            word(value);
            parts.push((name.to_string(), value));
        }
        Self { value: hash.digest(), parts }
    }
}
