//! Any bytes as an item that waited on disk: what is one is the same item when it is written and read again.
#![no_main]

use corec_bridges::bus::Outgoing;
use corec_bridges::lane::Spooled;
use corec_core::store::Batch;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(entry) = Outgoing::decode(bytes) {
        assert_eq!(encoded(&entry), bytes);
    }
    if let Ok(batch) = Batch::decode(bytes) {
        // Bytes are compared, for a batch may hold NaN; those that were read may have a number in more bytes than it needs.
        let written = encoded(&batch);
        assert_eq!(Batch::decode(&written).map(|batch| encoded(&batch)), Ok(written));
    }
});

fn encoded(item: &impl Spooled) -> Vec<u8> {
    let mut bytes = Vec::new();
    item.encode(&mut bytes);
    bytes
}
