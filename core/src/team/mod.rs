//! The team: the threads of a run, and how they share work without one system running on the stack of another.
//!
//! The members are the workers of one rayon pool. Before a worker looks for rayon's jobs it joins the team, and stays: what it does
//! when it is idle is the team's to say. Idle, it takes whole systems from the executor, items of work that a system offers
//! ([`for_each`]), and jobs of systems that use rayon by themselves. **Who waits inside a system takes nothing**: it waits for the
//! items of its own that others still have in hand. So a lock or a thread-local that a system holds around parallel work never
//! meets another system, at any number of threads. rayon's own waiting takes whatever job is there (rayon-rs/rayon#592); as no
//! system is ever a rayon job, it meets pieces of parallel work and never a system.

mod calls;
#[cfg(test)]
mod model;
mod offer;
mod sleepers;

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use calls::Calls;
pub(crate) use offer::Work;
use offer::{Offer, Offers};
use sleepers::Sleepers;

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

/// The threads of a run.
pub struct Team {
    shared: Arc<Shared>,
    pool: rayon::ThreadPool,
}

struct Shared {
    members: usize,
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
    helped: AtomicU64,
    /// Nanoseconds that members who had something to do waited for others.
    waited: AtomicU64,
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

impl Team {
    /// A team of so many threads, at least one.
    ///
    /// # Errors
    /// What the system says if it has no threads to give.
    pub fn new(threads: usize) -> Result<Self, rayon::ThreadPoolBuildError> {
        let members = threads.max(1);
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let shared = Arc::new(Shared {
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
        });
        let joins = Arc::clone(&shared);
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(members)
            .thread_name(|i| format!("corec-{i}"))
            .start_handler(move |number| Member { shared: Arc::clone(&joins), number }.stay())
            .build();
        match pool {
            Ok(pool) => Ok(Self { shared, pool }),
            Err(error) => {
                // Those that have started would stay.
                shared.end();
                Err(error)
            }
        }
    }

    /// Runs `work` on the team's first thread, always the same one, which the others help.
    ///
    /// # Panics
    /// If `work` does.
    pub fn enter<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        let is_here = with_member(|member| member.is_some_and(|m| Arc::ptr_eq(&m.shared, &self.shared)));
        if is_here {
            return work();
        }
        self.shared.calls.call(work, || self.shared.idle.wake(LEAD))
    }

    /// Threads.
    pub fn threads(&self) -> usize {
        self.pool.current_num_threads()
    }

    /// What tells how much its threads have worked at the same time.
    pub(crate) fn meter(&self) -> Meter {
        Meter { shared: Arc::clone(&self.shared), work: Worked::default() }
    }
}

/// Meters how much of the time in which one thread of a team works the others work too.
pub(crate) struct Meter {
    shared: Arc<Shared>,
    work: Worked,
}

/// Nanoseconds.
#[derive(Clone, Copy, Default)]
struct Worked {
    /// Of the clock on the wall.
    wall: u64,
    /// That members who had nothing to do worked for others.
    helped: u64,
    /// That members who had something to do waited for others.
    waited: u64,
}

impl Meter {
    /// Runs `work` on the lead, and meters it.
    pub fn meter<R>(&mut self, work: impl FnOnce() -> R) -> R {
        let read =
            |shared: &Shared| (shared.helped.load(Ordering::Relaxed), shared.waited.load(Ordering::Relaxed));
        let (start, before) = (now(), read(&self.shared));
        let result = work();
        let after = read(&self.shared);
        self.work.wall += start.elapsed().as_nanos() as u64;
        self.work.helped += after.0 - before.0;
        self.work.waited += after.1 - before.1;
        result
    }

    /// The share of the time in which all threads worked: 1 - (time in which the others waited for one) / time. None for one thread,
    /// or before anything was metered.
    pub fn parallel_share(&self) -> Option<f64> {
        let Worked { wall, helped, waited } = self.work;
        let others = (self.shared.members as u64 - 1) * wall;
        let idle = (others + waited).saturating_sub(helped);
        (others > 0).then(|| (1.0 - idle as f64 / others as f64).clamp(0.0, 1.0))
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        self.shared.end();
    }
}

fn with_member<R>(look: impl FnOnce(Option<&Member>) -> R) -> R {
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

impl Member {
    /// A worker's life: helps until the team is over.
    fn stay(self) {
        [&self.shared.idle, &self.shared.waiting].iter().for_each(|sleepers| sleepers.is_here(self.number));
        MEMBER.set(Some(self.clone()));
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

impl Shared {
    /// Lets all members go.
    fn end(&self) {
        self.is_over.store(true, Ordering::SeqCst);
        self.idle.wake_all();
    }

    fn add(&self, to: &AtomicU64, since: Instant) {
        to.fetch_add(now().duration_since(since).as_nanos() as u64, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    const THREADS: [usize; 5] = [1, 2, 3, 8, 16];

    #[test]
    fn every_item_is_met_once_and_all_are_done_at_the_end() {
        for threads in THREADS {
            let team = Team::new(threads).unwrap();
            for round in 0..200 {
                let mut met = vec![0u32; 100];
                team.enter(|| {
                    for_each(met.iter_mut(), |item| *item += 1);
                    assert!(met.iter().all(|count| *count == 1), "{threads} threads, round {round}");
                });
            }
        }
    }

    #[test]
    fn the_lead_is_always_the_same_thread() {
        let team = Team::new(4).unwrap();
        let here = || std::thread::current().name().map(str::to_string);
        for _ in 0..100 {
            assert_eq!(team.enter(here).as_deref(), Some("corec-0"));
        }
    }

    #[test]
    fn work_of_one_is_no_parallel_share_and_work_of_all_is() {
        let team = Team::new(2).unwrap();
        let pause = |ms| std::thread::sleep(Duration::from_millis(ms));
        let mut meter = team.meter();
        team.enter(|| meter.meter(|| pause(50)));
        assert!(meter.parallel_share().unwrap() < 0.1);
        let mut meter = team.meter();
        team.enter(|| meter.meter(|| for_each(0..20, |_| pause(5))));
        assert!(meter.parallel_share().unwrap() > 0.0, "the other helped");
        assert_eq!(Team::new(1).unwrap().meter().parallel_share(), None);
    }

    #[test]
    fn outside_a_team_all_items_run_here() {
        let here = std::thread::current().id();
        for_each(0..10, |_| assert_eq!(std::thread::current().id(), here));
    }

    #[test]
    fn a_panic_is_told_after_the_other_items_have_run() {
        let team = Team::new(3).unwrap();
        let met = AtomicUsize::new(0);
        let told = catch_unwind(AssertUnwindSafe(|| {
            team.enter(|| {
                for_each(0..50, |i| {
                    assert!(i != 7, "seven");
                    met.fetch_add(1, Ordering::SeqCst);
                });
            });
        }));
        assert_eq!(crate::blocks::panic_message(&*told.unwrap_err()), "seven");
        assert_eq!(met.load(Ordering::SeqCst), 49);
        assert_eq!(team.enter(|| 5), 5, "and the team goes on");
    }

    #[test]
    fn items_may_offer_items_and_use_rayon() {
        for threads in THREADS {
            let team = Team::new(threads).unwrap();
            let met = AtomicUsize::new(0);
            team.enter(|| {
                for_each(0..20, |_| {
                    for_each(0..20, |_| _ = met.fetch_add(1, Ordering::SeqCst));
                    let halves = rayon::join(|| (0..100u64).sum::<u64>(), || (100..200u64).sum::<u64>());
                    assert_eq!(halves.0 + halves.1, 19_900);
                });
            });
            assert_eq!(met.load(Ordering::SeqCst), 400);
        }
    }

    #[test]
    fn two_callers_of_one_team_are_both_served() {
        let team = Team::new(2).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let sum = AtomicU64::new(0);
                        team.enter(|| for_each(0..10u64, |i| _ = sum.fetch_add(i, Ordering::SeqCst)));
                        assert_eq!(sum.into_inner(), 45);
                    }
                });
            }
        });
    }

    #[test]
    fn a_team_that_is_dropped_ends_its_threads() {
        let ended = Arc::new(AtomicUsize::new(0));
        for _ in 0..20 {
            let team = Team::new(4).unwrap();
            let held = Arc::downgrade(&team.shared);
            team.enter(|| for_each(0..8, |_| {}));
            drop(team);
            let start = now();
            while held.strong_count() > 0 && start.elapsed() < Duration::from_secs(20) {
                std::thread::yield_now();
            }
            ended.fetch_add(usize::from(held.strong_count() == 0), Ordering::SeqCst);
        }
        assert_eq!(ended.load(Ordering::SeqCst), 20);
    }
}
