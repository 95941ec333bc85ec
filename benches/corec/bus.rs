//! Entries out to a Redis server and in from it, beside the same bytes by the client library alone, many commands in one request.

use std::time::Duration;

use corec_bridges::bus::{BusOptions, open, parse};
use corec_core::bus::{Bus, Cursor, OutputId};
use corec_core::units::RunId;
use criterion::{Criterion, Throughput};

use crate::support::redis::{Appendonly, Options, Redis};
use crate::time;

/// Entries in a round, and in one request of the client's.
const ENTRIES: u64 = 100_000;
const REQUEST: u64 = 1000;
/// What an entry of ours has beside its data: the field `id`.
const ID: &str = "corec1/00000000000000000000000000000001/0.1000000.100000";

fn server() -> Redis {
    let options = Options { appendonly: Appendonly::No, ..Options::default() };
    Redis::start(options).expect("it is installed")
}

fn bus(server: &Redis, run: u128) -> Box<dyn Bus> {
    let connect_timeout = Duration::from_secs(10);
    let (instance, run, read, written) = ("corec1".into(), RunId(run), None, Vec::new());
    let options = BusOptions { instance, run, read, written, connect_timeout, spool: None };
    open(&parse(&format!("{}?keep=1GiB", server.url())).expect("a URL"), &options).expect("it is there")
}

fn add_all(server: &Redis, data: &[u8], has_id: bool) -> Duration {
    let client = redis::Client::open(server.url()).expect("a URL");
    let mut connection = client.get_connection().expect("it is there");
    time(|| {
        for _ in 0..ENTRIES / REQUEST {
            let mut pipe = redis::pipe();
            for _ in 0..REQUEST {
                let add = pipe.cmd("XADD").arg("s").arg("*").arg("data").arg(data);
                if has_id {
                    add.arg("id").arg(ID);
                }
                add.ignore();
            }
            pipe.exec(&mut connection).expect("it takes them");
        }
    })
}

/// CPU seconds of this process and of the server so far.
fn cpu(server: &Redis) -> [f64; 2] {
    let of = |id: &str| {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        let after = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        after.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
    };
    let info = server.cli(&["INFO", "server"]);
    let id = info.lines().find_map(|line| line.strip_prefix("process_id:")).unwrap_or_default();
    [of("self"), of(id.trim())]
}

fn tell(what: &str, before: [f64; 2], after: [f64; 2]) {
    let [own, server] = [0, 1].map(|i| after[i] - before[i]);
    eprintln!("{what}: {ENTRIES} entries, CPU {own:.2} s here, {server:.2} s of the server");
}

pub fn out(c: &mut Criterion) {
    if !Redis::is_here() {
        return;
    }
    for bytes in [10, 1000] {
        let mut group = c.benchmark_group(format!("bus/out/entries={ENTRIES}/bytes={bytes}"));
        group.throughput(Throughput::Elements(ENTRIES)).sample_size(10);
        let server = server();
        let data = vec![7; bytes];
        let mut run = 0;
        group.bench_function("redis", |b| {
            b.iter_custom(|times| {
                let mut sum = Duration::ZERO;
                for _ in 0..times {
                    run += 1;
                    let mut bus = bus(&server, run);
                    let before = cpu(&server);
                    sum += time(|| {
                        for n in 0..ENTRIES {
                            let id = OutputId { epoch: 0, tick: n / 1000, sequence: n % 1000 };
                            bus.publish("s", id, &data).expect("it takes it");
                        }
                        bus.keep()().expect("it has them");
                    });
                    tell("bus out", before, cpu(&server));
                    assert_eq!(server.cli(&["XLEN", "s"]).trim(), ENTRIES.to_string());
                    server.cli(&["DEL", "s"]);
                }
                sum
            });
        });
        for (name, has_id) in [("client/with_id", true), ("client", false)] {
            group.bench_function(name, |b| {
                b.iter_custom(|times| {
                    let mut sum = Duration::ZERO;
                    for _ in 0..times {
                        sum += add_all(&server, &data, has_id);
                        server.cli(&["DEL", "s"]);
                    }
                    sum
                });
            });
        }
        group.finish();
    }
}

pub fn read(c: &mut Criterion) {
    if !Redis::is_here() {
        return;
    }
    let mut group = c.benchmark_group(format!("bus/in/entries={ENTRIES}/bytes=10"));
    group.throughput(Throughput::Elements(ENTRIES)).sample_size(10);
    let server = server();
    add_all(&server, &[7; 10], false);
    let mut run = 0;
    group.bench_function("redis", |b| {
        b.iter_custom(|times| {
            let mut sum = Duration::ZERO;
            for _ in 0..times {
                run += 1;
                let mut bus = bus(&server, run);
                let before = cpu(&server);
                sum += time(|| {
                    bus.subscribe("s", Cursor::START).expect("it can be read");
                    let mut read = 0;
                    while read < ENTRIES {
                        let polled = bus.poll("s", 100_000).expect("it can be read");
                        read += polled.entries.len() as u64;
                        std::thread::yield_now();
                    }
                });
                tell("bus in", before, cpu(&server));
            }
            sum
        });
    });
    group.bench_function("client", |b| {
        let client = redis::Client::open(server.url()).expect("a URL");
        let mut connection = client.get_connection().expect("it is there");
        b.iter(|| {
            let (mut read, mut from) = (0, "0-0".to_string());
            while read < ENTRIES {
                let answer: redis::Value = redis::cmd("XREAD")
                    .arg(&["COUNT", "8192", "STREAMS", "s", &from])
                    .query(&mut connection)
                    .expect("it answers");
                let mut streams = corec_bridges::bus::redis::entries(answer).expect("entries");
                let entries = streams.pop().expect("a stream").1;
                read += entries.len() as u64;
                from = entries.last().expect("an entry").cursor.to_string();
            }
        });
    });
    group.finish();
}
