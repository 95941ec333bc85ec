//! What may only be used on one thread: it worked or failed by the thread that happened to run the tick. It is made in `Startup`, and
//! used on one thread by `run` and by `step`; one that was made before is refused in words.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::cell::Cell;
use std::rc::Rc;

use corec::prelude::*;
use corec_core::config::{BlockGroup, Scenario, Threads};
use corec_core::simulation::Simulation;

#[derive(Resource, Default)]
struct Seen(Vec<(i32, String)>);

struct Token(Rc<Cell<i32>>);

fn simulation(mut app: App, threads: u32) -> Result<Simulation, String> {
    app.add_plugins(CorecPlugin).init_resource::<Seen>();
    let cells = BlockGroup { id: "cells".into(), entities: 1000, ..Default::default() };
    let scenario = Scenario { threads: Threads::Count(threads), blocks: vec![cells], ..Default::default() };
    Simulation::new(app, scenario).map_err(|e| e.to_string())
}

fn count(token: NonSend<Token>, mut seen: ResMut<Seen>) {
    token.0.set(token.0.get() + 1);
    let thread = std::thread::current().name().unwrap_or_default().to_string();
    seen.0.push((token.0.get(), thread));
}

#[test]
fn what_is_made_in_startup_is_used_on_one_thread() {
    for threads in [1, 2, 3, 8] {
        for by_steps in [false, true] {
            let mut app = App::new();
            app.add_systems(Startup, |world: &mut World| world.insert_non_send(Token(Rc::default())));
            app.add_systems(Update, count);
            let mut simulation = simulation(app, threads).unwrap();
            match by_steps {
                false => simulation.run(300).unwrap(),
                true => (0..300).for_each(|_| simulation.step().unwrap()),
            }
            let seen = &simulation.world().resource::<Seen>().0;
            let wanted = (1..=300).map(|i| (i, "corec-0".to_string()));
            assert!(seen.iter().cloned().eq(wanted), "{threads} threads, by steps {by_steps}");
            // And it is dropped where it was made.
            drop(simulation);
        }
    }
}

#[test]
fn what_is_made_before_is_refused_in_words() {
    let mut app = App::new();
    app.world_mut().insert_non_send(Token(Rc::default()));
    app.add_systems(Update, count);
    let refused = simulation(app, 2).err().unwrap();
    assert!(
        refused.contains("non-send resource 'Token'") && refused.contains("in a Startup system"),
        "{refused}"
    );
}
