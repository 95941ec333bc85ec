//! A network holds the weights of Linear, ReLU, Linear, Sigmoid, and is kept in a safetensors file.
//!
//! Names and layouts are PyTorch's, so that `nn.Sequential(Linear, ReLU, Linear, Sigmoid)` under the name `layers` and
//! this read each other's files: a weight is `[outputs, inputs]`, row-major.

mod error;
mod file;

use corec::prelude::rng::{Draws, unit};
use serde::{Deserialize, Serialize};

pub use error::NetworkError;

pub(crate) use file::check_size;

/// Most inputs a network may have: the kernel keeps a strip of each.
pub const INPUTS_MAX: usize = 16;

/// Most hidden units.
pub const HIDDEN_MAX: usize = 256;

/// Most bytes a file of weights may have. The largest network has 18,436 bytes of weights; the rest is for the names
/// and the padding of either format.
pub const FILE_BYTES_MAX: u64 = 65_536;

/// The tensors of a file, in the order of [`Network::tensors`].
pub const TENSORS: [&str; 4] = ["layers.0.weight", "layers.0.bias", "layers.2.weight", "layers.2.bias"];

/// How many inputs and hidden units a network has: 1..=16 and 1..=256.
///
/// ```
/// use analyzer::network::Shape;
/// assert_eq!(Shape::default(), Shape::new(2, 10)?);
/// assert_eq!(Shape::new(2, 300).unwrap_err().to_string(), "hidden: found 300, must be within 1..=256");
/// # Ok::<(), analyzer::network::NetworkError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shape {
    inputs: usize,
    hidden: usize,
}

impl Shape {
    /// Checks both numbers.
    pub fn new(inputs: usize, hidden: usize) -> Result<Self, NetworkError> {
        for (what, found, max) in [("inputs", inputs, INPUTS_MAX), ("hidden", hidden, HIDDEN_MAX)] {
            if found == 0 || found > max {
                return Err(NetworkError::Size { what, found, max });
            }
        }
        Ok(Self { inputs, hidden })
    }

    /// Numbers in a row.
    pub fn inputs(self) -> usize {
        self.inputs
    }

    /// Hidden units.
    pub fn hidden(self) -> usize {
        self.hidden
    }

    /// The dimensions of each of [`TENSORS`].
    pub fn dims(self) -> [Vec<usize>; 4] {
        [vec![self.hidden, self.inputs], vec![self.hidden], vec![1, self.hidden], vec![1]]
    }
}

impl Default for Shape {
    /// 2-10-1: value and fitness in, one score out.
    fn default() -> Self {
        Self { inputs: 2, hidden: 10 }
    }
}

/// The weights of Linear(inputs, hidden), ReLU, Linear(hidden, 1), Sigmoid. All are finite.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(try_from = "SavedNetwork", into = "SavedNetwork")]
pub struct Network {
    shape: Shape,
    hidden_weight: Vec<f32>,
    hidden_bias: Vec<f32>,
    out_weight: Vec<f32>,
    out_bias: f32,
}

impl Network {
    /// Weights and biases from U(-1/sqrt(fan_in), 1/sqrt(fan_in)), as PyTorch's `nn.Linear` starts.
    ///
    /// Parameter `i`, counted through [`TENSORS`], is the first word of entity `i`'s draw 0 at tick 0.
    pub fn init(shape: Shape, draws: &Draws) -> Self {
        let mut next = 0;
        let mut uniform = |count: usize, fan_in: usize| -> Vec<f32> {
            let bound = 1.0 / (fan_in as f32).sqrt();
            let first = next;
            next += count as u64;
            (first..next).map(|i| (2.0 * unit(draws.words(i, 0, 0)[0]) - 1.0) * bound).collect()
        };
        let Shape { inputs, hidden } = shape;
        Self {
            shape,
            hidden_weight: uniform(hidden * inputs, inputs),
            hidden_bias: uniform(hidden, inputs),
            out_weight: uniform(hidden, hidden),
            out_bias: uniform(1, hidden)[0],
        }
    }

    /// A network of given weights; `hidden_weight` is `[hidden, inputs]`, row-major.
    pub fn new(
        shape: Shape,
        hidden_weight: Vec<f32>,
        hidden_bias: Vec<f32>,
        out_weight: Vec<f32>,
        out_bias: f32,
    ) -> Result<Self, NetworkError> {
        let network = Self { shape, hidden_weight, hidden_bias, out_weight, out_bias };
        for ((tensor, values), dims) in TENSORS.into_iter().zip(network.tensors()).zip(shape.dims()) {
            let (found, must) = (values.len(), dims.iter().product());
            if found != must {
                return Err(NetworkError::Count { tensor, found, must });
            }
            if let Some(at) = values.iter().position(|value| !value.is_finite()) {
                return Err(NetworkError::NotFinite { tensor, at, found: values[at] });
            }
        }
        Ok(network)
    }

    /// Its inputs and hidden units.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Weights of the hidden units, `[hidden, inputs]`, row-major.
    pub fn hidden_weight(&self) -> &[f32] {
        &self.hidden_weight
    }

    /// Biases of the hidden units.
    pub fn hidden_bias(&self) -> &[f32] {
        &self.hidden_bias
    }

    /// What each hidden unit counts for.
    pub fn out_weight(&self) -> &[f32] {
        &self.out_weight
    }

    /// The bias of the score.
    pub fn out_bias(&self) -> f32 {
        self.out_bias
    }

    /// The values of each of [`TENSORS`].
    pub fn tensors(&self) -> [&[f32]; 4] {
        [&self.hidden_weight, &self.hidden_bias, &self.out_weight, std::slice::from_ref(&self.out_bias)]
    }
}

/// What is saved of a network; checked again when it is read.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedNetwork {
    inputs: usize,
    hidden: usize,
    hidden_weight: Vec<f32>,
    hidden_bias: Vec<f32>,
    out_weight: Vec<f32>,
    out_bias: f32,
}

impl From<Network> for SavedNetwork {
    fn from(network: Network) -> Self {
        let Network { shape: Shape { inputs, hidden }, hidden_weight, hidden_bias, out_weight, out_bias } =
            network;
        Self { inputs, hidden, hidden_weight, hidden_bias, out_weight, out_bias }
    }
}

impl TryFrom<SavedNetwork> for Network {
    type Error = NetworkError;

    fn try_from(saved: SavedNetwork) -> Result<Self, NetworkError> {
        let shape = Shape::new(saved.inputs, saved.hidden)?;
        Self::new(shape, saved.hidden_weight, saved.hidden_bias, saved.out_weight, saved.out_bias)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(inputs: usize, hidden: usize) -> Network {
        Network::init(Shape::new(inputs, hidden).unwrap(), &Draws::new(1, "network"))
    }

    #[test]
    fn a_shape_is_within_its_limits() {
        let text = |inputs, hidden| Shape::new(inputs, hidden).unwrap_err().to_string();
        assert_eq!(text(0, 10), "inputs: found 0, must be within 1..=16");
        assert_eq!(text(17, 10), "inputs: found 17, must be within 1..=16");
        assert_eq!(text(2, 0), "hidden: found 0, must be within 1..=256");
        assert_eq!(text(2, 257), "hidden: found 257, must be within 1..=256");
        assert!(Shape::new(1, 1).is_ok() && Shape::new(16, 256).is_ok());
    }

    #[test]
    fn first_weights_are_uniform_within_one_over_the_root_of_the_fan_in() {
        let network = network(16, 256);
        let [hidden_weight, hidden_bias, out_weight, out_bias] = network.tensors();
        for (values, fan_in) in [(hidden_weight, 16), (hidden_bias, 16), (out_weight, 256), (out_bias, 256)] {
            let bound = 1.0 / (fan_in as f32).sqrt();
            assert!(values.iter().all(|v| v.abs() <= bound), "beyond {bound}: {values:?}");
        }
        let mean = hidden_weight.iter().sum::<f32>() / 4096.0;
        let largest = hidden_weight.iter().fold(0f32, |max, v| max.max(v.abs()));
        assert!(mean.abs() < 0.01 && largest > 0.249, "mean {mean}, largest {largest}");
    }

    #[test]
    fn first_weights_depend_on_the_seed_only() {
        let weights = |seed| Network::init(Shape::default(), &Draws::new(seed, "analyzer.weights"));
        assert_eq!(weights(42), weights(42));
        assert_ne!(weights(42), weights(43));
        assert_ne!(weights(42).hidden_weight()[..10], weights(42).hidden_bias()[..10]);
    }

    #[test]
    fn serde_gives_back_the_network_and_checks_it() {
        let network = network(3, 5);
        let text = serde_json::to_string(&network).unwrap();
        assert_eq!(serde_json::from_str::<Network>(&text).unwrap(), network);
        let error =
            serde_json::from_str::<Network>(&text.replace("\"hidden\":5", "\"hidden\":6")).unwrap_err();
        assert!(error.to_string().starts_with("layers.0.weight: found 15 values, must be 18"), "{error}");
    }
}
