//! Capture: copies what a snapshot takes from the world, at once, so that the tick goes on while it is written.

use std::borrow::Cow;

use bevy_ecs::world::World;

use super::{Head, SavedBlock, SavedKind};
use crate::block::{Column, Directory, KindTable, Population};
use crate::digest::{Digest, SavedResources};
use crate::raw;
use crate::team;
use crate::units::{Epoch, RunId, Tick};

/// The state of a run at a tick, outside its world. Reused from one snapshot to the next, it allocates nothing.
#[derive(Default)]
pub struct Capture {
    pub(super) head: Option<Head>,
    /// By kind and column: the live rows, packed in row order.
    pub(super) columns: Vec<Vec<u8>>,
    pub(super) resources: Vec<(String, Vec<u8>)>,
}

impl Capture {
    /// Bytes that the columns of `world` will take here.
    pub fn bytes_of(world: &World) -> u64 {
        let row = |kind: &KindTable| kind.columns().iter().map(|c| c.size() as u64).sum::<u64>();
        world.resource::<Population>().kinds().iter().map(|kind| kind.live() * row(kind)).sum()
    }

    /// Makes room for the columns of `world`, so that the first capture does not wait for memory.
    pub fn reserve(&mut self, world: &World) {
        let kinds = world.resource::<Population>().kinds();
        let columns = kinds.iter().flat_map(|k| k.columns().iter().map(|c| k.live() as usize * c.size()));
        self.columns = columns.map(|bytes| vec![1; bytes]).collect();
    }
}

/// Copies the state of `world` into `to`, columns in parallel on the current thread's team.
///
/// # Panics
/// If the world was not populated.
pub fn capture(world: &World, to: &mut Capture, about: &About) {
    let population = world.resource::<Population>();
    let columns = population.kinds().iter().flat_map(|kind| kind.columns().iter().map(move |c| (kind, c)));
    to.columns.resize_with(columns.clone().count(), Vec::new);
    for ((kind, column), packed) in columns.zip(&mut to.columns) {
        packed.resize(kind.live() as usize * column.size(), 0);
        pack(kind, raw::column_bytes(world, kind.table, column), column.size(), packed);
    }
    to.head = Some(head(world, about));
    to.resources = resources(world);
}

/// What a snapshot says that the world does not know.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// The run; none for a state of no run.
    pub id: Option<RunId>,
    /// The run's folder.
    pub run: String,
    /// The scenario as JSON, passwords left out.
    pub scenario: String,
    /// The last record of the journal that the state has taken in.
    pub journal_sequence: u64,
}

pub(super) fn head(world: &World, about: &About) -> Head {
    let population = world.resource::<Population>();
    Head {
        id: about.id,
        run: about.run.clone(),
        epoch: world.resource::<Epoch>().0,
        tick: world.resource::<Tick>().0,
        next_id: world.resource::<Directory>().next_id().0,
        digest: Digest::of(world).value,
        journal_sequence: about.journal_sequence,
        scenario: about.scenario.clone(),
        kinds: population.kinds().iter().map(saved_kind).collect(),
        block_count: population.block_count() as u32,
        next_indices: population.groups.iter().map(|group| group.next_index).collect(),
    }
}

pub(super) fn resources(world: &World) -> Vec<(String, Vec<u8>)> {
    let saved = world.get_resource::<SavedResources>().into_iter().flat_map(SavedResources::iter);
    saved.filter_map(|saved| Some((saved.name.to_string(), (saved.save)(world)?))).collect()
}

/// The live rows of every column where they are; copied only where free rows lie between them.
pub(super) fn columns(world: &World) -> Vec<Cow<'_, [u8]>> {
    let kinds = world.resource::<Population>().kinds();
    let columns = kinds.iter().flat_map(|kind| kind.columns().iter().map(move |column| (kind, column)));
    let rows = |(kind, column): (&KindTable, &Column)| {
        let bytes = raw::column_bytes(world, kind.table, column);
        if kind.live() == u64::from(kind.rows) {
            return Cow::Borrowed(bytes);
        }
        let mut packed = vec![0; kind.live() as usize * column.size()];
        pack(kind, bytes, column.size(), &mut packed);
        Cow::Owned(packed)
    };
    columns.map(rows).collect()
}

fn saved_kind(kind: &KindTable) -> SavedKind {
    let block = |b: &crate::block::Block| SavedBlock {
        id: b.id().0,
        group: b.group().0,
        index: b.index(),
        capacity: b.capacity(),
        live: b.live(),
    };
    SavedKind {
        name: kind.name().into(),
        recycled: kind.is_recycled(),
        columns: kind.columns().iter().map(|c| (c.name().to_string(), c.size() as u32)).collect(),
        blocks: kind.blocks().iter().map(block).collect(),
        rows: kind.rows,
    }
}

/// Copies the live rows of a column to `packed`.
fn pack(kind: &KindTable, column: &[u8], size: usize, packed: &mut [u8]) {
    /// Bytes a thread copies at a time.
    const PIECE: usize = 1 << 20;
    if kind.live() == u64::from(kind.rows) {
        let pieces = packed.chunks_mut(PIECE).zip(column.chunks(PIECE));
        team::for_each(pieces, |(to, from)| to.copy_from_slice(from));
        return;
    }
    let mut rest = packed;
    for block in kind.blocks() {
        let (to, more) = rest.split_at_mut(block.live() as usize * size);
        to.copy_from_slice(&column[block.start() as usize * size..][..to.len()]);
        rest = more;
    }
}

/// Puts the live rows of a column back from `packed`: the other way round.
pub(super) fn unpack(kind: &KindTable, packed: &[u8], size: usize, column: &mut [u8]) {
    let mut rest = packed;
    for block in kind.blocks() {
        let (from, more) = rest.split_at(block.live() as usize * size);
        column[block.start() as usize * size..][..from.len()].copy_from_slice(from);
        rest = more;
    }
}
