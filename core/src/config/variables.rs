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
/// assert_eq!(redact_url("sqlite:///a:b@c/store.db"), "sqlite:///a:b@c/store.db");
/// ```
pub fn redact_url(url: &str) -> String {
    // A path, in which `:` and `@` are letters like others; it has no password.
    if url.starts_with("sqlite://") {
        return url.into();
    }
    // Settings as other programs take them: `host=db password=s3cret`.
    if let Some((word, _)) = url.split_once('=').filter(|(word, _)| !word.contains(":/")) {
        return format!("{word}=***");
    }
    // Generous on purpose: a password may hold any of `/`, `@`, `?` unencoded, and the scheme may be mistyped.
    let (userinfo, rest) = url.rsplit_once('@').map_or(("", url), |(before, after)| (before, after));
    let start = userinfo.find(":/").map_or(0, |colon| colon + 1);
    let start = start + userinfo[start..].bytes().take_while(|b| *b == b'/').count();
    let shown = match userinfo[start..].find(':') {
        // Where it is to be had from says nothing of what it is.
        Some(colon) if is_variable(&userinfo[start + colon + 1..]) => format!("{userinfo}@"),
        Some(colon) => format!("{}:***@", &userinfo[..start + colon]),
        None if userinfo.is_empty() && !url.contains('@') => String::new(),
        // Other programs take a word alone for the password, which may have a `?` in it.
        None if url.starts_with("redis") || userinfo.contains('?') => format!("{}***@", &userinfo[..start]),
        None => format!("{userinfo}@"),
    };
    let Some((address, query)) = rest.split_once('?') else { return shown + rest };
    // What follows a password may be the rest of it, with an `&` in it.
    let mut shown_query = Vec::new();
    for parameter in query.split('&') {
        match parameter.split_once('=') {
            Some((key, _)) if is_secret(key) => {
                shown_query.push(format!("{key}=***"));
                break;
            }
            _ => shown_query.push(parameter.to_string()),
        }
    }
    format!("{shown}{address}?{}", shown_query.join("&"))
}

/// A URL whose password may have any letters but `%`: those that would end it are encoded, as a variable or a person need not do.
///
/// # Errors
/// A `?` between two `@`: whether it begins the parameters is not to be told. A text without the URL.
///
/// ```
/// use corec_core::config::with_encoded_password;
/// assert_eq!(with_encoded_password("redis://ana:a/b@c:d@db:6379")?, "redis://ana:a%2Fb%40c%3Ad@db:6379");
/// assert_eq!(with_encoded_password("redis://ana:a?b@db?ca=ca.pem")?, "redis://ana:a%3Fb@db?ca=ca.pem");
/// assert!(with_encoded_password("redis://ana:pw@db?ca=/home/x@y/ca.pem").is_err());
/// # Ok::<(), String>(())
/// ```
pub fn with_encoded_password(url: &str) -> Result<String, String> {
    let parts = url.split_once("://").and_then(|(scheme, rest)| {
        let (first, last) = (rest.find('@')?, rest.rfind('@')?);
        let name_end = rest[..first].find(':')?;
        Some((scheme, &rest[..name_end], &rest[name_end + 1..last], &rest[last..], &rest[first..last]))
    });
    let Some((scheme, name, password, address, between)) = parts else { return Ok(url.into()) };
    if between.contains('?') {
        return Err(
            "found ? between two @, must be %3F in a password, or %40 for an @ in the parameters".into()
        );
    }
    let mut encoded = String::new();
    for letter in password.chars() {
        match letter {
            '/' | '?' | '#' | '@' | ':' | '[' | ']' | ' ' => {
                encoded += &format!("%{:02X}", u32::from(letter))
            }
            other => encoded.push(other),
        }
    }
    Ok(format!("{scheme}://{name}:{encoded}{address}"))
}

/// Whether a text is `${NAME}` and nothing else.
fn is_variable(text: &str) -> bool {
    let name = text.strip_prefix("${").and_then(|text| text.strip_suffix('}'));
    name.is_some_and(|name| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'))
}

/// A configuration without its passwords: values of keys such as `password`, and what URLs carry. What stands as `${VAR}`
/// stays.
pub fn redacted(value: &Value) -> Value {
    match value {
        Value::Object(entries) => {
            let redact = |(key, value): (&String, &Value)| match value {
                Value::String(text) if is_secret(key) && !text.contains("${") => (key.clone(), "***".into()),
                Value::Number(_) if is_secret(key) => (key.clone(), "***".into()),
                other => (key.clone(), redacted(other)),
            };
            Value::Object(entries.iter().map(redact).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(redacted).collect()),
        Value::String(text) if text.contains("://") => redact_url(text).into(),
        other => other.clone(),
    }
}

/// Keys whose values are never shown.
pub(super) fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    key.contains("password")
        || key == "key"
        || key.ends_with("_key")
        || key.ends_with("token")
        || key.contains("secret")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::redact_url;

    proptest! {
        #[test]
        fn a_path_of_sqlite_is_left_as_it_is(path in "[a-z:@/?&=.%*]{0,40}") {
            let url = format!("sqlite://{path}");
            prop_assert_eq!(redact_url(&url), url);
        }

        #[test]
        fn the_password_of_any_other_scheme_is_not_shown(
            scheme in "(redis|rediss|postgres|postgre|sqlit|sqlite3|SQLITE|xsqlite)",
            slashes in "/{1,3}",
            password in "[0-9/@?]{6,12}",
            rest in "[a-z/]{0,10}",
        ) {
            let shown = redact_url(&format!("{scheme}:{slashes}ana:{password}@{rest}"));
            prop_assert_eq!(shown, format!("{scheme}:{slashes}ana:***@{rest}"));
        }
    }

    #[test]
    fn where_a_password_is_had_from_is_shown() {
        let url = "redis://ana:${REDIS_PASSWORD}@host:6379";
        assert_eq!(redact_url(url), url);
        for told in ["${}", "${A:-s3cret}", "x${A}", "${A}x"] {
            assert_eq!(redact_url(&format!("redis://ana:{told}@h")), "redis://ana:***@h");
        }
    }

    #[test]
    fn what_may_be_a_password_is_not_shown_whatever_its_form() {
        for (url, shown) in [
            ("host=db password=s3cret user=ana", "host=***"),
            ("password='s3 cret'", "password=***"),
            ("redis://s3cret@db:6379", "redis://***@db:6379"),
            ("redis://ana:a@b/c:d?s3cret#f%g@db", "redis://ana:***@db"),
            ("redis://ana:a@b?s3cret@db:6379", "redis://ana:***@db:6379"),
            ("postgres://db/runs?user=ana&password=a&s3cret", "postgres://db/runs?user=ana&password=***"),
            ("postgres://ana@db/runs", "postgres://ana@db/runs"),
        ] {
            assert_eq!(redact_url(url), shown);
        }
    }

    #[test]
    fn memory_and_sqlite_are_shown_whole() {
        for url in
            ["memory", "sqlite://store.db", "sqlite:///a:b@c/s.db", "sqlite://a:b@c.db?key=1", "sqlite://"]
        {
            assert_eq!(redact_url(url), url);
        }
        assert_eq!(
            redact_url("sqlite:/ana:pw@h/s.db"),
            "sqlite:/ana:***@h/s.db",
            "mistyped, so it may be anything"
        );
    }
}
