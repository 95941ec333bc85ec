//! A configured plugin: its settings are read and checked, and it is ready to be built into an app.

use bevy_app::{App, Plugin};
use bevy_ecs::component::ComponentId;

use super::Budgets;
use super::dirs::PluginDirs;
use super::groups::add_groups;
use super::named::NamedPlugin;
use super::ownership::{own_systems, resources, systems};
use super::settings::{Settings, read, refused};
use crate::config::{ConfigError, PluginConfig, Scenario};
use crate::kind::Kinds;
use crate::observers;
use crate::phase::{Owner, Owners};
use crate::units::seconds_to_ticks;

/// A plugin with its settings, ready to be built.
pub struct Configured {
    name: &'static str,
    config: PluginConfig,
    plugin: Box<dyn Plugin>,
    /// Gives the app the plugin's [`Settings`].
    insert_settings: Box<dyn FnOnce(&mut App)>,
}

impl Configured {
    /// The plugin `P` as `config` has it.
    ///
    /// # Errors
    /// A config of another plugin, or one whose own keys don't fit.
    pub fn new<P: NamedPlugin>(config: PluginConfig) -> Result<Self, ConfigError> {
        if config.name != P::NAME && !P::ALIASES.contains(&config.name.as_str()) {
            let allowed: Vec<String> =
                [P::NAME].iter().chain(P::ALIASES).map(|name| format!("'{name}'")).collect();
            return Err(ConfigError::Value {
                path: "name".into(),
                found: format!("'{}'", config.name),
                allowed: allowed.join(" or "),
                source_name: config.source,
            });
        }
        let plugin = read::<P>(&config)?;
        plugin.check().map_err(|message| refused::<P>(&config, message))?;
        let own = Settings(read::<P>(&config)?);
        let insert_settings = Box::new(|app: &mut App| _ = app.insert_resource(own));
        Ok(Self { name: P::NAME, plugin: Box::new(plugin), config, insert_settings })
    }

    /// Adds the plugin to `app`, and its groups of blocks to `scenario`: one of its name and of the first kind that it registers, else
    /// of the kind `cell`; one of their names for its other kinds, as its config has them, or empty at first for a recycled kind.
    /// A group of that name or kind in the scenario is left as it is.
    ///
    /// # Panics
    /// If the plugin does, or if a plugin of its type was added before, as in Bevy.
    pub fn build(self, app: &mut App, scenario: &mut Scenario) {
        app.world_mut().get_resource_or_init::<PluginDirs>().insert(self.name, self.config.folder);
        app.world_mut().get_resource_or_init::<Budgets>().0.push((self.name, self.config.budget_ms));
        app.world_mut().get_resource_or_init::<Owners>();
        observers::watch(app.world_mut());
        let (systems_before, resources_before) = (systems(app), resources(app));
        let observers_before = observers::count(app.world());
        let kinds = app.world_mut().get_resource_or_init::<Kinds>().specs().len();
        (self.insert_settings)(app);
        app.add_plugins(Boxed(self.plugin));
        let ticks = self.config.interval.map(|seconds| seconds_to_ticks(seconds, scenario.tick_seconds));
        own_systems(app, self.name, &systems_before, ticks);
        let owner = Owner::Plugin(self.name);
        observers::own_after(app.world_mut(), observers_before, owner);
        let new: Vec<ComponentId> = resources(app).difference(&resources_before).copied().collect();
        app.world_mut().resource_mut::<Owners>().add_resources(new, owner);
        app.world_mut().resource_mut::<Kinds>().own_after(kinds, owner);

        let mut all = app.world_mut().resource_mut::<Kinds>();
        add_groups(scenario, &mut all, kinds, self.config.group, self.config.groups);
    }
}

/// What `App::add_plugins` takes: Bevy keeps its own call for boxes to itself.
struct Boxed(Box<dyn Plugin>);

impl Plugin for Boxed {
    fn build(&self, app: &mut App) {
        self.0.build(app);
    }

    fn ready(&self, app: &App) -> bool {
        self.0.ready(app)
    }

    fn finish(&self, app: &mut App) {
        self.0.finish(app);
    }

    fn cleanup(&self, app: &mut App) {
        self.0.cleanup(app);
    }

    fn name(&self) -> &str {
        self.0.name()
    }

    fn is_unique(&self) -> bool {
        self.0.is_unique()
    }
}
