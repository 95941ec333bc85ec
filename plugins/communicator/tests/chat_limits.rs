//! The chat client's limits hold against a real server: breaker, cost, rate, queue, and closing.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod server;

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use communicator::chat::{ChatError, ChatReply, ChatSettings, QueueFull};
use serde_json::json;
use server::client::{ask, next, question, settings, start};
use server::{Server, completion, keep_silent, respond};

#[test]
fn the_breaker_opens_and_leaves_the_server_alone() {
    let server = Server::start(|_, _, stream| respond(stream, 500, "", ""));
    let client = start(ChatSettings {
        breaker_failures: 2,
        breaker_pause_seconds: 3600.0,
        retries_max: 0,
        ..settings(&server)
    });
    for id in 0..2 {
        assert!(matches!(ask(&client, id), Err(ChatError::Status { status: 500, .. })));
    }
    for id in 2..5 {
        assert_eq!(ask(&client, id), Err(ChatError::BreakerOpen(2)));
    }
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn the_breaker_recovers_by_a_probe_without_retries() {
    let server = Server::start(|n, _, stream| match n {
        0..=4 => respond(stream, 500, "", ""),
        _ => respond(stream, 200, "", &completion("back")),
    });
    let client = start(ChatSettings {
        breaker_failures: 1,
        breaker_pause_seconds: 0.05,
        retries_max: 2,
        ..settings(&server)
    });
    let (mut asked, mut failed) = (0, 0);
    let answer = loop {
        match ask(&client, asked) {
            Ok(answer) => break answer,
            Err(ChatError::Status { status: 500, .. }) => failed += 1,
            Err(ChatError::BreakerOpen(_)) => {}
            Err(other) => panic!("{other:?}"),
        }
        asked += 1;
        assert!(asked < 1000, "no recovery in 1000 questions");
        thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(answer.text, "back");
    assert_eq!(failed, 3, "the first question and two probes");
    assert_eq!(server.requests().len(), 6, "3 tries, two failed probes, a good one");
    assert!(ask(&client, 1000).is_ok(), "and it stays closed");
}

#[test]
fn the_token_limit_stops_before_it_is_passed() {
    let usage_missing = json!({"choices": [{"message": {"content": "x".repeat(300)}}]}).to_string();
    let server = Server::start(move |n, _, stream| match n {
        0 => respond(stream, 200, "", &completion("billed 42")),
        _ => respond(stream, 200, "", &usage_missing),
    });
    let client = start(ChatSettings { tokens_max: 1000, answer_tokens_max: 100, ..settings(&server) });
    assert!(ask(&client, 0).is_ok());
    assert_eq!(client.tokens_used(), 42);
    let estimated = ask(&client, 1).unwrap();
    assert_eq!(estimated.completion_tokens, 100);
    assert!(estimated.prompt_tokens > 100, "{}", estimated.prompt_tokens);
    let mut id = 2;
    let error = loop {
        match ask(&client, id) {
            Ok(_) => id += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, ChatError::TokensSpent { max: 1000, .. }), "{error:?}");
    assert!(client.tokens_used() <= 1000, "{}", client.tokens_used());
    let before = server.requests().len();
    assert!(ask(&client, 99).is_err());
    assert_eq!(server.requests().len(), before);
}

#[test]
fn the_rate_limit_refuses_what_would_wait_beyond_the_time_out() {
    let server = Server::start(|_, _, stream| respond(stream, 200, "", &completion("ok")));
    let client =
        start(ChatSettings { requests_per_minute_max: 1, timeout_seconds: 10.0, ..settings(&server) });
    assert!(ask(&client, 1).is_ok());
    let error = ask(&client, 2).unwrap_err();
    // Below a minute by as much as the first question took.
    assert!(matches!(error, ChatError::RateLimited(wait) if wait > 10.0 && wait <= 60.0), "{error:?}");
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_full_queue_refuses_and_a_collected_reply_makes_room() {
    let server = Server::start(|_, _, stream| respond(stream, 200, "", &completion("ok")));
    let client = start(ChatSettings { queue_max: 2, ..settings(&server) });
    client.ask(question(1)).unwrap();
    client.ask(question(2)).unwrap();
    assert_eq!(client.ask(question(3)), Err(QueueFull(2)), "answered or not, two are uncollected");
    assert_eq!(next(&client).id, 1);
    client.ask(question(3)).unwrap();
    assert_eq!((next(&client).id, next(&client).id), (2, 3));
}

#[test]
fn closing_gives_up_what_is_under_way_and_answers_every_open_question() {
    let (got, arrival) = mpsc::channel();
    let server = Server::start(move |_, _, stream| {
        got.send(()).unwrap();
        keep_silent(stream);
    });
    // An hour in all: the test would never end if closing waited for it.
    let mut client = start(ChatSettings { timeout_seconds: 600.0, retries_max: 5, ..settings(&server) });
    for id in 0..5 {
        client.ask(question(id)).unwrap();
    }
    arrival.recv().unwrap();
    client.close();
    client.ask(question(5)).unwrap();
    let replies: Vec<_> = client.replies().collect();
    let closed: Vec<_> = (0..6).map(|id| ChatReply { id, outcome: Err(ChatError::Closed) }).collect();
    assert_eq!(replies, closed);
    client.close();
}

#[test]
fn dropping_the_client_ends_a_wait_for_a_retry() {
    let (got, arrival) = mpsc::channel();
    let server = Server::start(move |_, _, stream| {
        respond(stream, 429, "retry-after: 600\r\n", "");
        let _ = got.send(());
    });
    let client = start(ChatSettings { backoff_seconds_max: 600.0, ..settings(&server) });
    client.ask(question(1)).unwrap();
    arrival.recv().unwrap();
    drop(client);
    assert_eq!(server.requests().len(), 1);
}
