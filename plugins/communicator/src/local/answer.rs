//! An answer is a text made from the state of the run.
//!
//! The question's own text is not handed in, so it can't come out. Names of blocks and changes come from a configuration:
//! they are escaped and cut.

use std::fmt::Write;

use serde::Serialize;

use super::intent::Intent;
use super::policy::{Action, Condition};
use super::words::Language;

/// Anomalous blocks that an answer names.
const NAMED_MAX: usize = 5;
const NAME_CHARS_MAX: usize = 64;

/// What is known of a run when a question comes.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RunState {
    /// Finished ticks.
    pub tick: u64,
    /// Mean fitness, where a block has been measured.
    pub fitness: Option<f64>,
    /// Mean fitness at the question before.
    pub fitness_before: Option<f64>,
    /// Entities in the run.
    pub entities: u64,
    /// Those of them that are active.
    pub active: u64,
    /// Anomalous blocks, the worst first; the first five are named.
    pub anomalous: Vec<AnomalousBlock>,
    /// Alerts since the start.
    pub alerts_raised: u64,
    /// Entities that failed since the question before.
    pub faults_since: u64,
    /// Entities that were repaired since then.
    pub repairs_since: u64,
    /// Alerts raised since then.
    pub alerts_since: u64,
}

/// A block that an audit found unlike the others.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct AnomalousBlock {
    /// Its name.
    pub block: String,
    /// Part of its entities that failed, 0 to 1.
    pub fault_ratio: f64,
    /// Its mean fitness.
    pub fitness: f64,
}

/// The answer to a question of this intent, with what this action recommends: sentences on one line.
pub fn compose(run: &RunState, intent: Intent, action: Action, language: Language) -> String {
    let sentences = Sentences { run, language };
    let (state, anomalies, changes, advice) =
        (sentences.state(), sentences.anomalies(), sentences.changes(), sentences.advice(action));
    let sentences = match intent {
        Intent::State => [state, anomalies, changes, advice],
        Intent::Anomalies => [anomalies, changes, advice, state],
        Intent::Changes => [changes, state, anomalies, advice],
        Intent::Advice => [advice, anomalies, changes, state],
        Intent::Other => [sentences.help() + " " + &state, anomalies, changes, advice],
    };
    sentences.join(" ")
}

struct Sentences<'a> {
    run: &'a RunState,
    language: Language,
}

impl Sentences<'_> {
    fn either<'t>(&self, spanish: &'t str, english: &'t str) -> &'t str {
        match self.language {
            Language::Spanish => spanish,
            Language::English => english,
        }
    }

    fn help(&self) -> String {
        self.either(
            "Sólo respondo sobre la simulación: estado, anomalías, cambios, consejo.",
            "I only answer about the simulation: state, anomalies, changes, advice.",
        )
        .to_owned()
    }

    fn state(&self) -> String {
        let RunState { tick, entities, active, .. } = *self.run;
        let before = match self.run.fitness_before {
            Some(before) => format!(" ({} {})", self.either("antes", "before"), figure(before)),
            None => String::new(),
        };
        let fitness = match self.run.fitness {
            Some(fitness) => figure(fitness),
            None => self.either("desconocida", "unknown").to_owned(),
        };
        match self.language {
            Language::Spanish => {
                format!(
                    "Tick {tick}: fitness media {fitness}{before}, {entities} entidades, {active} activas."
                )
            }
            Language::English => {
                format!("Tick {tick}: mean fitness {fitness}{before}, {entities} entities, {active} active.")
            }
        }
    }

    fn anomalies(&self) -> String {
        let mut text = match self.run.anomalous.as_slice() {
            [] => self.either("Ningún bloque anómalo.", "No anomalous block.").to_owned(),
            blocks => {
                let named: Vec<String> =
                    blocks.iter().take(NAMED_MAX).map(|block| self.block(block)).collect();
                format!("{}: {}.", self.either("Bloques anómalos", "Anomalous blocks"), named.join(", "))
            }
        };
        let _ = write!(text, " {}: {}.", self.either("Alertas", "Alerts"), self.run.alerts_raised);
        text
    }

    fn block(&self, block: &AnomalousBlock) -> String {
        let name = plain(&block.block, NAME_CHARS_MAX);
        let faults = self.either("fallos", "faults");
        format!("{name} ({faults} {}, fitness {})", figure(block.fault_ratio), figure(block.fitness))
    }

    fn changes(&self) -> String {
        let mut changes = Vec::new();
        if let (Some(now), Some(before)) = (self.run.fitness, self.run.fitness_before) {
            let by = figure((now - before).abs());
            // Compared as quoted: a change too small to be seen is none.
            if figure(now) != figure(before) {
                changes.push(match (self.language, now > before) {
                    (Language::Spanish, true) => format!("la fitness media subió {by}"),
                    (Language::Spanish, false) => format!("la fitness media bajó {by}"),
                    (Language::English, true) => format!("mean fitness rose by {by}"),
                    (Language::English, false) => format!("mean fitness fell by {by}"),
                });
            }
        }
        let counts = [
            (self.run.faults_since, "fallos", "faults"),
            (self.run.repairs_since, "reparaciones", "repairs"),
            (self.run.alerts_since, "alertas", "alerts"),
        ];
        let counts = counts.iter().filter(|(count, ..)| *count > 0);
        changes.extend(
            counts.map(|(count, spanish, english)| format!("{count} {}", self.either(spanish, english))),
        );
        if changes.is_empty() {
            changes.push(self.either("sin cambios", "no changes").to_owned());
        }
        format!(
            "{}: {}.",
            self.either("Desde la última pregunta", "Since the last question"),
            changes.join("; ")
        )
    }

    fn advice(&self, action: Action) -> String {
        let condition = Condition::of(self.run.fitness, self.run.anomalous.len());
        let worst = self.run.anomalous.first().map(|block| (plain(&block.block, NAME_CHARS_MAX), block));
        match (action, worst, self.language) {
            (Action::Answer, _, _) if condition == Condition::Good => {
                self.either("Recomendación: no hace falta actuar.", "Recommendation: no need to act.").to_owned()
            }
            (Action::Answer, _, _) => self
                .either(
                    "Recomendación: seguir observando y volver a preguntar.",
                    "Recommendation: keep watching and ask again.",
                )
                .to_owned(),
            (Action::Analyse, Some((name, block)), Language::Spanish) => format!(
                "Análisis: el peor bloque es {name}, con una parte de fallos de {} y fitness {}; conviene revisar su carga y sus reparaciones.",
                figure(block.fault_ratio),
                figure(block.fitness)
            ),
            (Action::Analyse, Some((name, block)), Language::English) => format!(
                "Analysis: the worst block is {name}, with a fault ratio of {} and fitness {}; look at its load and its repairs.",
                figure(block.fault_ratio),
                figure(block.fitness)
            ),
            (Action::Analyse, None, _) => self
                .either("Análisis: ningún bloque destaca de los demás.", "Analysis: no block stands out.")
                .to_owned(),
            (Action::Optimise, Some((name, _)), Language::Spanish) => {
                format!("Recomendación: bajar la carga de {name} y repararlo antes.")
            }
            (Action::Optimise, Some((name, _)), Language::English) => {
                format!("Recommendation: lower the load of {name} and repair it sooner.")
            }
            (Action::Optimise, None, _) if condition == Condition::Good => self
                .either(
                    "Recomendación: hay margen para subir la carga poco a poco.",
                    "Recommendation: there is room to raise the load little by little.",
                )
                .to_owned(),
            (Action::Optimise, None, _) => self
                .either(
                    "Recomendación: bajar la carga de todos los bloques hasta que la fitness media llegue a 0.500.",
                    "Recommendation: lower the load of all blocks until mean fitness reaches 0.500.",
                )
                .to_owned(),
        }
    }
}

/// A figure with three digits after the point; what is too large for that, or no number, stays short.
fn figure(value: f64) -> String {
    if !value.is_finite() {
        return "?".to_owned();
    }
    if value.abs() >= 1e6 {
        return format!("{value:.3e}");
    }
    let text = format!("{value:.3}");
    if text == "-0.000" { "0.000".to_owned() } else { text }
}

/// A name or phrase without control characters, cut.
fn plain(text: &str, chars_max: usize) -> String {
    text.chars().take(chars_max).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run() -> RunState {
        RunState {
            tick: 1200,
            fitness: Some(0.7314),
            fitness_before: Some(0.7021),
            entities: 980_000,
            active: 979_000,
            anomalous: vec![AnomalousBlock { block: "enjambre".into(), fault_ratio: 0.12345, fitness: 0.31 }],
            alerts_raised: 3,
            faults_since: 0,
            repairs_since: 12,
            alerts_since: 1,
        }
    }

    #[test]
    fn a_state_answer_in_english_reads_whole() {
        assert_eq!(
            compose(&run(), Intent::State, Action::Analyse, Language::English),
            "Tick 1200: mean fitness 0.731 (before 0.702), 980000 entities, 979000 active. \
             Anomalous blocks: enjambre (faults 0.123, fitness 0.310). Alerts: 3. \
             Since the last question: mean fitness rose by 0.029; 12 repairs; 1 alerts. \
             Analysis: the worst block is enjambre, with a fault ratio of 0.123 and fitness 0.310; look at its load \
             and its repairs."
        );
    }

    #[test]
    fn an_advice_answer_in_spanish_starts_with_the_advice() {
        assert_eq!(
            compose(&run(), Intent::Advice, Action::Optimise, Language::Spanish),
            "Recomendación: bajar la carga de enjambre y repararlo antes. \
             Bloques anómalos: enjambre (fallos 0.123, fitness 0.310). Alertas: 3. \
             Desde la última pregunta: la fitness media subió 0.029; 12 reparaciones; 1 alertas. \
             Tick 1200: fitness media 0.731 (antes 0.702), 980000 entidades, 979000 activas."
        );
    }

    #[test]
    fn a_run_that_nothing_is_known_of_is_answered_too() {
        assert_eq!(
            compose(&RunState::default(), Intent::Other, Action::Answer, Language::Spanish),
            "Sólo respondo sobre la simulación: estado, anomalías, cambios, consejo. \
             Tick 0: fitness media desconocida, 0 entidades, 0 activas. Ningún bloque anómalo. Alertas: 0. \
             Desde la última pregunta: sin cambios. Recomendación: no hace falta actuar."
        );
    }

    #[test]
    fn every_intent_action_and_language_names_blocks_changes_and_a_recommendation() {
        for intent in Intent::ALL {
            for action in Action::ALL {
                let english = compose(&run(), intent, action, Language::English);
                assert!(english.contains("enjambre (faults 0.123, fitness 0.310)"), "{english}");
                assert!(english.contains("Since the last question: mean fitness rose"), "{english}");
                assert!(english.contains("Recommendation: ") || english.contains("Analysis: "), "{english}");
                let spanish = compose(&run(), intent, action, Language::Spanish);
                assert!(spanish.contains("Recomendación: ") || spanish.contains("Análisis: "), "{spanish}");
            }
        }
    }

    #[test]
    fn five_blocks_are_named_and_hostile_names_are_escaped_and_cut() {
        let name = |n| format!("b{n}\n\u{1b}[31m{}", "x".repeat(100_000));
        let run = RunState {
            anomalous: (0..9).map(|n| AnomalousBlock { block: name(n), ..Default::default() }).collect(),
            ..run()
        };
        let text = compose(&run, Intent::State, Action::Answer, Language::English);
        assert!(text.contains(r"b4\n\u{1b}[31m") && !text.contains("b5"), "{text}");
        assert!(!text.chars().any(char::is_control) && text.len() < 2000, "{}", text.len());
    }

    #[test]
    fn figures_have_three_digits_and_stay_short() {
        let figures = [0.12345, -0.0001, 999_999.0, 1e300, f64::NAN, f64::INFINITY].map(figure);
        assert_eq!(figures, ["0.123", "0.000", "999999.000", "1.000e300", "?", "?"]);
    }
}
