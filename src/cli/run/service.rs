//! Service: tells systemd, where it has started the program, that the run has begun, that it goes on, and that it is ending.
//!
//! It watches as everyone does: a run whose ticks and waits come round is alive, one that hangs in a tick falls silent and is started anew.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use corec_run::{Stop, Watch};
use sd_notify::NotifyState;

/// How often it looks, unless the unit's watchdog wants to hear more often.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Starting and ending may take as long as they take: each look asks for so much more time.
const MORE_TIME: u32 = 30_000_000;
/// But not for ever: what hangs there is to be started anew too.
const STARTS_WITHIN: Duration = Duration::from_secs(600);
const ENDS_WITHIN: Duration = Duration::from_secs(120);

/// Tells, until it is dropped.
pub(super) struct Service {
    over: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Service {
    /// None where no service manager asked for it.
    pub fn start(watch: &Watch, stop: &Stop) -> Option<Self> {
        std::env::var_os("NOTIFY_SOCKET")?;
        let (over, is_over) = channel();
        let (watch, stop) = (watch.clone(), stop.clone());
        let tell = move || tell(&watch, &stop, &is_over);
        let thread = thread::Builder::new().name("corec-service".into()).spawn(tell).ok();
        Some(Self { over: Some(over), thread })
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.over.take();
        if let Some(thread) = self.thread.take() {
            _ = thread.join();
        }
        send(&[NotifyState::Stopping]);
    }
}

fn tell(watch: &Watch, stop: &Stop, is_over: &Receiver<()>) {
    let every = sd_notify::watchdog_enabled().map_or(LOOK_EVERY, |within| LOOK_EVERY.min(within / 4));
    let (mut last, mut has_begun, mut is_ending) = (watch.view(), false, false);
    let (mut starts, mut ends) = (Duration::ZERO, Duration::ZERO);
    while is_over.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
        let view = watch.view();
        let is_new = !Arc::ptr_eq(&view, &last);
        last = Arc::clone(&view);
        if view.made.is_none() {
            starts += every;
            if starts < STARTS_WITHIN {
                send(&[NotifyState::ExtendTimeoutUsec(MORE_TIME)]);
            }
            continue;
        }
        if !has_begun {
            has_begun = true;
            send(&[NotifyState::Ready]);
        }
        let is_last = view.ticks_to_do.is_some_and(|ticks| view.tick >= ticks);
        if stop.signal().is_some() || view.ended.is_some() || is_last {
            if !is_ending {
                is_ending = true;
                send(&[NotifyState::Stopping, NotifyState::Status("ending")]);
            }
            ends += every;
            if ends < ENDS_WITHIN {
                send(&[NotifyState::Watchdog, NotifyState::ExtendTimeoutUsec(MORE_TIME)]);
            }
        } else if is_new {
            let of = view.ticks_to_do.map(|ticks| format!("/{ticks}")).unwrap_or_default();
            let status = format!("tick {}{of}", view.tick);
            send(&[NotifyState::Watchdog, NotifyState::Status(&status)]);
        }
    }
}

/// A service manager that hears nothing will say so itself.
fn send(what: &[NotifyState]) {
    _ = sd_notify::notify(what);
}
