//! Any bytes as the only file of a journal: read to its end.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("00000001.log"), bytes).expect("it writes");
    _ = corec_core::journal::summary(folder.path());
    _ = corec_core::journal::Journal::replay_of(folder.path());
});
