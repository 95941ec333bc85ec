//! The memory store: keeps what tests and embedding programs want to look at, for as long as the process lives.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use corec_core::store::{Batch, RunRecord, Store, StoreError};

/// Rows of each sort kept; older ones go. A run without an end must not fill the memory.
const ROWS_MAX: usize = 1_000_000;

/// A store in memory. Clones share their content.
#[derive(Clone, Default)]
pub struct MemoryStore(Arc<Mutex<Batch>>);

impl MemoryStore {
    /// What has been kept, oldest first.
    pub fn content(&self) -> MutexGuard<'_, Batch> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    fn begin(&mut self, _: &RunRecord) -> Result<(), StoreError> {
        Ok(())
    }

    fn write(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let mut content = self.content();
        keep(&mut content.blocks, &batch.blocks);
        keep(&mut content.alerts, &batch.alerts);
        keep(&mut content.metrics, &batch.metrics);
        keep(&mut content.rows, &batch.rows);
        keep(&mut content.repairs, &batch.repairs);
        Ok(())
    }

    fn end(&mut self, _: u64) -> Result<(), StoreError> {
        Ok(())
    }
}

fn keep<T: Clone>(kept: &mut Vec<T>, new: &[T]) {
    let over = (kept.len() + new.len()).saturating_sub(ROWS_MAX);
    kept.drain(..over.min(kept.len()));
    kept.extend_from_slice(new);
}

#[cfg(test)]
mod tests {
    use corec_core::store::Metric;

    use super::*;

    #[test]
    fn the_oldest_rows_go_first() {
        let mut store = MemoryStore::default();
        let metric = |tick| Metric { tick, name: "x".into(), value: 0.0 };
        for start in (0..ROWS_MAX as u64 + 5).step_by(1000) {
            let metrics = (start..start + 1000).map(metric).collect();
            store.write(&Batch { metrics, ..Batch::default() }).unwrap();
        }
        let content = store.content();
        assert_eq!(content.metrics.len(), ROWS_MAX);
        assert_eq!(content.metrics[0].tick, 1000);
    }
}
