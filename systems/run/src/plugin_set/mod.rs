//! The plugins of a run: found in a folder, or given in code, and built into an app in the order of their names.

mod folder;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;

use bevy_app::App;
use corec_core::blocks::panic_message;
use corec_core::config::{ConfigError, PluginConfig, Plugins, Scenario, load_plugin, redacted};
use corec_core::plugin::{BuildFailures, NamedPlugin, PluginDirs, Registered};
use corec_dynamics::chaos::Chaos;
use serde_json::{Value, json};

use crate::built_in::CorecPlugin;
use crate::error::RunError;
use crate::manifest::PluginRecord;
use crate::scenarios::read_text;

pub use folder::{CONFIG, read};
pub(crate) use folder::{Lookup, scan};

use folder::{choose, default_folder, no_folder};

/// The plugin that fails on purpose.
pub(crate) const SABOTEUR: &str = "saboteur";

/// Plugins with their settings, by name.
#[derive(Clone, Default)]
pub struct PluginSet {
    plugins: Vec<(Registered, PluginConfig)>,
    is_read_only: bool,
}

impl PluginSet {
    /// The plugins that `scenario` wants, out of a folder: `folder` if it was asked for, which means all enabled ones,
    /// else `plugins` in `beside` or in the working folder.
    ///
    /// # Errors
    /// A folder or a name that is not there, a plugin that `registry` does not have, one that is there twice, a bad config,
    /// or one that does not fit the scenario.
    pub fn find(
        scenario: &Scenario,
        folder: Option<&Path>,
        beside: Option<&Path>,
        registry: &[Registered],
        lookup: Lookup,
    ) -> Result<Self, RunError> {
        let names = match &scenario.plugins {
            Plugins::Named(names) if folder.is_none() => Some(&names[..]),
            _ => None,
        };
        let set = match folder.map(Path::to_path_buf).or_else(|| default_folder(beside)) {
            _ if names.is_some_and(<[String]>::is_empty) => Ok(Self::default()),
            Some(folder) => Self::of(choose(&folder, names, registry, lookup)?, registry),
            None => names.map_or_else(|| Ok(Self::default()), |names| Err(no_folder(names))),
        }?;
        let set = set.with_saboteur(scenario, registry)?;
        set.fits(scenario)?;
        Ok(set)
    }

    /// The same, and the plugin that fails on purpose where the scenario's chaos asks for it: no folder need have it, for it has no settings.
    fn with_saboteur(mut self, scenario: &Scenario, registry: &[Registered]) -> Result<Self, RunError> {
        if scenario.section::<Chaos>()?.is_none_or(|chaos| chaos.plugin == 0) {
            return Ok(self);
        }
        let Some(registered) = registry.iter().find(|registered| registered.is_called(SABOTEUR)) else {
            return Err(RunError::Usage(format!(
                "{}: chaos.plugin: found a number above 0, must be 0: this program was built without the plugin '{SABOTEUR}'",
                scenario.source_name()
            )));
        };
        match self.plugins.iter_mut().find(|(other, _)| other.name() == registered.name()) {
            Some((_, config)) => config.enabled = true,
            None => {
                let config = json!({ "name": SABOTEUR }).to_string();
                self.add(*registered, load_plugin(scenario.source_name(), &config, &|_| None)?)?;
            }
        }
        Ok(self)
    }

    /// Whether the enabled ones fit a run of `scenario`.
    ///
    /// # Errors
    /// What the first that does not says: where, what was found, what is allowed.
    pub fn fits(&self, scenario: &Scenario) -> Result<(), ConfigError> {
        let mut enabled = self.plugins.iter().filter(|(_, config)| config.enabled);
        enabled.try_for_each(|(registered, config)| registered.fits(config, scenario))
    }

    /// The plugins of a run that is done again, as its manifest has them.
    ///
    /// # Errors
    /// A plugin that `registry` does not have, or a config that it does not take.
    pub fn recorded(
        records: &[PluginRecord],
        registry: &[Registered],
        lookup: Lookup,
    ) -> Result<Self, RunError> {
        let load = |record: &PluginRecord| -> Result<PluginConfig, ConfigError> {
            let source = format!("manifest.json: plugins: {}", record.name.escape_debug());
            let mut given = record.config.clone();
            if let Some(folder) = &record.folder {
                unredact(&mut given, &folder.join(CONFIG));
            }
            let mut config = load_plugin(&source, &given.to_string(), lookup)?;
            config.folder.clone_from(&record.folder);
            // The run's settings have the groups that it had: a version that adds others must not add them now.
            (config.group, config.groups) = (None, Vec::new());
            Ok(config)
        };
        Self::of(records.iter().map(load).collect::<Result<_, _>>()?, registry)
    }

    /// The same, and nothing of theirs is written to disk: a run that is done again must find what the first one found.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.is_read_only = true;
        self
    }

    /// The same and the plugin `name` out of a folder, enabled or not, without entities: for a run that had it not.
    ///
    /// # Errors
    /// As [`PluginSet::find`].
    pub fn and_without_entities(
        mut self,
        name: &str,
        folder: Option<&Path>,
        registry: &[Registered],
        lookup: Lookup,
    ) -> Result<Self, RunError> {
        let names = [name.to_string()];
        let folder = folder.map(Path::to_path_buf).or_else(|| default_folder(None));
        let folder = folder.ok_or_else(|| no_folder(&names))?;
        let found = choose(&folder, Some(&names), registry, lookup)?;
        for (registered, mut config) in Self::of(found, registry)?.plugins {
            (config.enabled, config.group) = (true, None);
            self.add(registered, config)?;
        }
        Ok(self)
    }

    pub(crate) fn of(configs: Vec<PluginConfig>, registry: &[Registered]) -> Result<Self, RunError> {
        let mut set = Self::default();
        for config in configs {
            match registry.iter().find(|registered| registered.is_called(&config.name)) {
                Some(registered) => set.add(*registered, config)?,
                None if !config.enabled => {}
                None => return Err(RunError::Usage(not_built_in(&config, registry))),
            }
        }
        Ok(set)
    }

    /// Adds the plugin `P`.
    ///
    /// # Errors
    /// As [`PluginSet::find`].
    pub fn with<P: NamedPlugin>(mut self, config: PluginConfig) -> Result<Self, RunError> {
        self.add(Registered::of::<P>(), config)?;
        Ok(self)
    }

    /// Adds a plugin with its settings.
    ///
    /// # Errors
    /// A config that is not the plugin's, or a plugin that is there.
    pub(crate) fn add(&mut self, registered: Registered, config: PluginConfig) -> Result<(), RunError> {
        registered.configure(config.clone())?;
        match self.plugins.binary_search_by_key(&registered.name(), |(other, _)| other.name()) {
            Ok(at) => Err(RunError::Usage(format!(
                "plugin '{}': found in {} and in {}, must be there once",
                registered.name(),
                self.plugins[at].1.source,
                config.source
            ))),
            Err(at) => {
                self.plugins.insert(at, (registered, config));
                Ok(())
            }
        }
    }

    /// The plugins and their settings, by name, those that are not enabled too.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &PluginConfig)> {
        self.plugins.iter().map(|(registered, config)| (registered.name(), config))
    }

    /// The plugin of that name or alias.
    pub fn get(&self, name: &str) -> Option<(&'static str, &PluginConfig)> {
        let mut named = self.plugins.iter().filter(|(registered, _)| registered.is_called(name));
        named.next().map(|(registered, config)| (registered.name(), config))
    }

    /// What a manifest keeps of the enabled ones.
    pub fn records(&self) -> Vec<PluginRecord> {
        let record = |(name, config): (&'static str, &PluginConfig)| PluginRecord {
            name: name.into(),
            folder: config.folder.clone(),
            config: config.given.clone(),
        };
        self.iter().filter(|(_, config)| config.enabled).map(record).collect()
    }

    /// Builds the enabled ones into `app`, and their groups of blocks into `scenario`.
    ///
    /// # Panics
    /// If a plugin does, as in Bevy: see [`PluginSet::app`].
    pub fn add_to(&self, app: &mut App, scenario: &mut Scenario) {
        if let Err((_, panic)) = self.build(app, scenario) {
            resume_unwind(panic);
        }
    }

    /// An app with the built-in dynamics and the enabled plugins. One whose `build` panics is left out: the app is
    /// built again without it, and [`BuildFailures`] says so.
    pub fn app(&self, scenario: &mut Scenario) -> App {
        let (mut set, mut failures) = (self.clone(), BuildFailures::default());
        loop {
            let (mut app, mut with_groups) = (App::new(), scenario.clone());
            app.add_plugins(CorecPlugin);
            match set.build(&mut app, &mut with_groups) {
                Ok(()) => {
                    app.insert_resource(failures);
                    *scenario = with_groups;
                    return app;
                }
                Err((at, panic)) => {
                    let (registered, _) = set.plugins.remove(at);
                    failures.0.push((registered.name(), panic_message(&*panic)));
                }
            }
        }
    }

    /// Builds one after the other, up to the first that panics: its place, and the panic.
    fn build(&self, app: &mut App, scenario: &mut Scenario) -> Result<(), (usize, Box<dyn Any + Send>)> {
        app.world_mut().get_resource_or_init::<PluginDirs>().is_read_only = self.is_read_only;
        for (at, (registered, config)) in
            self.plugins.iter().enumerate().filter(|(_, (_, config))| config.enabled)
        {
            let configured = registered.configure(config.clone()).expect("checked when it was added");
            let build = AssertUnwindSafe(|| configured.build(app, scenario));
            catch_unwind(build).map_err(|panic| (at, panic))?;
        }
        Ok(())
    }
}

/// Puts back what a manifest leaves out of a config, from the file that it was in. Where that is gone, what depends on the
/// secret does without: nothing that a run computes does.
fn unredact(given: &mut Value, file: &Path) {
    let text = read_text(file).unwrap_or_default();
    if let (Value::Object(given), Ok(Value::Object(now))) = (given, serde_json::from_str(&text)) {
        for (key, value) in now {
            if given
                .get(&key)
                .is_some_and(|given| *given == redacted(&json!({ &key: &value }))[&key] && *given != value)
            {
                given.insert(key, value);
            }
        }
    }
}

/// What to do about a plugin that is there and not compiled in.
fn not_built_in(config: &PluginConfig, registry: &[Registered]) -> String {
    let (source, name) = (&config.source, config.name.escape_debug());
    let known: Vec<&str> = registry.iter().map(Registered::name).collect();
    let known = if known.is_empty() { "none".into() } else { known.join(", ") };
    let python = config.folder.as_ref().is_some_and(|folder| folder.join("main.py").is_file());
    let what_to_do = if python {
        "its main.py is Python, which is ported with `corec plugin new`: see docs/plugin-guide.md"
    } else {
        "run `corec plugin sync` where CoreC's sources are and build again"
    };
    format!(
        "{source}: name: found '{name}', which this binary was not built with, must be one of: {known}; {what_to_do}, or \
         set \"enabled\": false"
    )
}
