//! The clients of assets/clients read what CoreC writes and write what it reads, bit for bit, and so do the bytes in docs/wire-format.md.
//!
//! Their packages are installed once, with pip and npm, below the target folder.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use corec_core::message::{Frame, FrameColumn, Record};
use corec_core::units::ChannelId;
use serde_json::{Value, json};
use support::redis::{CORE_C_RULES, Options, Redis};
use support::skip::skip;

/// A client that is ready to run: its program and first arguments.
struct Client {
    name: &'static str,
    program: PathBuf,
    script: PathBuf,
}

/// The clients, or why one can't be had here.
static CLIENTS: LazyLock<Result<[Client; 2], String>> = LazyLock::new(|| {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clients");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/clients");
    Ok([python(&source.join("python"), &target)?, node(&source.join("node"), &target)?])
});

fn clients() -> Option<&'static [Client; 2]> {
    CLIENTS.as_ref().inspect_err(|why| skip(why)).ok()
}

fn python(source: &Path, target: &Path) -> Result<Client, String> {
    let venv = target.join("python");
    let program = venv.join("bin/python");
    install(&source.join("requirements.txt"), &venv, |wanted| {
        run(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
        run(Command::new(&program).args(["-m", "pip", "install", "--quiet", "--requirement"]).arg(wanted))
    })?;
    run(Command::new(&program).arg("--version"))?;
    Ok(Client { name: "python", program, script: source.join("main.py") })
}

fn node(source: &Path, target: &Path) -> Result<Client, String> {
    let folder = target.join("node");
    install(&source.join("package.json"), &folder, |wanted| {
        fs::copy(wanted, folder.join("package.json")).map_err(|e| e.to_string())?;
        run(Command::new("npm").args(["install", "--silent", "--no-audit", "--no-fund"]).current_dir(&folder))
    })?;
    // Node looks for packages beside the file that wants them.
    for file in ["client.js", "form.js", "frame.js", "main.js"] {
        fs::copy(source.join(file), folder.join(file)).map_err(|e| format!("{file}: {e}"))?;
    }
    run(Command::new("node").arg("--version"))?;
    Ok(Client { name: "node", program: "node".into(), script: folder.join("main.js") })
}

/// Installs what the file `wanted` lists into `folder`, unless it was installed there before.
fn install(wanted: &Path, folder: &Path, work: impl Fn(&Path) -> Result<(), String>) -> Result<(), String> {
    let list = fs::read(wanted).map_err(|e| format!("{}: {e}", wanted.display()))?;
    let done = folder.join("installed");
    if fs::read(&done).is_ok_and(|installed| installed == list) {
        return Ok(());
    }
    _ = fs::remove_dir_all(folder);
    fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    work(wanted)?;
    fs::write(done, list).map_err(|e| e.to_string())
}

fn run(command: &mut Command) -> Result<(), String> {
    let shown = format!("{command:?}");
    let output = command.stdin(Stdio::null()).output().map_err(|e| format!("{shown}: {e}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    if output.status.success() { Ok(()) } else { Err(format!("{shown}: {last}")) }
}

impl Client {
    /// What it writes, given `input`; none if it fails.
    fn try_run(&self, arguments: &[&str], input: &[u8]) -> Option<Vec<u8>> {
        let mut command = Command::new(&self.program);
        command.arg(&self.script).args(arguments).env("PYTHONDONTWRITEBYTECODE", "1").stdin(Stdio::piped());
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it is installed");
        let mut stdin = child.stdin.take().expect("it is piped");
        let input = input.to_vec();
        let writer = std::thread::spawn(move || stdin.write_all(&input));
        let output = child.wait_with_output().expect("it was started");
        // One that fails may be gone before it has all.
        _ = writer.join();
        output.status.success().then_some(output.stdout)
    }

    fn run(&self, arguments: &[&str], input: &[u8]) -> Vec<u8> {
        self.try_run(arguments, input).unwrap_or_else(|| panic!("{} {arguments:?} failed", self.name))
    }

    fn decode(&self, form: &str, bytes: &[u8]) -> Value {
        serde_json::from_slice(&self.run(&["decode", form], bytes)).unwrap()
    }

    fn encode(&self, form: &str, message: &Value) -> Vec<u8> {
        self.run(&["encode", form], message.to_string().as_bytes())
    }

    fn read(&self, redis: &Redis, stream: &str, form: &str, count: usize) -> Vec<Value> {
        let out = self.run(&["read", &redis.url(), stream, form, &count.to_string()], &[]);
        String::from_utf8(out).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn records() -> Vec<Record> {
    let record = |id, channel, value, is_active| Record { id, channel: ChannelId(channel), value, is_active };
    vec![
        record(7, -2, 0.5, true),
        record(0, 0, -1.5, false),
        record(u32::MAX, 127, f32::MIN_POSITIVE, true),
        record(1 << 31, -128, f32::MAX, false),
        record(258, 1, 0.1, true),
    ]
}

fn record_json(record: &Record) -> Value {
    json!({"id": record.id, "channel": record.channel.0, "value": f64::from(record.value), "active": record.is_active})
}

/// A frame of the columns that CoreC sends, and of one more; stored in all forms that there are.
fn frame(count: u32, tick: u64, sequence: u64) -> Frame {
    let column = |name: &str, size: u16| FrameColumn {
        name: name.into(),
        size,
        bytes: (0..u64::from(count) * u64::from(size))
            .map(|i| (i * i / 7).wrapping_add(tick) as u8)
            .collect(),
    };
    let ids: Vec<u8> = (0..u64::from(count)).flat_map(|i| (i + i / 100).to_le_bytes()).collect();
    let values: Vec<u8> =
        (0..count).flat_map(|i| if i % 3 == 0 { [0; 4] } else { (i as f32).to_le_bytes() }).collect();
    let of = |name: &str, size: u16, bytes: Vec<u8>| FrameColumn { name: name.into(), size, bytes };
    let same = of("same", 2, vec![7; 2 * count as usize]);
    let columns = vec![of("StableId", 8, ids), of("value", 4, values), column("año", 3), same];
    let (instance, kind) = ("corec/1 ¿?".into(), "cell".into());
    Frame { instance, kind, first_block: 3, blocks: 2, epoch: u32::MAX, tick, sequence, count, columns }
}

/// As the clients show it; a number of 64 bits as text or not.
fn frame_json(frame: &Frame) -> Value {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let columns: Vec<Value> = frame
        .columns
        .iter()
        .map(|column| json!({"name": column.name, "size": column.size, "hex": hex(&column.bytes)}))
        .collect();
    json!({
        "instance": frame.instance, "kind": frame.kind, "first_block": frame.first_block, "blocks": frame.blocks,
        "epoch": frame.epoch, "count": frame.count, "tick": frame.tick.to_string(),
        "sequence": frame.sequence.to_string(), "columns": columns,
    })
}

fn with_text(mut frame: Value) -> Value {
    for key in ["tick", "sequence"] {
        frame[key] = frame[key].as_str().map_or_else(|| frame[key].to_string(), str::to_string).into();
    }
    frame
}

#[test]
fn records_are_the_same_to_all() {
    let Some(clients) = clients() else { return };
    for client in clients {
        // A start of the program each: the others go through the server.
        for record in &records()[..2] {
            let (bytes, shown) = (record.encode(), record_json(record));
            assert_eq!(client.encode("record", &shown), bytes, "{}: {record:?}", client.name);
            assert_eq!(client.decode("record", &bytes), shown, "{}: {record:?}", client.name);
        }
        assert!(client.try_run(&["decode", "record"], b"12345678901").is_none(), "{}: 11 bytes", client.name);
    }
}

#[test]
fn frames_are_the_same_to_all() {
    let Some(clients) = clients() else { return };
    for client in clients {
        for frame in [frame(0, u64::MAX, 1 << 63), frame(70_000, 1, 2)] {
            let (name, count) = (client.name, frame.count);
            let shown = frame_json(&frame);
            assert!(with_text(client.decode("frame", &frame.encode())) == shown, "{name}: {count} entities");
            let written = client.encode("frame", &shown);
            assert!(Frame::decode(&written).as_ref() == Ok(&frame), "{name}: {count} entities");
        }
    }
}

#[test]
fn a_damaged_frame_is_refused_by_all() {
    let Some(clients) = clients() else { return };
    let whole = frame(20, 5, 1).encode();
    for client in clients {
        for at in [4, whole.len() / 2, whole.len() - 1] {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            assert!(client.try_run(&["decode", "frame"], &bytes).is_none(), "{}: byte {at}", client.name);
        }
        assert!(client.try_run(&["decode", "frame"], &whole[..40]).is_none(), "{}: cut", client.name);
    }
}

#[test]
fn all_forms_go_through_a_server_both_ways() {
    let Some(clients) = clients() else { return };
    let Some(redis) = Redis::start(Options::default()) else { return };
    let mut ledger = redis.ledger();
    let (records, frames) = (records(), [frame(3, 5, 0), frame(500, 6, 1)]);
    ledger.add_all("in", records.iter().map(Record::encode));
    ledger.add_all("bloque_data_stream", frames.iter().map(Frame::encode));
    let alert = block("alert");
    let id = "corec1/5b0f7c1e9a4d4f0b8c2e6d1a3f5b7c9e/0.1200.9223372036854775808";
    let at: String = ledger.ask(&["XADD", "alertas", "*", "data", alert.trim(), "id", id]);
    for client in clients {
        let read = client.read(&redis, "in", "record", records.len());
        assert_eq!(
            read.iter().map(|e| e["message"]["id"].clone()).collect::<Vec<_>>(),
            [7, 0, u32::MAX, 1 << 31, 258]
        );
        let read = client.read(&redis, "bloque_data_stream", "frame", 2);
        let shown: Vec<Value> =
            read.into_iter().map(|mut entry| with_text(entry["message"].take())).collect();
        assert!(shown == frames.each_ref().map(frame_json), "{}", client.name);
        let read = client.read(&redis, "alertas", "json", 1);
        let alert: Value = serde_json::from_str(&alert).unwrap();
        assert_eq!(read, [json!({"at": at, "id": id, "message": alert})], "{}", client.name);

        let sends = |stream: &str, form: &str, messages: &[Value]| {
            let lines: String = messages.iter().map(|message| format!("{message}\n")).collect();
            client.run(&["send", &redis.url(), stream, form], lines.as_bytes());
            redis.ledger().entries(stream).into_iter().map(|entry| entry.data).collect::<Vec<_>>()
        };
        let stream = |form: &str| format!("{}-{form}", client.name);
        let sent = sends(&stream("record"), "record", &records.iter().map(record_json).collect::<Vec<_>>());
        assert!(sent == records.iter().map(|r| r.encode().to_vec()).collect::<Vec<_>>(), "{}", client.name);
        let sent = sends(&stream("frame"), "frame", &frames.each_ref().map(frame_json));
        assert!(sent.iter().map(|data| Frame::decode(data).unwrap()).eq(frames.clone()), "{}", client.name);
        let objects = ["question", "answer", "row"].map(|name| serde_json::from_str(&block(name)).unwrap());
        let sent = sends(&stream("json"), "json", &objects);
        let back: Vec<Value> = sent.iter().map(|data| serde_json::from_slice(data).unwrap()).collect();
        assert_eq!(back, objects, "{}", client.name);
    }
}

/// A block of docs/wire-format.md, by the word after its language.
fn block(name: &str) -> String {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/wire-format.md");
    let text = fs::read_to_string(document).unwrap();
    let after = text.split_once(&format!("```text {name}\n")).unwrap_or_else(|| panic!("no block {name}")).1;
    after.split_once("```").unwrap().0.to_string()
}

/// The bytes of a block: each line has them in hex, then two spaces and what they are.
fn bytes_of(name: &str) -> Vec<u8> {
    let block = block(name);
    let hex = block.lines().flat_map(|line| line.split("  ").next().unwrap().split(' '));
    hex.map(|byte| u8::from_str_radix(byte, 16).unwrap_or_else(|e| panic!("{name}: '{byte}': {e}"))).collect()
}

#[test]
fn the_documents_bytes_are_those_that_are_read_and_written() {
    let record = records()[0];
    assert_eq!(bytes_of("record"), record.encode());
    let column = |name: &str, size: u16, bytes: Vec<u8>| FrameColumn { name: name.into(), size, bytes };
    let ids = [6, 7, 8, 9].map(u64::to_le_bytes).concat();
    let values = [0.5, 0.0, -1.0, 0.0].map(f32::to_le_bytes).concat();
    let frame = Frame {
        instance: "corec1".into(),
        kind: "cell".into(),
        first_block: 3,
        blocks: 2,
        epoch: 0,
        tick: 5,
        sequence: 1,
        count: 4,
        columns: vec![column("StableId", 8, ids), column("value", 4, values)],
    };
    assert_eq!(Frame::decode(&bytes_of("frame")), Ok(frame.clone()));
    assert_eq!(bytes_of("frame"), frame.encode());
    let alert = block("alert");
    let read: corec_core::alert::Alert = serde_json::from_str(&alert).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), alert.trim());
    let repairs = corec_run::tail::Decoded::of(Some(block("repairs").trim().as_bytes())).to_string();
    assert_eq!(repairs, "repairs: corec1, tick 1200, 3 entities: swarm/7 3 (faults)");
    assert!(
        block("acl").contains(&CORE_C_RULES.split_whitespace().collect::<Vec<_>>().join(" ")),
        "the rules differ"
    );
}
