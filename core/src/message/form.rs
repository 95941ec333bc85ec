//! Form: how the values of a column stand in a frame. Ids that count up are runs, zeros are left out where there are many, and what zstd
//! makes clearly smaller is packed. The values alone decide, so the same ones have the same form.

use zstd::bulk::Compressor;

/// `count` values, one after the other.
pub(super) const PLAIN: u8 = 0;
/// Unsigned numbers of 8 bytes that count up: the first (8 bytes) and how many (4 bytes) of each run.
pub(super) const RUNS: u8 = 1;
/// A bit for each value, the lowest of the first byte first, and then the values whose bit is 1; the others are zeros.
pub(super) const SPARSE: u8 = 2;
/// The plain values as one zstd frame.
pub(super) const ZSTD: u8 = 3;

const RUN_BYTES: usize = 12;
/// zstd's fastest ordinary level: a frame is written in a tick.
const LEVEL: i32 = 1;
/// Bytes from the middle that are packed for a try.
const TRY_BYTES: usize = 2048;

/// Writes columns, and keeps what it needs for that.
pub(super) struct Writer {
    zstd: Compressor<'static>,
    packed: Vec<u8>,
}

impl Default for Writer {
    fn default() -> Self {
        let zstd = Compressor::new(LEVEL).expect("zstd knows the level and there is memory for it");
        Self { zstd, packed: Vec::new() }
    }
}

impl Writer {
    /// Adds values of `size` bytes to `out`; gives their form.
    pub(super) fn write(&mut self, bytes: &[u8], size: usize, out: &mut Vec<u8>) -> u8 {
        let is_sparse = match size {
            1 => write_sparse::<1>(bytes, out),
            2 => write_sparse::<2>(bytes, out),
            4 => write_sparse::<4>(bytes, out),
            8 if write_runs(bytes, out) => return RUNS,
            8 => write_sparse::<8>(bytes, out),
            _ => false,
        };
        if is_sparse {
            return SPARSE;
        }
        if self.pays(bytes) {
            self.pack(bytes);
            out.extend_from_slice(&self.packed);
            return ZSTD;
        }
        out.extend_from_slice(bytes);
        PLAIN
    }

    /// Whether packing saves at least a quarter, as far as a part tells.
    fn pays(&mut self, bytes: &[u8]) -> bool {
        let length = bytes.len().min(TRY_BYTES);
        let from = (bytes.len() - length) / 2;
        self.pack(&bytes[from..from + length]);
        self.packed.len() * 4 <= length * 3
    }

    fn pack(&mut self, bytes: &[u8]) {
        self.packed.clear();
        self.packed.reserve(zstd::zstd_safe::compress_bound(bytes.len()));
        self.zstd.compress_to_buffer(bytes, &mut self.packed).expect("there is room for the longest answer");
    }
}

/// Writes runs if they take at most half of what the numbers do; says whether.
fn write_runs(bytes: &[u8], out: &mut Vec<u8>) -> bool {
    let (numbers, start) = (bytes.as_chunks().0, out.len());
    let mut rest = numbers;
    while let [first, ..] = rest {
        let first = u64::from_le_bytes(*first);
        let length = run_length(first, rest);
        if out.len() - start + RUN_BYTES > bytes.len() / 2 {
            out.truncate(start);
            return false;
        }
        out.extend_from_slice(&first.to_le_bytes());
        out.extend_from_slice(&(length as u32).to_le_bytes());
        rest = &rest[length..];
    }
    !numbers.is_empty()
}

/// How many numbers count up from `first`, which is the first of them.
fn run_length(first: u64, numbers: &[[u8; 8]]) -> usize {
    /// Numbers compared at once.
    const STEP: usize = 64;
    let counts_up =
        |at: usize, number: &[u8; 8]| first.checked_add(at as u64) == Some(u64::from_le_bytes(*number));
    let whole = numbers.as_chunks::<STEP>().0.iter().enumerate().take_while(|(step, chunk)| {
        let from = first.wrapping_add((step * STEP) as u64);
        let differs = (0u64..)
            .zip(*chunk)
            .fold(0, |d, (i, number)| d | (from.wrapping_add(i) ^ u64::from_le_bytes(*number)));
        differs == 0 && from.checked_add(STEP as u64).is_some()
    });
    let whole = whole.count() * STEP;
    whole + (whole..).zip(&numbers[whole..]).take_while(|(at, number)| counts_up(*at, number)).count()
}

/// Writes a bit for each value, and those that are no zeros, if at least an eighth of them are; says whether.
fn write_sparse<const N: usize>(bytes: &[u8], out: &mut Vec<u8>) -> bool {
    let values = bytes.as_chunks::<N>().0;
    let zeros = values.iter().filter(|value| **value == [0; N]).count();
    if values.is_empty() || zeros * 8 < values.len() {
        return false;
    }
    let bits_at = out.len();
    let values_at = bits_at + values.len().div_ceil(8);
    // Each value is written where the next one that is kept belongs, so that nothing depends on whether it is: room for one too many.
    out.resize(values_at + (values.len() - zeros + 1) * N, 0);
    let (bits, kept) = out[bits_at..].split_at_mut(values_at - bits_at);
    let kept = kept.as_chunks_mut::<N>().0;
    let mut end = 0;
    for (byte, eight) in bits.iter_mut().zip(values.chunks(8)) {
        for (bit, value) in eight.iter().enumerate() {
            let is_kept = *value != [0; N];
            kept[end] = *value;
            *byte |= u8::from(is_kept) << bit;
            end += usize::from(is_kept);
        }
    }
    out.truncate(out.len() - N);
    true
}

/// The plain values of a column of `count` values of `size` bytes, whose product the caller has checked; none if the form is unknown or
/// does not hold so many.
pub(super) fn read(form: u8, stored: &[u8], count: usize, size: usize) -> Option<Vec<u8>> {
    match form {
        PLAIN => Some(stored.to_vec()).filter(|values| values.len() == count * size),
        RUNS if size == 8 => read_runs(stored, count),
        SPARSE => read_sparse(stored, count, size),
        ZSTD => {
            zstd::bulk::decompress(stored, count * size).ok().filter(|values| values.len() == count * size)
        }
        _ => None,
    }
}

fn read_runs(stored: &[u8], count: usize) -> Option<Vec<u8>> {
    let (runs, rest) = stored.as_chunks::<RUN_BYTES>();
    let run = |run: &[u8; RUN_BYTES]| {
        let (first, length) = run.split_first_chunk::<8>()?;
        let (first, length) = (u64::from_le_bytes(*first), u32::from_le_bytes(length.try_into().ok()?));
        Some(first..=first.checked_add(u64::from(length.checked_sub(1)?))?)
    };
    let runs: Vec<_> = runs.iter().map(run).collect::<Option<_>>()?;
    let total = runs.iter().try_fold(0u64, |total, run| total.checked_add(run.end() - run.start() + 1))?;
    let fits = rest.is_empty() && total == count as u64;
    fits.then(|| runs.into_iter().flatten().flat_map(u64::to_le_bytes).collect())
}

fn read_sparse(stored: &[u8], count: usize, size: usize) -> Option<Vec<u8>> {
    let (bits, mut kept) = stored.split_at_checked(count.div_ceil(8))?;
    let ones: usize = bits.iter().map(|byte| byte.count_ones() as usize).sum();
    let has_more_bits = !count.is_multiple_of(8) && bits.last()? >> (count % 8) != 0;
    if has_more_bits || kept.len() != ones * size {
        return None;
    }
    let mut values = vec![0; count * size];
    for (at, value) in values.chunks_exact_mut(size.max(1)).enumerate() {
        if bits[at / 8] >> (at % 8) & 1 == 1 {
            let (first, rest) = kept.split_at(size);
            value.copy_from_slice(first);
            kept = rest;
        }
    }
    Some(values)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(bytes: &[u8], size: usize) -> (u8, Vec<u8>) {
        let mut out = b"before".to_vec();
        let form = Writer::default().write(bytes, size, &mut out);
        (form, out.split_off(6))
    }

    fn numbers(numbers: impl IntoIterator<Item = u64>) -> Vec<u8> {
        numbers.into_iter().flat_map(u64::to_le_bytes).collect()
    }

    #[test]
    fn ids_that_count_up_are_runs() {
        let ids = numbers((5..1005).chain(2000..2100).chain(u64::MAX - 99..=u64::MAX));
        let (form, stored) = written(&ids, 8);
        assert_eq!((form, stored.len()), (RUNS, 3 * RUN_BYTES));
        assert_eq!(read(form, &stored, 1200, 8), Some(ids));
    }

    #[test]
    fn zeros_are_left_out() {
        let values: Vec<u8> = (0..1001u32)
            .flat_map(|i| if i % 2 == 0 { [0; 4] } else { i.wrapping_mul(0x9e37_79b9).to_le_bytes() })
            .collect();
        let (form, stored) = written(&values, 4);
        assert_eq!((form, stored.len()), (SPARSE, 1001usize.div_ceil(8) + 500 * 4));
        assert_eq!(read(form, &stored, 1001, 4), Some(values));
    }

    #[test]
    fn what_repeats_is_packed_and_what_does_not_is_left_as_it_is() {
        assert_eq!(written(&0.5f32.to_le_bytes().repeat(1000), 4).0, ZSTD);
        let noise: Vec<u8> =
            (1..1001u32).flat_map(|i| (i.wrapping_mul(0x9e37_79b9) | 1).to_le_bytes()).collect();
        assert_eq!(written(&noise, 4), (PLAIN, noise));
    }

    #[test]
    fn a_column_of_more_or_less_than_its_count_is_refused() {
        let run = [7u64.to_le_bytes().as_slice(), &3u32.to_le_bytes()].concat();
        assert_eq!(read(RUNS, &run, 3, 8), Some(numbers(7..10)));
        for (form, stored, count, size) in [
            (PLAIN, &run[..], 3, 8),
            (RUNS, &run, 4, 8),
            (RUNS, &run, 3, 4),
            (RUNS, &run[..11], 3, 8),
            (SPARSE, &[0b1000, 1], 3, 1),
            (SPARSE, &[0b0101, 1], 3, 1),
            (SPARSE, &[], 3, 1),
            (ZSTD, &run, 3, 8),
            (4, &run, 12, 1),
        ] {
            assert_eq!(read(form, stored, count, size), None, "form {form}, {count} of {size}");
        }
        let beyond = [u64::MAX.to_le_bytes().as_slice(), &3u32.to_le_bytes()].concat();
        assert_eq!(read(RUNS, &beyond, 3, 8), None);
    }

    proptest! {
        #[test]
        fn values_are_the_same_after_the_way(
            count in 0usize..300, size in prop::sample::select(vec![1usize, 2, 3, 4, 8]), zeros in 0u64..10, step in 0u64..3, seed: u64,
        ) {
            let value = |i: u64| if seed.wrapping_mul(i + 1) % 10 < zeros { 0 } else { seed.wrapping_add(i * step) };
            let bytes: Vec<u8> = (0..count as u64).flat_map(|i| value(i).to_le_bytes()[..size].to_vec()).collect();
            let (form, stored) = written(&bytes, size);
            prop_assert!(stored.len() <= bytes.len() + 64);
            prop_assert_eq!(read(form, &stored, count, size), Some(bytes));
        }
    }
}
