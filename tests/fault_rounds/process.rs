//! Processes are started with their output in files, signalled, waited for with a limit, and never left behind.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::outcome::{Outcome, wrong};

/// The longest that anything here may take by itself: far beyond what it does take, for machines under load.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The program under test.
pub fn program() -> PathBuf {
    let built = option_env!("CARGO_BIN_EXE_corec").map(PathBuf::from);
    std::env::var_os("COREC_BIN")
        .map(PathBuf::from)
        .or(built)
        .expect("cargo builds the program, or COREC_BIN names it")
}

/// A command of the program in `folder`, with nothing of ours in its environment that would change what it does.
pub fn corec<S: AsRef<OsStr>>(folder: &Path, arguments: &[S]) -> Command {
    let mut command = Command::new(program());
    command.args(arguments);
    isolate(command, folder)
}

/// As [`corec()`], through another program that starts it: `timeout`, `unshare`, `sh`.
pub fn through<S: AsRef<OsStr>>(folder: &Path, before: &[&str], arguments: &[S]) -> Command {
    let mut command = Command::new(before[0]);
    command.args(&before[1..]).arg(program()).args(arguments);
    isolate(command, folder)
}

fn isolate(mut command: Command, folder: &Path) -> Command {
    let scratch = folder.with_file_name("scratch");
    fs::create_dir_all(&scratch).unwrap();
    command.current_dir(folder).env("TMPDIR", scratch).env("RUST_BACKTRACE", "0").stdin(Stdio::null());
    ["RUST_LOG", "OPENROUTER_API_KEY"].iter().for_each(|name| _ = command.env_remove(name));
    command
}

/// Where a process' output goes.
pub enum OutputTarget {
    /// A file beside the round's folder.
    File,
    /// A pipe that the checker reads: for a process that may write no files.
    Pipe,
    /// Another file, as it is: /dev/full.
    Given(File),
}

/// A process of a round.
pub struct Process {
    name: String,
    child: Child,
    started: Instant,
    out: Output,
    err: Output,
}

/// One of a process' outputs, and where it can be read.
enum Output {
    File(PathBuf),
    Pipe(Option<JoinHandle<Vec<u8>>>),
}

impl Output {
    fn by(pipe: Option<impl Read + Send + 'static>, file: PathBuf) -> Self {
        let Some(mut pipe) = pipe else { return Self::File(file) };
        Self::Pipe(Some(std::thread::spawn(move || {
            let mut bytes = Vec::new();
            _ = pipe.read_to_end(&mut bytes);
            bytes
        })))
    }

    fn text(&mut self) -> String {
        let bytes = match self {
            Self::File(path) => fs::read(path).unwrap_or_default(),
            Self::Pipe(reader) => reader.take().and_then(|reader| reader.join().ok()).unwrap_or_default(),
        };
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// What became of a process.
#[derive(Clone)]
pub struct Finished {
    pub name: String,
    pub pid: u32,
    /// Its exit status; none if a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    pub out: String,
    pub err: String,
    pub ended: Instant,
}

impl Process {
    /// Starts `command`; its output goes to files that are named `name` in `folder`.
    pub fn start(folder: &Path, name: &str, command: Command) -> Self {
        Self::start_with(folder, name, command, [OutputTarget::File, OutputTarget::File])
    }

    /// As [`Self::start`], with stdout and stderr somewhere else.
    pub fn start_with(folder: &Path, name: &str, mut command: Command, to: [OutputTarget; 2]) -> Self {
        fs::create_dir_all(folder).unwrap();
        let number = fs::read_dir(folder).unwrap().count();
        let path = |what: &str| folder.join(format!("{number:02}-{name}.{what}"));
        let (out, err) = (path("out"), path("err"));
        let open = |target: OutputTarget, path: &Path| match target {
            OutputTarget::File => Stdio::from(File::create(path).unwrap()),
            OutputTarget::Pipe => Stdio::piped(),
            OutputTarget::Given(file) => Stdio::from(file),
        };
        let [to_out, to_err] = to;
        let child = command.stdout(open(to_out, &out)).stderr(open(to_err, &err)).spawn();
        let mut child = child.unwrap_or_else(|e| panic!("{:?}: {e}", command.get_program()));
        let (out, err) = (Output::by(child.stdout.take(), out), Output::by(child.stderr.take(), err));
        Self { name: name.into(), child, started: now(), out, err }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Milliseconds since it was started.
    pub fn age_ms(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }

    /// Sends a signal, by its name without SIG.
    pub fn signal(&self, name: &str) {
        signal(self.pid(), name);
    }

    /// Whether it has ended by now.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for its end. One that takes longer than anything may is killed, and the round is wrong; so it is after a panic.
    pub fn end(self) -> Result<Finished, Outcome> {
        self.end_within(PATIENCE, "its start")
    }

    /// As [`Self::end`], with another limit, counted from now, which is a moment after `since`.
    pub fn end_within(mut self, limit: Duration, since: &str) -> Result<Finished, Outcome> {
        let begin = now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return self.finished(status);
            }
            if begin.elapsed() > limit {
                let seconds = limit.as_secs_f64();
                return Err(wrong(format!("{}: alive {seconds} s after {since}", self.name)));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn finished(&mut self, status: ExitStatus) -> Result<Finished, Outcome> {
        let finished = Finished {
            name: self.name.clone(),
            pid: self.pid(),
            code: status.code(),
            signal: status.signal(),
            out: self.out.text(),
            err: self.err.text(),
            ended: now(),
        };
        match finished.err.contains("panicked at") {
            true => Err(wrong(format!("{}: {}", self.name, finished.err.trim()))),
            false => Ok(finished),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.has_ended() {
            _ = self.child.kill();
            _ = self.child.wait();
        }
    }
}

impl Finished {
    /// How it ended, and the last that it said.
    pub fn describe(&self) -> String {
        let how = match (self.code, self.signal) {
            (Some(code), _) => format!("exit status {code}"),
            (None, Some(signal)) => format!("killed by signal {signal}"),
            (None, None) => "no exit status".into(),
        };
        let last: Vec<&str> = self.err.lines().rev().take(3).collect();
        let last = last.into_iter().rev().collect::<Vec<_>>().join(" | ");
        format!("{}: {how}, said: {last}", self.name)
    }

    /// It must have ended with this status.
    pub fn must_exit(&self, code: i32) -> Result<(), Outcome> {
        match self.code == Some(code) {
            true => Ok(()),
            false => Err(wrong(format!("{}; must exit with {code}", self.describe()))),
        }
    }

    /// Whether `signal` ended it, as a shell sees it: by itself with 128 + signal, or at the signal's hand.
    pub fn ended_by(&self, signal: i32) -> bool {
        self.code == Some(128 + signal) || self.signal == Some(signal)
    }
}

/// Sends a signal to a process of ours.
pub fn signal(pid: u32, name: &str) {
    // One that has ended in the meantime is no failure.
    _ = Command::new("kill").arg(format!("-{name}")).arg(pid.to_string()).stderr(Stdio::null()).status();
}

/// The first child of a process.
pub fn child_of(pid: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}

/// Ends what still runs in `folder`; gives the command lines.
pub fn end_leftovers(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let is_here =
        |pid: &u32| fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(folder));
    let left: Vec<u32> = pids.filter(is_here).collect();
    left.iter()
        .map(|pid| {
            let line =
                fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default().replace('\0', " ");
            signal(*pid, "KILL");
            line
        })
        .collect()
}

/// Waits until `is_so`, at most `limit`; says whether it came to be.
pub fn wait_until(limit: Duration, mut is_so: impl FnMut() -> bool) -> bool {
    let begin = now();
    while !is_so() {
        if begin.elapsed() > limit {
            return false;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    true
}

pub fn sleep_ms(ms: u64) {
    std::thread::sleep(Duration::from_millis(ms));
}

#[expect(clippy::disallowed_methods, reason = "limits of waiting; no result of the program depends on it")]
pub fn now() -> Instant {
    Instant::now()
}
