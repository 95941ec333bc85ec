//! CoreC beside bevy_ecs, hecs, flecs_ecs and a raw `Vec`: the same work for all, in one run.
//!
//! `rounds` interleaves and judges, `cases` says what is done, `report` writes it down.
#![allow(clippy::disallowed_methods, reason = "takes times, and runs Bevy on Bevy's own threads")]

mod cases;
mod report;
mod rounds;

use std::path::PathBuf;

use bevy_tasks::{ComputeTaskPool, TaskPoolBuilder};
use clap::Parser;

use cases::memory::Of;
use cases::moves::Order;
use cases::{executors, memory, moves, scan, spawn};
use rounds::{Case, Outcome};

/// Compares CoreC with bevy_ecs, hecs, flecs_ecs and a raw Vec, and writes a table.
#[derive(Parser)]
struct Arguments {
    /// Rounds of each case; every contestant runs once a round.
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Entities of each population, 1000 to 10 million.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1000..=10_000_000))]
    entities: u32,
    /// The Markdown file to write [default: docs/benchmarks.md of the project].
    #[arg(long)]
    out: Option<PathBuf>,
    /// Prints the results as JSON, too.
    #[arg(long)]
    json: bool,
    /// What a child process does: spawns the population of one contestant and prints what it took.
    #[arg(long, hide = true)]
    memory_of: Option<String>,
}

fn main() -> std::io::Result<()> {
    let Arguments { rounds, entities, out, json, memory_of } = Arguments::parse();
    let (n, rounds) = (entities as usize, usize::from(rounds));
    if let Some(name) = memory_of {
        memory::report(&name, n);
        return Ok(());
    }
    // Bevy's threads: as many as CoreC has where it has two.
    ComputeTaskPool::get_or_init(|| TaskPoolBuilder::new().num_threads(2).build());
    // Each is built when it runs, so that only one case's populations are in memory.
    let cases: [Box<dyn Fn() -> Case>; 11] = [
        Box::new(|| scan::two(n)),
        Box::new(|| scan::five(n)),
        Box::new(|| moves::moves(n, Order::Rows)),
        Box::new(|| moves::moves(n, Order::Random)),
        Box::new(|| spawn::batch(n)),
        Box::new(|| spawn::one_by_one(n)),
        Box::new(|| memory::memory(n, Of::Live)),
        Box::new(|| memory::memory(n, Of::Peak)),
        Box::new(|| executors::tiny(false)),
        Box::new(|| executors::tiny(true)),
        Box::new(|| executors::heavy(n)),
    ];
    let outcomes: Vec<Outcome> = cases.iter().map(|case| case().run(rounds)).collect();
    let out = out.unwrap_or_else(|| report::project().join("docs/benchmarks.md"));
    if let Some(folder) = out.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(&out, report::markdown(&outcomes, n, rounds))?;
    if json {
        println!("{:#}", report::json(&outcomes, n, rounds));
    }
    let missed = outcomes.iter().flat_map(|o| &o.verdicts).filter(|verdict| !verdict.holds);
    missed.for_each(|verdict| eprintln!("{}", verdict.text));
    Ok(())
}
