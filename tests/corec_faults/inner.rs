//! Inner rounds are played by a process of this same program in a namespace of its own, where a small file system is mounted: nothing stays
//! mounted whatever happens.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::faults::{ALL, Fault};
use crate::round::{Played, play};
use crate::verdict::{Trouble, wrong};

/// What tells such a process which round it is to play: `NAME/SEED/few`.
const VARIABLE: &str = "COREC_FAULTS_INNER";
/// Room on the small file system.
const SIZE: &str = "size=12m";

/// Whether small file systems can be mounted in a namespace here.
fn can_mount() -> bool {
    static FOUND: OnceLock<bool> = OnceLock::new();
    *FOUND.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let mut tried = Command::new("unshare");
        tried.args(["-rm", "mount", "-t", "tmpfs", "tmpfs"]).arg(folder.path());
        tried.output().is_ok_and(|output| output.status.success())
    })
}

/// Plays a round in a process of its own.
pub fn play_apart(fault: &Fault, seed: u64, is_few: bool, folder: &TempDir) -> Played {
    let failed = |why: Trouble| Played { verdict: Err(why), told: String::new(), recoveries: Vec::new() };
    if !can_mount() {
        return failed(Trouble::Skipped("no small file system can be mounted here".into()));
    }
    let mut command = Command::new("unshare");
    command.args(["-rm", "--"]).arg(std::env::current_exe().unwrap()).env("TMPDIR", folder.path());
    command.env(VARIABLE, format!("{}/{seed:x}/{}", fault.name, u8::from(is_few)));
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let Some(played) = text.lines().last().and_then(|line| serde_json::from_str::<Value>(line).ok()) else {
        return failed(wrong(format!("{text}{}", String::from_utf8_lossy(&output.stderr))));
    };
    let why = played["why"].as_str().unwrap_or_default().to_string();
    let verdict = match played["kind"].as_str() {
        Some("survived") => Ok(()),
        Some("LOST") => Err(Trouble::Lost(why)),
        Some("DOUBLE") => Err(Trouble::Duplicated(why)),
        Some("skipped") => Err(Trouble::Skipped(why)),
        _ => Err(wrong(why)),
    };
    let recoveries =
        played["recoveries"].as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
    Played { verdict, told: played["told"].as_str().unwrap_or_default().into(), recoveries }
}

/// Whether this process is one; then it has played its round.
pub fn was_inner() -> bool {
    let Ok(wanted) = std::env::var(VARIABLE) else { return false };
    let mut parts = wanted.split('/');
    let fault = parts.next().and_then(|name| ALL.iter().find(|fault| fault.name == name)).unwrap();
    let seed = u64::from_str_radix(parts.next().unwrap(), 16).unwrap();
    let folder = tempfile::tempdir().unwrap();
    mount(&folder.path().join("round"));
    let played = play(fault, seed, parts.next() == Some("1"), folder, None);
    let (kind, why) = match &played.verdict {
        Ok(()) => ("survived", ""),
        Err(trouble) => trouble.told(),
    };
    let told = json!({"kind": kind, "why": why, "told": played.told, "recoveries": played.recoveries});
    println!("{told}");
    true
}

fn mount(at: &Path) {
    std::fs::create_dir_all(at).unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", SIZE, "tmpfs"]).arg(at).status();
    assert!(mounted.is_ok_and(|status| status.success()), "mount {}", at.display());
}
