//! Two futures from one past.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use support::{json, number, refused};

#[test]
fn a_fork_shares_the_past_and_differs_from_its_tick_on() {
    let folder = tempfile::tempdir().unwrap();
    let arguments =
        ["run", "--entities", "20k", "--ticks", "120", "--snapshot-interval", "50", "--out", "run"];
    let run = json(folder.path(), &arguments, 0);
    let fork = ["fork", "run", "--at", "73", "--ticks", "120", "--set"];
    let both = json(folder.path(), &[&fork[..], &["blocks[0].repair=false", "--out", "both"]].concat(), 0);
    assert_eq!(
        (&both["same"]["state_digest"], number(&both["same"], "restored_at")),
        (&run["state_digest"], 73.0)
    );
    assert_ne!(both["fork"]["state_digest"], run["state_digest"]);
    assert!(number(&both["fork"], "repairs") < number(&both["same"], "repairs"));
    assert!(number(&both["fork"], "fitness_end") < number(&both["same"], "fitness_end"));
    let runs = json(folder.path(), &["runs", "both"], 0);
    assert_eq!((number(&runs[0], "epoch"), number(&runs[1], "epoch")), (1.0, 1.0), "another history");
    // What is forked can be replayed and verified up to the fork only from its own settings; the unchanged one from the start.
    assert_eq!(json(folder.path(), &["replay", "both/same"], 0)["digest"], run["state_digest"]);
    let refuse = |more: &[&str], wanted: &str| {
        let output = support::corec(folder.path(), &[&fork[..], more].concat());
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && err.contains(wanted), "{err}");
    };
    refuse(&["blocks[0].entities=5"], "must not be one of seed, tick_seconds");
    refuse(&["blocks[9].load=1"], "must be below 3");
    refuse(&["blocks[0].load=7"], "blocks[0].load: found 7");
    refuse(&["blocks[0].dynamics.coupling=2", "--out", "none"], "blocks[0].dynamics.coupling: found 2");
    refuse(&["blocks[0].dynamics.coupling=0.05", "--out", "none"], "which it is already");
    assert!(!folder.path().join("none").exists());
    refused(folder.path(), &["fork", "nothing", "--at", "1", "--set", "seed=1"], "nothing/manifest.json");
}

#[test]
fn a_fork_of_a_table_takes_its_rows_from_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let rows: Vec<String> = (0..200).map(|row| format!("{},{}\n", row * 37 % 101, row % 7)).collect();
    std::fs::write(folder.path().join("table.csv"), format!("a,b\n{}", rows.concat())).unwrap();
    let run = json(folder.path(), &["run", "telemetry", "--input", "table.csv", "--out", "run"], 0);
    let arguments = ["fork", "run", "--at", "80", "--set", "telemetry.score_max=0.5", "--out", "both"];
    let both = json(folder.path(), &arguments, 0);
    assert_eq!((&both["same"]["state_digest"], number(&both["same"], "tick")), (&run["state_digest"], 200.0));
    assert_ne!(both["fork"]["state_digest"], run["state_digest"]);
}

#[test]
fn a_plugins_setting_differs_in_one_future_only() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    std::fs::create_dir_all(at.join("plugins/alerts")).unwrap();
    std::fs::write(at.join("plugins/alerts/config.json"), r#"{"name": "alerts"}"#).unwrap();
    let run =
        ["run", "--entities", "5k", "--ticks", "60", "--plugins", "plugins", "--snapshot-interval", "20"];
    json(at, &[&run[..], &["--out", "run"]].concat(), 0);
    let fork = ["fork", "run", "--at", "30", "--set"];
    let low = r#"plugins.alerts.rules=[{"name": "low", "signal": "value_min", "enter": 0.9, "leave": 0.95}]"#;
    let both = json(at, &[&fork[..], &[low, "--out", "both"]].concat(), 0);
    assert!(number(&both["fork"], "alerts") > number(&both["same"], "alerts"), "{both}");
    let manifest = std::fs::read_to_string(at.join("both/fork/manifest.json")).unwrap();
    assert!(manifest.contains("\"low\""), "{manifest}");
    for (set, wanted) in [
        ("plugins.alerts.ruls=[]", "unknown key 'ruls': did you mean 'rules'?"),
        ("plugins.nobody.rules=[]", "of a plugin of the run: alerts"),
        ("plugins.alerts.entities=5", "must be blocks[N].entities"),
    ] {
        refused(at, &[&fork[..], &[set, "--out", "other"]].concat(), wanted);
    }
    assert!(!at.join("other").exists());
}
