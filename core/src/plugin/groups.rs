//! The groups of blocks that a plugin brings to a scenario.

use crate::config::{BlockGroup, Scenario};
use crate::kind::KindSpec;

/// Adds a plugin's groups to a scenario: `own` is that of the plugin's name, `others` are those of kinds by name.
pub(super) fn add_groups(
    scenario: &mut Scenario,
    kinds: &[KindSpec],
    own: Option<BlockGroup>,
    others: Vec<BlockGroup>,
) {
    let is_there = |scenario: &Scenario, id: &str, kind: Option<&str>| {
        scenario.blocks.iter().any(|other| other.id == id || kind.is_some_and(|kind| kind == other.kind))
    };
    let has_any = own.is_some() || !others.is_empty();
    let model = own.clone().unwrap_or_default();
    if let Some(mut group) = own {
        let kind = kinds.first().map(KindSpec::name);
        if !is_there(scenario, &group.id, kind) {
            group.kind = kind.map_or(group.kind, str::to_string);
            scenario.blocks.push(group);
        }
    }
    for group in others {
        if !is_there(scenario, &group.id, Some(&group.kind)) {
            scenario.blocks.push(group);
        }
    }
    for kind in kinds.iter().skip(1).filter(|kind| kind.is_recycled() && has_any) {
        let name = kind.name().to_string();
        if !is_there(scenario, &name, Some(&name)) {
            scenario.blocks.push(BlockGroup { id: name.clone(), kind: name, entities: 0, ..model.clone() });
        }
    }
}
