//! Selection: the traits of the fittest spread in a block.
//!
//! In each tick a few entities of a block look at four others that are active, and take the `Trait` of the fittest of them, with a small
//! mutation, if that one is fitter than themselves. Reads `StableId`, `Health`, `Signal`. Writes `Trait`: values follow by themselves. Runs in
//! `Phase::Repair`, after repair, in groups with the section `selection`.

use bevy_ecs::prelude::*;
use corec_core::blocks::Blocks;
use corec_core::column::{Health, Signal, StableId, Trait};
use corec_core::rng::{Draws, below, unit};
use corec_core::section::GroupSettings;
use corec_core::simulation::RunScenario;
use corec_core::units::Tick;

use crate::inherit::{CANDIDATES, fittest, mutated};
use crate::settings::{Selection, SelectionPolicy};

/// How often a candidate that is not active, or the entity itself, is drawn again.
const TRIES: u16 = 4;

/// The draws of selection: those of a block choose its entities, those of an entity its candidates, then the mutation.
#[derive(Resource, Clone, Copy)]
pub struct SelectionDraws {
    blocks: Draws,
    entities: Draws,
}

impl FromWorld for SelectionDraws {
    fn from_world(world: &mut World) -> Self {
        let seed = world.resource::<RunScenario>().0.seed;
        Self { blocks: Draws::new(seed, "selection"), entities: Draws::new(seed, "selection candidates") }
    }
}

/// Whether any group is selected.
pub fn is_on(settings: Res<GroupSettings<Selection>>) -> bool {
    settings.iter().any(|selection| selection.0.is_some())
}

/// Selects in every block whose group says so.
pub fn select(
    blocks: Blocks<(&StableId, &Health, &Signal, &mut Trait)>,
    settings: Res<GroupSettings<Selection>>,
    draws: Res<SelectionDraws>,
    tick: Res<Tick>,
) {
    blocks.par_for_each_block(|view, (ids, healths, signals, traits)| {
        if let Some(policy) = settings.of(view.group_id()).0 {
            select_kernel(&policy, &draws, view.id().0, tick.0, ids, healths, signals, traits);
        }
    });
}

/// Selects in one block.
#[expect(clippy::too_many_arguments, reason = "its columns, and what is drawn by")]
fn select_kernel(
    policy: &SelectionPolicy,
    draws: &SelectionDraws,
    block: u32,
    tick: u64,
    ids: &[StableId],
    healths: &[Health],
    signals: &[Signal],
    traits: &mut [Trait],
) {
    let live = ids.len() as u32;
    let wanted = policy.rate * live as f32;
    // The rest of a whole entity is a chance of one.
    let by_chance = unit(draws.blocks.words(u64::from(block), tick, 0)[0]) < wanted - wanted.floor();
    let count = wanted as u32 + u32::from(by_chance);
    for at in 0..count {
        // Two draws of one tick have their place in a draw's 16 bits, the others in the id's upper half.
        let id = u64::from(at) << 32 | u64::from(block);
        let row = below(draws.blocks.words(id, tick, 1)[0], live) as usize;
        if !healths[row].is_active() {
            continue;
        }
        let Some(candidates) = candidates(&draws.entities, ids[row], tick, row, healths) else { continue };
        let parent = fittest(candidates, |row| (signals[row].value, ids[row]));
        if signals[parent].value > signals[row].value {
            traits[row] =
                mutated(traits[parent], draws.entities.words(ids[row].0, tick, TRIES), policy.mutation);
        }
    }
}

/// Four active rows other than `row`, any as likely as any other, one may come twice; none where they are too few to be found.
fn candidates(
    draws: &Draws,
    id: StableId,
    tick: u64,
    row: usize,
    healths: &[Health],
) -> Option<[usize; CANDIDATES]> {
    let words = (0..TRIES).flat_map(|draw| draws.words(id.0, tick, draw));
    let rows = words.map(|word| below(word, healths.len() as u32) as usize);
    let mut active = rows.filter(|other| *other != row && healths[*other].is_active());
    let mut found = [0; CANDIDATES];
    for place in &mut found {
        *place = active.next()?;
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::birth::GAIN;

    proptest! {
        #[test]
        fn only_active_entities_change_and_only_towards_a_fitter_one(
            n in 1usize..200, seed: u64, tick in 0u64..1 << 40, rate in 0f32..1.0, is_alone: bool, mutation in 0f32..0.2
        ) {
            let rate = if is_alone { rate / n as f32 } else { rate };
            let draws = SelectionDraws { blocks: Draws::new(seed, "a"), entities: Draws::new(seed, "b") };
            let word = |i: usize, k: usize| draws.blocks.words(i as u64, 1 << 41, 7)[k];
            let ids: Vec<StableId> = (0..n as u64).map(|i| StableId(i * 3)).collect();
            let healths: Vec<Health> =
                (0..n).map(|i| Health { state: (word(i, 0) & 1) as u16, failures: 0 }).collect();
            let signals: Vec<Signal> = (0..n).map(|i| Signal { value: unit(word(i, 1)) }).collect();
            let before: Vec<Trait> =
                (0..n).map(|i| Trait { gain: 0.15, target: unit(word(i, 2)) }).collect();
            let mut traits = before.clone();
            let policy = SelectionPolicy { rate, mutation };
            select_kernel(&policy, &draws, 5, tick, &ids, &healths, &signals, &mut traits);
            let changed: Vec<usize> = (0..n).filter(|i| traits[*i] != before[*i]).collect();
            prop_assert!(changed.len() as f32 <= rate * n as f32 + 1.0);
            for i in changed {
                prop_assert!(healths[i].is_active());
                prop_assert!((0.0..=1.0).contains(&traits[i].target));
                prop_assert!((GAIN.start..=GAIN.end).contains(&traits[i].gain));
                let fitter = (0..n).filter(|p| signals[*p].value > signals[i].value && healths[*p].is_active());
                // Of several that are selected, one may have had a parent that was itself selected before, and again after.
                let near = |p: usize| (traits[i].target - before[p].target).abs() <= mutation + 1e-6;
                prop_assert!(fitter.into_iter().any(|p| !is_alone || near(p)));
            }
        }
    }
}
