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
    /// Brings every inactive entity back.
    pub fn repair(
        &mut self,
        new_id: &mut dyn FnMut() -> StableId,
        tell: &mut dyn FnMut(u32, RepairedEntity),
    ) {
        let active = self.active();
        self.bring_back(&active, new_id, tell);
    }

    /// Brings every inactive entity back, and lets the others begin anew: heirs of the fittest among them, at their new targets. Whose
    /// kind has no traits there is nothing to inherit.
    pub fn renew(&mut self, new_id: &mut dyn FnMut() -> StableId, tell: &mut dyn FnMut(u32, RepairedEntity)) {
        let active = self.active();
        self.bring_back(&active, new_id, tell);
        let Self { rows: BlockRows { ids, healths, signals, traits }, draws, tick, .. } = self;
        let Some(traits) = traits else { return };
        // All inherit from what was there, not from each other's heirs.
        let (values, before) = (signals.to_vec(), traits.to_vec());
        for row in active.iter().map(|row| *row as usize) {
            let parent = draws.parent(ids[row], *tick, &active, ids, &values);
            traits[row] = draws.heir(ids[row], *tick, before[parent]);
            signals[row].value = traits[row].target;
            healths[row].state = Health::ACTIVE;
            let entity = RepairedEntity { entity: ids[row].0, replaced: None, parent: Some(ids[parent].0) };
            tell(row as u32, entity);
        }
    }

    fn active(&self) -> Vec<u32> {
        let healths = &self.rows.healths;
        (0..healths.len() as u32).filter(|&row| healths[row as usize].is_active()).collect()
    }

    fn bring_back(
        &mut self,
        active: &[u32],
        new_id: &mut dyn FnMut() -> StableId,
        tell: &mut dyn FnMut(u32, RepairedEntity),
    ) {
        let Self { rows: BlockRows { ids, healths, signals, traits }, mean, draws, births, tick } = self;
        for row in 0..healths.len() {
            let health = healths[row];
            if health.is_active() {
                continue;
            }
            let mut id = ids[row];
            if health.failures >= FAILURES_MAX || active.is_empty() {
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
                let parent = draws.parent(id, *tick, active, ids, signals);
                traits[row] = draws.heir(id, *tick, traits[parent]);
                of = Some(ids[parent].0);
            }
            signals[row].value = *mean;
            healths[row].state = Health::ACTIVE;
            tell(row as u32, RepairedEntity { entity: id.0, replaced: None, parent: of });
        }
    }
}
