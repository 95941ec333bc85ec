//! Blocks of a fixed and of a recycled kind, met by systems at several thread counts.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bevy_app::App;
use bevy_ecs::system::RunSystemOnce;
use bevy_ecs::world::World;

use super::*;
use crate::column::{Signal, StableId};
use crate::config::{BlockGroup, Scenario};
use crate::kind::{AddKind, Kind};
use crate::populate::populate;

fn world(load: f32) -> World {
    let mut app = App::new();
    app.add_kind(Kind::new("rock").with::<Signal>());
    app.add_kind(Kind::new("spark").with::<Signal>().recycled());
    let group = |id: &str, kind: &str, entities| BlockGroup {
        id: id.into(),
        kind: kind.into(),
        entities,
        entities_per_block: 7,
        load,
        ..Default::default()
    };
    // Blocks of the two kinds alternate in the list of ids.
    let blocks = vec![group("a", "rock", 40), group("b", "spark", 20), group("c", "rock", 3)];
    populate(app.world_mut(), &Scenario { blocks, ..Default::default() }).unwrap();
    app.insert_resource(Tick(3));
    std::mem::take(app.world_mut())
}

#[test]
fn every_live_row_is_met_once_with_its_own_block() {
    let mut world = world(1.0);
    world
        .run_system_once(|blocks: Blocks<(&StableId, &mut Signal)>| {
            blocks.par_for_each_block(|view, (ids, signal)| {
                assert_eq!(ids.len(), view.block.live() as usize);
                signal.iter_mut().for_each(|s| s.value += 1.0 + view.id().0 as f32);
            });
        })
        .unwrap();
    world
        .run_system_once(|blocks: Blocks<(&StableId, &Signal)>| {
            let mut met = Vec::new();
            blocks.for_each_block(|view, (ids, signal)| {
                assert!(signal.iter().all(|s| s.value == 1.0 + view.id().0 as f32));
                met.extend(ids.iter().map(|id| id.0));
            });
            met.sort_unstable();
            assert_eq!(met, (0..63).collect::<Vec<_>>());
        })
        .unwrap();
}

#[test]
fn kinds_come_in_their_order_whatever_else_is_in_the_world() {
    #[derive(bevy_ecs::resource::Resource)]
    struct Filler<const N: usize>;
    macro_rules! fillers {
        ($($n:literal)+) => { [$(|world: &mut World| world.insert_resource(Filler::<$n>)),+] };
    }
    let fillers = fillers!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19);
    for count in 0..=fillers.len() {
        let mut app = App::new();
        fillers[..count].iter().for_each(|fill| fill(app.world_mut()));
        let names = ["a", "b", "c", "d", "e"];
        for name in names {
            app.add_kind(Kind::new(name).with::<Signal>());
        }
        let group =
            |name: &str| BlockGroup { id: name.into(), kind: name.into(), entities: 3, ..Default::default() };
        let scenario = Scenario { blocks: names.map(group).into(), ..Default::default() };
        populate(app.world_mut(), &scenario).unwrap();
        app.insert_resource(Tick(0));
        let met = app.world_mut().run_system_once(|blocks: Blocks<&Signal>| {
            let mut met = Vec::new();
            blocks.for_each_block(|view, _| met.push(view.group.settings().id.clone()));
            met
        });
        assert_eq!(met.unwrap(), names, "{count} resources before");
    }
}

#[test]
fn the_due_rows_are_the_window_and_nothing_else() {
    let mut world = world(0.5);
    for tick in 0..9 {
        world.insert_resource(Tick(tick));
        Turns::begin(&mut world, tick);
        let due = world.run_system_once(|blocks: Blocks<&StableId>| {
            let mut counts = vec![0u32; blocks.population().block_count()];
            let expected: Vec<u32> =
                blocks.population().blocks().map(|block| (block.live / 2).max(1)).collect();
            blocks.due().par_fold_blocks(&mut counts, |count, _, ids| *count += ids.len() as u32);
            assert_eq!(counts, expected);
            counts.iter().sum::<u32>()
        });
        assert_eq!(due.unwrap(), 5 * 3 + 2 + 2 * 3 + 3 + 1);
    }
}

#[test]
fn a_panic_in_a_block_lets_the_others_run_and_names_the_lowest() {
    for threads in [1, 2, 8] {
        let team = team::Team::new(threads).unwrap();
        let mut world = world(1.0);
        let panic = team
            .enter(|| {
                catch_unwind(AssertUnwindSafe(|| {
                    world.run_system_once(|blocks: Blocks<&mut Signal>| {
                        blocks.par_for_each_block(|view, signal| {
                            signal.iter_mut().for_each(|s| s.value = 1.0);
                            assert!(![2, 4, 8].contains(&view.id().0), "bad block");
                        });
                    })
                }))
            })
            .unwrap_err();
        assert_eq!(panic_message(&*panic), "block a/2: bad block", "{threads} threads");
        let sum = world.run_system_once(|blocks: Blocks<&Signal>| {
            blocks.reduce(0.0, |_, signal| signal.iter().map(|s| s.value).sum::<f32>(), |a, b| a + b)
        });
        assert_eq!(sum.unwrap(), 63.0, "{threads} threads");
    }
}
