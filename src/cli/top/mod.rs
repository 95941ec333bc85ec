//! `corec top`: a run that is shown, in a terminal.

mod poll;

mod model;

mod heat;
mod tables;

mod draw;

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use corec_live::Client;
use corec_live::told::SummaryTold;
use corec_run::{RunError, Stop};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{self, Event, KeyEventKind};
use serde_json::Value;

use model::{Model, Next};
use poll::Poll;

/// How long a key is waited for before it is looked whether something came.
const WAIT: Duration = Duration::from_millis(100);
/// Columns and lines of `--once`.
const PAGE: (u16, u16) = (120, 44);

/// See a run that is shown, in a terminal: ticks, fitness, blocks, alerts, plugins, systems
///
/// The run must have been started with --http. Keys: Tab or 1 to 5 choose what is below, arrows and Enter go down to a block and its rows,
/// m another measure, s pauses a plugin or lets it go on (needs the token), space holds the view, ? says all, q ends.
///
/// Exit status: 0 ended by a key, or with --once; 1 with --once if nobody answers, 2 bad usage, 129, 130 or 143 interrupted.
#[derive(Args)]
#[command(after_help = "Examples:
  corec top                        the newest run of runs/ that is shown, else http://127.0.0.1:8000
  corec top runs/0003              a run by its folder, which has the token too
  corec top http://10.0.0.5:8000   another machine's; COREC_HTTP_TOKEN for what is changed
  ssh HOST -t corec top            over ssh
  corec top --once --json | jq .tick_ms.p99")]
pub struct TopArgs {
    /// A run's folder, or its URL
    #[arg(value_name = "URL|RUN")]
    run: Option<String>,

    /// Print one picture and end
    #[arg(long)]
    once: bool,

    /// With --once: the summary as JSON
    #[arg(long, requires = "once")]
    json: bool,
}

/// Shows, and gives the exit status.
///
/// # Errors
/// A run that is none or not shown; a terminal that is none.
pub fn main(args: &TopArgs, stop: &Stop) -> Result<ExitCode, RunError> {
    let client = super::client(args.run.as_deref())?;
    if args.json {
        let summary: Value = client.get("/api/v1/summary").map_err(|e| RunError::Failed(e.to_string()))?;
        return Ok(super::print(&format!("{summary}\n")));
    }
    if args.once {
        return once(&client);
    }
    if !std::io::stdout().is_terminal() {
        return Err(RunError::Usage("stdout is no terminal: corec top --once".into()));
    }
    let ended = follow(client, stop);
    ratatui::restore();
    ended.map_err(|e| RunError::Failed(format!("terminal: {e}")))?;
    Ok(stop.signal().map_or(ExitCode::SUCCESS, |signal| ExitCode::from(128 + signal as u8)))
}

/// One picture as text.
fn once(client: &Client) -> Result<ExitCode, RunError> {
    let mut model = Model::new(client);
    // Two, for what is by the second.
    for _ in 0..2 {
        let summary: SummaryTold =
            client.get("/api/v1/summary").map_err(|e| RunError::Failed(e.to_string()))?;
        model.take(poll::Came { summary: Ok(summary), ..poll::Came::of(client, &model.wish()) });
        std::thread::sleep(Duration::from_millis(300));
    }
    let mut terminal = Terminal::new(TestBackend::new(PAGE.0, PAGE.1)).expect("memory is a terminal");
    terminal.draw(|frame| draw::draw(frame, &mut model)).expect("memory is a terminal");
    let buffer = terminal.backend().buffer();
    let lines = buffer.content().chunks(usize::from(PAGE.0)).map(|line| {
        let line: String = line.iter().map(|cell| cell.symbol()).collect();
        line.trim_end().to_string() + "\n"
    });
    Ok(super::print(&lines.collect::<String>()))
}

/// Shows until a key or a signal ends it.
fn follow(client: Client, stop: &Stop) -> std::io::Result<()> {
    stop.heed();
    let mut terminal = ratatui::try_init()?;
    let mut model = Model::new(&client);
    let mut wish = model.wish();
    let poll = Poll::start(client, wish);
    while stop.signal().is_none() {
        terminal.draw(|frame| draw::draw(frame, &mut model))?;
        if event::poll(WAIT)?
            && let Event::Key(key) = event::read()?
            && key.kind == KeyEventKind::Press
        {
            match model.key(key) {
                Next::End => break,
                Next::Change(plugin, is_paused) => poll.change(plugin, is_paused),
                Next::Nothing => {}
            }
            if wish != model.wish() {
                wish = model.wish();
                poll.wish(wish);
            }
        }
        poll.came().for_each(|came| model.take(came));
    }
    Ok(())
}
