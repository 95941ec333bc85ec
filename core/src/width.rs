//! Widths: one kernel is compiled for each vector width that the machine may have, and gives the same bits at all of them.
//!
//! A kernel is a loop over arrays that LLVM vectorises, plus the few operations of [`Width`] that it does not find by
//! itself. Nothing in here fuses or reorders floating-point operations, so the width can't reach a result. The widest
//! one is chosen at run time; `COREC_SIMD=portable|sse2|avx2|avx512` asks for at most that one, with a warning where the machine
//! lacks it. A run's manifest has the one in use: `host.simd`.

use std::fmt;
use std::sync::OnceLock;

/// A set of vector instructions.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Simd {
    /// What LLVM makes of plain code for the build's target.
    Portable,
    /// 128 bits, which every x86-64 has.
    Sse2,
    /// 256 bits.
    Avx2,
    /// 512 bits.
    Avx512,
}

/// As `COREC_SIMD` and a manifest have it.
impl fmt::Display for Simd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Portable => "portable",
            Self::Sse2 => "sse2",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        })
    }
}

impl Simd {
    const ALL: [Self; 4] = [Self::Portable, Self::Sse2, Self::Avx2, Self::Avx512];

    /// Those this machine has, narrow to wide.
    pub fn available() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|simd| simd.is_available())
    }

    /// The widest this machine has and `COREC_SIMD` allows.
    pub fn widest() -> Self {
        static WIDEST: OnceLock<Simd> = OnceLock::new();
        *WIDEST.get_or_init(|| {
            let asked = std::env::var("COREC_SIMD").unwrap_or_default();
            let (widest, warning) = Self::choose(&asked, Self::is_available);
            if let Some(warning) = warning {
                tracing::warn!("{warning}");
            }
            widest
        })
    }

    /// What `COREC_SIMD` asks for on a machine that has what `has` says, and what its user should know.
    fn choose(asked: &str, has: impl Fn(Self) -> bool) -> (Self, Option<String>) {
        let named = Self::ALL.into_iter().find(|simd| simd.to_string() == asked);
        let limit = named.unwrap_or(Self::Avx512);
        let fits = |simd: &Self| *simd <= limit && has(*simd);
        let widest = Self::ALL.into_iter().filter(fits).last().unwrap_or(Self::Portable);
        let wrong = match named {
            _ if asked.is_empty() => return (widest, None),
            Some(named) if named == widest => return (widest, None),
            Some(_) => "which this machine lacks",
            None => "must be portable, sse2, avx2 or avx512",
        };
        let found = asked.escape_debug();
        (widest, Some(format!("COREC_SIMD: found '{found}', {wrong}; kernels run with {widest}")))
    }

    /// Runs a kernel at this width, or portably where the machine has it not.
    #[inline]
    pub fn run<K: Kernel>(self, kernel: K) -> K::Output {
        #[cfg(target_arch = "x86_64")]
        match self {
            Self::Portable => {}
            Self::Sse2 => {
                if let Some(v1) = pulp::x86::V1::try_new() {
                    return v1.vectorize(
                        #[inline(always)]
                        || kernel.run(v1),
                    );
                }
            }
            Self::Avx2 => {
                if let Some(v3) = pulp::x86::V3::try_new() {
                    return v3.vectorize(
                        #[inline(always)]
                        || kernel.run(v3),
                    );
                }
            }
            Self::Avx512 => {
                if let Some(v4) = pulp::x86::V4::try_new() {
                    return v4.vectorize(
                        #[inline(always)]
                        || kernel.run(v4),
                    );
                }
            }
        }
        kernel.run(Plain)
    }

    fn is_available(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Sse2 => pulp::x86::V1::try_new().is_some(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => pulp::x86::V3::try_new().is_some(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => pulp::x86::V4::try_new().is_some(),
            #[cfg(not(target_arch = "x86_64"))]
            _ => false,
        }
    }
}

/// A computation that may run at any width. Its `run` and all it calls must be `#[inline(always)]`: what is not
/// inlined stays at the build's own width.
pub trait Kernel {
    /// What it gives.
    type Output;

    /// Runs it.
    fn run<W: Width>(self, width: W) -> Self::Output;
}

/// Vectors of 64-bit lanes of which only the low words count.
///
/// A product of low words is then one instruction (`pmuludq`), its high word one shift, and nothing is shuffled until
/// the end. LLVM finds none of this in scalar code.
pub trait Width: Copy {
    /// A vector.
    type Words: Copy;
    /// Its lanes.
    const LANES: usize;

    /// The same word in every lane.
    fn splat(self, word: u64) -> Self::Words;
    /// The first lanes of `from`.
    fn load(self, from: &[u64]) -> Self::Words;
    /// The low words, to the front of `to`.
    fn store(self, words: Self::Words, to: &mut [u32]);
    /// The products of the low words.
    fn product(self, a: Self::Words, b: Self::Words) -> Self::Words;
    /// The high words, as low words.
    fn high(self, words: Self::Words) -> Self::Words;
    /// Exclusive or.
    fn xor(self, a: Self::Words, b: Self::Words) -> Self::Words;
}

/// No instructions beyond the build's own.
#[derive(Clone, Copy)]
pub struct Plain;

impl Width for Plain {
    type Words = [u64; 2];
    const LANES: usize = 2;

    #[inline(always)]
    fn splat(self, word: u64) -> [u64; 2] {
        [word; 2]
    }

    #[inline(always)]
    fn load(self, from: &[u64]) -> [u64; 2] {
        [from[0], from[1]]
    }

    #[inline(always)]
    fn store(self, words: [u64; 2], to: &mut [u32]) {
        to[..2].copy_from_slice(&words.map(|word| word as u32));
    }

    #[inline(always)]
    fn product(self, a: [u64; 2], b: [u64; 2]) -> [u64; 2] {
        std::array::from_fn(|l| (a[l] & 0xffff_ffff) * (b[l] & 0xffff_ffff))
    }

    #[inline(always)]
    fn high(self, words: [u64; 2]) -> [u64; 2] {
        words.map(|word| word >> 32)
    }

    #[inline(always)]
    fn xor(self, a: [u64; 2], b: [u64; 2]) -> [u64; 2] {
        std::array::from_fn(|l| a[l] ^ b[l])
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{__m128i, __m256i, __m512i};

    use pulp::x86::{V1, V3, V4};

    macro_rules! width {
        ($token:ty, $vector:ty, $lanes:literal, $of:ident: $mul:ident $shift:ident $xor:ident) => {
            impl super::Width for $token {
                type Words = $vector;
                const LANES: usize = $lanes;

                #[inline(always)]
                fn splat(self, word: u64) -> $vector {
                    bytemuck::cast([word; $lanes])
                }

                #[inline(always)]
                fn load(self, from: &[u64]) -> $vector {
                    let lanes: [u64; $lanes] = from[..$lanes].try_into().expect("as many as were taken");
                    bytemuck::cast(lanes)
                }

                #[inline(always)]
                fn store(self, words: $vector, to: &mut [u32]) {
                    let lanes: [u64; $lanes] = bytemuck::cast(words);
                    to[..$lanes].copy_from_slice(&lanes.map(|lane| lane as u32));
                }

                #[inline(always)]
                fn product(self, a: $vector, b: $vector) -> $vector {
                    self.$of.$mul(a, b)
                }

                #[inline(always)]
                fn high(self, words: $vector) -> $vector {
                    self.$of.$shift::<32>(words)
                }

                #[inline(always)]
                fn xor(self, a: $vector, b: $vector) -> $vector {
                    self.$of.$xor(a, b)
                }
            }
        };
    }
    width!(V1, __m128i, 2, sse2: _mm_mul_epu32 _mm_srli_epi64 _mm_xor_si128);
    width!(V3, __m256i, 4, avx2: _mm256_mul_epu32 _mm256_srli_epi64 _mm256_xor_si256);
    width!(V4, __m512i, 8, avx512f: _mm512_mul_epu32 _mm512_srli_epi64 _mm512_xor_si512);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_width_that_the_machine_lacks_or_nobody_knows_is_said() {
        let narrow = |simd: Simd| simd <= Simd::Avx2;
        assert_eq!(Simd::choose("", narrow), (Simd::Avx2, None));
        assert_eq!(Simd::choose("sse2", narrow), (Simd::Sse2, None));
        assert_eq!(Simd::choose("avx2", narrow), (Simd::Avx2, None));
        let said = |asked| {
            let (simd, warning) = Simd::choose(asked, narrow);
            assert_eq!(simd, Simd::Avx2);
            warning.unwrap()
        };
        assert_eq!(
            said("avx512"),
            "COREC_SIMD: found 'avx512', which this machine lacks; kernels run with avx2"
        );
        assert_eq!(
            said("neon"),
            "COREC_SIMD: found 'neon', must be portable, sse2, avx2 or avx512; kernels run with avx2"
        );
        assert_eq!(Simd::choose("sse2", |simd| simd == Simd::Portable).0, Simd::Portable);
    }
}
