//! The key is a secret: it is never printed and never in an error.

use std::fmt;

use serde::Deserialize;

/// A piece of the key this long in a text from outside counts as the key.
const PIECE_BYTES: usize = 8;
/// A shorter key is a placeholder for a server that wants none (`ollama`, `EMPTY`): an answer may well hold that word.
const REAL_KEY_BYTES_MIN: usize = 16;

/// An API key. Its `Debug` is `***`; it has no `Display` and can't be serialised.
///
/// ```
/// use communicator::chat::Secret;
/// assert_eq!(format!("{:?}", Secret::new("sk-123")), "***");
/// ```
#[derive(Clone, Default, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps a key, without the white space a file or variable may have put around it.
    pub fn new(key: impl Into<String>) -> Self {
        Self(key.into().trim().to_owned())
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.expose().is_empty()
    }

    pub(super) fn expose(&self) -> &str {
        self.0.trim()
    }

    /// Whether an answer gives the key away.
    pub(super) fn is_given_away_in(&self, answer: &str) -> bool {
        self.expose().len() >= REAL_KEY_BYTES_MIN && self.is_quoted_in(answer)
    }

    /// Whether `text` holds the key or a piece of it long enough to tell it.
    pub(super) fn is_quoted_in(&self, text: &str) -> bool {
        let key = self.expose().as_bytes();
        !key.is_empty()
            && key.windows(PIECE_BYTES.min(key.len())).any(|piece| {
                text.as_bytes().windows(piece.len()).any(|found| found.eq_ignore_ascii_case(piece))
            })
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_three_stars() {
        assert_eq!(format!("{:?}", Secret::new("sk-or-v1-0123456789")), "***");
    }

    #[test]
    fn a_piece_of_the_key_is_found_whatever_its_case() {
        let key = Secret::new("sk-or-v1-0123456789abcdef");
        assert!(key.is_quoted_in("wrong key 'SK-OR-V1-0123456789ABCDEF'"));
        assert!(key.is_quoted_in("...6789abcdef"));
        assert!(!key.is_quoted_in("wrong key"));
        assert!(!key.is_quoted_in(""));
    }

    #[test]
    fn an_answer_may_hold_a_placeholder_but_no_key() {
        assert!(!Secret::new("ollama").is_given_away_in("ask ollama"));
        assert!(Secret::new("ollama").is_quoted_in("ask ollama"), "an error shows neither");
        assert!(Secret::new("0123456789abcdef").is_given_away_in("0123456789abcdef"));
    }

    #[test]
    fn an_empty_key_is_in_no_text() {
        assert!(!Secret::new(" ").is_quoted_in("anything"));
    }
}
