//! Any bytes as the entries of a stream, one a line: each that is a row is a line of a table, which is read to the end.
#![no_main]

use std::path::Path;

use corec_core::stop::Stop;
use corec_telemetry::json_rows::JsonRows;
use corec_telemetry::live::{LINES, Lines};
use corec_telemetry::table::TableReader;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut entries = bytes.split(|byte| *byte == b'\n').filter(|entry| !entry.is_empty()).take(LINES - 1);
    let Some((first, rows)) = entries.find_map(|entry| Some((entry, JsonRows::of(entry, &[]).ok()?))) else {
        return;
    };
    let (to, lines) = crossbeam::channel::bounded(LINES);
    let bring = |line: Vec<u8>| {
        assert_eq!(line.iter().position(|byte| *byte == b'\n'), Some(line.len() - 1));
        to.send(Ok(line)).expect("there is room for all of them");
    };
    bring(rows.header());
    let mut count = 0;
    for (number, entry) in (1..).zip(std::iter::once(first).chain(entries)) {
        if let Ok(line) = rows.row(number, entry) {
            bring(line);
            count += 1;
        }
    }
    drop(to);
    let lines = Lines::of(lines, Stop::default());
    let table = TableReader::open_lines(Path::new("rows"), lines, None);
    let mut table = table.expect("a first row that is taken begins a table");
    let mut values = vec![0.0; table.width()];
    let mut read = 0;
    loop {
        match table.next_row(&mut values) {
            Ok(None) => break,
            Err(error) => assert!(table.passes_over(&error), "{error}"),
            Ok(Some(_)) => {}
        }
        read += 1;
    }
    assert_eq!(read, count, "lines that were read");
});
