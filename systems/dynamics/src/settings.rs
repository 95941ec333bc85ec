//! Settings: what a group of blocks says of its dynamics, its repair and its selection, and a scenario of its audit.

use corec_core::section::Section;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The default dynamics of one entity:
/// `value += gain * (target - value) + coupling * (block mean - value) + noise`, kept within 0..=1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Dynamics {
    /// Share of the distance to the block's mean covered in a tick, 0..=1.
    pub coupling: f32,
    /// Largest random change of a value in a tick, 0..=1; drawn evenly from -noise..noise.
    pub noise: f32,
    /// Chance that an entity fails in a tick in which it is processed, 0..=1.
    pub fault_rate: f32,
}

impl Default for Dynamics {
    fn default() -> Self {
        Self { coupling: 0.05, noise: 0.02, fault_rate: 0.001 }
    }
}

impl Section for Dynamics {
    const NAME: &'static str = "dynamics";
    const RANGES: &'static [(&'static str, &'static str)] =
        &[("coupling", "within 0..=1"), ("noise", "within 0..=1"), ("fault_rate", "within 0..=1")];

    fn check(&self) -> Result<(), (&'static str, String, &'static str)> {
        within_one([("coupling", self.coupling), ("noise", self.noise), ("fault_rate", self.fault_rate)])
    }
}

pub(crate) fn within_one<const N: usize>(
    shares: [(&'static str, f32); N],
) -> Result<(), (&'static str, String, &'static str)> {
    match shares.iter().find(|(_, share)| !(0.0..=1.0).contains(share)) {
        Some((key, share)) => Err((key, share.to_string(), "within 0..=1")),
        None => Ok(()),
    }
}

/// The bounds beyond which a block is repaired.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RepairPolicy {
    /// A block with a larger share of inactive entities is repaired, 0..=1.
    #[doc(alias = "max_errores")]
    pub fault_ratio_max: f32,
    /// A block with a lower fitness is repaired, 0..=1.
    #[doc(alias = "min_fitness")]
    pub fitness_min: f32,
    /// Whether a block that an auditor has flagged is renewed: every entity of it.
    pub on_flag: bool,
    /// Simulated seconds that pass between two renewals of one block at least, 1e-6..=1e9.
    pub cooldown: f64,
    /// The largest share of the run's live entities that is renewed within a cooldown, 0..=1, at least one block: a flag is an opinion.
    pub rate_max: f32,
}

impl Default for RepairPolicy {
    fn default() -> Self {
        Self { fault_ratio_max: 0.05, fitness_min: 0.2, on_flag: true, cooldown: 60.0, rate_max: 0.05 }
    }
}

/// When the blocks of a group are repaired; none, `false` in a scenario, for never.
#[doc(alias = "autoreparacion")]
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Repair(
    #[serde(with = "or_false")]
    #[schemars(with = "OrFalse<RepairPolicy>")]
    pub Option<RepairPolicy>,
);

impl Default for Repair {
    fn default() -> Self {
        Self(Some(RepairPolicy::default()))
    }
}

impl Section for Repair {
    const NAME: &'static str = "repair";
    const RANGES: &'static [(&'static str, &'static str)] = &[
        ("fault_ratio_max", "within 0..=1"),
        ("fitness_min", "within 0..=1"),
        ("cooldown", SECONDS),
        ("rate_max", "within 0..=1"),
    ];

    fn check(&self) -> Result<(), (&'static str, String, &'static str)> {
        let policy = self.0.unwrap_or_default();
        within_one([
            ("fault_ratio_max", policy.fault_ratio_max),
            ("fitness_min", policy.fitness_min),
            ("rate_max", policy.rate_max),
        ])?;
        seconds("cooldown", policy.cooldown)
    }
}

/// How the traits of the fittest spread in a block.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SelectionPolicy {
    /// Share of a block's entities that look at others in a tick, 0..=1.
    pub rate: f32,
    /// Largest mutation of a target that is taken over, 0..=1; that of a gain is a quarter of it.
    pub mutation: f32,
}

impl Default for SelectionPolicy {
    fn default() -> Self {
        Self { rate: 0.001, mutation: 0.02 }
    }
}

/// How a group of blocks is selected; none, as without the section or with `false`, for not at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Selection(
    #[serde(with = "or_false")]
    #[schemars(with = "OrFalse<SelectionPolicy>")]
    pub Option<SelectionPolicy>,
);

impl Section for Selection {
    const NAME: &'static str = "selection";
    const RANGES: &'static [(&'static str, &'static str)] =
        &[("rate", "within 0..=1"), ("mutation", "within 0..=1")];

    fn check(&self) -> Result<(), (&'static str, String, &'static str)> {
        let policy = self.0.unwrap_or_default();
        within_one([("rate", policy.rate), ("mutation", policy.mutation)])
    }
}

/// Simulated seconds between two audits; 0 for none.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct AuditInterval(pub f64);

impl Default for AuditInterval {
    fn default() -> Self {
        Self(300.0)
    }
}

impl Section for AuditInterval {
    const NAME: &'static str = "audit_interval";
    const IS_WRITTEN: bool = true;
    const RANGES: &'static [(&'static str, &'static str)] = &[("", SECONDS_OR_NONE)];

    fn check(&self) -> Result<(), (&'static str, String, &'static str)> {
        seconds_or_none(self.0)
    }
}

/// Checks an interval that may be none.
pub(crate) fn seconds_or_none(seconds: f64) -> Result<(), (&'static str, String, &'static str)> {
    if seconds == 0.0 || is_seconds(seconds) {
        return Ok(());
    }
    Err(("", seconds.to_string(), SECONDS_OR_NONE))
}

/// How blocks are audited.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Audit {
    /// The forest's score from which on a block stands apart, 0..=1. One that is as others has some 0.3.
    pub threshold: f32,
    /// The score below which it is as others again, 0..=`threshold`.
    pub leave: f32,
    /// Audits in a row in which a block must stand apart before it is flagged, 1..=1000.
    pub hold: u32,
    /// Audits from which a block's own usual is learned before it is judged, 2..=1000000.
    pub warm_up: u32,
    /// Rows of past audits that the forest is grown on, 16..=4000.
    pub window: u32,
    /// Trees of the forest, 10..=1000.
    pub trees: u32,
    /// Whether the reasons name the entities that are the least like the others of a flagged block.
    pub entities: bool,
}

impl Default for Audit {
    fn default() -> Self {
        // 244 rows and the frame's 12 are the 256 of the paper.
        Self { threshold: 0.5, leave: 0.4, hold: 2, warm_up: 4, window: 244, trees: 100, entities: false }
    }
}

impl Section for Audit {
    const NAME: &'static str = "audit";
    const IS_WRITTEN: bool = true;
    const RANGES: &'static [(&'static str, &'static str)] = &[
        ("threshold", "within 0..=1"),
        ("leave", "within 0..=threshold"),
        ("hold", "within 1..=1000"),
        ("warm_up", "within 2..=1000000"),
        ("window", "within 16..=4000"),
        ("trees", "within 10..=1000"),
    ];

    fn check(&self) -> Result<(), (&'static str, String, &'static str)> {
        within_one([("threshold", self.threshold)])?;
        if !(0.0..=self.threshold).contains(&self.leave) {
            return Err(("leave", self.leave.to_string(), "within 0..=threshold"));
        }
        let counts = [
            ("hold", self.hold, 1..=1000, "within 1..=1000"),
            ("warm_up", self.warm_up, 2..=1_000_000, "within 2..=1000000"),
            ("window", self.window, 16..=4000, "within 16..=4000"),
            ("trees", self.trees, 10..=1000, "within 10..=1000"),
        ];
        match counts.into_iter().find(|(_, count, allowed, _)| !allowed.contains(count)) {
            Some((key, count, _, allowed)) => Err((key, count.to_string(), allowed)),
            None => Ok(()),
        }
    }
}

const SECONDS: &str = "within 1e-6..=1e9 seconds";
pub(crate) const SECONDS_OR_NONE: &str = "0, or within 1e-6..=1e9 seconds";

fn is_seconds(found: f64) -> bool {
    (1e-6..=1e9).contains(&found)
}

fn seconds(key: &'static str, found: f64) -> Result<(), (&'static str, String, &'static str)> {
    if is_seconds(found) { Ok(()) } else { Err((key, found.to_string(), SECONDS)) }
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum OrFalse<T> {
    Policy(T),
    Off(bool),
}

pub(crate) mod or_false {
    use std::fmt;
    use std::marker::PhantomData;

    use serde::de::value::MapAccessDeserializer;
    use serde::de::{Error, MapAccess, Visitor};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer, T: Serialize>(policy: &Option<T>, to: S) -> Result<S::Ok, S::Error> {
        match policy {
            Some(policy) => policy.serialize(to),
            None => to.serialize_bool(false),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
        from: D,
    ) -> Result<Option<T>, D::Error> {
        from.deserialize_any(PolicyOrFalse(PhantomData))
    }

    /// Visits the object in place, so that an error knows which of its keys it is about.
    struct PolicyOrFalse<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de> + Default> Visitor<'de> for PolicyOrFalse<T> {
        type Value = Option<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("false or an object of limits")
        }

        fn visit_bool<E: Error>(self, is_on: bool) -> Result<Self::Value, E> {
            Ok(is_on.then(T::default))
        }

        fn visit_map<A: MapAccess<'de>>(self, limits: A) -> Result<Self::Value, A::Error> {
            T::deserialize(MapAccessDeserializer::new(limits)).map(Some)
        }
    }
}
