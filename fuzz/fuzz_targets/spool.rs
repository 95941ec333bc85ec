//! Any bytes as the log of a spool's segment: what can be read of it is sent.
#![no_main]

use std::time::Duration;

use corec_bridges::bus::Outgoing;
use corec_bridges::lane::{Lane, LaneOptions, Policy, Sink, SinkError, SpoolOptions};
use corec_core::units::RunId;

struct Far;

impl Sink for Far {
    type Item = Outgoing;

    fn take(&mut self, _: &[Outgoing]) -> Result<(), SinkError> {
        Ok(())
    }
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let folder = tempfile::tempdir().expect("a folder");
    let segment = folder.path().join("000000000001");
    std::fs::create_dir(&segment).expect("a folder");
    std::fs::write(segment.join("00000001.log"), bytes).expect("it writes");
    let options = LaneOptions {
        name: "far side",
        items_max: 4,
        bytes_max: 1 << 20,
        policy: Policy::Block,
        patience: Duration::from_secs(60),
        spool: Some(SpoolOptions { folder: folder.path().into(), bytes_max: 1 << 20, run: RunId(7) }),
    };
    if let Ok(mut lane) = Lane::start(Far, options) {
        lane.close(Duration::from_secs(60)).expect("the far side is there");
    }
});
