//! Telemetry: a table of measurements, a row a tick, and a twin for each of its columns.
//!
//! [`table`] reads it, [`feed`] gives a run its rows, [`twin`] follows the columns and scores them, [`row_forest`] scores rows another
//! way, [`scores`], [`detection`] and [`vus`] compare the scores with labels, which [`windows`] of [`time`] may stand in for.
//!
//! ```
//! use corec_telemetry::detection::auc;
//! let mut scored = vec![(0.9, true), (0.4, false), (0.6, true), (0.1, false)];
//! assert_eq!(auc(&mut scored), Some((1.0, 1.0)));
//! ```
#![forbid(unsafe_code)]

pub mod settings;

mod cell;
mod header;
pub mod live;

pub mod source;
pub mod table_error;

pub mod table;

pub mod json_rows;
pub mod time;
mod window_times;
mod windows_file;

pub mod windows;

pub mod ack;
pub mod feed;

pub mod catch_up;
pub mod detection;
pub mod twin;

pub mod row_forest;

pub mod vus;

pub mod score_list;

pub mod scores;

use bevy_app::{App, Plugin};
use bevy_ecs::world::World;
use corec_api::row::TableRow;
use corec_core::alert::AddAlertRule;
use corec_core::column::Signal;
use corec_core::digest::SaveResource;
use corec_core::kind::{AddKind, Kind};
use corec_core::section::{AddSection, Section};

/// The kind `twin`, and what a run with a table keeps beside it.
pub struct TelemetryPlugin;

impl Plugin for TelemetryPlugin {
    fn build(&self, app: &mut App) {
        app.add_kind(Kind::new("twin").with::<Signal>().with::<twin::Twin>());
        app.init_resource::<scores::Scores>().save_resource::<scores::Scores>();
        app.init_resource::<score_list::ScoreList>().save_resource::<score_list::ScoreList>();
        app.init_resource::<row_forest::RowForest>().save_resource::<row_forest::RowForest>();
        app.init_resource::<detection::Detectors>();
        app.add_section::<settings::Telemetry>().add_group_section::<settings::Replicas>();
        for signal in [scores::ROW_SCORE, scores::COLUMN_SCORE] {
            app.tells_with(signal, settings::Telemetry::NAME);
        }
    }
}

/// Gives the run of `world` its table.
pub fn insert(world: &mut World, feed: feed::Feed) {
    world.insert_resource(TableRow::new(feed.columns().to_vec()));
    world.insert_resource(feed);
}
