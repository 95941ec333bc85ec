//! Plain Bevy plugins under CoreC: own kinds and systems, phases, time, failures.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use corec::prelude::*;
use corec_core::digest::Digest;
use corec_run::{RunPlan, SnapshotInterval, run};

#[derive(Component, Pod, Zeroable, Clone, Copy, Default)]
#[repr(C)]
struct Tiredness(f32);

#[derive(Resource, Default)]
struct Order(Vec<&'static str>);

fn scenario(kind: &str, entities: u64) -> Scenario {
    let group = BlockGroup { id: "g".into(), kind: kind.into(), entities, ..Default::default() };
    Scenario { blocks: vec![group], store: "memory".into(), ..Default::default() }
}

fn tire(blocks: Blocks<(&mut Tiredness, &mut Signal)>) {
    blocks.due().par_for_each(|(tiredness, signal)| {
        for (tiredness, signal) in tiredness.iter_mut().zip(signal) {
            tiredness.0 = (tiredness.0 + 0.1).min(1.0);
            signal.value *= 1.0 - tiredness.0;
        }
    });
}

fn fatigue(app: &mut App) {
    app.add_kind(Kind::new("tired").with::<Signal>().with::<Tiredness>())
        .add_systems(Update, tire.in_set(Phase::Process));
}

#[test]
fn a_kind_of_its_own_is_measured_and_digested() {
    let digest = |ticks| {
        let mut app = App::new();
        app.add_plugins((CorecPlugin, fatigue));
        let mut simulation = Simulation::new(app, scenario("tired", 2500)).unwrap();
        simulation.run(ticks).unwrap();
        let stats = simulation.world().resource::<Stats>().of(BlockId(2));
        assert_eq!((stats.live, stats.active), (500, 500));
        simulation.digest()
    };
    let (five, six) = (digest(5), digest(6));
    assert_eq!(five, digest(5));
    assert_ne!(five.value, six.value);
    let column = |d: &Digest| d.parts.iter().find(|(name, _)| name == "tired.Tiredness").unwrap().1;
    assert_ne!(column(&five), column(&six), "the culprit has a name");
}

#[test]
fn plain_systems_run_in_their_places_with_simulated_time() {
    let mut app = App::new();
    app.add_plugins(CorecPlugin).init_resource::<Order>();
    let say = |what| move |mut order: ResMut<Order>| order.0.push(what);
    app.add_systems(Startup, say("startup")).add_systems(bevy_app::First, say("first"));
    app.add_systems(bevy_app::FixedUpdate, say("fixed")).add_systems(bevy_app::Last, say("last"));
    app.add_systems(
        Update,
        (say("publish").in_set(Phase::Publish), say("free"), say("ingest").in_set(Phase::Ingest)),
    );
    let settings = Scenario { tick_seconds: 2.5, ..scenario("cell", 10) };
    let mut simulation = Simulation::new(app, settings).unwrap();
    simulation.run(3).unwrap();
    let one_tick = ["first", "fixed", "ingest", "free", "publish", "last"];
    // Bevy's clock starts at its first update, so the first tick has no step behind it.
    let expected =
        [&["startup", "first", "ingest", "free", "publish", "last"][..], &one_tick, &one_tick].concat();
    assert_eq!(simulation.world().resource::<Order>().0, expected);
}

#[test]
fn a_system_that_panics_on_what_others_read_ends_the_run() {
    fn panics(_: ResMut<Order>, tick: Res<Tick>) {
        assert!(tick.0 < 2, "third time unlucky");
    }
    let mut app = App::new();
    app.add_plugins(CorecPlugin).init_resource::<Order>().add_systems(Update, panics);
    let mut simulation = Simulation::new(app, scenario("cell", 10)).unwrap();
    let error = simulation.run(10).unwrap_err().to_string();
    assert!(
        error.starts_with("tick 2:") && error.contains("panics") && error.contains("third time unlucky"),
        "{error}"
    );
}

#[test]
fn a_system_that_only_reads_may_fail_without_the_run() {
    fn fails(_: Res<Tick>) -> Result {
        Err("can't".into())
    }
    let run = |with: bool| {
        let mut app = App::new();
        app.add_plugins(CorecPlugin);
        if with {
            app.add_systems(Update, fails);
        }
        let mut simulation = Simulation::new(app, scenario("cell", 3000)).unwrap();
        simulation.run(10).unwrap();
        let raised = simulation.world().resource::<Alerts>().raised();
        let parts = simulation.digest().parts;
        (raised, parts.into_iter().filter(|(name, _)| name != "alerts").collect::<Vec<_>>())
    };
    let ((alerts, with), (none, without)) = (run(true), run(false));
    assert_eq!((alerts, none), (2, 0), "one for the errors, one for the stop");
    assert_eq!(with, without);
}

#[test]
fn a_despawned_row_ends_the_run_and_names_the_right_call() {
    fn despawn(mut commands: Commands, rows: Query<Entity, With<StableId>>) {
        commands.entity(rows.iter().next().unwrap()).despawn();
    }
    let mut app = App::new();
    app.add_plugins(CorecPlugin).add_systems(Update, despawn);
    let mut simulation = Simulation::new(app, scenario("cell", 10)).unwrap();
    let error = simulation.run(10).unwrap_err().to_string();
    assert!(error.starts_with("tick 0:") && error.contains("Rows::free"), "{error}");
}

/// A run whose rows can't be trusted has no digest, and no snapshot to go on from; it ends with the error and not with a panic.
#[test]
fn a_run_that_failed_leaves_no_snapshot() {
    fn despawn(mut commands: Commands, tick: Res<Tick>, rows: Query<Entity, With<StableId>>) {
        if tick.0 == 5 {
            commands.entity(rows.iter().next().unwrap()).despawn();
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let mut app = App::new();
    app.add_plugins(CorecPlugin).add_systems(Update, despawn);
    #[expect(clippy::disallowed_methods, reason = "a run times itself from here")]
    let mut plan = RunPlan::new(scenario("cell", 10), std::time::Instant::now());
    plan.out = Some(folder.path().join("run"));
    plan.options.snapshot_interval = Some(SnapshotInterval::Ticks(6));
    let summary = run(app, plan, &corec::run::Stop::default(), &mut |_| {}).unwrap();
    let error = summary.error.unwrap();
    assert!(error.starts_with("tick 5:") && error.contains("Rows::free"), "{error}");
    assert_eq!((summary.state_digest, summary.snapshots.written), (None, 0));
}

#[test]
fn a_value_that_is_no_number_is_a_fault() {
    fn poison(tick: Res<Tick>, blocks: Blocks<(&StableId, &mut Signal)>) {
        if tick.0 == 1 {
            blocks.for_each(|(ids, signals)| {
                for (id, signal) in ids.iter().zip(signals).filter(|(id, _)| id.0 % 1000 == 3) {
                    signal.value = if id.0 == 3 { f32::NAN } else { f32::NEG_INFINITY };
                }
            });
        }
    }
    let mut app = App::new();
    app.add_plugins(CorecPlugin).add_systems(Update, poison);
    let mut settings = scenario("cell", 2500);
    settings.blocks[0]
        .set_section(&Dynamics { fault_rate: 0.0, ..Dynamics::default() })
        .set_section(&Repair(None));
    let mut simulation = Simulation::new(app, settings).unwrap();
    simulation.run(5).unwrap();
    assert_eq!(simulation.world().resource::<Totals>().faults, 3);
    let mut rows = Rows::new(simulation.world_mut());
    for id in [3, 1003, 2003] {
        let row = rows.get(StableId(id)).unwrap();
        assert_eq!(row.value::<Signal>().unwrap().value, 0.0);
        assert_eq!(row.value::<Health>().unwrap(), Health { state: Health::INACTIVE, failures: 1 });
    }
    drop(rows);
    let stats = &simulation.world().resource::<Stats>().blocks;
    assert!(stats.iter().all(|b| b.mean.is_finite() && b.fitness.is_finite() && b.active > 0));
}

#[test]
fn a_kind_that_is_too_large_keeps_the_run_from_starting() {
    #[derive(Component, Pod, Zeroable, Clone, Copy)]
    #[repr(C)]
    struct Large([f32; 256]);
    let mut app = App::new();
    app.add_plugins(CorecPlugin).add_kind(Kind::new("large").with::<Large>());
    let error = Simulation::new(app, scenario("cell", 10)).err().unwrap().to_string();
    assert!(error.contains("Large 1024") && error.contains("at most 1024"), "{error}");
}

#[test]
fn an_app_exit_ends_the_run() {
    fn leave(tick: Res<Tick>, mut exit: MessageWriter<bevy_app::AppExit>) {
        if tick.0 == 4 {
            exit.write(bevy_app::AppExit::Success);
        }
    }
    let mut app = App::new();
    app.add_plugins(CorecPlugin).add_systems(Update, leave);
    let mut simulation = Simulation::new(app, scenario("cell", 10)).unwrap();
    simulation.run(100).unwrap();
    assert_eq!(simulation.tick(), 5);
}

#[test]
fn a_component_that_brings_others_along_is_refused() {
    #[derive(Component, Pod, Zeroable, Clone, Copy)]
    #[require(Label)]
    #[repr(C)]
    struct Needy(u32);
    #[derive(Component, Default)]
    struct Label;
    let mut app = App::new();
    app.add_plugins(CorecPlugin).add_kind(Kind::new("needy").with::<Needy>());
    let error = Simulation::new(app, scenario("needy", 10)).err().unwrap().to_string();
    assert!(error.contains("kind 'needy'") && error.contains("#[require(..)]"), "{error}");
}

#[test]
fn a_system_whose_parameters_conflict_is_an_error_and_no_panic() {
    fn greedy(_: Query<&mut Signal>, _: Query<&mut Signal>) {}
    let mut app = App::new();
    app.add_plugins(CorecPlugin).add_systems(Update, greedy);
    let error = Simulation::new(app, scenario("cell", 10)).err().unwrap().to_string();
    assert!(error.starts_with("schedule Update:") && error.contains("greedy"), "{error}");
}

#[test]
fn a_scenario_made_in_code_is_checked_too() {
    let refused = |change: fn(&mut Scenario)| {
        let mut app = App::new();
        app.add_plugins(CorecPlugin);
        let mut scenario = scenario("cell", 10);
        change(&mut scenario);
        Simulation::new(app, scenario).err().unwrap().to_string()
    };
    assert!(refused(|s| s.tick_seconds = 1e-10).contains("tick_seconds"));
    assert!(refused(|s| s.blocks[0].entities_per_block = 0).contains("entities_per_block"));
    assert!(refused(|s| s.blocks[0].entities = 0).contains("entities"));
    assert!(refused(|s| s.instance_id = "x".repeat(300)).contains("instance_id"));
    assert!(refused(|s| s.blocks = vec![s.blocks[0].clone(); 70_000]).contains("at most 1000 items"));
}

#[test]
fn an_error_at_the_start_or_the_end_of_a_run_is_not_passed_over() {
    fn fails() -> Result {
        Err("no model".into())
    }
    let simulation = |schedule: bool| {
        let mut app = App::new();
        app.add_plugins(CorecPlugin);
        if schedule {
            app.add_systems(Shutdown, fails)
        } else {
            app.add_systems(Startup, fails)
        };
        let settings =
            Scenario { on_plugin_error: corec_core::config::OnPluginError::FailRun, ..scenario("cell", 10) };
        Simulation::new(app, settings).unwrap()
    };
    assert!(simulation(false).run(1).unwrap_err().to_string().contains("no model"));
    let mut late = simulation(true);
    late.run(1).unwrap();
    assert!(late.shut_down().unwrap_err().to_string().contains("no model"));
}
