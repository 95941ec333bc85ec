//! `corec tail`: a stream, as it comes.

use std::ops::ControlFlow;
use std::process::ExitCode;

use clap::Args;
use corec_run::tail::{Following, TailFrom, follow};
use corec_run::{RunError, Stop};

/// Follow a stream, and say what is on it
///
/// A line an entry: its id, the field `id` (who wrote it: INSTANCE/RUN/EPOCH.TICK.SEQUENCE; `-` if it has none), and its data: a record,
/// a frame, an alert, repairs, JSON as it is, else the first bytes and why they are none of these. A server that is away is told on
/// stderr and tried again. Reads with no group and leaves nothing on the server.
///
/// Exit status: 0 after --count entries, 2 bad usage or a server that does not let us, 129, 130 or 143 interrupted.
#[derive(Args)]
#[command(after_help = "Examples:
  corec tail alertas --bus redis://localhost:6379
  corec tail bloque_data_stream --bus redis://localhost:6379 --from start --count 3
  corec tail user_output_stream --bus rediss://ana:PASSWORD@db?ca=ca.pem --json | jq .data")]
pub struct TailArgs {
    /// The stream; it need not be there yet
    #[arg(value_parser = super::stream)]
    stream: String,

    /// The server: redis://USER:PASSWORD@HOST:PORT or rediss://HOST?ca=FILE
    #[arg(long, value_name = "URL")]
    bus: String,

    /// Where to begin: start, end, or the id of an entry, which is shown too
    #[arg(long, value_name = "ID|start|end", default_value = "end")]
    from: TailFrom,

    /// End after so many entries
    #[arg(long, value_name = "N", value_parser = super::whole, allow_negative_numbers = true)]
    count: Option<u64>,

    /// Print every entry as a JSON object on a line
    #[arg(long)]
    json: bool,
}

/// Follows, and gives the exit status.
///
/// # Errors
/// What kept it from following.
pub fn main(args: TailArgs, stop: &Stop) -> Result<ExitCode, RunError> {
    let what = Following { bus: args.bus, stream: args.stream, from: args.from, count: args.count };
    let mut lost = None;
    let mut show = |told: corec_run::tail::Told| {
        let line = if args.json { told.to_json().to_string() } else { told.line() };
        match super::put(&format!("{line}\n")) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                lost = Some(super::lost_output(&error));
                ControlFlow::Break(())
            }
        }
    };
    follow(&what, stop, &mut show, &mut |text| super::tell(&text))?;
    let interrupted = stop.signal().map(|signal| ExitCode::from(128 + signal as u8));
    Ok(lost.or(interrupted).unwrap_or(ExitCode::SUCCESS))
}
