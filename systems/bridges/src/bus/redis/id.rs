//! Ids: of a stream's entries, as Redis writes them (`MILLISECONDS-SEQUENCE`), and of what a run sends.

use corec_core::bus::{Cursor, OutputId};

/// Reads an entry's id.
pub fn parse(text: &[u8]) -> Option<Cursor> {
    let (milliseconds, sequence) = std::str::from_utf8(text).ok()?.split_once('-')?;
    Some(Cursor(number(milliseconds)?, number(sequence)?))
}

/// Digits and nothing else: a `+` is no id.
fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// The place right before this one.
pub fn before(Cursor(milliseconds, sequence): Cursor) -> Option<Cursor> {
    match sequence.checked_sub(1) {
        Some(sequence) => Some(Cursor(milliseconds, sequence)),
        None => milliseconds.checked_sub(1).map(|milliseconds| Cursor(milliseconds, u64::MAX)),
    }
}

/// `EPOCH.TICK.SEQUENCE`.
pub fn output_text(id: OutputId) -> String {
    format!("{}.{}.{}", id.epoch, id.tick, id.sequence)
}

/// Reads what `output_text` has written.
pub fn parse_output(text: &str) -> Option<OutputId> {
    let mut parts = text.split('.');
    let mut part = || parts.next().and_then(number);
    let (epoch, tick, sequence) = (part()?, part()?, part()?);
    let id = OutputId { epoch: u32::try_from(epoch).ok()?, tick, sequence };
    parts.next().is_none().then_some(id)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ids_survive_their_text(a: u64, b: u64, epoch: u32) {
            prop_assert_eq!(parse(Cursor(a, b).to_string().as_bytes()), Some(Cursor(a, b)));
            let id = OutputId { epoch, tick: a, sequence: b };
            prop_assert_eq!(parse_output(&output_text(id)), Some(id));
        }
    }

    #[test]
    fn what_is_no_id_is_none() {
        for text in ["", "-", "1", "1-", "+1-2", "1-2-3", "18446744073709551616-0", "é-1"] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(parse_output("1.2"), None);
        assert_eq!(parse_output("1.2.3.4"), None);
    }
}
