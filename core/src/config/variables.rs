//! `${VAR}` and `${VAR:-default}` in string values, and keeping secrets out of what is printed.

use serde_json::Value;

use super::ConfigError;

/// Expands variables in every string value of `value`, in place. `path` is the JSON path so far.
///
/// # Errors
/// A variable that is not set and has no default, or a `${` without its `}`: with file, key and variable.
pub fn expand(
    source: &str,
    path: &str,
    value: &mut Value,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Result<(), ConfigError> {
    match value {
        Value::String(text) if text.contains("${") => *text = expand_text(source, path, text, lookup)?,
        Value::Array(items) => {
            for (i, item) in items.iter_mut().enumerate() {
                expand(source, &format!("{path}[{i}]"), item, lookup)?;
            }
        }
        Value::Object(object) => {
            for (key, item) in object.iter_mut() {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                expand(source, &path, item, lookup)?;
            }
        }
        _ => {}
    }
    Ok(())
}

fn expand_text(
    source: &str,
    path: &str,
    text: &str,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Result<String, ConfigError> {
    let fail = |found: String, allowed: &str| ConfigError::Value {
        source_name: source.into(),
        path: path.into(),
        found,
        allowed: allowed.into(),
    };
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find("${") {
        out.push_str(&rest[..at]);
        let inner = &rest[at + 2..];
        let end =
            inner.find('}').ok_or_else(|| fail("'${' without '}'".into(), "${VAR} or ${VAR:-default}"))?;
        let (name, default) = match inner[..end].split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (&inner[..end], None),
        };
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(fail(
                format!("'${{{}}}'", name.escape_debug()),
                "a variable's name of letters, digits and '_'",
            ));
        }
        // As in a shell, ":-" also stands in for an empty variable.
        match (lookup(name), default) {
            (Some(value), Some(default)) if value.is_empty() => out.push_str(default),
            (Some(value), _) => out.push_str(&value),
            (None, Some(default)) => out.push_str(default),
            (None, None) => {
                return Err(fail(
                    format!("${{{name}}}, which is not set"),
                    "a variable that is set, or ${VAR:-default}",
                ));
            }
        }
        rest = &inner[end + 1..];
    }
    out.push_str(rest);
    Ok(out)
}

/// A URL without its password: what may be printed, logged and written to files.
///
/// ```
/// use corec_core::config::redact_url;
/// assert_eq!(redact_url("redis://ana:s3cret@db:6379"), "redis://ana:***@db:6379");
/// assert_eq!(redact_url("sqlite://store.db"), "sqlite://store.db");
/// ```
pub fn redact_url(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_string() };
    let (authority, tail) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    match authority.rsplit_once('@') {
        Some((userinfo, host)) => match userinfo.split_once(':') {
            Some((user, _)) => format!("{scheme}://{user}:***@{host}{tail}"),
            None => url.to_string(),
        },
        None => url.to_string(),
    }
}
