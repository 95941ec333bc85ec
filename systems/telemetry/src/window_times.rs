//! The times of windows and of a table's column, and the order of day and month that both can have.

use crate::table::TableReader;
use crate::time::{ALLOWED, Order, Orders, Reading, read};

/// What the times of one side, windows or column, have in common.
#[derive(Default)]
pub(crate) struct Side {
    pub orders: Orders,
    /// A date that has its year last.
    pub example: Option<String>,
}

impl Side {
    fn see(&mut self, reading: &Reading, text: &str) {
        self.orders.see(reading, text);
        if reading.has_order && self.example.is_none() {
            self.example = Some(text.escape_debug().to_string());
        }
    }
}

/// Reads the windows' times.
pub(crate) fn readings(source: &str, texts: &[[String; 2]]) -> Result<(Vec<[Reading; 2]>, Side), String> {
    let (mut spans, mut side) = (Vec::with_capacity(texts.len()), Side::default());
    for (i, [from, to]) in texts.iter().enumerate() {
        let mut time = |end: usize, text: &str| {
            let reading = read(text).ok_or_else(|| {
                let short: String = text.chars().take(40).collect();
                format!("{source}[{i}][{end}]: found '{}', must be {ALLOWED}", short.escape_debug())
            })?;
            side.see(&reading, text);
            Ok::<_, String>(reading)
        };
        spans.push([time(0, from)?, time(1, to)?]);
    }
    Ok((spans, side))
}

/// What the times of a table's column have in common: of all of them where one has its year last, else of the first.
pub(crate) fn column(table: &TableReader) -> Result<Side, String> {
    let mut side = Side::default();
    for text in table.times_ahead() {
        // One that is no time is told of with its line.
        if let Some(reading) = read(&text) {
            side.see(&reading, &text);
        }
    }
    if side.example.is_some() && !table.is_live() {
        each_time(table, |reading, text| {
            side.see(reading, text);
            Ok(())
        })?;
    }
    Ok(side)
}

/// The orders of day and month that remain, the same for windows and column unless each tells its own; and whether nothing
/// told.
pub(crate) fn possible(
    source: &str,
    windows: &Side,
    column: &Side,
    table: &TableReader,
) -> Result<(Vec<[Order; 2]>, bool), String> {
    let mixed = |place: String| {
        move |(one, other): (String, String)| {
            format!(
                "{place}: found both '{}' and '{}', must have one order of day and month",
                one.escape_debug(),
                other.escape_debug()
            )
        }
    };
    let of_windows = windows.orders.known().map_err(mixed(source.into()))?;
    let place = format!("{}: column '{}'", table.path().display(), table.time_column().unwrap_or_default());
    let of_column = column.orders.known().map_err(mixed(place))?;
    let is_open = windows.orders.is_open() || column.orders.is_open();
    Ok(match (of_windows.or(of_column), of_column.or(of_windows)) {
        (Some(of_windows), Some(of_column)) => (vec![[of_windows, of_column]], false),
        _ if is_open => (vec![[Order::DayFirst; 2], [Order::MonthFirst; 2]], true),
        _ => (vec![[Order::DayFirst; 2]], false),
    })
}

/// Reads the time column once more, from the file's start. Says whether it came to the end.
pub(crate) fn each_time(
    table: &TableReader,
    mut take: impl FnMut(&Reading, &str) -> Result<(), &'static str>,
) -> Result<bool, String> {
    let Ok(mut rows) = TableReader::open(table.path()) else { return Ok(false) };
    loop {
        let (line, text) = match rows.next_time() {
            Ok(Some(row)) => row,
            Ok(None) => return Ok(true),
            Err(_) => return Ok(false),
        };
        let taken = read(&text).ok_or(ALLOWED).and_then(|reading| take(&reading, &text));
        taken.map_err(|allowed| table.time_error(line, &text, allowed).to_string())?;
    }
}
