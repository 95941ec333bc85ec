//! Areas: how well the scores of a table's rows told anomalies.

use bevy_ecs::world::World;
use corec_telemetry::score_list::ScoreList;
use corec_telemetry::scores::Scores;

/// How well the scores of labelled rows told anomalies, and of how many rows.
#[derive(Default)]
pub(crate) struct Areas {
    pub rows: u64,
    pub roc: Option<f64>,
    pub pr: Option<f64>,
    pub vus: Option<f64>,
    pub vus_missing: Option<String>,
}

pub(crate) fn areas(world: &World) -> Areas {
    let (Some(scores), Some(list)) = (world.get_resource::<Scores>(), world.get_resource::<ScoreList>())
    else {
        return Areas::default();
    };
    let rows = scores.rows();
    let Some((roc, pr)) = scores.areas() else { return Areas { rows, ..Areas::default() } };
    let (vus, vus_missing) = match list.volume(rows) {
        Ok(volume) => (volume.map(|volume| volume.pr), None),
        Err(why) => (None, Some(why)),
    };
    Areas { rows, roc: Some(roc), pr: Some(pr), vus, vus_missing }
}
