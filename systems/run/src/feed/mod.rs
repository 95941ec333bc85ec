//! A table's rows into a stream, each once, whatever happens to this process, the server, or the way between them.
//!
//! A row has the id `SEQUENCE-0`. At the start, and after every doubt, the stream is asked how far it has come, and the table is read on
//! from there: what the server has lost is read again. Nothing is kept of what was sent but its last number.

mod pace;
mod report;

mod judge;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use corec_bridges::bus::redis::{LinkError, RedisUrl, RowBatch, RowStream};
use corec_bridges::wait::Backoff;
use corec_core::stop::Stop;
use corec_telemetry::ack;
use corec_telemetry::table::TableReader;

use crate::clock::{now, per_second};
use crate::error::RunError;
use judge::{Fate, Judge};
use pace::Pace;

pub(crate) use pace::{is_stopped, pause};
pub use report::FeedReport;

/// Bytes of rows that are sent together, unless one row alone has more.
const BYTES_MAX: usize = 1 << 20;
/// Rows that are passed over before somebody is told.
const PASSED_MAX: u64 = 100_000;
/// The first pause before a server is tried again, and the longest.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(2)];

/// What is fed where.
#[derive(Clone, Debug)]
pub struct Feeding {
    /// The table.
    pub table: PathBuf,
    /// The server's URL.
    pub to: String,
    /// The stream.
    pub stream: String,
    /// Rows a second at most.
    pub rate: Option<f64>,
    /// Where a run says how far its journal is.
    pub ack: Option<PathBuf>,
    /// How long the server may be away.
    pub connect_timeout: Duration,
}

/// Sends a table's rows until it ends, `stop` is set, or the server stays away. `tell` hears how far it is.
///
/// # Errors
/// What keeps it from starting; what ends it later is in the report.
pub fn feed(what: &Feeding, stop: &Stop, tell: &mut dyn FnMut(&FeedReport)) -> Result<FeedReport, RunError> {
    let wrong = |text: String| RunError::Usage(format!("--to: {text}"));
    let url = RedisUrl::parse(&what.to).map_err(wrong)?;
    let stream = RowStream::new(&url, &what.stream, what.connect_timeout).map_err(wrong)?;
    let table = open(what, stop)?;
    if table.is_live() && !table.has_sequence() {
        let shown = what.table.display();
        return Err(RunError::Usage(format!(
            "{shown}: found a pipe without a column `sequence`, must have one: its rows have no other numbers"
        )));
    }
    stop.heed();
    if let Some(signal) = stop.signal() {
        return Err(RunError::Interrupted(signal));
    }
    let to = stream.shown().into();
    let mut feeder = Feeder {
        what,
        stop,
        table,
        stream,
        judge: Judge::of(&what.stream),
        away: None,
        row: Vec::new(),
        rows: RowBatch::default(),
        report: FeedReport { stream: what.stream.clone(), to, ..FeedReport::default() },
        started: now(),
    };
    feeder.begin()?;
    let ended = feeder.run(tell);
    feeder.measure();
    let report = feeder.report;
    Ok(FeedReport { error: ended.err(), interrupted_by: stop.signal(), ..report })
}

fn open(what: &Feeding, stop: &Stop) -> Result<TableReader, RunError> {
    let table = TableReader::open_until(&what.table, stop);
    match stop.signal() {
        Some(signal) => Err(RunError::Interrupted(signal)),
        None => table.map_err(|e| RunError::Usage(e.to_string())),
    }
}

struct Feeder<'a> {
    what: &'a Feeding,
    stop: &'a Stop,
    table: TableReader,
    stream: RowStream,
    judge: Judge,
    /// Since when the server takes nothing, and the next pause.
    away: Option<(Instant, Backoff)>,
    row: Vec<u8>,
    /// Rows on their way.
    rows: RowBatch,
    report: FeedReport,
    started: Instant,
}

impl Feeder<'_> {
    /// Finds the server, and how far the stream is.
    fn begin(&mut self) -> Result<(), RunError> {
        self.read_ack().map_err(RunError::Usage)?;
        let found = self.locate().and_then(|()| {
            let checked = self.stream.check();
            checked.map_err(|error| error.map_text(|text| format!("{}: {text}", self.stream.shown())))
        });
        self.away = None;
        match found {
            Ok(()) => Ok(()),
            Err(_) if self.stop.is_set() => Ok(()),
            Err(LinkError::Away(text)) => Err(RunError::Failed(text)),
            Err(LinkError::Denied(text) | LinkError::Wrong(text)) => Err(RunError::Usage(text)),
        }
    }

    fn read_ack(&mut self) -> Result<(), String> {
        if let Some(path) = &self.what.ack {
            let told = ack::read(path).map_err(|e| format!("--ack: {e}"))?;
            self.judge.acknowledged = self.judge.acknowledged.max(Some(told));
        }
        Ok(())
    }

    /// Reads and sends until there is no more to be had.
    fn run(&mut self, tell: &mut dyn FnMut(&FeedReport)) -> Result<(), String> {
        let mut pace = Pace::new(self.what.rate);
        while !self.stop.is_set() {
            pace.wait(self.stop);
            let is_end = self.fill(pace.rows_max());
            pace.sent(self.rows.len());
            self.send()?;
            self.measure();
            tell(&self.report);
            if is_end? && !self.stop.is_set() {
                return self.judge.check_end(&self.row, &mut self.stream);
            }
        }
        Ok(())
    }

    fn measure(&mut self) {
        let report = &mut self.report;
        report.rows = report.rows.max(self.table.rows());
        report.last_sequence = self.judge.place.last;
        report.seconds = self.started.elapsed().as_secs_f64();
        report.rows_per_second = per_second(report.sent + report.sent_again, report.seconds);
    }

    /// Reads rows that are to be sent, at most `max`; says whether the table is at its end.
    fn fill(&mut self, max: usize) -> Result<bool, String> {
        // A row of a pipe does not wait for the next.
        let max = if self.table.is_live() { 1 } else { max };
        let until = self.table.rows() + PASSED_MAX;
        while self.rows.len() < max && self.rows.bytes() < BYTES_MAX && self.table.rows() < until {
            if !self.table.wait().map_err(|e| e.to_string())? || self.stop.is_set() {
                return Ok(true);
            }
            let Some(sequence) = self.table.next_object(&mut self.row).map_err(|e| e.to_string())? else {
                return Ok(true);
            };
            let row = (self.table.rows(), sequence, &*self.row);
            let fate = self.judge.decide(row, &mut self.stream, &mut self.report)?;
            match self.rows.last() {
                _ if fate == Fate::Leave => {}
                // Of a pipe: a row that comes again.
                Some(before) if before >= sequence => self.report.already_there += 1,
                _ => self.rows.push(sequence, &self.row),
            }
        }
        Ok(false)
    }

    /// Sends what was read, until the stream has it.
    fn send(&mut self) -> Result<(), String> {
        while let Some(last) = self.rows.last()
            && !self.stop.is_set()
        {
            let reached = self.judge.reached;
            match self.stream.send(&self.rows) {
                Ok(taken) if taken == self.rows.len() as u64 => {
                    let taken: Vec<u64> = self.rows.iter().map(|(sequence, _)| sequence).collect();
                    self.count(reached, &taken);
                    self.judge.has(last);
                    self.rows.clear();
                    self.away = None;
                }
                // Another feed of the same table has been quicker, or somebody else writes there.
                Ok(taken) => {
                    self.report.sent += taken;
                    let come = self.look_again()?.len() as u64;
                    self.report.already_there += come.saturating_sub(taken);
                }
                Err(LinkError::Wrong(text)) => return Err(text),
                Err(LinkError::Denied(text)) if self.report.sent == 0 => {
                    return Err(format!("{}: {text}", self.stream.shown()));
                }
                Err(error) => {
                    self.leave(error.text())?;
                    // What was asked and not answered has come all the same.
                    let come = self.look_again()?;
                    self.count(reached, &come);
                }
            }
        }
        Ok(())
    }

    /// Counts rows that the stream has taken; up to `reached` it had had them before.
    fn count(&mut self, reached: u64, rows: &[u64]) {
        let again = rows.iter().filter(|sequence| **sequence <= reached).count() as u64;
        self.report.sent_again += again;
        self.report.sent += rows.len() as u64 - again;
    }

    /// The server takes nothing: waits, but for the first time, or gives up.
    fn leave(&mut self, why: &str) -> Result<(), String> {
        if is_stopped(self.stop) {
            return Ok(());
        }
        let shown = self.stream.shown();
        let Some((since, backoff)) = &mut self.away else {
            tracing::warn!("{shown}: {why}; tried again");
            self.report.outages += 1;
            self.away = Some((now(), Backoff::new(PAUSES[0], PAUSES[1])));
            return Ok(());
        };
        let patience = self.what.connect_timeout;
        if since.elapsed() >= patience {
            let seconds = patience.as_secs_f64();
            let todo = "start it, or wait longer with --connect-timeout; the same command goes on from there";
            return Err(format!("{shown}: {why}; tried for {seconds} s: {todo}"));
        }
        pause(backoff.pause().min(patience.saturating_sub(since.elapsed())), self.stop);
        Ok(())
    }

    /// After a doubt: asks how far the stream is, and keeps of the rows on their way those that it has not. Gives those that it has.
    fn look_again(&mut self) -> Result<Vec<u64>, String> {
        let reached = self.judge.reached;
        match self.locate() {
            Err(_) if self.stop.is_set() => return Ok(Vec::new()),
            found => found.map_err(|error| error.text().to_string())?,
        }
        let last = self.judge.place.last;
        if last < reached {
            self.go_back(reached)?;
            return Ok(Vec::new());
        }
        let rest = self.judge.rest(&self.rows, reached)?;
        let come =
            self.rows.iter().map(|(sequence, _)| sequence).filter(|sequence| *sequence <= last).collect();
        self.rows = rest;
        Ok(come)
    }

    /// The server has lost rows that it had: they are read again, where that can be done.
    fn go_back(&mut self, reached: u64) -> Result<(), String> {
        self.read_ack()?;
        let (stream, last) = (&self.what.stream, self.judge.place.last);
        let from = last.max(self.judge.acknowledged());
        if self.table.is_live() {
            let what = "the server has lost rows, which a pipe does not give again";
            tracing::warn!("stream '{stream}': {what}: from {from} to {reached}");
            self.report.lost += reached.saturating_sub(from);
            self.judge.has(last);
            return Ok(());
        }
        tracing::warn!(
            "stream '{stream}': the server has lost rows: from {from} to {reached} they are sent again"
        );
        self.rows.clear();
        self.table = open(self.what, self.stop).map_err(|e| e.to_string())?;
        Ok(())
    }

    /// Asks how far the stream is, again and again while the server is away, until the patience is over.
    fn locate(&mut self) -> Result<(), LinkError> {
        loop {
            let error = match self.stream.locate(self.judge.acknowledged()) {
                Ok(place) => {
                    self.judge.find(place);
                    return Ok(());
                }
                Err(error) => error,
            };
            let shown = |text: &str| format!("{}: {text}", self.stream.shown());
            match &error {
                LinkError::Wrong(text) => return Err(LinkError::Wrong(shown(text))),
                // At the start somebody has to change something; later it may be changed back.
                LinkError::Denied(text) if self.report.sent == 0 => {
                    return Err(LinkError::Denied(shown(text)));
                }
                _ => self.leave(error.text()).map_err(LinkError::Away)?,
            }
            if self.stop.is_set() {
                return Err(error);
            }
        }
    }
}
