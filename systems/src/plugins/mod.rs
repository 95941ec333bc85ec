//! CoreC as a Bevy plugin: `App::new().add_plugins((CorecPlugins::scenario("..."), MyPlugin)).run()`.

mod about;
mod lint;
mod set;
mod tree;

use std::io::Write;
use std::num::NonZeroU8;
use std::path::PathBuf;
use std::time::Instant;

use bevy_app::{App, AppExit, Plugin};
use bevy_ecs::resource::Resource;
use corec_core::config::PluginConfig;
use corec_core::plugin::NamedPlugin;

pub use about::{About, about, check};
pub use lint::{Finding, Rule, lint};
pub use set::{CONFIG, PluginSet, read};
pub use tree::Tree;

use crate::CorecPlugin;
use crate::run::{RunError, RunPlan, Summary, run};
use crate::scenarios::find;
use crate::stop::Stop;

/// Runs a scenario when the app is run: headless, to its end, with a summary on stdout.
///
/// The app's exit is [`AppExit::Success`], or the error whose number `corec run` would exit with.
///
/// ```no_run
/// use corec_systems::prelude::*;
/// App::new().add_plugins(CorecPlugins::scenario("ecosystem")).run();
/// ```
pub struct CorecPlugins {
    scenario: String,
    plugins: Vec<Wanted>,
}

/// A plugin's config.json, and what adds the plugin with it.
type Wanted = (PathBuf, fn(PluginSet, PluginConfig) -> Result<PluginSet, RunError>);

impl CorecPlugins {
    /// A built-in scenario, or a JSON file.
    pub fn scenario(name_or_file: impl Into<String>) -> Self {
        Self { scenario: name_or_file.into(), plugins: Vec::new() }
    }

    /// Adds a plugin with the settings of a config.json.
    ///
    /// Its systems keep to its `interval`, its `entities` become a group of blocks, and it comes in the order of its
    /// name: see [`plugin!`](corec_core::plugin!).
    #[must_use]
    pub fn plugin<P: NamedPlugin>(mut self, config: impl Into<PathBuf>) -> Self {
        self.plugins.push((config.into(), PluginSet::with::<P>));
        self
    }
}

#[derive(Resource)]
struct Asked {
    scenario: String,
    plugins: Vec<Wanted>,
}

impl Plugin for CorecPlugins {
    fn build(&self, app: &mut App) {
        let asked = Asked { scenario: self.scenario.clone(), plugins: self.plugins.clone() };
        app.add_plugins(CorecPlugin).insert_resource(asked).set_runner(runner);
    }
}

fn runner(app: App) -> AppExit {
    match try_run(app) {
        Ok(summary) => {
            print(&summary);
            match summary.error {
                None => AppExit::Success,
                Some(error) => fail(&RunError::Failed(error)),
            }
        }
        Err(error) => fail(&error),
    }
}

fn fail(error: &RunError) -> AppExit {
    // A terminal that is gone is no reason to panic.
    _ = writeln!(std::io::stderr(), "error: {error}");
    NonZeroU8::new(error.exit_code()).map_or(AppExit::Success, AppExit::Error)
}

/// The app has handed its main loop over, and its summary with it.
fn print(summary: &Summary) {
    _ = write!(std::io::stdout(), "{summary}");
}

#[expect(clippy::disallowed_methods, reason = "start-up is timed from here")]
fn try_run(mut app: App) -> Result<Summary, RunError> {
    let started = Instant::now();
    let asked = app.world_mut().remove_resource::<Asked>().expect("inserted with the runner");
    let lookup = |name: &str| std::env::var(name).ok();
    let loaded = find(&asked.scenario, &lookup)?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let mut plugins = PluginSet::default();
    for (path, add) in asked.plugins {
        plugins = add(plugins, read(&path, &lookup)?)?;
    }
    let mut scenario = loaded.scenario;
    plugins.fits(&scenario)?;
    plugins.add_to(&mut app, &mut scenario);
    let mut plan = RunPlan::new(scenario, started);
    (plan.scenario_given, plan.plugins) = (loaded.given, plugins.records());
    run(app, plan, &Stop::default(), &mut |_| {})
}
