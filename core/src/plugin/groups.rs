//! The groups of blocks that a plugin brings to a scenario.

use crate::config::{BlockGroup, Scenario};
use crate::kind::{KindError, KindSpec, Kinds};

/// Adds a plugin's groups to a scenario: `own` is that of the plugin's name, `others` are those of kinds by name. The plugin's kinds are
/// those after the first `before`.
pub(super) fn add_groups(
    scenario: &mut Scenario,
    kinds: &mut Kinds,
    before: usize,
    own: Option<BlockGroup>,
    others: Vec<BlockGroup>,
) {
    let names = |skip: usize| kinds.specs().iter().skip(before + skip).map(KindSpec::name);
    let first = names(0).next();
    // The plugin's own keys speak for its first kind, where it has any.
    let allowed: Vec<&str> = names(usize::from(own.is_some())).collect();
    let foreign = others.iter().find(|group| !allowed.contains(&group.kind.as_str()));
    let refused = foreign.map(|group| {
        let place = place_of(group);
        let known = if allowed.is_empty() { "none".into() } else { allowed.join(", ") };
        if first == Some(group.kind.as_str()) {
            KindError::GroupTwice { place, known }
        } else {
            KindError::GroupOfOther { place, known }
        }
    });
    let born: Vec<String> = kinds
        .specs()
        .iter()
        .skip(before + 1)
        .filter(|kind| kind.is_recycled())
        .map(|kind| kind.name().into())
        .collect();
    let has_any = own.is_some() || !others.is_empty();
    let model = own.clone().unwrap_or_default();
    if let Some(mut group) = own.filter(|group| !is_there(scenario, &group.id, first)) {
        group.kind = first.map_or(group.kind, str::to_string);
        scenario.blocks.push(group);
    }
    for group in others {
        if is_there(scenario, &group.id, Some(&group.kind)) {
            let place = place_of(&group);
            tracing::warn!("{place} is left out: the scenario has a group of the kind '{}'", group.kind);
        } else {
            scenario.blocks.push(group);
        }
    }
    for name in born.into_iter().filter(|_| has_any) {
        if !is_there(scenario, &name, Some(&name)) {
            let group = BlockGroup {
                id: name.clone(),
                kind: name,
                entities: 0,
                block_bytes_max: None,
                ..model.clone()
            };
            scenario.blocks.push(group);
        }
    }
    refused.into_iter().for_each(|refused| kinds.refuse(refused));
}

/// Where a plugin's config has a group.
fn place_of(group: &BlockGroup) -> String {
    let (source, at) = group.place.as_ref().map_or(("", ""), |(source, at)| (source, at));
    format!("{source}: {}", at.trim_end_matches('.'))
}

/// Whether the scenario has a group of that name or kind.
fn is_there(scenario: &Scenario, id: &str, kind: Option<&str>) -> bool {
    scenario.blocks.iter().any(|other| other.id == id || kind.is_some_and(|kind| kind == other.kind))
}
