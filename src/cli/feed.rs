//! `corec feed`: a table into a stream.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use corec_run::feed::{Feeding, feed};
use corec_run::{RunError, Stop};

use super::progress::Bar;

/// Send the rows of a table to a stream, each once
///
/// A row is an entry whose field `data` is a JSON object, {"COLUMN": VALUE, ..}: what a run measures is a number, or null for a gap, label and
/// sequence are numbers, times and all else are text. Its id is SEQUENCE-0, by the table's column `sequence`, or the row's
/// place from 1 on. The server takes no id twice: killed and started again, the same command goes on after the last row that is there, and
/// what the server has lost is sent again. A stream holds the rows of one table, and nobody else writes to it.
///
/// With --ack, the file that `corec run --ack` writes, rows that the engine has are not sent, and rows after it that are gone from the
/// stream are counted as lost, where they can't be sent again below later ids.
///
/// Exit status: 0 all rows are there, 1 the server stayed away, the table is broken, or rows are lost, 2 bad usage or a server that does
/// not let us, 129, 130 or 143 interrupted.
#[derive(Args)]
#[command(after_help = "Examples:
  corec feed machine.csv.gz --to redis://localhost:6379 --stream telemetry; corec run telemetry --bus redis://localhost:6379
  corec feed t.csv --to redis://ana:PASSWORD@db:6379/0 --stream rows --rate 1000
  corec feed t.csv --to rediss://db?ca=ca.pem --stream rows --ack rows.ack --json")]
pub struct FeedArgs {
    /// The table: CSV, plain or gzipped, or a named pipe whose rows have a column `sequence`
    #[arg(value_name = "FILE", value_parser = super::path())]
    table: PathBuf,

    /// The server: redis://USER:PASSWORD@HOST:PORT or rediss://HOST?ca=FILE
    #[arg(long, value_name = "URL")]
    to: String,

    /// The stream
    #[arg(long, value_name = "NAME", value_parser = super::stream)]
    stream: String,

    /// At most so many rows a second; as fast as it goes if not given
    #[arg(long, value_name = "N", value_parser = parse_rate, allow_negative_numbers = true)]
    rate: Option<f64>,

    /// The acknowledgements of the run that reads the stream
    #[arg(long, value_name = "FILE", value_parser = super::path())]
    ack: Option<PathBuf>,

    /// Seconds that a server which is not there is waited for, at the start and later
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = super::seconds, allow_negative_numbers = true)]
    connect_timeout: f64,

    /// Print what was done as one JSON object
    #[arg(long)]
    json: bool,

    /// No progress and no summary
    #[arg(long, short)]
    quiet: bool,
}

/// Feeds, and gives the exit status.
///
/// # Errors
/// What kept it from starting.
pub fn main(args: FeedArgs, stop: &Stop) -> Result<ExitCode, RunError> {
    let what = Feeding {
        table: args.table,
        to: args.to,
        stream: args.stream,
        rate: args.rate,
        ack: args.ack,
        connect_timeout: Duration::from_secs_f64(args.connect_timeout),
    };
    let mut bar = Bar::new("rows", args.quiet || args.json);
    let report = feed(&what, stop, &mut |r| {
        bar.tell(r.rows, None, r.seconds, || format!("{} sent, {:.1} rows/s", r.sent, r.rows_per_second));
    })?;
    bar.finish();
    let code = if args.json {
        let json = serde_json::to_string(&report).expect("a report is text and numbers");
        super::print(&format!("{json}\n"))
    } else if args.quiet {
        ExitCode::SUCCESS
    } else {
        super::print(&report.to_string())
    };
    if let Some(error) = &report.error {
        super::complain(error);
        return Ok(ExitCode::FAILURE);
    }
    if let Some(signal) = report.interrupted_by {
        return Ok(ExitCode::from(128 + signal as u8));
    }
    Ok(if report.lost > 0 { ExitCode::FAILURE } else { code })
}

fn parse_rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if (1e-3..=1e9).contains(&rate) => Ok(rate),
        _ => Err(format!("found '{text}', must be within 0.001..=1000000000 rows a second")),
    }
}
