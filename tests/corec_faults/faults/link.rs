//! Faults of the way between the run and its bus.

use std::time::Duration;

use crate::process::now;
use crate::round::Round;
use crate::support::proxy::Mode;
use crate::verdict::Verdict;

const MODES: [&str; 9] =
    ["5ms", "50ms", "500ms", "throttle", "half_open", "reset", "byte", "silent", "closed"];

/// A few bad spells, one after the other.
pub fn hurt(round: &mut Round) -> Verdict {
    let most = if round.is_few { 2 } else { 4 };
    for _ in 0..round.draws.number("spells", 1..=most) {
        let name = round.draws.pick("mode", &MODES);
        let mode = match name {
            "5ms" => Mode::Latency(Duration::from_millis(5)),
            "50ms" => Mode::Latency(Duration::from_millis(50)),
            "500ms" => Mode::Latency(Duration::from_millis(500)),
            "throttle" => Mode::Throttle(64 << 10),
            "half_open" => Mode::HalfOpen,
            "reset" => Mode::ResetInReply,
            "byte" => Mode::ByteAtATime,
            "silent" => Mode::Silent,
            _ => Mode::Closed,
        };
        set(round, mode);
        // Beyond ten seconds the run gives a silent connection up.
        let is_long =
            !round.is_few && matches!(name, "silent" | "half_open") && round.draws.once_in("long", 8);
        round.pass("spell_ms", if is_long { 12_000..=13_000 } else { 100..=2000 });
    }
    set(round, Mode::Pass);
    round.recover(now())
}

fn set(round: &Round, mode: Mode) {
    round.proxy.as_ref().expect("the fault needs one").set(mode);
}
