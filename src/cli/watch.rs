//! `corec watch`: the alerts of a run, a line each, as they come.

use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use corec_core::alert::Alert;
use corec_live::Client;
use corec_live::told::{AlertTold, AlertsTold};
use corec_run::alerts::{AlertsFrom, file_of, follow};
use corec_run::manifest::Status;
use corec_run::recorded::RecordedRun;
use corec_run::settings::grouped;
use corec_run::{RunError, Stop};
use serde_json::Value;

/// How often a run that is shown is asked.
const EVERY: Duration = Duration::from_millis(500);

/// Follow a run's alerts
///
/// Those that are up, then each as it comes: tick, whether it is raised or cleared, severity (1 is the most urgent), name, subject, value or
/// reasons. A run's folder is read where its store is a file in it, also of a run that has ended; a URL, or a run with another store, is asked
/// (corec run --http) and tried again while it is away. Ends with the run.
///
/// Exit status: 0 the run has ended, or --count alerts have come; 2 bad usage, 129, 130 or 143 interrupted.
#[derive(Args)]
#[command(after_help = "Examples:
  corec watch runs/0003                  until the run ends
  corec watch runs/0003 --from start     all that it has told
  corec watch http://10.0.0.5:8000 --json | jq -r 'select(.severity <= 2) | .subject'")]
pub struct WatchArgs {
    /// A run's folder, or the URL where it is shown
    #[arg(value_name = "RUN|URL")]
    run: String,

    /// Where to begin: now (with those that are up), or the start of the run (a folder only)
    #[arg(long, value_name = "now|start", default_value = "now", value_parser = from)]
    from: AlertsFrom,

    /// End after so many
    #[arg(long, value_name = "N", value_parser = super::whole, allow_negative_numbers = true)]
    count: Option<u64>,

    /// Print each as a JSON object on a line
    #[arg(long)]
    json: bool,
}

fn from(text: &str) -> Result<AlertsFrom, String> {
    match text {
        "now" => Ok(AlertsFrom::Now),
        "start" => Ok(AlertsFrom::Start),
        _ => Err(format!("found '{text}', must be now or start")),
    }
}

/// Follows, and gives the exit status.
///
/// # Errors
/// What kept it from following.
pub fn main(args: &WatchArgs, stop: &Stop) -> Result<ExitCode, RunError> {
    let (mut shown, mut lost) = (0, None);
    let mut show = |alert: AlertTold| {
        if args.count == Some(shown) {
            return ControlFlow::Break(());
        }
        let line = if args.json { json(&alert) } else { line(&alert) };
        if let Err(error) = super::put(&format!("{line}\n")) {
            lost = Some(super::lost_output(&error));
            return ControlFlow::Break(());
        }
        shown += 1;
        if args.count == Some(shown) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let folder = Path::new(&args.run);
    if folder.is_dir() && file_of(folder)?.is_some() {
        follow(folder, args.from, stop, &mut |alert: &Alert| show(AlertTold::from(alert)))?;
        if stop.signal().is_none() && args.count != Some(shown) && lost.is_none() {
            tell_end(folder)?;
        }
    } else if args.from == AlertsFrom::Start {
        return Err(RunError::Usage("--from start: needs the folder of a run whose store is a file".into()));
    } else {
        ask(&super::client(Some(&args.run))?, stop, &mut show);
    }
    let interrupted = stop.signal().map(|signal| ExitCode::from(128 + signal as u8));
    Ok(lost.or(interrupted).unwrap_or(ExitCode::SUCCESS))
}

/// Says how the run in a folder has ended.
fn tell_end(folder: &Path) -> Result<(), RunError> {
    let how = match RecordedRun::open(folder)?.manifest().status {
        Status::Done => "done",
        Status::Failed => "failed",
        Status::Interrupted => "interrupted",
        Status::Running => "killed: corec run --restore goes on with it",
    };
    super::tell(&format!("{}: the run has ended: {how}", folder.display()));
    Ok(())
}

/// Asks a run that is shown until it has ended.
fn ask(client: &Client, stop: &Stop, show: &mut dyn FnMut(AlertTold) -> ControlFlow<()>) {
    stop.heed();
    let (mut next, mut is_away) = (None::<u64>, false);
    while stop.signal().is_none() {
        // Asked first: what was told before the end is there after it.
        let summary = client.get::<Value>("/api/v1/summary");
        match summary.and_then(|summary| Ok((summary, client.get::<AlertsTold>("/api/v1/alerts")?))) {
            Ok((summary, told)) => {
                if std::mem::take(&mut is_away) {
                    super::tell(&format!("{}: is back", client.url()));
                }
                if new(told, &mut next).into_iter().try_for_each(&mut *show).is_break() {
                    return;
                }
                let ended = summary["ended"].as_str();
                if let Some(how) = ended {
                    super::tell(&format!("{}: the run has ended: {how}", client.url()));
                    return;
                }
            }
            Err(error) if !is_away => {
                is_away = true;
                super::tell(&format!("{error}; tried again until it answers"));
            }
            Err(_) => {}
        }
        std::thread::sleep(EVERY);
    }
}

/// Those that were not shown yet, in order; at first those that are up. `next` is the number of the one to come.
fn new(told: AlertsTold, next: &mut Option<u64>) -> Vec<AlertTold> {
    let last = told.recent.iter().map(|alert| alert.sequence).max();
    // A run that was begun anew, or went on from before, counts from there.
    let is_behind = next.is_some_and(|next| last.is_some_and(|last| last + 1 < next));
    let from = next.filter(|_| !is_behind);
    let mut alerts = match from {
        None => told.open,
        Some(from) => told.recent.into_iter().filter(|alert| alert.sequence >= from).collect(),
    };
    alerts.sort_by_key(|alert| alert.sequence);
    if let (Some(from), Some(first)) = (from, alerts.first())
        && first.sequence > from
    {
        super::tell(&format!("{} alerts came too fast to be shown", grouped(first.sequence - from)));
    }
    *next = last.map(|last| last + 1).or(from).or(Some(0));
    alerts
}

fn line(alert: &AlertTold) -> String {
    let AlertTold { tick, state, severity, name, subject, value, why, .. } = alert;
    let why = if why.is_empty() { format!("{value:.4}") } else { why.clone() };
    format!("tick {tick:<9} {:<8} severity {severity}  {name}  {subject}  {why}", state.as_str())
}

fn json(alert: &AlertTold) -> String {
    serde_json::to_string(alert).expect("an alert is text and numbers")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(open: &[u64], recent: &[u64]) -> AlertsTold {
        let of = |sequences: &[u64]| {
            let alert =
                |sequence: &u64| AlertTold { sequence: *sequence, ..AlertTold::from(&Alert::default()) };
            sequences.iter().map(alert).collect::<Vec<_>>()
        };
        AlertsTold { tick: 0, open: of(open), recent: of(recent), open_count: 0, raised: 0 }
    }

    #[test]
    fn each_alert_is_new_once_and_in_order_also_after_the_run_was_begun_anew() {
        let mut next = None;
        let mut seen = |open: &[u64], recent: &[u64]| -> Vec<u64> {
            new(told(open, recent), &mut next).iter().map(|alert| alert.sequence).collect()
        };
        assert_eq!(seen(&[7, 3], &[9, 8, 7]), [3, 7], "those that are up");
        assert_eq!(seen(&[7, 3], &[9, 8, 7]), [0u64; 0]);
        assert_eq!(seen(&[], &[12, 11, 10, 9]), [10, 11, 12]);
        assert_eq!(seen(&[1], &[2, 1, 0]), [1], "another run");
        assert_eq!(seen(&[], &[3, 2]), [3]);
    }

    #[test]
    fn a_run_without_alerts_shows_the_first() {
        let mut next = None;
        assert!(new(told(&[], &[]), &mut next).is_empty());
        assert_eq!(new(told(&[0], &[0]), &mut next).len(), 1);
    }
}
