//! The words of a text are lower-case and ASCII-like; they tell the language that it is in.
//!
//! Only the first [`TEXT_CHARS_MAX`] characters count, so that a text of any size costs the same.

use crate::question::TEXT_CHARS_MAX;

/// A longer word says nothing a classifier could learn: it is left out.
pub const WORD_CHARS_MAX: usize = 32;

/// The language a question is answered in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Unless the question's words are English.
    Spanish,
    /// More English words than Spanish ones.
    English,
}

/// The words of a text in order: lower case, accents folded (á to a, ñ to n), split at everything that is no letter or
/// digit.
pub fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut chars = 0;
    for c in text.chars().take(TEXT_CHARS_MAX).flat_map(char::to_lowercase).chain([' ']) {
        if c.is_alphanumeric() {
            word.push(fold(c));
            chars += 1;
        } else if !is_mark(c) {
            if (1..=WORD_CHARS_MAX).contains(&chars) {
                words.push(word.clone());
            }
            word.clear();
            chars = 0;
        }
    }
    words
}

/// The language of a text, by the small words that every sentence has. A draw is Spanish, as the guide is.
pub fn language(words: &[String]) -> Language {
    let count = |list: &[&str]| words.iter().filter(|word| list.contains(&word.as_str())).count();
    if count(ENGLISH) > count(SPANISH) { Language::English } else { Language::Spanish }
}

/// A letter without its accent. Covers the Latin letters of Europe's larger languages; others stay as they are.
fn fold(c: char) -> char {
    match c {
        'á' | 'à' | 'â' | 'ä' | 'ã' | 'å' => 'a',
        'é' | 'è' | 'ê' | 'ë' => 'e',
        'í' | 'ì' | 'î' | 'ï' => 'i',
        'ó' | 'ò' | 'ô' | 'ö' | 'õ' => 'o',
        'ú' | 'ù' | 'û' | 'ü' => 'u',
        'ñ' => 'n',
        'ç' => 'c',
        other => other,
    }
}

/// A combining accent, as text decomposed by macOS has it (`n` and U+0303 for ñ): part of the letter before.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}')
}

// Words that only one of the two languages has: no "a", "me", "no", "he", "has", "son" or "real".
const SPANISH: &[&str] = &[
    "que", "como", "el", "la", "los", "las", "un", "una", "de", "del", "en", "es", "esta", "estan", "hay",
    "por", "para", "con", "se", "lo", "al", "mi", "su", "cual", "cuales", "cuanto", "cuantos", "cuantas",
    "debo", "hago", "va", "van", "ha", "han", "desde", "ultima", "algo", "ahora", "puedo", "donde", "cuando",
    "y", "esto", "dame",
];
const ENGLISH: &[&str] = &[
    "what", "how", "the", "is", "are", "of", "in", "on", "to", "and", "it", "its", "my", "do", "does", "did",
    "should", "which", "any", "there", "for", "with", "since", "this", "that", "can", "you", "we", "i",
    "was", "were", "going", "where", "when", "why", "have", "been", "give", "show", "now", "tell", "please",
    "doing", "s",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Language {
        language(&words(text))
    }

    #[test]
    fn words_are_lower_case_without_accents_and_split_at_the_rest() {
        assert_eq!(words("¿Qué CAÑÓN va? año-2024_x"), ["que", "canon", "va", "ano", "2024", "x"]);
        assert_eq!(words("man\u{303}ana A\u{301}rbol"), ["manana", "arbol"]);
        assert_eq!(words("a\u{0}b\u{1b}c\u{200b}d 🦀🦀"), ["a", "b", "c", "d"]);
        assert!(words("").is_empty() && words("¡¿?!").is_empty());
    }

    #[test]
    fn a_word_is_32_characters_at_most() {
        assert_eq!(words(&format!("{} ok", "ñ".repeat(32))).len(), 2);
        assert_eq!(words(&format!("{} ok", "ñ".repeat(33))), ["ok"]);
    }

    #[test]
    fn only_the_first_4000_characters_count() {
        assert_eq!(words(&"ab ".repeat(4_000_000)).len(), 1334);
    }

    #[test]
    fn the_language_is_spanish_unless_the_words_are_english() {
        assert_eq!(of("how is it going?"), Language::English);
        assert_eq!(of("What's wrong?"), Language::English);
        assert_eq!(of("¿Cómo va la simulación?"), Language::Spanish);
        assert_eq!(of("QUE HAY DE NUEVO"), Language::Spanish);
        for neither in ["", "fitness", "🦀", "12 34"] {
            assert_eq!(of(neither), Language::Spanish, "{neither}");
        }
    }

    #[test]
    fn no_word_is_in_both_lists() {
        assert!(SPANISH.iter().all(|word| !ENGLISH.contains(word)));
    }
}
