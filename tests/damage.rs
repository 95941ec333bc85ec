//! Damaged files: refused with the place, or read as far as they are whole; never a panic, never something else than was written.
//! `COREC_DAMAGE=10000 cargo test --release --test damage` for more of them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use corec::prelude::{Draws, rng};
use corec_bridges::bus::Outgoing;
use corec_bridges::lane::{Lane, LaneOptions, Policy, Sink, SinkError, SpoolOptions, Spooled};
use corec_core::journal::{LogError, LogReader, summary};
use corec_core::message::{Frame, Record};
use corec_core::snapshot::{Snapshot, SnapshotError};
use corec_core::store::Batch;
use corec_core::units::RunId;
use corec_run::manifest::Manifest;
use corec_telemetry::json_rows::JsonRows;
use support::skip::skip;
use support::{corec, json};
use xxhash_rust::xxh3::xxh3_64;

fn times() -> u64 {
    std::env::var("COREC_DAMAGE").ok().and_then(|n| n.parse().ok()).unwrap_or(300)
}

/// The `n`-th way to damage a file: bits, bytes, a page of zeros, an end cut off, one moved, more at the end.
fn damage(whole: &[u8], n: u64) -> Vec<u8> {
    let words = Draws::new(7, "damage").words(n, 0, 0);
    let (at, length) = (rng::below(words[1], whole.len() as u32) as usize, whole.len());
    let mut bytes = whole.to_vec();
    match words[0] % 6 {
        0 => bytes[at] ^= 1 << (words[2] % 8),
        1 => bytes[at] = bytes[at].wrapping_add(1 + (words[2] % 255) as u8),
        2 => bytes[at..length.min(at + 4096)].fill(0),
        3 => bytes.truncate(at),
        4 => bytes.rotate_left(1 + at % 64),
        _ => bytes.extend_from_slice(&whole[..at.min(100) + 1]),
    }
    bytes
}

#[test]
fn a_damaged_snapshot_is_never_read() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["run", "--entities", "3k", "--ticks", "10", "--snapshot-interval", "10", "--out", "run"];
    json(folder.path(), &arguments, 0);
    let file = folder.path().join("run/snapshots/tick-000000000010.corec");
    let whole = fs::read(&file).unwrap();
    let mut refused = 0;
    for n in 0..times() {
        let damaged = damage(&whole, n);
        if damaged == whole {
            continue;
        }
        refused += 1;
        fs::write(&file, &damaged).unwrap();
        match Snapshot::open(&file).and_then(|snapshot| snapshot.verify()) {
            Err(SnapshotError::Damaged { offset, .. }) => {
                assert!(offset <= damaged.len() as u64, "damage {n}")
            }
            Err(error) => panic!("damage {n}: {error}"),
            Ok(()) => panic!("damage {n} went unnoticed"),
        }
    }
    assert!(refused * 10 >= times() * 9, "{refused} of {} were damaged at all", times());
}

fn records(folder: &Path) -> Result<Vec<Vec<u8>>, LogError> {
    let (mut log, mut records) = (LogReader::open(folder)?, Vec::new());
    while let Some((_, record)) = log.next_record()? {
        records.push(record.to_vec());
    }
    Ok(records)
}

#[test]
fn a_damaged_journal_has_its_records_or_none() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["run", "--entities", "1k", "--ticks", "400", "--out", "run"];
    json(folder.path(), &arguments, 0);
    let (journal, file) = (folder.path().join("run/journal"), folder.path().join("run/journal/00000001.log"));
    let (whole, all) = (fs::read(&file).unwrap(), records(&journal).unwrap());
    assert_eq!(all.len(), 80, "two digests every ten ticks");
    let (mut kept_all, mut kept_part, mut refused) = (0, 0, 0);
    for n in 0..times() {
        let damaged = damage(&whole, n);
        fs::write(&file, &damaged).unwrap();
        match records(&journal) {
            Ok(kept) => {
                assert!(all.starts_with(&kept), "damage {n}");
                // Only an end may be missing: cut off, zeros, or the one frame that was being written.
                let same = damaged.iter().zip(&whole).take_while(|(a, b)| a == b).count();
                let is_cut = damaged.len() < whole.len() || damaged[same..].iter().all(|byte| *byte == 0);
                assert!(
                    is_cut || kept.len() + 2 >= all.len(),
                    "damage {n}: {} of {} records",
                    kept.len(),
                    all.len()
                );
                *(if kept.len() == all.len() { &mut kept_all } else { &mut kept_part }) += 1;
            }
            Err(LogError::Damaged { .. }) => refused += 1,
            Err(error) => panic!("damage {n}: {error}"),
        }
    }
    assert!(
        refused * 2 > times() && kept_part > 0 && kept_all * 3 < times(),
        "{refused} refused, {kept_part} read in part, {kept_all} whole"
    );
}

#[test]
fn a_damaged_manifest_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    json(folder.path(), &["run", "--entities", "1k", "--ticks", "40", "--out", "run"], 0);
    let run = folder.path().join("run");
    let (whole, manifest) = (fs::read(run.join("manifest.json")).unwrap(), Manifest::read(&run).unwrap());
    let (mut refused, mut accepted) = (0, 0);
    for n in 0..times() {
        let damaged = damage(&whole, n);
        if damaged == whole {
            continue;
        }
        fs::write(run.join("manifest.json"), damaged).unwrap();
        match Manifest::read(&run) {
            Ok(read) => {
                assert_eq!(read, manifest, "damage {n}");
                accepted += 1;
            }
            Err(_) => refused += 1,
        }
    }
    assert!(
        refused + accepted >= times() * 9 / 10 && accepted * 100 <= times(),
        "{refused} refused, {accepted} accepted"
    );
}

/// What the fuzzer reads. Only a program with a bus on Redis reads a server's answers.
const TARGETS: &[&str] = &[
    "snapshot",
    "journal",
    "manifest",
    "spool",
    "item",
    "forest",
    "record",
    "frame",
    "row",
    #[cfg(feature = "redis")]
    "reply",
];

/// Reads a file as the fuzzer's target does; says whether it is what it seems to be.
fn is_whole(target: &str, path: &Path) -> bool {
    let bytes = fs::read(path).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let as_log = |folder: &Path| {
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join("00000001.log"), &bytes).unwrap();
    };
    match target {
        "snapshot" => Snapshot::open(path).and_then(|snapshot| snapshot.verify()).is_ok(),
        "journal" => {
            as_log(folder.path());
            summary(folder.path()).is_ok_and(|summary| !summary.inputs.is_empty())
        }
        "manifest" => Manifest::parse(&String::from_utf8_lossy(&bytes)).is_ok(),
        "spool" => {
            as_log(&folder.path().join("000000000001"));
            let spool = SpoolOptions { folder: folder.path().into(), bytes_max: 1 << 20, run: RunId(7) };
            let options = LaneOptions {
                name: "far side",
                items_max: 4,
                bytes_max: 1 << 20,
                policy: Policy::Block,
                patience: Duration::from_secs(60),
                spool: Some(spool),
            };
            Lane::start(Far, options).is_ok_and(|mut lane| {
                assert_eq!(lane.close(Duration::from_secs(60)), Ok(None));
                lane.report().sent > 0
            })
        }
        "item" => Outgoing::decode(&bytes).is_ok() || Batch::decode(&bytes).is_ok(),
        "forest" => {
            let file = folder.path().join("forest");
            fs::write(&file, [&bytes[..], &xxh3_64(&bytes).to_le_bytes()].concat()).unwrap();
            corec_run::forest::IsolationForest::load(&file).is_ok()
        }
        "record" => Record::decode(&bytes).is_ok_and(|record| record.encode() == *bytes),
        "frame" => {
            let body = bytes.split_last_chunk::<8>().map_or(&bytes[..], |(body, _)| body);
            let sealed = [body, &xxh3_64(body).to_le_bytes()].concat();
            Frame::decode(&sealed).is_ok_and(|frame| Frame::decode(&frame.encode()) == Ok(frame))
        }
        "row" => {
            let mut rows = bytes.split(|byte| *byte == b'\n').filter_map(|row| {
                let rows = JsonRows::of(row, &[]).ok()?;
                rows.row(1, row).ok()
            });
            rows.next().is_some()
        }
        #[cfg(feature = "redis")]
        "reply" => redis::parse_redis_value(&bytes).is_ok_and(|value| {
            use corec_bridges::bus::redis::{entries, messages, stream_info};
            entries(value.clone()).is_ok() | messages(value.clone()).is_ok() | stream_info(value).is_ok()
        }),
        _ => unreachable!("{target}"),
    }
}

struct Far;

impl Sink for Far {
    type Item = Outgoing;

    fn take(&mut self, _: &[Outgoing]) -> Result<(), SinkError> {
        Ok(())
    }
}

/// What the fuzzer (`cd fuzz && cargo +nightly fuzz run snapshot`) started from and found: none of it makes a reader panic.
#[test]
fn the_corpora_of_the_fuzzer_are_read_or_refused() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for target in TARGETS {
        let entries = fs::read_dir(corpus.join(target)).unwrap();
        let whole = entries.filter(|entry| is_whole(target, &entry.as_ref().unwrap().path())).count();
        assert!(whole > 0, "{target}: what the fuzzer started from is whole");
    }
}

/// Feeds numbered rows through a pipe to a run whose journal is on the small disk; gives the last one acknowledged.
fn feed_until_the_journal_is_full(folder: &Path) -> u64 {
    use std::io::Write;
    assert!(Command::new("mkfifo").arg(folder.join("pipe")).status().unwrap().success());
    let arguments =
        ["run", "telemetry", "--input", "pipe", "--ack", "ack", "--out", "disk/piped", "--store", "memory"];
    let output = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut pipe = fs::OpenOptions::new().write(true).open(folder.join("pipe")).unwrap();
            let draws = Draws::new(3, "rows");
            let header: String = (0..200).map(|column| format!("c{column},")).collect();
            let mut lines = std::iter::once(header + "sequence\n").chain((1u64..20_000).map(|row| {
                let value = |column| f64::from(draws.words(row, column, 0)[0]) / 4096.0;
                (0..200).map(|column| format!("{},", value(column))).collect::<String>() + &format!("{row}\n")
            }));
            lines.all(|line| pipe.write_all(line.as_bytes()).is_ok())
        });
        corec(folder, &arguments)
    });
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && err.contains("No space left"), "{err}");
    fs::read_to_string(folder.join("ack")).unwrap().trim().parse().unwrap()
}

/// What runs a command as the root of user and mount namespaces of its own.
const NAMESPACE: [&str; 3] = ["unshare", "--map-root-user", "--mount"];

/// Mounts a file system of 900 kB, with `within` in front of the command; whether that worked.
fn mount(within: &[&str], disk: &Path) -> bool {
    let mount = [within, &["mount", "-t", "tmpfs", "-o", "size=900k", "tmpfs"]].concat();
    let mounted = Command::new(mount[0]).args(&mount[1..]).arg(disk).output();
    mounted.is_ok_and(|output| output.status.success())
}

/// A disk that is full costs the snapshot that did not fit, and no other; a journal that can't be written ends the run.
#[test]
fn a_full_disk_leaves_the_snapshots_that_were_there() {
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk");
    fs::create_dir(&disk).unwrap();
    if !mount(&[], &disk) {
        // A namespace of its own lets a plain user mount; what is mounted is seen by what runs in it.
        if !mount(&NAMESPACE, &disk) {
            return skip(
                "no small file system can be mounted here: neither by this user nor in a user namespace",
            );
        }
        let test = std::env::current_exe().unwrap();
        let again = ["--exact", "a_full_disk_leaves_the_snapshots_that_were_there", "--nocapture"];
        let output = Command::new(NAMESPACE[0]).args(&NAMESPACE[1..]).arg(test).args(again).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && said.contains("1 passed"),
            "{said}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        return;
    }
    let arguments =
        ["run", "--entities", "60k", "--ticks", "100", "--tick-rate", "200", "--snapshot-interval", "40"];
    let arguments = [&arguments[..], &["--snapshot", "disk", "--out", "run"]].concat();
    let s = json(folder.path(), &arguments, 0);
    let restored = json(folder.path(), &["run", "--restore", "disk", "--ticks", "100", "--out", "on"], 0);
    let acknowledged = feed_until_the_journal_is_full(folder.path());
    let safe = json(folder.path(), &["inspect", "disk/piped/journal"], 0);
    fs::write(disk.join("fill"), vec![1; 900_000]).ok();
    let full = corec(folder.path(), &["run", "--entities", "1k", "--out", "disk/run", "--store", "memory"]);
    Command::new("umount").arg(&disk).status().unwrap();
    assert_eq!(s["snapshots"]["written"], 1);
    assert_eq!(
        (acknowledged.into(), &safe["inputs"][1]["input"]),
        (safe["inputs"][1]["records"].clone(), &"row".into())
    );
    assert!(s["snapshots"]["error"].as_str().unwrap().contains("No space left"), "{}", s["snapshots"]);
    assert_eq!((&restored["restored_at"], &restored["state_digest"]), (&40.into(), &s["state_digest"]));
    let err = String::from_utf8_lossy(&full.stderr);
    assert!(full.status.code() != Some(0) && err.contains("No space left"), "{err}");
}
