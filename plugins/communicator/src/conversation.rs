//! A conversation holds the open questions, what was learned, and the lines for the log.

use std::collections::BTreeMap;

use corec::prelude::*;

use crate::local::LocalAnswerer;
use crate::local::intent::Intent;
use crate::local::policy::PolicySettings;
use crate::question::Question;
use crate::run_view::{RunFigures, RunView};

/// Questions open at once; who asks more hears that at once.
const OPEN_QUESTIONS_MAX: usize = 1000;
/// Lines kept for the log.
pub(crate) const LOG_LINES_MAX: usize = 2000;

/// What was asked and learned. Part of the run's state: a restored run answers as the killed one would have.
#[derive(Resource, Default, Serialize, Deserialize)]
pub struct Conversation {
    local: LocalAnswerer,
    open: BTreeMap<u64, OpenQuestion>,
    /// The number of the next question.
    next: u64,
    before: Option<RunFigures>,
    lines: Vec<LogLine>,
}

impl Saved for Conversation {
    const NAME: &'static str = "communicator";
}

/// A question that has no answer yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OpenQuestion {
    /// The question.
    pub question: Question,
    /// The tick in which it came.
    pub tick: u64,
}

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogLine {
    /// The question.
    pub texto: String,
    /// How much it mattered.
    pub valor: f64,
    /// The answer.
    pub respuesta: String,
    /// What it was about: what a person may put right, for the classifier to learn.
    #[serde(default)]
    pub intencion: Option<Intent>,
    /// Who answered.
    #[serde(default)]
    pub fuente: String,
}

/// The lines of a log, those that can be read.
pub fn read_log(bytes: &[u8]) -> Vec<LogLine> {
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
    let (mut read, mut refused) = (Vec::new(), 0);
    for line in lines {
        match serde_json::from_slice(line) {
            Ok(line) => read.push(line),
            Err(_) => refused += 1,
        }
    }
    if refused > 0 {
        tracing::warn!(refused, "lines of the log could not be read and were left out");
    }
    read
}

impl Conversation {
    /// A conversation that has not begun, by someone who has read the log.
    pub fn learned_from(policy: PolicySettings, log: Vec<LogLine>) -> Self {
        let mut local = LocalAnswerer::new(policy);
        for line in log {
            if let Some(intent) = line.intencion {
                local.learn(&line.texto, intent);
            }
        }
        Self { local, ..Self::default() }
    }

    /// The number that the next question would have; takes it.
    pub fn next_id(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    /// Takes a question in, or gives it back if too many are open.
    ///
    /// # Errors
    /// The question.
    pub fn open(&mut self, question: Question, tick: u64) -> Result<(), Question> {
        if self.open.len() == OPEN_QUESTIONS_MAX {
            return Err(question);
        }
        let id = self.next_id();
        self.open.insert(id, OpenQuestion { question, tick });
        Ok(())
    }

    /// The open questions, oldest first.
    pub fn waiting(&self) -> impl Iterator<Item = (u64, &OpenQuestion)> {
        self.open.iter().map(|(id, open)| (*id, open))
    }

    /// An open question, which is then no longer open.
    pub fn take(&mut self, id: u64) -> Option<OpenQuestion> {
        self.open.remove(&id)
    }

    /// All open questions.
    pub fn take_all(&mut self) -> Vec<(u64, OpenQuestion)> {
        std::mem::take(&mut self.open).into_iter().collect()
    }

    /// How the run was at the question before.
    pub(crate) fn before(&self) -> Option<&RunFigures> {
        self.before.as_ref()
    }

    /// Answers a question from the state of the run.
    pub(crate) fn answer(&mut self, id: u64, question: &Question, run: &RunView) -> String {
        let state = run.state(self.before.as_ref());
        let answer = self.local.answer(question, &state, id, &|id, n| run.draw(id, n));
        self.before = Some(run.figures());
        self.push_line(question, &answer.text, Some(answer.intent), "local");
        answer.text
    }

    /// Notes what someone else has answered.
    pub fn note(&mut self, question: &Question, text: &str, source: &str) {
        self.push_line(question, text, None, source);
    }

    fn push_line(&mut self, question: &Question, text: &str, intencion: Option<Intent>, source: &str) {
        let line = LogLine {
            texto: question.text.clone(),
            valor: question.value,
            respuesta: text.into(),
            intencion,
            fuente: source.into(),
        };
        if self.lines.len() == LOG_LINES_MAX {
            self.lines.remove(0);
        }
        self.lines.push(line);
    }

    /// The lines since the start of the run, for the log.
    pub fn take_lines(&mut self) -> Vec<LogLine> {
        std::mem::take(&mut self.lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_read_as_far_as_it_can_be() {
        let line = r#"{"texto": "¿cómo va?", "valor": 0.5, "respuesta": "bien", "intencion": "state"}"#;
        let log = format!("{line}\n\nno json\n{{\"texto\": 3}}\n{line}\n");
        let read = read_log(log.as_bytes());
        assert_eq!(read.len(), 2);
        assert_eq!(read[0].texto, "¿cómo va?");
    }
}
