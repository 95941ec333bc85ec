//! The journal: what came from outside, written before it is applied, so that a run can be done again without it.
//!
//! Scenario and seed decide everything else. A record is of a tick; digests are recorded between ticks, so that a replay
//! can be checked as it goes. While a run is replayed its inputs come from here, and then from where they really are.

mod input;
mod log;

mod inputs;
mod summary;

use std::path::Path;

use bevy_ecs::resource::Resource;

use crate::digest::FORMAT as DIGEST_FORMAT;
use crate::units::RunId;

pub use input::Input;
pub use inputs::{Extent, Inputs, extent};
pub use log::{LogError, LogReader, LogWriter, RECORD_BYTES_MAX, Syncer};
pub use summary::{InputSummary, Summary, summary};

use input::Record;
use inputs::digest_format;

/// Bytes of records after which a batch is committed, if nobody waits for it sooner.
const BATCH_BYTES: usize = 64 << 10;

/// The journal of a run; without one ([`Journal::default`]) nothing is recorded and nothing replayed.
#[derive(Resource, Default)]
pub struct Journal {
    writer: Option<LogWriter>,
    reader: Option<LogReader>,
    /// The next record of the reader.
    ahead: Option<(u64, Record)>,
    /// The last record that was taken in or recorded.
    sequence: u64,
    /// Whether there is nothing beyond the end of the reader.
    is_replay: bool,
    /// Whether recorded digests are passed over.
    without_digests: bool,
    /// The last tick in which it was asked of the outside what has come, and the last that was sealed.
    asked: Option<u64>,
    sealed: Option<u64>,
    bytes: Vec<u8>,
    failure: Option<String>,
}

/// What a journal had up to where a run goes on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JournalPrefix {
    /// The columns of the table, if there was one.
    pub columns: Option<Vec<String>>,
    /// How many digests.
    pub digest_count: u64,
    /// The last digest: (tick, value).
    pub digest: Option<(u64, u64)>,
    /// The number of the last row; 0 for none.
    pub last_row: u64,
}

impl Journal {
    /// Begins the journal of `run` in `folder`, or goes on after the end of its own.
    ///
    /// # Errors
    /// See [`LogError`].
    pub fn record_in(folder: &Path, run: RunId, sync: bool) -> Result<Self, LogError> {
        Ok(Self { writer: Some(LogWriter::open(folder, run, DIGEST_FORMAT, sync)?), ..Self::default() })
    }

    /// Makes the journal of `run` in `to` with the records of the one in `from` that `is_wanted` takes, given their sequence. Digests
    /// stay of the format they are.
    ///
    /// # Errors
    /// See [`LogError`].
    pub fn copy(
        from: &Path,
        to: &Path,
        run: RunId,
        is_wanted: impl Fn(u64, &Input) -> bool,
    ) -> Result<(), LogError> {
        let mut inputs = Inputs::of(from)?;
        let mut next = inputs.next_input()?;
        let mut writer = LogWriter::open(to, run, inputs.digest_format(), false)?;
        while let Some((sequence, tick, input)) = next {
            if is_wanted(sequence, &input) {
                let record = postcard::to_allocvec(&Record { tick, input });
                writer.append(&record.expect("what was read from memory can be written to it"))?;
            }
            if writer.waiting_bytes() > 1 << 20 {
                writer.commit()?;
            }
            next = inputs.next_input()?;
        }
        writer.commit()
    }

    /// Replays the journal in `folder` from the record after `sequence`, and records after its end. Tells what it had up to there.
    ///
    /// # Errors
    /// See [`LogError`].
    pub fn go_on_in(
        folder: &Path,
        run: RunId,
        sequence: u64,
        sync: bool,
    ) -> Result<(Self, JournalPrefix), LogError> {
        // The writer cuts a torn tail first.
        let writer = LogWriter::open(folder, run, DIGEST_FORMAT, sync)?;
        let (journal, taken) = Self::replay_after(folder, sequence)?;
        Ok((Self { writer: Some(writer), is_replay: false, ..journal }, taken))
    }

    /// Replays the journal in `folder` from the record after `sequence`, and nothing else. Tells what it had up to there.
    ///
    /// # Errors
    /// See [`LogError`].
    pub fn replay_after(folder: &Path, sequence: u64) -> Result<(Self, JournalPrefix), LogError> {
        let mut journal = Self::replay_of(folder)?;
        let mut taken = JournalPrefix::default();
        while let Some((at, record)) = journal.ahead.take_if(|(at, _)| *at <= sequence) {
            match record.input {
                Input::Digest(value) => {
                    (taken.digest_count, taken.digest) = (taken.digest_count + 1, Some((record.tick, value)));
                }
                Input::Row { sequence, .. } => taken.last_row = sequence,
                Input::Columns(columns) => taken.columns = Some(columns),
                Input::Entries { .. }
                | Input::Messages { .. }
                | Input::Outputs(_)
                | Input::Sealed
                | Input::Paused { .. } => {}
            }
            journal.sequence = at;
            journal.look_ahead()?;
        }
        Ok((journal, taken))
    }

    /// Replays the journal in `folder` and nothing else.
    ///
    /// # Errors
    /// See [`LogError`].
    pub fn replay_of(folder: &Path) -> Result<Self, LogError> {
        let mut journal = Self { reader: Some(LogReader::open(folder)?), is_replay: true, ..Self::default() };
        journal.look_ahead()?;
        Ok(journal)
    }

    /// The same, with the recorded digests passed over: for who does not compare them.
    ///
    /// # Errors
    /// See [`LogError`].
    pub fn without_digests(mut self) -> Result<Self, LogError> {
        self.without_digests = true;
        self.skip_digests()?;
        Ok(self)
    }

    /// The last record that the state has taken in.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The format of its digests: those of a run that version 1 began leave out what the state has had since.
    pub fn digest_format(&self) -> u16 {
        self.reader.as_ref().map_or(DIGEST_FORMAT, digest_format)
    }

    /// What makes all that has been committed survive a loss of power; none where nothing is recorded.
    ///
    /// # Errors
    /// What the system says.
    pub fn syncer(&self) -> Result<Option<Syncer>, LogError> {
        self.writer.as_ref().map(LogWriter::syncer).transpose()
    }

    /// Whether what comes next was recorded, or nothing else can come.
    pub fn is_replaying(&self) -> bool {
        self.ahead.is_some() || self.is_replay
    }

    /// The tick of the next record; none at the end.
    pub fn next_tick(&self) -> Option<u64> {
        self.ahead.as_ref().map(|(_, record)| record.tick)
    }

    /// The next record, if it is of `tick` and `is_wanted`.
    pub fn replay(&mut self, tick: u64, is_wanted: fn(&Input) -> bool) -> Option<Input> {
        // As long as its tick lasts, a seal keeps what could come from outside.
        let is_past = |(_, record): &mut (u64, Record)| record.tick < tick && record.input == Input::Sealed;
        while let Some((sequence, _)) = self.ahead.take_if(is_past) {
            self.go_ahead(sequence);
        }
        let is_next = |(_, record): &mut (u64, Record)| record.tick == tick && is_wanted(&record.input);
        let (sequence, record) = self.ahead.take_if(is_next)?;
        self.go_ahead(sequence);
        Some(record.input)
    }

    fn go_ahead(&mut self, sequence: u64) {
        self.sequence = sequence;
        if let Err(error) = self.look_ahead() {
            self.failure.get_or_insert(error.to_string());
        }
    }

    /// Notes that the outside is asked in `tick` what has come.
    pub fn ask(&mut self, tick: u64) {
        self.asked = Some(tick);
    }

    /// Says whether something of `tick` may be said outside, and sees to it that the tick is the same in a run that goes on from
    /// here after a kill: what has come in it is recorded, and what had not come yet is for later ticks. Nothing may be said of a tick
    /// whose inputs are not on disk: it will not be like that again.
    pub fn seal(&mut self, tick: u64) -> bool {
        if self.asked == Some(tick) && self.sealed != Some(tick) {
            self.record(tick, &Input::Sealed);
            self.commit();
            self.sealed = Some(tick);
        }
        self.failure.is_none()
    }

    /// Records an input of `tick`. It survives the process once it is committed: see [`Journal::commit`].
    pub fn record(&mut self, tick: u64, input: &Input) {
        let Some(writer) = &mut self.writer else { return };
        self.bytes.clear();
        // A `Record`, of a borrowed input.
        let bytes =
            postcard::to_extend(&(tick, input), std::mem::take(&mut self.bytes)).map_err(|e| e.to_string());
        let appended = bytes.and_then(|bytes| {
            self.bytes = bytes;
            writer.append(&self.bytes).map_err(|e| e.to_string())
        });
        match appended {
            Ok(sequence) => self.sequence = sequence,
            Err(error) => _ = self.failure.get_or_insert(error),
        }
        if self.writer.as_ref().is_some_and(|writer| writer.waiting_bytes() >= BATCH_BYTES) {
            self.commit();
        }
    }

    /// Writes what was recorded: it survives the process from here on.
    pub fn commit(&mut self) {
        if let Some(Err(error)) = self.writer.as_mut().map(LogWriter::commit) {
            self.failure.get_or_insert(format!("journal: {error}"));
        }
    }

    /// Why the journal can't go on, if it can't: the run must end then, for its inputs would be lost.
    pub fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    fn look_ahead(&mut self) -> Result<(), LogError> {
        self.read_ahead()?;
        self.skip_digests()
    }

    fn skip_digests(&mut self) -> Result<(), LogError> {
        // They are taken in with the next record that is not one: those at the end may be of a later tick than the state.
        while self.without_digests && self.ahead.as_ref().is_some_and(|(_, record)| record.input.is_digest())
        {
            self.read_ahead()?;
        }
        Ok(())
    }

    fn read_ahead(&mut self) -> Result<(), LogError> {
        let Some(reader) = &mut self.reader else { return Ok(()) };
        self.ahead = match reader.next_record()? {
            None => None,
            Some((sequence, bytes)) => {
                let record = postcard::from_bytes(bytes);
                Some((
                    sequence,
                    record.map_err(|e| reader.damaged(&format!("record {sequence}: {e}"), "an input"))?,
                ))
            }
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_row(input: &Input) -> bool {
        matches!(input, Input::Row { .. })
    }

    fn row(sequence: u64) -> Input {
        Input::Row { sequence, values: vec![sequence as f64, f64::NAN], label: Some(true), is_last: false }
    }

    #[test]
    fn a_tick_of_which_something_was_said_takes_nothing_new_when_it_is_done_again() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunId(7);
        let mut journal = Journal::record_in(folder.path(), run, false).unwrap();
        journal.record(3, &row(1));
        journal.commit();
        assert!(journal.seal(4), "nobody was asked, and nothing is recorded");
        journal.ask(6);
        assert!(journal.seal(6) && journal.seal(6));
        let (mut journal, _) = Journal::go_on_in(folder.path(), run, 0, false).unwrap();
        assert!(journal.replay(3, is_row).is_some());
        for tick in 4..=6 {
            assert_eq!((journal.replay(tick, is_row), journal.is_replaying()), (None, true), "tick {tick}");
        }
        assert_eq!((journal.next_tick(), journal.replay(7, is_row)), (Some(6), None));
        assert_eq!((journal.is_replaying(), journal.sequence()), (false, 2));
    }

    #[test]
    fn inputs_come_back_in_their_ticks_and_then_live() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunId(7);
        let mut journal = Journal::record_in(folder.path(), run, false).unwrap();
        for tick in 0..5 {
            journal.record(tick, &Input::Digest(tick * 11));
            journal.record(tick, &row(tick + 1));
        }
        assert_eq!(journal.sequence(), 10);
        journal.commit();
        let (mut journal, taken) = Journal::go_on_in(folder.path(), run, 6, false).unwrap();
        let expected = JournalPrefix { columns: None, digest_count: 3, digest: Some((2, 22)), last_row: 3 };
        assert_eq!((journal.sequence(), taken), (6, expected));
        assert_eq!(journal.replay(3, is_row), None, "the digest comes first");
        assert_eq!(journal.replay(3, |i| matches!(i, Input::Digest(33))), Some(Input::Digest(33)));
        assert!(matches!(journal.replay(3, is_row), Some(Input::Row { sequence: 4, .. })));
        assert_eq!(journal.replay(3, is_row), None);
        assert_eq!(journal.next_tick(), Some(4));
        journal.replay(4, |_| true).unwrap();
        assert!(journal.is_replaying());
        journal.replay(4, |_| true).unwrap();
        assert!(!journal.is_replaying());
        journal.record(5, &row(6));
        journal.commit();
        assert_eq!(journal.sequence(), 11);
        let mut all = Journal::replay_of(folder.path()).unwrap();
        assert!(
            (0..=5).all(|tick| all.replay(tick, |_| true).is_some()
                && (tick == 5 || all.replay(tick, is_row).is_some()))
        );
        assert!(all.is_replaying() && all.next_tick().is_none() && all.failure().is_none());
    }
}
