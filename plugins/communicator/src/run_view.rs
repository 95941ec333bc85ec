//! A view of the run is what is known of it when a question comes.

use corec::prelude::*;
use corec_dynamics::settings::Repair;

use crate::local::answer::{AnomalousBlock, RunState};

/// Blocks that an answer names.
const ANOMALOUS_MAX: usize = 5;

/// The parts of the world that answers are made of.
#[derive(bevy_ecs::system::SystemParam)]
pub(crate) struct RunView<'w> {
    tick: Res<'w, Tick>,
    stats: Res<'w, Stats>,
    totals: Res<'w, Totals>,
    population: Res<'w, Population>,
    repair: Res<'w, GroupSettings<Repair>>,
    alerts: Res<'w, Alerts>,
    scenario: Res<'w, RunScenario>,
}

/// How the run was at a question.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RunFigures {
    fitness: Option<f64>,
    faults: u64,
    repairs: u64,
    alerts: u64,
}

impl RunView<'_> {
    pub fn tick(&self) -> u64 {
        self.tick.0
    }

    /// Mean fitness over measured blocks.
    pub fn fitness(&self) -> Option<f64> {
        self.stats.fitness()
    }

    /// The n-th random number of question `id`, in 0..1: of the seed, and of nothing else.
    pub fn draw(&self, id: u64, n: u16) -> f32 {
        rng::unit(Draws::new(self.scenario.0.seed, "communicator").words(id, 0, n)[0])
    }

    pub fn figures(&self) -> RunFigures {
        let Totals { faults, repairs, .. } = *self.totals;
        RunFigures { fitness: self.fitness(), faults, repairs, alerts: self.alerts.raised() }
    }

    /// The state for an answer: what changed is counted from `before`.
    pub fn state(&self, before: Option<&RunFigures>) -> RunState {
        let now = self.figures();
        let measured = self.stats.blocks.iter().filter(|block| block.is_measured == 1);
        let since = |now: u64, then: fn(&RunFigures) -> u64| now - before.map_or(0, then).min(now);
        RunState {
            tick: self.tick.0,
            fitness: now.fitness,
            fitness_before: before.and_then(|before| before.fitness),
            entities: self.population.live(),
            active: measured.map(|block| u64::from(block.active)).sum(),
            anomalous: self.anomalous(),
            alerts_raised: now.alerts,
            faults_since: since(now.faults, |b| b.faults),
            repairs_since: since(now.repairs, |b| b.repairs),
            alerts_since: since(now.alerts, |b| b.alerts),
        }
    }

    /// The blocks beyond what their group's repair allows (the default one where it is off), the worst first.
    fn anomalous(&self) -> Vec<AnomalousBlock> {
        let beyond = |block: &corec::prelude::Block| {
            let stats = self.stats.of(block.id());
            let allowed = self.repair.of(block.group()).0.unwrap_or_default();
            let is_beyond = stats.is_measured == 1
                && (stats.fault_ratio > allowed.fault_ratio_max || stats.fitness < allowed.fitness_min);
            is_beyond.then_some((stats.fault_ratio, stats.fitness, block.id()))
        };
        let mut worst: Vec<(f32, f32, BlockId)> = self.population.blocks().filter_map(beyond).collect();
        worst.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.total_cmp(&b.1)).then(a.2.cmp(&b.2)));
        worst.truncate(ANOMALOUS_MAX);
        let named = |(fault_ratio, fitness, id): (f32, f32, BlockId)| AnomalousBlock {
            block: self.population.block_name(id),
            fault_ratio: fault_ratio.into(),
            fitness: fitness.into(),
        };
        worst.into_iter().map(named).collect()
    }
}
