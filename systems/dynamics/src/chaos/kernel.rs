//! Kernels: what an event does to the rows of a block.

use corec_core::column::{Health, Signal, StableId};
use corec_core::rng::{Draws, unit};

use super::plan::{Event, EventKind};

/// The rows of one block.
pub struct AfflictedRows<'w> {
    /// Stable ids.
    pub ids: &'w [StableId],
    /// Values.
    pub signals: &'w mut [Signal],
    /// Health.
    pub healths: &'w mut [Health],
}

/// Begins an event: gives those that it afflicts, by their ids, with their values. Of a block's active rows they are all, or of
/// `dead` a drawn share, which fails at once.
pub fn begin(event: &Event, rows: &mut AfflictedRows, draws: &Draws, tick: u64) -> Vec<(u64, f32)> {
    let mut afflicted = Vec::with_capacity(rows.ids.len());
    for (row, id) in rows.ids.iter().enumerate() {
        let health = &mut rows.healths[row];
        if !health.is_active() {
            continue;
        }
        if event.kind == EventKind::Dead {
            if unit(draws.words(id.0, tick, 0)[0]) >= event.strength {
                continue;
            }
            *health = Health { state: Health::INACTIVE, failures: health.failures.saturating_add(1) };
            // As everywhere: what is inactive has the value 0.
            rows.signals[row].value = 0.0;
        }
        afflicted.push((id.0, rows.signals[row].value));
    }
    afflicted.sort_unstable_by_key(|(id, _)| *id);
    afflicted
}

/// Goes on with an event: changes the values of those `afflicted` (by id, in order) that are active.
pub fn go_on(event: &Event, rows: &mut AfflictedRows, afflicted: &[(u64, f32)], draws: &Draws, tick: u64) {
    for (row, id) in rows.ids.iter().enumerate() {
        if !rows.healths[row].is_active() {
            continue;
        }
        let Ok(at) = afflicted.binary_search_by_key(&id.0, |(id, _)| *id) else { continue };
        let value = &mut rows.signals[row].value;
        *value = match event.kind {
            EventKind::Stuck => afflicted[at].1,
            EventKind::Drift => (*value - event.strength).clamp(0.0, 1.0),
            EventKind::Noise => {
                let push = unit(draws.words(id.0, tick, 1)[0]) * 2.0 - 1.0;
                (*value + event.strength * push).clamp(0.0, 1.0)
            }
            EventKind::Dead | EventKind::Plugin | EventKind::Flood => return,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: EventKind, strength: f32) -> Event {
        Event { kind, block: Some(0), start: 5, ticks: 20, strength }
    }

    struct Block(Vec<StableId>, Vec<Signal>, Vec<Health>);

    impl Block {
        fn new(n: u64) -> Self {
            // In another order than that of the ids, as after repairs.
            let ids = (0..n).rev().map(StableId).collect();
            Self(ids, vec![Signal { value: 0.5 }; n as usize], vec![Health::FRESH; n as usize])
        }

        fn rows(&mut self) -> AfflictedRows<'_> {
            AfflictedRows { ids: &self.0, signals: &mut self.1, healths: &mut self.2 }
        }
    }

    #[test]
    fn the_dead_are_about_the_share_and_have_failed_once() {
        let (mut block, draws) = (Block::new(4000), Draws::new(1, "chaos"));
        block.2[0] = Health::default();
        let dead = begin(&event(EventKind::Dead, 0.3), &mut block.rows(), &draws, 5);
        assert!((1100..1300).contains(&dead.len()), "{}", dead.len());
        let inactive = block.2.iter().filter(|health| !health.is_active()).count();
        assert_eq!(inactive, dead.len() + 1);
        assert!(block.2.iter().skip(1).all(|health| health.is_active() == (health.failures == 0)));
        assert!(dead.is_sorted() && dead.iter().all(|(id, _)| *id != 3999));
    }

    #[test]
    fn only_the_afflicted_that_are_active_are_changed() {
        let (mut block, draws) = (Block::new(4), Draws::new(1, "chaos"));
        let stuck = event(EventKind::Stuck, 1.0);
        let mut afflicted = begin(&stuck, &mut block.rows(), &draws, 5);
        assert_eq!(afflicted, [(0, 0.5), (1, 0.5), (2, 0.5), (3, 0.5)]);
        block.1.iter_mut().for_each(|signal| signal.value = 0.9);
        // Rows have the ids 3, 2, 1, 0.
        (block.2[1], block.1[1]) = (Health::default(), Signal { value: 0.0 });
        afflicted.retain(|(id, _)| *id != 1);
        go_on(&stuck, &mut block.rows(), &afflicted, &draws, 6);
        let values = |block: &Block| block.1.iter().map(|signal| signal.value).collect::<Vec<_>>();
        assert_eq!(values(&block), [0.5, 0.0, 0.9, 0.5]);
        go_on(&event(EventKind::Drift, 0.6), &mut block.rows(), &afflicted, &draws, 6);
        assert_eq!(values(&block), [0.0, 0.0, 0.9, 0.0]);
        go_on(&event(EventKind::Noise, 0.3), &mut block.rows(), &afflicted, &draws, 6);
        let noisy = values(&block);
        assert!(noisy.iter().all(|value| (0.0..=1.0).contains(value)) && noisy[2] == 0.9);
        assert!(noisy[0] != noisy[3] || noisy[0] == 0.0);
    }
}
