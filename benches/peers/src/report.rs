//! The report: what was measured, on what, and whether the targets hold.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use corec_core::width::Simd;
use serde_json::{Value, json};

use crate::rounds::{Outcome, Spread};

const COMMAND: &str = "cargo run --release --manifest-path benches/peers/Cargo.toml";
const PEERS: [&str; 4] = ["bevy_ecs", "hecs", "flecs_ecs", "rayon"];

/// The project's folder.
pub fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("this is benches/peers of a project")
}

/// What it ran on and with, as pairs of name and value.
fn setting(entities: usize, rounds: usize) -> Vec<(&'static str, String)> {
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).and_then(|line| line.split_once(':'));
        line.map_or("unknown".into(), |(_, value)| value.trim().to_string())
    };
    let memory = field(&meminfo, "MemTotal").split_whitespace().next().and_then(|kb| kb.parse::<f64>().ok());
    let cores = std::thread::available_parallelism().map_or("unknown".into(), |n| n.to_string());
    let versions: Vec<String> = PEERS.iter().map(|name| format!("{name} {}", version(name))).collect();
    vec![
        ("processor", field(&cpuinfo, "model name")),
        ("cores", cores),
        ("memory", memory.map_or("unknown".into(), |kb| format!("{:.1} GiB", kb / (1 << 20) as f64))),
        ("vector instructions that CoreC picks", format!("{:?}", Simd::widest())),
        ("compiler", said("rustc", &["--version"])),
        ("build", "release, one codegen unit a crate, no link-time optimisation, no target flags".into()),
        ("versions", versions.join(", ")),
        ("date", said("date", &["-u", "+%F"])),
        ("entities", entities.to_string()),
        ("rounds", rounds.to_string()),
    ]
}

/// What a program answers.
fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(project()).output();
    output.map_or("unknown".into(), |output| String::from_utf8_lossy(&output.stdout).trim().to_string())
}

/// The version that Cargo.lock has of a package.
fn version(package: &str) -> &'static str {
    let lock = include_str!("../Cargo.lock");
    let after =
        lock.split_once(&format!("name = \"{package}\"\nversion = \"")).map_or("", |(_, after)| after);
    after.split('"').next().unwrap_or("unknown")
}

/// The report as a person reads it.
pub fn markdown(outcomes: &[Outcome], entities: usize, rounds: usize) -> String {
    let mut text = format!(
        "# CoreC beside other entity component systems\n\n\
         Written by `{COMMAND}`; do not edit. Every round runs every contestant once, in an order that rotates; a ratio \
         is that of two values of one round, so what slows the machine for longer cancels out. The first line of a \
         table is its reference. Ratios are given as median (least to most); targets are judged by medians. In each \
         round all contestants of a case must come to the same bits.\n\n| | |\n|---|---|\n"
    );
    for (name, value) in setting(entities, rounds) {
        line(&mut text, format_args!("| {name} | {value} |"));
    }
    for outcome in outcomes {
        line(&mut text, format_args!("\n## {}\n\n{}\n", outcome.title, outcome.about));
        line(
            &mut text,
            format_args!("| contestant | runs | {}, median | ratio |\n|---|---|---:|---:|", outcome.unit),
        );
        for l in &outcome.lines {
            let Spread { median, min, max } = l.ratio;
            line(
                &mut text,
                format_args!(
                    "| {} | {} | {:.2} | {median:.2} ({min:.2} to {max:.2}) |",
                    l.name, l.runs, l.value.median
                ),
            );
        }
        text.push('\n');
        for verdict in &outcome.verdicts {
            line(&mut text, format_args!("- {}", verdict.text));
        }
    }
    text
}

fn line(text: &mut String, line: std::fmt::Arguments) {
    writeln!(text, "{line}").expect("a String takes all");
}

/// The report as a program reads it.
pub fn json(outcomes: &[Outcome], entities: usize, rounds: usize) -> Value {
    let spread = |s: Spread| json!({"median": s.median, "min": s.min, "max": s.max});
    let cases = outcomes.iter().map(|outcome| {
        let contestants = outcome.lines.iter().map(
            |l| json!({"name": l.name, "runs": l.runs, "value": spread(l.value), "ratio": spread(l.ratio)}),
        );
        let targets = outcome.verdicts.iter().map(|v| json!({"text": v.text, "holds": v.holds}));
        json!({
            "title": outcome.title, "unit": outcome.unit,
            "contestants": contestants.collect::<Vec<_>>(), "targets": targets.collect::<Vec<_>>(),
        })
    });
    let setting: serde_json::Map<String, Value> =
        setting(entities, rounds).into_iter().map(|(name, value)| (name.into(), value.into())).collect();
    json!({"setting": setting, "cases": cases.collect::<Vec<_>>()})
}
