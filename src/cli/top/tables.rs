//! Tables: groups, alerts, plugins, systems, and the rows of a block.

use corec_live::told::{AlertTold, RowsTold, SummaryTold};
use corec_run::settings::grouped;
use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::{Color, Modifier, Style, Stylize};
use ratatui::text::Line;
use ratatui::widgets::{Cell, Row, Table, TableState};
use serde_json::Value;

use super::model::{Model, Tab};

/// The table of a tab.
pub(super) fn draw(frame: &mut Frame, model: &Model, at: Rect) {
    let Some(summary) = &model.summary else { return };
    match model.tab {
        Tab::Groups => groups(frame, summary, model.cursor, at),
        Tab::Alerts => alerts(frame, model, at),
        Tab::Plugins => plugins(frame, summary, model.cursor, at),
        Tab::Systems => systems(frame, summary, model.cursor, at),
        Tab::Blocks => {}
    }
}

/// Text on the left, numbers on the right; as wide as they need, the last as wide as there is room.
fn show(frame: &mut Frame, head: &[(&str, u16)], rows: Vec<Row<'static>>, cursor: usize, at: Rect) {
    let widths: Vec<Constraint> = head
        .iter()
        .map(|(_, width)| if *width == 0 { Constraint::Fill(1) } else { Constraint::Length(*width) })
        .collect();
    let names = head.iter().enumerate().map(|(n, (name, width))| {
        let line = Line::from((*name).to_string());
        Cell::from(if n > 0 && *width > 0 && *width <= NUMBER { line.right_aligned() } else { line })
    });
    let table = Table::new(rows, widths).header(Row::new(names).style(Style::new().dim()));
    let table = table.row_highlight_style(Style::new().add_modifier(Modifier::REVERSED));
    frame.render_stateful_widget(table, at, &mut TableState::default().with_selected(cursor));
}

/// The widest column of numbers.
const NUMBER: u16 = 13;

fn right(text: String) -> Cell<'static> {
    Cell::from(Line::from(text).right_aligned())
}

fn share(value: Option<f64>) -> Cell<'static> {
    right(value.map_or_else(|| "-".into(), |value| format!("{value:.4}")))
}

fn groups(frame: &mut Frame, summary: &SummaryTold, cursor: usize, at: Rect) {
    let rows = summary.groups.iter().map(|group| {
        Row::new([
            Cell::from(group.name.clone()),
            Cell::from(group.kind.clone()),
            right(grouped(group.entities)),
            right(grouped(group.blocks)),
            share(group.fitness),
            share(group.fault_ratio),
        ])
    });
    let head = [("group", 30), ("kind", 20), ("entities", 13), ("blocks", 9), ("fitness", 9), ("faulty", 9)];
    show(frame, &head, rows.collect(), cursor, at);
}

/// 1 and 2 are seen from afar.
fn color(severity: u8) -> Color {
    match severity {
        1 => Color::Red,
        2 => Color::Yellow,
        _ => Color::Reset,
    }
}

fn alerts(frame: &mut Frame, model: &Model, at: Rect) {
    let Some(alerts) = &model.alerts else { return };
    let row = |state: &str, alert: &AlertTold| {
        let why = if alert.why.is_empty() { format!("{:.4}", alert.value) } else { alert.why.clone() };
        let row = Row::new([
            Cell::from(state.to_string()),
            right(grouped(alert.tick)),
            right(alert.severity.to_string()),
            Cell::from(alert.name.clone()),
            Cell::from(alert.subject.clone()),
            Cell::from(why),
        ]);
        row.style(Style::new().fg(color(alert.severity)))
    };
    let open = alerts.open.iter().map(|alert| row("up", alert));
    let recent = alerts.recent.iter().map(|alert| row(alert.state.as_str(), alert).dim());
    let head = [("", 8), ("tick", 11), ("sev", 3), ("name", 20), ("subject", 24), ("why", 0)];
    show(frame, &head, open.chain(recent).collect(), model.cursor, at);
}

fn plugins(frame: &mut Frame, summary: &SummaryTold, cursor: usize, at: Rect) {
    let rows = summary.plugins.iter().map(|plugin| {
        let state = match &plugin.state[..] {
            "running" => Cell::from("running"),
            other => Cell::from(other.to_string()).fg(Color::Yellow),
        };
        Row::new([
            Cell::from(plugin.name.clone()),
            state,
            right(plugin.systems.to_string()),
            right(format!("{:.3}", plugin.ms_per_tick)),
            right(plugin.budget_ms.map_or_else(|| "-".into(), |budget| format!("{budget:.3}"))),
            right(format!("{:.1}", plugin.memory_bytes as f64 / 1e6)),
            right(grouped(plugin.errors)),
            Cell::from(plugin.error.clone().unwrap_or_default()),
        ])
    });
    let head = [
        ("plugin", 24),
        ("state", 14),
        ("systems", 8),
        ("ms/tick", 9),
        ("budget", 9),
        ("MB", 8),
        ("errors", 8),
        ("last error", 0),
    ];
    show(frame, &head, rows.collect(), cursor, at);
}

fn systems(frame: &mut Frame, summary: &SummaryTold, cursor: usize, at: Rect) {
    let all: f64 = summary.systems.iter().map(|system| system.seconds).sum();
    let rows = summary.systems.iter().map(|system| {
        let share = system.seconds / all.max(1e-9);
        Row::new([
            Cell::from(system.name.clone()),
            Cell::from(system.phase.clone()),
            Cell::from(system.plugin.clone().unwrap_or_default()),
            right(grouped(system.calls)),
            right(format!("{:.3}", system.seconds * 1e3 / system.calls.max(1) as f64)),
            right(format!("{:.1} %", share * 100.0)),
            Cell::from("▇".repeat((share * 40.0).round() as usize)).fg(Color::Cyan),
        ])
    });
    let head =
        [("system", 36), ("phase", 18), ("plugin", 16), ("calls", 12), ("ms/call", 9), ("share", 8), ("", 0)];
    show(frame, &head, rows.collect(), cursor, at);
}

/// The rows of a block.
pub(super) fn rows(frame: &mut Frame, told: &RowsTold, cursor: usize, at: Rect) {
    let text = |value: &Value| match value {
        Value::Number(number) if number.is_f64() => format!("{:.5}", number.as_f64().unwrap_or(f64::NAN)),
        Value::Null => "-".into(),
        other => other.to_string(),
    };
    let rows = told.rows.iter().map(|row| Row::new(row.iter().map(|value| right(text(value)))));
    let head: Vec<(&str, u16)> = told.columns.iter().map(|name| (&name[..], NUMBER)).collect();
    show(frame, &head, rows.collect(), cursor, at);
}
