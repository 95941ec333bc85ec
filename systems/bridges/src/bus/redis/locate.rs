//! Locate: where a reader is in a stream as the server has it now, and what is gone.
//!
//! A cursor is ours; the stream is the server's, and may have been trimmed past it, flushed, evicted, or set back to an older state. Each
//! is seen by comparing the cursor, and how many entries there had been up to it, with the stream's own facts.

use corec_core::bus::Cursor;

use super::reply::StreamInfo;

/// A reader's place, as it knows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// After the last entry that was read.
    pub cursor: Cursor,
    /// How many entries the stream had had up to there; none while it is not known.
    pub position: Option<u64>,
    /// Whether the server knows this reader.
    pub is_known: bool,
    /// Entries that had come when the stream was last looked at, and were not read yet.
    pub lag: u64,
}

impl Place {
    /// How many entries were seen to wait. Without a position the lag is but a bound: what had been read may be in it.
    fn known_lag(self) -> u64 {
        if self.position.is_some() { self.lag } else { 0 }
    }
}

/// What has become of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Located {
    /// Where to read on.
    pub place: Place,
    /// Entries that are gone and were never read, as far as can be told.
    pub lost: u64,
    /// What has happened to the stream, if anything has.
    pub what: Option<&'static str>,
}

/// Compares a reader's place with the stream's facts; none is a stream that is not there. `has_entry` is whether the entry at the cursor
/// is still there, where that was asked.
pub fn locate(place: Place, info: Option<StreamInfo>, has_entry: Option<bool>) -> Located {
    let has_read = place.cursor > Cursor::START;
    let Some(info) = info else {
        let is_gone = has_read || place.lag > 0;
        let start = Place { position: Some(0), is_known: place.is_known, ..Place::default() };
        let what = is_gone
            .then_some("is gone: flushed, evicted or deleted; it is read from its beginning when it is back");
        return Located { place: start, lost: place.known_lag(), what };
    };
    if info.last < place.cursor {
        return set_back(place, info);
    }
    let before_first = info.added.saturating_sub(info.length);
    if place.position.is_some_and(|position| position > info.added) {
        // Another stream of the same name, with later ids: what was known to wait before it is gone.
        let new = Place { position: None, lag: info.length, ..place };
        let what = Some("is another than it was, with fewer entries");
        return Located { place: new, lost: place.known_lag(), what };
    }
    if has_read && has_entry == Some(false) && info.first.is_some_and(|first| first < place.cursor) {
        // Older entries are there and the last that was read is not: an older state that has gone on since, or somebody's XDEL.
        let new = Place { position: None, lag: info.length, ..place };
        let what = Some(
            "lacks the last entry that was read: set back to an older state, and what came then is gone, or deleted",
        );
        return Located { place: new, lost: place.known_lag(), what };
    }
    // All that is left is read: what was added and not read is gone.
    if info.last == place.cursor {
        let lost = place.position.map_or(0, |position| info.added - position);
        let place = Place { position: Some(info.added), lag: 0, ..place };
        return Located { place, lost, what: (lost > 0).then_some("was trimmed before it was read") };
    }
    let first_read = !has_read && !place.is_known && place.position.is_none();
    let position = if first_read { Some(before_first) } else { place.position };
    // Trimming says nothing of what it took: only the counts do. One who does not know its own can't tell what it never read.
    let lost = position.map_or(0, |position| before_first.saturating_sub(position));
    let is_open = position.is_none() && info.first.is_some_and(|first| first > place.cursor);
    let what = match (lost, is_open) {
        (0, false) => None,
        (0, true) => {
            Some("may have been trimmed before it was read: how much had been is not known any more")
        }
        _ => Some("was trimmed before it was read"),
    };
    let position = if lost > 0 || is_open { Some(before_first) } else { position };
    let lag = position.map_or(info.length, |position| info.added - position);
    Located { place: Place { position, lag, ..place }, lost, what }
}

/// The stream ends before the cursor: a state from before, or another stream.
fn set_back(place: Place, info: StreamInfo) -> Located {
    if place.is_known {
        // What the server still has was read before; what it has lost was too, or is lost.
        let new = Place { cursor: info.last, position: Some(info.added), lag: 0, ..place };
        let what = Some("has been set back to an older state; what was read of it stays read");
        return Located { place: new, lost: place.known_lag(), what };
    }
    let before_first = info.added.saturating_sub(info.length);
    let start = Place { cursor: Cursor::START, position: Some(before_first), lag: info.length, ..place };
    let what = Some("is another than it was; it is read from its beginning");
    Located { place: start, lost: place.known_lag() + before_first, what }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(cursor: u64, position: Option<u64>) -> Place {
        Place { cursor: Cursor(cursor, 0), position, is_known: true, lag: 0 }
    }

    fn info(first: u64, last: u64, length: u64, added: u64) -> Option<StreamInfo> {
        let first = (length > 0).then_some(Cursor(first, 0));
        Some(StreamInfo { length, added, last: Cursor(last, 0), first })
    }

    fn lost(place: Place, info: Option<StreamInfo>) -> (u64, Cursor, Option<u64>) {
        let located = locate(place, info, Some(true));
        assert_eq!(
            located.what.is_some(),
            located.lost > 0 || located.place.cursor != place.cursor,
            "{located:?}"
        );
        (located.lost, located.place.cursor, located.place.position)
    }

    #[test]
    fn a_stream_that_has_grown_has_lost_nothing() {
        assert_eq!(lost(place(10, Some(10)), info(1, 30, 30, 30)), (0, Cursor(10, 0), Some(10)));
        // Trimmed behind the reader.
        assert_eq!(lost(place(10, Some(10)), info(8, 30, 23, 30)), (0, Cursor(10, 0), Some(10)));
        assert_eq!(lost(place(30, None), info(1, 30, 30, 30)), (0, Cursor(30, 0), Some(30)));
        assert_eq!(locate(place(10, Some(10)), info(1, 30, 30, 30), None).place.lag, 20);
    }

    #[test]
    fn a_stream_trimmed_past_the_reader_is_a_hole_that_is_counted() {
        assert_eq!(lost(place(10, Some(10)), info(21, 30, 10, 30)), (10, Cursor(10, 0), Some(20)));
        // All of it is gone, and then nothing is left to read.
        assert_eq!(lost(place(30, Some(10)), info(0, 30, 0, 30)), (20, Cursor(30, 0), Some(30)));
        assert_eq!(lost(place(10, Some(10)), info(0, 30, 0, 30)), (20, Cursor(10, 0), Some(30)));
        // One who reads for the first time takes what there is.
        let new = Place::default();
        assert_eq!(lost(new, info(21, 30, 10, 30)), (0, Cursor(0, 0), Some(20)));
    }

    #[test]
    fn a_stream_that_went_back_or_is_gone_is_told_and_nobody_starves() {
        assert_eq!(lost(place(30, Some(30)), info(1, 20, 20, 20)), (0, Cursor(20, 0), Some(20)));
        let unknown = Place { is_known: false, ..place(30, None) };
        assert_eq!(lost(unknown, info(1, 20, 20, 20)), (0, Cursor(0, 0), Some(0)));
        assert_eq!(lost(Place { lag: 7, ..place(30, Some(30)) }, None), (7, Cursor(0, 0), Some(0)));
        assert_eq!(lost(Place::default(), None), (0, Cursor(0, 0), Some(0)));
        // Flushed, and filled again with later ids.
        let flushed = locate(Place { lag: 7, ..place(30, Some(30)) }, info(40, 44, 5, 5), Some(false));
        assert!(flushed.what.is_some());
        assert_eq!((flushed.lost, flushed.place.lag), (7, 5), "what is there now is not lost");
    }

    #[test]
    fn an_older_state_that_has_gone_on_since_is_told() {
        // Of 40 entries 30 were read; it was set back to 20, and 100 more have come.
        let after = info(1, 200, 120, 120);
        let known = Place { lag: 10, ..place(30, Some(30)) };
        // One who does not know its position has all of the stream for its lag: none of that is known to be lost.
        for (place, lost) in [(known, 10), (Place { position: None, lag: 120, ..known }, 0)] {
            let located = locate(place, after, Some(false));
            assert!(located.what.is_some_and(|what| what.contains("set back")), "{located:?}");
            assert_eq!(
                (located.lost, located.place.cursor, located.place.position),
                (lost, Cursor(30, 0), None)
            );
            assert_eq!(locate(place, after, Some(true)).what, None);
        }
        // Trimmed past the cursor: the counts tell.
        assert_eq!(lost(place(10, Some(10)), info(21, 30, 10, 30)).0, 10);
    }
}
