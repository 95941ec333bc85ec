//! Remember: the rows of the kind "full" carry 229 traces of their value, at as many time scales.
//!
//! `trace[k] += (value - trace[k]) / (k + 1)`: trace 0 is the value itself, trace 228 its mean over some 229 ticks.
//! Reads `Signal`, of every live row, active or not. Writes `Traces`. Runs in `Phase::Process`, after the dynamics.
//! With `StableId`, `Health`, `Signal` and `Trait` a row has 940 bytes: as much as a million rows leave room for in
//! 1 GiB beside what the ECS keeps of each.

use bevy_ecs::prelude::*;
use bytemuck::{Pod, Zeroable};
use corec_core::blocks::Blocks;
use corec_core::column::Signal;

/// Traces of a row.
pub const TRACES: usize = 229;

/// An entity's value as seen over growing spans of time.
#[derive(Component, Pod, Zeroable, Clone, Copy)]
#[repr(C)]
pub struct Traces(pub [f32; TRACES]);

/// The share of the distance to the value that each trace covers in a tick.
const RATES: [f32; TRACES] = {
    let mut rates = [0.0; TRACES];
    let mut k = 0;
    while k < TRACES {
        rates[k] = 1.0 / (k as f32 + 1.0);
        k += 1;
    }
    rates
};

/// Lets every row remember its value.
pub fn remember(blocks: Blocks<(&Signal, &mut Traces)>) {
    blocks.par_for_each(|(signals, traces)| remember_kernel(signals, traces));
}

fn remember_kernel(signals: &[Signal], traces: &mut [Traces]) {
    for (signal, traces) in signals.iter().zip(traces) {
        for (trace, rate) in traces.0.iter_mut().zip(&RATES) {
            *trace += rate * (signal.value - *trace);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_covers_its_share_of_the_distance() {
        let mut traces = [Traces([0.0; TRACES])];
        for _ in 0..3 {
            remember_kernel(&[Signal { value: 1.0 }], &mut traces);
        }
        assert_eq!(traces[0].0[..2], [1.0, 0.875]);
        assert!((traces[0].0[228] - (1.0 - 228.0f32 * 228.0 * 228.0 / (229.0 * 229.0 * 229.0))).abs() < 1e-6);
    }
}
