//! CoreC as a Bevy plugin: `App::new().add_plugins((CorecPlugins::scenario("..."), MyPlugin)).run()`.

use std::io::Write;
use std::num::NonZeroU8;
use std::path::PathBuf;
use std::time::Instant;

use bevy_app::{App, AppExit, Plugin};
use bevy_ecs::resource::Resource;
use corec_core::config::{Loaded, Scenario, Threads};
use corec_core::plugin::{NamedPlugin, Registered};
use corec_core::stop::Stop;

use crate::built_in::CorecPlugin;
use crate::clock::now;
use crate::error::RunError;
use crate::options::{Options, SnapshotInterval};
use crate::plan::RunPlan;
use crate::plugin_set::{Lookup, PluginSet, read};
use crate::recorded::{Continuation, RecordedRun};
use crate::run_loop::run;
use crate::scenarios::find;
use crate::signals::Listener;
use crate::summary::Summary;
use crate::view::Watch;

/// Runs a scenario when the app is run: headless, to its end, with a summary on stdout. It takes all that `corec run` does.
///
/// Ctrl-C, SIGTERM and SIGHUP end the run after the tick in hand, with a snapshot to go on from, unless
/// [`CorecPlugins::without_signals`] leaves them to the program. The app's exit is [`AppExit::Success`], or the error whose number
/// `corec run` would exit with.
///
/// ```no_run
/// use bevy_app::App;
/// use corec_run::SnapshotInterval;
/// use corec_run::plugins::CorecPlugins;
/// let ecosystem = CorecPlugins::scenario("ecosystem").ticks(200).snapshots(SnapshotInterval::Ticks(50)).out("runs/mine");
/// App::new().add_plugins(ecosystem).run();
/// // And on from its last snapshot, in another process:
/// App::new().add_plugins(CorecPlugins::restore("runs/mine").ticks(400)).run();
/// ```
#[derive(Clone)]
pub struct CorecPlugins(Request);

/// What is run.
#[derive(Clone)]
enum Subject {
    /// A built-in scenario, or a JSON file.
    Named(String),
    /// A scenario made in code.
    Given(Box<Scenario>),
    /// A run's folder, or a snapshot.
    Run(PathBuf),
}

#[derive(Resource, Clone)]
struct Request {
    subject: Subject,
    /// Each with its config.json.
    plugins: Vec<(PathBuf, Registered)>,
    threads: Option<Threads>,
    options: Options,
    out: Option<PathBuf>,
    input: Option<PathBuf>,
    profile: Option<PathBuf>,
    watch: Watch,
    has_signals: bool,
}

impl CorecPlugins {
    /// A built-in scenario, or a JSON file.
    pub fn scenario(name_or_file: impl Into<String>) -> Self {
        Self::of(Subject::Named(name_or_file.into()))
    }

    /// A scenario made in code.
    pub fn given(scenario: Scenario) -> Self {
        Self::of(Subject::Given(Box::new(scenario)))
    }

    /// A run that goes on: its folder, a snapshot of it, or a folder of snapshots. What the run was asked for goes on too. The app
    /// must be given the plugins that the run had, and no other: their settings are the run's, and no config.json is read again.
    pub fn restore(run: impl Into<PathBuf>) -> Self {
        Self::of(Subject::Run(run.into()))
    }

    fn of(subject: Subject) -> Self {
        Self(Request {
            subject,
            plugins: Vec::new(),
            threads: None,
            options: Options::default(),
            out: None,
            input: None,
            profile: None,
            watch: Watch::default(),
            has_signals: true,
        })
    }

    /// Adds a plugin with the settings of a config.json.
    ///
    /// Its systems keep to its `interval`, its `entities` become a group of blocks, and it comes in the order of its
    /// name: see [`plugin!`](corec_core::plugin!).
    #[must_use]
    pub fn plugin<P: NamedPlugin>(mut self, config: impl Into<PathBuf>) -> Self {
        self.0.plugins.push((config.into(), Registered::of::<P>()));
        self
    }

    /// The tick to stop at.
    #[must_use]
    pub fn ticks(mut self, ticks: u64) -> Self {
        self.0.options.ticks = Some(ticks);
        self
    }

    /// Worker threads; no result depends on it.
    #[must_use]
    pub fn threads(mut self, threads: Threads) -> Self {
        self.0.threads = Some(threads);
        self
    }

    /// How often a snapshot is made.
    #[must_use]
    pub fn snapshots(mut self, interval: SnapshotInterval) -> Self {
        self.0.options.snapshot_interval = Some(interval);
        self
    }

    /// The run's folder; the next `runs/NNNN` if it is not given.
    #[must_use]
    pub fn out(mut self, folder: impl Into<PathBuf>) -> Self {
        self.0.out = Some(folder.into());
        self
    }

    /// The table to replay.
    #[must_use]
    pub fn input(mut self, table: impl Into<PathBuf>) -> Self {
        self.0.input = Some(table.into());
        self
    }

    /// Where to write which thread ran what and when.
    #[must_use]
    pub fn profile(mut self, file: impl Into<PathBuf>) -> Self {
        self.0.profile = Some(file.into());
        self
    }

    /// Shows the run, as it goes, to whoever holds a clone of `watch`.
    #[must_use]
    pub fn watched_by(mut self, watch: Watch) -> Self {
        self.0.watch = watch;
        self
    }

    /// All else that a run may be asked for; what it names replaces what was asked before.
    #[must_use]
    pub fn options(mut self, options: Options) -> Self {
        self.0.options = options.or(self.0.options);
        self
    }

    /// Leaves signals to the program.
    #[must_use]
    pub fn without_signals(mut self) -> Self {
        self.0.has_signals = false;
        self
    }
}

impl Plugin for CorecPlugins {
    fn build(&self, app: &mut App) {
        app.add_plugins(CorecPlugin).insert_resource(self.0.clone()).set_runner(runner);
    }
}

fn runner(app: App) -> AppExit {
    match try_run(app, now()) {
        Ok(summary) => {
            print(&summary);
            match (summary.error, summary.interrupted_by) {
                (None, None) => AppExit::Success,
                (None, Some(signal)) => exit(RunError::Interrupted(signal).exit_code()),
                (Some(error), _) => fail(&RunError::Failed(error)),
            }
        }
        Err(error) => fail(&error),
    }
}

fn fail(error: &RunError) -> AppExit {
    // A terminal that is gone is no reason to panic.
    _ = writeln!(std::io::stderr(), "error: {error}");
    exit(error.exit_code())
}

fn exit(code: u8) -> AppExit {
    NonZeroU8::new(code).map_or(AppExit::Success, AppExit::Error)
}

/// The app has handed its main loop over, and its summary with it.
fn print(summary: &Summary) {
    _ = write!(std::io::stdout(), "{summary}");
}

fn try_run(mut app: App, started: Instant) -> Result<Summary, RunError> {
    let request = app.world_mut().remove_resource::<Request>().expect("inserted with the runner");
    let stop = match request.has_signals {
        true => Listener::start()?.stop().clone(),
        false => Stop::default(),
    };
    let lookup = |name: &str| std::env::var(name).ok();
    let (loaded, restore) = match request.subject {
        Subject::Named(name) => (find(&name, &lookup)?, None),
        Subject::Given(scenario) => (Loaded { scenario: *scenario, ..Loaded::default() }, None),
        Subject::Run(path) => {
            let found = Continuation::find(&path, request.options.journal.as_deref())?;
            (found.settings()?, Some(found))
        }
    };
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let recorded = restore.as_ref().and_then(|found| found.run.as_ref());
    let plugins = plugins_of(&request.plugins, recorded, &lookup)?;
    let mut scenario = loaded.scenario;
    scenario.threads = request.threads.unwrap_or(scenario.threads);
    if restore.is_none() {
        plugins.fits(&scenario)?;
    }
    plugins.add_to(&mut app, &mut scenario);
    let mut plan = RunPlan::new(scenario, started);
    (plan.scenario_given, plan.plugins, plan.restore) = (loaded.given, plugins.records(), restore);
    (plan.options, plan.out, plan.input) = (request.options, request.out, request.input);
    (plan.profile, plan.watch) = (request.profile, request.watch);
    run(app, plan, &stop, &mut |_| {})
}

/// The plugins of a new run as their files have them, those of a recorded one as it had them.
fn plugins_of(
    given: &[(PathBuf, Registered)],
    recorded: Option<&RecordedRun>,
    lookup: Lookup,
) -> Result<PluginSet, RunError> {
    let Some(recorded) = recorded else {
        let mut plugins = PluginSet::default();
        for (path, registered) in given {
            plugins.add(*registered, read(path, lookup)?)?;
        }
        return Ok(plugins);
    };
    let registry: Vec<Registered> = given.iter().map(|(_, registered)| *registered).collect();
    let plugins = recorded.plugins(&registry)?;
    match registry.iter().find(|registered| plugins.get(registered.name()).is_none()) {
        None => Ok(plugins),
        Some(other) => Err(RunError::Usage(format!(
            "plugin '{}': found in the program, and the run in {} had it not: a run goes on with the plugins that it had",
            other.name(),
            recorded.folder().display()
        ))),
    }
}
