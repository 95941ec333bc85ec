//! The analyzer is a small neural net that looks at the run: it scores every entity, or forecasts every column of a table.
//!
//! `score` (the guide's AnalizadorDatos) reads `Signal` and `Stats` in `Phase::Measure` and tells of blocks that score high;
//! `forecast` reads the table's row in `Phase::Process` and gives it a score. What reaches the run is computed by kernels
//! of this crate, with the same bits everywhere; candle trains the net of `score` when the run is over, and is the reference
//! in the tests. Weights are loaded in `Startup`, recorded as input, and saved in `Shutdown`.
//!
//! - [`network`], [`pytorch`]: weights and their files. [`kernel`]: the score of a batch. [`mod@reference`]: the same by candle, and
//!   training. `scoring`: the mode `score` in a run. [`forecaster`]: the net of a column. `forecasting`: the mode `forecast`.
#![forbid(unsafe_code)]

pub mod network;
pub mod pytorch;

pub mod kernel;
pub mod reference;
mod scoring;

pub mod forecaster;
mod forecasting;

use corec::prelude::*;

use network::Shape;

pub use scoring::{BlockScore, BlockScores, Input};

/// A small neural net that looks at the run.
#[derive(Deserialize, JsonSchema)]
#[serde(default)]
pub struct Analyzer {
    /// What it does: "score" every entity, or "forecast" every column of a table (`--input`).
    pub mode: Mode,
    /// What the net of `score` sees of an entity, in this order, 1 to 16 of them.
    pub inputs: Vec<Input>,
    /// Hidden units of the net of `score`, 1..=256.
    pub hidden: usize,
    /// Mean prediction of a block at which the alert `analisis_datos` is raised, 0..=1.
    pub alert_enter: f64,
    /// Mean prediction at which it is cleared, below `alert_enter`.
    pub alert_leave: f64,
    /// Epochs that candle trains the net of `score` for in Shutdown, on what the run has shown; 0 leaves it as it is.
    pub train_epochs: u32,
    /// The step of that training, above 0.
    pub learning_rate: f64,
}

/// What the plugin does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Scores every entity.
    #[default]
    Score,
    /// Forecasts every column of a table.
    Forecast,
}

impl Default for Analyzer {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            inputs: vec![Input::Value, Input::Fitness],
            hidden: 10,
            alert_enter: 0.9,
            alert_leave: 0.8,
            train_epochs: 0,
            learning_rate: 0.01,
        }
    }
}

impl Analyzer {
    fn check(&self) -> std::result::Result<(), String> {
        Shape::new(self.inputs.len(), self.hidden).map_err(|e| e.to_string())?;
        let (enter, leave) = (self.alert_enter, self.alert_leave);
        if !(enter <= 1.0 && leave >= 0.0 && leave < enter) {
            return Err(format!(
                "alert_enter, alert_leave: found {enter} and {leave}, must be within 0..=1, enter above leave"
            ));
        }
        if !(self.learning_rate > 0.0 && self.learning_rate <= 1.0) {
            return Err(format!(
                "learning_rate: found {}, must be above 0 and at most 1",
                self.learning_rate
            ));
        }
        Ok(())
    }

    /// Forecasting needs a table, and every row of it.
    fn fits(&self, run: &PlannedRun) -> std::result::Result<(), String> {
        if self.mode == Mode::Score {
            return Ok(());
        }
        let name = &run.scenario.name;
        if !run.scenario.has_section("telemetry") {
            return Err(format!(
                "mode: found 'forecast' with scenario '{name}', which takes no table, must be 'score' there; a table is \
                 forecast by: corec run telemetry --input FILE"
            ));
        }
        match run.interval {
            Some(interval) if run.interval_ticks() > 1 => Err(format!(
                "interval: found {interval} with mode 'forecast', which learns from every row, must be at most {} (tick_seconds \
                 of scenario '{name}') or left out",
                run.scenario.tick_seconds
            )),
            _ => Ok(()),
        }
    }
}

impl Plugin for Analyzer {
    fn build(&self, app: &mut App) {
        match self.mode {
            Mode::Score => scoring::build(self, app),
            Mode::Forecast => forecasting::build(app),
        }
    }
}

corec::plugin!(
    Analyzer,
    name = "analyzer",
    aliases = ["analizador_datos"],
    check = Analyzer::check,
    fits = Analyzer::fits
);
