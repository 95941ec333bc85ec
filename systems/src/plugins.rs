//! CoreC as a Bevy plugin: `App::new().add_plugins((CorecPlugins::scenario("..."), MyPlugin)).run()`.

use std::num::NonZeroU8;
use std::sync::atomic::AtomicUsize;
use std::time::Instant;

use bevy_app::{App, AppExit, Plugin};
use bevy_ecs::resource::Resource;

use crate::CorecPlugin;
use crate::run::{RunError, RunPlan, Summary, run};
use crate::scenarios::find;

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
}

impl CorecPlugins {
    /// A built-in scenario, or a JSON file.
    pub fn scenario(name_or_file: impl Into<String>) -> Self {
        Self { scenario: name_or_file.into() }
    }
}

#[derive(Resource)]
struct Asked(String);

impl Plugin for CorecPlugins {
    fn build(&self, app: &mut App) {
        app.add_plugins(CorecPlugin).insert_resource(Asked(self.scenario.clone())).set_runner(runner);
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
    eprintln!("error: {error}");
    NonZeroU8::new(error.exit_code()).map_or(AppExit::Success, AppExit::Error)
}

#[expect(clippy::print_stdout, reason = "the app has handed its main loop over, and its summary with it")]
fn print(summary: &Summary) {
    print!("{summary}");
}

#[expect(clippy::disallowed_methods, reason = "start-up is timed from here")]
fn try_run(app: App) -> Result<Summary, RunError> {
    let started = Instant::now();
    let loaded = find(&app.world().resource::<Asked>().0, &|name| std::env::var(name).ok())?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let mut plan = RunPlan::new(loaded.scenario, started);
    plan.scenario_given = loaded.given;
    run(app, plan, &AtomicUsize::new(0), &mut |_| {})
}
