//! Why: it names what a block stands apart in, for people.

use std::fmt::Write;

use super::memory::{CHANGE, FEATURES, LIVE, NAMES};
use super::standard::Audited;

/// Features that are named.
const NAMED_MAX: usize = 3;
/// Standard deviations from which on a feature is worth naming beside the first.
const NAMED_MIN: f32 = 3.0;

/// The features that stand out, the most first: "mean -12.3 sd (0.41, was 0.55)".
pub fn why(block: &Audited) -> String {
    let mut features: Vec<usize> = (0..FEATURES).collect();
    let size = |feature: &usize| block.standard[*feature].abs();
    features.sort_by(|a, b| size(b).total_cmp(&size(a)));
    let mut text = String::new();
    for (at, feature) in features.into_iter().take(NAMED_MAX).enumerate() {
        let far = block.standard[feature];
        if at > 0 && far.abs() < NAMED_MIN {
            break;
        }
        let natural = |value: f32| if [LIVE, CHANGE].contains(&feature) { libm::expf(value) } else { value };
        let (found, was) = (natural(block.features[feature]), natural(block.expected(feature)));
        let comma = if at > 0 { ", " } else { "" };
        let name = NAMES[feature];
        _ = match feature {
            LIVE => write!(text, "{comma}{name} {far:+.1} sd ({found:.0}, was {was:.0})"),
            CHANGE => write!(text, "{comma}{name} {far:+.1} sd ({found:.1e}, was {was:.1e})"),
            _ => write!(text, "{comma}{name} {far:+.1} sd ({found:.2}, was {was:.2})"),
        };
    }
    text
}
