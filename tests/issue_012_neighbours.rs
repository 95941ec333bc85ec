//! A plugin that is absent, or that could not be built, changes nothing for the others: their observers ran in an order that followed
//! from whatever else was in the world, a neighbour's resources included.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use corec::prelude::*;
use corec::testing::{TestApp, TestRun};
use corec_core::block::GroupId;
use corec_core::outputs::Outputs;

#[derive(Component, Pod, Zeroable, Clone, Copy, Default)]
#[repr(C)]
struct Heat(f32);

#[derive(Event)]
struct Blow(f32);

#[derive(Component)]
struct Spark(f32);

#[derive(Resource, Default)]
struct Total(f32);

/// The plugin that must not notice: everything in it depends on an order.
#[derive(Deserialize, JsonSchema)]
struct Forge {}
corec::plugin!(Forge, name = "forge");

impl Plugin for Forge {
    fn build(&self, app: &mut App) {
        app.add_kind(Kind::new("iron").with::<Heat>())
            .add_kind(Kind::new("steel").with::<Heat>())
            .init_resource::<Total>()
            .add_observer(|blow: On<Blow>, blocks: Blocks<&mut Heat>| {
                blocks.for_each(|heat| heat.iter_mut().for_each(|heat| heat.0 = heat.0 * 0.5 + blow.0));
            })
            .add_observer(|_: On<Blow>, blocks: Blocks<&mut Heat>| {
                blocks.for_each(|heat| heat.iter_mut().for_each(|heat| heat.0 = (heat.0 + 3.0) * 0.7));
            })
            .add_observer(|add: On<Add<Spark>>, sparks: Query<&Spark>, mut total: ResMut<Total>| {
                total.0 = total.0 * 0.9 + sparks.get(add.entity).map_or(0.0, |spark| spark.0);
            })
            .add_observer(|_: On<Add<Spark>>, mut total: ResMut<Total>| total.0 = total.0 * total.0 % 5.0)
            .add_systems(
                Update,
                (
                    |tick: Res<Tick>, mut commands: Commands| {
                        commands.spawn(Spark(tick.0 as f32));
                        commands.trigger(Blow(tick.0 as f32));
                    },
                    |total: Res<Total>, blocks: Blocks<&mut Heat>, mut out: Outbox<Self>| {
                        let mut sum = 0.0;
                        blocks.for_each(|heat| {
                            heat.iter_mut().for_each(|heat| sum = sum * 0.9 + heat.0 + total.0);
                        });
                        out.metric("sum", f64::from(sum));
                    },
                )
                    .chain()
                    .in_set(Phase::Process),
            );
    }
}

macro_rules! neighbours {
    ($($plugin:ident $name:literal $build:expr;)+) => {
        $(
            #[derive(Deserialize, JsonSchema)]
            struct $plugin {}
            corec::plugin!($plugin, name = $name);
            impl Plugin for $plugin {
                fn build(&self, app: &mut App) {
                    let build: fn(&mut App) = $build;
                    build(app);
                }
            }
        )+
        const NEIGHBOURS: &[(&str, fn(TestApp) -> TestApp)] = &[$(
            ($name, |app| app.plugin::<$plugin>(concat!(r#"{"name": ""#, $name, r#"", "entities": 300}"#)).unwrap()),
        )+];
    };
}

#[derive(Resource, Default)]
struct Filler<const N: usize>;

macro_rules! own {
    ($($name:ident)+) => {$(
        #[derive(Component, Pod, Zeroable, Clone, Copy, Default)]
        #[repr(C)]
        struct $name(f32);
    )+};
}
own!(Page Bell Wreck Vapour Load);

neighbours! {
    Archive "archive" |app| _ = app
        .init_resource::<Filler<0>>().init_resource::<Filler<1>>().init_resource::<Filler<2>>()
        .add_kind(Kind::new("page").with::<Page>()).add_systems(Update, (|blocks: Blocks<&mut Page>| {
            blocks.par_for_each(|page| page[0].0 += 1.0);
        }).in_set(Phase::Process));
    Bells "bells" |app| _ = app
        .add_kind(Kind::new("bell").with::<Bell>().recycled())
        .add_observer(|_: On<Blow>, blocks: Blocks<&mut Bell>| blocks.for_each(|own| own[0].0 += 1.0))
        .add_systems(Update, (|world: &mut World| -> Result {
            let kinds = Rows::new(world);
            let group = kinds.population().groups().iter().position(|group| &**group.name() == "bells").unwrap();
            drop(kinds);
            Rows::new(world).spawn(GroupId(group as u16))?;
            Ok(())
        }).in_set(Phase::Process));
    Crash "crash" |app| {
        app.add_kind(Kind::new("crash").with::<Wreck>()).init_resource::<Filler<3>>();
        app.add_observer(|_: On<Blow>| ());
        panic!("no model");
    };
    Steam "steam" |app| _ = app
        .init_resource::<Filler<4>>().add_kind(Kind::new("steam").with::<Vapour>())
        .add_systems(Update, ((|blocks: Blocks<&mut Vapour>| blocks.par_for_each(|own| own[0].0 += 1.0)).in_set(Phase::Process), (|tick: Res<Tick>, mut out: Outbox<Steam>| {
            out.metric("pressure", tick.0 as f64);
        }).in_set(Phase::Measure)));
    Tired "tired" |app| _ = app
        .add_kind(Kind::new("tired").with::<Load>())
        .add_observer(|add: On<Add<Spark>>, mut commands: Commands| _ = commands.entity(add.entity).log_components())
        .add_systems(Update, (|tick: Res<Tick>, blocks: Blocks<&mut Load>| {
            blocks.par_for_each(|own| { own[0].0 += 1.0; assert!(tick.0 < 3, "too tired") });
        }).in_set(Phase::Process));
}

fn run(present: u32, threads: u32) -> TestRun {
    let mut app = TestApp::default().threads(threads);
    app = app.plugin::<Forge>(r#"{"name": "forge", "entities": 500}"#).unwrap();
    for (_, add) in NEIGHBOURS.iter().enumerate().filter(|(i, _)| present >> i & 1 == 1).map(|(_, of)| of) {
        app = add(app);
    }
    let mut run = app.start().unwrap();
    run.tick(12).unwrap();
    run
}

#[test]
fn whatever_plugins_are_there_the_others_are_the_same() {
    let found = |run: &TestRun| {
        let heat = run.digest().parts.into_iter().find(|(name, _)| name == "iron.Heat").unwrap();
        let outputs = run.simulation.world().resource::<Outputs>();
        let said: Vec<u64> = outputs.iter().filter(|said| said.0 == "forge").map(|said| said.2).collect();
        (heat, said, run.simulation.world().resource::<Total>().0)
    };
    let alone = found(&run(0, 1));
    assert_eq!(alone.1.len(), 1);
    for present in 1..1 << NEIGHBOURS.len() {
        let threads = 1 + present % 3;
        let names: Vec<&str> = NEIGHBOURS
            .iter()
            .enumerate()
            .filter(|(i, _)| present >> i & 1 == 1)
            .map(|(_, of)| of.0)
            .collect();
        assert_eq!(found(&run(present, threads)), alone, "with {}, {threads} threads", names.join(", "));
    }
}
