//! The reference is candle's side: the forward pass that the kernel is checked against, and training.
//!
//! candle fuses and reorders additions as its machine likes, so what it computes must not reach a column: score with
//! [`crate::kernel`], and write trained weights to the run's journal.
//!
//! Every matmul asks how many cores there are, which takes 39 us unless `RAYON_NUM_THREADS` is set (`1` is best:
//! callers shard). Set it, or `CANDLE_NUM_THREADS` too, before the process starts: no safe code can do it later. From
//! 65,536 numbers on, candle starts threads of its own that spin, so everything in here goes in shards of fewer.

use candle_core::{Device, Result, Tensor, Var};
use candle_nn::{AdamW, Optimizer, ParamsAdamW};

use crate::network::{Network, NetworkError, Shape};

/// Most rows in one of candle's batches: 10 hidden units of so many rows are 60,000 numbers.
pub const SHARD_ROWS_MAX: usize = 6_000;

/// Numbers from which on candle's own threads take part (`PAR_ELEMWISE_MIN` of candle-core 0.11).
const PARALLEL_NUMBERS_MIN: usize = 65_536;

/// A network as candle's tensors.
#[derive(Debug)]
pub struct Reference {
    shape: Shape,
    hidden_weight: Tensor,
    hidden_bias: Tensor,
    out_weight: Tensor,
    out_bias: Tensor,
}

impl Reference {
    /// Copies the weights.
    pub fn new(network: &Network) -> Result<Self> {
        Self::from_tensors(network, |values, dims| Tensor::from_slice(values, dims, &Device::Cpu))
    }

    /// Copies the weights to tensors that `make` makes. Biases are columns, because rows are columns in here: what
    /// the engine has in columns needs no transposition then.
    fn from_tensors(
        network: &Network,
        mut make: impl FnMut(&[f32], (usize, usize)) -> Result<Tensor>,
    ) -> Result<Self> {
        let shape = network.shape();
        let [hidden_weight, hidden_bias, out_weight, out_bias] = network.tensors();
        Ok(Self {
            shape,
            hidden_weight: make(hidden_weight, (shape.hidden(), shape.inputs()))?,
            hidden_bias: make(hidden_bias, (shape.hidden(), 1))?,
            out_weight: make(out_weight, (1, shape.hidden()))?,
            out_bias: make(out_bias, (1, 1))?,
        })
    }

    /// Scores rows given by columns, as [`crate::kernel::score`] does, in shards.
    ///
    /// # Panics
    /// If there are not as many columns as the network has inputs, or one is not as long as `out`.
    pub fn score(&self, inputs: &[&[f32]], out: &mut [f32]) -> Result<()> {
        self.check(inputs, out.len());
        let rows = shard_rows(self.shape);
        for (shard, out) in out.chunks_mut(rows).enumerate() {
            let columns = columns(inputs, shard * rows, out.len())?;
            let scores = candle_nn::ops::sigmoid(&self.logits(&columns)?)?;
            out.copy_from_slice(&scores.flatten_all()?.to_vec1::<f32>()?);
        }
        Ok(())
    }

    /// What the sigmoid takes, `[1, rows]`, of `[inputs, rows]`.
    fn logits(&self, columns: &Tensor) -> Result<Tensor> {
        let hidden = self.hidden_weight.matmul(columns)?.broadcast_add(&self.hidden_bias)?.relu()?;
        self.out_weight.matmul(&hidden)?.broadcast_add(&self.out_bias)
    }

    fn check(&self, inputs: &[&[f32]], rows: usize) {
        let expected = self.shape.inputs();
        assert_eq!(inputs.len(), expected, "columns of a network with {expected} inputs");
        for (j, column) in inputs.iter().enumerate() {
            assert_eq!(column.len(), rows, "rows of input {j}");
        }
    }
}

/// How a network learns.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Training {
    /// How often it sees all rows. Default 200; 0 only measures the loss.
    pub epochs: u32,
    /// Adam's step, above 0. Default 0.01.
    pub learning_rate: f64,
}

impl Default for Training {
    fn default() -> Self {
        Self { epochs: 200, learning_rate: 0.01 }
    }
}

/// Fits the network to `targets` (0..=1, one a row) and returns the loss it then has: the mean binary cross-entropy.
///
/// Rows are given by columns. Every epoch is one step of Adam (Kingma, Ba 2015; beta 0.9 and 0.999, no weight decay) on
/// all rows, so there is no order to draw. The same weights come out again on the same kind of machine; another one may
/// round otherwise. Takes about 270 bytes of memory a row of a 2-10-1 network while it runs.
///
/// # Errors
/// On rows or settings that can't be learned from, and when the weights become infinite (a smaller learning rate
/// helps). The network is then as it was.
///
/// ```
/// use analyzer::network::{Network, Shape};
/// use analyzer::reference::{Training, train};
/// use corec::prelude::Draws;
///
/// let mut network = Network::init(Shape::new(1, 4)?, &Draws::new(42, "analyzer.weights"));
/// let (values, is_large) = ([0.1, 0.2, 0.8, 0.9], [0.0, 0.0, 1.0, 1.0]);
/// let training = Training { epochs: 300, learning_rate: 0.05 };
/// let loss = train(&mut network, &[&values], &is_large, training)?;
/// assert!(loss < 0.1, "{loss}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn train(
    network: &mut Network,
    inputs: &[&[f32]],
    targets: &[f32],
    training: Training,
) -> std::result::Result<f32, TrainError> {
    check(network.shape(), inputs, targets, training)?;
    let mut vars = Vec::with_capacity(4);
    let tensors = Reference::from_tensors(network, |values, dims| {
        let var = Var::from_slice(values, dims, &Device::Cpu)?;
        // A handle on the variable itself, so that it sees every step.
        let tensor = var.as_tensor().clone();
        vars.push(var);
        Ok(tensor)
    })?;
    let rows = shard_rows(network.shape());
    let shards = targets
        .chunks(rows)
        .enumerate()
        .map(|(shard, targets)| {
            let columns = columns(inputs, shard * rows, targets.len())?;
            Ok((columns, Tensor::from_slice(targets, (1, targets.len()), &Device::Cpu)?))
        })
        .collect::<Result<Vec<_>>>()?;
    let settings = ParamsAdamW { lr: training.learning_rate, weight_decay: 0.0, ..ParamsAdamW::default() };
    let mut adam = AdamW::new(vars.clone(), settings)?;
    for _ in 0..training.epochs {
        adam.backward_step(&loss(&tensors, &shards, targets.len())?)?;
    }
    let loss = loss(&tensors, &shards, targets.len())?.to_scalar::<f32>()?;
    let mut weights = vars.iter().map(|var| var.flatten_all()?.to_vec1::<f32>());
    let mut next = || weights.next().expect("four variables were made");
    let trained = Network::new(network.shape(), next()?, next()?, next()?, next()?[0]);
    let trained = trained.map_err(TrainError::Diverged)?;
    if !loss.is_finite() {
        return Err(TrainError::Loss { found: loss });
    }
    *network = trained;
    Ok(loss)
}

/// The mean over all rows, shard after shard.
fn loss(tensors: &Reference, shards: &[(Tensor, Tensor)], rows: usize) -> Result<Tensor> {
    let mut sum = Tensor::zeros((), candle_core::DType::F32, &Device::Cpu)?;
    for (columns, targets) in shards {
        let logits = tensors.logits(columns)?;
        // -t ln s(z) - (1 - t) ln(1 - s(z)), in the form that is finite for any z: candle-nn's own takes the
        // logarithm of 0.
        let far = (logits.relu()? - (&logits * targets)?)?;
        // lint: allow(std_math) a tensor's
        let near = (logits.abs()?.neg()?.exp()? + 1.0)?.log()?;
        sum = (sum + (far + near)?.sum_all()?)?;
    }
    sum / rows as f64
}

/// Rows that keep every tensor below what candle's own threads take part in.
fn shard_rows(shape: Shape) -> usize {
    SHARD_ROWS_MAX.min((PARALLEL_NUMBERS_MIN - 1) / shape.hidden().max(shape.inputs()))
}

/// Rows `from..from + rows` as `[inputs, rows]`.
fn columns(inputs: &[&[f32]], from: usize, rows: usize) -> Result<Tensor> {
    let mut values = Vec::with_capacity(inputs.len() * rows);
    for column in inputs {
        values.extend_from_slice(&column[from..][..rows]);
    }
    Tensor::from_vec(values, (inputs.len(), rows), &Device::Cpu)
}

fn check(
    shape: Shape,
    inputs: &[&[f32]],
    targets: &[f32],
    training: Training,
) -> std::result::Result<(), TrainError> {
    if inputs.len() != shape.inputs() {
        return Err(TrainError::Columns { found: inputs.len(), must: shape.inputs() });
    }
    if targets.is_empty() {
        return Err(TrainError::NoRows);
    }
    for (input, column) in inputs.iter().enumerate() {
        if column.len() != targets.len() {
            return Err(TrainError::Rows { input, found: column.len(), must: targets.len() });
        }
        if let Some(row) = column.iter().position(|value| !value.is_finite()) {
            return Err(TrainError::Input { input, row, found: column[row] });
        }
    }
    if let Some(row) = targets.iter().position(|target| !(0.0..=1.0).contains(target)) {
        return Err(TrainError::Target { row, found: targets[row] });
    }
    if !(training.learning_rate > 0.0 && training.learning_rate.is_finite()) {
        return Err(TrainError::LearningRate { found: training.learning_rate });
    }
    Ok(())
}

/// Why a network was not trained.
#[derive(thiserror::Error, Debug)]
pub enum TrainError {
    /// The rows have another number of inputs.
    #[error("inputs: found {found} columns, must be {must}")]
    Columns {
        /// How many columns.
        found: usize,
        /// How many inputs the network has.
        must: usize,
    },
    /// There is nothing to learn from.
    #[error("targets: found 0 rows, must be at least 1")]
    NoRows,
    /// A column is of another length than the targets.
    #[error("inputs[{input}]: found {found} rows, must be {must} as in targets")]
    Rows {
        /// The column.
        input: usize,
        /// Its rows.
        found: usize,
        /// The targets.
        must: usize,
    },
    /// An input is NaN or infinite.
    #[error("inputs[{input}][{row}]: found {found}, must be finite")]
    Input {
        /// The column.
        input: usize,
        /// The row.
        row: usize,
        /// The input.
        found: f32,
    },
    /// A target is not a probability.
    #[error("targets[{row}]: found {found}, must be within 0..=1")]
    Target {
        /// The row.
        row: usize,
        /// The target.
        found: f32,
    },
    /// The learning rate leads nowhere.
    #[error("learning_rate: found {found}, must be above 0 and finite")]
    LearningRate {
        /// The learning rate.
        found: f64,
    },
    /// A weight grew beyond all numbers.
    #[error("training diverged: {0}")]
    Diverged(#[source] NetworkError),
    /// The loss grew beyond all numbers.
    #[error("training diverged: found loss {found}, must be finite")]
    Loss {
        /// The loss.
        found: f32,
    },
    /// candle refused.
    #[error("candle: {0}")]
    Candle(#[from] candle_core::Error),
}

#[cfg(test)]
mod tests {
    use corec::prelude::rng::{Draws, unit};

    use super::*;
    use crate::kernel;

    fn network() -> Network {
        Network::init(Shape::default(), &Draws::new(42, "weights"))
    }

    /// Rows of (value, fitness), and 1 where the value is above the fitness.
    fn lesson(rows: u64) -> ([Vec<f32>; 2], Vec<f32>) {
        let draws = Draws::new(9, "lesson");
        let words: Vec<[u32; 4]> = (0..rows).map(|i| draws.words(i, 0, 0)).collect();
        let inputs = [0, 1].map(|j| words.iter().map(|words| unit(words[j])).collect::<Vec<f32>>());
        let targets = inputs[0].iter().zip(&inputs[1]).map(|(v, f)| f32::from(u8::from(v > f))).collect();
        (inputs, targets)
    }

    fn trained(rows: u64, training: Training) -> (Network, f32) {
        let (inputs, targets) = lesson(rows);
        let mut network = network();
        let loss = train(&mut network, &[&inputs[0], &inputs[1]], &targets, training).unwrap();
        (network, loss)
    }

    #[test]
    fn training_teaches_whether_the_value_is_above_the_fitness() {
        let (_, before) = trained(1000, Training { epochs: 0, ..Training::default() });
        let (network, after) = trained(1000, Training { epochs: 300, learning_rate: 0.03 });
        assert!(before > 0.6 && after < 0.1, "loss {before}, then {after}");
        let (inputs, targets) = lesson(1000);
        let mut scores = vec![0.0; 1000];
        kernel::score(&network, &[&inputs[0], &inputs[1]], &mut scores);
        let right =
            scores.iter().zip(&targets).filter(|(score, target)| (**score > 0.5) == (**target > 0.5)).count();
        assert!(right > 970, "{right} of 1000 right");
    }

    #[test]
    fn training_again_gives_the_same_bits_at_any_thread_count() {
        let training = Training { epochs: 5, learning_rate: 0.01 };
        let once = trained(13_000, training);
        for threads in [1, 2] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            assert_eq!(pool.install(|| trained(13_000, training)), once, "{threads} threads");
        }
    }

    /// The gradient by differences of the exact loss, in double precision.
    #[test]
    fn a_step_goes_down_the_gradient() {
        let (inputs, targets) = lesson(100);
        let exact_loss = |network: &Network| -> f64 {
            let rows = inputs[0].iter().zip(&inputs[1]).zip(&targets);
            let sum: f64 = rows
                .map(|((&v, &f), &target)| {
                    let mut z = f64::from(network.out_bias());
                    for (k, weight) in network.hidden_weight().as_chunks::<2>().0.iter().enumerate() {
                        let [a, b] = weight.map(f64::from);
                        let sum = a * f64::from(v) + b * f64::from(f) + f64::from(network.hidden_bias()[k]);
                        z += f64::from(network.out_weight()[k]) * sum.max(0.0);
                    }
                    let score = 1.0 / (1.0 + libm::exp(-z));
                    -libm::log(if target > 0.5 { score } else { 1.0 - score })
                })
                .sum();
            sum / 100.0
        };
        let before = network();
        // Adam's first step moves every weight by the learning rate against the sign of its gradient.
        let mut after = before.clone();
        let step = Training { epochs: 1, learning_rate: 1e-3 };
        let loss = train(&mut after, &[&inputs[0], &inputs[1]], &targets, step).unwrap();
        assert!(
            (f64::from(loss) - exact_loss(&after)).abs() < 1e-6,
            "{loss}, exactly {}",
            exact_loss(&after)
        );
        for k in 0..10 {
            let mut bias = before.hidden_bias().to_vec();
            bias[k] += 1e-3;
            let nudged = Network::new(
                before.shape(),
                before.hidden_weight().to_vec(),
                bias,
                before.out_weight().to_vec(),
                before.out_bias(),
            );
            let slope = (exact_loss(&nudged.unwrap()) - exact_loss(&before)) / 1e-3;
            let moved = after.hidden_bias()[k] - before.hidden_bias()[k];
            let expected = if slope.abs() < 1e-4 { continue } else { -1e-3 * slope.signum() };
            assert!((f64::from(moved) - expected).abs() < 1e-5, "bias {k}: slope {slope}, moved {moved}");
        }
    }

    #[test]
    fn shards_stay_below_what_candle_spreads_over_threads() {
        assert_eq!(shard_rows(Shape::default()), 6000);
        assert_eq!(shard_rows(Shape::new(16, 256).unwrap()), 255);
        assert_eq!(shard_rows(Shape::new(16, 1).unwrap()), 4095);
    }

    #[test]
    fn what_cannot_be_learned_from_is_refused_and_leaves_the_network_alone() {
        let refusal = |inputs: &[&[f32]], targets: &[f32], learning_rate| {
            let mut unchanged = network();
            let training = Training { epochs: 50, learning_rate };
            let error = train(&mut unchanged, inputs, targets, training).unwrap_err();
            assert_eq!(unchanged, network());
            error.to_string()
        };
        let row: &[f32] = &[0.5];
        assert_eq!(refusal(&[row], &[1.0], 0.1), "inputs: found 1 columns, must be 2");
        assert_eq!(refusal(&[&[], &[]], &[], 0.1), "targets: found 0 rows, must be at least 1");
        assert_eq!(refusal(&[row, &[]], &[1.0], 0.1), "inputs[1]: found 0 rows, must be 1 as in targets");
        assert_eq!(refusal(&[row, &[f32::NAN]], &[1.0], 0.1), "inputs[1][0]: found NaN, must be finite");
        assert_eq!(refusal(&[row, row], &[1.5], 0.1), "targets[0]: found 1.5, must be within 0..=1");
        assert_eq!(refusal(&[row, row], &[1.0], 0.0), "learning_rate: found 0, must be above 0 and finite");
        let error = refusal(&[row, row], &[1.0], 1e38);
        assert!(error.starts_with("training diverged: "), "{error}");
    }
}
