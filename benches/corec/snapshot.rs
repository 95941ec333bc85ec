//! Snapshots of a million default rows, beside memcpy and zstd level 1 on two threads over the same bytes.

use std::path::Path;

use corec::prelude::*;
use corec_core::snapshot::{About, Capture, Snapshot, SnapshotFolder, capture, write};
use criterion::{Criterion, Throughput};

use crate::{MILLION, ROW, tick};

/// The live columns, one after the other.
fn columns(snapshot: &Snapshot) -> Vec<u8> {
    let kinds = snapshot.head().kinds.iter().enumerate();
    let columns = kinds.flat_map(|(k, kind)| (0..kind.columns.len()).map(move |c| (k, c)));
    columns.flat_map(|(k, c)| snapshot.column(k, c).expect("it was just written")).collect()
}

/// memcpy of the bytes, then zstd level 1 of both halves on a thread each. Gives the compressed size.
fn memcpy_and_zstd(from: &[u8], to: &mut [u8]) -> usize {
    to.copy_from_slice(from);
    let (left, right) = to.split_at(to.len() / 2);
    let pack = |bytes: &[u8]| zstd::bulk::compress(bytes, 1).expect("memory is enough").len();
    std::thread::scope(|scope| {
        let left = scope.spawn(|| pack(left));
        pack(right) + left.join().expect("it does not panic")
    })
}

/// A run of fifty ticks, its copy, and the snapshot that was written of it.
struct Saved {
    simulation: Simulation,
    copy: Capture,
    snapshot: Snapshot,
    bytes: Vec<u8>,
}

impl Saved {
    fn make(folder: &Path) -> Self {
        let mut simulation = tick::scenario("ecosystem", MILLION, 0.5, 2);
        simulation.run(50).expect("it runs");
        let mut copy = Capture::default();
        simulation.in_pool(|world| capture(world, &mut copy, &About::default()));
        let written = write(&copy, &SnapshotFolder::own(folder.into(), 1), 2).expect("it writes");
        let snapshot = Snapshot::open(&written.path).expect("it was just written");
        let bytes = columns(&snapshot);
        let whole = zstd::bulk::compress(&bytes, 1).expect("memory is enough").len() as u64;
        assert!(written.bytes <= whole, "{} bytes, zstd level 1 of the same has {whole}", written.bytes);
        eprintln!("snapshot of {} bytes, zstd level 1 of the same columns {whole}", written.bytes);
        Self { simulation, copy, snapshot, bytes }
    }
}

pub fn snapshot(c: &mut Criterion) {
    let mut group = c.benchmark_group("snapshot/entities=1000000");
    group.throughput(Throughput::Bytes(ROW as u64 * MILLION)).sample_size(10);
    let folder = tempfile::tempdir().expect("a folder");
    let (mut made, make) = (None, || Saved::make(folder.path()));
    // What a tick waits for.
    group.bench_function("capture", |b| {
        let Saved { simulation, copy, .. } = made.get_or_insert_with(make);
        b.iter(|| simulation.in_pool(|world| capture(world, copy, &About::default())));
    });
    group.bench_function("write/threads=2", |b| {
        let Saved { copy, .. } = made.get_or_insert_with(make);
        b.iter(|| write(copy, &SnapshotFolder::own(folder.path().into(), 1), 2).expect("it writes"));
    });
    group.bench_function("restore", |b| {
        let Saved { simulation, snapshot, .. } = made.get_or_insert_with(make);
        let digest = simulation.digest().value;
        let scenario = simulation.world().resource::<RunScenario>().0.clone();
        b.iter_with_large_drop(|| {
            let mut app = App::new();
            app.add_plugins(CorecPlugin);
            let restored = Simulation::restore(app, scenario.clone(), snapshot).expect("it fits");
            assert_eq!(restored.digest().value, digest);
            restored
        });
    });
    let mut to = Vec::new();
    group.bench_function("memcpy-and-zstd-1/threads=2", |b| {
        let Saved { bytes, .. } = made.get_or_insert_with(make);
        to.resize(bytes.len(), 0);
        b.iter(|| memcpy_and_zstd(bytes, &mut to));
    });
    group.finish();
}
