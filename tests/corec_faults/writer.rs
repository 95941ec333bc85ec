//! The writer is whoever feeds the run: it adds records to the input stream and keeps a ledger of what the server has acknowledged.
//!
//! Each record carries a number of its own in its value, from 0 on. One whose answer did not come is not sent again: it may be there or not.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use corec_core::message::Record;
use corec_core::units::ChannelId;
use redis::{Client, Connection, ConnectionLike, Pipeline, Value};

use crate::draws::Draws;
use crate::process::{now, sleep_ms};

/// The stream.
pub const INPUT: &str = "in";
/// Numbers are told apart in a value within 0..1: an `f32` has so many.
const NUMBERS: f32 = (1 << 20) as f32;
/// How long the writer waits for an answer before it gives it up.
const PATIENCE: Duration = Duration::from_secs(3);

/// How it writes.
#[derive(Clone)]
pub struct Pace {
    pub port: u16,
    pub entities: u32,
    /// Records at once, at most, and the pause between two lots, milliseconds.
    pub lot: u64,
    pub pause_ms: u64,
    pub seed: u64,
}

/// What the server has said.
#[derive(Default)]
pub struct Ledger {
    /// Numbers it has acknowledged, in order, and when.
    pub acknowledged: Vec<(u64, Instant)>,
    /// Those whose answer did not come.
    pub unknown: BTreeSet<u64>,
    /// Those it refused.
    pub refused: BTreeSet<u64>,
    /// Entries that are no records, acknowledged.
    pub bad: u64,
    is_over: bool,
    is_bad: bool,
    /// Milliseconds that entries' ids are from now on; none for ids of the server's own.
    first_id: Option<u64>,
}

/// The writer's thread, until it is stopped or dropped.
pub struct Writer {
    ledger: Arc<Mutex<Ledger>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub fn start(pace: Pace) -> Self {
        let ledger = Arc::new(Mutex::new(Ledger::default()));
        let of_thread = Arc::clone(&ledger);
        let thread = Some(std::thread::spawn(move || write(&pace, &of_thread)));
        Self { ledger, thread }
    }

    pub fn ledger(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.ledger)
    }

    /// Whether every other entry is one that nobody can apply, from now on.
    pub fn set_bad(&self, is_bad: bool) {
        self.ledger().is_bad = is_bad;
    }

    /// Entries get ids from these milliseconds on.
    pub fn set_first_id(&self, milliseconds: u64) {
        self.ledger().first_id = Some(milliseconds);
    }

    /// How many are acknowledged.
    pub fn count(&self) -> usize {
        self.ledger().acknowledged.len()
    }

    /// Writes no more.
    pub fn stop(&mut self) {
        self.ledger().is_over = true;
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.stop();
    }
}

fn lock(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A record with this number. Half of the entities are switched off and on again by turns, so that alerts are raised and cleared.
fn record(number: u64, entities: u32) -> [u8; 10] {
    let id = (number % u64::from(entities)) as u32;
    let is_active = (number / u64::from(entities)).is_multiple_of(2) || id.is_multiple_of(2);
    Record { id, channel: ChannelId(1), value: number as f32 / NUMBERS, is_active }.encode()
}

/// The number in an entry, if it is a record of a run of so many entities.
pub fn number(data: &[u8], entities: u32) -> Option<u64> {
    let record = Record::decode(data).ok()?;
    let is_good = record.value.is_finite() && record.id < entities;
    is_good.then_some((record.value * NUMBERS) as u64)
}

/// An entry that nobody can apply.
fn bad(draws: &mut Draws, entities: u32) -> (&'static str, Vec<u8>) {
    let good = |id: u32, value: f32| Record { id, channel: ChannelId(0), value, is_active: true }.encode();
    match draws.below(8) {
        0 => ("data", Vec::new()),
        1 => ("data", vec![0; 11]),
        2 => ("data", vec![0xff; 1 << 20]),
        3 => {
            let mut bytes = good(0, 0.5);
            bytes[9] = 2;
            ("data", bytes.to_vec())
        }
        4 => ("data", good(0, f32::NAN).to_vec()),
        5 => ("data", good(entities, 0.5).to_vec()),
        6 => ("data", good(1, f32::NEG_INFINITY).to_vec()),
        _ => ("other", good(0, 0.5).to_vec()),
    }
}

fn write(pace: &Pace, ledger: &Mutex<Ledger>) {
    let client = Client::open(format!("redis://127.0.0.1:{}", pace.port)).unwrap();
    let (mut draws, mut next, mut lots) = (Draws::new(pace.seed), 0, 0);
    let mut connection: Option<Connection> = None;
    loop {
        let (is_bad, first_id) = {
            let ledger = lock(ledger);
            if ledger.is_over {
                return;
            }
            (ledger.is_bad, ledger.first_id)
        };
        let Some(open) = &mut connection else {
            connection = client.get_connection_with_timeout(PATIENCE).ok();
            if let Some(open) = &connection {
                _ = open.set_read_timeout(Some(PATIENCE));
                _ = open.set_write_timeout(Some(PATIENCE));
            }
            sleep_ms(5);
            continue;
        };
        let mut pipe = Pipeline::new();
        let count = 1 + draws.below(pace.lot);
        let numbers: Vec<Option<u64>> = (0..count)
            .map(|n| {
                let (field, data, number) = if is_bad && draws.below(2) == 0 {
                    let (field, data) = bad(&mut draws, pace.entities);
                    (field, data, None)
                } else {
                    next += 1;
                    ("data", record(next - 1, pace.entities).to_vec(), Some(next - 1))
                };
                let id = first_id.map_or("*".into(), |first| format!("{}-{}", first + lots, n + 1));
                pipe.cmd("XADD").arg(INPUT).arg(id).arg(field).arg(data);
                number
            })
            .collect();
        lots += 1;
        let answers = open.req_packed_commands(&pipe.get_packed_pipeline(), 0, count as usize);
        let at = now();
        let mut ledger = lock(ledger);
        match answers {
            Ok(answers) => numbers.iter().zip(answers).for_each(|pair| ledger.note(pair, at)),
            Err(_) => {
                ledger.unknown.extend(numbers.into_iter().flatten());
                connection = None;
            }
        }
        drop(ledger);
        sleep_ms(pace.pause_ms);
    }
}

impl Ledger {
    fn note(&mut self, (number, answer): (&Option<u64>, Value), at: Instant) {
        match (number, answer) {
            (Some(number), Value::ServerError(_)) => _ = self.refused.insert(*number),
            (Some(number), _) => self.acknowledged.push((*number, at)),
            (None, Value::ServerError(_)) => {}
            (None, _) => self.bad += 1,
        }
    }
}
