//! PyTorch saves weights by `torch.save(model.state_dict(), "nn.pt")`, a zip with a pickle, which is read here.
//!
//! candle reads the pickle. It runs nothing of it, but it trusts it: a file made to harm can take memory and time.
//! Take weights from strangers as safetensors.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use candle_core::DType;
use candle_core::pickle::PthTensors;

use crate::network::{HIDDEN_MAX, INPUTS_MAX, Network, NetworkError, check_size};

const FORMAT: &str = "PyTorch state_dict (zip)";

/// Reads a state_dict of `nn.Sequential(Linear, ReLU, Linear, Sigmoid)` under the name `layers`, of 32-bit floats.
///
/// ```no_run
/// let network = analyzer::pytorch::read("nn.pt".as_ref())?;
/// # Ok::<(), analyzer::network::NetworkError>(())
/// ```
pub fn read(path: &Path) -> Result<Network, NetworkError> {
    // candle takes the pickle's tuples apart unchecked, so a damaged file may panic in it. It keeps no state.
    catch_unwind(AssertUnwindSafe(|| parse(path)))
        .unwrap_or_else(|_| Err(unreadable("its pickle is damaged")))
        .map_err(|error| error.within(&path.display().to_string()))
}

fn parse(path: &Path) -> Result<Network, NetworkError> {
    // lint: allow(file) for a program that reads a model by itself; a run's comes through PluginDirs
    check_size(std::fs::metadata(path).map_err(unreadable)?.len())?;
    let file = PthTensors::new(path, None).map_err(unreadable)?;
    let mut tensors = BTreeMap::new();
    // Through a BTreeMap: candle's map has no order, and of two mistakes the same one should be reported.
    for (tensor, info) in file.tensor_infos().iter().collect::<BTreeMap<_, _>>() {
        if info.dtype != DType::F32 {
            let found = format!("{:?}", info.dtype);
            return Err(NetworkError::Type { tensor: tensor.clone(), found });
        }
        let dims = info.layout.dims().to_vec();
        // A tensor too large for any network stays unread: its dimensions are refused below.
        let values = if info.layout.shape().elem_count() <= HIDDEN_MAX * INPUTS_MAX {
            let read = file.get(tensor).map_err(unreadable)?.expect("one of its own tensors");
            read.flatten_all().and_then(|flat| flat.to_vec1()).map_err(unreadable)?
        } else {
            Vec::new()
        };
        tensors.insert(tensor.clone(), (dims, values));
    }
    Network::assemble(tensors)
}

fn unreadable(reason: impl ToString) -> NetworkError {
    // candle adds a backtrace below the first line where one is asked for.
    let reason = reason.to_string().lines().next().unwrap_or_default().to_owned();
    NetworkError::Unreadable { format: FORMAT, reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::score;

    fn fixture(name: &str) -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
    }

    fn refusal(name: &str) -> String {
        read(&fixture(name)).unwrap_err().to_string()
    }

    /// `fixtures/make_nn.py` wrote both files, the scores in double precision.
    #[test]
    fn a_network_saved_by_pytorch_scores_as_it_does_there() {
        #[derive(serde::Deserialize)]
        struct Expected {
            rows: Vec<[f32; 2]>,
            scores: Vec<f64>,
        }
        let network = read(&fixture("nn.pt")).unwrap();
        assert_eq!(network.shape(), crate::network::Shape::default());
        let expected: Expected = serde_json::from_slice(&std::fs::read(fixture("nn.json")).unwrap()).unwrap();
        let columns: [Vec<f32>; 2] =
            std::array::from_fn(|j| expected.rows.iter().map(|row| row[j]).collect());
        let mut scores = vec![0.0; expected.rows.len()];
        score(&network, &[&columns[0], &columns[1]], &mut scores);
        for (row, (found, must)) in scores.iter().zip(&expected.scores).enumerate() {
            assert!((f64::from(*found) - must).abs() < 2e-7, "row {row}: {found}, PyTorch {must}");
        }
    }

    #[test]
    fn doubles_are_refused() {
        let error = refusal("double.pt");
        assert!(error.ends_with("double.pt: layers.0.weight: found type F64, must be F32"), "{error}");
    }

    #[test]
    fn missing_tensors_are_named() {
        let error = refusal("wide.pt");
        assert!(
            error
                .contains("wide.pt: layers.2.weight: missing; found layers.0.bias, layers.0.weight, must be"),
            "{error}"
        );
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = refusal("none.pt");
        assert!(error.contains("none.pt: must be a PyTorch state_dict (zip) file: No such file"), "{error}");
    }

    #[test]
    fn damage_is_refused_without_a_panic() {
        let whole = std::fs::read(fixture("nn.pt")).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nn.pt");
        let (original, (mut refused, mut same)) = (read(&fixture("nn.pt")).unwrap(), (0, 0));
        for at in (0..whole.len()).step_by(7) {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x15;
            std::fs::write(&path, &bytes).unwrap();
            match read(&path) {
                Err(_) => refused += 1,
                // Padding and times of the zip; what is left are weights, which have no check that candle looks at.
                Ok(network) => same += usize::from(network == original),
            }
            std::fs::write(&path, &whole[..at]).unwrap();
            assert!(read(&path).is_err(), "cut at byte {at}");
        }
        assert!(refused > 50 && same > 50, "{refused} refused, {same} the same");
    }

    #[test]
    fn a_large_file_is_refused_unread() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nn.pt");
        std::fs::write(&path, vec![0; 70_000]).unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(error.ends_with("nn.pt: found 70000 bytes, must be at most 65536"), "{error}");
    }
}
