//! Postgres: a PostgreSQL server of a test's own, on a free port and in a folder of its own, that can be killed in several ways.
//!
//! It refuses to run as root: then it is `nobody`'s. Over TCP it asks for a password, over its socket for none.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::skip::skip;

#[allow(unused_imports, reason = "each test file uses a part of it")]
pub use super::batches::{alert, every_kind, record, states};

/// Ids of `nobody` and its group on Debian.
const NOBODY: u32 = 65_534;
pub const PASSWORD: &str = "hunter2";

/// A running server. Dropped, it is stopped and removed.
pub struct Postgres {
    bin: PathBuf,
    folder: tempfile::TempDir,
    port: u16,
    settings: Vec<String>,
    postmaster: Option<Child>,
}

impl Postgres {
    /// Starts one; none, and a line, where PostgreSQL is not installed.
    pub fn start() -> Option<Self> {
        Self::start_with(&[])
    }

    /// Whether PostgreSQL is installed; if not, a line.
    pub fn is_here() -> bool {
        let is_here = bin().is_some();
        if !is_here {
            skip("no PostgreSQL server here (apt-get install postgresql)");
        }
        is_here
    }

    /// Starts one with settings as of postgresql.conf: "max_connections=5".
    pub fn start_with(settings: &[&str]) -> Option<Self> {
        if !Self::is_here() {
            return None;
        }
        let bin = bin()?;
        let folder = tempfile::tempdir().expect("a folder");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("its mode");
        let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port").port();
        let settings = settings.iter().map(ToString::to_string).collect();
        let mut server = Self { bin, folder, port, settings, postmaster: None };
        server.own(server.folder.path());
        let password = server.put("password", PASSWORD);
        let mut initdb = server.as_user("initdb");
        initdb.args(["-N", "-U", "postgres", "-E", "UTF8", "--locale=C"]);
        initdb.args(["--auth-local=trust", "--auth-host=scram-sha-256", "--pwfile"]).arg(password);
        let made = initdb.arg("-D").arg(server.data()).output().expect("initdb starts");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        server.restart();
        Some(server)
    }

    /// A URL of the superuser.
    pub fn url(&self) -> String {
        self.url_of("postgres", PASSWORD, "postgres")
    }

    pub fn url_of(&self, user: &str, password: &str, database: &str) -> String {
        format!("postgres://{user}:{password}@127.0.0.1:{}/{database}", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Puts a file into the server's folder, which the server may read and nobody else.
    pub fn put(&self, name: &str, content: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, content).expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("its mode");
        self.own(&path);
        path
    }

    /// What SQL answers: rows as lines, columns between `|`. Through psql, which knows nothing of the engine.
    pub fn sql(&self, sql: &str) -> String {
        self.try_sql(sql).unwrap_or_else(|e| panic!("{sql}: {e}"))
    }

    pub fn try_sql(&self, sql: &str) -> Result<String, String> {
        self.try_sql_in("postgres", sql)
    }

    pub fn try_sql_in(&self, database: &str, sql: &str) -> Result<String, String> {
        let mut psql = Command::new(self.bin.join("psql"));
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", database]);
        psql.arg("-h").arg(self.folder.path()).args(["-p", &self.port.to_string(), "-c", sql]);
        let output = psql.stdin(Stdio::null()).output().expect("psql starts");
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_string())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    pub fn count(&self, sql: &str) -> i64 {
        self.sql(sql).parse().unwrap_or_else(|e| panic!("{sql}: {e}"))
    }

    /// Kills everything at once, as a loss of power does.
    pub fn kill_all(&mut self) {
        let postmaster = self.pid();
        let mut all = vec![postmaster];
        all.extend(children(postmaster));
        kill("KILL", &all);
        self.wait();
    }

    /// Kills the one process that starts the others, which live on for a moment.
    pub fn kill_postmaster(&mut self) {
        kill("KILL", &[self.pid()]);
        self.wait();
    }

    /// Kills the processes that serve the engine; gives how many. The server then starts all of its own anew.
    pub fn kill_backends(&self) -> usize {
        let pids = "SELECT pid FROM pg_stat_activity WHERE application_name = 'corec'";
        let pids = self.try_sql(pids).unwrap_or_default();
        let pids: Vec<u32> = pids.lines().filter_map(|pid| pid.parse().ok()).collect();
        if !pids.is_empty() {
            kill("KILL", &pids);
        }
        pids.len()
    }

    /// Starts it again, and waits until it answers. One whose processes live on still is waited for.
    pub fn restart(&mut self) {
        self.stop();
        for _ in 0..600 {
            if self.postmaster.as_mut().is_none_or(|child| child.try_wait().is_ok_and(|end| end.is_some())) {
                self.postmaster = Some(self.spawn());
            }
            if self.try_sql("SELECT 1").is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        panic!("PostgreSQL does not start: {log}");
    }

    /// Stops it, as its own scripts do. One that is not running stays as it is.
    pub fn stop(&mut self) {
        if let Some(postmaster) = self.postmaster.as_mut()
            && postmaster.try_wait().is_ok_and(|end| end.is_none())
        {
            kill("INT", &[postmaster.id()]);
            // One that is asked in the midst of a recovery may wait for ever.
            for _ in 0..200 {
                if postmaster.try_wait().is_ok_and(|end| end.is_some()) {
                    break;
                }
                std::thread::sleep(Duration::from_millis(50));
            }
            return if postmaster.try_wait().is_ok_and(|end| end.is_none()) {
                self.kill_all()
            } else {
                self.wait()
            };
        }
        self.wait();
    }

    pub fn pid(&self) -> u32 {
        self.postmaster.as_ref().expect("it runs").id()
    }

    fn wait(&mut self) {
        if let Some(mut postmaster) = self.postmaster.take() {
            postmaster.wait().expect("it ends");
        }
    }

    fn spawn(&self) -> Child {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.folder.path().join("log"));
        let mut postgres = self.as_user("postgres");
        postgres.arg("-D").arg(self.data()).args(["-p", &self.port.to_string()]);
        let socket = format!("unix_socket_directories={}", self.folder.path().display());
        let ours = ["listen_addresses=127.0.0.1", &socket, "max_connections=20", "shared_buffers=64MB"];
        for setting in ours.into_iter().chain(self.settings.iter().map(String::as_str)) {
            postgres.args(["-c", setting]);
        }
        let log = log.expect("a log");
        postgres.stdout(Stdio::null()).stderr(log).stdin(Stdio::null()).spawn().expect("postgres starts")
    }

    /// A program of PostgreSQL's, as a user that it takes.
    fn as_user(&self, program: &str) -> Command {
        let program = self.bin.join(program);
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups", "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.current_dir(self.folder.path());
        command
    }

    fn own(&self, path: &Path) {
        if is_root() {
            chown(path, Some(NOBODY), Some(NOBODY)).expect("root may give files away");
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
    }
}

fn bin() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut bins: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    bins.sort();
    bins.into_iter().rev().find(|bin| bin.join("postgres").exists() && bin.join("psql").exists())
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|about| about.uid() == 0)
}

/// Processes that `parent` has started.
fn children(parent: u32) -> Vec<u32> {
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let is_child = |pid: &u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        after_name.split_whitespace().nth(1) == Some(parent.to_string().as_str())
    };
    pids.filter(is_child).collect()
}

/// Some may have ended by themselves.
fn kill(signal: &str, pids: &[u32]) {
    let pids = pids.iter().map(ToString::to_string);
    _ = Command::new("kill").arg(format!("-{signal}")).args(pids).stderr(Stdio::null()).status();
}
