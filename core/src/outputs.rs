//! Outputs: a digest of what a run says, beside that of its state: by who said it and where to.
//!
//! Ids and payloads of what goes to the bus and to the store, with their ticks, in the order in which they are said; no wall time, and no epoch. The
//! state does not depend on it and its digest does not have it. A snapshot does, so that it goes on after a restore.

use std::collections::{BTreeMap, BTreeSet};

use bevy_ecs::resource::Resource;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use crate::digest::Saved;

/// Who says what no plugin does.
pub const ENGINE: &str = "corec";

/// The digests of all that has been said.
#[derive(Resource, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outputs(BTreeMap<String, BTreeMap<String, u64>>);

impl Saved for Outputs {
    const NAME: &'static str = "outputs";
    /// In no digest of the state.
    const SINCE: u16 = u16::MAX;

    fn is_part(&self) -> bool {
        !self.0.is_empty()
    }
}

impl Outputs {
    /// Notes what `by` (a plugin, or the engine) says to a stream or a table in `tick`.
    pub fn note(&mut self, by: &str, to: &str, tick: u64, said: &[&[u8]]) {
        if !self.0.contains_key(by) {
            self.0.insert(by.into(), BTreeMap::new());
        }
        let streams = self.0.get_mut(by).expect("it was just put there");
        if !streams.contains_key(to) {
            streams.insert(to.into(), 0);
        }
        let digest = streams.get_mut(to).expect("it was just put there");
        let mut hash = Xxh3::new();
        hash.update(&digest.to_le_bytes());
        hash.update(&tick.to_le_bytes());
        for part in said {
            hash.update(&(part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        *digest = hash.digest();
    }

    /// One digest of all.
    pub fn value(&self) -> u64 {
        let mut hash = Xxh3::new();
        for (by, to, digest) in self.iter() {
            for text in [by, to] {
                hash.update(&(text.len() as u64).to_le_bytes());
                hash.update(text.as_bytes());
            }
            hash.update(&digest.to_le_bytes());
        }
        hash.digest()
    }

    /// By whom, where to, and the digest.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str, u64)> {
        self.0.iter().flat_map(|(by, streams)| {
            streams.iter().map(move |(to, digest)| (by.as_str(), to.as_str(), *digest))
        })
    }

    /// The digests as text, 16 hex digits each.
    pub fn to_hex(&self) -> OutputDigests {
        let mut told = OutputDigests::new();
        for (by, to, value) in self.iter() {
            told.entry(by.into()).or_default().insert(to.into(), format!("{value:016x}"));
        }
        told
    }
}

/// [`Outputs`] as a summary has them: by whom, where to, 16 hex digits.
pub type OutputDigests = BTreeMap<String, BTreeMap<String, String>>;

/// Who says something else, and where to.
pub fn differences(one: &OutputDigests, other: &OutputDigests) -> Vec<String> {
    let names = |told: &OutputDigests| -> BTreeSet<(String, String)> {
        told.iter().flat_map(|(by, streams)| streams.keys().map(|to| (by.clone(), to.clone()))).collect()
    };
    let value =
        |told: &OutputDigests, (by, to): &(String, String)| told.get(by).and_then(|of| of.get(to)).cloned();
    let all = &names(one) | &names(other);
    let differ = all.iter().filter(|name| value(one, name) != value(other, name));
    differ.map(|(by, to)| format!("what '{by}' says to '{to}'")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_says_something_else_is_named() {
        let said = |value: f64| {
            let mut outputs = Outputs::default();
            outputs.note("mood", "metrics", 3, &[b"joy", &value.to_le_bytes()]);
            outputs.note("corec", "alertas", 3, &[b"{}"]);
            outputs
        };
        assert_eq!(said(0.5), said(0.5));
        assert_ne!(said(0.5).value(), said(0.25).value());
        let told = |value| said(value).to_hex();
        assert_eq!(differences(&told(0.5), &told(0.25)), ["what 'mood' says to 'metrics'"]);
        assert_eq!(differences(&told(0.5), &OutputDigests::new()).len(), 2);
        assert!(differences(&told(0.5), &told(0.5)).is_empty());
        // What is cut elsewhere is something else.
        let (mut ab, mut a_b) = (Outputs::default(), Outputs::default());
        ab.note("x", "y", 0, &[b"ab", b"c"]);
        a_b.note("x", "y", 0, &[b"a", b"bc"]);
        assert_ne!(ab.value(), a_b.value());
    }
}
