//! Calls: threads outside the team bring work to its first member, and wait for it.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::Thread;

/// The calls that nobody serves yet, the oldest first.
#[derive(Default)]
pub(super) struct Calls {
    waiting: Mutex<VecDeque<Call>>,
    /// Their number, to look at without the lock.
    count: AtomicUsize,
}

/// Work on the stack of a thread that waits for it.
pub(super) struct Call {
    work: NonNull<dyn FnMut() + Send>,
    caller: Thread,
    is_done: Arc<AtomicBool>,
}

// SAFETY: the work is Send, and there until its caller is told that it is done.
unsafe impl Send for Call {}

impl Calls {
    /// Brings `work`, has its member woken, and waits for the result.
    ///
    /// # Panics
    /// If `work` does, with the same payload.
    pub fn call<R: Send>(&self, work: impl FnOnce() -> R + Send, wake: impl FnOnce()) -> R {
        let (mut work, mut result) = (Some(work), None);
        let mut serve = || result = work.take().map(|work| catch_unwind(AssertUnwindSafe(work)));
        let here: &mut (dyn FnMut() + Send) = &mut serve;
        let is_done = Arc::new(AtomicBool::new(false));
        // SAFETY: only the lifetime changes. This function returns, and does not unwind, before the work is done: nothing between
        // here and the end of the wait panics.
        let here: &mut (dyn FnMut() + Send + 'static) = unsafe { std::mem::transmute(here) };
        let call =
            Call { work: NonNull::from(here), caller: std::thread::current(), is_done: Arc::clone(&is_done) };
        {
            let mut waiting = self.lock();
            waiting.push_back(call);
            self.count.store(waiting.len(), Ordering::SeqCst);
        }
        wake();
        while !is_done.load(Ordering::Acquire) {
            std::thread::park();
        }
        match result.expect("it has been served") {
            Ok(result) => result,
            Err(payload) => resume_unwind(payload),
        }
    }

    /// Whether there is one.
    pub fn is_any(&self) -> bool {
        self.count.load(Ordering::SeqCst) > 0
    }

    /// Takes the oldest.
    pub fn take(&self) -> Option<Call> {
        let mut waiting = self.lock();
        let call = waiting.pop_front();
        self.count.store(waiting.len(), Ordering::SeqCst);
        call
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Call>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Call {
    /// Does the work, and tells its caller.
    pub fn serve(mut self) {
        // SAFETY: the caller waits, and nobody else has the call. The work catches its panics.
        let work = unsafe { self.work.as_mut() };
        work();
        self.is_done.store(true, Ordering::Release);
        self.caller.unpark();
    }
}
