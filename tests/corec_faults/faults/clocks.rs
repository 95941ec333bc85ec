//! Clocks that jump: the run's, the server's, or the writer's, by whose ids the entries are.

use crate::process::now;
use crate::round::Round;
use crate::verdict::Verdict;

const DAYS: i64 = 86_400;

/// A few jumps of one of the clocks, or of all.
pub fn hurt(round: &mut Round) -> Verdict {
    for _ in 0..round.times() {
        let whose = round.draws.pick("whose", &["run", "server", "both", "restarted_server", "ids"]);
        let days = round.draws.pick("days", &[-2i64, 0, 2]);
        let [run, server] = round.clocks.as_ref().expect("the fault needs them");
        if matches!(whose, "run" | "both") {
            run.set(days * DAYS);
        }
        if matches!(whose, "server" | "both" | "restarted_server") {
            server.set(days * DAYS);
        }
        if whose == "restarted_server" {
            round.kill_server();
            round.redis.restart();
        }
        if whose == "ids" {
            // Ids of a writer that is two days ahead; those that come after must be above them.
            round.writer.set_first_id(far_ahead(round));
        }
        round.pass("later_ms", 50..=600);
        round.recover(now())?;
    }
    Ok(())
}

/// Two days beyond the last id.
fn far_ahead(round: &Round) -> u64 {
    let entries: Vec<String> =
        round.redis.cli(&["XREVRANGE", "in", "+", "-", "COUNT", "1"]).lines().map(String::from).collect();
    let last = entries.first().and_then(|id| id.split('-').next()?.parse::<u64>().ok()).unwrap_or(0);
    last + (2 * DAYS * 1000).unsigned_abs()
}
