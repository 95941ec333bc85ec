//! Progress, for whoever waits.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Progress on stderr: a bar on a terminal, a line every ten seconds elsewhere.
pub(super) struct Bar {
    bar: Option<ProgressBar>,
    /// What is counted: "ticks".
    unit: &'static str,
    is_quiet: bool,
    is_terminal: bool,
    next_line: f64,
}

impl Bar {
    pub fn new(unit: &'static str, is_quiet: bool) -> Self {
        Self { bar: None, unit, is_quiet, is_terminal: super::log::is_for_people(), next_line: 10.0 }
    }

    fn draw(&self, of: Option<u64>) -> ProgressBar {
        let unit = self.unit;
        let template = match of {
            Some(_) => format!("{{wide_bar}} {{pos}}/{{len}} {unit}, {{msg}}, {{eta}} left"),
            None => format!("{{spinner}} {{pos}} {unit}, {{msg}}"),
        };
        let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let target = ProgressDrawTarget::stderr_with_hz(10);
        ProgressBar::with_draw_target(of, target).with_style(style)
    }

    /// Shows how far it is, after so many seconds, and what else `message` says.
    pub fn tell(&mut self, done: u64, of: Option<u64>, seconds: f64, message: impl FnOnce() -> String) {
        if self.is_quiet {
            return;
        }
        if self.is_terminal {
            let bar = self.bar.take().unwrap_or_else(|| self.draw(of));
            bar.set_position(done);
            bar.set_message(message());
            self.bar = Some(bar);
        } else if seconds >= self.next_line {
            let of = of.map(|n| format!("/{n}")).unwrap_or_default();
            super::tell(&format!("{done}{of} {}, {}", self.unit, message()));
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
