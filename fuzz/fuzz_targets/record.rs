//! Any bytes as a record: what is one is written as the same bytes.
#![no_main]

use corec_core::message::Record;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(record) = Record::decode(bytes) {
        assert_eq!(record.encode(), bytes);
    }
});
