//! Command: the bytes of a request, in the protocol's own words.
//!
//! A stream's entries come by the thousand: here they are put into one buffer that is used again, and nothing is allocated for each.

use std::io::Write;

/// Appends a command of these words.
pub fn push(to: &mut Vec<u8>, words: &[&[u8]]) {
    header(to, b'*', words.len());
    for word in words {
        header(to, b'$', word.len());
        to.extend_from_slice(word);
        to.extend_from_slice(b"\r\n");
    }
}

fn header(to: &mut Vec<u8>, kind: u8, number: usize) {
    to.push(kind);
    write!(to, "{number}\r\n").expect("a vector takes what is written");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// As the crate has them.
        #[test]
        fn a_command_is_what_the_client_library_makes_of_it(words in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..6)) {
            let mut own = Vec::new();
            push(&mut own, &words.iter().map(Vec::as_slice).collect::<Vec<_>>());
            prop_assert_eq!(own, redis::pack_command(&words));
        }
    }
}
