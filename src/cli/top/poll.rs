//! Polling: a thread asks the run twice a second, so that a terminal never waits for an answer.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use corec_live::told::{AlertsTold, BlocksTold, RowsTold, SummaryTold};
use corec_live::{Client, ClientError};

/// How often it asks.
const EVERY: Duration = Duration::from_millis(500);

/// What else than the summary and the alerts is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wish {
    pub blocks: bool,
    pub rows_of: Option<u32>,
}

enum Asked {
    Wish(Wish),
    Change(String, bool),
}

/// What came of one round.
pub(super) struct Came {
    pub summary: Result<SummaryTold, ClientError>,
    pub alerts: Option<AlertsTold>,
    pub blocks: Option<BlocksTold>,
    pub rows: Option<Result<RowsTold, ClientError>>,
    /// What became of a change.
    pub said: Option<String>,
}

impl Came {
    pub fn of(client: &Client, wish: &Wish) -> Self {
        Self {
            summary: client.get("/api/v1/summary"),
            alerts: client.get("/api/v1/alerts").ok(),
            blocks: wish.blocks.then(|| client.get("/api/v1/blocks?limit=1000").ok()).flatten(),
            rows: wish.rows_of.map(|id| client.get(&format!("/api/v1/blocks/{id}"))),
            said: None,
        }
    }
}

/// The thread. It ends when this is dropped.
pub(super) struct Poll {
    asked: Sender<Asked>,
    came: Receiver<Came>,
}

impl Poll {
    pub fn start(client: Client, wish: Wish) -> Self {
        let ((asked, to_do), (to, came)) = (channel(), channel());
        thread::spawn(move || poll(&client, wish, &to_do, &to));
        Self { asked, came }
    }

    pub fn wish(&self, wish: Wish) {
        _ = self.asked.send(Asked::Wish(wish));
    }

    pub fn change(&self, plugin: String, is_paused: bool) {
        _ = self.asked.send(Asked::Change(plugin, is_paused));
    }

    pub fn came(&self) -> impl Iterator<Item = Came> {
        self.came.try_iter()
    }
}

fn poll(client: &Client, mut wish: Wish, to_do: &Receiver<Asked>, to: &Sender<Came>) {
    let mut said = None;
    loop {
        if to.send(Came { said: said.take(), ..Came::of(client, &wish) }).is_err() {
            return;
        }
        match to_do.recv_timeout(EVERY) {
            // It is asked at once for what was looked at last.
            Ok(Asked::Wish(new)) => wish = new,
            Ok(Asked::Change(plugin, is_paused)) => {
                let what = if is_paused { "is paused from the next tick on" } else { "goes on" };
                said = Some(match client.change_plugin(&plugin, is_paused) {
                    Ok(()) => format!("{plugin} {what}"),
                    Err(error) => error.to_string(),
                });
            }
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {}
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => return,
        }
    }
}
