//! The chat client asks any OpenAI-compatible chat-completions API, without ever blocking a tick.
//!
//! [`ChatClient`] owns one thread with a current-thread tokio runtime and two bounded queues. Questions are answered one
//! after another, in the order asked; each accepted question gets exactly one [`ChatReply`], also when the client is closed.
//! What comes back depends on the world outside: a run that must repeat records its replies, or answers locally.
//!
//! - `settings`: limits and their defaults; `secret`: the key; `prompt`: what is sent; `wire`: the JSON of both sides.
//! - `limits`: rate limit, breaker, cost limit and backoff, pure over a clock they are handed.
//! - `exchange`: one HTTP request; `worker`: the thread, with retries.

mod error;
mod secret;
mod settings;

mod prompt;
mod wire;

mod exchange;
mod limits;
mod worker;

use std::iter;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use crossbeam::channel::{Receiver, Sender, bounded};
use tokio::sync::watch;

pub use error::{ChatError, QueueFull};
pub use prompt::{SYSTEM, user_message};
pub use secret::Secret;
pub use settings::ChatSettings;

use exchange::Exchange;
use worker::Worker;

/// A question for the language model.
#[derive(Clone, Debug, PartialEq)]
pub struct ChatQuestion {
    /// Comes back with the reply. The client does not look at it.
    pub id: u64,
    /// The instructions. Static, so that nothing from outside can get in: [`SYSTEM`], or a constant of the caller's.
    pub system: &'static str,
    /// The data: one JSON object, as [`user_message`] makes it.
    pub user: String,
}

/// What became of a question.
#[derive(Clone, Debug, PartialEq)]
pub struct ChatReply {
    /// The question's.
    pub id: u64,
    /// The answer, or why there is none.
    pub outcome: Result<ChatAnswer, ChatError>,
}

/// A language model's answer. Text from outside: data, to be shown and never obeyed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatAnswer {
    /// At most `answer_chars_max` characters; no control characters but line feed and tab.
    pub text: String,
    /// Tokens of the question, as billed, or estimated where the reply does not say.
    pub prompt_tokens: u64,
    /// Tokens of the answer, as billed, or estimated where the reply does not say.
    pub completion_tokens: u64,
}

/// The client: hands questions to its thread and collects replies, both without waiting.
///
/// ```no_run
/// use communicator::chat::{ChatClient, ChatSettings, ChatQuestion, SYSTEM, Secret, user_message};
///
/// let client = ChatClient::start(ChatSettings::default(), Secret::new("KEY"))?;
/// let user = user_message("how is it going?", 0.5, &serde_json::json!({"tick": 12, "fitness": 0.7}));
/// if client.ask(ChatQuestion { id: 1, system: SYSTEM, user }).is_err() {
///     // Too many questions are open: answer locally.
/// }
/// for reply in client.replies() {
///     match reply.outcome {
///         Ok(answer) => tracing::info!(id = reply.id, text = %answer.text.escape_debug()),
///         Err(error) => tracing::warn!(id = reply.id, %error),
///     }
/// }
/// # Ok::<(), communicator::chat::ChatError>(())
/// ```
#[derive(Debug)]
pub struct ChatClient {
    questions: Option<Sender<ChatQuestion>>,
    replies: Receiver<ChatReply>,
    answered: Sender<ChatReply>,
    // Accepted and not yet collected. Never above queue_max, so neither queue can be full when the other side sends.
    open: AtomicUsize,
    queue_max: usize,
    tokens_used: Arc<AtomicU64>,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl ChatClient {
    /// Checks the settings and starts the thread. An empty key sends no `Authorization` header, for servers that want none.
    ///
    /// # Errors
    /// [`ChatError::Settings`]: a setting is out of its range, or the machine can't start a thread or TLS.
    pub fn start(settings: ChatSettings, key: Secret) -> Result<Self, ChatError> {
        settings.check()?;
        let exchange = Exchange::new(&settings, key)?;
        let queue_max = settings.queue_max;
        let (questions, asked) = bounded(queue_max);
        let (answered, replies) = bounded(queue_max);
        let (stop, stopped) = watch::channel(false);
        let tokens_used = Arc::new(AtomicU64::new(0));
        let worker = Worker {
            asked,
            answered: answered.clone(),
            stopped,
            tokens_used: Arc::clone(&tokens_used),
            exchange,
            settings,
        };
        let unstarted =
            |e: std::io::Error| ChatError::Settings(format!("chat: thread: found {e}, must start"));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .map_err(unstarted)?;
        let thread = thread::Builder::new()
            .name("corec-chat".to_owned())
            .spawn(move || worker.run(runtime))
            .map_err(unstarted)?;
        Ok(Self {
            questions: Some(questions),
            replies,
            answered,
            open: AtomicUsize::new(0),
            queue_max,
            tokens_used,
            stop,
            thread: Some(thread),
        })
    }

    /// Hands a question to the thread. Never waits. After [`ChatClient::close`] it is answered [`ChatError::Closed`].
    ///
    /// # Errors
    /// [`QueueFull`]: `queue_max` questions are open, that is asked and their replies not yet collected.
    pub fn ask(&self, question: ChatQuestion) -> Result<(), QueueFull> {
        let below = |open: usize| (open < self.queue_max).then_some(open + 1);
        self.open
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, below)
            .map_err(|_| QueueFull(self.queue_max))?;
        let refused = match &self.questions {
            Some(questions) => questions.try_send(question).err().map(|refused| refused.into_inner().id),
            None => Some(question.id),
        };
        if let Some(id) = refused {
            // Only where the thread is gone; the count above keeps room for this reply.
            let _ = self.answered.try_send(ChatReply { id, outcome: Err(ChatError::Closed) });
        }
        Ok(())
    }

    /// The replies there are by now, oldest first. Never waits.
    pub fn replies(&self) -> impl Iterator<Item = ChatReply> + '_ {
        iter::from_fn(|| {
            let reply = self.replies.try_recv().ok()?;
            self.open.fetch_sub(1, Ordering::Relaxed);
            Some(reply)
        })
    }

    /// Tokens counted against `tokens_max` so far: billed, or estimated where a reply does not say.
    pub fn tokens_used(&self) -> u64 {
        self.tokens_used.load(Ordering::Relaxed)
    }

    /// Gives up what is under way and ends the thread, in milliseconds; then every open question has its reply, most of
    /// them [`ChatError::Closed`]. Dropping the client does the same.
    pub fn close(&mut self) {
        self.stop.send_replace(true);
        self.questions = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("chat: the thread panicked");
        }
    }
}

impl Drop for ChatClient {
    fn drop(&mut self) {
        self.close();
    }
}
