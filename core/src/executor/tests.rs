//! The executor as bevy_ecs would have it, at several thread counts.

use bevy_ecs::prelude::*;

use super::*;
use crate::phase::{Owner, Phase};
use crate::team::Team;

#[derive(Resource, Default, Clone, PartialEq, Debug)]
struct Log(Vec<&'static str>);

#[derive(Resource, Default)]
struct A(u64);
#[derive(Resource, Default)]
struct B(u64);

fn say(what: &'static str) -> impl FnMut(ResMut<Log>) {
    move |mut log| log.0.push(what)
}

/// Runs `make`'s schedule `times` times at 1, 2 and 8 threads; gives the one log they must all have.
fn run(times: usize, make: impl Fn(&mut Schedule)) -> (Vec<&'static str>, Reports) {
    let mut results = [1, 2, 8].map(|threads| {
        let team = Team::new(threads).unwrap();
        let mut world = World::new();
        world.init_resource::<Log>();
        world.init_resource::<A>();
        world.init_resource::<B>();
        let mut schedule = Schedule::new(bevy_app::Update);
        make(&mut schedule);
        let reports = Reports::default();
        reports.set_max_failures(3);
        install(&mut schedule, &reports);
        world.insert_resource(reports.clone());
        team.enter(|| (0..times).for_each(|_| schedule.run(&mut world)));
        (world.resource::<Log>().0.clone(), reports)
    });
    assert_eq!(results[0].0, results[1].0);
    assert_eq!(results[0].0, results[2].0);
    let [first, ..] = &mut results;
    (std::mem::take(&mut first.0), first.1.clone())
}

#[test]
fn conflicting_systems_run_in_the_order_they_were_added() {
    let (log, reports) = run(1, |schedule| {
        schedule.add_systems((say("a"), say("b"), say("c"), say("d")));
    });
    assert_eq!(log, ["a", "b", "c", "d"]);
    let pairs = reports.ambiguities();
    assert_eq!(pairs.len(), 6, "{pairs:?}");
    assert!(pairs.iter().all(|pair| !pair.is_error), "plain systems are only warned about");
}

#[test]
fn declared_order_beats_the_order_of_adding() {
    let (log, reports) = run(1, |schedule| {
        schedule.add_systems((
            say("last").in_set(Phase::Repair),
            say("mid").in_set(Phase::Measure),
            say("first").in_set(Phase::Ingest),
        ));
        schedule.configure_sets((Phase::Ingest, Phase::Process, Phase::Measure, Phase::Repair).chain());
    });
    assert_eq!(log, ["first", "mid", "last"]);
    assert_eq!(reports.ambiguities(), []);
}

#[test]
fn a_system_without_a_phase_runs_at_the_end_of_process() {
    let (log, _) = run(1, |schedule| {
        schedule.configure_sets((Phase::Ingest, Phase::Process, Phase::Measure, Phase::Repair).chain());
        schedule.add_systems((say("free"), say("after repair").after(Phase::Repair)));
        schedule.add_systems((say("measure").in_set(Phase::Measure), say("process").in_set(Phase::Process)));
        schedule.add_systems(say("repair").in_set(Phase::Repair));
    });
    assert_eq!(log, ["process", "free", "measure", "repair", "after repair"]);
}

#[test]
fn owners_come_in_a_fixed_order() {
    let (log, reports) = run(1, |schedule| {
        schedule.add_systems(say("plain"));
        schedule.add_systems(say("zeta").in_set(Owner::Plugin("zeta")));
        schedule.add_systems(say("alpha").in_set(Owner::Plugin("alpha")));
        schedule.add_systems(say("built in").in_set(Owner::BuiltIn));
    });
    assert_eq!(log, ["built in", "alpha", "zeta", "plain"]);
    assert_eq!(reports.ambiguities(), []);
}

#[test]
fn a_conflict_inside_one_owner_is_an_error_that_names_both() {
    fn left(_: ResMut<A>) {}
    fn right(_: ResMut<A>) {}
    let (_, reports) = run(1, |schedule| {
        schedule.add_systems((left, right).in_set(Owner::BuiltIn));
    });
    let [pair] = &reports.ambiguities()[..] else { panic!("{:?}", reports.ambiguities()) };
    assert!(pair.is_error);
    let text = pair.to_string();
    assert!(text.contains("left") && text.contains("right") && text.contains("A and"), "{text}");
}

#[test]
fn run_conditions_of_systems_and_sets_hold_back_what_they_should() {
    #[derive(SystemSet, Clone, PartialEq, Eq, Hash, Debug)]
    struct Odd;
    let (log, _) = run(4, |schedule| {
        let every = |n: u64| move |a: Res<A>| a.0 % n == 1;
        schedule.add_systems((
            (|mut a: ResMut<A>| a.0 += 1).before(Odd),
            say("odd").in_set(Odd),
            say("odd, and every third").in_set(Odd).run_if(every(3)),
        ));
        schedule.configure_sets(Odd.run_if(every(2)));
    });
    assert_eq!(log, ["odd", "odd, and every third", "odd"]);
}

#[test]
fn commands_are_applied_before_what_is_ordered_after_them() {
    #[derive(Component)]
    struct Made;
    let (log, _) = run(3, |schedule| {
        schedule.add_systems(
            (
                |mut commands: Commands| _ = commands.spawn(Made),
                |made: Query<&Made>, mut log: ResMut<Log>| {
                    (0..made.iter().count()).for_each(|_| log.0.push("made"))
                },
            )
                .chain(),
        );
    });
    assert_eq!(log.len(), 1 + 2 + 3);
}

#[test]
fn exclusive_systems_have_the_world_to_themselves() {
    let (log, _) = run(2, |schedule| {
        schedule.add_systems(
            (say("before"), |world: &mut World| world.resource_mut::<Log>().0.push("alone"), say("after"))
                .chain(),
        );
    });
    assert_eq!(log, ["before", "alone", "after", "before", "alone", "after"]);
}

#[test]
fn a_panic_stops_its_system_drops_its_commands_and_spares_the_others() {
    let (log, reports) = run(3, |schedule| {
        schedule.add_systems((
            |mut commands: Commands| {
                commands.queue(|world: &mut World| world.resource_mut::<Log>().0.push("never"));
                panic!("on purpose");
            },
            say("others"),
        ));
    });
    assert_eq!(log, ["others"; 3]);
    let [failure] = &reports.take_failures()[..] else { panic!("one failure") };
    assert_eq!(
        (failure.kind, failure.stopped, &failure.message[..]),
        (FailureKind::Panic, true, "on purpose")
    );
}

#[test]
fn an_error_is_counted_and_the_third_stops_the_system() {
    fn fails(mut log: ResMut<Log>) -> Result {
        log.0.push("tried");
        Err("no luck".into())
    }
    let (log, reports) = run(5, |schedule| _ = schedule.add_systems(fails));
    assert_eq!(log, ["tried"; 3]);
    let failures = reports.take_failures();
    assert_eq!(failures.iter().map(|f| f.stopped).collect::<Vec<_>>(), [false, false, true]);
    assert_eq!(failures[0].message, "no luck");
}

#[test]
fn systems_without_conflicts_do_overlap() {
    use std::sync::Barrier;
    let team = Team::new(2).unwrap();
    let mut world = World::new();
    world.init_resource::<A>();
    world.init_resource::<B>();
    let meet = std::sync::Arc::new(Barrier::new(2));
    let (here, there) = (meet.clone(), meet);
    let mut schedule = Schedule::default();
    // Each waits for the other: one after the other they would wait for ever.
    schedule.add_systems((
        move |mut a: ResMut<A>| {
            here.wait();
            a.0 += 1;
        },
        move |mut b: ResMut<B>| {
            there.wait();
            b.0 += 1;
        },
    ));
    install(&mut schedule, &Reports::default());
    team.enter(|| schedule.run(&mut world));
    assert_eq!((world.resource::<A>().0, world.resource::<B>().0), (1, 1));
}

#[test]
fn timings_count_calls_and_name_systems() {
    fn idle() {}
    let (_, reports) = run(4, |schedule| _ = schedule.add_systems(idle.in_set(Phase::Measure)));
    let [timing] = &reports.timings()[..] else { panic!("one system") };
    assert_eq!((timing.calls, &timing.phase[..]), (4, "measure"));
    assert!(timing.name.ends_with("idle"), "{}", timing.name);
}

#[test]
fn systems_added_later_are_taken_in_and_conditions_survive() {
    let team = Team::new(2).unwrap();
    let mut world = World::new();
    world.init_resource::<Log>();
    world.init_resource::<A>();
    let mut schedule = Schedule::default();
    schedule.add_systems(say("never").run_if(|a: Res<A>| a.0 > 0));
    install(&mut schedule, &Reports::default());
    team.enter(|| schedule.run(&mut world));
    schedule.add_systems(say("later"));
    team.enter(|| schedule.run(&mut world));
    assert_eq!(world.resource::<Log>().0, ["later"]);
}

#[test]
fn commands_of_a_system_without_a_phase_are_applied_before_measure() {
    let (log, _) = run(2, |schedule| {
        schedule.configure_sets((Phase::Process, Phase::Measure).chain());
        schedule.add_systems((
            |mut commands: Commands| {
                commands.queue(|world: &mut World| world.resource_mut::<Log>().0.push("queued"))
            },
            say("process").in_set(Phase::Process),
            say("measure").in_set(Phase::Measure),
        ));
    });
    assert_eq!(log, ["process", "queued", "measure", "process", "queued", "measure"]);
}

#[test]
fn what_was_stopped_stays_so_when_the_schedule_is_built_anew() {
    let team = Team::new(2).unwrap();
    let mut world = World::new();
    world.init_resource::<Log>();
    let mut schedule = Schedule::default();
    schedule.add_systems(|mut log: ResMut<Log>| {
        log.0.push("tried");
        panic!("on purpose");
    });
    let reports = Reports::default();
    install(&mut schedule, &reports);
    team.enter(|| schedule.run(&mut world));
    schedule.add_systems(say("later"));
    team.enter(|| schedule.run(&mut world));
    assert_eq!(world.resource::<Log>().0, ["tried", "later"]);
    assert_eq!(reports.timings().iter().map(|t| t.calls).collect::<Vec<_>>(), [1, 1]);
}

#[test]
fn a_system_may_ask_for_the_timings_of_its_own_schedule() {
    let (log, _) = run(2, |schedule| {
        schedule.add_systems(|mut log: ResMut<Log>, reports: Option<Res<Reports>>| {
            log.0.push(if reports.is_none_or(|reports| reports.timings().len() == 1) {
                "asked"
            } else {
                "wrong"
            });
        });
    });
    assert_eq!(log, ["asked"; 2]);
}
