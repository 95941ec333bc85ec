//! Origin: what a run comes from: nothing, or a run that has been, or its snapshot alone.

use std::path::{Path, PathBuf};

use corec_bridges::store;
use corec_core::config::{Scenario, redact_url};
use corec_core::section::Section;
use corec_core::snapshot::Snapshot;
use corec_core::stop::Stop;
use corec_core::store::RunRecord;
use corec_core::units::RunId;
use corec_telemetry::feed::Feed;
use corec_telemetry::settings::Telemetry;
use corec_telemetry::source::is_pipe;

use crate::JOURNAL;
use crate::error::RunError;
use crate::folder::RunFolder;
use crate::input::{open_table, recorded_table};
use crate::journal::Recording;
use crate::manifest::Manifest;
use crate::options::{Options, absolute, new_id};
use crate::plan::RunPlan;
use crate::recorded::{Continuation, RecordedRun};

/// What a run comes from: nothing, or a run that has been, or its snapshot alone.
pub(crate) struct Origin {
    run: Option<RecordedRun>,
    pub snapshot: Option<Snapshot>,
    /// Which run it is: the one that goes on in its own folder, or a new one.
    pub id: RunId,
    /// Whether the run goes on in its own folder; else it begins in another.
    is_in_place: bool,
    /// That folder, until the run takes it.
    held: Option<RunFolder>,
    /// The journal of `run`.
    journal: Option<PathBuf>,
    /// The table.
    pub input: Option<PathBuf>,
}

impl Origin {
    /// Looks at what the plan goes on from, and takes its folder.
    pub fn of(plan: &mut RunPlan) -> Result<Self, RunError> {
        let Continuation { run, snapshot } =
            plan.restore.take().unwrap_or(Continuation { run: None, snapshot: None });
        let in_place = run.as_ref().filter(|_| plan.out.is_none());
        let held = in_place.map(|run| RunFolder::go_on_in(run.folder().into())).transpose()?;
        if let (Some(run), Some(held)) = (in_place, &held) {
            if Manifest::read(run.folder()).ok().as_ref() != Some(run.manifest()) {
                let (shown, who) = (run.folder().display(), held.had_before());
                return Err(RunError::Usage(format!(
                    "--restore: {shown} was gone on with by {who} just now: try again"
                )));
            }
            check_copy(run, &plan.options, &plan.scenario)?;
        }
        if let (Some(run), None) = (&run, &snapshot) {
            let shown = run.folder().display();
            tracing::warn!(
                "{shown}: found no whole snapshot; the run begins again, with what its journal has"
            );
        }
        let has_input = plan.scenario.has_section(Telemetry::NAME) || plan.scenario.input_stream.is_some();
        if run.is_none() && snapshot.is_some() && has_input {
            let message = "--restore: the run of this snapshot is not here, and its journal has the run's inputs: name its folder";
            return Err(RunError::Usage(message.into()));
        }
        let restored_at = snapshot.as_ref().map(|snapshot| snapshot.head().tick);
        if let (Some(ticks), Some(tick)) = (plan.options.ticks, restored_at)
            && ticks < tick
        {
            return Err(RunError::Usage(format!(
                "--ticks: found {ticks}, must be at least {tick}, the tick of the snapshot that the run goes on from"
            )));
        }
        let input = match &run {
            Some(run) if !plan.is_input_recorded => run.input(plan.input.as_deref())?,
            _ => plan.input.take(),
        };
        // A run that goes on may have had its journal moved; one that begins elsewhere has another.
        let moved = plan.options.journal.clone().filter(|_| held.is_some());
        let journal = run.as_ref().map(|run| moved.unwrap_or_else(|| run.journal()));
        let id = run.as_ref().filter(|_| held.is_some()).and_then(|run| run.manifest().id);
        let id = id.map_or_else(new_id, Ok)?;
        Ok(Self { id, is_in_place: held.is_some(), run, snapshot, held, journal, input })
    }

    /// The run that goes on in its own folder.
    pub fn goes_on(&self) -> Option<&RecordedRun> {
        self.run.as_ref().filter(|_| self.is_in_place)
    }

    pub fn restored_at(&self) -> Option<u64> {
        self.snapshot.as_ref().map(|snapshot| snapshot.head().tick)
    }

    /// What was asked for, then what the run was asked for: all of it in its folder, without its places elsewhere.
    pub fn options(&self, plan: &RunPlan) -> Options {
        let recorded = self.run.as_ref().map(RecordedRun::options).unwrap_or_default();
        let recorded = if self.is_in_place { recorded } else { recorded.without_places() };
        plan.options.clone().or(recorded)
    }

    /// The last record of the run's journal that this run takes along: all of them in its own folder, and where there is no
    /// state to go on from, or what came can't come again; else those that the state has taken in.
    fn taken_along(&self) -> u64 {
        let takes_all =
            self.is_in_place || self.snapshot.is_none() || self.input.as_deref().is_some_and(is_pipe);
        if takes_all { u64::MAX } else { self.sequence() }
    }

    /// The last record that the state has taken in.
    fn sequence(&self) -> u64 {
        self.snapshot.as_ref().map_or(0, |snapshot| snapshot.head().journal_sequence)
    }

    /// The run's table, after the rows that were taken.
    pub fn table(
        &self,
        plan: &mut RunPlan,
        options: &Options,
        stop: &Stop,
    ) -> Result<Option<Feed>, RunError> {
        let journal = self.journal.as_deref().filter(|journal| journal.is_dir());
        if let (true, Some(journal)) = (plan.is_input_recorded, journal) {
            return recorded_table(journal);
        }
        let (input, windows) = (self.input.as_deref(), options.windows.as_deref());
        let whose = (self.id, options.connect_timeout());
        let mut table = open_table(&mut plan.scenario, input, windows, journal, whose, stop)?;
        if let (Some(table), Some(journal)) = (&mut table, journal) {
            table.catch_up(journal, self.taken_along(), plan.input_changed).map_err(RunError::Usage)?;
        }
        match (&options.ack, &table) {
            (Some(_), None) => Err(RunError::Usage("--ack: needs a table: --input FILE".into())),
            (Some(_), Some(table)) if table.is_read() && !table.has_sequence() => Err(RunError::Usage(
                "--ack: the table has no column 'sequence', must have one that numbers its rows".into(),
            )),
            _ => Ok(table),
        }
    }

    /// A manifest with all that is known before the run has a folder.
    pub fn manifest(&self, plan: &mut RunPlan, record: &RunRecord) -> Manifest {
        let given = std::mem::take(&mut plan.scenario_given);
        let mut manifest = Manifest::new(&plan.scenario, given, &record.settings);
        manifest.plugins = std::mem::take(&mut plan.plugins);
        manifest.restored_from = self.snapshot.as_ref().map(|snapshot| snapshot.path().to_path_buf());
        if let Some(run) = self.goes_on() {
            // What is known of it stays known, should this process be killed.
            let known = run.manifest();
            (manifest.tick, manifest.digest, manifest.digest_count) =
                (known.tick, known.digest.clone(), known.digest_count);
        }
        manifest
    }

    /// The folder: the run's own, or a new one.
    pub fn folder(&mut self, out: Option<PathBuf>) -> Result<RunFolder, RunError> {
        self.held.take().map_or_else(|| RunFolder::make(out), Ok)
    }

    pub fn recording(&self, options: &Options, out: &Path) -> Recording {
        let is_there = self.journal.as_deref().is_some_and(Path::is_dir);
        Recording {
            run: self.id,
            folder: options.journal.clone().unwrap_or_else(|| out.join(JOURNAL)),
            is_own: options.journal.is_none(),
            // What a plugin was told is an input too.
            may_have_input: self.run.as_ref().is_some_and(|run| !run.manifest().plugins.is_empty()),
            source: self.journal.clone(),
            is_source_there: is_there,
            copied_to: self.taken_along(),
            sequence: self.sequence(),
            sync: options.journal_sync.unwrap_or(false),
        }
    }
}

/// A copy of a run whose original is there still may not write to what both have.
fn check_copy(run: &RecordedRun, given: &Options, scenario: &Scenario) -> Result<(), RunError> {
    let Some(original) = run.original() else { return Ok(()) };
    let recorded = &run.manifest().options;
    let is_apart = |path: &Option<PathBuf>| path.as_ref().is_some_and(|path| path.is_absolute());
    let is_same = |given: &Option<PathBuf>, recorded: &Option<PathBuf>| {
        given.as_ref().is_none_or(|given| Some(absolute(given)) == *recorded)
    };
    let store = match store::parse(&scenario.store) {
        Ok(store::StoreUrl::Sqlite(path)) => path.is_absolute() && scenario.store == run.scenario().store,
        // A manifest has no passwords.
        Ok(store::StoreUrl::Postgres(url)) => redact_url(url) == redact_url(&run.scenario().store),
        _ => false,
    };
    let shared = [
        ("--store", store),
        ("--journal", is_same(&given.journal, &recorded.journal) && is_apart(&recorded.journal)),
        ("--snapshot", is_same(&given.snapshot, &recorded.snapshot) && is_apart(&recorded.snapshot)),
        ("--ack", is_same(&given.ack, &recorded.ack) && is_apart(&recorded.ack)),
    ];
    match shared.iter().find(|(_, is_shared)| *is_shared) {
        None => Ok(()),
        Some((option, _)) => Err(RunError::Usage(format!(
            "--restore: {} is a copy of {}, which is there still and has the same {option}, must have one of its own: \
             give another {option}, or --out NEW_FOLDER to go on as a run of its own",
            run.folder().display(),
            original.display()
        ))),
    }
}
