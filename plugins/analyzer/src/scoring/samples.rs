//! Samples are entities and what the net said of them: drawn anew in every look, kept for the log and for training.

use std::collections::VecDeque;

use corec::prelude::*;

use super::{Model, ScoreSettings};
use crate::kernel;

/// The log of predictions, one JSON object a line as the guide has it.
pub(super) const LOG_FILE: &str = "data/training.log";
/// Lines that the log keeps, the newest: about 600 KB.
const LOG_LINES_MAX: usize = 10_000;
/// Samples kept of a run.
const SAMPLES_MAX: usize = 2000;
/// Samples taken in one look at the run.
const SAMPLES_PER_LOOK: usize = 16;
/// Deviations from its block's mean at which a value counts as an anomaly to train on.
const OUTLIER_DEVIATIONS: f32 = 3.0;

/// What the net said of an entity, and whether it was an anomaly.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Sample {
    pub(super) inputs: Vec<f32>,
    pub(super) output: f32,
    pub(super) is_anomaly: bool,
}

#[derive(Resource, Default, Serialize, Deserialize)]
pub(super) struct Samples(pub(super) VecDeque<Sample>);

impl Saved for Samples {
    const NAME: &'static str = "analyzer.samples";
}

/// Keeps some entities and what was said of them: drawn anew in every look.
pub(super) fn sample(
    tick: Res<Tick>,
    scenario: Res<RunScenario>,
    model: Res<Model>,
    settings: Res<ScoreSettings>,
    stats: Res<Stats>,
    blocks: Blocks<(&StableId, &Signal, &Health)>,
    mut samples: ResMut<Samples>,
) {
    let Some(network) = &model.0 else { return };
    let count = blocks.population().block_count() as u32;
    let draws = Draws::new(scenario.0.seed, "analyzer.samples");
    let wanted: Vec<u32> =
        (0..SAMPLES_PER_LOOK as u64).map(|at| rng::below(draws.words(at, tick.0, 0)[0], count)).collect();
    blocks.for_each_block(|view, (ids, signals, healths)| {
        let (id, stats) = (view.id().0, stats.of(view.id()));
        for _ in wanted.iter().filter(|wanted| **wanted == id && stats.is_measured == 1) {
            let row = rng::below(draws.words(ids[0].0, tick.0, 1)[0], ids.len() as u32) as usize;
            let (signal, health) = (signals[row], healths[row]);
            let inputs: Vec<f32> =
                settings.inputs.iter().map(|input| input.of(&stats).unwrap_or(signal.value)).collect();
            let columns: Vec<&[f32]> = inputs.iter().map(std::slice::from_ref).collect();
            let mut output = [0f32];
            kernel::score(network, &columns, &mut output);
            let is_outlier = (signal.value - stats.mean).abs() > OUTLIER_DEVIATIONS * stats.deviation;
            let is_anomaly = !health.is_active() || is_outlier;
            if samples.0.len() == SAMPLES_MAX {
                samples.0.pop_front();
            }
            samples.0.push_back(Sample { inputs, output: output[0], is_anomaly });
        }
    });
}

/// A line of the log, in the guide's words.
#[derive(Serialize)]
struct LogLine<'a> {
    entrada: &'a [f32],
    salida: f32,
}

/// The log with the new samples at its end, the newest lines of it.
pub(super) fn training_log(old: &[u8], samples: &[Sample]) -> Vec<u8> {
    let old: Vec<&[u8]> = old.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    let kept = old.len().min(LOG_LINES_MAX.saturating_sub(samples.len()));
    let mut text = Vec::new();
    for line in &old[old.len() - kept..] {
        text.extend_from_slice(line);
        text.push(b'\n');
    }
    for Sample { inputs, output, .. } in samples {
        serde_json::to_writer(&mut text, &LogLine { entrada: inputs, salida: *output })
            .expect("numbers fit in memory");
        text.push(b'\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_keeps_the_newest_lines() {
        let sample = |output| Sample { inputs: vec![0.25, 0.5], output, is_anomaly: false };
        let text = training_log(b"{\"entrada\":[1],\"salida\":2}\n", &[sample(0.5)]);
        assert_eq!(text, b"{\"entrada\":[1],\"salida\":2}\n{\"entrada\":[0.25,0.5],\"salida\":0.5}\n");
        let old = b"x\n".repeat(LOG_LINES_MAX + 5);
        assert_eq!(training_log(&old, &[sample(0.5)]).split(|b| *b == b'\n').count(), LOG_LINES_MAX + 1);
    }
}
