//! Differences: they name the parts and rows in which two snapshots are not the same.

use std::fmt;

use super::{Part, Snapshot, SnapshotError};

/// A place where two snapshots differ.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// `kind.column`, a resource's name, or a field of the head.
    pub part: String,
    /// The block, `group/index`, and the entity of the first row that differs, where it is a column.
    pub row: Option<(String, u64)>,
    /// Rows that differ, where it is a column.
    pub rows: u64,
    /// The first one's value on both sides.
    pub values: [String; 2],
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b] = &self.values;
        match &self.row {
            Some((block, entity)) => {
                write!(
                    f,
                    "{}: {} rows differ, first in block {block}, entity {entity}: {a} and {b}",
                    self.part, self.rows
                )
            }
            None => write!(f, "{}: {a} and {b}", self.part),
        }
    }
}

/// Every part in which two snapshots differ, with the first row of each. Empty if their states are the same.
///
/// # Errors
/// A frame that can't be read.
pub fn diff(a: &Snapshot, b: &Snapshot) -> Result<Vec<Difference>, SnapshotError> {
    let mut found = Vec::new();
    let plain =
        |part: &str, values: [String; 2]| Difference { part: part.into(), row: None, rows: 0, values };
    let heads = [a.head(), b.head()];
    if heads[0].tick != heads[1].tick {
        found.push(plain("tick", heads.map(|head| head.tick.to_string())));
    }
    if heads[0].next_id != heads[1].next_id {
        found.push(plain("next id", heads.map(|head| head.next_id.to_string())));
    }
    let names =
        heads.map(|head| head.kinds.iter().map(|kind| kind.name.clone()).collect::<Vec<_>>().join(", "));
    if names[0] != names[1] {
        found.push(plain("kinds", names));
        return Ok(found);
    }
    for (k, kinds) in heads[0].kinds.iter().zip(&heads[1].kinds).enumerate() {
        let (kind, other) = kinds;
        if kind.columns != other.columns || kind.blocks != other.blocks {
            let shape = |kind: &super::SavedKind| {
                format!(
                    "{} rows in {} blocks of {} columns",
                    kind.live(),
                    kind.blocks.len(),
                    kind.columns.len()
                )
            };
            found.push(plain(&format!("{}: blocks", kind.name), [shape(kind), shape(other)]));
            continue;
        }
        for (c, (name, size)) in kind.columns.iter().enumerate().filter(|(_, (_, size))| *size > 0) {
            let (ours, theirs) = (a.column(k, c)?, b.column(k, c)?);
            let pairs = || ours.chunks(*size as usize).zip(theirs.chunks(*size as usize));
            let Some(row) = pairs().position(|(ours, theirs)| ours != theirs) else { continue };
            let rows = pairs().filter(|(ours, theirs)| ours != theirs).count() as u64;
            let (ours, theirs) = pairs().nth(row).expect("it was just found");
            found.push(Difference {
                part: format!("{}.{name}", kind.name),
                row: Some((block_of(a, k, row), entity(a, k, row)?)),
                rows,
                values: [hex(ours), hex(theirs)],
            });
        }
    }
    let resources = |snapshot: &Snapshot| -> Result<Vec<(String, Vec<u8>)>, SnapshotError> {
        let named = snapshot.frames().iter().filter_map(|frame| match &frame.part {
            Part::Resource(name) => Some((name, frame)),
            Part::Column(..) => None,
        });
        named.map(|(name, frame)| Ok((name.clone(), snapshot.resource(frame)?))).collect()
    };
    let (ours, theirs) = (resources(a)?, resources(b)?);
    for (name, bytes) in &ours {
        let other = theirs.iter().find(|(other, _)| other == name).map(|(_, bytes)| bytes);
        if other != Some(bytes) {
            let other = other.map_or("nothing".into(), |bytes| hex(bytes));
            found.push(plain(&format!("resource {name}"), [hex(bytes), other]));
        }
    }
    for (name, bytes) in theirs.iter().filter(|(name, _)| !ours.iter().any(|(other, _)| other == name)) {
        found.push(plain(&format!("resource {name}"), ["nothing".into(), hex(bytes)]));
    }
    Ok(found)
}

fn block_of(snapshot: &Snapshot, kind: usize, row: usize) -> String {
    let mut end = 0;
    let kind = &snapshot.head().kinds[kind];
    let block = kind.blocks.iter().find(|block| {
        end += block.live as usize;
        row < end
    });
    block.map_or_else(String::new, |block| {
        format!("{} (group {}, its {}.)", block.id, block.group, block.index)
    })
}

fn entity(snapshot: &Snapshot, kind: usize, row: usize) -> Result<u64, SnapshotError> {
    let ids = snapshot.column(kind, 0)?;
    Ok(bytemuck::pod_read_unaligned(&ids[row * 8..row * 8 + 8]))
}

/// Bytes as hex, the first eight of them.
fn hex(bytes: &[u8]) -> String {
    let shown: String = bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    if bytes.len() > 8 { format!("0x{shown}.. ({} bytes)", bytes.len()) } else { format!("0x{shown}") }
}
