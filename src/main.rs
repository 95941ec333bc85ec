//! The command line: one file a subcommand in `cli`, no logic.
#![forbid(unsafe_code)]
// Both end the process when what they write to is gone.
#![deny(clippy::print_stderr, clippy::print_stdout)]

mod cli;

use std::process::ExitCode;
use std::time::Instant;

#[expect(clippy::disallowed_methods, reason = "start-up is timed from here")]
fn main() -> ExitCode {
    cli::main(Instant::now())
}
