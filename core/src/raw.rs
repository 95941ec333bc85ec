//! Raw rows: a row is copied inside its table, and columns are read and written as bytes.
//!
//! The one place outside the executor that needs unsafe. bevy_ecs moves rows between tables, never inside one, so
//! a block that frees its rows by swapping them has to copy bytes itself. All of it stands on four facts, which
//! the engine keeps:
//!
//! 1. every column of a kind is `Pod` (`Kind::with` asks for it): any bytes are a value, a copy needs no drop;
//! 2. a column's id and size come from the component's registration (`Column` is only made in `populate.rs`);
//! 3. rows are below the table's length (checked here) and the caller holds `&mut World`, so that nobody else reads;
//! 4. the world is the one that the table and its columns were made in (checked here): a `Population` can be moved into another.

use std::any::TypeId;
use std::ptr::NonNull;

use bevy_ecs::component::{ComponentId, ComponentInfo};
use bevy_ecs::entity::Entity;
use bevy_ecs::ptr::OwningPtr;
use bevy_ecs::storage::{Table, TableRow};
use bevy_ecs::world::World;
use bytemuck::Pod;

use crate::block::{Column, TableOf};
use crate::column::{Health, StableId};

/// # Panics
/// In another world (fact 4): a table of that number has other columns there.
fn table(world: &World, of: TableOf) -> &Table {
    of.find(world).expect("the rows are of another world: a Population was moved here from it")
}

/// A row of a table, checked.
///
/// # Panics
/// If it is outside the table: the population would be out of step with the world, and the next copy would read or
/// write foreign memory.
fn checked(table: &Table, row: u32) -> TableRow {
    assert!(row < table.entity_count(), "row {row} of a table of {}", table.entity_count());
    TableRow::new(row.try_into().expect("rows are below u32::MAX: one is below the table's length"))
}

/// The address of the values of these rows in a column.
///
/// # Panics
/// If the table has no such column: as [`checked`].
fn addresses<const N: usize>(table: &Table, column: ComponentId, rows: [TableRow; N]) -> [*mut u8; N] {
    let data = table.get_column(column).expect("a kind's columns are its table's");
    // The address may be written to by who holds `&mut World`: bevy_ecs keeps a column behind a raw pointer, so that what we get
    // has the allocation's own permission and not that of the shared reference we came by.
    // SAFETY: rows are below the table's length: `checked` made them from this table, whose length nobody changed since.
    rows.map(|row| unsafe { data.get_data_unchecked(row) }.as_ptr().cast_mut())
}

fn address(table: &Table, column: ComponentId, row: u32) -> *mut u8 {
    let [address] = addresses(table, column, [checked(table, row)]);
    address
}

/// Copies every column of row `from` to row `to`. Change ticks stay with the row.
pub(crate) fn copy_row(world: &mut World, id: TableOf, columns: &[Column], from: u32, to: u32) {
    if from == to {
        return;
    }
    let table = table(world, id);
    let rows = [checked(table, from), checked(table, to)];
    for column in columns {
        let [from, to] = addresses(table, column.id, rows);
        // SAFETY: both are rows of one column (fact 2), distinct and `size` bytes apart or more, so they do not
        // overlap; the value is Pod (fact 1); `world` is borrowed mutably (fact 3).
        unsafe { std::ptr::copy_nonoverlapping(from, to, column.size) };
    }
}

/// Makes a row a new entity's: its id, a fresh health, and zeros in every other column.
///
/// # Panics
/// If the first two columns are not these.
pub(crate) fn write_fresh_row(world: &mut World, id: TableOf, columns: &[Column], row: u32, of: StableId) {
    let table = table(world, id);
    let row = checked(table, row);
    let [id_column, health_column, rest @ ..] = columns else { panic!("a kind has an id and a health") };
    let types = [id_column.type_id, health_column.type_id];
    assert_eq!(
        types,
        [TypeId::of::<StableId>(), TypeId::of::<Health>()],
        "columns are written as what they are"
    );
    let [id_at] = addresses(table, id_column.id, [row]);
    let [health_at] = addresses(table, health_column.id, [row]);
    // SAFETY: the columns hold these (fact 2), so the addresses are aligned; mutably borrowed (fact 3); both are Pod.
    unsafe {
        id_at.cast::<StableId>().write(of);
        health_at.cast::<Health>().write(Health::FRESH);
    }
    for column in rest {
        let [at] = addresses(table, column.id, [row]);
        // SAFETY: one value of the column (fact 2); zeros are a value (fact 1); mutably borrowed (fact 3).
        unsafe { std::ptr::write_bytes(at, 0, column.size) };
    }
}

/// Whether a column holds `T`s.
///
/// # Panics
/// If it does not.
fn check_type<T: 'static>(world: &World, column: ComponentId) {
    let found = world.components().get_info(column).and_then(ComponentInfo::type_id);
    assert_eq!(found, Some(TypeId::of::<T>()), "a column is read and written as what it is");
}

/// Reads a value of the column that `T` is.
pub(crate) fn read<T: Pod>(world: &World, id: TableOf, column: ComponentId, row: u32) -> T {
    check_type::<T>(world, column);
    let at = address(table(world, id), column, row).cast::<T>();
    // SAFETY: the column holds `T`s, so `at` is aligned to them; `&World` keeps writers out.
    unsafe { at.read() }
}

/// Writes a value of the column that `T` is.
pub(crate) fn write<T: Pod>(world: &mut World, id: TableOf, column: ComponentId, row: u32, value: T) {
    check_type::<T>(world, column);
    let at = address(table(world, id), column, row).cast::<T>();
    // SAFETY: as in `read`; `world` is borrowed mutably (fact 3); `T` is Pod, so nothing is dropped.
    unsafe { at.write(value) };
}

/// A whole column as bytes, in row order, free rows included.
pub(crate) fn column_bytes<'w>(world: &'w World, id: TableOf, column: &Column) -> &'w [u8] {
    let table = table(world, id);
    let rows = table.entity_count() as usize;
    if rows == 0 || column.size == 0 {
        return &[];
    }
    // SAFETY: `rows` values of `size` bytes follow each other from row 0 (bevy_ecs stores a column as one array);
    // Pod values have no padding (fact 1), so every byte is initialised; `&World` keeps writers out.
    unsafe { std::slice::from_raw_parts(address(table, column.id, 0), rows * column.size) }
}

/// As [`column_bytes`], to write.
pub(crate) fn column_bytes_mut<'w>(world: &'w mut World, id: TableOf, column: &Column) -> &'w mut [u8] {
    let table = table(world, id);
    let rows = table.entity_count() as usize;
    if rows == 0 || column.size == 0 {
        return &mut [];
    }
    // SAFETY: as in `column_bytes`; `world` is borrowed mutably (fact 3) for as long as the slice lives, and any bytes are
    // a value of the column (fact 1).
    unsafe { std::slice::from_raw_parts_mut(address(table, column.id, 0), rows * column.size) }
}

/// All of these columns as bytes, to write side by side.
///
/// # Panics
/// If one is there twice.
pub(crate) fn columns_bytes_mut<'w>(
    world: &'w mut World,
    id: TableOf,
    columns: &[Column],
) -> Vec<&'w mut [u8]> {
    let is_distinct = |at: usize| columns[..at].iter().all(|other| other.id != columns[at].id);
    assert!((0..columns.len()).all(is_distinct), "two slices of one column would be two ways to one value");
    let table = table(world, id);
    let rows = table.entity_count() as usize;
    let column_bytes = |column: &Column| -> &'w mut [u8] {
        if rows == 0 || column.size == 0 {
            return &mut [];
        }
        // SAFETY: as in `column_bytes_mut`; columns are arrays of their own, and each is here once.
        unsafe { std::slice::from_raw_parts_mut(address(table, column.id, 0), rows * column.size) }
    };
    columns.iter().map(column_bytes).collect()
}

/// Appends rows to the table of a kind that has a marker of its own, all columns zero but the first two.
///
/// One by one and slower than a batch: a marker is only known at run time.
pub(crate) fn spawn_marked(
    world: &mut World,
    columns: &[Column],
    markers: &[ComponentId],
    rows: u32,
    head: &mut dyn FnMut(u32) -> (StableId, Health),
) -> Option<Entity> {
    #[repr(align(64))]
    struct Zeros(#[expect(dead_code, reason = "read through a pointer")] [u8; crate::kind::ROW_BYTES_MAX]);
    let ids: Vec<ComponentId> = columns.iter().map(|c| c.id).chain(markers.iter().copied()).collect();
    let mut first = None;
    for row in 0..rows {
        let (mut id, mut health) = head(row);
        let mut zeros = Zeros([0; _]);
        let entity = world.spawn_empty().id();
        first = first.or(Some(entity));
        let values = (0..ids.len()).map(|i| match i {
            // SAFETY: the first two columns are StableId and Health (`Kind::new`), as are these values.
            0 => unsafe { OwningPtr::new(NonNull::from(&mut id).cast()) },
            // SAFETY: see above.
            1 => unsafe { OwningPtr::new(NonNull::from(&mut health).cast()) },
            // SAFETY: zeros are a value of every column (fact 1), at most 1024 bytes, aligned to at most 64
            // (`ALIGN_MAX`, checked when the kind is registered); a marker has no bytes. Nothing is dropped.
            _ => unsafe { OwningPtr::new(NonNull::from(&mut zeros).cast()) },
        });
        // SAFETY: a pointer to a value of its component for every id, in the same order.
        unsafe { world.entity_mut(entity).insert_by_ids(&ids, values) };
    }
    first
}

/// Registers a zero-sized table component of its own, known only by its id.
pub(crate) fn register_marker(world: &mut World, name: String) -> ComponentId {
    use bevy_ecs::component::{ComponentCloneBehavior, ComponentDescriptor, StorageType};
    // SAFETY: no bytes, hence nothing to drop and nothing that a thread could not touch; no relationship.
    let descriptor = unsafe {
        ComponentDescriptor::new_with_layout(
            name,
            StorageType::Table,
            std::alloc::Layout::new::<()>(),
            None,
            false,
            false,
            ComponentCloneBehavior::Ignore,
            None,
        )
    };
    world.register_component_with_descriptor(descriptor)
}
