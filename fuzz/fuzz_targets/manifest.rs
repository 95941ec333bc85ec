//! Any text as a manifest.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| {
    _ = corec_run::manifest::Manifest::parse(text);
});
