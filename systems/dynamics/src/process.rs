//! Process: the default dynamics, for every due entity of a kind with `Signal` and `Trait`.
//!
//! `value += gain * (target - value) + coupling * (block mean - value) + noise`, kept within 0..=1; a draw may fail
//! the entity. Reads `StableId`, `Trait`, the last `BlockStats::mean`. Writes `Signal`, `Health`.
//! The kernel is branch-free over strips of 64 rows: with `if`, LLVM goes scalar and it runs three times slower.

use bevy_ecs::prelude::*;
use bytemuck::{Pod, Zeroable};
use corec_core::blocks::Blocks;
use corec_core::column::{Health, Signal, StableId, Trait};
use corec_core::maths::{finite_mask, pick};
use corec_core::rng::{Draws, STRIP, Strips, unit};
use corec_core::section::GroupSettings;
use corec_core::simulation::RunScenario;
use corec_core::stats::{Stats, Totals};
use corec_core::units::Tick;
use corec_core::width::{Kernel, Simd, Width};

use crate::settings::Dynamics;

/// What a block's processing counted.
#[derive(Clone, Copy, Default)]
pub struct Counts {
    /// Due rows.
    pub updates: u32,
    /// Active rows that failed.
    pub faults: u32,
}

/// The draws of the default dynamics: word 0 is noise, word 1 decides on a fault.
#[derive(Resource, Clone, Copy)]
pub struct ProcessDraws(Draws);

impl FromWorld for ProcessDraws {
    fn from_world(world: &mut World) -> Self {
        Self(Draws::new(world.resource::<RunScenario>().0.seed, "process"))
    }
}

/// Processes every due entity.
pub fn process(
    blocks: Blocks<(&StableId, &Trait, &mut Signal, &mut Health)>,
    settings: Res<GroupSettings<Dynamics>>,
    draws: Res<ProcessDraws>,
    tick: Res<Tick>,
    stats: Res<Stats>,
    mut totals: ResMut<Totals>,
    mut counts: Local<Vec<Counts>>,
) {
    counts.clear();
    counts.resize(blocks.population().block_count(), Counts::default());
    let simd = Simd::widest();
    blocks.due().par_fold_blocks(&mut counts, |counts, view, (ids, traits, signals, healths)| {
        let (dynamics, block) = (settings.of(view.group_id()), stats.of(view.id()));
        // Before the first Measure, and in a block without an active entity, there is no mean to tend to.
        let coupling = if block.active > 0 { dynamics.coupling } else { 0.0 };
        let force = Force {
            mean: block.mean,
            coupling,
            noise: dynamics.noise,
            fault: Chance::new(dynamics.fault_rate),
        };
        counts.updates += ids.len() as u32;
        let (draws, tick) = (&draws.0, tick.0);
        counts.faults += simd.run(ProcessKernel { force, draws, tick, ids, traits, signals, healths });
    });
    for block in counts.iter() {
        totals.entity_updates += u64::from(block.updates);
        totals.faults += u64::from(block.faults);
    }
}

/// What acts on the entities of one block in one tick.
#[derive(Clone, Copy, Debug)]
pub struct Force {
    /// The block's mean.
    pub mean: f32,
    /// Share of the distance to the mean.
    pub coupling: f32,
    /// Largest random change.
    pub noise: f32,
    /// Chance of a fault.
    pub fault: Chance,
}

/// A probability, as a bound for random words.
#[derive(Clone, Copy, Debug)]
pub struct Chance {
    below: u32,
    always: u32,
}

impl Chance {
    /// The chance `p`, 0..=1, to within 2^-32.
    pub fn new(p: f32) -> Self {
        // An f64 times 2^32 is exact; `as` saturates at 1.
        Self { below: (f64::from(p) * 4_294_967_296.0) as u32, always: u32::from(p >= 1.0) }
    }

    #[inline(always)]
    fn mask(self, word: u32) -> u32 {
        0u32.wrapping_sub(u32::from(word < self.below) | self.always)
    }
}

/// `Health` as one word: the state in the low half, the failures in the high one (little endian).
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(transparent)]
struct HealthWord(u32);

const STATE: u32 = 0xffff;
const ONE_FAILURE: u32 = 0x1_0000;

/// The rows of one block, `n` of each column, about to be processed. Gives how many fail.
pub struct ProcessKernel<'a> {
    /// What acts on them.
    pub force: Force,
    /// The draws.
    pub draws: &'a Draws,
    /// The tick.
    pub tick: u64,
    /// Stable ids.
    pub ids: &'a [StableId],
    /// Traits.
    pub traits: &'a [Trait],
    /// Values.
    pub signals: &'a mut [Signal],
    /// Health.
    pub healths: &'a mut [Health],
}

impl Kernel for ProcessKernel<'_> {
    type Output = u32;

    /// # Panics
    /// If the slices differ in length.
    #[inline(always)]
    fn run<W: Width>(self, width: W) -> u32 {
        let Self { force, draws, tick, ids, traits, signals, healths } = self;
        let ids: &[u64] = bytemuck::cast_slice(ids);
        let healths: &mut [HealthWord] = bytemuck::cast_slice_mut(healths);
        let n = ids.len();
        assert!(traits.len() == n && signals.len() == n && healths.len() == n, "columns are of one length");
        let strip = Strip { force, draws: draws.strips(width, tick, 0) };
        let mut faults = 0;
        let (id_strips, id_rest) = ids.as_chunks::<STRIP>();
        let (trait_strips, trait_rest) = traits.as_chunks::<STRIP>();
        let (signal_strips, signal_rest) = signals.as_chunks_mut::<STRIP>();
        let (health_strips, health_rest) = healths.as_chunks_mut::<STRIP>();
        for (((ids, traits), signals), healths) in
            id_strips.iter().zip(trait_strips).zip(signal_strips).zip(health_strips)
        {
            faults += strip.run(ids, traits, signals, healths);
        }
        let rest = id_rest.len();
        if rest > 0 {
            // The tail runs as a whole strip of copies; what is beyond it is inactive and can't fail.
            let (mut ids, mut traits) = ([0; STRIP], [Trait::zeroed(); STRIP]);
            let (mut signals, mut healths) = ([Signal::zeroed(); STRIP], [HealthWord(0); STRIP]);
            ids[..rest].copy_from_slice(id_rest);
            traits[..rest].copy_from_slice(trait_rest);
            signals[..rest].copy_from_slice(signal_rest);
            healths[..rest].copy_from_slice(health_rest);
            faults += strip.run(&ids, &traits, &mut signals, &mut healths);
            signal_rest.copy_from_slice(&signals[..rest]);
            health_rest.copy_from_slice(&healths[..rest]);
        }
        faults
    }
}

/// Strips of 64 rows. Small loops over arrays, no branches: each is a few vector instructions.
struct Strip<W: Width> {
    force: Force,
    draws: Strips<W>,
}

impl<W: Width> Strip<W> {
    #[inline(always)]
    fn run(
        &self,
        ids: &[u64; STRIP],
        traits: &[Trait; STRIP],
        signals: &mut [Signal; STRIP],
        healths: &mut [HealthWord; STRIP],
    ) -> u32 {
        let (mut noise, mut fault) = ([0; STRIP], [0; STRIP]);
        self.draws.words(ids, &mut noise, &mut fault);
        let force = self.force;
        let mut next = [0f32; STRIP];
        for i in 0..STRIP {
            let (value, Trait { gain, target }) = (signals[i].value, traits[i]);
            let change = gain * (target - value) + force.coupling * (force.mean - value);
            next[i] = value + change + force.noise * (unit(noise[i]) * 2.0 - 1.0);
        }
        let (mut active, mut hit) = ([0u32; STRIP], [0u32; STRIP]);
        for i in 0..STRIP {
            active[i] = 0u32.wrapping_sub(healths[i].0 & u32::from(Health::ACTIVE));
            hit[i] = active[i] & (force.fault.mask(fault[i]) | !finite_mask(next[i]));
        }
        for i in 0..STRIP {
            let above = if next[i] > 0.0 { next[i] } else { 0.0 };
            let within = if above < 1.0 { above } else { 1.0 };
            // Failed: 0. Active: the next value. Inactive: as it is.
            let kept = pick(active[i], within, signals[i].value);
            signals[i].value = f32::from_bits(kept.to_bits() & !hit[i]);
            healths[i].0 = (healths[i].0 & !(hit[i] & STATE)).wrapping_add(hit[i] & ONE_FAILURE);
        }
        hit.iter().map(|hit| hit & 1).sum()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The rule of one entity, as a person would write it.
    fn process_one(
        force: &Force,
        fault_rate: f32,
        words: [u32; 4],
        t: Trait,
        s: &mut Signal,
        h: &mut Health,
    ) -> bool {
        if !h.is_active() {
            return false;
        }
        let change = t.gain * (t.target - s.value) + force.coupling * (force.mean - s.value);
        let next = s.value + change + force.noise * (unit(words[0]) * 2.0 - 1.0);
        let fails = f64::from(words[1]) < f64::from(fault_rate) * 4_294_967_296.0;
        if fails || !next.is_finite() {
            *s = Signal { value: 0.0 };
            *h = Health { state: Health::INACTIVE, failures: h.failures.wrapping_add(1) };
            return true;
        }
        s.value = next.clamp(0.0, 1.0);
        false
    }

    proptest! {
        #[test]
        fn the_kernel_does_what_the_rule_says(
            n in 0usize..200, seed: u64, tick: u64, fault_rate in prop_oneof![Just(0.0f32), Just(1.0), 0.0f32..1.0],
            noise in 0.0f32..1.0, wild: bool
        ) {
            let draws = Draws::new(seed, "process");
            let force = Force { mean: 0.4, coupling: 0.1, noise, fault: Chance::new(fault_rate) };
            let ids: Vec<StableId> = (0..n as u64).map(|i| StableId(i * 0x1_0000_0003)).collect();
            let word = |i: usize, k: usize| draws.words(i as u64, 1 << 40, 7)[k];
            let traits: Vec<Trait> = (0..n).map(|i| Trait {
                gain: if wild && i % 5 == 0 { f32::INFINITY } else { unit(word(i, 0)) },
                target: unit(word(i, 1)),
            }).collect();
            let signals: Vec<Signal> = (0..n).map(|i| Signal { value: unit(word(i, 2)) }).collect();
            let healths: Vec<Health> =
                (0..n).map(|i| Health { state: (word(i, 3) & 1) as u16, failures: i as u16 }).collect();
            for simd in Simd::available() {
                let (mut signals_all, mut healths_all) = (signals.clone(), healths.clone());
                let (mut signals_one, mut healths_one) = (signals.clone(), healths.clone());
                let faults = simd.run(ProcessKernel {
                    force, draws: &draws, tick, ids: &ids, traits: &traits,
                    signals: &mut signals_all, healths: &mut healths_all,
                });
                let mut faults_one = 0;
                for i in 0..n {
                    let words = draws.words(ids[i].0, tick, 0);
                    let (signal, health) = (&mut signals_one[i], &mut healths_one[i]);
                    faults_one += u32::from(process_one(&force, fault_rate, words, traits[i], signal, health));
                }
                prop_assert_eq!(faults, faults_one, "{:?}", simd);
                prop_assert_eq!(&healths_all, &healths_one, "{:?}", simd);
                let bits = |signals: &[Signal]| signals.iter().map(|s| s.value.to_bits()).collect::<Vec<_>>();
                prop_assert_eq!(bits(&signals_all), bits(&signals_one), "{:?}", simd);
            }
        }
    }
}
