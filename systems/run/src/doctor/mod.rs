//! Doctor: what a scenario would stand on, looked at before it runs: bus, store, machine.
//!
//! Nothing is started, and nothing is left behind. A server that is away is a finding; only what was asked wrongly is an error.

mod machine;

use std::path::Path;

use corec_bridges::finding::Findings;
use corec_bridges::frames::{CRITICAL_STREAM, DATA_STREAM};
use corec_bridges::publish::{ALERT_STREAM, REPAIR_STREAM};
use corec_bridges::{bus, store};
use corec_core::config::Scenario;
use corec_core::kind::Kinds;
use corec_core::memory::Need;
use corec_core::plugin::Registered;
use corec_core::section::{Section, Sections};
use corec_telemetry::settings::Telemetry;

use crate::error::RunError;
use crate::plugin_set::{Lookup, PluginSet};
use crate::scenarios::find;
use machine::Wanted;

pub use corec_bridges::finding::Finding;

/// What is looked at.
pub struct Checkup<'a> {
    /// A scenario's name or file; none for the URLs alone.
    pub scenario: Option<&'a str>,
    /// In place of the scenario's.
    pub bus: Option<&'a str>,
    /// In place of the scenario's.
    pub store: Option<&'a str>,
    /// The plugins that this program has.
    pub registry: &'a [Registered],
    /// Variables of the environment.
    pub lookup: Lookup<'a>,
}

/// Looks at everything.
///
/// # Errors
/// A scenario that is none, or a URL that can't be read.
pub fn examine(what: &Checkup) -> Result<Vec<Finding>, RunError> {
    let mut scenario =
        what.scenario.map(|name| Ok::<_, RunError>(find(name, what.lookup)?.scenario)).transpose()?;
    let of_scenario = |url: fn(&Scenario) -> &String| scenario.as_ref().map(|scenario| url(scenario).clone());
    let bus_url = what.bus.map(String::from).or_else(|| of_scenario(|scenario| &scenario.bus));
    let store_url = what.store.map(String::from).or_else(|| of_scenario(|scenario| &scenario.store));
    if let Some(url) = &bus_url {
        bus::parse(url).map_err(RunError::Usage)?;
    }
    if let Some(url) = &store_url {
        store::parse(url).map_err(|e| RunError::Usage(e.to_string()))?;
    }
    let mut findings = Vec::new();
    let mut wanted = Wanted::default();
    if let Some(scenario) = &mut scenario {
        let mut found = Findings::of("scenario");
        match need(scenario, what) {
            Ok(bytes) => wanted.memory = Some((bytes, scenario.memory_max.parse().map_err(RunError::Usage)?)),
            Err(RunError::Usage(error)) => found.fix("plugins", error),
            Err(other) => return Err(other),
        }
        findings.extend(found.finish());
    }
    if let Some(url) = &bus_url {
        let input = scenario.as_ref().and_then(|scenario| match scenario.has_section(Telemetry::NAME) {
            // As a run that is given no table takes its rows.
            true => Some(scenario.input_stream.as_deref().unwrap_or(Telemetry::NAME)),
            false => scenario.input_stream.as_deref(),
        });
        let dead = input.map(|stream| format!("{stream}_dead"));
        let mut written = vec![DATA_STREAM, CRITICAL_STREAM, ALERT_STREAM];
        if scenario.as_ref().is_none_or(|scenario| scenario.repair_record) {
            written.push(REPAIR_STREAM);
        }
        written.extend(dead.as_deref());
        findings.extend(bus::examine(url, input, &written));
        wanted.servers += u64::from(url.contains("://"));
    }
    if let Some(url) = &store_url {
        findings.extend(store::examine(url));
        wanted.servers += u64::from(url.starts_with("postgres"));
    }
    findings.extend(machine::examine(wanted));
    Ok(findings)
}

/// Bytes of memory that the scenario will need with its plugins.
fn need(scenario: &mut Scenario, what: &Checkup) -> Result<u64, RunError> {
    let beside = what.scenario.and_then(|name| Path::new(name).parent());
    let plugins = PluginSet::find(scenario, None, beside, what.registry, what.lookup)?.read_only();
    let mut app = plugins.app(scenario);
    app.world().resource::<Sections>().complete(scenario)?;
    if scenario.has_section(Telemetry::NAME) {
        // How many twins there are is the table's to say; there is at least one.
        scenario.blocks.iter_mut().for_each(|group| group.entities = group.entities.max(1));
    }
    let kinds = app.world_mut().get_resource_or_init::<Kinds>();
    let need = Need::of(&kinds, scenario).map_err(|e| RunError::Usage(e.to_string()))?;
    Ok(need.bytes)
}
