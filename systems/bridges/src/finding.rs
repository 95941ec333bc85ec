//! Finding: one thing that was looked at before a run, and what to change if it would hurt.

use serde::Serialize;

/// How far a server's clock may be from ours: more than what a network and a clock that is kept right add up to.
const CLOCK_SECONDS_MAX: f64 = 10.0;

/// What was found of one thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The thing: "redis: version".
    pub what: String,
    /// Whether a run may stand on it.
    pub is_ok: bool,
    /// What was found, and what it must be if it is not that. Never a password.
    pub text: String,
}

/// What has been found of one server or machine.
pub struct Findings {
    of: &'static str,
    list: Vec<Finding>,
}

impl Findings {
    /// Nothing yet, of `of`.
    pub fn of(of: &'static str) -> Self {
        Self { of, list: Vec::new() }
    }

    /// `what` is as it should be.
    pub fn ok(&mut self, what: &str, text: impl Into<String>) {
        self.note(what, true, text);
    }

    /// `what` must be changed.
    pub fn fix(&mut self, what: &str, text: impl Into<String>) {
        self.note(what, false, text);
    }

    /// Either.
    pub fn note(&mut self, what: &str, is_ok: bool, text: impl Into<String>) {
        let what = format!("{}: {what}", self.of);
        self.list.push(Finding { what, is_ok, text: text.into().replace('\n', " ") });
    }

    /// What a clock says, against ours at the middle of the question.
    #[cfg_attr(
        not(any(feature = "redis", feature = "postgres")),
        allow(dead_code, reason = "only servers have one")
    )]
    pub(crate) fn clock(&mut self, server: f64, asked: f64, answered: f64) {
        let apart = server - (asked + answered) / 2.0;
        let is_ok = apart.abs() <= CLOCK_SECONDS_MAX + (answered - asked);
        let todo = if is_ok { "" } else { ", must be within 10 s: set the clocks by NTP on both machines" };
        self.note("clock", is_ok, format!("{apart:+.3} s from ours{todo}"));
    }

    /// All of it.
    pub fn finish(self) -> Vec<Finding> {
        self.list
    }
}

/// Whether what is sent to a host does not leave the machine.
#[cfg_attr(
    not(any(feature = "redis", feature = "postgres")),
    allow(dead_code, reason = "only servers have a host")
)]
pub(crate) fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_off_is_to_be_set() {
        let mut findings = Findings::of("redis");
        findings.clock(100.5, 100.0, 100.2);
        findings.clock(40.0, 100.0, 100.2);
        let findings = findings.finish();
        assert_eq!(findings[0].text, "+0.400 s from ours");
        assert!(findings[0].is_ok && !findings[1].is_ok && findings[1].text.contains("NTP"), "{findings:?}");
    }

    #[test]
    fn a_host_of_this_machine_is_told_by_its_name_or_number() {
        for (host, is) in
            [("localhost", true), ("127.3.0.1", true), ("[::1]", true), ("10.0.0.1", false), ("db", false)]
        {
            assert_eq!(is_loopback(host), is, "{host}");
        }
    }
}
