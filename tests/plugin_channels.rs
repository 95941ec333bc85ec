//! What plugins say to each other and to the outside: in order, once, the same after a restore; and what they keep.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use corec::prelude::*;
use corec::testing::{TestApp, TestRun};

/// A number on its way.
#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Count {
    from: String,
    value: u64,
}

impl Channel for Count {
    const NAME: &'static str = "counts";
}

/// A question from outside.
#[derive(Serialize, Deserialize)]
struct Question {
    texto: String,
}

impl Channel for Question {
    const NAME: &'static str = "questions";
}

#[derive(Resource, Default, Serialize, Deserialize)]
struct Heard(Vec<String>);

impl Saved for Heard {
    const NAME: &'static str = "heard";
}

macro_rules! sender {
    ($type:ident, $name:literal) => {
        #[derive(Deserialize, JsonSchema)]
        struct $type {}

        impl Plugin for $type {
            fn build(&self, app: &mut App) {
                fn send(tick: Res<Tick>, mut out: Outbox<$type>) -> Result {
                    out.metric("sent", tick.0 as f64);
                    out.keep("last", &tick.0)?;
                    out.send(&Count { from: $name.into(), value: tick.0 })
                }
                app.add_systems(Update, send.in_set(Phase::Process));
            }
        }

        corec::plugin!($type, name = $name);
    };
}
sender!(Alpha, "alpha");
sender!(Zeta, "zeta");

#[derive(Deserialize, JsonSchema)]
struct Listener {}

impl Plugin for Listener {
    fn build(&self, app: &mut App) {
        fn hear(
            tick: Res<Tick>,
            mut counts: Inbox<Listener, Count>,
            mut questions: Inbox<Listener, Question>,
            mut heard: ResMut<Heard>,
        ) {
            for count in counts.read() {
                let Count { from, value } = count.unwrap();
                heard.0.push(format!("{}: {from} {value}", tick.0));
            }
            for question in questions.read() {
                heard.0.push(match question {
                    Ok(Question { texto }) => format!("{}: {texto}", tick.0),
                    Err(error) => error.to_string().split(": ").take(2).collect::<Vec<_>>().join(": "),
                });
            }
        }
        app.init_resource::<Heard>().save_resource::<Heard>();
        app.listen::<Question>("user_input_stream").add_systems(Update, hear.in_set(Phase::Process));
    }
}

corec::plugin!(Listener, name = "listener");

fn start(interval: &str) -> TestRun {
    let app = TestApp::default().plugin::<Zeta>(r#"{"name": "zeta"}"#).unwrap();
    let app = app.plugin::<Alpha>(r#"{"name": "alpha"}"#).unwrap();
    let config = format!(r#"{{"name": "listener"{interval}}}"#);
    app.plugin::<Listener>(&config).unwrap().start().unwrap()
}

fn heard(run: &mut TestRun) -> Vec<String> {
    run.world().resource::<Heard>().0.clone()
}

#[test]
fn what_is_sent_in_a_tick_is_read_in_the_next_by_the_senders_names() {
    let mut run = start("");
    run.tick(3).unwrap();
    assert_eq!(heard(&mut run), ["1: alpha 0", "1: zeta 0", "2: alpha 1", "2: zeta 1"]);
    let on_the_bus = run.bus.published("counts");
    assert_eq!(on_the_bus.len(), 6);
    assert_eq!(on_the_bus[5], br#"{"from":"zeta","value":2}"#);
}

#[test]
fn a_reader_with_an_interval_misses_nothing() {
    let mut run = start(r#", "interval": 3"#);
    run.tick(7).unwrap();
    let from_alpha: Vec<String> = heard(&mut run).into_iter().filter(|line| line.contains("alpha")).collect();
    let expected = ["3: alpha 0", "3: alpha 1", "3: alpha 2", "6: alpha 3", "6: alpha 4", "6: alpha 5"];
    assert_eq!(from_alpha, expected);
}

#[test]
fn what_comes_from_outside_survives_a_cut_and_damage_is_told() {
    let mut run = start("");
    let hears = |run: &mut TestRun| {
        heard(run)
            .into_iter()
            .filter(|line| !line.contains("alpha ") && !line.contains("zeta "))
            .collect::<Vec<_>>()
    };
    run.bus.send("user_input_stream", br#"{"texto": "hola"}"#);
    run.tick(1).unwrap();
    run.bus.cut();
    run.bus.send("user_input_stream", br#"{"texto": "sigues?"}"#);
    run.tick(3).unwrap();
    assert_eq!(run.bus.published("counts").len(), 2, "what was said waits");
    run.bus.mend();
    run.tick(1).unwrap();
    run.bus.damage("user_input_stream", |data| data.truncate(5));
    run.bus.send("user_input_stream", br#"{"texto": "roto"}"#);
    run.tick(1).unwrap();
    let damaged = "channel 'questions': found a message that can't be read";
    assert_eq!(hears(&mut run), ["0: hola", "4: sigues?", damaged]);
    assert_eq!(run.bus.published("counts").len(), 12);
}

#[test]
fn a_flood_is_read_in_order_and_what_is_too_large_is_left_out() {
    let mut run = start("");
    let text = |n: usize, bytes: usize| format!(r#"{{"texto": "{n}{}"}}"#, " ".repeat(bytes));
    run.bus.send("user_input_stream", text(0, 2 << 20).as_bytes());
    for n in 1..=30 {
        run.bus.send("user_input_stream", text(n, 900_000).as_bytes());
    }
    run.tick(1).unwrap();
    let numbers: Vec<u32> = heard(&mut run)
        .iter()
        .filter_map(|line| line.strip_prefix("0: ")?.split_whitespace().next()?.parse().ok())
        .collect();
    // Sixteen MB are kept for a reader, the newest.
    assert_eq!(numbers, (13..=30).collect::<Vec<_>>());
}

#[test]
fn metrics_and_rows_are_in_the_store_under_the_plugins_name() {
    let mut run = start("");
    run.tick(20).unwrap();
    run.shut_down().unwrap();
    let stored = run.stored();
    let metrics: Vec<f64> =
        stored.metrics.iter().filter(|m| m.name == "alpha.sent").map(|m| m.value).collect();
    assert_eq!(metrics, (0..20).map(f64::from).collect::<Vec<_>>());
    let rows: Vec<&str> =
        stored.rows.iter().filter(|r| r.plugin == "zeta" && r.key == "last").map(|r| &r.value[..]).collect();
    assert_eq!((rows.len(), rows[19]), (20, "19"));
}
