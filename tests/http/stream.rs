//! The stream: what a viewer is shown, how often, and what it is told at the end.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::client::{Event, Viewer, get};
use super::shown::Shown;
use super::support::json;

const ENDLESS: [&str; 6] = ["--entities", "20k", "--ticks", "1G", "--tick-rate", "200"];

/// The bytes of a base64 text.
fn bytes(text: &str) -> Vec<u8> {
    let digit = |c: u8| match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => 0,
    };
    let padding = text.bytes().rev().take_while(|c| *c == b'=').count();
    let fours = text.as_bytes().chunks(4);
    let mut out: Vec<u8> = fours
        .flat_map(|four| {
            let all = four.iter().fold(0u32, |all, c| all << 6 | u32::from(digit(*c)));
            all.to_be_bytes()[1..].to_vec()
        })
        .collect();
    out.truncate(out.len() - padding);
    out
}

fn frame_of(event: &Event) -> (f64, u32, Vec<u8>) {
    let frame = bytes(&event.data);
    assert_eq!(&frame[..4], b"CCV1");
    let tick = f64::from_le_bytes(frame[8..16].try_into().unwrap());
    let blocks = u32::from_le_bytes(frame[128..132].try_into().unwrap());
    assert_eq!(frame.len(), 184 + 5 * blocks as usize);
    (tick, blocks, frame)
}

#[test]
#[expect(clippy::disallowed_methods, reason = "frames of some seconds are counted")]
fn a_viewer_is_shown_frames_and_summaries_at_its_own_rate_until_the_run_ends() {
    let folder = tempfile::tempdir().unwrap();
    let shown = Shown::start(folder.path(), "r", &ENDLESS);
    let (mut fast, mut slow) = (Viewer::new(&shown.address, "10"), Viewer::new(&shown.address, "2"));
    let (mut ticks, mut summaries) = (Vec::new(), 0);
    while ticks.len() < 10 {
        let event = fast.event().unwrap();
        match &event.name[..] {
            "frame" => {
                let (tick, blocks, _) = frame_of(&event);
                assert_eq!(
                    (tick.to_string(), blocks as u64),
                    (event.id, get(&shown.address, "/api/v1/summary").json()["blocks"].as_u64().unwrap())
                );
                ticks.push(tick);
            }
            "summary" => summaries += 1,
            other => panic!("{other}"),
        }
    }
    assert!(ticks.is_sorted_by(|a, b| a < b), "{ticks:?}");
    assert!(summaries > 0);
    // Who takes two a second is not given more, whatever the run does.
    let (began, mut frames) = (Instant::now(), 0);
    while began.elapsed() < Duration::from_secs(3) {
        frames += u32::from(slow.event().unwrap().name == "frame");
    }
    assert!((1..=8).contains(&frames), "{frames} in three seconds at two a second");
    let ended = shown.end();
    let last: Vec<Event> = std::iter::from_fn(|| fast.event()).collect();
    let end = last.last().unwrap();
    assert_eq!(
        (&end.name[..], serde_json::from_str::<Value>(&end.data).unwrap()),
        ("end", json!({"ended": "interrupted"}))
    );
    let summary = last.iter().rfind(|event| event.name == "summary").unwrap();
    assert_eq!(serde_json::from_str::<Value>(&summary.data).unwrap()["tick"], ended["tick"]);
}

#[test]
fn the_bits_are_the_same_whoever_watches() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let arguments = ["--entities", "50k", "--ticks", "400", "--tick-rate", "400"];
    let alone = json(at, &[&["run"][..], &arguments, &["--out", "alone"]].concat(), 0);
    let mut shown =
        Shown::begin(at, "seen", &[&["run"][..], &arguments, &["--http", "0", "--out", "seen"]].concat());
    let mut viewers: Vec<Viewer> = (0..3).map(|_| Viewer::new(&shown.address, "10")).collect();
    let block = get(&shown.address, "/api/v1/blocks/3").status;
    assert!(block == 200 || block == 404, "{block}");
    assert!(
        viewers.iter_mut().all(|viewer| std::iter::from_fn(|| viewer.event())
            .last()
            .unwrap()
            .data
            .contains("done"))
    );
    assert!(shown.child.wait().unwrap().success());
    let seen = super::support::read_json(&at.join("seen/summary.json"));
    for digest in ["state_digest", "output_digest"] {
        assert_eq!(seen[digest], alone[digest], "{digest}");
    }
}
