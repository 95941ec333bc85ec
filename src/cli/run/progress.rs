//! Progress of a run, for whoever waits for it.

use std::io::IsTerminal;
use std::time::Duration;

use corec_run::{Progress, rss_bytes};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Progress on stderr: a bar on a terminal, a line every ten seconds elsewhere.
pub(super) struct Bar {
    bar: Option<ProgressBar>,
    is_quiet: bool,
    is_terminal: bool,
    next_line: f64,
}

impl Bar {
    pub fn new(is_quiet: bool) -> Self {
        Self { bar: None, is_quiet, is_terminal: std::io::stderr().is_terminal(), next_line: 10.0 }
    }

    fn draw(ticks: Option<u64>) -> ProgressBar {
        let template = match ticks {
            Some(_) => "{wide_bar} {pos}/{len} ticks, {msg}, {eta} left",
            None => "{spinner} {pos} ticks, {msg}",
        };
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let target = ProgressDrawTarget::stderr_with_hz(10);
        ProgressBar::with_draw_target(ticks, target).with_style(style)
    }

    /// Shows how far the run is.
    pub fn tell(&mut self, progress: Progress) {
        if self.is_quiet {
            return;
        }
        let rate = progress.ticks_here as f64 / progress.seconds.max(1e-9);
        let message = format!("{rate:.1} ticks/s, {} MB", rss_bytes() / 1_000_000);
        if self.is_terminal {
            let bar = self.bar.get_or_insert_with(|| Self::draw(progress.of));
            bar.set_position(progress.ticks);
            bar.set_message(message);
        } else if progress.seconds >= self.next_line {
            let of = progress.of.map(|n| format!("/{n}")).unwrap_or_default();
            super::super::tell(&format!("{}{of} ticks, {message}", progress.ticks));
            self.next_line += Duration::from_secs(10).as_secs_f64();
        }
    }

    /// Takes the bar off the terminal.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
