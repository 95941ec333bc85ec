//! Windows: spans of time that hold anomalies, as NAB's `combined_windows.json` has them, in place of labels.
//!
//! Reads the file of windows, and the table's time column once before the run: so the run does not start where a time can't be
//! read, and not where no window holds a row, which no score could be compared with. Of that the whole table decides: a run with
//! fewer ticks may end before its first window. A pipe is judged when it is closed. No windows at all are an answer: nothing in
//! the table is an anomaly.
//!
//! Windows and rows are compared as instants (see [`time`](crate::time)); a row's time without a zone is UTC. A window without a
//! zone is on the table's own clock, whatever zone that shows: it was read off the table. Dates such as 4/1/2014 have the order of day and month that the
//! column leaves possible, or the windows do; else the one in which a window holds a row; else day/month/year. The last two
//! are warned of.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::table::TableReader;
use crate::table_error::TableError;
use crate::time::{ALLOWED, ALLOWED_ORDER, Order, Reading, read};
use crate::window_times::{column, each_time, possible, readings};
use crate::windows_file::find;

/// Windows that an error shows.
const SHOWN: usize = 3;

/// The windows of a table, and which of them have held a row.
#[derive(Clone, Debug)]
pub struct Windows {
    /// Whose they are, for errors: the file and its key.
    source: String,
    table: PathBuf,
    /// From and to, both within.
    spans: Vec<[Bound; 2]>,
    has_hit: Vec<bool>,
    /// Of the column's dates.
    order: Order,
    /// The first and the last time of the rows.
    reach: Option<[Timestamp; 2]>,
    /// Whether rows were taken before that it has not seen.
    is_partial: bool,
}

/// An end of a window.
#[derive(Clone, Copy, Debug)]
struct Bound {
    at: Timestamp,
    /// Whether it is an instant; else it is what the table's clock shows.
    has_zone: bool,
}

impl Bound {
    fn of(reading: &Reading, order: Order) -> Option<Self> {
        Some(Self { at: reading.at(order)?, has_zone: reading.zone.is_some() })
    }

    /// Of a row's instant and what its clock shows, the one that is compared with this.
    fn side(&self, [instant, shown]: [Timestamp; 2]) -> Timestamp {
        if self.has_zone { instant } else { shown }
    }
}

impl Windows {
    /// Reads the windows of `table` from a file `{"folder/name.csv": [["from", "to"], ...], ...}`. The table is found by the
    /// end of its absolute path; of two keys that fit, the longer one counts.
    ///
    /// # Errors
    /// A text that says where, what was found and what is allowed.
    pub fn load(file: &Path, table: &TableReader) -> Result<Self, String> {
        if table.time_column().is_none() {
            let table = table.path().display();
            return Err(format!("--windows: {table} has no time column to find windows by"));
        }
        let (source, texts) = find(file, table.path())?;
        let (spans, of_windows) = readings(&source, &texts)?;
        let of_column = column(table)?;
        let (orders, is_open) = possible(&source, &of_windows, &of_column, table)?;
        // An order in which a window ends before it begins is none either.
        let (mut readings, mut refused) = (Vec::with_capacity(orders.len()), Ok(()));
        for order in orders {
            match Self::new(&source, table.path(), &spans, order) {
                Ok(windows) => readings.push(windows),
                Err(error) => refused = refused.and(Err(error)),
            }
        }
        if readings.is_empty() {
            refused?;
        }
        let is_whole = !table.is_live() && look_through(table, &mut readings)?;
        let hits = |windows: &Self| windows.has_hit.iter().any(|hit| *hit);
        let at = readings.iter().position(hits).unwrap_or(0);
        let windows = readings.swap_remove(at);
        if is_open {
            let order = windows.order.as_str();
            tracing::warn!(
                "{source}: dates such as '{}' could be of either order, taken as {order}: 2014-12-31 would be clear",
                of_column.example.as_ref().or(of_windows.example.as_ref()).map_or("", |text| text)
            );
        }
        if is_whole {
            windows.judge()?;
        }
        Ok(Self { has_hit: vec![false; windows.spans.len()], reach: None, ..windows })
    }

    fn new(
        source: &str,
        table: &Path,
        spans: &[[Reading; 2]],
        [order, of_column]: [Order; 2],
    ) -> Result<Self, String> {
        let mut instants = Vec::with_capacity(spans.len());
        for (i, [from, to]) in spans.iter().enumerate() {
            match (Bound::of(from, order), Bound::of(to, order)) {
                (Some(from), Some(to)) if from.at <= to.at => instants.push([from, to]),
                (Some(from), Some(to)) => {
                    return Err(format!(
                        "{source}[{i}]: found a window from {} to {}, must end after it begins",
                        from.at, to.at
                    ));
                }
                _ => return Err(format!("{source}[{i}]: must be {ALLOWED_ORDER}")),
            }
        }
        Ok(Self {
            source: source.into(),
            table: table.into(),
            has_hit: vec![false; instants.len()],
            spans: instants,
            order: of_column,
            reach: None,
            is_partial: false,
        })
    }

    /// Whether a row's time lies within a window, its ends included.
    ///
    /// # Errors
    /// What is allowed, if that is no time.
    pub fn contains(&mut self, text: &str) -> Result<bool, &'static str> {
        self.see(&read(text).ok_or(ALLOWED)?).ok_or(ALLOWED_ORDER)
    }

    fn see(&mut self, reading: &Reading) -> Option<bool> {
        let (at, shown) = (reading.at(self.order)?, reading.shown(self.order)?);
        let [first, last] = self.reach.unwrap_or([at, at]);
        self.reach = Some([first.min(at), last.max(at)]);
        let mut is_within = false;
        for ([from, to], has_hit) in self.spans.iter().zip(&mut self.has_hit) {
            let hit = from.at <= from.side([at, shown]) && to.side([at, shown]) <= to.at;
            (is_within, *has_hit) = (is_within | hit, *has_hit | hit);
        }
        Some(is_within)
    }

    /// From now on it can't tell whether a window has held a row: rows were taken before.
    pub fn go_on(&mut self) {
        self.is_partial = true;
    }

    /// Looks at what a pipe has brought, now that it is closed.
    ///
    /// # Errors
    /// No window has held a row.
    pub fn judge_closed(&self) -> Result<(), TableError> {
        if self.is_partial { Ok(()) } else { self.judge().map_err(TableError::Windows) }
    }

    /// Warns of windows without a row, unless all are.
    fn judge(&self) -> Result<(), String> {
        let Some([first, last]) = self.reach else { return Ok(()) };
        let empty = self.spans.iter().zip(&self.has_hit).filter(|(_, hit)| !**hit);
        let empty: Vec<String> = empty.map(|([from, to], _)| format!("{} to {}", from.at, to.at)).collect();
        let (count, all) = (empty.len(), self.spans.len());
        if count == 0 {
            return Ok(());
        }
        let dots = if count > SHOWN { ", ..." } else { "" };
        let (source, shown) = (&self.source, empty[..count.min(SHOWN)].join(", ") + dots);
        let reach = format!("the times of {}, {first} to {last}", self.table.display());
        if count == all {
            return Err(format!(
                "{source}: found no row in any window ({shown}), must be windows within {reach}"
            ));
        }
        tracing::warn!("{source}: {count} of {all} windows hold no row ({shown}): compare {reach}");
        Ok(())
    }
}

/// Shows the column's times to `readings` of the windows. Says whether it came to the table's end: a row that is broken is the
/// run's to tell of.
fn look_through(table: &TableReader, readings: &mut [Windows]) -> Result<bool, String> {
    each_time(table, |reading, _| {
        for windows in &mut *readings {
            windows.see(reading).ok_or(ALLOWED_ORDER)?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::windows_file::key_of;

    /// Windows of a table of one column, both in a folder of their own.
    fn load(times: &[&str], windows: &str) -> Result<Windows, String> {
        let folder = tempfile::tempdir().unwrap();
        let (table, file) = (folder.path().join("t.csv"), folder.path().join("w.json"));
        let rows: String = times.iter().map(|time| format!("\"{time}\",1\n")).collect();
        fs::write(&table, format!("time,value\n{rows}")).unwrap();
        fs::write(&file, windows).unwrap();
        Windows::load(&file, &TableReader::open(&table).unwrap())
    }

    #[test]
    fn the_ends_of_a_window_are_within_it() {
        let text = r#"{"t.csv": [["2014-04-10 07:15:00.000000", "2014-04-11 16:45:00+00:00"]]}"#;
        let mut windows = load(&["2014-04-10 08:00"], text).unwrap();
        for within in ["2014-04-10 07:15:00", "2014-04-11T16:45:00Z", "1397114100", "4/11/2014 4:45 PM"] {
            let order = if within.contains('/') { Order::MonthFirst } else { Order::DayFirst };
            windows.order = order;
            assert_eq!(windows.contains(within), Ok(true), "{within}");
        }
        for beyond in ["2014-04-10 07:14:59", "2014-04-11 16:45:00.5", "2014-04-10T07:14:59+02:00"] {
            assert_eq!(windows.contains(beyond), Ok(false), "{beyond}");
        }
        assert_eq!(windows.contains("soon"), Err(ALLOWED));
    }

    #[test]
    fn no_row_in_any_window_is_an_error_and_no_window_is_none() {
        let error =
            load(&["2014-04-10", "2014-04-12"], r#"{"t.csv": [["2015-01-01", "2015-01-02"]]}"#).unwrap_err();
        assert!(
            error
                .contains("t.csv: found no row in any window (2015-01-01T00:00:00Z to 2015-01-02T00:00:00Z)"),
            "{error}"
        );
        assert!(error.contains("t.csv, 2014-04-10T00:00:00Z to 2014-04-12T00:00:00Z"), "{error}");
        assert!(load(&["2014-04-10"], r#"{"t.csv": []}"#).is_ok());
    }

    #[test]
    fn what_is_no_window_is_refused_with_its_place() {
        for (windows, wanted) in [
            (r#"{"t.csv": [["2014-04-10", "later"]]}"#, "t.csv[0][1]: found 'later', must be a time"),
            (r#"{"t.csv": [["2014-04-10", "2014-04-09"]]}"#, "must end after it begins"),
            (r#"{"t.csv": [["2014-04-10"]]}"#, "must be a list of"),
            (r#"{"t.csv": {}}"#, "must be a list of"),
            (r#"{"t.csv": [], "t.csv": []}"#, "line 1, column 21: found the key 't.csv' again"),
            (r#"{"": [], "u.csv": []}"#, "found no windows for"),
            (r#"[]"#, "must be an object of tables"),
        ] {
            let error = load(&["2014-04-10"], windows).unwrap_err();
            assert!(error.contains(wanted), "{windows}: {error}");
        }
        let windows = r#"{"t.csv": [["2014-04-10", 1397200000]]}"#;
        let error = load(&["2014-04-10", "noon\x1b"], windows).unwrap_err();
        assert!(error.contains("line 3, column 'time': found 'noon\\u{1b}', must be a time"), "{error}");
    }

    #[test]
    fn the_order_of_day_and_month_is_the_columns_else_the_windows_else_what_fits_else_the_day_first() {
        let order = |times: &[&str], windows: &str| {
            load(times, &format!(r#"{{"t.csv": [{windows}]}}"#)).map(|windows| windows.order)
        };
        let iso = r#"["2014-04-02", "2014-04-03"]"#;
        assert_eq!(order(&["4/1/2014", "4/2/2014", "4/13/2014"], iso), Ok(Order::MonthFirst));
        assert_eq!(order(&["1/4/2014", "2/4/2014", "13/4/2014"], iso), Ok(Order::DayFirst));
        assert_eq!(order(&["4/1/2014", "4/2/2014"], iso), Ok(Order::MonthFirst), "only so it holds a row");
        assert_eq!(order(&["4/4/2014", "4/3/2014"], r#"["2014-03-01", "2014-04-04"]"#), Ok(Order::DayFirst));
        let windows = r#"["4/1/2014", "4/13/2014"]"#;
        assert_eq!(
            order(&["4/1/2014", "4/2/2014"], windows),
            Ok(Order::MonthFirst),
            "as the windows have it"
        );
        assert_eq!(order(&["1/4/2014", "13/4/2014"], windows), Ok(Order::DayFirst), "to each its own");
        let error = order(&["13/4/2014", "4/13/2014"], iso).unwrap_err();
        assert!(error.contains("column 'time': found both '4/13/2014' and '13/4/2014'"), "{error}");
    }

    #[test]
    fn a_key_is_the_end_of_the_path_and_the_longest_counts() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("a/b")).unwrap();
        for name in ["a/b/x.csv", "a/b/y.csv.gz"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let find = |keys: &[&str], table: &str| {
            let keys: Vec<String> = keys.iter().map(|key| (*key).to_string()).collect();
            key_of(keys.iter(), &folder.path().join(table)).cloned()
        };
        assert_eq!(find(&["x.csv", "b/x.csv", "c/x.csv"], "a/b/x.csv").as_deref(), Some("b/x.csv"));
        assert_eq!(find(&["a/b/x.csv", "x.csv"], "a/../a/b/./x.csv").as_deref(), Some("a/b/x.csv"));
        assert_eq!(find(&["b/y.csv"], "a/b/y.csv.gz").as_deref(), Some("b/y.csv"));
        assert_eq!(find(&["b/y.csv", "b/y.csv.gz"], "a/b/y.csv.gz").as_deref(), Some("b/y.csv.gz"));
        assert_eq!(find(&["", ".csv", "c/x.csv"], "a/b/x.csv"), None);
        std::os::unix::fs::symlink(folder.path().join("a/b/x.csv"), folder.path().join("latest.csv"))
            .unwrap();
        assert_eq!(find(&["b/x.csv"], "latest.csv").as_deref(), Some("b/x.csv"));
    }
}
