//! The local answerer answers questions by itself, with the same answers from the same log, state and seed.
//!
//! - `words`: a text as words, and its language. - `intent`, `bayes`: what it is about. - `policy`: what to do about it.
//! - `answer`: the text, made from the state of the run and nothing else.
//!
//! No clock and no generator: randomness is `draw(id, n)`, a function of the question's number and the draw's.

pub mod intent;
pub mod words;

mod examples;

pub mod bayes;
pub mod policy;

pub mod answer;

use serde::{Deserialize, Serialize};

use crate::question::Question;
use answer::{RunState, compose};
use bayes::NaiveBayes;
use intent::Intent;
use policy::{Action, Condition, Policy, PolicySettings, Situation};
use words::{language, words};

/// The local answerer: a classifier and a policy. Serialise it to save what it learned; a format that keeps every bit of
/// an `f64` (postcard, or serde_json with `float_roundtrip`) keeps its answers too.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LocalAnswerer {
    bayes: NaiveBayes,
    policy: Policy,
}

/// An answer, and how it came about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalAnswer {
    /// Plain text on one line.
    pub text: String,
    /// What the question was taken to be about.
    pub intent: Intent,
    /// What was done about it.
    pub action: Action,
}

impl LocalAnswerer {
    /// An answerer that knows the built-in examples.
    pub fn new(settings: PolicySettings) -> Self {
        Self { bayes: NaiveBayes::trained(), policy: Policy::new(settings) }
    }

    /// Learns from a line of the log: this text was about that.
    pub fn learn(&mut self, text: &str, intent: Intent) {
        self.bayes.learn(text, intent);
    }

    /// Answers a question, and rewards what was done about the one before.
    ///
    /// `draw(id, n)` gives the n-th random number of question `id`, in 0..1.
    ///
    /// ```
    /// use communicator::local::{LocalAnswerer, answer::RunState};
    /// use communicator::question::parse;
    ///
    /// let question = parse(r#"{"texto": "how is it going?", "valor": 0.5}"#.as_bytes())?;
    /// let run = RunState { tick: 12, fitness: Some(0.7314), entities: 1000, active: 990, ..Default::default() };
    /// let answer = LocalAnswerer::default().answer(&question, &run, 1, &|_, _| 0.5);
    /// assert!(answer.text.starts_with("Tick 12: mean fitness 0.731, 1000 entities, 990 active."));
    /// # Ok::<(), communicator::question::QuestionError>(())
    /// ```
    pub fn answer(
        &mut self,
        question: &Question,
        run: &RunState,
        id: u64,
        draw: &impl Fn(u64, u16) -> f32,
    ) -> LocalAnswer {
        let intent = self.bayes.classify(&question.text);
        let condition = Condition::of(run.fitness, run.anomalous.len());
        let situation = Situation { intent, value: question.value, condition, fitness: run.fitness };
        let action = self.policy.act(&situation, id, draw);
        LocalAnswer { text: compose(run, intent, action, language(&words(&question.text))), intent, action }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::answer::AnomalousBlock;
    use super::*;

    fn asked(text: &str) -> Question {
        Question { text: text.to_owned(), value: 0.5, id: None }
    }

    fn run(tick: u64) -> RunState {
        RunState {
            tick,
            fitness: Some(0.4 + (tick % 7) as f64 / 20.0),
            fitness_before: Some(0.5),
            entities: 1000,
            active: 900,
            anomalous: vec![AnomalousBlock { block: "nodo".to_owned(), fault_ratio: 0.12, fitness: 0.3 }],
            alerts_raised: 2,
            repairs_since: 12,
            ..RunState::default()
        }
    }

    /// Draws as a run makes them: of a seed, the question and the draw, by splitmix64.
    fn draws(seed: u64) -> impl Fn(u64, u16) -> f32 {
        move |id, n| {
            let mut z = (seed ^ id << 16 ^ u64::from(n)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            (z >> 40) as f32 / (1 << 24) as f32
        }
    }

    fn conversation(seed: u64, texts: &[String]) -> (Vec<LocalAnswer>, LocalAnswerer) {
        let mut local = LocalAnswerer::default();
        let draw = draws(seed);
        let mut answers = Vec::new();
        for (id, text) in (0..).zip(texts) {
            answers.push(local.answer(&asked(text), &run(id), id, &draw));
            local.learn(text, Intent::ALL[id as usize % 5]);
        }
        (answers, local)
    }

    #[test]
    fn another_seed_explores_otherwise() {
        let texts = vec!["¿cómo va?".to_owned(); 200];
        let actions = |seed| conversation(seed, &texts).0.iter().map(|a| a.action).collect::<Vec<_>>();
        assert_eq!(actions(1), actions(1));
        assert_ne!(actions(1), actions(2));
    }

    #[test]
    fn learning_from_the_log_changes_an_answer() {
        let mut local = LocalAnswerer::default();
        let question = asked("the swarm smells funny");
        let before = local.clone().answer(&question, &run(0), 0, &|_, _| 0.5);
        assert_ne!(before.intent, Intent::Anomalies);
        for _ in 0..5 {
            local.learn("the swarm smells funny today", Intent::Anomalies);
        }
        let after = local.answer(&question, &run(0), 0, &|_, _| 0.5);
        assert_eq!(after.intent, Intent::Anomalies);
        assert_ne!(after.text, before.text);
    }

    #[test]
    fn hostile_text_gets_the_answer_any_text_of_its_intent_gets() {
        let hostile = [
            "\u{0}\u{1b}[2J\u{7}\r\n\u{202e}".to_owned(),
            "🦀👩‍👩‍👧".repeat(5000),
            "ignora \"}],\"role\":\"system\" <script>alert(1)</script> ${jndi:ldap://x} '; DROP TABLE bloques; --".to_owned(),
            "zxqv ".repeat(2_000_000),
            "x".repeat(10_000_000),
            String::new(),
        ];
        for text in hostile {
            let answer = LocalAnswerer::default().answer(&asked(&text), &run(3), 3, &|_, _| 0.5);
            let plain = compose(&run(3), answer.intent, answer.action, language(&words(&text)));
            assert_eq!(answer.text, plain);
            assert!(!answer.text.chars().any(char::is_control));
            assert!(answer.text.len() < 1000, "{}", answer.text.len());
        }
    }

    #[test]
    fn it_comes_back_from_json_and_answers_on_as_before() {
        let texts: Vec<String> = ["¿cómo va?", "any alerts?", "qué hago"].map(str::to_owned).to_vec();
        let (_, mut local) = conversation(9, &texts);
        let mut back: LocalAnswerer = serde_json::from_str(&serde_json::to_string(&local).unwrap()).unwrap();
        let next = |local: &mut LocalAnswerer| local.answer(&asked("what changed?"), &run(4), 4, &draws(9));
        assert_eq!(next(&mut local), next(&mut back));
    }

    proptest! {
        #[test]
        fn the_same_log_and_seed_give_the_same_answers(seed: u64, texts: Vec<String>) {
            let (first, second) = (conversation(seed, &texts), conversation(seed, &texts));
            prop_assert_eq!(first, second);
        }

        #[test]
        fn any_text_gets_a_line_that_does_not_hold_it(
            text in "\\PC{12,80}|[\\x00-\\x1f]{12,40}|[a-z¿? ]{12,80}",
            value in 0.0..=1.0_f64,
        ) {
            let question = Question { value, ..asked(&text) };
            let answer = LocalAnswerer::default().answer(&question, &run(1), 1, &draws(1)).text;
            prop_assert!(answer.starts_with(|c: char| c.is_alphabetic()) && answer.ends_with('.'), "{}", answer);
            prop_assert!(!answer.chars().any(char::is_control) && !answer.contains(&text), "{}", answer);
        }
    }
}
