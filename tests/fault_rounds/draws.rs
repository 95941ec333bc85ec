//! A seed draws every choice of a round. Each has a name and is kept, so that a round can say all that it was.

use std::fmt::{Display, Write};
use std::ops::RangeInclusive;

/// A stream of choices from one seed: splitmix64 (Steele, Lea, Flood 2014), so that the checker shares nothing with the program.
pub struct Draws {
    state: u64,
    choices: String,
}

impl Draws {
    pub fn new(seed: u64) -> Self {
        Self { state: seed, choices: String::new() }
    }

    /// All choices so far: `name=value name=value`.
    pub fn choices(&self) -> &str {
        &self.choices
    }

    /// A number of the range.
    pub fn number(&mut self, name: &str, range: RangeInclusive<u64>) -> u64 {
        let value = range.start() + self.below(range.end() - range.start() + 1);
        self.record(name, value)
    }

    /// One of these.
    pub fn pick<T: Copy + Display>(&mut self, name: &str, from: &[T]) -> T {
        let at = self.below(from.len() as u64) as usize;
        self.record(name, from[at])
    }

    /// True once in so many times.
    pub fn once_in(&mut self, name: &str, times: u64) -> bool {
        let value = self.below(times) == 0;
        self.record(name, value)
    }

    /// A number below `end`, which is not said: for choices inside of one that was.
    pub fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.word()) * u128::from(end)) >> 64) as u64
    }

    pub fn word(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    fn record<T: Display>(&mut self, name: &str, value: T) -> T {
        let space = if self.choices.is_empty() { "" } else { " " };
        _ = write!(self.choices, "{space}{name}={value}");
        value
    }
}
