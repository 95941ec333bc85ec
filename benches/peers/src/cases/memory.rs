//! Bytes an entity: resident memory, in a process of its own for each contestant and round.
//!
//! What the kernel says of a process counts Rust's and C's allocations alike, and what an allocator keeps.

use std::process::Command;

use super::{Population, spawn};
use crate::rounds::{Case, Contestant, Sample, Target};

/// The row is the same as in "Spawn a population".
const NAMES: [(&str, &str); 5] = [
    ("Vec", "rows of 24 B"),
    ("hecs", "`spawn_batch`"),
    ("bevy_ecs", "`spawn_batch`"),
    ("flecs_ecs", "`entity_bulk`; its peak has the two `Vec`s it is given"),
    ("CoreC", "`Simulation::new`, threads and schedules included"),
];

/// Which of the kernel's two figures.
#[derive(Clone, Copy)]
pub enum Of {
    Live,
    Peak,
}

pub fn memory(entities: usize, of: Of) -> Case {
    let (title, about) = match of {
        Of::Live => ("Memory of a population", "Resident memory after spawning less that before"),
        Of::Peak => {
            ("Memory while spawning", "Most resident memory at any time (`VmHWM`) less that before spawning")
        }
    };
    let contestant = |(name, runs)| {
        Contestant::new(name, runs, move || {
            let (live, peak, check) = of_child(name, entities);
            let bytes = match of {
                Of::Live => live,
                Of::Peak => peak,
            };
            Sample { value: bytes / entities as f64, check }
        })
    };
    Case {
        title: title.into(),
        about: format!(
            "{about}, of a new process each time. For what CoreC takes more than hecs it gives stable ids and the \
             directory that finds them, entity handles and change ticks that Bevy's systems work with, health that \
             repair reads, and blocks, which digests and births and deaths stand on."
        ),
        unit: "bytes per entity",
        contestants: NAMES.map(contestant).into(),
        targets: vec![Target { contestant: "CoreC", best_of: vec![], at_most: 130.0 }],
    }
}

/// Spawns a population and prints what it took: what a child process does.
///
/// # Panics
/// If there is no contestant of that name.
pub fn report(name: &str, entities: usize) {
    let before = resident("VmRSS:");
    let mut population: Box<dyn Population> = match name {
        "Vec" => Box::new(spawn::vec(entities)),
        "hecs" => Box::new(spawn::hecs_batch(entities)),
        "bevy_ecs" => Box::new(spawn::bevy_batch(entities)),
        "flecs_ecs" => Box::new(spawn::flecs_bulk(entities)),
        "CoreC" => Box::new(spawn::corec(entities)),
        _ => panic!("--memory-of: found '{name}', must be a name of the table"),
    };
    let (live, peak) = (resident("VmRSS:") - before, resident("VmHWM:") - before);
    println!("{live} {peak} {}", population.checksum());
}

fn of_child(name: &str, entities: usize) -> (f64, f64, u64) {
    let program = std::env::current_exe().expect("Linux names a process' program");
    let arguments = ["--memory-of", name, "--entities", &entities.to_string()];
    let output = Command::new(program).args(arguments).output().expect("it runs already");
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    let mut numbers = text.split_whitespace();
    let mut next = || numbers.next().expect("a child prints three numbers");
    let bytes = |text: &str| text.parse().expect("a number of bytes");
    (bytes(next()), bytes(next()), next().parse().expect("a checksum"))
}

/// A figure of this process, in bytes.
fn resident(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux has it");
    let line = status.lines().find(|line| line.starts_with(field)).expect("every process has it");
    line.split_whitespace().nth(1).and_then(|kb| kb.parse::<u64>().ok()).expect("kilobytes") * 1024
}
