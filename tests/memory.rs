//! A million entities in the memory that was promised for them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use support::{json, number};

#[test]
fn a_million_default_entities_stay_below_140_mb() {
    let folder = tempfile::tempdir().unwrap();
    let s = json(folder.path(), &["run", "--ticks", "25"], 0);
    assert_eq!(number(&s, "entities"), 1e6);
    // Promised are 200 MB; the program itself, of a debug build, is 23 of them. A resource inserted under a high entity would alone cost 4 MB, and there are many.
    assert!(number(&s, "peak_rss_bytes") <= 140e6, "{} bytes", s["peak_rss_bytes"]);
}

#[test]
fn a_million_full_rows_stay_below_a_gibibyte() {
    let folder = tempfile::tempdir().unwrap();
    let s = json(folder.path(), &["run", "full-rows", "--ticks", "12"], 0);
    assert_eq!((number(&s, "entities"), number(&s, "entity_updates")), (1e6, 12e6));
    assert!(number(&s, "peak_rss_bytes") <= 1_073_741_824.0, "{} bytes", s["peak_rss_bytes"]);
}
