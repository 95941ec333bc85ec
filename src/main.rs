//! The command line: one file a subcommand in `cli`, no logic.
#![forbid(unsafe_code)]

mod cli;

use std::process::ExitCode;
use std::time::Instant;

#[expect(clippy::disallowed_methods, reason = "start-up is timed from here")]
fn main() -> ExitCode {
    cli::main(Instant::now())
}
