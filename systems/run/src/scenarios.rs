//! The scenarios that come with CoreC, and how a name or a file becomes one.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use corec_core::config::{ConfigError, Loaded, Scenario, TEXT_BYTES_MAX, load};

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
        text: include_str!("../../../assets/scenarios/ecosystem.json"),
    },
    BuiltIn {
        name: "chaos",
        about: "100,000 cells in which faults are injected by seed: who notices, how fast, and what repair saves (docs/chaos.md)",
        text: include_str!("../../../assets/scenarios/chaos.json"),
    },
    BuiltIn {
        name: "full-rows",
        about: "1,000,000 entities of 940 bytes each, all of which a kernel reads and writes every tick, in 1 GiB",
        text: include_str!("../../../assets/scenarios/full-rows.json"),
    },
    BuiltIn {
        name: "telemetry",
        about: "replays a table (--input FILE.csv[.gz]): a twin for every column, anomaly scores, alerts",
        text: include_str!("../../../assets/scenarios/telemetry.json"),
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
    let text = read_text(Path::new(name)).map_err(|e| unknown(format!("could not be read: {e}")))?;
    load(name, &text, lookup)
}

/// A file's text; of one that is too long so much that [`load`] refuses it.
pub(crate) fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(TEXT_BYTES_MAX + 1).read_to_string(&mut text)?;
    Ok(text)
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
    let share = |entities: u64| u128::from(total) * u128::from(entities);
    let mut remainders = Vec::with_capacity(scenario.blocks.len());
    for (at, group) in scenario.blocks.iter_mut().enumerate() {
        remainders.push((share(group.entities) % u128::from(before), at));
        group.entities = ((share(group.entities) / u128::from(before)) as u64).max(1);
    }
    remainders.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    let mut given: u64 = scenario.blocks.iter().map(|g| g.entities).sum();
    for (_, at) in remainders {
        if given < total {
            scenario.blocks[at].entities += 1;
            given += 1;
        }
    }
    // Where the one that each must have was more than its share, the largest gives it back.
    while given > total
        && let Some(largest) = scenario.blocks.iter_mut().max_by_key(|g| g.entities)
    {
        largest.entities -= 1;
        given -= 1;
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
        assert!(error.contains("ecosystem, chaos, full-rows, telemetry"), "{error}");
        assert!(find("/nowhere/x.json", &|_| None).unwrap_err().to_string().contains("could not be read"));
    }

    #[test]
    fn entities_are_spread_in_proportion() {
        let mut scenario = find("ecosystem", &|_| None).unwrap().scenario;
        let as_it_is = scenario.clone();
        scale(&mut scenario, 1_000_000).unwrap();
        assert_eq!(scenario, as_it_is, "nothing to change");
        for total in [3, 4, 1000, 999_999, 1_000_000, 10_000_000] {
            scale(&mut scenario, total).unwrap();
            assert_eq!(scenario.blocks.iter().map(|g| g.entities).sum::<u64>(), total);
            assert!(scenario.blocks.iter().all(|g| g.entities > 0));
        }
        assert!(scale(&mut scenario, 2).is_err());
    }
}
