//! The team: has the threads of a run, which share work without one system running on the stack of another.
//!
//! The members are the workers of one rayon pool. Before a worker looks for rayon's jobs it joins the team, and stays: what it does
//! when it is idle is the team's to say. Idle, it takes whole systems from the executor, items of work that a system offers
//! ([`for_each`]), and jobs of systems that use rayon by themselves. **Who waits inside a system takes nothing**: it waits for the
//! items of its own that others still have in hand. So a lock or a thread-local that a system holds around parallel work never
//! meets another system, at any number of threads. rayon's own waiting takes whatever job is there (rayon-rs/rayon#592); as no
//! system is ever a rayon job, it meets pieces of parallel work and never a system.

#[expect(unsafe_code, reason = "runs the work of a thread that waits for it, from that thread's stack")]
mod calls;
#[cfg(test)]
mod model;
#[expect(unsafe_code, reason = "others take part in work that is on one thread's stack")]
mod offer;
mod sleepers;

#[expect(unsafe_code, reason = "offers work that is on its own stack, and withdraws it before it leaves")]
mod member;

mod items;
mod meter;

use std::sync::Arc;

pub use items::for_each;
pub(crate) use member::{Member, member, number, threads};
pub(crate) use meter::Meter;
pub(crate) use offer::Work;

use member::{Shared, with_member};

/// The threads of a run.
pub struct Team {
    shared: Arc<Shared>,
    pool: rayon::ThreadPool,
}

impl Team {
    /// A team of so many threads, at least one.
    ///
    /// # Errors
    /// What the system says if it has no threads to give.
    pub fn new(threads: usize) -> Result<Self, rayon::ThreadPoolBuildError> {
        let members = threads.max(1);
        let shared = Arc::new(Shared::of(members));
        let joins = Arc::clone(&shared);
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(members)
            .thread_name(|i| format!("corec-{i}"))
            .start_handler(move |number| Member::stay(Arc::clone(&joins), number))
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
        let is_here = with_member(|member| member.is_some_and(|m| m.is_of(&self.shared)));
        if is_here {
            return work();
        }
        self.shared.call_lead(work)
    }

    /// Threads.
    pub fn threads(&self) -> usize {
        self.pool.current_num_threads()
    }

    /// What tells how much its threads have worked at the same time.
    pub(crate) fn meter(&self) -> Meter {
        Meter::of(Arc::clone(&self.shared))
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        self.shared.end();
    }
}

#[cfg(test)]
mod tests;
