//! The verdict: whether all runs are the same bits, else which differs, in what, and who can have written it.

use std::fmt::Write;
use std::process::ExitCode;

use corec_run::RunError;
use corec_run::verify::{Divergence, Rerun, Suspect, outputs};
use serde_json::{Value, json};

use super::VerifyArgs;
use super::kill::Killed;
use super::recorded::{last_of, said_last};
use super::run::{Found, Method};

/// What it mostly is that differs in another process only.
const OF_THE_PROCESS: &str = "it follows from the process: its id, its working folder, an environment variable, an address, a file that a \
                              plugin has written";

/// Says whether all of them are the same.
pub(super) fn judge(
    args: &VerifyArgs,
    again: &Rerun,
    found: &[Found],
    killed: Option<&Killed>,
) -> Result<ExitCode, RunError> {
    let (ticks, reference) = (again.ticks, &found[0]);
    let last = reference.digests.last();
    let odd = found.iter().find(|found| {
        if found.broke_off.is_some() {
            return true;
        }
        let is_same = found.digests.iter().filter(|mark| mark.tick <= ticks).all(|mark| reference.has(mark));
        let ends = found.digests.last().map(|mark| mark.tick) == last.map(|mark| mark.tick);
        !is_same || (!matches!(found.method, Method::Recorded) && !ends)
    });
    let compared = found.iter().map(|f| json!({ "what": f.name, "digests": f.digests.len() }));
    let mut report = json!({
        "same": odd.is_none(), "digest": last_of(&reference.digests), "output_digest": said_last(&reference.digests),
        "tick": last.map(|mark| mark.tick), "compared": compared.collect::<Vec<_>>(),
    });
    let mut text = format!("the same bits: {}\n", last_of(&reference.digests));
    let compared: Vec<String> = found.iter().map(|f| format!("{} ({})", f.name, f.digests.len())).collect();
    _ = writeln!(
        text,
        "compared, with so many digests of the state and of what is said: {}",
        compared.join(", ")
    );
    if let Some(odd) = odd {
        text = explain(odd, reference, again, killed, &mut report)?;
    }
    let code = super::super::print(&if args.json { format!("{report}\n") } else { text });
    Ok(if odd.is_none() { code } else { ExitCode::FAILURE })
}

/// Tells in what a run differs, who can have written it, and what it mostly is.
fn explain(
    odd: &Found,
    reference: &Found,
    again: &Rerun,
    killed: Option<&Killed>,
    report: &mut Value,
) -> Result<String, RunError> {
    let Found { name, method, digests, told, broke_off } = odd;
    let first = digests.iter().find(|mark| !reference.has(mark)).map(|mark| mark.tick);
    let mut text = match (broke_off, first) {
        (Some(why), _) => format!("not the same bits: {name}: {why}\n"),
        (None, first) => format!(
            "not the same bits: {name} differs from {} at tick {} or within the {} before it\n",
            reference.name,
            first.unwrap_or(0),
            again.interval
        ),
    };
    (report["differs"], report["recorded_tick"], report["broke_off"]) =
        (json!(name), json!(first), json!(broke_off));
    let Method::Threads(threads) = reference.method else {
        unreachable!("the reference is the first thread count")
    };
    let (parting, restored) = match (method, killed) {
        (Method::Threads(other), _) => (again.diverges([threads, *other])?, None),
        (Method::Rerun, _) => (again.diverges([threads, threads])?, None),
        (Method::Killed, Some(killed)) => killed.diverges(again, threads)?,
        (Method::Killed | Method::Recorded, _) => (None, None),
    };
    let mut said = Vec::new();
    if let Some(Divergence { tick, differences, said: by, suspects }) = parting {
        match restored {
            Some(at) => _ = writeln!(text, "restored after tick {at}, the first tick that differs: {tick}"),
            None => _ = writeln!(text, "the first tick that differs: {tick}"),
        }
        differences.iter().for_each(|d| _ = writeln!(text, "  {d}"));
        let list: Vec<String> = differences.iter().map(ToString::to_string).collect();
        (report["tick"], report["restored_tick"], report["differences"]) =
            (json!(tick), json!(restored), json!(list));
        report["suspects"] = suspects.iter().map(suspect_json).collect();
        suspects.iter().for_each(|suspect| _ = writeln!(text, "  {}", suspect_text(suspect)));
        said = by;
    }
    if let Some((told, reference)) = told.as_ref().zip(reference.told.as_ref()).filter(|_| said.is_empty()) {
        said = outputs::differences(reference, told);
    }
    said.iter().for_each(|what| _ = writeln!(text, "  {what}"));
    let cause = match (method, restored) {
        // Restored in one process it is the same.
        (Method::Killed, None) if again.journal.is_none() => OF_THE_PROCESS,
        _ => method.likely_cause(),
    };
    _ = writeln!(text, "likely: {cause}");
    (report["said"], report["likely"]) = (json!(said), json!(cause));
    Ok(text)
}

fn suspect_json(suspect: &Suspect) -> Value {
    json!({ "plugin": suspect.plugin(), "system": suspect.system, "unsaved": suspect.unsaved })
}

fn suspect_text(suspect: &Suspect) -> String {
    let mut text = format!("can be written by system '{}'", suspect.system);
    if let Some(plugin) = suspect.plugin() {
        _ = write!(text, " of plugin '{plugin}'");
    }
    if !suspect.unsaved.is_empty() {
        _ = write!(text, ", which uses {}: not saved", suspect.unsaved.join(", "));
    }
    text
}
