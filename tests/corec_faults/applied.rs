//! What a run has applied, as its journal has it.

use std::path::Path;

use corec_run::snapshots::{Input, Inputs};

use crate::writer::number;

/// The inputs in a journal.
#[derive(Default)]
pub struct Applied {
    /// The numbers of the records, as they were applied.
    pub numbers: Vec<u64>,
    /// Entries that could not be.
    pub bad: u64,
    /// Entries that were said to be lost.
    pub lost: u64,
}

impl Applied {
    /// Reads the journal, whose run may still write it.
    ///
    /// # Errors
    /// A journal that can't be read: a text.
    pub fn read(journal: &Path, entities: u32) -> Result<Self, String> {
        let mut applied = Self::default();
        if !journal.join("00000001.log").is_file() {
            return Ok(applied);
        }
        let mut inputs = Inputs::of(journal).map_err(|e| e.to_string())?;
        while let Some((_, _, input)) = inputs.next_input().map_err(|e| e.to_string())? {
            let Input::Entries { lost, data, .. } = input else { continue };
            applied.lost += lost;
            for data in data {
                match number(&data, entities) {
                    Some(number) => applied.numbers.push(number),
                    None => applied.bad += 1,
                }
            }
        }
        Ok(applied)
    }

    /// Whether it has a record.
    pub fn has(&self, number: u64) -> bool {
        // In order, as long as nothing is wrong; the last is asked for most.
        self.numbers.iter().rev().any(|applied| *applied == number)
    }
}
