//! A network's file is a safetensors file of its four tensors; it is read as carefully as one from a stranger.

use std::collections::BTreeMap;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::error::NetworkError;
use super::{FILE_BYTES_MAX, HIDDEN_MAX, INPUTS_MAX, Network, Shape, TENSORS};

impl Network {
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

#[cfg(test)]
mod tests {
    use corec::prelude::rng::Draws;
    use proptest::prelude::*;

    use super::*;
    use crate::network::Shape;

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
