//! A disk without room for the run's folder.
//!
//! The round is played in a namespace of its own, where the run's folder is on a small file system ([`crate::inner`]). A run that can't write
//! its journal ends, and says why; it is started again, as a supervisor does.

use std::fs;

use crate::process::{now, sleep_ms};
use crate::round::Round;
use crate::verdict::Verdict;

/// Fills it, lets some time pass, and frees it; in some rounds the server is away meanwhile, so that what is sent has to wait somewhere.
pub fn fill(round: &mut Round) -> Verdict {
    for _ in 0..round.times() {
        let is_away = round.draws.once_in("server_away", 2);
        let ballast = round.engine.run().with_file_name("ballast");
        let spare = round.draws.pick("spare_bytes", &[0u64, 3_000, 50_000]);
        if is_away {
            round.redis.kill();
        }
        fill_to(&ballast, spare);
        let full_ms = round.draws.number("full_ms", 200..=2500);
        let until = now() + std::time::Duration::from_millis(full_ms);
        let mut ends = 0;
        while now() < until {
            if !round.engine.is_running() {
                ends += u64::from(round.engine.take_ended()?.is_some());
                round.engine.start();
                sleep_ms(100);
            }
            sleep_ms(20);
        }
        _ = fs::remove_file(&ballast);
        if is_away {
            round.redis.restart();
        }
        let since = now();
        // It may be about to end of what it found before.
        sleep_ms(300);
        if let Some(said) = round.engine.take_ended()? {
            ends += 1;
            round.notes += &format!(" [{said}]");
        }
        if !round.engine.is_running() {
            round.engine.start();
        }
        round.notes += &format!(" ends={ends}");
        round.recover(since)?;
    }
    Ok(())
}

/// Fills the file system, but for so many bytes.
fn fill_to(ballast: &std::path::Path, spare: u64) {
    use std::io::Write;
    let mut file = fs::File::create(ballast).unwrap();
    let block = vec![1; 4096];
    let mut length = 0;
    while file.write_all(&block).is_ok() {
        length += 4096u64;
    }
    file.set_len(length.saturating_sub(spare)).unwrap();
}
