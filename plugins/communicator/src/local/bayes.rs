//! The classifier tells what a question is about, by multinomial naive Bayes over its words.
//!
//! Source: C. D. Manning, P. Raghavan, H. Schütze, "Introduction to Information Retrieval", 2008, chapter 13, with
//! add-one smoothing. A word counts once a text (binarised counts: S. Wang, C. D. Manning, "Baselines and Bigrams", ACL
//! 2012), so that shouting a word a thousand times teaches no more than saying it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::examples::EXAMPLES;
use super::intent::Intent;
use super::words::words;

/// Distinct words the classifier knows; those that come later are not learned.
pub const VOCABULARY_MAX: usize = 4096;

const INTENTS: usize = Intent::ALL.len();

/// The classifier: counts of texts and words by intent. Serialises to a few kilobytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NaiveBayes {
    texts: [u32; INTENTS],
    words: BTreeMap<String, [u32; INTENTS]>,
}

impl Default for NaiveBayes {
    fn default() -> Self {
        Self::trained()
    }
}

impl NaiveBayes {
    /// A classifier that knows nothing: every text is [`Intent::Other`].
    pub fn untrained() -> Self {
        Self { texts: [0; INTENTS], words: BTreeMap::new() }
    }

    /// A classifier that learned the built-in examples, Spanish and English.
    pub fn trained() -> Self {
        let mut bayes = Self::untrained();
        for (intent, texts) in EXAMPLES {
            for text in *texts {
                bayes.learn(text, *intent);
            }
        }
        bayes
    }

    /// Learns that `text` is about `intent`. Words beyond [`VOCABULARY_MAX`] are left out, first come first kept.
    pub fn learn(&mut self, text: &str, intent: Intent) {
        let intent = intent as usize;
        self.texts[intent] = self.texts[intent].saturating_add(1);
        // In the order of the text: which words are kept depends on it.
        let mut seen = BTreeSet::new();
        for word in words(text) {
            if !seen.insert(word.clone())
                || (self.words.len() >= VOCABULARY_MAX && !self.words.contains_key(&word))
            {
                continue;
            }
            let count = &mut self.words.entry(word).or_default()[intent];
            *count = count.saturating_add(1);
        }
    }

    /// What a text is about: the likeliest intent, the first of equals. A text without a known word is [`Intent::Other`].
    pub fn classify(&self, text: &str) -> Intent {
        let seen: BTreeSet<String> = words(text).into_iter().collect();
        // Alphabetically, so that the sums have the same bits for the same words.
        let known: Vec<&[u32; INTENTS]> = seen.iter().filter_map(|word| self.words.get(word)).collect();
        if known.is_empty() {
            return Intent::Other;
        }
        let mut totals = [0_u64; INTENTS];
        for counts in self.words.values() {
            for (total, count) in totals.iter_mut().zip(counts) {
                *total += u64::from(*count);
            }
        }
        let vocabulary = self.words.len() as f64;
        let mut best = (f64::NEG_INFINITY, Intent::Other);
        for intent in Intent::ALL {
            let at = intent as usize;
            let mut score = libm::log(f64::from(self.texts[at]) + 1.0);
            for counts in &known {
                score += libm::log((f64::from(counts[at]) + 1.0) / (totals[at] as f64 + vocabulary));
            }
            if score > best.0 {
                best = (score, intent);
            }
        }
        best.1
    }

    /// How many distinct words it knows.
    pub fn vocabulary(&self) -> usize {
        self.words.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_it_never_saw_are_told_apart_in_both_languages() {
        let unseen = [
            (Intent::State, "hola, ¿cómo marcha la simulación hoy?"),
            (Intent::State, "dame el fitness medio actual"),
            (Intent::State, "how is the fitness of the run right now?"),
            (Intent::State, "status please"),
            (Intent::Anomalies, "¿hay algún bloque con errores?"),
            (Intent::Anomalies, "enséñame las alertas de hoy"),
            (Intent::Anomalies, "are there failing blocks?"),
            (Intent::Anomalies, "what went wrong with the entities"),
            (Intent::Changes, "¿ha cambiado algo desde ayer?"),
            (Intent::Changes, "novedades desde mi última pregunta"),
            (Intent::Changes, "what is different since last time?"),
            (Intent::Changes, "has anything changed?"),
            (Intent::Advice, "¿qué me recomiendas para mejorar la carga?"),
            (Intent::Advice, "cómo optimizo los bloques"),
            (Intent::Advice, "what should I do to improve it?"),
            (Intent::Advice, "any advice to optimise the load?"),
            (Intent::Other, "cuéntame un chiste"),
            (Intent::Other, "gracias, hasta luego"),
            (Intent::Other, "what's the weather like tomorrow?"),
            (Intent::Other, "thanks, bye"),
        ];
        let bayes = NaiveBayes::trained();
        let wrong: Vec<_> = unseen
            .iter()
            .map(|(intent, text)| (bayes.classify(text), intent, text))
            .filter(|(found, intent, _)| found != *intent)
            .collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn every_example_is_classified_as_what_it_was_learned_as() {
        let bayes = NaiveBayes::trained();
        for (intent, texts) in EXAMPLES {
            for text in *texts {
                assert_eq!(bayes.classify(text), *intent, "{text}");
            }
        }
    }

    #[test]
    fn learning_changes_a_classification() {
        let mut bayes = NaiveBayes::trained();
        let text = "termita en el enjambre";
        let before = bayes.classify(text);
        assert_ne!(before, Intent::Anomalies);
        for _ in 0..5 {
            bayes.learn("termita en el enjambre sensor", Intent::Anomalies);
        }
        assert_eq!(bayes.classify(text), Intent::Anomalies);
    }

    #[test]
    fn accents_and_case_make_no_difference() {
        let bayes = NaiveBayes::trained();
        assert_eq!(bayes.classify("¿QUÉ ANOMALÍAS HAY?"), bayes.classify("que anomalias hay"));
    }

    #[test]
    fn a_text_without_a_known_word_is_other() {
        let bayes = NaiveBayes::trained();
        for text in ["", "🦀🦀", "\u{0}\u{1b}", "xyzzy plugh"] {
            assert_eq!(bayes.classify(text), Intent::Other, "{text:?}");
        }
        assert_eq!(NaiveBayes::untrained().classify("fitness"), Intent::Other);
    }

    #[test]
    fn a_word_shouted_a_thousand_times_counts_once() {
        let (mut said, mut shouted) = (NaiveBayes::trained(), NaiveBayes::trained());
        said.learn("fitness", Intent::Other);
        shouted.learn(&"fitness ".repeat(400), Intent::Other);
        assert_eq!(said, shouted);
    }

    #[test]
    fn the_vocabulary_is_bounded_and_keeps_what_came_first() {
        let mut bayes = NaiveBayes::untrained();
        for text in 0..100 {
            let words: Vec<String> = (0..100).map(|n| format!("w{text}x{n}")).collect();
            bayes.learn(&words.join(" "), Intent::State);
        }
        assert_eq!(bayes.vocabulary(), VOCABULARY_MAX);
        assert_eq!(bayes.classify("w0x0"), Intent::State);
        assert_eq!(bayes.classify("w99x99"), Intent::Other);
    }

    #[test]
    fn it_comes_back_from_json_as_it_was() {
        let mut bayes = NaiveBayes::trained();
        bayes.learn("el enjambre está raro", Intent::Anomalies);
        let json = serde_json::to_string(&bayes).unwrap();
        assert_eq!(serde_json::from_str::<NaiveBayes>(&json).unwrap(), bayes);
    }
}
