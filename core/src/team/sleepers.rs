//! Sleepers: members of a team sleep when they have nothing to do, and others wake them.
//!
//! No wake is lost: who goes to sleep is on the list before it looks for work a last time, and who brings work makes it visible
//! before it looks at the list. Both are sequentially consistent, so at least one of them sees the other.

use std::sync::atomic::{AtomicUsize, Ordering, fence};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::Thread;
use std::time::Duration;

pub(super) struct Sleepers {
    /// Members by number, the last to fall asleep last: its caches are the warmest.
    list: Mutex<Vec<usize>>,
    /// Its length.
    count: AtomicUsize,
    threads: Box<[OnceLock<Thread>]>,
}

impl Sleepers {
    pub fn of(members: usize) -> Self {
        let list = Mutex::new(Vec::with_capacity(members));
        Self { list, count: AtomicUsize::new(0), threads: (0..members).map(|_| OnceLock::new()).collect() }
    }

    /// Tells which thread a member is: the current one.
    pub fn is_here(&self, member: usize) {
        self.threads[member].get_or_init(std::thread::current);
    }

    /// Sleeps until it is woken or `at_most` has passed; not at all if there `is_work`.
    pub fn sleep(&self, member: usize, at_most: Option<Duration>, is_work: impl Fn() -> bool) {
        self.change(|list| list.push(member));
        fence(Ordering::SeqCst);
        if !is_work() {
            match at_most {
                Some(duration) => std::thread::park_timeout(duration),
                None => {
                    std::thread::park();
                    // A token that somebody left for this thread is no wake.
                    while self.lock().contains(&member) {
                        std::thread::park();
                    }
                }
            }
        }
        if self.lock().contains(&member) {
            self.change(|list| list.retain(|other| *other != member));
        }
    }

    /// Wakes any one who sleeps.
    pub fn wake_one(&self) {
        fence(Ordering::SeqCst);
        if self.count.load(Ordering::SeqCst) > 0
            && let Some(member) = self.change(Vec::pop)
        {
            self.unpark(member);
        }
    }

    /// Wakes `member` if it sleeps.
    pub fn wake(&self, member: usize) {
        fence(Ordering::SeqCst);
        if self.count.load(Ordering::SeqCst) == 0 {
            return;
        }
        let found =
            |list: &mut Vec<usize>| list.iter().position(|other| *other == member).map(|at| list.remove(at));
        if self.change(found).is_some() {
            self.unpark(member);
        }
    }

    /// Wakes all.
    pub fn wake_all(&self) {
        fence(Ordering::SeqCst);
        while let Some(member) = self.change(Vec::pop) {
            self.unpark(member);
        }
    }

    fn unpark(&self, member: usize) {
        if let Some(thread) = self.threads[member].get() {
            thread.unpark();
        }
    }

    fn change<R>(&self, change: impl FnOnce(&mut Vec<usize>) -> R) -> R {
        let mut list = self.lock();
        let result = change(&mut list);
        self.count.store(list.len(), Ordering::SeqCst);
        result
    }

    fn lock(&self) -> MutexGuard<'_, Vec<usize>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
