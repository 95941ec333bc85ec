//! A run that is shown, for as long as a test looks at it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use super::client;
use super::support::{command, read_json, signal, wait_until};

pub const TOKEN: &str = "a-token-of-the-tests";

pub struct Shown {
    pub child: Child,
    pub address: String,
    pub run: PathBuf,
}

impl Shown {
    /// `corec run … --http 0`, once it has begun to tick.
    pub fn start(at: &Path, run: &str, arguments: &[&str]) -> Self {
        let arguments = [&["run"], arguments, &["--http", "0", "--out", run]].concat();
        let shown = Self::begin(at, run, &arguments);
        wait_until("ticks", || {
            client::get(&shown.address, "/api/v1/summary").json()["tick"].as_u64() > Some(1)
        });
        shown
    }

    /// As `arguments` say. Reads where it is shown from what it says.
    pub fn begin(at: &Path, run: &str, arguments: &[&str]) -> Self {
        let mut command = command(at, arguments);
        command.env("COREC_HTTP_TOKEN", TOKEN).stdin(Stdio::null()).stdout(Stdio::null());
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = Vec::new();
        let address = loop {
            let Some(Ok(line)) = lines.next() else { panic!("{arguments:?}: {said:?}") };
            if let Some(url) = line.strip_prefix("shown at http://") {
                break url.trim_end_matches('/').to_string();
            }
            said.push(line);
        };
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address, run: at.join(run) }
    }

    pub fn tick(&self) -> u64 {
        client::get(&self.address, "/api/v1/summary").json()["tick"].as_u64().unwrap()
    }

    /// Resident bytes.
    pub fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
    }

    /// Ends it in good order; gives its summary.
    pub fn end(mut self) -> serde_json::Value {
        signal(&self.child, "TERM");
        assert_eq!(self.child.wait().unwrap().code(), Some(143));
        read_json(&self.run.join("summary.json"))
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}
