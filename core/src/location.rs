//! Locations: they give the row of each entity by its stable id, in memory bounded by the live rows.
//!
//! Ids are handed out in order, so a page of 1024 of them is mostly full when it is young (4 bytes an id) and mostly
//! empty when it is old (8 bytes an id left). A page without ids is gone: never is memory kept for the highest id.

use bevy_platform::collections::HashMap;

use crate::column::StableId;

const PAGE: usize = 1024;
/// A page with fewer ids becomes sparse: 4 KiB / 64 = 64 bytes a live id at most.
const SPARSE_BELOW: usize = 64;
/// A sparse page with more becomes dense: twice the other bound, so that a page does not flip to and fro.
const DENSE_ABOVE: usize = 128;
const NO_ROW: u32 = u32::MAX;

/// The rows of one kind by stable id.
#[derive(Debug, Default)]
pub struct Locations {
    // Looked up, never iterated: its order can't reach a result.
    pages: HashMap<u64, Page>,
    len: usize,
}

#[derive(Debug)]
enum Page {
    Dense { rows: Box<[u32; PAGE]>, live: usize },
    Sparse(Vec<(u16, u32)>),
}

impl Locations {
    /// The row of `id`.
    pub fn get(&self, id: StableId) -> Option<u32> {
        let (page, at) = split(id);
        match self.pages.get(&page)? {
            Page::Dense { rows, .. } => Some(rows[at]).filter(|&row| row != NO_ROW),
            Page::Sparse(ids) => ids.binary_search_by_key(&(at as u16), |&(at, _)| at).ok().map(|i| ids[i].1),
        }
    }

    /// Puts `id` at `row`, wherever it was.
    pub fn set(&mut self, id: StableId, row: u32) {
        let (key, at) = split(id);
        let page = self.pages.entry(key).or_insert_with(|| Page::Sparse(Vec::new()));
        match page {
            Page::Dense { rows, live } => {
                let new = std::mem::replace(&mut rows[at], row) == NO_ROW;
                *live += usize::from(new);
                self.len += usize::from(new);
            }
            Page::Sparse(ids) => match ids.binary_search_by_key(&(at as u16), |&(at, _)| at) {
                Ok(i) => ids[i].1 = row,
                Err(i) => {
                    ids.insert(i, (at as u16, row));
                    self.len += 1;
                    if ids.len() > DENSE_ABOVE {
                        let mut rows = Box::new([NO_ROW; PAGE]);
                        ids.iter().for_each(|&(at, row)| rows[at as usize] = row);
                        *page = Page::Dense { rows, live: ids.len() };
                    }
                }
            },
        }
    }

    /// Puts so many new ids from `first` on at the rows from `row` on.
    pub fn set_run(&mut self, first: StableId, row: u32, count: u32) {
        let mut done = 0;
        while done < count {
            let id = StableId(first.0 + u64::from(done));
            let (key, at) = split(id);
            let here = (PAGE - at).min((count - done) as usize);
            if here > DENSE_ABOVE && !self.pages.contains_key(&key) {
                self.pages.insert(key, Page::Dense { rows: Box::new([NO_ROW; PAGE]), live: 0 });
            }
            if let Some(Page::Dense { rows, live }) = self.pages.get_mut(&key) {
                let rows = &mut rows[at..at + here];
                let new = rows.iter().filter(|row| **row == NO_ROW).count();
                rows.iter_mut().zip(row + done..).for_each(|(place, row)| *place = row);
                (*live, self.len) = (*live + new, self.len + new);
            } else {
                (0..here as u32).for_each(|i| self.set(StableId(id.0 + u64::from(i)), row + done + i));
            }
            done += here as u32;
        }
    }

    /// Forgets `id`.
    pub fn remove(&mut self, id: StableId) {
        let (key, at) = split(id);
        let Some(page) = self.pages.get_mut(&key) else { return };
        let (removed, live) = match page {
            Page::Dense { rows, live } => {
                let removed = std::mem::replace(&mut rows[at], NO_ROW) != NO_ROW;
                *live -= usize::from(removed);
                (removed, *live)
            }
            Page::Sparse(ids) => {
                let found = ids.binary_search_by_key(&(at as u16), |&(at, _)| at);
                if let Ok(i) = found {
                    ids.remove(i);
                }
                (found.is_ok(), ids.len())
            }
        };
        self.len -= usize::from(removed);
        if live == 0 {
            self.pages.remove(&key);
            if self.pages.len() * 4 < self.pages.capacity() {
                self.pages.shrink_to_fit();
            }
        } else if let Page::Dense { rows, live } = page
            && *live < SPARSE_BELOW
        {
            let ids = rows.iter().enumerate().filter(|(_, row)| **row != NO_ROW);
            *page = Page::Sparse(ids.map(|(at, &row)| (at as u16, row)).collect());
        }
    }

    /// Entities known.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no entity is known.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes held, without the hash table's own slots.
    pub fn bytes(&self) -> usize {
        let page = |page: &Page| match page {
            Page::Dense { .. } => PAGE * size_of::<u32>(),
            Page::Sparse(ids) => ids.capacity() * size_of::<(u16, u32)>(),
        };
        self.pages.values().map(|p| size_of::<Page>() + page(p)).sum()
    }
}

fn split(id: StableId) -> (u64, usize) {
    (id.0 / PAGE as u64, (id.0 % PAGE as u64) as usize)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_agrees_with_a_map(steps in prop::collection::vec((0u64..5000, any::<bool>(), 0u32..9999), 0..3000)) {
            let (mut ours, mut map) = (Locations::default(), BTreeMap::new());
            for (id, keep, row) in steps {
                if keep {
                    ours.set(StableId(id), row);
                    map.insert(id, row);
                } else {
                    ours.remove(StableId(id));
                    map.remove(&id);
                }
            }
            prop_assert_eq!(ours.len(), map.len());
            for id in 0..5000 {
                prop_assert_eq!(ours.get(StableId(id)), map.get(&id).copied());
            }
        }
    }

    proptest! {
        #[test]
        fn a_run_is_as_its_ids_one_by_one(
            runs in prop::collection::vec((0u64..9000, 0u32..9999, 1u32..4000), 1..6), gone in 0u64..9000
        ) {
            let (mut whole, mut single) = (Locations::default(), Locations::default());
            for (first, row, count) in runs {
                whole.set_run(StableId(first), row, count);
                (0..count).for_each(|i| single.set(StableId(first + u64::from(i)), row + i));
                whole.remove(StableId(gone));
                single.remove(StableId(gone));
            }
            prop_assert_eq!(whole.len(), single.len());
            for id in 0..13_000 {
                prop_assert_eq!(whole.get(StableId(id)), single.get(StableId(id)));
            }
        }
    }

    #[test]
    fn memory_follows_the_live_ids_and_not_the_highest() {
        let mut locations = Locations::default();
        for id in 0..2_000_000u64 {
            locations.set(StableId(id), id as u32 & 0xffff);
            // 1000 live ids at any time, one of them immortal.
            if id >= 1000 {
                locations.remove(StableId(id - 999));
            }
        }
        assert_eq!(locations.len(), 1000);
        assert!(locations.bytes() < 1000 * 72, "{} bytes for 1000 ids", locations.bytes());
        assert!(locations.pages.capacity() < 64, "{} slots", locations.pages.capacity());
    }
}
