//! Any bytes as a frame: what is one is the same frame when it is written and read again.
#![no_main]

use corec_core::message::Frame;
use xxhash_rust::xxh3::xxh3_64;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    read(bytes);
    // With the checksum that its sender would have given it: what is behind that is read too.
    if let Some((body, _)) = bytes.split_last_chunk::<8>() {
        read(&[body, &xxh3_64(body).to_le_bytes()].concat());
    }
});

fn read(bytes: &[u8]) {
    if let Ok(frame) = Frame::decode(bytes) {
        assert_eq!(Frame::decode(&frame.encode()), Ok(frame));
    }
}
