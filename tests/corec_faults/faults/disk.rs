//! A disk without room for the run's folder.
//!
//! The round is played in a namespace of its own, where the run's folder is on a small file system ([`crate::inner`]). A run that can't write
//! its journal ends, and says why; it is started again, as a supervisor does.

use std::fs;
use std::time::Duration;

use crate::process::{now, sleep_ms};
use crate::round::Round;
use crate::verdict::Verdict;

/// Fills it, lets some time pass, and frees it; in some rounds the server is away meanwhile, so that what is sent has to wait somewhere.
pub fn fill(round: &mut Round) -> Verdict {
    round.ends = Some(0);
    for _ in 0..round.times() {
        let is_away = round.draws.once_in("server_away", 2);
        let ballast = round.engine.run().with_file_name("ballast");
        let spare = round.draws.pick("spare_bytes", &[0u64, 3_000, 50_000]);
        if is_away {
            round.kill_server();
        }
        fill_to(&ballast, spare);
        let full_ms = round.draws.number("full_ms", 200..=2500);
        let begin = now();
        while begin.elapsed() < Duration::from_millis(full_ms) {
            round.supervise()?;
            sleep_ms(50);
        }
        _ = fs::remove_file(&ballast);
        if is_away {
            round.redis.restart();
        }
        round.recover(now())?;
    }
    round.notes += &format!(" ends={}", round.ends.unwrap_or(0));
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
