//! A round is one experiment: a server, a run that is fed from it, a fault at a seeded time, a healed phase, and the checks.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::applied::Applied;
use crate::checks;
use crate::draws::Draws;
use crate::engine::{Engine, PATIENCE, Setup};
use crate::faults::{Fault, Needs};
use crate::process::{now, sleep_ms};
use crate::small_clock::Clock;
use crate::support::postgres::Postgres;
use crate::support::proxy::Proxy;
use crate::support::redis::{Appendonly, Options, Redis};
use crate::verdict::{Trouble, Verdict, ensure, wrong};
use crate::writer::{Pace, Writer};

/// Records that are applied before the fault and after it, at least.
const RECORDS: usize = 10;
/// How often it is looked whether something has come to be, milliseconds: what a recovery's time is exact to.
const LOOK_MS: u64 = 10;

/// What a fault may take from the server, which must then be told.
#[derive(Clone, Copy, Default)]
pub struct MayLose {
    pub inputs: bool,
    pub outputs: bool,
    /// Whether nobody but the writer can know which records are gone: those at the end of a stream that the run had not seen yet.
    pub untold_inputs: bool,
    /// Whether the run was killed meanwhile: a process that goes on with it does not know which outputs the server had.
    pub untold_outputs: bool,
}

/// A database of the round's own.
pub struct Database<'w> {
    pub server: &'w mut Postgres,
    pub name: String,
}

/// One experiment. What is first is ended first.
pub struct Round<'w> {
    pub draws: Draws,
    /// Whether it is of the short mix.
    pub is_few: bool,
    pub engine: Engine,
    pub writer: Writer,
    pub proxy: Option<Proxy>,
    pub redis: Redis,
    pub database: Option<Database<'w>>,
    pub setup: Setup,
    /// Clocks of the engine and of the server that can be set.
    pub clocks: Option<[Clock; 2]>,
    /// Seconds from the end of each fault until the run was as far as it would have been.
    pub recoveries: Vec<f64>,
    pub may_lose: MayLose,
    /// How often the run has ended by itself and was started again; none where it may not.
    pub ends: Option<u64>,
    /// What was found, beside what was drawn.
    pub notes: String,
    pub temporary: TempDir,
}

/// What is known of a round when it is over.
pub struct Played {
    pub verdict: Verdict,
    pub told: String,
    pub recoveries: Vec<f64>,
}

/// Plays the round of `seed`.
pub fn play(
    fault: &Fault,
    seed: u64,
    is_few: bool,
    folder: TempDir,
    postgres: Option<&mut Postgres>,
) -> Played {
    match Round::begin(fault, seed, is_few, folder, postgres) {
        Err((verdict, told)) => Played { verdict: Err(verdict), told, recoveries: Vec::new() },
        Ok(mut round) => {
            let verdict = round.play(fault);
            let told = format!("{}{}", round.draws.choices(), round.notes);
            let recoveries = std::mem::take(&mut round.recoveries);
            Played { verdict, told, recoveries }
        }
    }
}

impl<'w> Round<'w> {
    fn begin(
        fault: &Fault,
        seed: u64,
        is_few: bool,
        temporary: TempDir,
        postgres: Option<&'w mut Postgres>,
    ) -> Result<Self, (Trouble, String)> {
        let mut draws = Draws::new(seed);
        let Needs { has_database, has_proxy, is_forgetful, has_clocks } = fault.needs;
        let setup = Setup::draw(&mut draws, has_database);
        let skip = |draws: &Draws, why: &str| (Trouble::Skipped(why.into()), draws.choices().to_string());
        let clocks = match has_clocks {
            true => {
                Some(Clock::pair(temporary.path()).ok_or_else(|| skip(&draws, "no C compiler (cc) here"))?)
            }
            false => None,
        };
        let appendonly = match setup.appendonly {
            _ if is_forgetful => Appendonly::No,
            "always" => Appendonly::Always,
            _ => Appendonly::EverySecond,
        };
        let environment = clocks.as_ref().map(|[_, server]| server.environment()).unwrap_or_default();
        let redis = Redis::start(Options { appendonly, environment, ..Options::default() })
            .ok_or_else(|| skip(&draws, "no redis-server here"))?;
        let database = match (has_database, postgres) {
            (true, None) => return Err(skip(&draws, "no PostgreSQL server here")),
            (true, Some(server)) => {
                let name = format!("round_{seed:x}");
                server.sql(&format!("DROP DATABASE IF EXISTS {name}"));
                server.sql(&format!("CREATE DATABASE {name}"));
                Some(Database { server, name })
            }
            _ => None,
        };
        let proxy = has_proxy.then(|| Proxy::start(redis.port()));
        let bus = redis.url_at(proxy.as_ref().map_or(redis.port(), Proxy::port));
        let store = database
            .as_ref()
            .map(|d| d.server.url_of("postgres", crate::support::postgres::PASSWORD, &d.name));
        let out = temporary.path().join("round").join("run");
        let mut engine = Engine::new(temporary.path(), &out, &setup, bus, store);
        engine.environment = clocks.as_ref().map(|[engine, _]| engine.environment()).unwrap_or_default();
        let pace = Pace {
            port: redis.port(),
            entities: setup.entities,
            lot: draws.pick("lot", &[1, 4, 30]),
            pause_ms: draws.pick("pause_ms", &[2, 8, 120]),
            seed,
        };
        engine.start();
        Ok(Self {
            writer: Writer::start(pace),
            draws,
            is_few,
            engine,
            proxy,
            redis,
            database,
            setup,
            clocks,
            recoveries: Vec::new(),
            may_lose: MayLose::default(),
            ends: None,
            notes: String::new(),
            temporary,
        })
    }

    fn play(&mut self, fault: &Fault) -> Verdict {
        self.wait("the first records", |round| Ok(round.applied()?.numbers.len() >= RECORDS))?;
        let before_ms = self.draws.number("after_ms", 0..=700);
        sleep_ms(before_ms);
        (fault.hurt)(self)?;
        let enough = self.writer.count() + RECORDS;
        self.wait("new records", |round| Ok(round.writer.count() >= enough))?;
        self.writer.stop();
        self.wait_for_all()?;
        let mut summary = self.engine.end()?;
        // What a slow server could not take in time is on disk, for a process that goes on.
        for _ in 0..20 {
            if ["bus", "store"].iter().all(|lane| summary["lanes"][lane]["spooled"] == 0) {
                break;
            }
            self.engine.start();
            sleep_ms(2000);
            summary = self.engine.end()?;
        }
        checks::check(self, &summary)
    }

    /// The journal's folder.
    pub fn journal(&self) -> PathBuf {
        self.engine.run().join("journal")
    }

    /// What is applied by now.
    ///
    /// # Errors
    /// A journal that can't be read.
    pub fn applied(&self) -> Verdict<Applied> {
        Applied::read(&self.journal(), self.setup.entities).map_err(wrong)
    }

    /// Waits until `is_so`.
    ///
    /// # Errors
    /// An engine that ends meanwhile; what does not come to be in time.
    pub fn wait(&mut self, what: &str, mut is_so: impl FnMut(&mut Self) -> Verdict<bool>) -> Verdict {
        let begin = now();
        loop {
            self.supervise()?;
            if is_so(self)? {
                return Ok(());
            }
            ensure(begin.elapsed() < PATIENCE, || {
                let applied = self.applied().map(|applied| applied.numbers.len()).unwrap_or(0);
                let acknowledged = self.writer.count();
                format!("starves: {what} not within {PATIENCE:?}: {applied} of {acknowledged} applied")
            })?;
            sleep_ms(LOOK_MS);
        }
    }

    /// Looks whether the run goes on. Where it may end by itself, it is started again.
    ///
    /// # Errors
    /// A run that has ended and may not.
    pub fn supervise(&mut self) -> Verdict {
        let Some(ends) = &mut self.ends else { return self.engine.check() };
        if self.engine.take_ended()?.is_some() {
            *ends += 1;
            self.engine.start();
        }
        Ok(())
    }

    /// The fault is over: waits until a record that was acknowledged since is applied.
    ///
    /// # Errors
    /// See [`Self::wait`].
    pub fn recover(&mut self, since: Instant) -> Verdict {
        self.wait("a new record", |round| {
            let first = {
                let ledger = round.writer.ledger();
                let at = ledger.acknowledged.partition_point(|(_, at)| *at < since);
                ledger.acknowledged.get(at).map(|(number, _)| *number)
            };
            first.map_or(Ok(false), |first| Ok(round.applied()?.has(first)))
        })?;
        self.recoveries.push(since.elapsed().as_secs_f64());
        Ok(())
    }

    /// All that is acknowledged, or where some of it may be gone the last of it, is applied.
    fn wait_for_all(&mut self) -> Verdict {
        let last = self.writer.ledger().acknowledged.last().map(|(number, _)| *number);
        let bad = self.writer.ledger().bad;
        self.wait("the last record", |round| {
            let applied = round.applied()?;
            Ok(last.is_none_or(|last| applied.has(last)) && applied.bad >= bad)
        })
    }

    /// How often the fault happens in this round.
    pub fn times(&mut self) -> u64 {
        let most = if self.is_few { 2 } else { 3 };
        self.draws.number("times", 1..=most)
    }

    /// Kills the server. One that syncs every second holds writes back while its disk is busy, so that some of what it has acknowledged
    /// may be in its memory alone; one that syncs always has all of it.
    pub fn kill_server(&mut self) {
        if self.setup.appendonly == "everysec" {
            self.may_lose =
                MayLose { inputs: true, outputs: true, untold_inputs: true, untold_outputs: true };
        }
        self.redis.kill();
    }

    /// Where files of the round are.
    pub fn folder(&self) -> &Path {
        self.temporary.path()
    }

    /// Draws a time, and lets it pass.
    pub fn pass(&mut self, name: &str, ms: std::ops::RangeInclusive<u64>) -> Duration {
        let ms = self.draws.number(name, ms);
        sleep_ms(ms);
        Duration::from_millis(ms)
    }
}
