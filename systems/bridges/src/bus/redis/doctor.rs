//! Doctor: whether a run can stand on a server, before there is one.
//!
//! Reads, and leaves nothing: what a user may do is asked of the server, or tried where it can have no effect.

use std::time::Instant;

use corec_core::units::counted;
use redis::{ConnectionAddr, Value};

use super::link::{CONNECT, Link, LinkError};
use super::permissions::Uses;
use super::reply::{stream_info, text};
use super::url::RedisUrl;
use crate::finding::{Finding, Findings, is_loopback};
use crate::wait::our_clock;

/// The share of `maxmemory` that may be used before a run.
const MEMORY_SHARE_MAX: f64 = 0.8;

/// Looks at a server. `read` is the stream that a run reads, `written` are those that it may write.
pub fn examine(url: &RedisUrl, read: Option<&str>, written: &[&str]) -> Vec<Finding> {
    let mut findings = Findings::of("redis");
    let client = match url.client() {
        Ok(client) => client,
        Err(error) => {
            findings.fix("url", error);
            return findings.finish();
        }
    };
    encryption(url, &mut findings);
    #[expect(clippy::disallowed_methods, reason = "how long a server takes; no result depends on it")]
    let start = Instant::now();
    let mut link = match Link::open(&client, "corec-doctor", CONNECT).and_then(|mut link| {
        link.ask_one(&[b"PING"])?;
        Ok(link)
    }) {
        Ok(link) => link,
        Err(error) => {
            findings.fix("reachable", format!("{}: {}", url.shown, error.text()));
            return findings.finish();
        }
    };
    let milliseconds = start.elapsed().as_secs_f64() * 1e3;
    findings.ok("reachable", format!("{} in {milliseconds:.1} ms", url.shown));
    let looked = facts(&mut link, url, &mut findings)
        .and_then(|()| Uses::of_run(read, written).missing(&mut link, url, &client))
        .map(|missing| permissions(url.user(), &missing, &mut findings))
        .and_then(|()| read.map_or(Ok(()), |stream| input(&mut link, stream, &mut findings)));
    if let Err(error) = looked {
        findings.fix("answers", error.text());
    }
    findings.finish()
}

fn encryption(url: &RedisUrl, findings: &mut Findings) {
    let (address, has_password) = url.address();
    match address {
        ConnectionAddr::TcpTls { .. } => {
            findings.ok("tls", "spoken, and the server's certificate and name are checked")
        }
        ConnectionAddr::Tcp(host, _) if is_loopback(host) => {
            findings.ok("tls", "not spoken, and nothing leaves the machine");
        }
        ConnectionAddr::Tcp(..) if has_password => {
            findings.fix(
                "tls",
                "found redis:// to another machine, must be rediss://: the password goes readable",
            );
        }
        ConnectionAddr::Tcp(..) => {
            findings.ok("tls", "not spoken: entries go readable to another machine; rediss:// hides them");
        }
        _ => findings.ok("tls", "not needed on a socket of the machine's"),
    }
}

/// What the server says of itself.
fn facts(link: &mut Link, url: &RedisUrl, findings: &mut Findings) -> Result<(), LinkError> {
    let asked = our_clock();
    let answer = link.ask_one(&[b"INFO"])?;
    let answered = our_clock();
    // Who may not ask is told so with the other permissions.
    let Some(info) = text(&answer) else { return Ok(()) };
    let fact = |name: &str| {
        info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim_end)
    };
    let number = |name: &str| fact(name).and_then(|text| text.parse::<u64>().ok());
    version(fact("redis_version").unwrap_or("?"), findings);
    if let Some(microseconds) = number("server_time_usec") {
        findings.clock(microseconds as f64 / 1e6, asked, answered);
    }
    match fact("role") {
        Some("master") | None => findings.ok("role", "master"),
        Some(role) => {
            findings.fix("role", format!("found {role}, must be the master: a replica takes no entries"))
        }
    }
    memory(
        fact("maxmemory_policy").unwrap_or("noeviction"),
        number("maxmemory"),
        number("used_memory"),
        url,
        findings,
    );
    if fact("aof_enabled") == Some("0") {
        findings.fix(
            "aof",
            "found it off, must be on, or a restart loses streams: redis-cli CONFIG SET appendonly yes, and in redis.conf",
        );
    } else {
        let fsync = link.ask_one(&[b"CONFIG", b"GET", b"appendfsync"])?;
        let fsync = if let Value::Array(pair) = &fsync { pair.get(1).and_then(text) } else { None };
        match fsync {
            Some("no") => findings.fix("aof", "found appendfsync no, must be everysec or always"),
            Some("everysec") => {
                findings.ok("aof", "on, everysec: a crash may lose a second, which a run counts as lost")
            }
            Some(other) => findings.ok("aof", format!("on, {other}")),
            None => {
                findings.ok("aof", "on; how often it is written is not for this user to know (CONFIG GET)")
            }
        }
    }
    if fact("aof_last_write_status").is_some_and(|status| status != "ok") {
        findings.fix("aof", "found that its last write failed, must have room on the server's disk");
    }
    Ok(())
}

fn version(version: &str, findings: &mut Findings) {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let found = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    if found >= (7, 0) {
        findings.ok("version", version);
    } else if found >= (6, 2) {
        findings.fix("version", format!("found {version}, must be 7.0 or later: streams do not count what was added before, so losses can't be told"));
    } else {
        findings.fix(
            "version",
            format!("found {version}, must be 7.0 or later: streams can't be trimmed by id (XTRIM MINID)"),
        );
    }
}

fn memory(policy: &str, limit: Option<u64>, used: Option<u64>, url: &RedisUrl, findings: &mut Findings) {
    if policy == "noeviction" {
        findings.ok("maxmemory-policy", policy);
    } else if url.accepts_eviction {
        findings.ok("maxmemory-policy", format!("{policy}, accepted by the URL: streams may go in silence"));
    } else {
        let todo = "it lets go of streams in silence: redis-cli CONFIG SET maxmemory-policy noeviction";
        findings.fix("maxmemory-policy", format!("found {policy}, must be noeviction: {todo}"));
    }
    let (limit, used) = (limit.unwrap_or(0), used.unwrap_or(0));
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    let used_text = format!("{:.1} MB", megabytes(used));
    if limit == 0 {
        findings.ok("memory", format!("{used_text} used, without a limit"));
        return;
    }
    let is_ok = used as f64 <= limit as f64 * MEMORY_SHARE_MAX;
    let todo =
        if is_ok { "" } else { ", must have a fifth free: raise maxmemory, or delete what nobody reads" };
    findings.note("memory", is_ok, format!("{used_text} used of {:.1} MB{todo}", megabytes(limit)));
}

fn permissions(user: &str, missing: &[String], findings: &mut Findings) {
    if missing.is_empty() {
        findings.ok("permissions", format!("'{user}' may all that a run asks"));
    } else {
        let rules = missing.join(" ");
        let text = format!("'{user}' may not all that a run asks: ACL SETUSER {user} {rules}");
        findings.fix("permissions", text);
    }
}

/// The stream that a run reads, and how far its readers are behind.
fn input(link: &mut Link, stream: &str, findings: &mut Findings) -> Result<(), LinkError> {
    let answer = link.ask_one(&[b"XINFO", b"STREAM", stream.as_bytes()])?;
    let info = match stream_info(answer) {
        Ok(info) => info,
        // Told with the other permissions.
        Err(LinkError::Denied(_)) => return Ok(()),
        Err(error) => {
            findings.fix("input", format!("stream '{stream}': {}", error.text()));
            return Ok(());
        }
    };
    let Some(info) = info else {
        findings.ok("input", format!("stream '{stream}' is not there yet: its first entry makes it"));
        return Ok(());
    };
    let readers = link.ask_one(&[b"HVALS", format!("corec:read:{stream}").as_bytes()])?;
    let position = |reader: &Value| text(reader)?.split(' ').nth(1)?.parse::<u64>().ok();
    let readers = if let Value::Array(readers) = readers { readers } else { Vec::new() };
    let slowest = readers.iter().filter_map(position).min();
    let behind = slowest.map(|slowest| {
        let runs = counted(readers.len() as u64, "run");
        format!(", the slowest of {runs} is {} behind", info.added.saturating_sub(slowest))
    });
    let behind = behind.unwrap_or_else(|| ", read by no run yet".into());
    let entries = counted(info.length, "entry");
    findings.ok("input", format!("stream '{stream}' has {entries} to {}{behind}", info.last));
    Ok(())
}
