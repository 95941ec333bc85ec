//! Scoring takes every entity through the net, in one pass over the blocks, raises alerts for blocks and trains the net.

mod samples;

use corec::channels::recorded;
use corec::prelude::*;

use crate::Analyzer;
use crate::kernel;
use crate::network::{Network, Shape};
use crate::pytorch;
use crate::reference::{Training, train};

use samples::{LOG_FILE, Sample, Samples, sample, training_log};

/// The weights, and what PyTorch may have left in their place.
const WEIGHTS_FILE: &str = "models/nn.safetensors";
const PYTORCH_FILE: &str = "models/nn.pt";
/// Rows whose scores are in flight: they stay in the first-level cache.
const CHUNK_ROWS: usize = 1024;

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
struct ScoreSettings {
    shape: Shape,
    inputs: Vec<Input>,
    alert_enter: f64,
    alert_leave: f64,
    training: Training,
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
    app.insert_resource(ScoreSettings {
        shape,
        inputs: analyzer.inputs.clone(),
        alert_enter: analyzer.alert_enter,
        alert_leave: analyzer.alert_leave,
        training: Training { epochs: analyzer.train_epochs, learning_rate: analyzer.learning_rate },
    });
    app.insert_resource(Model(None)).init_resource::<Samples>().init_resource::<BlockScores>();
    app.save_resource::<Model>().save_resource::<Samples>();
    app.add_systems(Startup, load)
        .add_systems(Update, (score, raise_alerts, sample).chain().in_set(Phase::Measure))
        .add_systems(Shutdown, save);
}

/// Startup: the weights of models/, or fresh ones.
fn load(world: &mut World) -> Result {
    let dir = world.resource::<PluginDirs>().of::<Analyzer>();
    let bytes = recorded::<Analyzer>(world, || {
        if let Some(bytes) = dir.read(WEIGHTS_FILE)? {
            return Ok(bytes);
        }
        match dir.path(PYTORCH_FILE)?.filter(|path| path.is_file()) {
            Some(path) => Ok(pytorch::read(&path)?.to_bytes()),
            None => Ok(Vec::new()),
        }
    })?;
    let (shape, seed) = (world.resource::<ScoreSettings>().shape, world.resource::<RunScenario>().0.seed);
    let network = match &bytes[..] {
        [] => Network::init(shape, &Draws::new(seed, "analyzer.weights")),
        bytes => Network::from_bytes(WEIGHTS_FILE, bytes)?,
    };
    if network.shape() != shape {
        let (found, wanted) = (network.shape(), shape);
        return Err(format!(
            "{WEIGHTS_FILE}: found a net of {}-{}-1, must be {}-{}-1 as inputs and hidden in config.json say",
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
    settings: Res<ScoreSettings>,
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
        for signals in signals.chunks(CHUNK_ROWS) {
            let mut out = [0f32; CHUNK_ROWS];
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
    let (mut columns, rows) = ([[0f32; CHUNK_ROWS]; crate::network::INPUTS_MAX], signals.len());
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
fn raise_alerts(
    scores: Res<BlockScores>,
    settings: Res<ScoreSettings>,
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

/// Shutdown: trains the net if asked to, and keeps weights and log.
fn save(
    dirs: Res<PluginDirs>,
    settings: Res<ScoreSettings>,
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
    dir.write(WEIGHTS_FILE, &network.to_bytes())?;
    let old = dir.read(LOG_FILE)?.unwrap_or_default();
    Ok(dir.write(LOG_FILE, &training_log(&old, &kept))?)
}

#[cfg(test)]
mod tests {
    use super::*;

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
