//! A trace is what a process did to its files, in order, as read from strace's log.
//!
//! `strace -f -y -xx` writes every string in hexadecimal, so that a line is split at its commas. A call that another thread interrupts
//! is in two parts; it counts where it ended, and a sync makes safe only what had been done when it began.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The calls that change files, and those that move where the next change goes. What is seen of `UNKNOWN_CALLS` the checker would have
/// to learn first.
pub const CALLS: &str = "openat,open,creat,write,pwrite64,writev,ftruncate,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat,\
     rmdir,mkdir,mkdirat,close,lseek,dup,dup2,dup3,pwritev,pwritev2,copy_file_range,sendfile,fallocate,truncate,link,linkat,symlink,\
     sync_file_range";
const UNKNOWN_CALLS: [&str; 12] = [
    "dup",
    "dup2",
    "dup3",
    "pwritev",
    "pwritev2",
    "copy_file_range",
    "sendfile",
    "fallocate",
    "truncate",
    "link",
    "linkat",
    "symlink",
];

/// One change.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    Open {
        fd: i32,
        path: PathBuf,
        creates: bool,
        truncates: bool,
        appends: bool,
    },
    /// At the file's position if there is no offset.
    Write {
        fd: i32,
        offset: Option<u64>,
        bytes: Vec<u8>,
    },
    Length {
        fd: i32,
        length: u64,
    },
    Seek {
        fd: i32,
        position: u64,
    },
    /// Safe is what was done before event `begun`.
    Sync {
        fd: i32,
        begun: usize,
    },
    Close {
        fd: i32,
    },
    Rename {
        from: PathBuf,
        to: PathBuf,
    },
    Remove {
        path: PathBuf,
    },
    Folder {
        path: PathBuf,
    },
}

/// Reads a log. Paths are below `root`, relative to it; what happened elsewhere is left out.
pub fn read(log: &str, root: &Path) -> Vec<Event> {
    let mut events = Vec::new();
    let mut begun: BTreeMap<&str, (String, usize)> = BTreeMap::new();
    for line in log.lines() {
        let Some((thread, call)) = line.split_once(' ') else { continue };
        let call = call.trim_start();
        if let Some(first) = call.strip_suffix(" <unfinished ...>") {
            begun.insert(thread, (first.to_string(), events.len()));
        } else if let Some((_, rest)) =
            call.strip_prefix("<... ").and_then(|rest| rest.split_once(" resumed>"))
        {
            let Some((first, at)) = begun.remove(thread) else { continue };
            events.extend(event(&(first + rest), at, root));
        } else {
            let at = events.len();
            events.extend(event(call, at, root));
        }
    }
    events
}

/// The event of a whole call that succeeded and is about files below `root`.
fn event(call: &str, begun: usize, root: &Path) -> Option<Event> {
    let (call, result) = call.rsplit_once(" = ")?;
    let result: i64 = result.split(['<', ' ']).next()?.parse().ok().filter(|result| *result >= 0)?;
    let (name, rest) = call.split_once('(')?;
    let arguments: Vec<&str> = rest.trim_end().strip_suffix(')')?.split(", ").collect();
    let inside = |text: &str| {
        let path = PathBuf::from(String::from_utf8(unhex(text)).ok()?);
        // A relative path is relative to the folder that the process was started in, which is the root.
        match path.is_absolute() {
            true => path.strip_prefix(root).ok().map(Path::to_path_buf),
            false => Some(path.components().filter(|part| *part != std::path::Component::CurDir).collect()),
        }
    };
    let fd = || -> Option<i32> {
        let (fd, path) = arguments[0].split_once('<')?;
        inside(path.split('>').next()?)?;
        fd.parse().ok()
    };
    let number = |text: &str| text.parse::<u64>().ok();
    let open = |path: &str, flags: &str| {
        let has = |flag: &str| flags.split('|').any(|found| found == flag);
        let (creates, truncates, appends) = (has("O_CREAT"), has("O_TRUNC"), has("O_APPEND"));
        Some(Event::Open { fd: result as i32, path: inside(path)?, creates, truncates, appends })
    };
    if UNKNOWN_CALLS.contains(&name) && fd().is_some() {
        panic!("the checker knows no {name}: {}", &call[..call.len().min(120)]);
    }
    match name {
        "openat" => open(arguments[1], arguments[2]),
        "open" => open(arguments[0], arguments[1]),
        "creat" => open(arguments[0], "O_CREAT|O_TRUNC"),
        "write" => Some(Event::Write { fd: fd()?, offset: None, bytes: kept(unhex(arguments[1]), result) }),
        "pwrite64" => Some(Event::Write {
            fd: fd()?,
            offset: number(arguments[3]),
            bytes: kept(unhex(arguments[1]), result),
        }),
        "writev" => {
            let parts = rest.split('"').skip(1).step_by(2).flat_map(unhex).collect();
            Some(Event::Write { fd: fd()?, offset: None, bytes: kept(parts, result) })
        }
        "ftruncate" => Some(Event::Length { fd: fd()?, length: number(arguments[1])? }),
        "lseek" => Some(Event::Seek { fd: fd()?, position: result as u64 }),
        "fsync" | "fdatasync" => Some(Event::Sync { fd: fd()?, begun }),
        "close" => Some(Event::Close { fd: fd()? }),
        "rename" => Some(Event::Rename { from: inside(arguments[0])?, to: inside(arguments[1])? }),
        "renameat" | "renameat2" => {
            Some(Event::Rename { from: inside(arguments[1])?, to: inside(arguments[3])? })
        }
        "unlink" | "rmdir" => Some(Event::Remove { path: inside(arguments[0])? }),
        "unlinkat" => Some(Event::Remove { path: inside(arguments[1])? }),
        "mkdir" => Some(Event::Folder { path: inside(arguments[0])? }),
        "mkdirat" => Some(Event::Folder { path: inside(arguments[1])? }),
        _ => None,
    }
}

/// What a write has written, which may be less than it was given.
fn kept(mut bytes: Vec<u8>, result: i64) -> Vec<u8> {
    assert!(bytes.len() as i64 >= result, "strace cut a string short");
    bytes.truncate(result as usize);
    bytes
}

/// `"\x2f\x74"` or `\x2f\x74` as bytes.
fn unhex(text: &str) -> Vec<u8> {
    let digits = text.trim_matches('"').split("\\x").skip(1);
    digits.map(|digits| u8::from_str_radix(digits, 16).expect("strace -xx writes hexadecimal")).collect()
}
