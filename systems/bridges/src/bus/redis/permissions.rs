//! Permissions: what is asked of a server, and whether its user may.

use std::collections::BTreeSet;

use redis::{Client, Value};

use super::command::push;
use super::link::{CONNECT, Link, LinkError};
use super::reply::text;
use super::url::RedisUrl;

/// What the user of a bus must be allowed to do, and no more, in the words of `ACL SETUSER`; docs/wire-format.md has the same.
pub const USER_RULES: &str = "resetchannels ~* -@all +xadd +xread +xinfo|stream +xtrim +hget +hmget +hset +hincrby +hvals +expire \
     +watch +multi +exec +info +select +ping +client|setname +acl|whoami +acl|dryrun";

/// A command as it is asked.
pub(super) struct Use {
    /// Its words: they pass the server's look at rights, and have no effect if they are done.
    words: Vec<String>,
    /// Its key, if it has one, and a pattern for it.
    key: Option<(String, String)>,
    need: Need,
}

/// What becomes of one who may not.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    /// It does without.
    None,
    /// It needs the command; this key it may never come to use.
    Command,
    All,
}

/// Commands that tell whether a key is allowed to one who may give one of them.
const PROBES: [(&str, &str); 6] =
    [("HGET", "a"), ("HMGET", "a"), ("XINFO STREAM", ""), ("TYPE", ""), ("EXISTS", ""), ("GET", "")];

/// The uses of one who asks.
#[derive(Default)]
pub(super) struct Uses(Vec<Use>);

impl Uses {
    /// Of a run that reads and writes these streams, and perhaps others.
    pub fn of_run(read: Option<&str>, written: &[&str]) -> Self {
        let mut uses = Self::default();
        let sent = Some(("corec:sent:doctor", "corec:sent:*"));
        for (command, rest) in [
            ("HGET", "a"),
            ("HMGET", "a"),
            ("HSET", "a b c"),
            ("HINCRBY", "a x"),
            ("EXPIRE", "x"),
            ("WATCH", ""),
        ] {
            uses.add(command, sent, rest, Need::All);
        }
        // Whatever else it writes is added so.
        uses.add("XADD", sent, "no-id data x", Need::Command);
        for stream in written {
            uses.add("XADD", Some((stream, stream)), "no-id data x", Need::All);
            uses.add("XTRIM", Some((stream, stream)), "MINID no-id", Need::None);
        }
        let left = Some(("corec:read:doctor", "corec:read:*"));
        uses.add("HVALS", left, "", Need::None);
        if let Some(stream) = read {
            uses.0.extend(Self::of_reader(stream).0);
            uses.add("HSET", left, "a b c", Need::None);
            uses.add("HGET", left, "a", Need::None);
        }
        for command in ["INFO memory", "SELECT 0", "PING", "CLIENT SETNAME corec-doctor"] {
            uses.add(command, None, "", Need::None);
        }
        // Last of all: what comes behind it would be queued.
        uses.add("EXEC", None, "", Need::All);
        uses.add("MULTI", None, "", Need::All);
        uses
    }

    /// Of one who reads a stream.
    pub fn of_reader(stream: &str) -> Self {
        let mut uses = Self::default();
        uses.add("XREAD COUNT 1 STREAMS", Some((stream, stream)), "0", Need::All);
        uses.add("XINFO STREAM", Some((stream, stream)), "", Need::All);
        uses
    }

    /// Of one who writes a table's rows on a stream.
    pub fn of_feed(stream: &str) -> Self {
        let mut uses = Self::of_reader(stream);
        uses.add("XADD", Some((stream, stream)), "no-id data x", Need::All);
        uses
    }

    fn add(&mut self, command: &str, key: Option<(&str, &str)>, rest: &str, need: Need) {
        let words = command.split(' ').map(String::from);
        let key_word = key.map(|(key, _)| key.to_string());
        let words = words.chain(key_word).chain(rest.split_whitespace().map(String::from)).collect();
        self.0.push(Use { words, key: key.map(|(key, pattern)| (key.into(), pattern.into())), need });
    }

    /// Refuses a user who may not what is needed.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub fn check(mut self, link: &mut Link, url: &RedisUrl, client: &Client) -> Result<(), LinkError> {
        self.0.retain(|of| of.need != Need::None);
        let denials = self.denials(link, url, client)?;
        let is_refused = |(of, denial): (&Use, &Option<String>)| {
            denial.as_ref().is_some_and(|denial| of.need == Need::All || !is_of_key(denial))
        };
        if !self.0.iter().zip(&denials).any(is_refused) {
            return Ok(());
        }
        let (user, rules) = (url.user(), self.rules(&denials, link, url, client)?.join(" "));
        Err(LinkError::Denied(format!("its user may not all that is asked: ACL SETUSER {user} {rules}")))
    }

    /// What the user may not: rules that `ACL SETUSER` takes, and nothing if it may all.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub fn missing(
        &self,
        link: &mut Link,
        url: &RedisUrl,
        client: &Client,
    ) -> Result<Vec<String>, LinkError> {
        let denials = self.denials(link, url, client)?;
        self.rules(&denials, link, url, client)
    }

    /// What the server says against each; none where it lets it pass.
    fn denials(
        &self,
        link: &mut Link,
        url: &RedisUrl,
        client: &Client,
    ) -> Result<Vec<Option<String>>, LinkError> {
        match self.dry_run(link, url.user())? {
            Some(denials) => Ok(denials),
            None => self.try_out(&mut Link::open(client, "corec-doctor", CONNECT)?),
        }
    }

    /// Rules that allow what was denied. The server looks at the command first: whether the key was allowed as well another command on
    /// it has to tell. Where the user may give none, all keys are allowed: a key behind `~*` would be refused.
    fn rules(
        &self,
        denials: &[Option<String>],
        link: &mut Link,
        url: &RedisUrl,
        client: &Client,
    ) -> Result<Vec<String>, LinkError> {
        let mut rules = Vec::new();
        for (of, denial) in self.0.iter().zip(denials) {
            let Some(denial) = denial else { continue };
            if !is_of_key(denial) {
                rules.push(format!("+{}", command_of(&of.words)));
            }
            let Some((key, pattern)) = &of.key else { continue };
            let on_key = self.0.iter().zip(denials).filter(|(other, _)| other.key == of.key);
            let mut told: Vec<Option<String>> = on_key.map(|(_, denial)| denial.clone()).collect();
            if !told.iter().any(is_told) {
                let mut probes = Self::default();
                for (command, rest) in PROBES {
                    probes.add(command, Some((key, pattern)), rest, Need::None);
                }
                told = probes.denials(link, url, client)?;
            }
            if told.iter().flatten().any(|denial| is_of_key(denial)) {
                rules.push(format!("~{pattern}"));
            } else if !told.iter().any(is_told) {
                rules.push("~*".into());
            }
        }
        let has_all = rules.iter().any(|rule| rule == "~*");
        rules.retain(|rule| !has_all || !rule.starts_with('~'));
        rules.splice(0..0, has_all.then(|| "~*".into()));
        let mut seen = BTreeSet::new();
        rules.retain(|rule| seen.insert(rule.clone()));
        Ok(rules)
    }

    /// Asks the server what the user may; none if it does not tell.
    fn dry_run(&self, link: &mut Link, user: &str) -> Result<Option<Vec<Option<String>>>, LinkError> {
        let mut request = Vec::new();
        for Use { words, .. } in &self.0 {
            let words: Vec<&[u8]> = words.iter().map(String::as_bytes).collect();
            push(&mut request, &[&[&b"ACL"[..], b"DRYRUN", user.as_bytes()][..], &words].concat());
        }
        let answers = link.ask(&request, self.0.len())?;
        if answers.iter().any(|answer| matches!(answer, Value::ServerError(_))) {
            return Ok(None);
        }
        let denied = |answer: &Value| text(answer).filter(|text| *text != "OK").map(String::from);
        Ok(Some(answers.iter().map(denied).collect()))
    }

    /// Tries each on a connection of its own.
    fn try_out(&self, link: &mut Link) -> Result<Vec<Option<String>>, LinkError> {
        let mut denials = Vec::new();
        for Use { words, .. } in &self.0 {
            let words: Vec<&[u8]> = words.iter().map(String::as_bytes).collect();
            denials.push(match link.ask_one(&words)? {
                // EXEC says it in an EXECABORT.
                Value::ServerError(error) => {
                    Some(format!("{} {}", error.code(), error.details().unwrap_or_default()))
                }
                _ => None,
            });
        }
        let is_denied = |said: &String| said.contains("NOPERM");
        Ok(denials.into_iter().map(|said: Option<String>| said.filter(is_denied)).collect())
    }
}

/// Whether an answer tells of the key: the command is allowed.
fn is_told(denial: &Option<String>) -> bool {
    denial.as_ref().is_none_or(|denial| is_of_key(denial))
}

/// Whether what the server says is of a key.
fn is_of_key(denial: &str) -> bool {
    denial.contains("access")
}

/// The name of a command as rules have it: `client|setname`.
fn command_of(words: &[String]) -> String {
    let name = words[0].to_lowercase();
    match &*name {
        "client" | "xinfo" => format!("{name}|{}", words[1].to_lowercase()),
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// But for what tells of rights themselves.
    #[test]
    fn the_rules_are_what_a_run_asks() {
        let uses = Uses::of_run(Some("in"), &["out"]).0;
        let mut asked: Vec<String> = uses.iter().map(|of| format!("+{}", command_of(&of.words))).collect();
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
