//! Messages: what serde and files say, in our words and without what a terminal would obey.

use std::borrow::Cow;

/// Letters of a text that an error shows.
const SHOWN_CHARS: usize = 60;

/// `text` with its control characters written out.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(char::is_control) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if c.is_control() { out.extend(c.escape_debug()) } else { out.push(c) }
    }
    out.into()
}

/// serde's message in our words; an unknown key also names the nearest known one. `range` is what the key allows, where that is
/// known to be less than its type does; what a secret key holds is not shown.
pub(super) fn plain(message: &str, range: Option<&str>, is_secret: bool) -> String {
    let mut quoted = message.split('`').skip(1).step_by(2);
    if message.starts_with("unknown field") || message.starts_with("unknown variant") {
        let what = if message.starts_with("unknown field") { "key" } else { "value" };
        let found = quoted.next().unwrap_or_default();
        return unknown(what, found, &quoted.collect::<Vec<_>>());
    }
    if message.starts_with("missing field") {
        return format!("found no key '{}', must have it", quoted.next().unwrap_or_default());
    }
    let wrong = ["invalid type: ", "invalid value: ", "invalid length "];
    let Some(rest) = wrong.iter().find_map(|start| message.strip_prefix(start)) else {
        return message.into();
    };
    // From the right: a text that was found may have such words too.
    let Some((found, expected)) = rest.rsplit_once(", expected ") else { return rest.into() };
    let found = if is_secret { "a value that is not shown".into() } else { found_in_words(found) };
    format!("found {found}, must be {}", range.unwrap_or_else(|| type_in_words(expected)))
}

/// serde's `Unexpected` in JSON's words.
fn found_in_words(found: &str) -> String {
    let number =
        ["integer `", "floating point `", "boolean `"].iter().find_map(|start| found.strip_prefix(start));
    if let Some(number) = number {
        return number.trim_end_matches('`').into();
    }
    if let Some(text) = found.strip_prefix("string ") {
        let short: String = text.chars().take(SHOWN_CHARS).collect();
        return if short.len() < text.len() { format!("{short}...\"") } else { short };
    }
    match found {
        "map" => "an object",
        "sequence" => "a list",
        "unit value" | "Option value" => "null",
        other => other,
    }
    .into()
}

/// What serde expected, as a person would say it.
fn type_in_words(expected: &str) -> &str {
    match expected {
        "u8" => "a whole number within 0..=255",
        "u16" => "a whole number within 0..=65535",
        "u32" => "a whole number within 0..=4294967295",
        "u64" | "usize" => "a whole number of at least 0",
        "i8" => "a whole number within -128..=127",
        "i16" => "a whole number within -32768..=32767",
        "i32" => "a whole number within -2147483648..=2147483647",
        "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a string" | "string" | "str" | "a borrowed string" | "string or map" | "variant identifier" => {
            "a text"
        }
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "a map" => "an object",
        "unit" => "null",
        _ if expected.starts_with("struct ") && !expected.contains(" with ") => "an object",
        _ => expected,
    }
}

/// Says that `found` is not among `known`, and which of them is the nearest.
pub(crate) fn unknown(what: &str, found: &str, known: &[&str]) -> String {
    let nearest = known
        .iter()
        .map(|k| (strsim::damerau_levenshtein(found, k), k))
        .min()
        .filter(|(distance, k)| *distance <= k.len().max(4) / 2);
    let hint = nearest.map(|(_, k)| format!("did you mean '{k}'? ")).unwrap_or_default();
    format!("unknown {what} '{}': {hint}known are {}", found.escape_debug(), known.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serdes_words_become_ours() {
        for (message, expected) in [
            ("invalid value: integer `-5`, expected u64", "found -5, must be a whole number of at least 0"),
            (
                "invalid type: floating point `1.5`, expected u8",
                "found 1.5, must be a whole number within 0..=255",
            ),
            (
                "invalid type: string \"a, expected b\", expected f32",
                "found \"a, expected b\", must be a number",
            ),
            ("invalid type: map, expected a sequence", "found an object, must be a list"),
            ("invalid type: null, expected struct Dynamics", "found null, must be an object"),
            ("invalid type: boolean `true`, expected a string", "found true, must be a text"),
            ("missing field `signal`", "found no key 'signal', must have it"),
            ("something of a plugin's own", "something of a plugin's own"),
        ] {
            assert_eq!(plain(message, None, false), expected);
        }
        let long = format!("invalid type: string \"{}\", expected u64", "x".repeat(100));
        assert!(plain(&long, None, false).len() < 130);
        let secret = plain("invalid type: integer `1234`, expected a string", None, true);
        assert_eq!(secret, "found a value that is not shown, must be a text");
    }

    #[test]
    fn control_characters_are_written_out_and_nothing_else_is() {
        assert_eq!(printable("a\u{1b}[31m\n\u{9b}é'\\"), "a\\u{1b}[31m\\n\\u{9b}é'\\");
        assert!(matches!(printable("plain 'é'"), Cow::Borrowed(_)));
    }
}
