//! Spools written, read, killed, torn and damaged.

use std::fs;
use std::path::{Path, PathBuf};

use corec_core::journal::RECORD_BYTES_MAX;
use corec_core::units::RunId;
use proptest::prelude::*;

use super::super::spool::Spool;
use super::*;

/// A number and bytes after it.
#[derive(Clone, Debug, PartialEq)]
struct Item(u64, usize);

impl Spooled for Item {
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
        out.resize(out.len() + self.1, self.0 as u8);
    }

    fn decode(bytes: &[u8]) -> Result<Self, String> {
        let (number, rest) = bytes.split_at_checked(8).ok_or("no number")?;
        Ok(Self(u64::decode(number)?, rest.len()))
    }
}

fn open(folder: &Path, bytes_max: u64) -> Spool<Item> {
    Spool::open(&SpoolOptions { folder: folder.join("s"), bytes_max, run: RunId(7) }).unwrap()
}

/// Writes `items`, as far as there is room for them; says how many.
fn write(spool: &mut Spool<Item>, items: &[Item]) -> usize {
    let mut written = 0;
    while written < items.len() {
        let count = spool.gather(&items[written..]);
        if count == 0 {
            break;
        }
        spool.write().unwrap();
        written += count;
    }
    written
}

/// Takes all there is, the numbers of it.
fn take(spool: &mut Spool<Item>) -> Vec<u64> {
    let mut numbers = Vec::new();
    while spool.held().items > 0 {
        numbers.extend(spool.read(3).unwrap().iter().map(|item| item.0));
        spool.taken();
    }
    numbers
}

/// Every file of a spool, in order.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder.join("s"))
        .into_iter()
        .flatten()
        .flat_map(|segment| fs::read_dir(segment.unwrap().path()).unwrap())
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    files
}

/// A spool of several segments with the items 0..100.
fn filled(folder: &Path) {
    let mut spool = open(folder, 4000);
    for first in (0..100).step_by(5) {
        assert_eq!(write(&mut spool, &(first..first + 5).map(|n| Item(n, 7)).collect::<Vec<_>>()), 5);
    }
    assert!(files(folder).len() > 2);
}

#[derive(Clone, Debug)]
enum Event {
    Write(Vec<usize>),
    Take(usize),
    Kill,
    /// The process was killed while it wrote: so many bytes of what it wrote are there.
    Torn(Vec<u8>),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => prop::collection::vec(0..60usize, 1..6).prop_map(Event::Write),
        3 => (1..9usize).prop_map(Event::Take),
        1 => Just(Event::Kill),
        1 => prop::collection::vec(any::<u8>(), 0..20).prop_map(Event::Torn),
    ]
}

proptest! {
    // Each waits for a disk.
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_item_comes_in_order_also_after_kills(events in prop::collection::vec(event(), 1..60)) {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = open(folder.path(), 3000);
        let (mut put, mut had) = (0, 0);
        let see = |had: &mut u64, numbers: &[Item]| {
            for Item(number, _) in numbers {
                assert!(*number <= *had, "{number} after {had}");
                *had = (*had).max(number + 1);
            }
        };
        for event in &events {
            match event {
                Event::Write(sizes) => {
                    let items: Vec<_> = sizes.iter().zip(put..).map(|(size, n)| Item(n, *size)).collect();
                    put += write(&mut spool, &items) as u64;
                    prop_assert!(spool.held().bytes <= 3000, "{:?}", spool.held());
                }
                Event::Take(max) => {
                    let read = spool.read(*max).unwrap();
                    see(&mut had, read);
                    spool.taken();
                }
                Event::Kill => spool = open(folder.path(), 3000),
                Event::Torn(bytes) => {
                    drop(spool);
                    if let Some(last) = files(folder.path()).last() {
                        // The beginning of a frame, of which the rest is missing.
                        let header = fs::read(last).unwrap()[32..].iter().copied().take(bytes.len()).collect::<Vec<_>>();
                        let whole = fs::read(last).unwrap();
                        fs::write(last, [whole, header].concat()).unwrap();
                    }
                    spool = open(folder.path(), 3000);
                }
            }
            prop_assert!(spool.held().lost == 0 && spool.held().items >= put - had, "{:?}", spool.held());
        }
        while spool.held().items > 0 {
            see(&mut had, spool.read(4).unwrap());
            spool.taken();
        }
        prop_assert_eq!(had, put);
        prop_assert!(!folder.path().join("s").exists());
    }

    #[test]
    fn damage_is_counted_and_never_a_panic(at in any::<prop::sample::Index>(), bit in 0..8u8, file in any::<prop::sample::Index>()) {
        let folder = tempfile::tempdir().unwrap();
        filled(folder.path());
        let files = files(folder.path());
        let (file, is_last) = (file.get(&files), file.index(files.len()) + 1 == files.len());
        let mut bytes = fs::read(file).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        fs::write(file, bytes).unwrap();
        let mut spool = open(folder.path(), 4000);
        let lost = spool.held().lost;
        let numbers = take(&mut spool);
        prop_assert!(numbers.is_sorted() && numbers.len() < 100, "{numbers:?}");
        prop_assert_eq!(spool.held().lost, lost);
        // Of what was last nothing tells how much it was; half a frame at the end is what a kill leaves.
        prop_assert!(is_last && lost <= 1 || numbers.len() as u64 + lost == 100, "{} and {lost}", numbers.len());
        prop_assert!(is_last || fs::read_dir(folder.path().join("s")).unwrap().count() == 1, "it is put aside");
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("s/1")).unwrap();
        fs::write(folder.path().join("s/1/00000001.log"), bytes).unwrap();
        take(&mut open(folder.path(), 4000));
    }
}

#[test]
fn a_segment_that_is_missing_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path());
    let second = files(folder.path())[1].parent().unwrap().to_path_buf();
    fs::remove_dir_all(second).unwrap();
    let mut spool = open(folder.path(), 4000);
    let numbers = take(&mut spool);
    assert!(numbers.is_sorted() && numbers.len() < 100, "{numbers:?}");
    assert_eq!(spool.held().lost + numbers.len() as u64, 100);
}

#[test]
fn what_becomes_damaged_while_the_process_lives_is_counted_as_well() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path());
    let mut spool = open(folder.path(), 4000);
    for file in files(folder.path()).iter().skip(1) {
        let bytes = fs::read(file).unwrap();
        fs::write(file, &bytes[..bytes.len() / 2]).unwrap();
    }
    let numbers = take(&mut spool);
    assert!(numbers.is_sorted() && numbers.len() < 100, "{numbers:?}");
    assert_eq!(spool.held().lost + numbers.len() as u64, 100);
    // The folder is used again, and what was put aside does not come back.
    write(&mut spool, &[Item(7, 7)]);
    drop(spool);
    assert_eq!(take(&mut open(folder.path(), 4000)), [7]);
}

#[test]
fn an_item_larger_than_a_record_is_kept_whole() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = open(folder.path(), 1 << 40);
    let large = 5 * RECORD_BYTES_MAX + 3;
    let items = [Item(0, 5), Item(1, large), Item(2, RECORD_BYTES_MAX), Item(3, 0)];
    assert_eq!(write(&mut spool, &items), 4);
    drop(spool);
    let mut spool = open(folder.path(), 1 << 40);
    assert_eq!(spool.read(9).unwrap(), &items[..]);
    assert_eq!(spool.taken(), 4);
    assert_eq!(open(folder.path(), 9).held(), super::super::spool::Held::default());
}
