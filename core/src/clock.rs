//! Clocks: bevy_time's show simulated time, which follows from the number of ticks and from what a plugin has done to them.
//!
//! Every tick is `tick_seconds`, `FixedUpdate` included, and nothing is ever late. A plugin may set them otherwise: a step of its own
//! for `FixedUpdate`, another speed, a pause. What differs from that rule is part of the state.

use std::time::Duration;

use bevy_ecs::resource::Resource;
use bevy_ecs::world::World;
use bevy_time::{Fixed, Real, Time, Virtual};
use serde::{Deserialize, Serialize};

use crate::digest::Saved;

/// The clocks after the last tick.
#[derive(Resource, Default, Serialize, Deserialize)]
pub(crate) struct Clocks {
    elapsed: Duration,
    delta: Duration,
    delta_max: Duration,
    is_paused: bool,
    speed: f64,
    fixed: Duration,
    timestep: Duration,
    overstep: Duration,
    /// Whether the number of ticks tells all of it.
    #[serde(skip)]
    is_regular: bool,
}

impl Saved for Clocks {
    const NAME: &'static str = "clocks";
    const SINCE: u16 = 3;

    fn is_part(&self) -> bool {
        !self.is_regular
    }
}

impl Clocks {
    /// Notes how they are after `ticks` ticks of `step`.
    pub fn note(world: &mut World, ticks: u64, step: Duration) {
        let (virt, fixed) = (world.resource::<Time<Virtual>>(), world.resource::<Time<Fixed>>());
        let elapsed = elapsed(ticks, step);
        let is_regular = virt.elapsed() == elapsed
            && virt.max_delta() == Duration::MAX
            && !virt.is_paused()
            && virt.relative_speed_f64() == 1.0
            && fixed.elapsed() == elapsed
            && fixed.timestep() == step
            && fixed.overstep().is_zero();
        let clocks = Self {
            elapsed: virt.elapsed(),
            delta: virt.delta(),
            delta_max: virt.max_delta(),
            is_paused: virt.is_paused(),
            speed: virt.relative_speed_f64(),
            fixed: fixed.elapsed(),
            timestep: fixed.timestep(),
            overstep: fixed.overstep(),
            is_regular,
        };
        *world.resource_mut::<Self>() = clocks;
    }

    /// Sets the clocks as they were noted.
    ///
    /// # Errors
    /// A value that no clock can have, from a file that may hold anything.
    pub fn set(world: &mut World) -> Result<(), String> {
        let noted = world.resource::<Self>();
        let is_speed = noted.speed.is_finite() && noted.speed >= 0.0;
        if !is_speed || noted.timestep.is_zero() || noted.delta_max.is_zero() || noted.delta > noted.elapsed {
            return Err(format!(
                "clocks: found a speed of {}, a time step of {:?}, a delta of {:?} of {:?}, at most {:?}: no clock has them",
                noted.speed, noted.timestep, noted.delta, noted.elapsed, noted.delta_max
            ));
        }
        let mut virt = Time::<Virtual>::default();
        virt.set_max_delta(noted.delta_max);
        virt.set_relative_speed_f64(noted.speed);
        if noted.is_paused {
            virt.pause();
        }
        virt.advance_by(noted.elapsed - noted.delta);
        virt.advance_by(noted.delta);
        let mut fixed = Time::<Fixed>::from_duration(noted.timestep);
        fixed.advance_by(noted.fixed);
        fixed.accumulate_overstep(noted.overstep);
        virt.set_wrap_period(world.resource::<Time<Virtual>>().wrap_period());
        fixed.set_wrap_period(world.resource::<Time<Fixed>>().wrap_period());
        world.insert_resource(virt.as_generic());
        world.insert_resource(virt);
        world.insert_resource(fixed);
        Ok(())
    }
}

/// Sets the clocks as they are after `ticks` ticks of `step` when nobody has touched them.
pub(crate) fn set_regular(world: &mut World, ticks: u64, step: Duration) {
    if ticks == 0 {
        return;
    }
    world.resource_mut::<Time<Real>>().update_with_duration(Duration::ZERO);
    let elapsed = elapsed(ticks, step);
    world.resource_mut::<Time<Real>>().advance_by(elapsed);
    world.resource_mut::<Time<Virtual>>().advance_by(elapsed);
    world.resource_mut::<Time<Fixed>>().advance_by(elapsed);
    world.resource_mut::<Time>().advance_by(elapsed);
}

/// The first tick has no duration: it only starts them.
fn elapsed(ticks: u64, step: Duration) -> Duration {
    let steps = ticks.saturating_sub(1);
    let exact = u32::try_from(steps).ok().and_then(|steps| step.checked_mul(steps));
    exact.unwrap_or_else(|| step.mul_f64(steps as f64))
}
