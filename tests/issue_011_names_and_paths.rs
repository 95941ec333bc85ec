//! Names and paths: what is not UTF-8 is refused at the start, what a terminal would obey never reaches it, numbers below zero are told of.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;

use support::{command, corec, json, refused, said};

#[test]
fn a_path_that_is_not_utf_8_is_refused_by_its_option() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let odd = OsString::from_vec(b"od\xffd".to_vec());
    for option in [
        "--out",
        "--input",
        "--ack",
        "--windows",
        "--snapshot",
        "--journal",
        "--restore",
        "--profile",
        "--plugins",
    ] {
        let output = command(at, &["run", "--entities", "10", option]).arg(&odd).output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{option}: {err}");
        assert!(err.contains(option) && err.contains("must be UTF-8"), "{option}: {err}");
    }
    for tool in ["replay", "inspect", "runs", "verify"] {
        assert_eq!(command(at, &[tool]).arg(&odd).output().unwrap().status.code(), Some(2), "{tool}");
    }
    assert_eq!(fs::read_dir(at).unwrap().count(), 0);
    // The folder around may be called anything that can be written down.
    let around = at.join(&odd);
    fs::create_dir(&around).unwrap();
    let (status, err) = said(&around, &["run", "--entities", "10", "--ticks", "2"]);
    assert!(status == Some(2) && err.contains("must be UTF-8"), "{status:?} {err}");
    assert_eq!(fs::read_dir(&around).unwrap().count(), 0);
}

#[test]
fn a_terminal_sees_no_control_character() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(
        at.join("e.json"),
        r#"{"ticks": 3, "name": "x\u001b[31mred", "blocks": [{"id": "a", "entities": 5}]}"#,
    )
    .unwrap();
    json(at, &["run", "--entities", "10", "--ticks", "2", "--out", "o\u{1b}[31m"], 0);
    for arguments in [
        &["run", "e.json", "--out", "n"][..],
        &["run", "--restore", "no\u{1b}[31m"],
        &["runs", "."],
        &["inspect", "o\u{1b}[31m"],
        &["run", "--entities", "10", "--ticks", "2", "--out", "p\u{7}"],
    ] {
        let output = corec(at, arguments);
        let said = [output.stdout, output.stderr].concat();
        assert!(!said.is_empty(), "{arguments:?}");
        let raw = said.iter().find(|byte| byte.is_ascii_control() && !b"\n\t".contains(byte));
        assert_eq!(raw, None, "{arguments:?}: {}", String::from_utf8_lossy(&said));
    }
}

#[test]
fn a_number_below_zero_is_told_of_by_its_option() {
    let folder = tempfile::tempdir().unwrap();
    for option in [
        "--ticks",
        "--seed",
        "--entities",
        "--threads",
        "--load",
        "--tick-rate",
        "--snapshot-interval",
        "--snapshot-keep",
        "--digest-interval",
    ] {
        let (status, err) = said(folder.path(), &["run", option, "-5"]);
        assert!(status == Some(2) && err.contains(option) && err.contains("-5"), "{option}: {err}");
        assert!(!err.contains("unexpected argument"), "{option}: {err}");
    }
}

#[test]
fn a_fork_of_what_has_no_effect_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    json(at, &["run", "--entities", "100", "--ticks", "20", "--out", "r"], 0);
    for (set, wanted) in [
        ("blocks[0].load=0.5", "which it is already"),
        ("threads=1", "has no effect on a future"),
        ("ticks=90", "--ticks says"),
        ("blocks[0].load=-0.5", "must be within 0..=1"),
        ("blocks[0].lod=1", "found no key 'lod'"),
    ] {
        let arguments = ["fork", "r", "--at", "10", "--out", "f", "--set", set];
        let (status, err) = said(at, &arguments);
        assert!(status == Some(2) && err.contains(wanted), "{set}: {err}");
        assert!(!at.join("f").exists(), "{set}");
    }
    let beyond = ["fork", "r", "--at", "21", "--out", "f", "--set", "blocks[0].load=0.9"];
    refused(at, &beyond, "--at: found 21, must be at most 20");
    let before = ["fork", "r", "--at", "10", "--ticks", "5", "--out", "f", "--set", "blocks[0].load=0.9"];
    refused(at, &before, "--ticks: found 5, must be at least 10");
    assert!(!at.join("f").exists());
}
