//! Random numbers: a function gives them, Philox4x32-10, keyed by seed and purpose, counted by entity, tick and draw.
//!
//! There is no generator state, so a draw is the same whichever thread asks, in whatever order.
//! Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::width::Width;

const MULTIPLIER: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
const ROUNDS: usize = 10;

/// Rows a kernel takes at once: its arrays stay in the first-level cache and vectorise at any width.
pub const STRIP: usize = 64;

/// Philox4x32-10: four random words of a 128-bit counter and a 64-bit key.
pub fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..ROUNDS {
        let p0 = u64::from(counter[0]) * u64::from(MULTIPLIER[0]);
        let p1 = u64::from(counter[2]) * u64::from(MULTIPLIER[1]);
        counter = [
            (p1 >> 32) as u32 ^ counter[1] ^ key[0],
            p1 as u32,
            (p0 >> 32) as u32 ^ counter[3] ^ key[1],
            p0 as u32,
        ];
        key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
    }
    counter
}

/// The draws of one purpose in one run.
///
/// ```
/// use corec_core::rng::Draws;
/// let noise = Draws::new(42, "noise");
/// assert_eq!(noise.words(7, 1000, 0), noise.words(7, 1000, 0));
/// assert_ne!(noise.words(7, 1000, 0), noise.words(7, 1001, 0));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Draws {
    key: [u32; 2],
}

impl Draws {
    /// The draws for `purpose` (a name no other use of random numbers has) under `seed`.
    pub fn new(seed: u64, purpose: &str) -> Self {
        let key = xxh3_64_with_seed(purpose.as_bytes(), seed);
        Self { key: [key as u32, (key >> 32) as u32] }
    }

    /// Four words for entity `id` at `tick`; `draw` numbers the calls of one entity in one tick.
    pub fn words(&self, id: u64, tick: u64, draw: u16) -> [u32; 4] {
        let [t0, t1] = tick_words(tick, draw);
        philox([id as u32, (id >> 32) as u32, t0, t1], self.key)
    }

    /// The draws of a whole kernel: one tick, one draw, any entities.
    #[inline(always)]
    pub fn strips<W: Width>(&self, width: W, tick: u64, draw: u16) -> Strips<W> {
        let mut key = self.key;
        let keys = std::array::from_fn(|_| {
            let round = key.map(|word| width.splat(word.into()));
            key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
            round
        });
        let when = tick_words(tick, draw).map(|word| width.splat(word.into()));
        Strips { width, keys, when, multiplier: MULTIPLIER.map(|m| width.splat(m.into())) }
    }
}

/// [`Draws`] for strips of entities, in vectors: what all strips share is prepared once.
#[derive(Clone, Copy)]
pub struct Strips<W: Width> {
    width: W,
    keys: [[W::Words; 2]; ROUNDS],
    when: [W::Words; 2],
    multiplier: [W::Words; 2],
}

/// Vectors in flight: a round waits for the one before it, so two go side by side; four need more registers than there are.
const VECTORS: usize = 2;

impl<W: Width> Strips<W> {
    /// The first two of the four words of every entity: the same bits as [`Draws::words`].
    #[inline(always)]
    pub fn words(&self, ids: &[u64; STRIP], first: &mut [u32; STRIP], second: &mut [u32; STRIP]) {
        for at in (0..STRIP).step_by(VECTORS * W::LANES) {
            // An id is its low word where a product is taken of it, and shifted its high word.
            let ids = std::array::from_fn(|v| self.width.load(&ids[at + v * W::LANES..]));
            let [first_words, second_words] = self.ten_rounds(ids);
            for v in 0..VECTORS {
                self.width.store(first_words[v], &mut first[at + v * W::LANES..]);
                self.width.store(second_words[v], &mut second[at + v * W::LANES..]);
            }
        }
    }

    #[inline(always)]
    fn ten_rounds(&self, ids: [W::Words; VECTORS]) -> [[W::Words; VECTORS]; 2] {
        let width = self.width;
        let (mut c0, mut c1) = (ids, ids.map(|id| width.high(id)));
        let (mut c2, mut c3) = ([self.when[0]; VECTORS], [self.when[1]; VECTORS]);
        // Written out: in a loop, LLVM keeps the counter in memory and the last round's unused words (1.09 times the time with AVX2, 1.14 with SSE2).
        macro_rules! round {
            ($($number:literal)+) => {$(
                for v in 0..VECTORS {
                    let (p0, p1) = (width.product(c0[v], self.multiplier[0]), width.product(c2[v], self.multiplier[1]));
                    c0[v] = width.xor(width.high(p1), width.xor(c1[v], self.keys[$number][0]));
                    c2[v] = width.xor(width.high(p0), width.xor(c3[v], self.keys[$number][1]));
                    (c1[v], c3[v]) = (p1, p0);
                }
            )+};
        }
        round!(0 1 2 3 4 5 6 7 8 9);
        [c0, c1]
    }
}

/// The half of the counter that says when: 48 bits of tick, 16 bits of draw.
fn tick_words(tick: u64, draw: u16) -> [u32; 2] {
    [tick as u32, (((tick >> 32) as u16 as u32) << 16) | u32::from(draw)]
}

/// A word as a number in `[0, 1)`, of its upper 23 bits.
#[inline(always)]
pub fn unit(word: u32) -> f32 {
    f32::from_bits(0x3f80_0000 | (word >> 9)) - 1.0
}

/// A word as an index below `n`, by multiplication (Lemire 2019; the bias is below `n / 2^32`).
pub fn below(word: u32, n: u32) -> u32 {
    ((u64::from(word) * u64::from(n)) >> 32) as u32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::width::{Kernel, Simd};

    struct Strip<'a> {
        draws: &'a Draws,
        ids: &'a [u64; STRIP],
        tick: u64,
        draw: u16,
        first: &'a mut [u32; STRIP],
        second: &'a mut [u32; STRIP],
    }

    impl Kernel for Strip<'_> {
        type Output = ();

        #[inline(always)]
        fn run<W: Width>(self, width: W) {
            self.draws.strips(width, self.tick, self.draw).words(self.ids, self.first, self.second);
        }
    }

    /// The known answers of Random123 1.14, `tests/kat_vectors`, philox4x32 10.
    #[test]
    fn philox_gives_the_known_answers() {
        let known = [
            ([0; 4], [0; 2], [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]),
            ([u32::MAX; 4], [u32::MAX; 2], [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]),
            (
                [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
                [0xa4093822, 0x299f31d0],
                [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
            ),
        ];
        for (counter, key, words) in known {
            assert_eq!(philox(counter, key), words);
        }
    }

    proptest! {
        #[test]
        fn philox_agrees_with_the_crate_rand_philox(counter: [u32; 4], key: [u32; 2]) {
            prop_assert_eq!(philox(counter, key), rand_philox::philox4x32_10(counter, key));
        }

        #[test]
        fn a_strip_has_the_bits_of_single_draws(seed: u64, tick: u64, draw: u16, first_id: u64) {
            let draws = Draws::new(seed, "strip");
            let ids: [u64; STRIP] = std::array::from_fn(|i| first_id.wrapping_add(i as u64 * 0x1_0000_0001));
            for simd in Simd::available() {
                let (mut first, mut second) = ([0; STRIP], [0; STRIP]);
                simd.run(Strip { draws: &draws, ids: &ids, tick, draw, first: &mut first, second: &mut second });
                for (i, &id) in ids.iter().enumerate() {
                    let expected = draws.words(id, tick, draw);
                    prop_assert_eq!([first[i], second[i]], [expected[0], expected[1]], "{:?}", simd);
                }
            }
        }

        #[test]
        fn a_unit_is_within_zero_and_one(word: u32) {
            prop_assert!((0.0..1.0).contains(&unit(word)));
        }

        #[test]
        fn an_index_is_below_its_bound(word: u32, n in 1u32..) {
            prop_assert!(below(word, n) < n);
        }
    }
}
