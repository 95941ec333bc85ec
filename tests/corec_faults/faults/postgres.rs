//! Faults of the PostgreSQL server that is the run's store.
//!
//! The run has recovered when the server has a row of the tick that the run was at when the fault was over.

use corec_core::journal::extent;

use crate::process::{now, sleep_ms};
use crate::round::{Database, Round};
use crate::verdict::{Verdict, wrong};

/// Kills some of it, or has it absent for a while.
pub fn hurt(round: &mut Round) -> Verdict {
    for _ in 0..round.times() {
        let what = round.draws.pick("what", &["all", "postmaster", "backend", "absent"]);
        round.pass("wait_ms", 0..=300);
        let away_ms = round.draws.number("away_ms", 0..=if round.is_few { 800 } else { 2500 });
        let server = &mut database(round).server;
        match what {
            "all" => server.kill_all(),
            "postmaster" => server.kill_postmaster(),
            "absent" => server.stop(),
            _ => _ = server.kill_backends(),
        }
        if what != "backend" {
            sleep_ms(away_ms);
            database(round).server.restart();
        }
        recover(round)?;
    }
    Ok(())
}

fn database<'r, 'w>(round: &'r mut Round<'w>) -> &'r mut Database<'w> {
    round.database.as_mut().expect("the fault needs one")
}

fn recover(round: &mut Round) -> Verdict {
    let since = now();
    let tick = extent(&round.journal()).map_err(|e| wrong(e.to_string()))?.tick;
    round.wait("rows of new ticks", |round| {
        let Database { server, name } = database(round);
        // One that is beginning anew refuses for a moment.
        let last = server.try_sql_in(name, "SELECT coalesce(max(tick), -1) FROM metrics").unwrap_or_default();
        Ok(last.parse().is_ok_and(|last: i64| last >= tick as i64))
    })?;
    round.recoveries.push(since.elapsed().as_secs_f64());
    Ok(())
}
