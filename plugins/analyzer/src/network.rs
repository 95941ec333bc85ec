//! A network: the weights of Linear, ReLU, Linear, Sigmoid, and the safetensors file they are kept in.
//!
//! Names and layouts are PyTorch's, so that `nn.Sequential(Linear, ReLU, Linear, Sigmoid)` under the name `layers` and
//! this read each other's files: a weight is `[outputs, inputs]`, row-major.

use std::collections::BTreeMap;

use corec::prelude::rng::{Draws, unit};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

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
#[serde(try_from = "Parts", into = "Parts")]
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

    /// Reads a safetensors file; `file` names it in errors.
    ///
    /// ```
    /// use analyzer::network::{Network, Shape};
    /// use corec::prelude::Draws;
    ///
    /// let network = Network::init(Shape::default(), &Draws::new(42, "analyzer.weights"));
    /// assert_eq!(Network::from_bytes("nn.safetensors", &network.to_bytes())?, network);
    /// # Ok::<(), analyzer::network::NetworkError>(())
    /// ```
    pub fn from_bytes(file: &str, bytes: &[u8]) -> Result<Self, NetworkError> {
        Self::parse(bytes).map_err(|error| error.within(file))
    }

    fn parse(bytes: &[u8]) -> Result<Self, NetworkError> {
        check_size(bytes.len() as u64)?;
        let file = SafeTensors::deserialize(bytes)
            .map_err(|error| NetworkError::Unreadable { format: "safetensors", reason: error.to_string() })?;
        let mut tensors = BTreeMap::new();
        for (tensor, view) in file.iter() {
            if view.dtype() != Dtype::F32 {
                return Err(NetworkError::Type {
                    tensor: tensor.to_owned(),
                    found: view.dtype().to_string(),
                });
            }
            let (words, _) = view.data().as_chunks::<4>();
            let values = words.iter().map(|word| f32::from_le_bytes(*word)).collect();
            tensors.insert(tensor.to_owned(), (view.shape().to_vec(), values));
        }
        Self::assemble(tensors)
    }

    /// Its safetensors file: the same bytes for the same network.
    pub fn to_bytes(&self) -> Vec<u8> {
        let bytes =
            self.tensors().map(|values| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>());
        let views = TENSORS.into_iter().zip(self.shape.dims()).zip(&bytes).map(|((name, dims), bytes)| {
            (name, TensorView::new(Dtype::F32, dims, bytes).expect("as many bytes as its dimensions say"))
        });
        safetensors::serialize(views, None).expect("four tensors of known dimensions")
    }

    /// Makes a network of the tensors of a file, whatever its format.
    pub(crate) fn assemble(
        mut tensors: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
    ) -> Result<Self, NetworkError> {
        let found: Vec<&str> = tensors.keys().map(String::as_str).collect();
        let found = if found.is_empty() { "none".to_owned() } else { found.join(", ") };
        if let Some(tensor) = TENSORS.into_iter().find(|name| !tensors.contains_key(*name)) {
            return Err(NetworkError::Missing { tensor, found });
        }
        if tensors.len() > TENSORS.len() {
            return Err(NetworkError::Extra { found });
        }
        let shape = match tensors[TENSORS[0]].0[..] {
            [hidden, inputs] => Shape::new(inputs, hidden).ok(),
            _ => None,
        };
        let mut take = |number: usize| {
            let tensor = TENSORS[number];
            let (found, values) = tensors.remove(tensor).expect("none is missing");
            match shape {
                Some(shape) if found == shape.dims()[number] => Ok((shape, values)),
                Some(shape) => {
                    Err(NetworkError::Dims { tensor, found, must: format!("{:?}", shape.dims()[number]) })
                }
                None => {
                    let must =
                        format!("[hidden, inputs] with 1..={HIDDEN_MAX} hidden and 1..={INPUTS_MAX} inputs");
                    Err(NetworkError::Dims { tensor, found, must })
                }
            }
        };
        let (shape, hidden_weight) = take(0)?;
        Self::new(shape, hidden_weight, take(1)?.1, take(2)?.1, take(3)?.1[0])
    }
}

pub(crate) fn check_size(found: u64) -> Result<(), NetworkError> {
    if found > FILE_BYTES_MAX { Err(NetworkError::TooLarge { found }) } else { Ok(()) }
}

/// What is saved of a network; checked again when it is read.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parts {
    inputs: usize,
    hidden: usize,
    hidden_weight: Vec<f32>,
    hidden_bias: Vec<f32>,
    out_weight: Vec<f32>,
    out_bias: f32,
}

impl From<Network> for Parts {
    fn from(network: Network) -> Self {
        let Network { shape: Shape { inputs, hidden }, hidden_weight, hidden_bias, out_weight, out_bias } =
            network;
        Self { inputs, hidden, hidden_weight, hidden_bias, out_weight, out_bias }
    }
}

impl TryFrom<Parts> for Network {
    type Error = NetworkError;

    fn try_from(parts: Parts) -> Result<Self, NetworkError> {
        let shape = Shape::new(parts.inputs, parts.hidden)?;
        Self::new(shape, parts.hidden_weight, parts.hidden_bias, parts.out_weight, parts.out_bias)
    }
}

/// Why weights are refused.
#[derive(thiserror::Error, Debug)]
pub enum NetworkError {
    /// What follows, in a file.
    #[error("{file}: {error}")]
    File {
        /// The file, as the caller named it.
        file: String,
        /// What is wrong in it.
        #[source]
        error: Box<NetworkError>,
    },
    /// Too few or too many inputs or hidden units.
    #[error("{what}: found {found}, must be within 1..={max}")]
    Size {
        /// `inputs` or `hidden`.
        what: &'static str,
        /// How many.
        found: usize,
        /// At most this many.
        max: usize,
    },
    /// A tensor has another number of values than the network's shape asks for.
    #[error("{tensor}: found {found} values, must be {must}")]
    Count {
        /// The tensor.
        tensor: &'static str,
        /// How many.
        found: usize,
        /// How many it must have.
        must: usize,
    },
    /// A weight is NaN or infinite.
    #[error("{tensor}: found {found} at {at}, must be finite")]
    NotFinite {
        /// The tensor.
        tensor: &'static str,
        /// The value's index, row-major.
        at: usize,
        /// The value.
        found: f32,
    },
    /// A tensor has other dimensions.
    #[error("{tensor}: found shape {found:?}, must be {must}")]
    Dims {
        /// The tensor.
        tensor: &'static str,
        /// Its dimensions.
        found: Vec<usize>,
        /// What they must be.
        must: String,
    },
    /// A tensor is of another type.
    #[error("{tensor}: found type {found}, must be F32")]
    Type {
        /// The tensor.
        tensor: String,
        /// Its type.
        found: String,
    },
    /// A tensor is missing.
    #[error("{tensor}: missing; found {found}, must be {}", TENSORS.join(", "))]
    Missing {
        /// The tensor.
        tensor: &'static str,
        /// The tensors there are.
        found: String,
    },
    /// There are more tensors than a network of two layers has.
    #[error("found {found}, must be only {}", TENSORS.join(", "))]
    Extra {
        /// The tensors there are.
        found: String,
    },
    /// The file is larger than any network's.
    #[error("found {found} bytes, must be at most {FILE_BYTES_MAX}")]
    TooLarge {
        /// Its size in bytes.
        found: u64,
    },
    /// The file is not of its format, or can't be opened.
    #[error("must be a {format} file: {reason}")]
    Unreadable {
        /// The format asked for.
        format: &'static str,
        /// What its reader says.
        reason: String,
    },
}

impl NetworkError {
    pub(crate) fn within(self, file: &str) -> Self {
        Self::File { file: file.to_owned(), error: Box::new(self) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn network(inputs: usize, hidden: usize) -> Network {
        Network::init(Shape::new(inputs, hidden).unwrap(), &Draws::new(1, "network"))
    }

    /// A safetensors file of 2-10-1 in which one tensor is replaced.
    fn file_with(name: &str, dtype: Dtype, dims: Vec<usize>, bytes: &[u8]) -> Vec<u8> {
        let network = network(2, 10);
        let data = network.tensors().map(|values| bytemuck::cast_slice::<f32, u8>(values).to_vec());
        let mut views = BTreeMap::new();
        for ((name, dims), data) in TENSORS.into_iter().zip(network.shape.dims()).zip(&data) {
            views.insert(name, TensorView::new(Dtype::F32, dims, data).unwrap());
        }
        views.insert(name, TensorView::new(dtype, dims, bytes).unwrap());
        safetensors::serialize(views, None).unwrap()
    }

    fn refusal(bytes: &[u8]) -> String {
        Network::from_bytes("nn.safetensors", bytes).unwrap_err().to_string()
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

    proptest! {
        #[test]
        fn a_file_gives_back_the_network(inputs in 1..=INPUTS_MAX, hidden in 1..=HIDDEN_MAX) {
            let network = network(inputs, hidden);
            let bytes = network.to_bytes();
            prop_assert!(bytes.len() as u64 <= FILE_BYTES_MAX);
            prop_assert_eq!(Network::from_bytes("nn", &bytes).unwrap(), network);
        }

        #[test]
        fn a_damaged_file_is_refused_or_read_but_never_panics(at in 0usize..600, byte: u8, keep in 0usize..700) {
            let mut bytes = network(2, 10).to_bytes();
            let length = bytes.len();
            bytes[at % length] = byte;
            bytes.truncate(keep);
            let _ = Network::from_bytes("nn", &bytes);
        }
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

    #[test]
    fn a_missing_tensor_is_named() {
        let data = [0u8; 80];
        let view = TensorView::new(Dtype::F32, vec![10, 2], &data).unwrap();
        let bytes = safetensors::serialize([("layers.0.weight", view)], None).unwrap();
        assert_eq!(
            refusal(&bytes),
            "nn.safetensors: layers.0.bias: missing; found layers.0.weight, must be layers.0.weight, layers.0.bias, \
             layers.2.weight, layers.2.bias"
        );
    }

    #[test]
    fn a_deeper_network_is_refused() {
        let error = refusal(&file_with("layers.4.weight", Dtype::F32, vec![1], &[0; 4]));
        assert!(error.contains("layers.4.weight, must be only layers.0.weight"), "{error}");
    }

    #[test]
    fn a_wrong_shape_says_what_it_must_be() {
        let error = refusal(&file_with("layers.2.weight", Dtype::F32, vec![10, 1], &[0; 40]));
        assert_eq!(error, "nn.safetensors: layers.2.weight: found shape [10, 1], must be [1, 10]");
        let error = refusal(&file_with("layers.0.weight", Dtype::F32, vec![1, 20], &[0; 80]));
        assert_eq!(
            error,
            "nn.safetensors: layers.0.weight: found shape [1, 20], must be [hidden, inputs] with 1..=256 hidden and \
             1..=16 inputs"
        );
    }

    #[test]
    fn a_wrong_type_is_named() {
        let error = refusal(&file_with("layers.0.bias", Dtype::F64, vec![10], &[0; 80]));
        assert_eq!(error, "nn.safetensors: layers.0.bias: found type F64, must be F32");
    }

    #[test]
    fn a_weight_that_is_no_number_is_refused() {
        for (value, name) in [(f32::NAN, "NaN"), (f32::INFINITY, "inf")] {
            let mut values = [0f32; 10];
            values[3] = value;
            let bytes = bytemuck::cast_slice(&values);
            let error = refusal(&file_with("layers.0.bias", Dtype::F32, vec![10], bytes));
            assert_eq!(error, format!("nn.safetensors: layers.0.bias: found {name} at 3, must be finite"));
        }
    }

    #[test]
    fn a_large_file_is_refused_unread() {
        assert_eq!(refusal(&[0; 70_000]), "nn.safetensors: found 70000 bytes, must be at most 65536");
    }

    #[test]
    fn another_format_is_refused() {
        let error = refusal(b"PK\x03\x04 not this one");
        assert!(error.starts_with("nn.safetensors: must be a safetensors file: "), "{error}");
    }
}
