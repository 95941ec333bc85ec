//! Any bytes, with the checksum that they need, as a forest's file: loaded, saved, and asked for the score of a row.
#![no_main]

use corec_dynamics::forest::{IsolationForest, Rows};
use xxhash_rust::xxh3::xxh3_64;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let sealed = [bytes, &xxh3_64(bytes).to_le_bytes()].concat();
    std::fs::write(file.path(), sealed).expect("it writes");
    if let Ok(forest) = IsolationForest::load(file.path()) {
        let row = vec![0.5; forest.columns()];
        let scores = forest.score_samples(Rows::new(&row, forest.columns()).expect("finite")).expect("of its width");
        assert!(scores[0] <= 0.0 && scores[0] >= -1.0, "{scores:?}");
        forest.save(file.path()).expect("it writes");
        let again = IsolationForest::load(file.path()).expect("what was saved is a forest");
        assert_eq!(again.trees(), forest.trees());
    }
});
