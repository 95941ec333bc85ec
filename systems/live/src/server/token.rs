//! The token: who has it may change something. It is given as a variable of the environment, or made up for the run.

use std::fmt;

/// The variable that it may be given as.
pub const VARIABLE: &str = "COREC_HTTP_TOKEN";

/// A token. Nothing shows it.
#[derive(Clone)]
pub struct Token {
    text: String,
    /// Whether it was made up here: nobody else has it.
    is_new: bool,
}

impl Token {
    /// The one that was given, or a new one of 128 random bits.
    ///
    /// # Errors
    /// One that is no token, or a system without randomness. A text.
    pub fn of(given: Option<String>) -> Result<Self, String> {
        let Some(given) = given else {
            let mut bytes = [0; 16];
            getrandom::fill(&mut bytes).map_err(|e| format!("no token for --http: {e}"))?;
            return Ok(Self { text: format!("{:032x}", u128::from_le_bytes(bytes)), is_new: true });
        };
        let is_fit = (16..=256).contains(&given.len()) && given.bytes().all(|byte| byte.is_ascii_graphic());
        let wrong =
            || format!("{VARIABLE}: found {} bytes, must be 16 to 256 visible ASCII characters", given.len());
        if is_fit { Ok(Self { text: given, is_new: false }) } else { Err(wrong()) }
    }

    /// Its text, for the file that only the run's owner reads; none for one that was given, which is in no file.
    pub(super) fn new_text(&self) -> Option<&str> {
        Some(&self.text[..]).filter(|_| self.is_new)
    }

    /// Whether a header `Authorization` has it. Takes as long whatever is wrong.
    pub fn is_in(&self, authorization: Option<&[u8]>) -> bool {
        let given = authorization.and_then(|header| header.split_at_checked(7));
        let given = given
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"bearer "))
            .map_or(&[][..], |(_, token)| token);
        let differs = given.iter().zip(self.text.bytes()).fold(0, |differs, (a, b)| differs | (a ^ b));
        given.len() == self.text.len() && differs == 0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_opens() {
        let token = Token::of(Some("0123456789abcdef".into())).unwrap();
        assert!(token.is_in(Some(b"Bearer 0123456789abcdef")));
        for wrong in ["", "Bearer ", "Bearer 0123456789abcde", "Bearer 0123456789abcdef0", "0123456789abcdef"]
        {
            assert!(!token.is_in(Some(wrong.as_bytes())), "{wrong}");
        }
        assert!(!token.is_in(None));
        assert_eq!(format!("{token:?}"), "Token(***)");
        let [a, b] = [(); 2].map(|()| Token::of(None).unwrap());
        assert!(a.new_text().unwrap().len() == 32 && a.new_text() != b.new_text());
        assert_eq!(token.new_text(), None);
        for wrong in ["short", "with a blank inside", "ñandú-ñandú-ñandú"] {
            assert!(Token::of(Some(wrong.into())).unwrap_err().contains(VARIABLE), "{wrong}");
        }
    }
}
