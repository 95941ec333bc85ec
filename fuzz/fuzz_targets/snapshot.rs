//! Any bytes as a snapshot: opened, verified, every column read.
#![no_main]

use std::io::Write;

use corec_core::snapshot::Snapshot;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(bytes).expect("it writes");
    if let Ok(snapshot) = Snapshot::open(file.path())
        && snapshot.verify().is_ok()
    {
        for (k, kind) in snapshot.head().kinds.iter().enumerate() {
            (0..kind.columns.len()).for_each(|c| _ = snapshot.column(k, c));
        }
    }
});
