//! Offers: members of the team who have nothing else to do may take part in the work of another.
//!
//! Who offers work keeps it on its own stack, takes part in it, and withdraws it: from then on nobody joins, and it waits, doing
//! nothing else, until who has joined has left. Joining and withdrawing happen under one lock, so nobody meets an offer that is gone.

use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Something to do, bit by bit, by whoever comes.
pub(crate) trait Work: Sync {
    /// Whether there is a bit that nobody has taken. May be out of date.
    fn is_ready(&self) -> bool;

    /// Takes bits, one by one, until there is none to take. Must not unwind.
    fn work(&self);
}

/// Work that others may join, on the stack of the member that offers it.
pub(super) struct Offer<'w> {
    work: &'w dyn Work,
    /// Whose it is.
    member: usize,
    /// How many others take part.
    others: AtomicUsize,
}

impl<'w> Offer<'w> {
    pub fn new(work: &'w dyn Work, member: usize) -> Self {
        Self { work, member, others: AtomicUsize::new(0) }
    }

    /// Whether nobody else takes part.
    pub fn is_left(&self) -> bool {
        self.others.load(Ordering::SeqCst) == 0
    }
}

/// The offers that may be joined, the oldest first.
#[derive(Default)]
pub(super) struct Offers {
    list: Mutex<Vec<Shown>>,
    /// Its length, to look at without the lock.
    count: AtomicUsize,
}

/// An offer on another member's stack.
#[derive(PartialEq)]
struct Shown(NonNull<Offer<'static>>);

// SAFETY: an offer is Sync (its work is, by the trait), and is there until it has been withdrawn and left by all.
unsafe impl Send for Shown {}

impl Offers {
    /// Whether there may be something to take.
    pub fn is_any_ready(&self) -> bool {
        self.count.load(Ordering::SeqCst) > 0 && self.lock().iter().any(|shown| shown.is_ready())
    }

    /// Shows `offer` to the others.
    ///
    /// # Safety
    /// It stays where it is until [`Offers::withdraw`] has returned and [`Offer::is_left`].
    pub unsafe fn show(&self, offer: &Offer<'_>) {
        // The lifetime is the caller's to keep.
        let shown = Shown(NonNull::from(offer).cast());
        let mut list = self.lock();
        list.push(shown);
        self.count.store(list.len(), Ordering::SeqCst);
    }

    /// From now on nobody joins `offer`.
    pub fn withdraw(&self, offer: &Offer<'_>) {
        let shown = Shown(NonNull::from(offer).cast());
        let mut list = self.lock();
        list.retain(|other| *other != shown);
        self.count.store(list.len(), Ordering::SeqCst);
    }

    /// Takes part in the oldest offer that is ready, until there is nothing more to take. `joined` is called on the way in and gives what
    /// is called on the way out, `left` with whose it is if nobody else is left in it. Says whether there was one.
    pub fn join<W: FnOnce()>(&self, joined: impl FnOnce() -> W, left: impl FnOnce(usize)) -> bool {
        if self.count.load(Ordering::SeqCst) == 0 {
            return false;
        }
        let list = self.lock();
        let Some(shown) = list.iter().find(|shown| shown.is_ready()) else { return false };
        // SAFETY: it is on the list, so it has not been withdrawn; and it can't be while we hold the lock. Counted in, it stays
        // until we are counted out.
        let offer = unsafe { shown.0.as_ref() };
        offer.others.fetch_add(1, Ordering::SeqCst);
        drop(list);
        let leaving = joined();
        offer.work.work();
        leaving();
        let member = offer.member;
        // What has been done is the offerer's to see. The offer may be gone as soon as this is done.
        if offer.others.fetch_sub(1, Ordering::SeqCst) == 1 {
            left(member);
        }
        true
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Shown>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shown {
    /// Only for who holds the list's lock.
    fn is_ready(&self) -> bool {
        // SAFETY: it is on the list, so it is there.
        unsafe { self.0.as_ref() }.work.is_ready()
    }
}
