//! The scenarios that come with CoreC, and how a name or a file becomes one.

use std::path::Path;

use corec_core::config::{ConfigError, Loaded, Scenario, load};

/// A scenario that comes with CoreC.
pub struct BuiltIn {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it shows.
    pub about: &'static str,
    /// Its JSON, from assets/scenarios.
    pub text: &'static str,
}

/// The built-in scenarios; the first is the default.
pub const BUILT_IN: &[BuiltIn] = &[
    BuiltIn {
        name: "ecosystem",
        about: "1,000,000 cells in three groups on three channels: fail, are repaired, inherit from the fittest",
        text: include_str!("../../assets/scenarios/ecosystem.json"),
    },
    BuiltIn {
        name: "full-rows",
        about: "1,000,000 entities of 940 bytes each, all of which a kernel reads and writes every tick, in 1 GiB",
        text: include_str!("../../assets/scenarios/full-rows.json"),
    },
    BuiltIn {
        name: "telemetry",
        about: "replays a table (--input FILE.csv[.gz]): a twin for every column, anomaly scores, alerts",
        text: include_str!("../../assets/scenarios/telemetry.json"),
    },
];

/// Loads a built-in scenario or a file. A name without `.json` or `/` is a built-in one.
///
/// # Errors
/// A name that is neither, a file that can't be read, or what [`load`] says of its text.
pub fn find(name: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Result<Loaded, ConfigError> {
    if let Some(built_in) = BUILT_IN.iter().find(|b| b.name == name) {
        return load(built_in.name, built_in.text, lookup);
    }
    let names: Vec<&str> = BUILT_IN.iter().map(|b| b.name).collect();
    let unknown =
        |message: String| ConfigError::Text { source_name: name.into(), path: "scenario".into(), message };
    let is_file = name.ends_with(".json") || name.contains('/') || Path::new(name).is_file();
    if !is_file {
        return Err(unknown(format!(
            "found no such scenario, must be a file or one of: {}",
            names.join(", ")
        )));
    }
    let text = std::fs::read_to_string(name).map_err(|e| unknown(format!("could not be read: {e}")))?;
    load(name, &text, lookup)
}

/// Spreads `total` entities over the groups in the proportions they have: largest remainders first, at least one each.
///
/// # Errors
/// Fewer entities than groups.
pub fn scale(scenario: &mut Scenario, total: u64) -> Result<(), String> {
    let groups = scenario.blocks.len() as u64;
    let before: u64 = scenario.blocks.iter().map(|g| g.entities).sum();
    if total < groups || before == 0 {
        return Err(format!(
            "--entities: found {total}, must be at least {groups}, one for each group of blocks"
        ));
    }
    // One each, the rest in proportion.
    let rest = u128::from(total - groups);
    let mut remainders = Vec::with_capacity(scenario.blocks.len());
    let mut left = total - groups;
    for (at, group) in scenario.blocks.iter_mut().enumerate() {
        let share = rest * u128::from(group.entities);
        group.entities = 1 + (share / u128::from(before)) as u64;
        left -= group.entities - 1;
        remainders.push((share % u128::from(before), at));
    }
    remainders.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    for (_, at) in remainders.into_iter().take(left as usize) {
        scenario.blocks[at].entities += 1;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_scenario_loads_under_its_own_name() {
        for built_in in BUILT_IN {
            let loaded = find(built_in.name, &|_| None).unwrap();
            assert_eq!(loaded.scenario.name, built_in.name);
            assert!(loaded.warnings.is_empty());
        }
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let error = find("ecosistem", &|_| None).unwrap_err().to_string();
        assert!(error.contains("ecosystem, full-rows, telemetry"), "{error}");
        assert!(find("/nowhere/x.json", &|_| None).unwrap_err().to_string().contains("could not be read"));
    }

    #[test]
    fn entities_are_spread_in_proportion() {
        let mut scenario = find("ecosystem", &|_| None).unwrap().scenario;
        for total in [3, 4, 1000, 999_999, 1_000_000, 10_000_000] {
            scale(&mut scenario, total).unwrap();
            assert_eq!(scenario.blocks.iter().map(|g| g.entities).sum::<u64>(), total);
            assert!(scenario.blocks.iter().all(|g| g.entities > 0));
        }
        assert!(scale(&mut scenario, 2).is_err());
    }
}
