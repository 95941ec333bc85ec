//! What a hundred plugins cost that have nothing to do: each a system and an interval, timing on.

use corec::prelude::*;
use corec_core::config::load_plugin;
use corec_run::plugins::PluginSet;
use criterion::{Criterion, Throughput};

const HUNDRED: usize = 100;
/// Ticks of one measurement, so that entering the pool is not part of it.
const TICKS: u64 = 1000;

/// Their names, one after the other: "p00", "p01", ...
static NAMES: [&str; HUNDRED] = {
    const DIGITS: &str = "p00p01p02p03p04p05p06p07p08p09p10p11p12p13p14p15p16p17p18p19p20p21p22p23p24p25p26p27p28p29p30p31p32p33\
                          p34p35p36p37p38p39p40p41p42p43p44p45p46p47p48p49p50p51p52p53p54p55p56p57p58p59p60p61p62p63p64p65p66p67\
                          p68p69p70p71p72p73p74p75p76p77p78p79p80p81p82p83p84p85p86p87p88p89p90p91p92p93p94p95p96p97p98p99";
    let (mut names, mut at) = ([""; HUNDRED], 0);
    while at < HUNDRED {
        names[at] = DIGITS.split_at(3 * at).1.split_at(3).0;
        at += 1;
    }
    names
};

/// A plugin with nothing to do; `N` tells them apart.
#[derive(Deserialize, JsonSchema)]
struct Idle<const N: usize> {}

impl<const N: usize> Plugin for Idle<N> {
    fn build(&self, app: &mut App) {
        app.add_systems(Update, (|| {}).in_set(Phase::Process));
    }
}

impl<const N: usize> NamedPlugin for Idle<N> {
    const NAME: &'static str = NAMES[N];
    const ALIASES: &'static [&'static str] = &[];
}

fn add<const N: usize>(set: PluginSet, interval: f64) -> PluginSet {
    let text = format!(r#"{{"name": "{}", "interval": {interval}}}"#, NAMES[N]);
    let config = load_plugin("config.json", &text, &|_| None).expect("a config of the benches' own");
    set.with::<Idle<N>>(config).expect("a name of its own")
}

macro_rules! hundred {
    ($set:expr, $interval:expr; $($tens:literal)+) => { { let mut set = $set; $(set = tens!(set, $interval, $tens);)+ set } };
}
macro_rules! tens {
    ($set:expr, $interval:expr, $tens:literal) => { ones!($set, $interval, $tens; 0 1 2 3 4 5 6 7 8 9) };
}
macro_rules! ones {
    ($set:expr, $interval:expr, $tens:literal; $($ones:literal)+) => {
        { let mut set = $set; $(set = add::<{ 10 * $tens + $ones }>(set, $interval);)+ set }
    };
}

/// A tick without plugins, and with a hundred that are due every 60 ticks, and every tick.
pub fn hundred(c: &mut Criterion) {
    let mut group = c.benchmark_group("plugins");
    group.throughput(Throughput::Elements(TICKS));
    let idle = |interval: f64| hundred!(PluginSet::default(), interval; 0 1 2 3 4 5 6 7 8 9);
    let make = |interval: Option<f64>| {
        let set = interval.map(idle).unwrap_or_default();
        let cells = BlockGroup { id: "cells".into(), entities: 10, ..BlockGroup::default() };
        let mut scenario = Scenario { blocks: vec![cells], store: "memory".into(), ..Scenario::default() };
        scenario.threads = corec_core::config::Threads::Count(2);
        let app = set.app(&mut scenario);
        let mut simulation = Simulation::new(app, scenario).expect("a scenario of the benches' own");
        simulation.run(1).expect("it runs");
        let systems = simulation
            .timings()
            .iter()
            .filter(|t| t.owner.is_some_and(|o| o != corec_core::phase::Owner::BuiltIn))
            .count();
        assert_eq!(systems, set.iter().count(), "every plugin has its system");
        simulation
    };
    let runs = [("none", None), ("idle=100/interval=60", Some(60.0)), ("idle=100/interval=1", Some(1.0))];
    for (name, interval) in runs {
        let mut made = None;
        group.bench_function(format!("{name}/threads=2/ticks={TICKS}"), |b| {
            let simulation = made.get_or_insert_with(|| make(interval));
            b.iter(|| simulation.run(TICKS).expect("it runs"))
        });
    }
}
