//! Units: numbers that could be swapped or out of range have newtypes and text forms.
//!
//! Everything a user types as a number with a suffix (`1M`, `200MB`, `90%`) is parsed here and nowhere else.

use std::fmt;

use bevy_ecs::resource::Resource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The number of finished ticks; during a tick, the number of the tick in hand counted from 0.
///
/// Simulated time is this times `tick_seconds`.
#[derive(Resource, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Tick(pub u64);

/// Which history a run is in: part of the id of every output. A fork of a run starts another.
#[derive(Resource, Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Epoch(pub u32);

/// Which run it is: 16 random bytes that its folder, journal, snapshots and rows in a store have in common. No part of a digest.
///
/// Its text form is 32 hex digits.
///
/// ```
/// use corec_core::units::RunId;
/// let id = RunId(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);
/// assert_eq!(id.to_string().parse(), Ok(id));
/// assert_eq!(id.short(), "01234567");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RunId(pub u128);

impl RunId {
    /// Its first eight digits: enough to tell the runs of a folder apart.
    pub fn short(self) -> String {
        self.to_string()[..8].to_string()
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl std::str::FromStr for RunId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = (text.len() == 32).then(|| u128::from_str_radix(text, 16).ok()).flatten();
        digits.map(Self).ok_or_else(|| format!("found '{}', must be 32 hex digits", text.escape_debug()))
    }
}

impl Serialize for RunId {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RunId {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A stream channel: the guide's `canal`, as wide as record v1 carries it.
#[doc(alias = "canal")]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct ChannelId(pub i8);

impl fmt::Display for ChannelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Parses a count: digits (underscores allowed) and an optional `k`, `M` or `G` (powers of 1000).
///
/// # Errors
/// Says what was found and what is allowed.
///
/// ```
/// assert_eq!(corec_core::units::parse_count("1.5M"), Ok(1_500_000));
/// assert!(corec_core::units::parse_count("many").is_err());
/// ```
pub fn parse_count(text: &str) -> Result<u64, String> {
    let wrong = || format!("found '{text}', must be a whole number such as 250000, 10k or 1M");
    let (digits, scale) = match text.trim().char_indices().last() {
        Some((at, 'k' | 'K')) => (&text.trim()[..at], 1e3),
        Some((at, 'm' | 'M')) => (&text.trim()[..at], 1e6),
        Some((at, 'g' | 'G')) => (&text.trim()[..at], 1e9),
        _ => (text.trim(), 1.0),
    };
    let digits = digits.replace('_', "");
    if scale == 1.0 {
        return digits.parse().map_err(|_| wrong());
    }
    if !digits.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return Err(wrong());
    }
    let scaled = digits.parse::<f64>().map_err(|_| wrong())? * scale;
    // 8.2 * 1e6 is 8199999.999999999.
    let value = scaled.round();
    // 2^53: above it an f64 no longer holds every whole number.
    if (scaled - value).abs() > 1e-9 * value.max(1.0) || value > 9_007_199_254_740_992.0 {
        Err(wrong())
    } else {
        Ok(value as u64)
    }
}

/// Parses a size in bytes: a number with `B`, `kB`, `MB`, `GB` (powers of 1000) or `KiB`, `MiB`, `GiB`.
///
/// # Errors
/// Says what was found and what is allowed.
///
/// ```
/// assert_eq!(corec_core::units::parse_bytes("256MB"), Ok(256_000_000));
/// assert_eq!(corec_core::units::parse_bytes("1GiB"), Ok(1 << 30));
/// ```
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let wrong = || format!("found '{text}', must be a size such as 800MB or 1GiB");
    let text_ = text.trim();
    let at = text_.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text_.len());
    let scale = match text_[at..].to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kb" => 1e3,
        "m" | "mb" => 1e6,
        "g" | "gb" => 1e9,
        "kib" => 1024.0,
        "mib" => 1_048_576.0,
        "gib" => 1_073_741_824.0,
        _ => return Err(wrong()),
    };
    let number: f64 = text_[..at].trim().parse().map_err(|_| wrong())?;
    let bytes = number * scale;
    if (0.0..=1e18).contains(&bytes) { Ok(bytes as u64) } else { Err(wrong()) }
}

/// A limit on memory: so many bytes, or a share of what the machine or its cgroup has.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum MemoryMax {
    /// Bytes.
    Bytes(u64),
    /// A share, 0 to 1, of the memory this process may use.
    Share(f64),
}

impl std::str::FromStr for MemoryMax {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim().strip_suffix('%') {
            Some(percent) => match percent.trim().parse::<f64>() {
                Ok(p) if p > 0.0 && p <= 100.0 => Ok(Self::Share(p / 100.0)),
                _ => Err(format!("found '{text}', must be within 0%..=100%, or a size such as 1GiB")),
            },
            None => parse_bytes(text)
                .map(Self::Bytes)
                .map_err(|_| format!("found '{text}', must be a size such as 1GiB, or a share such as 90%")),
        }
    }
}

/// Turns simulated seconds into ticks: rounded up, at least 1.
pub fn seconds_to_ticks(seconds: f64, tick_seconds: f64) -> u64 {
    // 2.1 / 0.7 is 3.0000000000000004, and three ticks are meant.
    let ticks = (seconds / tick_seconds * (1.0 - 1e-12)).ceil();
    if ticks < 1.0 { 1 } else { ticks as u64 }
}

/// `1234567` as `1,234,567`.
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// A number of things: `1 row`, `2,000 rows`, `3 entries`, `2 batches`.
///
/// ```
/// use corec_core::units::counted;
/// assert_eq!([counted(1, "row"), counted(2000, "row")], ["1 row", "2,000 rows"]);
/// assert_eq!([counted(3, "entry"), counted(0, "batch")], ["3 entries", "0 batches"]);
/// ```
pub fn counted(n: u64, thing: &str) -> String {
    match (n, thing.strip_suffix('y')) {
        (1, _) => format!("1 {thing}"),
        (_, Some(stem)) => format!("{} {stem}ies", grouped(n)),
        _ if thing.ends_with("ch") => format!("{} {thing}es", grouped(n)),
        _ => format!("{} {thing}s", grouped(n)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_take_suffixes_and_refuse_fractions_of_one() {
        assert_eq!(parse_count("10k"), Ok(10_000));
        assert_eq!(parse_count("1_000_000"), Ok(1_000_000));
        assert_eq!(parse_count("0.5k"), Ok(500));
        assert_eq!(parse_count("8.2M"), Ok(8_200_000));
        for bad in ["", "k", "-1", "1.5", "0.0001k", "1e3k", "NaN", "infM", "99999999G"] {
            assert!(parse_count(bad).is_err(), "{bad} was taken");
        }
    }

    #[test]
    fn a_memory_limit_is_a_size_or_a_share() {
        assert_eq!("90%".parse(), Ok(MemoryMax::Share(0.9)));
        assert_eq!("1GiB".parse(), Ok(MemoryMax::Bytes(1 << 30)));
        for bad in ["0%", "101%", "lots", "1XB", "-5MB"] {
            assert!(bad.parse::<MemoryMax>().is_err(), "{bad} was taken");
        }
    }

    #[test]
    fn an_interval_is_rounded_up_to_at_least_one_tick() {
        assert_eq!(seconds_to_ticks(10.0, 1.0), 10);
        assert_eq!(seconds_to_ticks(0.1, 1.0), 1);
        assert_eq!(seconds_to_ticks(2.5, 1.0), 3);
        assert_eq!(seconds_to_ticks(2.1, 0.7), 3);
    }

    #[test]
    fn big_numbers_are_grouped() {
        assert_eq!([0, 999, 1000, 1234567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }
}
