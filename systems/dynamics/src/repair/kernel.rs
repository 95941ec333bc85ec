//! Kernel: repair of the rows of one block.

use corec_core::column::{Health, Signal, StableId, Trait};
use corec_core::repairs::RepairedEntity;

use crate::birth::BirthDraws;
use crate::inherit::RepairDraws;

/// Failures after which an entity is replaced.
const FAILURES_MAX: u16 = 2;

/// The rows of one block.
pub struct BlockRows<'w> {
    /// Stable ids.
    pub ids: &'w [StableId],
    /// Health.
    pub healths: &'w mut [Health],
    /// Values.
    pub signals: &'w mut [Signal],
    /// Traits, if the kind has them.
    pub traits: Option<&'w mut [Trait]>,
}

/// One block about to be repaired.
///
/// `new_id` is asked for each entity that is replaced, and `tell` is told the row of each that is repaired, and what becomes of it.
pub struct RepairKernel<'a> {
    /// Its rows.
    pub rows: BlockRows<'a>,
    /// Its mean value.
    pub mean: f32,
    /// The draws.
    pub draws: &'a RepairDraws,
    /// The rule for fresh entities.
    pub births: &'a BirthDraws,
    /// The tick.
    pub tick: u64,
}

/// Whether repair replaces an entity.
pub fn is_replaced(health: Health) -> bool {
    !health.is_active() && health.failures >= FAILURES_MAX
}

impl RepairKernel<'_> {
    /// Brings every inactive entity back. If the block is renewed, the others begin anew as well: heirs of the fittest of what was there, at
    /// their new targets; whose kind has no traits there is nothing to inherit.
    pub fn repair(
        &mut self,
        is_renewed: bool,
        new_id: &mut dyn FnMut() -> StableId,
        tell: &mut dyn FnMut(u32, RepairedEntity),
    ) {
        let Self { rows: BlockRows { ids, healths, signals, traits }, mean, draws, births, tick } = self;
        let active: Vec<u32> =
            (0..healths.len() as u32).filter(|&row| healths[row as usize].is_active()).collect();
        // All inherit from what was there, not from each other's heirs: only a renewal changes who is drawn from.
        let before = is_renewed.then(|| (signals.to_vec(), traits.as_ref().map(|traits| traits.to_vec())));
        for row in 0..healths.len() {
            let health = healths[row];
            if health.is_active() && !(is_renewed && traits.is_some()) {
                continue;
            }
            let mut id = ids[row];
            if is_replaced(health) || active.is_empty() {
                // A block that died out entirely starts anew under the ids it has.
                let replaced = is_replaced(health).then(|| std::mem::replace(&mut id, new_id()).0);
                healths[row] = Health::FRESH;
                let (signal, inherited) = births.fresh(id);
                signals[row] = signal;
                if let Some(traits) = traits {
                    traits[row] = inherited;
                }
                tell(row as u32, RepairedEntity { entity: id.0, replaced, parent: None });
                continue;
            }
            let mut of = None;
            if let Some(traits) = traits {
                let (values, from) = match &before {
                    Some((values, Some(traits))) => (&values[..], &traits[..]),
                    _ => (&**signals, &**traits),
                };
                let parent = draws.parent(id, *tick, &active, ids, values);
                let heir = draws.heir(id, *tick, from[parent]);
                (traits[row], of) = (heir, Some(ids[parent].0));
            }
            signals[row].value = match traits {
                Some(traits) if health.is_active() => traits[row].target,
                _ => *mean,
            };
            healths[row].state = Health::ACTIVE;
            tell(row as u32, RepairedEntity { entity: id.0, replaced: None, parent: of });
        }
    }
}
