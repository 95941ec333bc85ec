//! The examples, as a user runs them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::process::Command;

struct Example {
    name: &'static str,
    /// What it promises a reader: fewer lines than these.
    lines_max: usize,
    prints: &'static [&'static str],
}

const EXAMPLES: &[Example] = &[
    // A component and a system of one's own run a scenario.
    Example {
        name: "fatigue",
        lines_max: 40,
        prints: &["fatigue, seed 42", "100,000 in 100 blocks", "200 in", "fatigue::tire"],
    },
    // Before Process the last storm would leave a mean above 0, after Measure it would be seen a tick later.
    Example {
        name: "phases",
        lines_max: 50,
        prints: &["after 70 ticks and 7 storms: mean 0.", "after 71 ticks and 8 storms: mean 0.000\n"],
    },
    Example {
        name: "plain_bevy",
        lines_max: 130,
        prints: &[
            "under Bevy: 193 lines, the last: 9 rabbits at 39 s\n",
            "under CoreC: 193 lines, the last: 9 rabbits at 39 s\nthe same\n",
        ],
    },
    Example {
        name: "step_by_step",
        lines_max: 81,
        prints: &[
            "tick 50: the mean level of block 0 is 0.9",
            "pond 7 is filled between two ticks",
            "tick 150: both have the digest",
        ],
    },
];

#[test]
fn every_example_prints_what_it_promises() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    for Example { name, prints, .. } in EXAMPLES {
        let run = ["run", "--quiet", "--locked", "--manifest-path", manifest, "--example", name];
        let output = Command::new(env!("CARGO")).args(run).current_dir(folder.path()).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        for wanted in *prints {
            assert!(text.contains(wanted), "{name}: {text} lacks {wanted}");
        }
    }
}

#[test]
fn every_example_is_here_and_short() {
    let files = fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/examples")).unwrap();
    let mut names = Vec::new();
    for path in files.map(|file| file.unwrap().path()) {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let example = EXAMPLES.iter().find(|example| example.name == name);
        let max = example.unwrap_or_else(|| panic!("{} is not run", path.display())).lines_max;
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines < max, "{name}: {lines} lines, must be fewer than {max}");
        names.push(name);
    }
    assert_eq!(names.len(), EXAMPLES.len(), "{names:?}");
}
