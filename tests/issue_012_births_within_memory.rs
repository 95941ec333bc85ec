//! Births went on beyond `memory_max` until the system had no more memory to give: one that would need more fails, and the plugin may
//! go on without it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use corec::prelude::*;
use corec_core::block::GroupId;
use corec_core::config::{BlockGroup, Scenario};
use corec_core::rows::RowError;
use corec_core::simulation::Simulation;

#[derive(Resource, Default)]
struct OutputDigests(Vec<String>);

#[test]
fn a_birth_beyond_memory_max_fails_and_one_after_a_death_does_not() {
    let mut app = App::new();
    app.add_plugins(CorecPlugin).init_resource::<OutputDigests>();
    app.add_kind(Kind::new("spark").with::<Signal>().recycled()).add_systems(
        Update,
        |world: &mut World| -> Result {
            let mut rows = Rows::new(world);
            let mut told = None;
            for _ in 0..20_000 {
                match rows.spawn(GroupId(0)) {
                    Ok(_) => {}
                    Err(full @ RowError::MemoryMax { .. }) => {
                        told = Some(full.to_string());
                        break;
                    }
                    Err(other) => return Err(other.into()),
                }
            }
            // Where one dies there is room for one.
            if told.is_some() {
                rows.free(StableId(0)).or_else(|_| rows.free(StableId(50_000)))?;
                rows.spawn(GroupId(0))?;
            }
            drop(rows);
            world.resource_mut::<OutputDigests>().0.extend(told);
            Ok(())
        },
    );
    let sparks =
        BlockGroup { id: "sparks".into(), kind: "spark".into(), entities: 100, ..Default::default() };
    let scenario = Scenario { memory_max: "60MB".into(), blocks: vec![sparks], ..Default::default() };
    let mut simulation = Simulation::new(app, scenario).unwrap();
    for _ in 0..100 {
        simulation.step().unwrap();
        if simulation.world().resource::<OutputDigests>().0.len() == 2 {
            break;
        }
    }
    let told = &simulation.world().resource::<OutputDigests>().0;
    assert_eq!(told.len(), 2, "the limit was met");
    assert!(
        told[0].contains("kind 'spark': a birth needs 6") && told[0].ends_with("at most 60 MB (memory_max)"),
        "{told:?}"
    );
    let population = simulation.world().resource::<Population>();
    assert_eq!(population.births_refused(), 2);
    assert!((200_000..1_000_000).contains(&population.live()), "{} live", population.live());
}
