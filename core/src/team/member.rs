//! Members: each is a thread of a team, and helps others when it is idle, but never while it waits inside a system.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::calls::Calls;
use super::offer::{Offer, Offers, Work};
use super::sleepers::Sleepers;
use crate::trace::now;

/// The member that serves who enters: what belongs to one thread stays on it.
const LEAD: usize = 0;
/// Times that a member looks around before it sleeps: in a hurry, then letting others run. To be woken takes 20 to 30 us, which is as
/// much as a system of a million rows gains from the last of its threads.
const LOOKS: [u32; 2] = [200, 32];
/// As the second of [`LOOKS`], while a tick may be under way and each member has a processor: longer than what is on one thread between two
/// systems that are not.
const LOOKS_BETWEEN: u32 = 600;
/// How long an idle member sleeps before it looks for jobs of rayon's, which nobody wakes it for: at first, and at most.
const NAPS: [Duration; 2] = [Duration::from_micros(100), Duration::from_millis(10)];

/// What the members of a team have in common.
pub(super) struct Shared {
    pub members: usize,
    /// Looks around of a member that nothing else needs the processor of.
    looks_between: u32,
    offers: Offers,
    /// Who has nothing to do.
    idle: Sleepers,
    /// Who waits for others to leave an offer, and takes nothing.
    waiting: Sleepers,
    calls: Calls,
    /// Whether a call is being served.
    is_served: AtomicBool,
    is_over: AtomicBool,
    /// Nanoseconds that members worked for the one who was served.
    pub helped: AtomicU64,
    /// Nanoseconds that members who had something to do waited for others.
    pub waited: AtomicU64,
}

impl Shared {
    /// Of so many members.
    pub fn of(members: usize) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            members,
            looks_between: if members <= processors { LOOKS_BETWEEN } else { LOOKS[1] },
            offers: Offers::default(),
            idle: Sleepers::of(members),
            waiting: Sleepers::of(members),
            calls: Calls::default(),
            is_served: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            helped: AtomicU64::new(0),
            waited: AtomicU64::new(0),
        }
    }

    /// Has the lead run `work`, and waits for it.
    pub fn call_lead<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        self.calls.call(work, || self.idle.wake(LEAD))
    }

    /// Lets all members go.
    pub fn end(&self) {
        self.is_over.store(true, Ordering::SeqCst);
        self.idle.wake_all();
    }

    fn add(&self, to: &AtomicU64, since: Instant) {
        to.fetch_add(now().duration_since(since).as_nanos() as u64, Ordering::Relaxed);
    }
}

/// This thread, as a member of a team.
#[derive(Clone)]
pub(crate) struct Member {
    shared: Arc<Shared>,
    number: usize,
}

thread_local! {
    static MEMBER: RefCell<Option<Member>> = const { RefCell::new(None) };
}

pub(super) fn with_member<R>(look: impl FnOnce(Option<&Member>) -> R) -> R {
    MEMBER.with_borrow(|member| look(member.as_ref()))
}

/// This thread, if it is one of several of a team.
pub(crate) fn member() -> Option<Member> {
    with_member(|member| member.filter(|member| member.shared.members > 1).cloned())
}

/// This thread's number in its team; 0 outside one.
pub(crate) fn number() -> usize {
    with_member(|member| member.map_or(0, |member| member.number))
}

/// How many threads may take part in what this one does.
pub(crate) fn threads() -> usize {
    with_member(|member| member.map_or(1, |member| member.shared.members))
}

impl Member {
    /// A worker's life: helps until the team is over.
    pub(super) fn stay(shared: Arc<Shared>, number: usize) {
        let member = Self { shared, number };
        let shared = &*member.shared;
        [&shared.idle, &shared.waiting].iter().for_each(|sleepers| sleepers.is_here(number));
        MEMBER.set(Some(member.clone()));
        member.serve();
    }

    /// Whether it is one of that team.
    pub(super) fn is_of(&self, team: &Arc<Shared>) -> bool {
        Arc::ptr_eq(&self.shared, team)
    }

    fn serve(&self) {
        let shared = &*self.shared;
        while !shared.is_over.load(Ordering::SeqCst) {
            if self.number == LEAD
                && let Some(call) = shared.calls.take()
            {
                shared.is_served.store(true, Ordering::SeqCst);
                call.serve();
                shared.is_served.store(false, Ordering::SeqCst);
            }
            let is_called = || self.number == LEAD && shared.calls.is_any();
            self.help_until(|| is_called() || shared.is_over.load(Ordering::SeqCst));
        }
    }

    /// Shows `work` to the others while `lead` runs, and waits, taking nothing, until they have left it.
    pub fn share(&self, work: &dyn Work, lead: impl FnOnce()) {
        let offer = Offer::new(work, self.number);
        let withdrawn = Withdraw { member: self, offer: &offer };
        // SAFETY: `withdrawn` is dropped before the offer, also when `lead` unwinds, and waits until all have left it.
        unsafe { self.shared.offers.show(&offer) };
        self.call();
        lead();
        drop(withdrawn);
    }

    /// Tells a member that sleeps of work; it tells the next.
    pub fn call(&self) {
        self.shared.idle.wake_one();
    }

    /// Wakes this very member.
    pub fn wake(&self) {
        self.shared.idle.wake(self.number);
    }

    /// Takes whatever there is to do until `is_done`. Only for who is in no system.
    pub fn help_until(&self, is_done: impl Fn() -> bool) {
        let shared = &*self.shared;
        let (mut looks, mut nap) = (0, NAPS[0]);
        while !is_done() {
            if self.help() {
                (looks, nap) = (0, NAPS[0]);
                continue;
            }
            looks += 1;
            if looks < LOOKS[0] {
                std::hint::spin_loop();
            } else if looks < LOOKS[0] + shared.looks_between && shared.is_served.load(Ordering::SeqCst) {
                std::thread::yield_now();
            } else {
                let at_most = shared.is_served.load(Ordering::SeqCst).then_some(nap);
                shared.idle.sleep(self.number, at_most, || is_done() || shared.offers.is_any_ready());
                nap = (nap * 2).min(NAPS[1]);
            }
        }
    }

    /// Takes something to do, if there is anything.
    fn help(&self) -> bool {
        let shared = &*self.shared;
        let joined = || {
            // One calls the next: all are awake after as many steps as their number has digits.
            self.call();
            let start = now();
            // Before it is counted out: who waits for that reads the sum next.
            move || shared.add(&shared.helped, start)
        };
        if shared.offers.join(joined, |whose| shared.waiting.wake(whose)) {
            return true;
        }
        rayon::yield_now() == Some(rayon::Yield::Executed)
    }
}

/// Withdraws an offer, and waits until it is left.
struct Withdraw<'o, 'w> {
    member: &'o Member,
    offer: &'o Offer<'w>,
}

impl Drop for Withdraw<'_, '_> {
    fn drop(&mut self) {
        let Self { member, offer } = self;
        let shared = &*member.shared;
        shared.offers.withdraw(offer);
        if offer.is_left() {
            return;
        }
        let start = now();
        let mut looks = 0;
        while !offer.is_left() {
            looks += 1;
            if looks < LOOKS[0] {
                std::hint::spin_loop();
            } else if looks < LOOKS[0] + LOOKS[1] {
                std::thread::yield_now();
            } else {
                shared.waiting.sleep(member.number, None, || offer.is_left());
            }
        }
        shared.add(&shared.waited, start);
    }
}
