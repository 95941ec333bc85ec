//! Redis servers of the tests' own: each in a folder of its own, on the loopback, stopped when it is dropped.
//!
//! A test asks for one with [`Redis::start`] and is skipped where there is no `redis-server`. [`Redis::cli`] and [`Ledger`] look
//! at it without CoreC.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use corec_bridges::bus::redis::USER_RULES as CORE_C_RULES;
use tempfile::TempDir;

use super::certificates::write_server_files;
use super::ledger::Ledger;
use super::skip::skip;

/// The password of the user `default`, the tests' own, on a server with an [`Acl`].
const TESTS_PASSWORD: &str = "of-the-tests";
/// Ports that are tried until one is free.
const PORTS_TRIED: usize = 50;

/// When the server writes what it acknowledges to disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Appendonly {
    /// Before it acknowledges: `kill -9` loses nothing.
    #[default]
    Always,
    /// Every second.
    EverySecond,
    /// Never, and no dump either: a restart begins empty.
    No,
}

/// A user of the server's, beside `default`, who then has a password that only the tests know.
#[derive(Clone, Debug)]
pub struct Acl {
    pub user: String,
    pub password: String,
    /// In the words of `ACL SETUSER`.
    pub rules: String,
}

impl Default for Acl {
    fn default() -> Self {
        // What a URL has to escape is in it.
        Self { user: "corec_user".into(), password: "p@ss:w/rd%".into(), rules: CORE_C_RULES.into() }
    }
}

/// Whose name the server's certificate has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// `localhost`, and the loopback's address.
    RightName,
    /// Another host's.
    WrongName,
}

/// How a server is set up.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub appendonly: Appendonly,
    /// Bytes, and what goes when they are full: "noeviction", "allkeys-lru".
    pub maxmemory: Option<(u64, &'static str)>,
    /// Whom [`Redis::url`] names.
    pub acl: Option<Acl>,
    /// With it there is no port without TLS.
    pub tls: Option<Tls>,
    /// Variables of its environment.
    pub environment: Vec<(String, String)>,
}

/// A server. Every call takes `&self`, so that one thread can stop what another one uses.
pub struct Redis {
    options: Options,
    folder: TempDir,
    port: u16,
    child: Mutex<Child>,
}

impl Redis {
    /// Whether there is a server to be started; one line where there is none.
    pub fn is_here() -> bool {
        let is_missing = |program: &&str| {
            let found = Command::new(program).arg("--version").stdout(Stdio::null()).status();
            !found.is_ok_and(|status| status.success())
        };
        let missing = ["redis-server", "redis-cli"].into_iter().find(is_missing);
        missing.iter().for_each(|program| skip(&format!("no {program} here")));
        missing.is_none()
    }

    /// Starts a server and waits until it answers. None, and one line, where there is none to be started.
    pub fn start(options: Options) -> Option<Self> {
        if !Self::is_here() {
            return None;
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        if let Some(name) = options.tls {
            let is_right = name == Tls::RightName;
            write_server_files(folder.path(), if is_right { "localhost" } else { "elsewhere.invalid" });
        }
        for _ in 0..PORTS_TRIED {
            let port = free_port();
            let mut child = launch(&options, folder.path(), port);
            if wait_until_ready(&mut child, &options, folder.path(), port) {
                return Some(Self { options, folder, port, child: Mutex::new(child) });
            }
            // Somebody took the port between the look and the start.
            let log = read_log(folder.path());
            assert!(log.contains("Address already in use"), "redis-server on port {port}: {log}");
        }
        panic!("none of {PORTS_TRIED} ports was free");
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where the server is, as CoreC is told: with the user, and the authority's certificate as `?ca=`.
    pub fn url(&self) -> String {
        self.url_at(self.port)
    }

    /// The same by way of another port: a proxy's.
    pub fn url_at(&self, port: u16) -> String {
        let login = self.options.acl.as_ref().map(|acl| format!("{}:{}@", acl.user, escaped(&acl.password)));
        let login = login.unwrap_or_default();
        match self.options.tls {
            Some(_) => format!("rediss://{login}localhost:{port}/0?ca={}", self.ca().display()),
            None => format!("redis://{login}127.0.0.1:{port}/0"),
        }
    }

    /// The certificate of the authority that signed the server's: a file, there with TLS only.
    pub fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Where it has its files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// `kill -9`.
    pub fn kill(&self) {
        let mut child = self.child();
        _ = child.kill();
        child.wait().expect("it was started here");
    }

    /// Starts it again in its folder, on its port, after a kill if it runs; waits until it has loaded what it had.
    pub fn restart(&self) {
        self.kill();
        let mut child = self.child();
        for _ in 0..PORTS_TRIED {
            *child = launch(&self.options, self.folder.path(), self.port);
            if wait_until_ready(&mut child, &self.options, self.folder.path(), self.port) {
                return;
            }
            // Somebody's connection may have the port as its own end for a moment.
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("redis-server did not come back: {}", self.log());
    }

    /// Stops it with SIGSTOP: connections stay open, and nothing is answered.
    pub fn stop_signal(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on after [`Redis::stop_signal`].
    pub fn continue_signal(&self) {
        self.signal("-CONT");
    }

    /// What `redis-cli` says to a command, as the tests' own user; it must succeed within a minute.
    pub fn cli(&self, command: &[&str]) -> String {
        self.try_cli(command).unwrap_or_else(|error| panic!("redis-cli {command:?}: {error}"))
    }

    /// As [`Redis::cli`].
    ///
    /// # Errors
    /// What `redis-cli` says of its failure.
    pub fn try_cli(&self, command: &[&str]) -> Result<String, String> {
        run_cli(&self.options, self.folder.path(), self.port, command)
    }

    /// A connection that CoreC has no part in, as the tests' own user. Not to a server with a wrong name.
    pub fn ledger(&self) -> Ledger {
        let password = self.options.acl.as_ref().map(|_| TESTS_PASSWORD);
        Ledger::open(self.port, password, self.options.tls.map(|_| self.ca()).as_deref())
    }

    /// What the server has logged.
    pub fn log(&self) -> String {
        read_log(self.folder.path())
    }

    fn signal(&self, name: &str) {
        let id = self.child().id().to_string();
        let sent = Command::new("kill").args([name, &id]).status();
        assert!(sent.is_ok_and(|status| status.success()), "kill {name}");
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let mut child = self.child();
        _ = child.kill();
        _ = child.wait();
    }
}

/// A port that nobody listens on at the moment, below those that the system gives to connections.
pub fn free_port() -> u16 {
    const FIRST: u16 = 12_000;
    const COUNT: u16 = 20_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    loop {
        // Tests of other processes begin elsewhere.
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + (std::process::id().wrapping_mul(7919) as u16).wrapping_add(step) % COUNT;
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

fn launch(options: &Options, folder: &Path, port: u16) -> Child {
    fs::write(folder.join("redis.conf"), config(options, port)).expect("the folder is there");
    _ = fs::remove_file(folder.join("redis.log"));
    let mut command = Command::new("redis-server");
    command.arg("redis.conf").current_dir(folder).envs(options.environment.iter().cloned());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("redis-server starts")
}

fn config(options: &Options, port: u16) -> String {
    let mut lines = vec!["bind 127.0.0.1 -::1".into(), "logfile redis.log".into(), "save \"\"".into()];
    lines.push("daemonize no".into());
    match options.appendonly {
        Appendonly::Always => lines.extend(["appendonly yes".into(), "appendfsync always".into()]),
        Appendonly::EverySecond => lines.extend(["appendonly yes".into(), "appendfsync everysec".into()]),
        Appendonly::No => lines.push("appendonly no".into()),
    }
    if let Some((bytes, policy)) = options.maxmemory {
        lines.extend([format!("maxmemory {bytes}"), format!("maxmemory-policy {policy}")]);
    }
    if let Some(Acl { user, password, rules }) = &options.acl {
        lines.push(format!("user default on >{TESTS_PASSWORD} ~* &* +@all"));
        lines.push(format!("user {user} on >{password} {rules}"));
    }
    match options.tls {
        Some(_) => lines.extend([
            "port 0".into(),
            format!("tls-port {port}"),
            "tls-cert-file server.pem".into(),
            "tls-key-file server.key".into(),
            "tls-ca-cert-file ca.pem".into(),
            "tls-auth-clients no".into(),
        ]),
        None => lines.push(format!("port {port}")),
    }
    lines.join("\n") + "\n"
}

/// Whether this very process answers on the port, with its data loaded, before it ends: half a minute at most.
fn wait_until_ready(child: &mut Child, options: &Options, folder: &Path, port: u16) -> bool {
    for _ in 0..3000 {
        if child.try_wait().expect("it was started here").is_some() {
            return false;
        }
        let info = run_cli(options, folder, port, &["INFO", "everything"]).unwrap_or_default();
        let says = |line: String| info.lines().any(|found| found.trim_end() == line);
        if says(format!("process_id:{}", child.id())) && says("loading:0".into()) {
            return true;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("redis-server on port {port} does not answer: {}", read_log(folder));
}

fn run_cli(options: &Options, folder: &Path, port: u16, command: &[&str]) -> Result<String, String> {
    // A server that was stopped by a signal would never answer.
    let mut cli = Command::new("timeout");
    cli.args(["60", "redis-cli", "-e", "-h", "127.0.0.1", "-p", &port.to_string()]).stdin(Stdio::null());
    if options.acl.is_some() {
        cli.env("REDISCLI_AUTH", TESTS_PASSWORD);
    }
    if options.tls.is_some() {
        // It does not look at the name in the certificate.
        cli.args(["--tls", "--cacert"]).arg(folder.join("ca.pem"));
    }
    let output = cli.args(command).output().map_err(|e| e.to_string())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end_matches('\n').to_string();
    match output.status.success() {
        true => Ok(text(&output.stdout)),
        false => Err(format!("{}{}", text(&output.stdout), text(&output.stderr))),
    }
}

fn read_log(folder: &Path) -> String {
    fs::read_to_string(folder.join("redis.log")).unwrap_or_default()
}

/// A password as a URL has it.
fn escaped(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|b| if is_plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}
