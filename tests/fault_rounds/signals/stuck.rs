//! A stuck process is one whose output nobody reads: only the second signal ends it.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use super::{LIMIT, SIGNALS, number};
use crate::ledger::{Ledger, manifest};
use crate::process::{OutputTarget, Process, corec, sleep_ms, wait_until};
use crate::round::{Round, Verdict, ensure, to_strings, wrong};
use crate::setup::{Feed, Setup, make_pipe};

/// One that is stuck, because nobody reads what it has to say: the second signal, more than a second later, ends it at once.
pub fn stuck_process(round: &mut Round) -> Verdict {
    let setup = Setup::draw(&mut round.draws, &[Feed::Population]).paced(&mut round.draws, &[400]);
    let signal_name = round.draws.pick("signal", &SIGNALS);
    let gap = round.draws.number("gap_ms", 1100..=1500);
    let mut ledger = Ledger::open(round, &setup);
    let full = round.path("full");
    make_pipe(&full);
    let (_reader, writer) = fill(&full);
    let mut arguments = setup.run("run");
    arguments.retain(|argument| argument != "--quiet");
    let command = corec(&round.folder(), &[arguments, to_strings(["--json"])].concat());
    let mut process = Process::start_with(
        &round.output_folder(),
        "stuck",
        command,
        [OutputTarget::Given(writer), OutputTarget::File],
    );
    wait_until(LIMIT, || round.path("run/manifest.json").exists());
    sleep_ms(50);
    process.signal(signal_name);
    sleep_ms(gap);
    if process.has_ended() {
        return Err(wrong(format!(
            "the first signal ended it though its summary was not read: {}",
            process.end()?.describe()
        )));
    }
    process.signal(signal_name);
    let finished = process.end_within(Duration::from_secs(1), "the second signal")?;
    finished.must_exit(128 + number(signal_name))?;
    ensure(!finished.err.is_empty(), || "it said nothing".into())?;
    let status = manifest(round, "run")?["status"].clone();
    ensure(status == "interrupted", || format!("its manifest says {status}"))?;
    ledger.heal(round, "run")
}

/// A pipe that takes no more: its reader, and a writer that waits.
fn fill(pipe: &Path) -> (File, File) {
    let mut both = OpenOptions::new().read(true).write(true).custom_flags(0o4000).open(pipe).unwrap();
    while both.write(&[b' '; 4096]).is_ok() {}
    // Down to the last byte.
    while both.write(b" ").is_ok() {}
    let writer = OpenOptions::new().write(true).open(pipe).unwrap();
    (both, writer)
}
