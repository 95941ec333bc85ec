//! Permissions: what a run asks of a server, and whether its user may.

use redis::Value;

use super::command::push;
use super::link::{Link, LinkError};
use super::reply::text;
use super::url::RedisUrl;

/// What the user of a bus must be allowed to do, and no more, in the words of `ACL SETUSER`; docs/wire-format.md has the same.
pub const USER_RULES: &str = "resetchannels ~* -@all +xadd +xread +xinfo|stream +xtrim +hget +hmget +hset +hincrby +hvals +expire \
     +watch +multi +exec +info +select +ping +client|setname +acl|whoami +acl|dryrun";

/// A command as a run gives it, and a pattern for its key, if it has one.
type Use = (Vec<String>, Option<String>);

/// What a run with these streams asks of a server.
fn uses(read: Option<&str>, written: &[&str]) -> Vec<Use> {
    let mut all: Vec<Use> = Vec::new();
    let mut add = |command: &str, key: Option<(&str, &str)>, rest: &str| {
        let words = command.split(' ').map(String::from);
        let key_word = key.map(|(key, _)| key.to_string());
        let words = words.chain(key_word).chain(rest.split_whitespace().map(String::from)).collect();
        all.push((words, key.map(|(_, pattern)| pattern.to_string())));
    };
    let sent = Some(("corec:sent:doctor", "corec:sent:*"));
    for command in
        [("HGET", "a"), ("HMGET", "a"), ("HSET", "a b"), ("HINCRBY", "a 1"), ("EXPIRE", "1"), ("WATCH", "")]
    {
        add(command.0, sent, command.1);
    }
    for stream in written {
        add("XADD", Some((stream, stream)), "* data x");
        add("XTRIM", Some((stream, stream)), "MINID ~ 0");
    }
    add("HVALS", Some(("corec:read:doctor", "corec:read:*")), "");
    if let Some(stream) = read {
        add("XREAD COUNT 1 BLOCK 1 STREAMS", Some((stream, stream)), "0");
        add("XINFO STREAM", Some((stream, stream)), "");
        add("HSET", Some(("corec:read:doctor", "corec:read:*")), "a b");
        add("HGET", Some(("corec:read:doctor", "corec:read:*")), "a");
    }
    for command in ["MULTI", "EXEC", "INFO memory", "SELECT 0", "PING", "CLIENT SETNAME doctor"] {
        add(command, None, "");
    }
    all
}

/// What the user of a URL may not do of all that a run asks: rules that `ACL SETUSER` takes, and nothing if it may all.
///
/// # Errors
/// See [`LinkError`].
pub(super) fn missing(
    link: &mut Link,
    url: &RedisUrl,
    client: &redis::Client,
    user: Option<&str>,
    streams: (Option<&str>, &[&str]),
) -> Result<Vec<String>, LinkError> {
    let uses = uses(streams.0, streams.1);
    let denials = match user {
        Some(user) => dry_run(link, user, &uses)?,
        None => None,
    };
    let denials = match denials {
        Some(denials) => denials,
        None => try_out(&mut Link::open(client, "corec-doctor")?, url, &uses)?,
    };
    let mut rules: Vec<String> = Vec::new();
    for ((words, key), denial) in uses.iter().zip(denials) {
        let Some(denial) = denial else { continue };
        let rule = match key {
            Some(key) if denial.contains("access") => format!("~{key}"),
            _ => format!("+{}", command_of(words)),
        };
        if !rules.contains(&rule) {
            rules.push(rule);
        }
    }
    Ok(rules)
}

/// The name of a command as rules have it: `client|setname`.
fn command_of(words: &[String]) -> String {
    let name = words[0].to_lowercase();
    match &*name {
        "client" | "xinfo" => format!("{name}|{}", words[1].to_lowercase()),
        _ => name,
    }
}

/// Asks the server what the user may; none if it does not tell.
fn dry_run(link: &mut Link, user: &str, uses: &[Use]) -> Result<Option<Vec<Option<String>>>, LinkError> {
    let mut request = Vec::new();
    for (words, _) in uses {
        let words: Vec<&[u8]> = words.iter().map(String::as_bytes).collect();
        push(&mut request, &[&[&b"ACL"[..], b"DRYRUN", user.as_bytes()][..], &words].concat());
    }
    let answers = link.ask(&request, uses.len())?;
    if answers.iter().any(|answer| matches!(answer, Value::ServerError(_))) {
        return Ok(None);
    }
    let denied = |answer: &Value| text(answer).filter(|text| *text != "OK").map(String::from);
    Ok(Some(answers.iter().map(denied).collect()))
}

/// Tries what a run asks, on a connection of its own, so that nothing is changed: all goes into a transaction that can't come to pass.
fn try_out(link: &mut Link, url: &RedisUrl, uses: &[Use]) -> Result<Vec<Option<String>>, LinkError> {
    let mut ask = |words: &[&[u8]]| -> Result<Option<String>, LinkError> {
        let answer = link.ask_one(words)?;
        Ok(match &answer {
            Value::ServerError(error) => {
                let said = format!("{} {}", error.code(), error.details().unwrap_or_default());
                Some(said).filter(|said| said.contains("NOPERM"))
            }
            _ => None,
        })
    };
    // Without it what follows would be done.
    let no_multi = ask(&[b"MULTI"])?;
    // A command without its words: from here on the transaction can only fail.
    ask(&[b"EXPIRE"])?;
    let mut denials = Vec::new();
    for (words, _) in uses {
        let words: Vec<&[u8]> = words.iter().map(String::as_bytes).collect();
        denials.push(match words[0] {
            b"MULTI" => no_multi.clone(),
            _ if no_multi.is_some() => {
                tracing::debug!("bus {}: {:?} was not tried: no MULTI", url.shown, words[0]);
                None
            }
            _ => ask(&words)?,
        });
    }
    Ok(denials)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// But for what tells of rights themselves.
    #[test]
    fn the_rules_are_what_a_run_asks() {
        let mut asked: Vec<String> =
            uses(Some("in"), &["out"]).iter().map(|(words, _)| format!("+{}", command_of(words))).collect();
        asked.sort();
        asked.dedup();
        let mut rules: Vec<&str> = USER_RULES
            .split_whitespace()
            .filter(|rule| rule.starts_with('+') && !rule.contains("acl"))
            .collect();
        rules.sort_unstable();
        assert_eq!(asked, rules);
    }
}
