//! Any bytes as a Redis server's answer: entries, messages, facts about a stream.
#![no_main]

use corec_bridges::bus::redis::{ENTRY_BYTES_MAX, entries, messages, parse_output, stream_info};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(value) = redis::parse_redis_value(bytes) else { return };
    if let Ok(streams) = entries(value.clone()) {
        let found = streams.iter().flat_map(|(_, entries)| entries);
        let data = found.map(|entry| entry.data.len()).inspect(|length| assert!(*length <= ENTRY_BYTES_MAX));
        assert!(data.sum::<usize>() <= bytes.len());
    }
    if let Ok(messages) = messages(value.clone()) {
        for by in messages.iter().filter_map(|message| message.by.as_deref()) {
            _ = std::str::from_utf8(by).map(parse_output);
        }
    }
    _ = stream_info(value);
});
