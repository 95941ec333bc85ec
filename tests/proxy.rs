//! The tests' own servers and their proxy do what they say, for what other tests prove stands on them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "how long a link takes is what its mode says")]

mod support;

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use support::proxy::{Mode, Proxy};
use support::redis::{Acl, Appendonly, Options, Redis, Tls};

/// A server that sends back what it gets; its port.
fn echo() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || std::io::copy(&mut &client, &mut &client));
        }
    });
    port
}

fn client(proxy: &Proxy) -> TcpStream {
    let client = TcpStream::connect(("127.0.0.1", proxy.port())).unwrap();
    client.set_nodelay(true).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    client
}

fn round_trip(client: &mut TcpStream, bytes: &[u8]) {
    client.write_all(bytes).unwrap();
    let mut back = vec![0; bytes.len()];
    client.read_exact(&mut back).unwrap();
    assert!(back == bytes, "{} bytes came back changed", bytes.len());
}

#[test]
fn every_byte_comes_through_at_its_pace() {
    let proxy = Proxy::start(echo());
    let mut client = client(&proxy);
    let bytes: Vec<u8> = (0..20_000u32).map(|i| (i * 7) as u8).collect();
    let least = [
        (Mode::Pass, 0),
        (Mode::Latency(Duration::from_millis(40)), 40),
        // Half of a second's worth, and each way takes its time.
        (Mode::Throttle(40_000), 500),
        (Mode::ByteAtATime, 0),
        (Mode::Pass, 0),
    ];
    for (mode, least_ms) in least {
        proxy.set(mode);
        let began = Instant::now();
        round_trip(&mut client, &bytes);
        let took = began.elapsed().as_millis();
        assert!(took >= least_ms, "{mode:?}: {took} ms, at least {least_ms}");
    }
    assert_eq!(proxy.connections(), 1);
}

#[test]
fn what_is_held_back_goes_on_later() {
    let proxy = Proxy::start(echo());
    let mut client = client(&proxy);
    round_trip(&mut client, b"before");
    for mode in [Mode::HalfOpen, Mode::Silent] {
        proxy.set(mode);
        client.write_all(b"held").unwrap();
        client.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let nothing = client.read(&mut [0; 9]).unwrap_err().kind();
        assert!(matches!(nothing, ErrorKind::WouldBlock | ErrorKind::TimedOut), "{mode:?}: {nothing}");
        client.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        proxy.set(Mode::Pass);
        let mut back = [0; 4];
        client.read_exact(&mut back).unwrap();
        assert_eq!(&back, b"held", "{mode:?}");
    }
}

#[test]
fn a_reset_comes_in_the_middle_of_a_reply() {
    let proxy = Proxy::start(echo());
    let mut client = client(&proxy);
    round_trip(&mut client, b"before");
    proxy.set(Mode::ResetInReply);
    client.write_all(b"12345678").unwrap();
    let mut back = Vec::new();
    let error = client.read_to_end(&mut back).unwrap_err();
    assert_eq!((back.as_slice(), error.kind()), (&b"1234"[..], ErrorKind::ConnectionReset));
}

#[test]
fn a_closed_proxy_refuses_and_drops() {
    let proxy = Proxy::start(echo());
    let mut old = client(&proxy);
    round_trip(&mut old, b"before");
    proxy.set(Mode::Closed);
    assert!(!matches!(old.read(&mut [0; 9]), Ok(1..)), "the connection is gone");
    let refused = TcpStream::connect(("127.0.0.1", proxy.port())).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    proxy.set(Mode::Pass);
    round_trip(&mut client(&proxy), b"after");
    assert_eq!(proxy.connections(), 2);
}

#[test]
fn a_server_has_its_entries_after_a_kill_if_it_keeps_them() {
    for (appendonly, kept) in [(Appendonly::Always, 3), (Appendonly::No, 0)] {
        let Some(redis) = Redis::start(Options { appendonly, ..Options::default() }) else { return };
        let added = redis.ledger().add_all("s", ["a", "b", "c"]);
        redis.kill();
        assert!(redis.try_cli(&["PING"]).is_err());
        redis.restart();
        let entries = redis.ledger().entries("s");
        assert_eq!(entries.len(), kept, "{appendonly:?}");
        assert!(entries.iter().zip(&added).all(|(entry, at)| entry.at == *at && entry.id.is_none()));
    }
}

#[test]
fn a_stopped_server_answers_when_it_goes_on() {
    let Some(redis) = Redis::start(Options::default()) else { return };
    let proxy = Proxy::start(redis.port());
    redis.stop_signal();
    let mut client = client(&proxy);
    client.write_all(b"PING\r\n").unwrap();
    redis.continue_signal();
    let mut pong = [0; 7];
    client.read_exact(&mut pong).unwrap();
    assert_eq!(&pong, b"+PONG\r\n");
}

#[test]
fn a_user_may_what_corec_needs_and_no_more() {
    let Some(redis) = Redis::start(Options { acl: Some(Acl::default()), ..Options::default() }) else {
        return;
    };
    assert!(redis.url().starts_with("redis://corec_user:p%40ss%3Aw%2Frd%25@127.0.0.1:"), "{}", redis.url());
    let may = |command: &str| {
        let words: Vec<&str> =
            ["ACL", "DRYRUN", "corec_user"].into_iter().chain(command.split(' ')).collect();
        redis.cli(&words) == "OK"
    };
    let needed = [
        "XADD s * data 1 id 2",
        "XREAD COUNT 1 BLOCK 1 STREAMS s 0",
        "XINFO STREAM s",
        "XTRIM s MINID ~ 5",
        "HSET corec:sent:a last 1",
        "HINCRBY corec:sent:a fence 1",
        "EXPIRE corec:sent:a 9",
        "HVALS corec:read:s",
        "WATCH corec:sent:a",
        "INFO memory",
        "CLIENT SETNAME a",
    ];
    for command in needed {
        assert!(may(command), "{command}");
    }
    for command in ["FLUSHALL", "CONFIG GET maxmemory", "DEL s", "SHUTDOWN", "KEYS *", "ACL LIST"] {
        assert!(!may(command), "{command}");
    }
    let mut with_login = redis::Client::open(redis.url()).unwrap().get_connection().unwrap();
    let who: String = redis::cmd("ACL").arg("WHOAMI").query(&mut with_login).unwrap();
    assert_eq!(who, "corec_user");
}

#[test]
fn tls_is_the_only_way_in_where_it_is_on() {
    let options = Options { tls: Some(Tls::RightName), acl: Some(Acl::default()), ..Options::default() };
    let Some(redis) = Redis::start(options) else { return };
    redis.ledger().add("s", b"in secret");
    assert_eq!(redis.ledger().entries("s")[0].data, b"in secret");
    let plain = redis::Client::open(format!("redis://127.0.0.1:{}", redis.port())).unwrap();
    assert!(plain.get_connection_with_timeout(Duration::from_secs(5)).is_err());
    let wrong = Redis::start(Options { tls: Some(Tls::WrongName), ..Options::default() }).unwrap();
    assert_eq!(wrong.cli(&["PING"]), "PONG");
    assert!(std::panic::catch_unwind(|| wrong.ledger()).is_err(), "its name is another");
}

#[test]
fn memory_that_is_full_is_an_error_to_the_writer() {
    let options = Options { maxmemory: Some((3 << 20, "noeviction")), ..Options::default() };
    let Some(redis) = Redis::start(options) else { return };
    let full = (0..100).find_map(|_| redis.try_cli(&["XADD", "s", "*", "data", &"x".repeat(100_000)]).err());
    assert!(full.is_some_and(|error| error.contains("OOM")), "3 MiB hold no 10 MB");
}
