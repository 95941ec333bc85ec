//! The chat client over HTTPS is answered by a server that the machine trusts; one it does not trust gets nothing.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../../tests/support/skip.rs"]
mod skip;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use communicator::chat::{ChatAnswer, ChatClient, ChatError, ChatQuestion, ChatSettings, SYSTEM, Secret};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

const REPLY: &str = r#"{"choices": [{"message": {"content": "over tls"}}], "usage": {"prompt_tokens": 1, "completion_tokens": 2}}"#;

/// Starts an HTTPS server for `localhost` and writes its certificate to `trusted`. Every request gets [`REPLY`].
fn serve(trusted: &Path) -> String {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(trusted, made.cert.pem()).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), stream);
            let mut request = [0; 8192];
            // The request fits; a client that refuses the certificate ends here.
            if stream.read(&mut request).is_err() {
                continue;
            }
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{REPLY}", REPLY.len());
            let _ = stream.write_all(head.as_bytes());
            stream.conn.send_close_notify();
            let _ = stream.flush();
            // Until the client goes, so that nothing it still sends resets the connection under the reply.
            while matches!(stream.read(&mut request), Ok(1..)) {}
        }
    });
    format!("https://localhost:{port}")
}

fn ask(base_url: String) -> Result<ChatAnswer, ChatError> {
    let settings = ChatSettings { base_url, retries_max: 0, timeout_seconds: 60.0, ..Default::default() };
    let client = ChatClient::start(settings, Secret::new("sk-0123456789"))?;
    client.ask(ChatQuestion { id: 1, system: SYSTEM, user: "{}".to_owned() }).unwrap();
    for _ in 0..12_000 {
        if let Some(reply) = client.replies().next() {
            return reply.outcome;
        }
        thread::sleep(Duration::from_millis(5));
    }
    panic!("no reply after a minute");
}

/// What the machine trusts is read from the environment, so the asking is done by a process of its own.
#[test]
fn a_server_is_believed_if_the_machine_trusts_it_and_only_then() {
    let file = |name: &str| Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let (trusted, other) = (file("trusted.pem"), file("other.pem"));
    let url = serve(&trusted);
    serve(&other);
    for (file, expected) in [(&trusted, "answered"), (&other, "refused")] {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "child_asks", "--nocapture"])
            .env("SSL_CERT_FILE", file)
            .env_remove("SSL_CERT_DIR")
            .env("NO_PROXY", "localhost")
            .env("CHAT_URL", &url)
            .env("CHAT_EXPECTED", expected)
            .output()
            .unwrap();
        let told =
            String::from_utf8_lossy(&child.stdout).into_owned() + &String::from_utf8_lossy(&child.stderr);
        assert!(child.status.success() && told.contains("1 passed"), "{expected}: {told}");
    }
}

#[test]
#[ignore = "run by the test above, with the environment it needs"]
fn child_asks() {
    // Also run by `--ignored` alone.
    let Ok(url) = std::env::var("CHAT_URL") else {
        return skip::pass_over("no server to ask, it is a part of another test");
    };
    let outcome = ask(url);
    match std::env::var("CHAT_EXPECTED").unwrap().as_str() {
        "answered" => assert_eq!(
            outcome,
            Ok(ChatAnswer { text: "over tls".into(), prompt_tokens: 1, completion_tokens: 2 })
        ),
        _ => {
            let error = outcome.unwrap_err();
            assert!(
                matches!(&error, ChatError::Connect(found) if found.contains("certificate")),
                "{error:?}"
            );
        }
    }
}
