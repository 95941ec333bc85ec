//! JSON: an event as one object on a line.
//!
//! `tick`, `plugin` and `block` (its id) are of the event itself, else of where its thread is; they are absent where there is none.

use std::fmt;

use corec_core::place;
use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// The form.
pub(super) struct Line;

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = head(event.metadata().level().as_str(), event.metadata().target());
        let here = place::here();
        let block = here.block.map(|block| block.0);
        line.extend(here.tick.map(|tick| ("tick".into(), tick.into())));
        line.extend(here.plugin.map(|plugin| ("plugin".into(), plugin.into())));
        line.extend(block.map(|block| ("block".into(), block.into())));
        event.record(&mut Fields(&mut line));
        writeln!(writer, "{}", Value::Object(line))
    }
}

/// The line of what is no event.
pub(super) fn line(is_error: bool, text: &str) -> String {
    let mut line = head(if is_error { "ERROR" } else { "INFO" }, "corec");
    line.insert("message".into(), text.into());
    Value::Object(line).to_string()
}

fn head(level: &str, target: &str) -> Map<String, Value> {
    let mut time = String::new();
    // A clock before 1970 leaves it empty.
    _ = SystemTime.format_time(&mut Writer::new(&mut time));
    [("time", json!(time)), ("level", json!(level)), ("target", json!(target))]
        .map(|(key, value)| (key.to_string(), value))
        .into_iter()
        .collect()
}

/// Puts fields into an object. A field of the name of one that is there takes its place.
struct Fields<'a>(&'a mut Map<String, Value>);

impl Fields<'_> {
    fn put(&mut self, field: &Field, value: Value) {
        self.0.insert(field.name().into(), value);
    }
}

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }
}
