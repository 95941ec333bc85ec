//! What there is to say of plugins without running them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use bevy_app::App;
use bevy_ecs::schedule::Schedules;
use corec_core::blocks::panic_message;
use corec_core::config::{PluginConfig, Scenario};
use corec_core::kind::Kinds;
use corec_core::plugin::Registered;
use serde::Serialize;

use crate::built_in::CorecPlugin;
use crate::error::RunError;
use crate::plugin_set::{CONFIG, Lookup, PluginSet, read, scan};

/// A plugin, as `corec plugin list` shows it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct About {
    /// Its name, or what its config calls it if this program was not built with it.
    pub name: String,
    /// Whether this program was built with it.
    pub is_built_in: bool,
    /// Whether its config wants it loaded; null without one.
    pub enabled: Option<bool>,
    /// The channel of its group of blocks; null without one.
    pub channel: Option<i8>,
    /// The entities of its group; null without one.
    pub entities: Option<u64>,
    /// Its systems in all schedules; null if it was not built.
    pub systems: Option<u64>,
    /// Its config.json; null without one.
    pub source: Option<String>,
}

/// The plugins of `registry` and of a folder, by name. A folder that is not there has none.
///
/// # Errors
/// A bad config, or two plugins of one name.
pub fn about(folder: &Path, registry: &[Registered], lookup: Lookup) -> Result<Vec<About>, RunError> {
    let configs = if folder.is_dir() { scan(folder, lookup)? } else { Vec::new() };
    let (known, unknown): (Vec<_>, Vec<_>) =
        configs.into_iter().partition(|config| registry.iter().any(|r| r.is_called(&config.name)));
    // Says what is wrong with them.
    let set = PluginSet::of(known, registry)?;
    let mut plugins: Vec<About> =
        unknown.iter().map(|config| describe(&config.name, Some(config), None)).collect();
    for registered in registry {
        let config = set.get(registered.name()).map(|(_, config)| config);
        let systems = config.and_then(|config| count_systems(registered, config));
        plugins.push(About { is_built_in: true, ..describe(registered.name(), config, systems) });
    }
    plugins.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(plugins)
}

fn describe(name: &str, config: Option<&PluginConfig>, systems: Option<u64>) -> About {
    let group = config.and_then(|config| config.group.as_ref());
    About {
        name: name.into(),
        is_built_in: false,
        enabled: config.map(|config| config.enabled),
        channel: group.map(|group| group.channel.0),
        entities: group.map(|group| group.entities),
        systems,
        source: config.map(|config| config.source.clone()),
    }
}

/// Builds the plugin into an app of its own; none if it panics.
fn count_systems(registered: &Registered, config: &PluginConfig) -> Option<u64> {
    let count = |app: &App| -> usize {
        let schedules = app.world().resource::<Schedules>();
        schedules.iter().map(|(_, schedule)| schedule.graph().systems.iter().count()).sum()
    };
    let without = build(&PluginSet::default()).ok()?;
    let with = build(&PluginSet::of(vec![config.clone()], &[*registered]).ok()?).ok()?;
    Some((count(&with) - count(&without)) as u64)
}

/// Builds plugins into an app that does nothing; the text of a panic.
fn build(plugins: &PluginSet) -> Result<App, String> {
    let (mut app, mut scenario, plugins) = (App::new(), Scenario::default(), plugins.clone().read_only());
    app.add_plugins(CorecPlugin);
    let built = catch_unwind(AssertUnwindSafe(|| plugins.add_to(&mut app, &mut scenario)));
    built.map(|()| app).map_err(|panic| panic_message(&*panic))
}

/// Checks the config of a plugin's folder, or of every plugin in a folder, and that the enabled ones can be built: (name, config).
///
/// # Errors
/// What a run would refuse.
pub fn check(dir: &Path, registry: &[Registered], lookup: Lookup) -> Result<Vec<(String, String)>, RunError> {
    let file = dir.join(CONFIG);
    let configs = if file.is_file() { vec![read(&file, lookup)?] } else { scan(dir, lookup)? };
    if configs.is_empty() {
        let found = dir.display();
        return Err(RunError::Usage(format!(
            "{found}: found no {CONFIG} here or one folder below, must have one"
        )));
    }
    let named: Vec<(String, String)> = configs.iter().map(|c| (c.name.clone(), c.source.clone())).collect();
    PluginSet::of(configs.clone(), registry)?;
    // One by one: they need not go together in one run.
    for config in configs.into_iter().filter(|config| config.enabled) {
        let source = config.source.clone();
        let mut app = build(&PluginSet::of(vec![config], registry)?)
            .map_err(|panic| RunError::Usage(format!("{source}: the plugin's build panicked: {panic}")))?;
        if let Some(refused) = app.world_mut().get_resource_mut::<Kinds>().and_then(|mut k| k.take_refusal())
        {
            return Err(RunError::Usage(refused.to_string()));
        }
    }
    Ok(named)
}
