//! Plugins with a name: their settings, the order they are in, how often their systems run.
//!
//! A plugin's struct is its settings; [`plugin!`](crate::plugin!) gives it its name. [`Configured::build`] adds it to an
//! app: the systems and observers that appear in its `build` are its own, and so is the first kind.

mod dirs;

use std::collections::BTreeSet;
use std::ops::Deref;

use bevy_app::{App, Plugin, PostStartup, PreStartup, Startup};
use bevy_ecs::change_detection::Res;
use bevy_ecs::component::ComponentId;
use bevy_ecs::resource::Resource;
use bevy_ecs::schedule::{ConditionWithAccess, InternedScheduleLabel, ScheduleLabel, Schedules, SystemKey};
use bevy_ecs::system::IntoSystem;
use schemars::{JsonSchema, schema_for};
use serde::de::DeserializeOwned;

use crate::config::{BlockGroup, ConfigError, PluginConfig, Scenario};
use crate::kind::{KindSpec, Kinds};
use crate::observers;
use crate::phase::{Close, Owned, Owner, Owners, Shutdown};
use crate::units::{Tick, seconds_to_ticks};

pub use dirs::{FILE_BYTES_MAX, PluginDir, PluginDirs, PluginFileError};

/// A plugin whose fields are its settings. Written by [`plugin!`](crate::plugin!).
pub trait NamedPlugin: Plugin + DeserializeOwned + JsonSchema {
    /// Its name in config.json, reports and alerts.
    const NAME: &'static str;
    /// Names that an older config.json may have for it.
    const ALIASES: &'static [&'static str];

    /// Whether its settings make sense, beside what their types and its schema say. Asked before it is built.
    ///
    /// # Errors
    /// Which key, what was found, what is allowed.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }

    /// Whether its settings fit the run that is planned. Asked once the scenario is known, before it is built; not for a
    /// run that is done again.
    ///
    /// # Errors
    /// As [`NamedPlugin::check`].
    fn fits(&self, _: &PlannedRun) -> Result<(), String> {
        Ok(())
    }
}

/// What a plugin is to be part of, as far as its settings may have to fit it.
#[derive(Clone, Copy, Debug)]
pub struct PlannedRun<'a> {
    /// The scenario, without the groups of plugins.
    pub scenario: &'a Scenario,
    /// The plugin's `interval` in simulated seconds; none for every tick.
    pub interval: Option<f64>,
}

impl PlannedRun<'_> {
    /// Ticks between two runs of the plugin's systems, at least 1.
    pub fn interval_ticks(&self) -> u64 {
        self.interval.map_or(1, |seconds| seconds_to_ticks(seconds, self.scenario.tick_seconds))
    }
}

/// Gives a plugin its name, the names it is also known by, and what checks its settings: `check = Type::check`, a
/// `fn(&Type) -> Result<(), String>`, by themselves; `fits = Type::fits`, a `fn(&Type, &PlannedRun) -> Result<(), String>`,
/// against the scenario and the plugin's `interval`.
///
/// The struct is the plugin's settings: `Deserialize` with defaults, `JsonSchema` with a doc comment a field. A key of its
/// config.json that is neither a field nor one of the engine's is an error.
///
/// ```
/// use bevy_app::{App, Plugin};
/// use schemars::JsonSchema;
/// use serde::Deserialize;
///
/// /// Entities tire under load.
/// #[derive(Deserialize, JsonSchema, Default)]
/// #[serde(default)]
/// struct Fatigue {
///     /// Tiredness gained per tick at full value.
///     gain_per_tick: f32,
/// }
///
/// impl Plugin for Fatigue {
///     fn build(&self, _: &mut App) {}
/// }
///
/// corec_core::plugin!(Fatigue, name = "fatigue", aliases = ["fatiga"]);
/// ```
#[macro_export]
macro_rules! plugin {
    ($plugin:ty, name = $name:literal $(, aliases = [$($alias:literal),* $(,)?])? $(, check = $check:path)? $(, fits = $fits:path)? $(,)?) => {
        impl $crate::plugin::NamedPlugin for $plugin {
            const NAME: &'static str = $name;
            const ALIASES: &'static [&'static str] = &[$($($alias),*)?];
            $(
                fn check(&self) -> ::std::result::Result<(), ::std::string::String> {
                    $check(self)
                }
            )?
            $(
                fn fits(&self, run: &$crate::plugin::PlannedRun) -> ::std::result::Result<(), ::std::string::String> {
                    $fits(self, run)
                }
            )?
        }
    };
}

/// A plugin that a program was built with.
#[derive(Clone, Copy)]
pub struct Registered {
    name: &'static str,
    aliases: &'static [&'static str],
    configure: fn(PluginConfig) -> Result<Configured, ConfigError>,
    fits: fn(&PluginConfig, &Scenario) -> Result<(), ConfigError>,
}

impl Registered {
    /// The plugin `P`.
    pub const fn of<P: NamedPlugin>() -> Self {
        Self { name: P::NAME, aliases: P::ALIASES, configure: Configured::new::<P>, fits: fits::<P> }
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Whether `name` is its name or an alias of it.
    pub fn is_called(&self, name: &str) -> bool {
        self.name == name || self.aliases.contains(&name)
    }

    /// The plugin with its settings.
    ///
    /// # Errors
    /// As [`Configured::new`].
    pub fn configure(&self, config: PluginConfig) -> Result<Configured, ConfigError> {
        (self.configure)(config)
    }

    /// Whether the plugin with these settings fits a run of `scenario`.
    ///
    /// # Errors
    /// What [`NamedPlugin::fits`] says, or a config that is not the plugin's.
    pub fn fits(&self, config: &PluginConfig, scenario: &Scenario) -> Result<(), ConfigError> {
        (self.fits)(config, scenario)
    }
}

fn fits<P: NamedPlugin>(config: &PluginConfig, scenario: &Scenario) -> Result<(), ConfigError> {
    let run = PlannedRun { scenario, interval: config.interval };
    settings::<P>(config)?.fits(&run).map_err(|message| refused::<P>(config, message))
}

/// The plugin's struct as its config has it.
fn settings<P: NamedPlugin>(config: &PluginConfig) -> Result<P, ConfigError> {
    let schema = schema_for!(P);
    let fields = schema.get("properties").and_then(|fields| fields.as_object());
    let fields: Vec<&str> = fields.into_iter().flat_map(|fields| fields.keys().map(String::as_str)).collect();
    config.own(&fields)
}

fn refused<P: NamedPlugin>(config: &PluginConfig, message: String) -> ConfigError {
    ConfigError::Text { source_name: config.source.clone(), path: P::NAME.to_string(), message }
}

/// Plugins that are not there because their `build` panicked, and what it said.
#[derive(Resource, Clone, Default, Debug)]
pub struct BuildFailures(pub Vec<(&'static str, String)>);

/// A plugin's own struct as its config has it, for the plugin's systems: there without a line of code.
///
/// ```
/// # use bevy_app::{App, Plugin, Update};
/// # use bevy_ecs::change_detection::Res;
/// # use corec_core::plugin::Settings;
/// # use schemars::JsonSchema;
/// # use serde::Deserialize;
/// # #[derive(Deserialize, JsonSchema, Default)]
/// # #[serde(default)]
/// # struct Fatigue { gain_per_tick: f32 }
/// # impl Plugin for Fatigue { fn build(&self, app: &mut App) { app.add_systems(Update, tire); } }
/// # corec_core::plugin!(Fatigue, name = "fatigue");
/// fn tire(fatigue: Res<Settings<Fatigue>>) {
///     println!("{}", fatigue.gain_per_tick);
/// }
/// ```
#[derive(Resource)]
pub struct Settings<P: NamedPlugin>(P);

impl<P: NamedPlugin> Deref for Settings<P> {
    type Target = P;

    fn deref(&self) -> &P {
        &self.0
    }
}

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
        let plugin = settings::<P>(&config)?;
        plugin.check().map_err(|message| refused::<P>(&config, message))?;
        let own = Settings(settings::<P>(&config)?);
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

        let kinds = app.world().resource::<Kinds>().specs().get(kinds..).unwrap_or_default();
        add_groups(scenario, kinds, self.config.group, self.config.groups);
    }
}

/// Adds a plugin's groups to a scenario: `own` is that of the plugin's name, `others` are those of kinds by name.
fn add_groups(scenario: &mut Scenario, kinds: &[KindSpec], own: Option<BlockGroup>, others: Vec<BlockGroup>) {
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

/// The plugins of a run in the order they were built, and the milliseconds a tick that each may take.
#[derive(Resource, Clone, Default, Debug)]
pub struct Budgets(pub Vec<(&'static str, Option<f64>)>);

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

/// The resources that are there.
fn resources(app: &App) -> BTreeSet<ComponentId> {
    app.world().iter_resources().map(|(id, ..)| id).collect()
}

/// The systems of every schedule.
fn systems(app: &App) -> Vec<(InternedScheduleLabel, BTreeSet<SystemKey>)> {
    let schedules = app.world().resource::<Schedules>();
    schedules
        .iter()
        .map(|(_, schedule)| {
            (schedule.label(), schedule.graph().systems.iter().map(|(key, ..)| key).collect())
        })
        .collect()
}

/// Writes down whose the systems are that were not there `before`, and how often they run.
fn own_systems(
    app: &mut App,
    name: &'static str,
    before: &[(InternedScheduleLabel, BTreeSet<SystemKey>)],
    interval_ticks: Option<u64>,
) {
    let run_once =
        [PreStartup.intern(), Startup.intern(), PostStartup.intern(), Shutdown.intern(), Close.intern()];
    for (label, keys) in systems(app) {
        let known = before.iter().find(|(other, _)| *other == label).map(|(_, keys)| keys);
        let new: Vec<SystemKey> =
            keys.into_iter().filter(|key| known.is_none_or(|known| !known.contains(key))).collect();
        if let Some(ticks) = interval_ticks.filter(|_| !run_once.contains(&label)) {
            let mut schedules = app.world_mut().resource_mut::<Schedules>();
            let graph = schedules.get_mut(label).expect("it was listed a moment ago").graph_mut();
            for key in &new {
                let conditions =
                    graph.systems.get_conditions_mut(*key).expect("every system has a list of conditions");
                let is_due = move |tick: Res<Tick>| tick.0.is_multiple_of(ticks);
                conditions.push(ConditionWithAccess::new(Box::new(IntoSystem::into_system(is_due))));
            }
        }
        let owned = Owned { owner: Owner::Plugin(name), interval_ticks: interval_ticks.unwrap_or(1) };
        app.world_mut().resource_mut::<Owners>().add_systems(label, &new, owned);
    }
}
