//! Items: whoever of the team is ready for the next takes one, until none is left.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::member::member;
use super::offer::Work;

/// Calls `f` for every item, on this thread and those of its team that have nothing to do. Items are taken from `items` one by
/// one, by whoever is ready for the next; which thread gets which is not fixed, so a result may not depend on it. This thread
/// waits for the last, and takes nothing else meanwhile. Outside a team all run here.
///
/// # Panics
/// If `f` panics for an item: after the others have run, with what it said.
pub fn for_each<I>(items: I, f: impl Fn(I::Item) + Sync)
where
    I: Iterator + Send,
    I::Item: Send,
{
    let Some(member) = member() else { return items.for_each(f) };
    let work =
        Items { items: Mutex::new(items), is_empty: AtomicBool::new(false), panic: Mutex::new(None), f };
    member.share(&work, || work.work());
    if let Some(payload) = work.panic.into_inner().unwrap_or_else(PoisonError::into_inner) {
        resume_unwind(payload);
    }
}

struct Items<I, F> {
    items: Mutex<I>,
    is_empty: AtomicBool,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    f: F,
}

impl<I: Iterator + Send, F: Fn(I::Item) + Sync> Work for Items<I, F> {
    fn is_ready(&self) -> bool {
        !self.is_empty.load(Ordering::Relaxed)
    }

    fn work(&self) {
        loop {
            let run = || {
                let item = self.items.lock().unwrap_or_else(PoisonError::into_inner).next();
                item.map(&self.f).is_some()
            };
            match catch_unwind(AssertUnwindSafe(run)) {
                Ok(true) => {}
                Ok(false) => return self.is_empty.store(true, Ordering::Relaxed),
                Err(payload) => {
                    let mut first = self.panic.lock().unwrap_or_else(PoisonError::into_inner);
                    first.get_or_insert(payload);
                }
            }
        }
    }
}
