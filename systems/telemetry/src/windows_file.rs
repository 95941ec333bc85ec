//! The file of windows: which of its keys a table's windows are under, and their texts.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use corec_core::config::parse_json;
use serde_json::Value;

/// Bytes a file of windows may have.
const WINDOW_BYTES_MAX: u64 = 64 << 20;

/// The file and key of a table's windows, and the texts of those.
pub(crate) fn find(file: &Path, table: &Path) -> Result<(String, Vec<[String; 2]>), String> {
    let shown = file.display();
    let mut text = String::new();
    let read = File::open(file).and_then(|file| file.take(WINDOW_BYTES_MAX + 1).read_to_string(&mut text));
    read.map_err(|e| format!("{shown}: {e}"))?;
    if text.len() as u64 > WINDOW_BYTES_MAX {
        return Err(format!("{shown}: must be at most {WINDOW_BYTES_MAX} bytes"));
    }
    let root = parse_json(&shown.to_string(), &text).map_err(|e| e.to_string())?;
    let Value::Object(tables) = root else { return Err(format!("{shown}: must be an object of tables")) };
    let Some(key) = key_of(tables.keys(), table) else {
        return Err(format!(
            "{shown}: found no windows for {}: a key must be the end of that path, such as {}",
            table.display(),
            tables.keys().next().map_or("folder/name.csv".into(), |key| key.escape_debug().to_string())
        ));
    };
    let source = format!("{shown}: {}", key.escape_debug());
    // A number since 1970 is a number as well as a text.
    let time = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let spans = tables[key.as_str()].as_array().map(|spans| {
        spans.iter().map(|span| {
            let [from, to] = span.as_array()?.as_slice() else { return None };
            Some([time(from)?, time(to)?])
        })
    });
    let texts = spans.and_then(|spans| spans.collect::<Option<Vec<_>>>());
    let texts = texts.ok_or_else(|| format!("{source}: must be a list of [\"from\", \"to\"]"))?;
    Ok((source, texts))
}

/// The longest key that is an end of the table's path: as it was given, or with its links and working folder resolved. A
/// packed table may have the name of the plain one.
pub(crate) fn key_of<'a>(keys: impl Iterator<Item = &'a String>, table: &Path) -> Option<&'a String> {
    let mut paths = vec![table.to_path_buf()];
    paths.extend(table.canonicalize());
    for at in 0..paths.len() {
        if paths[at].extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gz")) {
            paths.push(paths[at].with_extension(""));
        }
    }
    let fits = |key: &&String| !key.is_empty() && paths.iter().any(|path| path.ends_with(key.as_str()));
    keys.filter(fits).max_by_key(|key| Path::new(key.as_str()).components().count())
}
