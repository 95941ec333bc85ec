//! Watch: where the pictures of a run are shown, and where a watcher says what it would like.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use corec_core::block::BlockId;

use super::picture::View;
use super::rows::ROWS_OF_MAX;
use crate::clock::now;

/// How long the rows of a block are in every picture after somebody has asked for them.
const WANTED_FOR: Duration = Duration::from_secs(5);
/// Pauses that wait for the next tick at most.
const WISHES_MAX: usize = 64;

/// Where the pictures of a run are shown. A clone of it watches.
///
/// ```
/// use corec_run::{CorecPlugin, Options, RunPlan, Stop, run, scenarios};
/// let mut scenario = scenarios::find("ecosystem", &|_| None)?.scenario;
/// scenarios::scale(&mut scenario, 1000)?;
/// scenario.store = "memory".into();
/// # #[expect(clippy::disallowed_methods)]
/// let mut plan = RunPlan::new(scenario, std::time::Instant::now());
/// # let folder = tempfile::tempdir()?;
/// # plan.out = Some(folder.path().join("run"));
/// plan.options = Options { ticks: Some(20), ..Options::default() };
/// let watch = plan.watch.clone();
/// let mut app = bevy_app::App::new();
/// app.add_plugins(CorecPlugin);
/// run(app, plan, &Stop::default(), &mut |_| {})?;
/// assert_eq!((watch.view().tick, watch.view().entities), (20, 1000));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Watch(Arc<Screen>);

#[derive(Debug, Default)]
struct Screen {
    view: Mutex<Arc<View>>,
    /// Whether somebody has looked since the last picture was made: a new one is wanted.
    is_looked_at: AtomicBool,
    is_open: AtomicBool,
    has_wishes: AtomicBool,
    wanted: Mutex<Vec<(BlockId, Instant)>>,
    wishes: Mutex<Vec<(String, bool)>>,
}

impl Watch {
    /// The newest picture; an empty one at first. Who looks is shown another within a tick, or a tenth of a second: none is made that
    /// nobody has asked for, but for the last one of a run.
    pub fn view(&self) -> Arc<View> {
        self.0.is_looked_at.store(true, Ordering::Relaxed);
        Arc::clone(&lock(&self.0.view))
    }

    /// Before the run starts: it keeps what a watcher wants to know later (which alerts are up), and does what one asks for.
    pub fn open(&self) {
        self.0.is_open.store(true, Ordering::Relaxed);
    }

    /// Asks for the rows of a block: they are in the next pictures, for some seconds. Refused where too many blocks are asked for.
    pub fn want_rows(&self, block: BlockId) -> bool {
        let (now, mut wanted) = (now(), lock(&self.0.wanted));
        wanted.retain(|(other, since)| *other != block && now - *since < WANTED_FOR);
        if wanted.len() == ROWS_OF_MAX {
            return false;
        }
        wanted.push((block, now));
        true
    }

    /// Asks that a plugin be paused, or go on, before the next tick. Refused where too many wishes wait.
    pub fn wish(&self, plugin: &str, is_paused: bool) -> bool {
        let mut wishes = lock(&self.0.wishes);
        if wishes.len() == WISHES_MAX {
            return false;
        }
        wishes.push((plugin.into(), is_paused));
        self.0.has_wishes.store(true, Ordering::Release);
        true
    }

    /// Whether somebody has looked since it was last asked.
    pub(crate) fn is_looked_at(&self) -> bool {
        self.0.is_looked_at.swap(false, Ordering::Relaxed)
    }

    pub(crate) fn is_open(&self) -> bool {
        self.0.is_open.load(Ordering::Relaxed)
    }

    /// The blocks whose rows somebody wants.
    pub(crate) fn wanted(&self) -> Vec<BlockId> {
        let (now, mut wanted) = (now(), lock(&self.0.wanted));
        wanted.retain(|(_, since)| now - *since < WANTED_FOR);
        wanted.iter().map(|(block, _)| *block).collect()
    }

    /// What was asked for since the last call.
    pub(crate) fn take_wishes(&self) -> Vec<(String, bool)> {
        if !self.0.has_wishes.load(Ordering::Acquire) {
            return Vec::new();
        }
        let mut wishes = lock(&self.0.wishes);
        self.0.has_wishes.store(false, Ordering::Release);
        std::mem::take(&mut wishes)
    }

    pub(crate) fn show(&self, view: View) {
        *lock(&self.0.view) = Arc::new(view);
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
