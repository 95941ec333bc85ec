//! The digest: one number for the whole state of a run, and a hash per column to name a culprit.
//!
//! xxh3 of (format, tick, next id, then the kinds by name: blocks, live counts, a hash per column over live rows in
//! row order), then of every registered resource, by name. Not in it: free rows, Bevy's `Entity`, plain Bevy
//! entities, timings. Little endian, like the rows.

use std::fmt;

use bevy_app::App;
use bevy_ecs::resource::Resource;
use bevy_ecs::world::World;
use rayon::prelude::*;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::block::{Directory, KindTable, Population};
use crate::raw;
use crate::units::Tick;

/// Raised whenever the meaning of the digest changes.
const FORMAT: u64 = 1;

/// A resource that is part of the run's state.
pub trait Saved: Resource {
    /// Its name, unique in a run.
    const NAME: &'static str;

    /// Appends its state, in bytes that depend on nothing but the state.
    fn save(&self, out: &mut Vec<u8>);
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
pub(crate) struct SavedResources(Vec<(&'static str, SaveFn)>);

/// Appends a resource of the world, if it is there.
type SaveFn = fn(&World, &mut Vec<u8>);

impl SavedResources {
    pub fn add<R: Saved>(&mut self) {
        if let Err(at) = self.0.binary_search_by_key(&R::NAME, |(name, _)| name) {
            let save = |world: &World, out: &mut Vec<u8>| {
                if let Some(resource) = world.get_resource::<R>() {
                    resource.save(out);
                }
            };
            self.0.insert(at, (R::NAME, save));
        }
    }
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
    /// The digest of `world`. Columns are hashed in parallel on the current rayon pool.
    ///
    /// # Panics
    /// If the world was not populated.
    pub fn of(world: &World) -> Self {
        let mut hash = Xxh3::new();
        let mut parts = Vec::new();
        let mut word = |value: u64| hash.update(&value.to_le_bytes());
        word(FORMAT);
        word(world.resource::<Tick>().0);
        word(world.resource::<Directory>().next_id().0);
        let mut kinds: Vec<&KindTable> = world.resource::<Population>().kinds().iter().collect();
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
                let blocks: Vec<u64> = kind
                    .blocks()
                    .par_iter()
                    .map(|b| xxh3_64(&bytes[row(b.start())..row(b.start() + b.live())]))
                    .collect();
                let value = xxh3_64(bytemuck::cast_slice(&blocks));
                word(xxh3_64(column.name().as_bytes()));
                word(value);
                parts.push((format!("{}.{}", kind.name(), column.name()), value));
            }
        }
        let mut bytes = Vec::new();
        for (name, save) in world.get_resource::<SavedResources>().iter().flat_map(|saved| &saved.0) {
            bytes.clear();
            save(world, &mut bytes);
            let value = xxh3_64(&bytes);
            word(xxh3_64(name.as_bytes()));
            word(value);
            parts.push(((*name).to_string(), value));
        }
        Self { value: hash.digest(), parts }
    }
}
