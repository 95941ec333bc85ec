//! `corec forest`: a table becomes a forest, and scores; and how well it finds what scikit-learn's finds.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod parity;
#[path = "../support/mod.rs"]
mod support;

use std::fmt::Write;
use std::fs;
use std::path::Path;

use parity::twin;
use support::{corec, json, number, refused};

/// A table of two columns and a label, in which the last rows are far from the others.
fn write(folder: &Path, name: &str) -> String {
    let (values, labels) = twin(1500, 2, 60);
    let mut text = "time,a,b,host,label\n".to_string();
    for (at, (row, label)) in values.chunks(2).zip(labels).enumerate() {
        writeln!(
            text,
            "2024-01-01 00:{:02}:{:02},{},{},web,{}",
            at / 60,
            at % 60,
            row[0],
            row[1],
            u8::from(label)
        )
        .unwrap();
    }
    fs::write(folder.join(name), text).unwrap();
    name.into()
}

#[test]
fn a_forest_is_grown_saved_and_scores_a_table() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write(folder, "t.csv");
    let fitted = json(
        folder,
        &["forest", "fit", "t.csv", "--out", "t.forest", "--seed", "3", "--contamination", "0.04"],
        0,
    );
    assert_eq!(
        (number(&fitted, "rows"), number(&fitted, "trees"), number(&fitted, "samples")),
        (1500.0, 100.0, 256.0)
    );
    assert_eq!(fitted["columns"], serde_json::json!(["a", "b"]), "neither times, text nor labels");
    let score = ["forest", "score", "t.csv", "--forest", "t.forest"];
    let scored = json(folder, &[&score[..], &["--out", "s.csv"]].concat(), 0);
    assert_eq!((number(&scored, "rows"), number(&scored, "outliers")), (1500.0, 60.0));
    assert!(number(&scored, "roc_auc") > 0.95 && number(&scored, "pr_auc") > 0.85, "{scored}");
    let scores = fs::read_to_string(folder.join("s.csv")).unwrap();
    let lines: Vec<&str> = scores.lines().collect();
    assert_eq!((lines[0], lines.len()), ("line,score,outlier,label", 1501));
    let highest = &scored["highest"][0];
    let line = highest["line"].as_u64().unwrap();
    let cells: Vec<&str> = lines[line as usize - 1].split(',').collect();
    assert_eq!(cells[0], line.to_string(), "a score's line is the row's");
    assert_eq!(cells[1].parse::<f64>().unwrap(), highest["score"].as_f64().unwrap());
    let text = String::from_utf8(corec(folder, &score).stdout).unwrap();
    assert!(
        text.contains("1,500 rows scored in") && text.contains("60 outliers") && text.contains("ROC-AUC 0.9"),
        "{text}"
    );

    // The same bytes at any number of threads and any width, and columns in another order.
    for (threads, simd) in [("1", "portable"), ("2", "avx2"), ("8", "sse2")] {
        let other = format!("{threads}.forest");
        let fit = [
            "forest",
            "fit",
            "t.csv",
            "--seed",
            "3",
            "--contamination",
            "0.04",
            "--threads",
            threads,
            "-q",
            "--out",
            &other,
        ];
        let output = support::command(folder, &fit).env("COREC_SIMD", simd).output().unwrap();
        assert!(output.status.success() && output.stdout.is_empty());
        assert_eq!(fs::read(folder.join(&other)).unwrap(), fs::read(folder.join("t.forest")).unwrap());
    }
    fs::write(folder.join("turned.csv"), "b,a\n40,-30\n").unwrap();
    let turned = json(folder, &["forest", "score", "turned.csv", "--forest", "t.forest"], 0);
    assert_eq!((number(&turned, "outliers"), &turned["roc_auc"]), (1.0, &serde_json::Value::Null));
}

#[test]
fn a_gap_is_refused_by_its_line_unless_it_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("g.csv"), "a,b\n1,2\n3,\n5,6\nNaN,7\n8,9\n").unwrap();
    let fit = ["forest", "fit", "g.csv", "--out", "g.forest"];
    let output = corec(folder, &fit);
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("g.csv: line 3, column 'b': found a gap, must be a number; --skip-gaps"), "{told}");
    let fitted = json(folder, &[&fit[..], &["--skip-gaps"]].concat(), 0);
    assert_eq!((number(&fitted, "rows"), number(&fitted, "skipped")), (3.0, 2.0));
    let score = ["forest", "score", "g.csv", "--forest", "g.forest", "--out", "s.csv"];
    assert_eq!(corec(folder, &score).status.code(), Some(1));
    assert!(!folder.join("s.csv").exists(), "no half of a file");
    let scored = json(folder, &[&score[..], &["--skip-gaps"]].concat(), 0);
    assert_eq!((number(&scored, "rows"), number(&scored, "skipped")), (3.0, 2.0));
    let scores = fs::read_to_string(folder.join("s.csv")).unwrap();
    let lines: Vec<&str> = scores.lines().map(|line| line.split(',').next().unwrap()).collect();
    assert_eq!(lines, ["line", "2", "4", "6"]);
    assert_eq!(fs::read_dir(folder).unwrap().count(), 3, "nothing is left beside them");
}

#[test]
fn what_is_no_table_no_forest_or_not_of_it_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write(folder, "t.csv");
    let fit = ["forest", "fit", "t.csv", "--out", "t.forest"];
    let with = |more: &[&'static str]| [&fit[..], more].concat();
    refused(
        folder,
        &with(&["--contamination", "0.6"]),
        "contamination: found 0.6, must be auto, or within (0, 0.5]",
    );
    refused(folder, &with(&["--features", "3"]), "max_features: found Count(3), must be within 1..=2");
    refused(
        folder,
        &with(&["--samples", "some"]),
        "found 'some', must be a whole number, a share as 0.5 or auto",
    );
    refused(folder, &with(&["--trees", "0"]), "n_estimators: found 0, must be within 1..=10000");
    refused(folder, &["forest", "fit", "none.csv", "--out", "f"], "none.csv");
    assert!(!folder.join("t.forest").exists());
    assert!(corec(folder, &fit).status.success());
    fs::write(folder.join("other.csv"), "a,c\n1,2\n").unwrap();
    let of = |table, forest| ["forest", "score", table, "--forest", forest];
    refused(
        folder,
        &of("other.csv", "t.forest"),
        "found columns of numbers that t.forest has not (c), and not all that it has (b)",
    );
    refused(folder, &of("t.csv", "t.csv"), "t.csv: byte 0: found no forest");
    refused(folder, &of("t.csv", "none"), "none: No such file");
}
