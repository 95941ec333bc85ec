//! The browser, and the driver that looks through it.

use std::fs;
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::LazyLock;

use serde_json::Value;

use super::support::skip::skip;

const FILES: [&str; 2] = ["driver.mjs", "package.json"];

struct Browser {
    chromium: PathBuf,
    driver: PathBuf,
}

/// The browser, or why there is none here.
static BROWSER: LazyLock<Result<Browser, String>> = LazyLock::new(|| {
    let names =
        ["/usr/bin/chromium", "chromium", "google-chrome", "google-chrome-stable", "chromium-browser"];
    let chromium = names.iter().find_map(|name| on_path(name));
    let chromium = chromium.ok_or("no chromium: apt-get install chromium")?;
    for program in ["node", "npm"] {
        on_path(program).ok_or_else(|| format!("no {program}: apt-get install nodejs npm"))?;
    }
    Ok(Browser { chromium, driver: install()? })
});

/// A program, by its name or where it is.
fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).find_map(|folder| Some(folder.join(name)).filter(|file| file.is_file()))
}

/// Puts the driver beside its packages, where node looks for them; installs those unless they are there.
fn install() -> Result<PathBuf, String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dashboard");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("dashboard");
    let list = fs::read(source.join("package.json")).map_err(|e| format!("package.json: {e}"))?;
    let done = folder.join("installed");
    let is_installed = fs::read(&done).is_ok_and(|installed| installed == list);
    if !is_installed {
        _ = fs::remove_dir_all(&folder);
    }
    fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    for file in FILES {
        fs::copy(source.join(file), folder.join(file)).map_err(|e| format!("{file}: {e}"))?;
    }
    if !is_installed {
        let mut npm = Command::new("npm");
        npm.args(["install", "--silent", "--no-audit", "--no-fund"])
            .current_dir(&folder)
            .stdin(Stdio::null());
        let output = npm.output().map_err(|e| format!("npm: {e}"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("npm install: {}", said.lines().last().unwrap_or_default()));
        }
        fs::write(done, list).map_err(|e| e.to_string())?;
    }
    Ok(folder.join("driver.mjs"))
}

/// Whether there is a browser; else the test at hand is skipped.
pub fn is_ready() -> bool {
    BROWSER.as_ref().inspect_err(|why| skip(why)).is_ok()
}

/// What the driver finds in a scene that has one finding.
pub fn look(scene: &str, arguments: &[&str]) -> Value {
    let mut scene = Scene::open(scene, arguments);
    let found = scene.next();
    scene.close();
    found
}

/// A scene that goes on, finding by finding, when it is told to.
pub struct Scene {
    driver: Child,
    findings: Lines<BufReader<ChildStdout>>,
    name: String,
}

impl Scene {
    pub fn open(name: &str, arguments: &[&str]) -> Self {
        let browser = BROWSER.as_ref().unwrap();
        let mut command = Command::new("node");
        command.arg(&browser.driver).arg(&browser.chromium).arg(name).args(arguments);
        let mut driver = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let findings = BufReader::new(driver.stdout.take().unwrap()).lines();
        Self { driver, findings, name: name.into() }
    }

    pub fn next(&mut self) -> Value {
        let line = self.findings.next().and_then(Result::ok);
        let line = line.unwrap_or_else(|| panic!("{}: the driver failed, see what it says", self.name));
        serde_json::from_str(&line).unwrap_or_else(|e| panic!("{}: {e}: {line}", self.name))
    }

    pub fn go_on(&mut self) {
        self.driver.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    }

    /// Waits for the driver to be done; it must have been.
    pub fn close(mut self) {
        let status = self.driver.wait().unwrap();
        assert!(status.success(), "{}: the driver ended with {status}", self.name);
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        // The browser ends with it: they are joined by a pipe.
        _ = self.driver.kill();
        _ = self.driver.wait();
    }
}
