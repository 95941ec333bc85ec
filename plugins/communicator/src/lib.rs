//! The communicator answers questions about the run, from one stream on another.
//!
//! Reads `Stats`, `Totals`, `Population`, in `Phase::Audit`, once every block has been measured. A question goes to a language
//! model over any OpenAI-compatible API if there is a key, else, or when that fails, it is answered from the state of the
//! run by a classifier and a policy of the plugin's own. What a model says comes back as input: it is in the journal, so a
//! replay gives the same answers without asking anyone.
//!
//! - [`question`] reads what was asked, [`chat`] asks a model elsewhere, [`local`] answers by itself. None of them knows the
//!   engine. - `run_view`: what is known of the run. - `conversation`: what is open and what was learned.
#![forbid(unsafe_code)]

pub mod question;

pub mod local;
mod run_view;

pub mod chat;
pub mod conversation;

use std::sync::Arc;

use corec::channels::Journal;
use corec::prelude::*;
use serde_json::json;

use chat::{ChatClient, ChatQuestion, ChatSettings, SYSTEM, Secret, user_message};
use conversation::{Conversation, LOG_LINES_MAX, LogLine, OpenQuestion, read_log};
use local::policy::PolicySettings;
use run_view::RunView;

/// The file of the log, in the plugin's folder.
const LOG_FOLDER: &str = "data";

/// Answers questions about the run.
#[derive(Deserialize, JsonSchema)]
#[serde(default)]
pub struct Communicator {
    /// The key of the API; empty answers locally.
    #[schemars(with = "String")]
    pub openrouter_api_key: Secret,
    /// The stream of the bus that questions come from: `{"texto": "...", "valor": 0.5}`.
    pub redis_stream_input: String,
    /// The stream of the bus that answers go to.
    pub redis_stream_output: String,
    /// The log that the classifier learns from at the start: a file in data/.
    pub training_log: String,
    /// Whether an API that wants no key is asked without one.
    pub ask_without_key: bool,
    /// The API and its limits.
    pub chat: ChatSettings,
    /// The policy: alpha, gamma, epsilon.
    pub policy: PolicySettings,
}

impl Default for Communicator {
    fn default() -> Self {
        Self {
            openrouter_api_key: Secret::default(),
            redis_stream_input: "user_input_stream".into(),
            redis_stream_output: "user_output_stream".into(),
            training_log: "data/training.log".into(),
            ask_without_key: false,
            chat: ChatSettings::default(),
            policy: PolicySettings::default(),
        }
    }
}

impl Plugin for Communicator {
    fn build(&self, app: &mut App) {
        let log = LogSettings { file: log_file(&self.training_log), policy: self.policy };
        app.listen::<QuestionMessage>(&self.redis_stream_input)
            .carry::<AnswerMessage>(&self.redis_stream_output);
        let has_key = !self.openrouter_api_key.is_empty();
        match (has_key || self.ask_without_key)
            .then(|| ChatClient::start(self.chat.clone(), self.openrouter_api_key.clone()))
        {
            Some(Ok(client)) => {
                let client = Arc::new(client);
                app.add_source::<ModelReply>(ReplySource(Arc::clone(&client)))
                    .insert_resource(ModelClient(Some(client)));
            }
            Some(Err(error)) => panic!("{error}"),
            None => _ = app.insert_resource(ModelClient(None)),
        }
        app.insert_resource(log)
            .init_resource::<Conversation>()
            .init_resource::<InFlight>()
            .save_resource::<Conversation>()
            .add_systems(Startup, learn)
            .add_systems(Update, answer_questions.in_set(Phase::Audit))
            .add_systems(Shutdown, save);
    }
}

corec::plugin!(
    Communicator,
    name = "communicator",
    aliases = ["comunicador_inteligente", "comunicador"],
    check = Communicator::check
);

impl Communicator {
    fn check(&self) -> std::result::Result<(), String> {
        self.chat.check().map_err(|e| e.to_string())?;
        self.policy.check()
    }
}

/// A question from outside, read by [`question::parse`].
#[derive(Serialize, Deserialize)]
struct QuestionMessage {}

impl Channel for QuestionMessage {
    const NAME: &'static str = "communicator.questions";
}

/// An answer, as it goes out.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct AnswerMessage {
    /// The question's id, or its number in the run.
    pub id: String,
    /// The answer.
    pub texto: String,
    /// The run's mean fitness, 0..=1; 0 before the first Measure.
    pub valor: f64,
    /// Who answered: "model" or "local"; "error" for a question that can't be read.
    pub source: String,
    /// The tick.
    pub tick: u64,
}

impl Channel for AnswerMessage {
    const NAME: &'static str = "communicator.answers";
}

/// What a model replied to a question: its number, and its text or why there is none.
#[derive(Serialize, Deserialize)]
struct ModelReply {
    id: u64,
    text: Result<String, String>,
}

impl Channel for ModelReply {
    const NAME: &'static str = "communicator.replies";
}

/// The connection to the model, if there is one.
#[derive(Resource)]
struct ModelClient(Option<Arc<ChatClient>>);

/// Questions that this process has handed to the model. After a restore the open ones are handed over again.
#[derive(Resource, Default)]
struct InFlight(Vec<u64>);

#[derive(Resource)]
struct LogSettings {
    /// None where the config names no file that can be one.
    file: Option<String>,
    policy: PolicySettings,
}

/// The config may have the old program's whole path: the file is in this plugin's data/ all the same.
fn log_file(configured: &str) -> Option<String> {
    let name = configured.rsplit(['/', '\\']).next().filter(|name| !name.is_empty())?;
    Some(format!("{LOG_FOLDER}/{name}"))
}

struct ReplySource(Arc<ChatClient>);

impl Source for ReplySource {
    fn poll(&mut self) -> Vec<Vec<u8>> {
        let replies = self.0.replies().map(|reply| ModelReply {
            id: reply.id,
            text: reply.outcome.map(|answer| answer.text).map_err(|error| error.to_string()),
        });
        replies.map(|reply| serde_json::to_vec(&reply).expect("text and a number")).collect()
    }
}

/// Startup: learns from the log of earlier runs, which is input like any other.
fn learn(world: &mut World) -> Result {
    let file = world.resource::<LogSettings>().file.clone();
    let dir = world.resource::<PluginDirs>().of::<Communicator>();
    let read = |file: &String| dir.read(file).map(Option::unwrap_or_default);
    let bytes = corec::channels::recorded::<Communicator>(world, || {
        Ok(file.as_ref().map(read).transpose()?.unwrap_or_default())
    })?;
    let conversation = Conversation::learned_from(world.resource::<LogSettings>().policy, read_log(&bytes));
    world.insert_resource(conversation);
    Ok(())
}

/// Takes questions and replies in, and answers what can be answered.
#[expect(clippy::too_many_arguments, reason = "each is a resource the system declares that it uses")]
fn answer_questions(
    run: RunView,
    model: Res<ModelClient>,
    journal: Res<Journal>,
    // lint: allow(unsaved) what is on its way in this process; replies are in the journal
    mut in_flight: ResMut<InFlight>,
    mut conversation: ResMut<Conversation>,
    mut questions: Inbox<Communicator, QuestionMessage>,
    mut replies: Inbox<Communicator, ModelReply>,
    mut out: Outbox<Communicator>,
) -> Result {
    let valor = run.fitness().unwrap_or(0.0);
    for bytes in questions.read_bytes() {
        let (id, texto) = match question::parse(bytes) {
            Ok(question) => match conversation.open(question, run.tick()) {
                Ok(()) => continue,
                Err(question) => (question.id, "too many questions are open: ask again later".into()),
            },
            Err(error) => (None, error.to_string()),
        };
        let id = id.unwrap_or_else(|| conversation.next_id().to_string());
        out.send(&AnswerMessage { id, texto, valor, source: "error".into(), tick: run.tick() })?;
    }
    let mut answers = Vec::new();
    for reply in replies.read() {
        let ModelReply { id, text } = reply?;
        in_flight.0.retain(|asked| *asked != id);
        let Some(open) = conversation.take(id) else { continue };
        match text {
            Ok(text) => {
                conversation.note(&open.question, &text, "model");
                answers.push((id, open, text, "model"));
            }
            Err(error) => {
                tracing::warn!(id, "the model did not answer, the plugin does: {}", error.escape_debug());
                let text = conversation.answer(id, &open.question, &run);
                answers.push((id, open, text, "local"));
            }
        }
    }
    match &model.0 {
        // While a run is done again, what the model said then is in the journal.
        Some(_) if journal.is_replaying() => {}
        Some(client) => ask(client, &run, &mut in_flight, &conversation),
        None => {
            for (id, open) in conversation.take_all() {
                let text = conversation.answer(id, &open.question, &run);
                answers.push((id, open, text, "local"));
            }
        }
    }
    answers
        .into_iter()
        .try_for_each(|(id, open, texto, source)| reply(&run, &mut out, id, open, texto, source))
}

/// Sends the answer to a question.
fn reply(
    run: &RunView,
    out: &mut Outbox<Communicator>,
    id: u64,
    open: OpenQuestion,
    texto: String,
    source: &str,
) -> Result {
    let id = open.question.id.unwrap_or_else(|| id.to_string());
    tracing::debug!(id, source, "answered: {}", texto.escape_debug());
    out.metric("answer_ticks", (run.tick() - open.tick) as f64);
    let valor = run.fitness().unwrap_or(0.0);
    out.send(&AnswerMessage { id, texto, valor, source: source.into(), tick: run.tick() })
}

/// Hands the open questions to the model that it has not been handed yet; one that it can't take is left for a later tick.
fn ask(client: &ChatClient, run: &RunView, in_flight: &mut InFlight, conversation: &Conversation) {
    for (id, OpenQuestion { question, .. }) in conversation.waiting() {
        if in_flight.0.contains(&id) {
            continue;
        }
        let state = run.state(conversation.before());
        let user = user_message(&question.text, question.value, &json!(state));
        if client.ask(ChatQuestion { id, system: SYSTEM, user }).is_err() {
            return;
        }
        in_flight.0.push(id);
    }
}

/// Shutdown: answers what is still open by itself, and keeps the log.
fn save(
    run: RunView,
    log: Res<LogSettings>,
    dirs: Res<PluginDirs>,
    mut conversation: ResMut<Conversation>,
    mut out: Outbox<Communicator>,
) -> Result {
    for (id, open) in conversation.take_all() {
        let texto = conversation.answer(id, &open.question, &run);
        reply(&run, &mut out, id, open, texto, "local")?;
    }
    let Some(file) = &log.file else { return Ok(()) };
    let dir = dirs.of::<Communicator>();
    let mut lines: Vec<LogLine> = read_log(&dir.read(file)?.unwrap_or_default());
    lines.extend(conversation.take_lines());
    let first = lines.len().saturating_sub(LOG_LINES_MAX);
    let mut text = Vec::new();
    for line in &lines[first..] {
        serde_json::to_writer(&mut text, line)?;
        text.push(b'\n');
    }
    Ok(dir.write(file, &text)?)
}
