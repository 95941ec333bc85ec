//! Scoring: every entity through the net, in one pass over the blocks; alerts for blocks, samples for log and training.

use std::collections::VecDeque;

use corec::channels::recorded;
use corec::prelude::*;

use crate::Analyzer;
use crate::kernel;
use crate::network::{Network, Shape};
use crate::pytorch;
use crate::reference::{Training, train};

/// The weights, and what PyTorch may have left in their place.
const WEIGHTS: &str = "models/nn.safetensors";
const PYTORCH: &str = "models/nn.pt";
/// The log of predictions, one JSON object a line as the guide has it.
const LOG: &str = "data/training.log";
/// Lines that the log keeps, the newest: about 600 KB.
const LOG_LINES_MAX: usize = 10_000;
/// Samples kept of a run.
const SAMPLES_MAX: usize = 2000;
/// Samples taken in one look at the run.
const SAMPLES_PER_LOOK: usize = 16;
/// Rows whose scores are in flight: they stay in the first-level cache.
const CHUNK: usize = 1024;
/// Deviations from its block's mean at which a value counts as an anomaly to train on.
const OUTLIER_DEVIATIONS: f32 = 3.0;

/// What the net sees of an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// The entity's value.
    Value,
    /// Its block's fitness.
    Fitness,
    /// Its block's mean value.
    Mean,
    /// Its block's standard deviation.
    Deviation,
    /// Its block's share of inactive entities.
    FaultRatio,
}

impl Input {
    /// What all entities of a block have in common; none for the entity's own value.
    fn of(self, stats: &BlockStats) -> Option<f32> {
        match self {
            Self::Value => None,
            Self::Fitness => Some(stats.fitness),
            Self::Mean => Some(stats.mean),
            Self::Deviation => Some(stats.deviation),
            Self::FaultRatio => Some(stats.fault_ratio),
        }
    }
}

/// The net. Part of the run's state: a restored run scores with the weights it had.
#[derive(Resource, Serialize, Deserialize)]
struct Model(Option<Network>);

impl Saved for Model {
    const NAME: &'static str = "analyzer.model";
}

#[derive(Resource)]
struct Settings {
    shape: Shape,
    inputs: Vec<Input>,
    alert_enter: f64,
    alert_leave: f64,
    training: Training,
}

/// What the net said of an entity, and whether it was an anomaly.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Sample {
    inputs: Vec<f32>,
    output: f32,
    is_anomaly: bool,
}

#[derive(Resource, Default, Serialize, Deserialize)]
struct Samples(VecDeque<Sample>);

impl Saved for Samples {
    const NAME: &'static str = "analyzer.samples";
}

/// The predictions of a block.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct BlockScore {
    /// Entities scored.
    pub entities: u32,
    /// The sum of their predictions.
    pub sum: f64,
    /// The highest prediction.
    pub highest: f32,
    /// Its row in the block.
    pub row: u32,
}

/// The predictions of every block, by id, as of the last look.
#[derive(Resource, Default)]
pub struct BlockScores(pub Vec<BlockScore>);

pub(crate) fn build(analyzer: &Analyzer, app: &mut App) {
    let shape = Shape::new(analyzer.inputs.len(), analyzer.hidden).expect("checked with the config");
    app.insert_resource(Settings {
        shape,
        inputs: analyzer.inputs.clone(),
        alert_enter: analyzer.alert_enter,
        alert_leave: analyzer.alert_leave,
        training: Training { epochs: analyzer.train_epochs, learning_rate: analyzer.learning_rate },
    });
    app.insert_resource(Model(None)).init_resource::<Samples>().init_resource::<BlockScores>();
    app.save_resource::<Model>().save_resource::<Samples>();
    app.add_systems(Startup, load)
        .add_systems(Update, (score, tell, sample).chain().in_set(Phase::Measure))
        .add_systems(Shutdown, save);
}

/// Startup: the weights of models/, or fresh ones.
fn load(world: &mut World) -> Result {
    let dir = world.resource::<PluginDirs>().of::<Analyzer>();
    let bytes = recorded::<Analyzer>(world, || {
        if let Some(bytes) = dir.read(WEIGHTS)? {
            return Ok(bytes);
        }
        match dir.path(PYTORCH)?.filter(|path| path.is_file()) {
            Some(path) => Ok(pytorch::read(&path)?.to_bytes()),
            None => Ok(Vec::new()),
        }
    })?;
    let (shape, seed) = (world.resource::<Settings>().shape, world.resource::<RunScenario>().0.seed);
    let network = match &bytes[..] {
        [] => Network::init(shape, &Draws::new(seed, "analyzer.weights")),
        bytes => Network::from_bytes(WEIGHTS, bytes)?,
    };
    if network.shape() != shape {
        let (found, wanted) = (network.shape(), shape);
        return Err(format!(
            "{WEIGHTS}: found a net of {}-{}-1, must be {}-{}-1 as inputs and hidden in config.json say",
            found.inputs(),
            found.hidden(),
            wanted.inputs(),
            wanted.hidden()
        )
        .into());
    }
    world.resource_mut::<Model>().0 = Some(network);
    Ok(())
}

/// Scores every entity with a signal.
fn score(
    model: Res<Model>,
    settings: Res<Settings>,
    stats: Res<Stats>,
    blocks: Blocks<&Signal>,
    // lint: allow(unsaved) filled anew in every call
    mut scores: ResMut<BlockScores>,
) {
    let Some(network) = &model.0 else { return };
    scores.0.clear();
    scores.0.resize(blocks.population().block_count(), BlockScore::default());
    let is_plain = settings.inputs == [Input::Value, Input::Fitness];
    blocks.par_fold_blocks(&mut scores.0, |score, view, signals| {
        let stats = stats.of(view.id());
        let mut first = 0;
        for signals in signals.chunks(CHUNK) {
            let mut out = [0f32; CHUNK];
            let out = &mut out[..signals.len()];
            if is_plain {
                kernel::score_signal(network, signals, stats.fitness, out);
            } else {
                score_any(network, &settings.inputs, signals, &stats, out);
            }
            score.add(first, out);
            first += signals.len() as u32;
        }
    });
}

/// Scores a chunk with any inputs: those of a block are the same for all its rows.
fn score_any(network: &Network, inputs: &[Input], signals: &[Signal], stats: &BlockStats, out: &mut [f32]) {
    let (mut columns, rows) = ([[0f32; CHUNK]; crate::network::INPUTS_MAX], signals.len());
    for (input, column) in inputs.iter().zip(&mut columns) {
        match input.of(stats) {
            Some(value) => column[..rows].fill(value),
            None => column.iter_mut().zip(signals).for_each(|(to, signal)| *to = signal.value),
        }
    }
    let mut slices: [&[f32]; crate::network::INPUTS_MAX] = [&[]; crate::network::INPUTS_MAX];
    slices.iter_mut().zip(&columns).for_each(|(slice, column)| *slice = &column[..rows]);
    kernel::score(network, &slices[..inputs.len()], out);
}

impl BlockScore {
    /// Takes in the predictions of rows `first..`, in order.
    fn add(&mut self, first: u32, predictions: &[f32]) {
        self.entities += predictions.len() as u32;
        self.sum += maths::ordered_sum(predictions);
        for (row, prediction) in (first..).zip(predictions) {
            if *prediction > self.highest {
                (self.highest, self.row) = (*prediction, row);
            }
        }
    }

    /// The mean prediction; none without entities.
    pub fn mean(&self) -> Option<f64> {
        (self.entities > 0).then(|| self.sum / f64::from(self.entities))
    }
}

/// Tells of blocks whose mean prediction is high, once for each event, and keeps the worst one in the store.
fn tell(
    scores: Res<BlockScores>,
    settings: Res<Settings>,
    population: Res<Population>,
    mut out: Outbox<Analyzer>,
) -> Result {
    let (mut sum, mut entities, mut worst) = (0.0, 0u64, None::<(f64, usize)>);
    for (at, score) in scores.0.iter().enumerate() {
        let Some(mean) = score.mean() else { continue };
        sum += score.sum;
        entities += u64::from(score.entities);
        if worst.is_none_or(|(highest, _)| mean > highest) {
            worst = Some((mean, at));
        }
        let name = || population.block_name(BlockId(at as u32));
        if mean >= settings.alert_enter {
            out.alert("analisis_datos", &name(), mean, 2);
        } else if mean <= settings.alert_leave {
            out.clear_alert("analisis_datos", &name(), mean);
        }
    }
    if let Some((mean, at)) = worst {
        let block = population.block_name(BlockId(at as u32));
        out.metric("prediction_mean", sum / entities as f64);
        out.metric("prediction_worst_block", mean);
        out.keep("worst_block", &(block, mean, scores.0[at].highest))?;
    }
    Ok(())
}

/// Keeps some entities and what was said of them: drawn anew in every look.
fn sample(
    tick: Res<Tick>,
    scenario: Res<RunScenario>,
    model: Res<Model>,
    settings: Res<Settings>,
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

/// Shutdown: trains the net if asked to, and keeps weights and log.
fn save(
    dirs: Res<PluginDirs>,
    settings: Res<Settings>,
    mut model: ResMut<Model>,
    mut samples: ResMut<Samples>,
    mut out: Outbox<Analyzer>,
) -> Result {
    let dir = dirs.of::<Analyzer>();
    let Some(network) = &mut model.0 else { return Ok(()) };
    let kept: Vec<Sample> = std::mem::take(&mut samples.0).into();
    if settings.training.epochs > 0 && !kept.is_empty() {
        let columns: Vec<Vec<f32>> =
            (0..settings.inputs.len()).map(|at| kept.iter().map(|s| s.inputs[at]).collect()).collect();
        let columns: Vec<&[f32]> = columns.iter().map(Vec::as_slice).collect();
        let targets: Vec<f32> = kept.iter().map(|s| f32::from(u8::from(s.is_anomaly))).collect();
        let loss = train(network, &columns, &targets, settings.training)?;
        tracing::info!(loss, samples = kept.len(), "trained");
        out.metric("training_loss", loss.into());
    }
    dir.write(WEIGHTS, &network.to_bytes())?;
    let old = dir.read(LOG)?.unwrap_or_default();
    Ok(dir.write(LOG, &log(&old, &kept))?)
}

/// A line of the log, in the guide's words.
#[derive(Serialize)]
struct Line<'a> {
    entrada: &'a [f32],
    salida: f32,
}

/// The log with the new samples at its end, the newest lines of it.
fn log(old: &[u8], samples: &[Sample]) -> Vec<u8> {
    let old: Vec<&[u8]> = old.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    let kept = old.len().min(LOG_LINES_MAX.saturating_sub(samples.len()));
    let mut text = Vec::new();
    for line in &old[old.len() - kept..] {
        text.extend_from_slice(line);
        text.push(b'\n');
    }
    for Sample { inputs, output, .. } in samples {
        serde_json::to_writer(&mut text, &Line { entrada: inputs, salida: *output })
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
        let text = log(b"{\"entrada\":[1],\"salida\":2}\n", &[sample(0.5)]);
        assert_eq!(text, b"{\"entrada\":[1],\"salida\":2}\n{\"entrada\":[0.25,0.5],\"salida\":0.5}\n");
        let old = b"x\n".repeat(LOG_LINES_MAX + 5);
        assert_eq!(log(&old, &[sample(0.5)]).split(|b| *b == b'\n').count(), LOG_LINES_MAX + 1);
    }

    #[test]
    fn a_block_of_any_inputs_scores_as_its_rows_do() {
        let inputs = [Input::Deviation, Input::Value, Input::Mean];
        let network = Network::init(Shape::new(3, 7).unwrap(), &Draws::new(1, "test"));
        let stats = BlockStats { mean: 0.4, deviation: 0.1, ..BlockStats::default() };
        let signals: Vec<Signal> = (0..100).map(|i| Signal { value: i as f32 / 100.0 }).collect();
        let mut block = vec![0.0; 100];
        score_any(&network, &inputs, &signals, &stats, &mut block);
        for (signal, found) in signals.iter().zip(&block) {
            let mut alone = [0.0];
            kernel::score(&network, &[&[0.1], &[signal.value], &[0.4]], &mut alone);
            assert_eq!(alone[0].to_bits(), found.to_bits());
        }
    }
}
