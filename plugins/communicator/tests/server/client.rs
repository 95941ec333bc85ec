//! A client for tests asks, and waits for the reply.

use std::thread;
use std::time::Duration;

use communicator::chat::{
    ChatAnswer, ChatClient, ChatError, ChatQuestion, ChatReply, ChatSettings, SYSTEM, Secret, user_message,
};
use serde_json::json;

use super::Server;

pub const KEY: &str = "sk-or-v1-0123456789abcdef";

/// No limit is in the way and no retry waits long; the time-out is only met by a server that is silent.
pub fn settings(server: &Server) -> ChatSettings {
    ChatSettings {
        base_url: server.url(),
        timeout_seconds: 60.0,
        backoff_seconds: 0.01,
        requests_per_minute_max: 60_000,
        breaker_failures: 1000,
        ..Default::default()
    }
}

pub fn start(settings: ChatSettings) -> ChatClient {
    ChatClient::start(settings, Secret::new(KEY)).unwrap()
}

pub fn question(id: u64) -> ChatQuestion {
    ChatQuestion { id, system: SYSTEM, user: user_message("how is it going?", 0.5, &json!({"tick": id})) }
}

/// Waits for one reply, a minute at most.
pub fn next(client: &ChatClient) -> ChatReply {
    for _ in 0..12_000 {
        if let Some(reply) = client.replies().next() {
            return reply;
        }
        thread::sleep(Duration::from_millis(5));
    }
    panic!("no reply after a minute");
}

pub fn ask(client: &ChatClient, id: u64) -> Result<ChatAnswer, ChatError> {
    client.ask(question(id)).unwrap();
    let reply = next(client);
    assert_eq!(reply.id, id);
    reply.outcome
}
