//! Faults of the run itself: killed and restored, and stopped for a while.

use crate::process::{now, sleep_ms};
use crate::round::Round;
use crate::verdict::Verdict;

/// Kills it; the server is there when it goes on, has been killed and restarted meanwhile, or comes later than the run.
pub fn kill(round: &mut Round) -> Verdict {
    for _ in 0..round.times() {
        let server = round.draws.pick("server", &["there", "restarted", "late"]);
        round.pass("wait_ms", 0..=300);
        round.engine.kill()?;
        if server != "there" {
            round.kill_server();
        }
        round.pass("down_ms", 0..=400);
        if server == "restarted" {
            round.redis.restart();
        }
        round.engine.start();
        if server == "late" {
            round.pass("late_ms", 0..=900);
            round.redis.restart();
        }
        round.recover(now())?;
    }
    Ok(())
}

/// Stops it with SIGSTOP.
pub fn stop(round: &mut Round) -> Verdict {
    let seconds: &[u64] = if round.is_few { &[1, 2] } else { &[1, 2, 5, 10] };
    let seconds = round.draws.pick("seconds", seconds);
    round.engine.signal("STOP");
    sleep_ms(1000 * seconds);
    round.engine.signal("CONT");
    round.recover(now())
}

/// Kills the run and the server by turns: twenty times each, but in the short mix.
pub fn kills(round: &mut Round) -> Verdict {
    let times = if round.is_few { 3 } else { 20 };
    for _ in 0..times {
        sleep_ms(round.draws.below(250));
        round.engine.kill()?;
        round.engine.start();
        sleep_ms(round.draws.below(250));
        round.kill_server();
        sleep_ms(round.draws.below(100));
        round.redis.restart();
        round.recover(now())?;
    }
    Ok(())
}
