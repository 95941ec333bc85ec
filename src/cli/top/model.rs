//! The model: what is known of the run, what of it is looked at, and what keys do.

use std::collections::VecDeque;

use corec_live::Client;
use corec_live::told::{AlertsTold, BlockTold, BlocksTold, RowsTold, SummaryTold};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::poll::{Came, Wish};

/// Values that a curve keeps: two minutes of them.
const KEPT: usize = 240;

/// The one after another, round and round.
fn after<T: Copy + PartialEq>(all: &[(T, &str)], one: T) -> T {
    let at = all.iter().position(|(other, _)| *other == one).unwrap_or(0);
    all[(at + 1) % all.len()].0
}

/// What is looked at below.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Tab {
    #[default]
    Groups,
    Blocks,
    Alerts,
    Plugins,
    Systems,
}

impl Tab {
    pub const ALL: [(Self, &str); 5] = [
        (Self::Groups, "1 groups"),
        (Self::Blocks, "2 blocks"),
        (Self::Alerts, "3 alerts"),
        (Self::Plugins, "4 plugins"),
        (Self::Systems, "5 systems"),
    ];

    fn next(self) -> Self {
        after(&Self::ALL, self)
    }
}

/// What blocks are coloured by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Measure {
    #[default]
    Fitness,
    FaultRatio,
    Mean,
    Deviation,
    AuditScore,
}

impl Measure {
    pub const ALL: [(Self, &str); 5] = [
        (Self::Fitness, "fitness"),
        (Self::FaultRatio, "fault ratio"),
        (Self::Mean, "mean"),
        (Self::Deviation, "deviation"),
        (Self::AuditScore, "audit score"),
    ];

    pub fn of(self, block: &BlockTold) -> Option<f64> {
        match self {
            Self::Fitness => block.fitness,
            Self::FaultRatio => Some(block.fault_ratio),
            Self::Mean => block.mean,
            Self::Deviation => block.deviation,
            Self::AuditScore => block.audit_score,
        }
    }

    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(measure, _)| *measure == self).map_or("", |(_, name)| name)
    }

    fn next(self) -> Self {
        after(&Self::ALL, self)
    }
}

/// The last values of something.
#[derive(Default)]
pub(super) struct Curve(pub VecDeque<f64>);

impl Curve {
    fn push(&mut self, value: f64) {
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back(value);
    }
}

/// Curves of a run.
#[derive(Default)]
pub(super) struct Curves {
    pub rate: Curve,
    pub p99_ms: Curve,
    pub fitness: Curve,
    pub faults: Curve,
    pub repairs: Curve,
}

/// What a key asks of others.
pub(super) enum Next {
    Nothing,
    End,
    /// Pause a plugin, or let it go on.
    Change(String, bool),
}

/// What is known and looked at.
pub(super) struct Model {
    pub url: String,
    has_token: bool,
    pub summary: Option<SummaryTold>,
    pub alerts: Option<AlertsTold>,
    pub blocks: Option<BlocksTold>,
    pub rows: Option<RowsTold>,
    pub curves: Curves,
    /// Why nobody answers, while nobody does.
    pub away: Option<String>,
    /// What was done last, or why it was not.
    pub said: Option<String>,
    pub tab: Tab,
    pub measure: Measure,
    pub cursor: usize,
    /// The block that is looked into.
    pub open: Option<u32>,
    /// Rows of the heat map's lines, for the arrows; known once it is drawn.
    pub across: usize,
    pub is_held: bool,
    pub is_help_shown: bool,
}

impl Model {
    pub fn new(client: &Client) -> Self {
        Self {
            url: client.url().into(),
            has_token: client.has_token(),
            summary: None,
            alerts: None,
            blocks: None,
            rows: None,
            curves: Curves::default(),
            away: None,
            said: None,
            tab: Tab::default(),
            measure: Measure::default(),
            cursor: 0,
            open: None,
            across: 1,
            is_held: false,
            is_help_shown: false,
        }
    }

    pub fn wish(&self) -> Wish {
        Wish { blocks: self.tab == Tab::Blocks, rows_of: self.open }
    }

    /// Takes in what came.
    pub fn take(&mut self, came: Came) {
        self.said = came.said.or(self.said.take());
        let summary = match came.summary {
            Ok(summary) => summary,
            Err(error) => {
                self.away = Some(error.to_string());
                return;
            }
        };
        self.away = None;
        let is_another = self.summary.as_ref().is_some_and(|last| last.run.id != summary.run.id);
        if is_another {
            self.curves = Curves::default();
            (self.blocks, self.rows, self.open) = (None, None, None);
        }
        if self.is_held {
            return;
        }
        if let Some(last) = self.summary.as_ref().filter(|last| !is_another && last.tick < summary.tick) {
            let seconds = (summary.tick - last.tick) as f64 / summary.ticks_per_second.max(1e-9);
            let by_second = |now: u64, then: u64| now.saturating_sub(then) as f64 / seconds;
            self.curves.faults.push(by_second(summary.faults, last.faults));
            self.curves.repairs.push(by_second(summary.repairs, last.repairs));
        }
        self.curves.rate.push(summary.ticks_per_second);
        self.curves.p99_ms.push(summary.tick_ms.p99);
        self.curves.fitness.push(summary.fitness.unwrap_or(0.0));
        self.summary = Some(summary);
        self.alerts = came.alerts.or(self.alerts.take());
        self.blocks = came.blocks.or(self.blocks.take());
        match came.rows {
            Some(Ok(rows)) => self.rows = Some(rows).filter(|rows| Some(rows.block.id) == self.open),
            Some(Err(error)) => self.said = Some(error.to_string()),
            None => {}
        }
        self.cursor = self.cursor.min(self.length().saturating_sub(1));
    }

    /// How many lines or cells the cursor has to go over.
    fn length(&self) -> usize {
        let summary = self.summary.as_ref();
        match (self.open, self.tab) {
            (Some(_), _) => self.rows.as_ref().map_or(0, |rows| rows.rows.len()),
            (_, Tab::Blocks) => self.blocks.as_ref().map_or(0, |blocks| blocks.blocks.len()),
            (_, Tab::Groups) => summary.map_or(0, |summary| summary.groups.len()),
            (_, Tab::Alerts) => {
                self.alerts.as_ref().map_or(0, |alerts| alerts.open.len() + alerts.recent.len())
            }
            (_, Tab::Plugins) => summary.map_or(0, |summary| summary.plugins.len()),
            (_, Tab::Systems) => summary.map_or(0, |summary| summary.systems.len()),
        }
    }

    /// Does what a key is for.
    pub fn key(&mut self, key: KeyEvent) -> Next {
        let is_map = self.tab == Tab::Blocks && self.open.is_none();
        let line = if is_map { self.across.max(1) } else { 1 } as isize;
        match key.code {
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return Next::End,
            KeyCode::Char('q') => return Next::End,
            _ if self.is_help_shown => self.is_help_shown = false,
            KeyCode::Char('?' | 'h') => self.is_help_shown = true,
            KeyCode::Esc | KeyCode::Backspace => self.leave(),
            KeyCode::Char(' ') => self.is_held = !self.is_held,
            KeyCode::Char('m') => self.measure = self.measure.next(),
            KeyCode::Char('s') => return self.change(),
            KeyCode::Char(digit @ '1'..='5') => self.show(Tab::ALL[digit as usize - '1' as usize].0),
            KeyCode::Tab => self.show(self.tab.next()),
            KeyCode::Enter => self.enter(),
            KeyCode::Up | KeyCode::Char('k') => self.go(-line),
            KeyCode::Down | KeyCode::Char('j') => self.go(line),
            KeyCode::Left if is_map => self.go(-1),
            KeyCode::Right if is_map => self.go(1),
            KeyCode::PageUp => self.go(-20 * line),
            KeyCode::PageDown => self.go(20 * line),
            KeyCode::Home => self.cursor = 0,
            KeyCode::End => self.go(isize::MAX / 2),
            _ => {}
        }
        Next::Nothing
    }

    fn go(&mut self, by: isize) {
        let last = self.length().saturating_sub(1);
        self.cursor = self.cursor.saturating_add_signed(by).min(last);
    }

    fn show(&mut self, tab: Tab) {
        (self.tab, self.open, self.rows, self.cursor, self.said) = (tab, None, None, 0, None);
    }

    fn enter(&mut self) {
        let blocks = self.blocks.as_ref().filter(|_| self.tab == Tab::Blocks && self.open.is_none());
        if let Some(block) = blocks.and_then(|blocks| blocks.blocks.get(self.cursor)) {
            (self.open, self.cursor) = (Some(block.id), 0);
        }
    }

    fn leave(&mut self) {
        self.said = None;
        if let Some(id) = self.open.take() {
            self.rows = None;
            let blocks = self.blocks.as_ref().map_or(&[][..], |blocks| &blocks.blocks);
            self.cursor = blocks.iter().position(|block| block.id == id).unwrap_or(0);
        }
    }

    fn change(&mut self) -> Next {
        let plugins =
            self.summary.as_ref().filter(|_| self.tab == Tab::Plugins).map(|summary| &summary.plugins);
        let Some(plugin) = plugins.and_then(|plugins| plugins.get(self.cursor)) else { return Next::Nothing };
        if !self.has_token {
            self.said = Some("needs the token: the run's folder, or COREC_HTTP_TOKEN".into());
            return Next::Nothing;
        }
        Next::Change(plugin.name.clone(), plugin.state != "paused")
    }
}
