//! Suspects: names the systems that can have written a part of the state that is not as it should be.

use std::collections::BTreeSet;

use bevy_ecs::component::ComponentId;
use bevy_ecs::world::World;

use crate::block::Population;
use crate::digest::SavedResources;
use crate::executor::{Reports, Touched};
use crate::phase::{Owner, Owners};

/// A system that can write it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspect {
    /// The system's function.
    pub system: String,
    /// Who it belongs to; none for a plain Bevy plugin's.
    pub owner: Option<Owner>,
    /// Resources of its plugin that it uses and that no snapshot has.
    pub unsaved: Vec<String>,
}

impl Suspect {
    /// The plugin that it belongs to.
    pub fn plugin(&self) -> Option<&'static str> {
        match self.owner? {
            Owner::BuiltIn => None,
            Owner::Plugin(name) => Some(name),
        }
    }
}

/// The systems that can write `kind.column`, or `resource name`, as [`diff`](crate::snapshot::diff) names them: those of plugins that name
/// it; if there are none the engine's, and those of plugins that take the whole world. What is queued as a command, and what an observer writes, is not known.
///
/// # Panics
/// In a world without a simulation.
pub fn suspects(world: &World, part: &str) -> Vec<Suspect> {
    let Some(id) = component_of(world, part) else { return Vec::new() };
    let touched = world.resource::<Reports>().touched();
    let is_plugins = |of: &&Touched| of.owner != Some(Owner::BuiltIn);
    // One that needs the world to itself can write all of it, and mostly does not.
    let names = |of: &&Touched| of.writes.as_ref().is_some_and(|writes| writes.contains(&id));
    let takes_all = |of: &&Touched| of.writes.is_none() && matches!(of.owner, Some(Owner::Plugin(_)));
    let mut found: Vec<&Touched> = touched.iter().filter(|of| names(of) && is_plugins(of)).collect();
    if found.is_empty() {
        found = touched.iter().filter(|of| names(of) || takes_all(of)).collect();
    }
    let suspect = |of: &Touched| Suspect {
        system: of.system.to_string(),
        owner: of.owner,
        unsaved: unsaved(world, &of.uses, of.owner),
    };
    found.into_iter().map(suspect).collect()
}

fn component_of(world: &World, part: &str) -> Option<ComponentId> {
    if let Some(name) = part.strip_prefix("resource ") {
        let saved = world.get_resource::<SavedResources>()?.iter().find(|saved| saved.name == name)?;
        return (saved.id)(world);
    }
    let (kind, column) = part.rsplit_once('.')?;
    let kinds = world.resource::<Population>().kinds();
    let kind = kinds.iter().find(|other| other.name() == kind)?;
    kind.columns().iter().find(|other| other.name() == column).map(|column| column.id)
}

fn unsaved(world: &World, uses: &BTreeSet<ComponentId>, owner: Option<Owner>) -> Vec<String> {
    let Some(owner @ Owner::Plugin(_)) = owner else { return Vec::new() };
    let saved: Vec<ComponentId> = world
        .get_resource::<SavedResources>()
        .into_iter()
        .flat_map(|saved| saved.iter().filter_map(|saved| (saved.id)(world)))
        .collect();
    let owners = world.get_resource::<Owners>().into_iter();
    let own = owners.flat_map(|owners| owners.resources(owner));
    own.filter(|id| uses.contains(id) && !saved.contains(id))
        .filter_map(|id| world.components().get_name(id).map(|name| name.shortname().to_string()))
        .collect()
}
