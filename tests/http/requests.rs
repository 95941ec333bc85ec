//! What the fuzzer has sent (fuzz/corpus/request) is sent to a run that goes on.

use std::fs;
use std::io::{Read, Write};
use std::time::Duration;

use super::client::connect;
use super::shown::Shown;

#[test]
fn whatever_was_sent_has_an_answer_with_a_status_or_none_and_the_run_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let shown =
        Shown::start(folder.path(), "r", &["--entities", "2k", "--ticks", "1G", "--tick-rate", "500"]);
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/request");
    let mut files: Vec<_> = fs::read_dir(corpus).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 20, "{}", files.len());
    for file in files {
        let mut stream = connect(&shown.address);
        stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        _ = stream.write_all(&fs::read(&file).unwrap());
        let (mut answer, mut some) = (Vec::new(), [0; 4096]);
        // One that is kept open says nothing more.
        while let Ok(length @ 1..) = stream.read(&mut some) {
            answer.extend_from_slice(&some[..length]);
            if answer.len() > 1 << 20 {
                break;
            }
        }
        let text = String::from_utf8_lossy(&answer);
        assert!(answer.is_empty() || text.starts_with("HTTP/1."), "{}: {text}", file.display());
        if let Some(status) = text.split(' ').nth(1).and_then(|status| status.parse::<u16>().ok()) {
            assert!((100..500).contains(&status) || status == 503, "{}: {text}", file.display());
        }
    }
    let tick = shown.tick();
    super::support::wait_until("ticks", || shown.tick() > tick + 10);
}
