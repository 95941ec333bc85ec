//! Faults of a Redis server that keeps its data: killed, stopped, full.

use crate::process::{now, sleep_ms};
use crate::round::Round;
use crate::verdict::Verdict;

/// Kills it, and starts it again after a while.
pub fn kill(round: &mut Round) -> Verdict {
    for _ in 0..round.times() {
        round.pass("wait_ms", 0..=300);
        round.kill_server();
        let longest = if round.is_few { 1200 } else { 3000 };
        round.pass("away_ms", 0..=longest);
        round.redis.restart();
        round.recover(now())?;
    }
    Ok(())
}

/// Stops it with SIGSTOP.
pub fn stop(round: &mut Round) -> Verdict {
    // Beyond ten seconds the run gives its connections up.
    let seconds: &[u64] = if round.is_few { &[1, 2] } else { &[1, 2, 5, 10, 12] };
    let seconds = round.draws.pick("seconds", seconds);
    round.redis.stop_signal();
    sleep_ms(1000 * seconds);
    round.redis.continue_signal();
    round.recover(now())
}

/// Gives it no more memory than it uses, and takes the limit away again.
pub fn full(round: &mut Round) -> Verdict {
    for _ in 0..round.times() {
        let spare = round.draws.pick("spare_bytes", &[0u64, 20_000, 200_000]);
        let info = round.redis.cli(&["INFO", "memory"]);
        let used = info.lines().find_map(|line| line.trim_end().strip_prefix("used_memory:")?.parse().ok());
        let limit = used.unwrap_or(1u64) + spare;
        round.redis.cli(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
        round.redis.cli(&["CONFIG", "SET", "maxmemory", &limit.to_string()]);
        round.pass("full_ms", 300..=2500);
        round.redis.cli(&["CONFIG", "SET", "maxmemory", "0"]);
        round.recover(now())?;
    }
    Ok(())
}
