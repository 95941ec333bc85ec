//! The worker is the thread that takes questions in order and answers each exactly once.
//!
//! One question at a time: the rate limit is a few requests a minute, and it leaves the breaker a single probe.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use crossbeam::channel::{Receiver, Sender};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::time::{self, Instant};

use super::error::ChatError;
use super::exchange::{Exchange, Failure};
use super::limits::{BreakerState, CircuitBreaker, RateLimiter, TokenBudget, backoff};
use super::settings::ChatSettings;
use super::{ChatAnswer, ChatQuestion, ChatReply, wire};

/// What the thread is started with.
pub(super) struct Worker {
    pub(super) asked: Receiver<ChatQuestion>,
    pub(super) answered: Sender<ChatReply>,
    pub(super) stopped: watch::Receiver<bool>,
    pub(super) tokens_used: Arc<AtomicU64>,
    pub(super) exchange: Exchange,
    pub(super) settings: ChatSettings,
}

impl Worker {
    /// Runs until the client drops its end of `asked` and the queue is empty.
    pub(super) fn run(self, runtime: Runtime) {
        let mut stopped = self.stopped.clone();
        // tokio's clock wants to be inside its runtime.
        let mut state = runtime.block_on(async { WorkerState::new(&self) });
        for question in self.asked.iter() {
            let outcome = runtime.block_on(async {
                tokio::select! {
                    biased;
                    // An error here is a client that is gone: closed too.
                    _ = stopped.wait_for(|stopped| *stopped) => Err(ChatError::Closed),
                    outcome = state.answer(&question) => outcome,
                }
            });
            if let Err(error) = &outcome
                && *error != ChatError::Closed
            {
                tracing::warn!(id = question.id, %error, "chat: no answer");
            }
            // The client keeps room for every open question, so this never waits; it fails where nobody listens.
            let _ = self.answered.try_send(ChatReply { id: question.id, outcome });
        }
        // A name look-up that hangs runs on a thread of its own: leave it behind instead of waiting for it.
        runtime.shutdown_background();
    }
}

/// What one question leaves for the next.
struct WorkerState<'a> {
    settings: &'a ChatSettings,
    exchange: &'a Exchange,
    started: Instant,
    rate_limiter: RateLimiter,
    breaker: CircuitBreaker,
    token_budget: TokenBudget,
    // lint: allow(rand) for the waits between requests, which are in no result
    jitter: RandomState,
}

impl<'a> WorkerState<'a> {
    fn new(worker: &'a Worker) -> Self {
        let settings = &worker.settings;
        Self {
            settings,
            exchange: &worker.exchange,
            // lint: allow(clock) requests take wall time; their replies are in the journal
            started: Instant::now(),
            rate_limiter: RateLimiter::new(settings.requests_per_minute_max),
            breaker: CircuitBreaker::new(settings),
            token_budget: TokenBudget::new(settings.tokens_max, Arc::clone(&worker.tokens_used)),
            jitter: RandomState::new(),
        }
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// Answers a question, with retries, within every limit.
    async fn answer(&mut self, question: &ChatQuestion) -> Result<ChatAnswer, ChatError> {
        let breaker_state = self.breaker.pass(self.now())?;
        let outcome = self.try_until_answered(question, breaker_state).await;
        match &outcome {
            Ok(_) => self.breaker.succeeded(),
            Err(error) if error.trips_breaker() => {
                self.breaker.failed(self.now());
                if self.breaker.pass(self.now()).is_err() {
                    tracing::warn!(
                        pause_seconds = self.settings.breaker_pause_seconds,
                        "chat: the breaker opens"
                    );
                }
            }
            Err(_) => {}
        }
        outcome
    }

    async fn try_until_answered(
        &mut self,
        question: &ChatQuestion,
        breaker_state: BreakerState,
    ) -> Result<ChatAnswer, ChatError> {
        let retries_max = if breaker_state == BreakerState::HalfOpen { 0 } else { self.settings.retries_max };
        let mut retry = 0;
        let mut last = None;
        loop {
            let Failure { error, retry_after } = match self.try_once(question).await {
                Ok(answer) => return Ok(answer),
                // A limit that leaves no room for a retry: what went wrong before is what the caller should know.
                Err(Failure { error: ChatError::RateLimited(_) | ChatError::TokensSpent { .. }, .. })
                    if let Some(last) = last =>
                {
                    return Err(last);
                }
                Err(failure) => failure,
            };
            if !error.retryable() || retry == retries_max {
                return Err(error);
            }
            let Some(wait) = backoff(self.settings, retry, retry_after, self.random(question.id, retry))
            else {
                return Err(error);
            };
            tracing::debug!(id = question.id, %error, wait_ms = wait.as_millis() as u64, "chat: retrying");
            time::sleep(wait).await;
            retry += 1;
            last = Some(error);
        }
    }

    async fn try_once(&mut self, question: &ChatQuestion) -> Result<ChatAnswer, Failure> {
        let wanted = wire::prompt_tokens_estimated(question).saturating_add(self.settings.answer_tokens_max);
        self.token_budget.fits(wanted)?;
        let timeout = Duration::from_secs_f64(self.settings.timeout_seconds);
        let wait = self.rate_limiter.take(self.now(), timeout)?;
        time::sleep(wait).await;
        let outcome = time::timeout(timeout, self.exchange.ask(self.settings, question))
            .await
            .unwrap_or_else(|_| Err(ChatError::TimedOut(self.settings.timeout_seconds).into()));
        match &outcome {
            Ok(answer) => {
                self.token_budget.add(answer.prompt_tokens.saturating_add(answer.completion_tokens))
            }
            Err(failure) if failure.error.may_be_billed() => self.token_budget.add(wanted),
            Err(_) => {}
        }
        outcome
    }

    /// In 0..=1, different in every process: clients that failed together shall not return together.
    fn random(&self, id: u64, retry: u32) -> f64 {
        let mut hasher = self.jitter.build_hasher();
        hasher.write_u64(id);
        hasher.write_u32(retry);
        hasher.finish() as f64 / u64::MAX as f64
    }
}
