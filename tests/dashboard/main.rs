//! The page of `corec run --http`, as Chromium shows it: driver.mjs looks, the tests judge what it finds.
//!
//! Its packages are installed once, with npm, below the target folder. `COREC_SCREENSHOTS=DIR` keeps pictures of the page.
#![cfg(feature = "http")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../support/mod.rs"]
mod support;

#[allow(dead_code, reason = "this test file uses a part of it")]
#[path = "../http/client.rs"]
mod client;
#[allow(dead_code, reason = "this test file uses a part of it")]
#[path = "../http/shown.rs"]
mod shown;

mod browser;

use std::net::TcpListener;

use serde_json::Value;

use browser::{Scene, is_ready, look};
use shown::{Shown, TOKEN};
use support::wait_until;

const PLUGINS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/plugins");
const SMALL: [&str; 6] = ["--entities", "20k", "--ticks", "1G", "--tick-rate", "50"];

fn small(at: &tempfile::TempDir) -> Shown {
    Shown::start(at.path(), "r", &SMALL)
}

fn url(shown: &Shown) -> String {
    format!("http://{}/", shown.address)
}

fn count(of: &Value) -> u64 {
    of.as_u64().unwrap_or_else(|| panic!("{of} is no count"))
}

fn is_empty(of: &Value) -> bool {
    of.as_array().unwrap_or_else(|| panic!("{of} is no list")).is_empty()
}

#[test]
fn the_page_loads_updates_and_says_nothing_on_the_console() {
    if !is_ready() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let shown = small(&folder);
    let found = look("load", &[&url(&shown)]);
    eprintln!("paints: {}; {} bytes: {}", found["paints"], found["bytes"], found["files"]);
    for list in ["said", "foreign", "violations"] {
        assert!(is_empty(&found[list]), "{list}: {}", found[list]);
    }
    assert!(found["paints"]["first-contentful-paint"].is_u64(), "{}", found["paints"]);
    let files = found["files"].as_object().unwrap();
    assert!(files.contains_key("/") && files.contains_key("/assets/app.js"), "{files:?}");
    // Some 90 KiB: less is a page that was not measured.
    assert!((60_000..120_000).contains(&count(&found["bytes"])), "{} bytes: {files:?}", found["bytes"]);
    let (before, after) = (&found["before"], &found["after"]);
    assert!(count(&after["drawn"]) >= count(&before["drawn"]) + 10, "{before} {after}");
    // Ten pictures are a second, and a second fifty ticks.
    assert!(count(&after["tick"]) >= count(&before["tick"]) + 20, "{before} {after}");
    let tick: u64 = found["shown"].as_str().unwrap().replace(',', "").parse().unwrap();
    assert!(tick > count(&before["tick"]), "{tick} is shown, {before}");
}

#[test]
fn a_block_is_drilled_down_to_its_entities_by_keyboard_and_the_address_keeps_it() {
    if !is_ready() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let shown = small(&folder);
    let found = look("block", &[&url(&shown)]);
    assert!(found["pointed"].as_str().unwrap().starts_with("swarm/2 · Fitness 0."), "{}", found["pointed"]);
    for name in ["opened", "again", "reloaded"] {
        let at = &found[name];
        let is_so = at["block"] == 2 && at["hash"] == "#block=2" && at["title"] == "Block swarm/2";
        assert!(is_so && at["map"] == false && count(&at["rows"]) == 200, "{name}: {at}");
    }
    assert_eq!(found["opened"]["focus"], "block-title");
    let (columns, cells) = (found["columns"].as_array().unwrap(), found["cells"].as_array().unwrap());
    assert_eq!(columns[..3], ["Id", "Value", "State"], "{columns:?}");
    assert_eq!(cells.len(), columns.len(), "{cells:?}");
    assert_eq!(found["chosen"], format!("Entity {}", cells[0].as_str().unwrap()));
    for name in ["closed", "nowhere"] {
        let at = &found[name];
        let is_so = at["block"].is_null() && at["hash"] == "" && at["focus"] == "map-box";
        assert!(is_so && at["map"] == true && at["rows"] == 0, "{name}: {at}");
    }
    assert_eq!(found["notice"], "Block 4000000000 is not in this run");
}

#[test]
fn a_plugin_is_paused_from_the_page_only_with_the_token() {
    if !is_ready() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let shown = Shown::start(folder.path(), "r", &[&SMALL[..], &["--plugins", PLUGINS]].concat());
    let found = look("plugin", &[&url(&shown), "analyzer", "a-token-of-the-testz", TOKEN]);
    let (waived, refused) = (&found["waived"], &found["refused"]);
    assert!(waived["asked"] == 0 && waived["row"] == "running", "{waived}");
    let is_kept = |at: &Value| at["kept"].as_array().unwrap().iter().any(|kept| kept == TOKEN);
    let has_wrong = |at: &Value| at["kept"].to_string().contains("a-token-of-the-testz");
    assert!(
        refused["row"] == "running" && refused["dialog"] == true && refused["refused"] == true,
        "{refused}"
    );
    assert!(!has_wrong(refused) && !is_kept(refused), "{refused}");
    let (paused, resumed) = (&found["paused"], &found["resumed"]);
    assert!(paused["row"] == "paused" && paused["dialog"] == false, "{paused}");
    assert!(paused["button"] == "Resume" && is_kept(paused), "{paused}");
    // It was not asked for again.
    assert!(resumed["row"] == "running" && resumed["dialog"] == false, "{resumed}");
    // One that was refused, a pause, a resumption.
    assert_eq!(found["asked"], 3);
    let plugins = client::get(&shown.address, "/api/v1/plugins").json();
    let is_running = |plugin: &Value| plugin["name"] == "analyzer" && plugin["state"] == "running";
    assert!(plugins["plugins"].as_array().unwrap().iter().any(is_running), "{plugins}");
}

#[test]
fn the_page_outlives_a_restart_of_the_engine() {
    if !is_ready() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let begin =
        [&["run"], &SMALL[..], &["--http", &free, "--snapshot-interval", "25", "--out", "r"]].concat();
    let shown = Shown::begin(folder.path(), "r", &begin);
    let has_ticks = |shown: &Shown, tick: u64| wait_until("ticks", || shown.tick() > tick);
    has_ticks(&shown, 60);
    let mut scene = Scene::open("restart", &[&url(&shown)]);
    let first = scene.next();
    assert!(first["connection"] == "live" && first["text"] == "Live", "{first}");
    // Killed, as by `kill -9`.
    drop(shown);
    scene.go_on();
    let lost = scene.next();
    assert_eq!(lost["text"], "Connection lost, retrying", "{lost}");
    let shown = Shown::begin(folder.path(), "r", &["run", "--restore", "r"]);
    assert!(shown.address.ends_with(&format!(":{free}")), "{} is another port", shown.address);
    scene.go_on();
    let again = scene.next();
    assert!(again["connection"] == "live" && again["text"] == "Live", "{again}");
    assert!(count(&again["drawn"]) >= count(&lost["drawn"]) + 10, "{lost} {again}");
    assert!(again["tick"].as_u64() > Some(60), "{again}");
    let last = shown.end();
    scene.go_on();
    let ended = scene.next();
    assert!(ended["ended"] == "interrupted" && ended["text"] == "Run ended: interrupted", "{ended} {last}");
    scene.close();
}

#[test]
fn ten_viewers_at_once_are_all_shown_the_run() {
    if !is_ready() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let shown = small(&folder);
    let tick = shown.tick();
    let found = look("crowd", &[&url(&shown), "10"]);
    let (before, after) = (found["before"].as_array().unwrap(), found["after"].as_array().unwrap());
    assert_eq!(after.len(), 10);
    for (before, after) in before.iter().zip(after) {
        assert!(after["connection"] == "live" && after["run"] == before["run"], "{after}");
        assert!(count(&after["drawn"]) >= count(&before["drawn"]) + 10, "{before} {after}");
        assert!(count(&after["tick"]) > count(&before["tick"]), "{before} {after}");
    }
    wait_until("ticks", || shown.tick() > tick + 100);
}

#[test]
fn a_hundred_thousand_frames_leave_the_heap_where_it_was() {
    if !is_ready() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let shown = small(&folder);
    let found = look("soak", &[&url(&shown), "100000", "10000"]);
    let (before, after) = (&found["before"], &found["after"]);
    eprintln!("{} s; {before} {after}", found["seconds"]);
    assert!(count(&after["received"]) >= 100_000 && count(&before["received"]) >= 10_000, "{before} {after}");
    // As many as there was time for: pictures that come between two draws are drawn as one.
    assert!(count(&after["drawn"]) >= count(&before["drawn"]) + 100, "{before} {after}");
    assert_eq!((&before["kept"], &after["kept"]), (&1200.into(), &1200.into()));
    let grown = after["heap"].as_f64().unwrap() - before["heap"].as_f64().unwrap();
    assert!(grown < 2e6, "the heap has grown by {grown} bytes: {before} {after}");
    for of in ["elements", "nodes", "listeners"] {
        assert_eq!(before[of], after[of], "{of}");
    }
}

#[test]
fn both_languages_both_themes_and_a_phone_show_everything() {
    if !is_ready() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let shown = Shown::start(folder.path(), "r", &[&SMALL[..], &["--plugins", PLUGINS]].concat());
    let found = look("look", &[&url(&shown)]);
    let looks = found["looks"].as_array().unwrap();
    // Three widths and a block, of two themes in two languages.
    assert_eq!(looks.len(), 16);
    for at in looks {
        let whose = format!("{} {} {} px, block {}", at["language"], at["theme"], at["width"], at["block"]);
        assert_eq!(at["lang"], at["language"], "{whose}");
        assert!(at["scrolls"].as_i64() <= Some(0), "{whose}: {} px beyond, {}", at["scrolls"], at["beyond"]);
        for list in ["beyond", "untranslated", "missing", "cut"] {
            assert!(is_empty(&at[list]), "{whose}: {list}: {}", at[list]);
        }
        assert!(count(&at["texts"]) > 150, "{whose}: {} texts", at["texts"]);
        // WCAG 2.2, 1.4.3.
        assert!(at["body"].as_f64() >= Some(4.5), "{whose}: {}", at["body"]);
        assert!(at["least"][0].as_f64() >= Some(4.5), "{whose}: {}", at["least"]);
        assert_eq!(at["panels"], 7, "{whose}");
        // Eight charts and the map, or a block's three pictures.
        let canvases = if at["block"].is_null() { 9 } else { 11 };
        assert!(at["canvases"] == canvases && at["drawn"] == canvases, "{whose}: {at}");
    }
    let access: Vec<&str> =
        found["axes"].as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect();
    assert!(access.is_empty(), "{}", access.join("\n"));
    let chosen = &found["chosen"];
    assert_eq!(chosen["chosen"], chosen["ofSystem"]);
    assert_ne!(chosen["ofSystem"]["dark"], chosen["ofSystem"]["light"]);
    let spanish = serde_json::json!({"lang": "es", "theme": "light", "title": "Panel de CoreC"});
    assert_eq!((&chosen["before"], &chosen["after"]), (&spanish, &spanish));
    if let Some(pictures) = std::env::var_os("COREC_SCREENSHOTS") {
        look("shots", &[&url(&shown), pictures.to_str().unwrap(), "5"]);
    }
}
