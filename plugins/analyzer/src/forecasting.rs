//! Forecasting trains a net for every column of the table online; a row's score is how far it is from what they expected.

use bytemuck::Zeroable;
use corec::channels::recorded;
use corec::prelude::*;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::Analyzer;
use crate::forecaster::{ForecastSettings, Forecaster, RowScore};

/// The state of every column, and in its header the columns' names.
const FORECASTERS_FILE: &str = "models/forecast.safetensors";
/// The tensor with the states: U8, columns by bytes of a state.
const COLUMNS_TENSOR: &str = "columns";
/// The key of the header with the names, a JSON list.
const NAMES_KEY: &str = "names";

/// The nets of the columns. Part of the run's state.
#[derive(Resource, Default, Serialize, Deserialize)]
struct Forecasters {
    names: Vec<String>,
    #[serde(with = "bytes")]
    columns: Vec<Forecaster>,
    row: RowScore,
    #[serde(skip)]
    residuals: Vec<f32>,
}

impl Saved for Forecasters {
    const NAME: &'static str = "analyzer.forecasters";
}

/// Rows of plain data as bytes.
mod bytes {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::forecaster::Forecaster;

    pub fn serialize<S: Serializer>(columns: &[Forecaster], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(bytemuck::cast_slice(columns))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Forecaster>, D::Error> {
        let bytes = Vec::<u8>::deserialize(from)?;
        super::states(&bytes).ok_or_else(|| D::Error::custom("no whole number of columns' states"))
    }
}

pub(crate) fn build(app: &mut App) {
    app.init_resource::<Forecasters>().save_resource::<Forecasters>();
    app.add_systems(Startup, load)
        .add_systems(Update, forecast.in_set(Phase::Process))
        .add_systems(Shutdown, save);
}

/// Startup: the nets that earlier runs have trained on columns of these names, else fresh ones.
fn load(world: &mut World) -> Result {
    let Some(names) = world.get_resource::<TableRow>().map(|input| input.columns().to_vec()) else {
        return Err("mode forecast: found no table, must have one: corec run telemetry --input FILE".into());
    };
    let dir = world.resource::<PluginDirs>().of::<Analyzer>();
    let bytes = recorded::<Analyzer>(world, || Ok(dir.read(FORECASTERS_FILE)?.unwrap_or_default()))?;
    let trained = if bytes.is_empty() { None } else { read(&bytes, &names)? };
    let seed = world.resource::<RunScenario>().0.seed;
    let columns = trained.unwrap_or_else(|| fresh(names.len(), seed));
    *world.resource_mut::<Forecasters>() = Forecasters { names, columns, ..Forecasters::default() };
    Ok(())
}

/// Nets that have seen nothing. Weight `n` of column `c` is drawn as entity `c`'s draw `n`.
fn fresh(columns: usize, seed: u64) -> Vec<Forecaster> {
    let draws = Draws::new(seed, "analyzer.forecast");
    let column = |at: usize| {
        let (mut forecaster, mut n) = (Forecaster::zeroed(), 0);
        forecaster.init(|| {
            n += 1;
            rng::unit(draws.words(at as u64, 0, n)[0])
        });
        forecaster
    };
    (0..columns).map(column).collect()
}

/// Shows every net its column's value, and gives the row the score that its residuals make.
fn forecast(input: Option<Res<TableRow>>, mut nets: ResMut<Forecasters>, mut out: Outbox<Analyzer>) {
    let Some(input) = input else { return };
    let (nets, settings) = (&mut *nets, ForecastSettings::default());
    nets.residuals.clear();
    for (forecaster, value) in nets.columns.iter_mut().zip(&input.values) {
        nets.residuals.push(forecaster.step(*value as f32, &settings));
    }
    let score = nets.row.step(&nets.residuals, &settings);
    out.score_row("forecast", score);
    out.metric("row_residual", score.into());
}

/// Shutdown: keeps the nets for the next run over the same columns.
fn save(dirs: Res<PluginDirs>, nets: Res<Forecasters>) -> Result {
    Ok(dirs.of::<Analyzer>().write(FORECASTERS_FILE, &file(&nets.names, &nets.columns)?)?)
}

/// The file of these states.
fn file(names: &[String], columns: &[Forecaster]) -> Result<Vec<u8>> {
    let shape = vec![columns.len(), size_of::<Forecaster>()];
    let view = TensorView::new(Dtype::U8, shape, bytemuck::cast_slice(columns))?;
    let header = [(NAMES_KEY.to_string(), serde_json::to_string(names)?)].into_iter().collect();
    Ok(safetensors::serialize([(COLUMNS_TENSOR, view)], Some(header))?)
}

/// The states in a file; none if they are of other columns.
fn read(bytes: &[u8], names: &[String]) -> Result<Option<Vec<Forecaster>>> {
    let fail = |message: String| format!("{FORECASTERS_FILE}: {message}");
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(|e| fail(e.to_string()))?;
    let found =
        header.metadata().as_ref().and_then(|header| header.get(NAMES_KEY)).cloned().unwrap_or_default();
    if serde_json::from_str::<Vec<String>>(&found).ok().as_deref() != Some(names) {
        tracing::warn!("{FORECASTERS_FILE}: was trained on other columns: begun anew");
        return Ok(None);
    }
    let file = SafeTensors::deserialize(bytes).map_err(|e| fail(e.to_string()))?;
    let tensor = file.tensor(COLUMNS_TENSOR).map_err(|e| fail(e.to_string()))?;
    let expected = [names.len(), size_of::<Forecaster>()];
    if tensor.dtype() != Dtype::U8 || tensor.shape() != expected {
        let (dtype, shape) = (tensor.dtype(), tensor.shape());
        return Err(fail(format!("found a tensor of {dtype} {shape:?}, must be U8 {expected:?}")).into());
    }
    match states(tensor.data()) {
        Some(states) if states.iter().all(Forecaster::is_sound) => Ok(Some(states)),
        _ => Err(fail("found states that no run can have written".into()).into()),
    }
}

/// Whole states in bytes that may lie anywhere.
fn states(bytes: &[u8]) -> Option<Vec<Forecaster>> {
    let (rows, rest) = bytes.as_chunks::<{ size_of::<Forecaster>() }>();
    rest.is_empty().then(|| rows.iter().map(|row| bytemuck::pod_read_unaligned(row)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_come_back_from_their_file_and_damage_is_refused() {
        let names = ["a", "b"].map(str::to_string);
        let mut columns = fresh(2, 1);
        columns[1].step(3.0, &ForecastSettings::default());
        let bytes = file(&names, &columns).unwrap();
        assert_eq!(read(&bytes, &names).unwrap(), Some(columns));
        assert_eq!(read(&bytes, &names[..1]).unwrap(), None, "other columns");
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x40;
            _ = read(&damaged, &names);
            assert!(read(&bytes[..at], &names).is_err(), "cut at {at}");
        }
        assert_ne!(fresh(2, 1), fresh(2, 2), "another seed");
    }
}
