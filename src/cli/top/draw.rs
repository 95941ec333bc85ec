//! Drawing: the run at the top, curves below it, then what the tab says.

use corec_live::told::SummaryTold;
use corec_run::settings::grouped;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph, Sparkline, Tabs, Wrap};

use super::heat;
use super::model::{Curve, Model, Tab};
use super::tables;

const HELP: &str = "Tab, 1 to 5   groups, blocks, alerts, plugins, systems
arrows, PgUp, PgDn, Home, End
Enter         a block's rows; Esc goes back
m             blocks by fitness, fault ratio, mean, deviation, audit score
s             pause the plugin, or let it go on (needs the token)
space         hold the view; the run goes on
q             end";

/// Draws all of it.
pub(super) fn draw(frame: &mut Frame, model: &mut Model) {
    // What was chosen has its room first.
    let (width, height) = (frame.area().width, frame.area().height);
    let told = model.summary.as_ref().map(told).unwrap_or_default();
    let lines: u16 = told.iter().map(|line| (line.width() as u16).div_ceil(width.max(1)).max(1)).sum();
    let curves = if height >= 30 {
        5
    } else if height >= 20 {
        3
    } else {
        0
    };
    let [head, curves, facts, tabs, below, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(curves),
        Constraint::Length(lines.min(height.saturating_sub(curves + 8))),
        Constraint::Length(1),
        Constraint::Fill(1),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    frame.render_widget(title(model), head);
    if !curves.is_empty() {
        draw_curves(frame, model, curves);
    }
    frame.render_widget(Paragraph::new(told).wrap(Wrap { trim: true }), facts);
    let at = Tab::ALL.iter().position(|(tab, _)| *tab == model.tab);
    let names = Tab::ALL.iter().map(|(_, name)| *name);
    frame.render_widget(Tabs::new(names).select(at).highlight_style(Style::new().reversed()), tabs);
    match (&model.rows, model.open) {
        (Some(rows), Some(_)) => tables::rows(frame, rows, model.cursor, below),
        (None, Some(id)) => frame.render_widget(format!("block {id}: is asked for its rows").dim(), below),
        _ if model.tab == Tab::Blocks => draw_blocks(frame, model, below),
        _ => tables::draw(frame, model, below),
    }
    frame.render_widget(bottom(model), foot);
    if model.is_help_shown {
        let area = frame.area();
        let [_, middle, _] =
            Layout::vertical([Constraint::Fill(1), Constraint::Length(9), Constraint::Fill(1)]).areas(area);
        let [_, middle, _] =
            Layout::horizontal([Constraint::Fill(1), Constraint::Max(72), Constraint::Fill(1)]).areas(middle);
        frame.render_widget(Clear, middle);
        frame.render_widget(Paragraph::new(HELP).block(Block::bordered().title(" keys ")), middle);
    }
}

fn title(model: &Model) -> Line<'_> {
    let state = match (&model.away, &model.summary) {
        (Some(_), _) => "AWAY".to_string().fg(Color::Red),
        (None, None) => "…".to_string().dim(),
        (None, Some(summary)) => match &summary.ended {
            Some(how) => format!("ENDED: {how}").fg(Color::Yellow),
            None if model.is_held => "HELD".to_string().fg(Color::Yellow),
            None => "live".to_string().fg(Color::Green),
        },
    };
    let Some(summary) = &model.summary else {
        return Line::from(vec!["corec  ".bold(), model.url.clone().into(), "  ".into(), state]);
    };
    let run = &summary.run;
    let of = summary.ticks_to_do.map(|ticks| format!("/{}", grouped(ticks))).unwrap_or_default();
    let about = format!(
        "  tick {}{of}  {}  run {}  seed {}  {} threads",
        grouped(summary.tick),
        run.scenario,
        run.id.get(..8).unwrap_or_default(),
        run.seed,
        run.threads
    );
    Line::from(vec!["corec  ".bold(), state, about.into()])
}

fn draw_curves(frame: &mut Frame, model: &Model, at: Rect) {
    let parts: [Rect; 5] = Layout::horizontal([Constraint::Fill(1); 5]).areas(at);
    let curves = &model.curves;
    let rate = model.summary.as_ref().and_then(|summary| summary.tick_rate);
    let pace = rate.map(|rate| format!(" of {rate:.0}")).unwrap_or_default();
    draw_curve(frame, &format!("ticks/s{pace}"), &curves.rate, 1, parts[0]);
    draw_curve(frame, "tick p99 ms", &curves.p99_ms, 3, parts[1]);
    draw_curve(frame, "fitness", &curves.fitness, 4, parts[2]);
    draw_curve(frame, "faults/s", &curves.faults, 1, parts[3]);
    draw_curve(frame, "repairs/s", &curves.repairs, 1, parts[4]);
}

/// The last values as far as there is room, from the least to the most of them.
fn draw_curve(frame: &mut Frame, name: &str, curve: &Curve, digits: usize, at: Rect) {
    let last = curve.0.back().map_or_else(|| "-".into(), |value| format!("{value:.digits$}"));
    let block = Block::bordered().title(format!(" {last} {name} "));
    let room = usize::from(block.inner(at).width);
    let shown: Vec<f64> = curve.0.iter().rev().take(room).rev().copied().collect();
    let (min, max) = shown.iter().fold((f64::INFINITY, 0.0f64), |(min, max), v| (min.min(*v), max.max(*v)));
    // A curve that hardly moves is no mountain.
    let least = if max - min < max * 0.02 { 0.0 } else { min - (max - min) * 0.1 };
    let bars = shown.iter().map(|value| ((value - least) / (max - least).max(1e-12) * 1000.0) as u64);
    let bars: Vec<u64> = bars.collect();
    let curve = Sparkline::default().data(&bars).max(1000).block(block).style(Style::new().fg(Color::Cyan));
    frame.render_widget(curve, at);
}

fn told(summary: &SummaryTold) -> Vec<Line<'static>> {
    let memory = &summary.memory;
    let each = memory.bytes_per_entity.map(|bytes| format!(" ({bytes:.0} B each)")).unwrap_or_default();
    let snapshot = match (summary.snapshot.age_seconds, &summary.snapshot.error) {
        (_, Some(error)) => Span::from(format!("snapshot FAILED: {error}")).fg(Color::Red),
        (Some(age), None) => Span::from(format!("snapshot {age:.0} s ago")),
        (None, None) => Span::from("no snapshot"),
    };
    let digest =
        summary.digest.as_ref().map(|digest| format!("{} at {}", digest.value, grouped(digest.tick)));
    let urgent: u64 = summary.alerts.by_severity[..2].iter().sum();
    let alerts =
        Span::from(format!("{} alerts up, {urgent} of severity 1 or 2", grouped(summary.alerts.open)));
    let lanes = summary.lanes.iter().flat_map(|lane| {
        let text = format!(
            "{} {}: {} waiting, {} on disk, {} lost   ",
            lane.name, lane.url, lane.waiting, lane.spooled, lane.lost
        );
        let away = lane.away.as_ref().map(|why| format!("AWAY: {why}   "));
        [Span::from(text), Span::from(away.unwrap_or_default()).fg(Color::Red)]
    });
    vec![
        Line::from(format!(
            "{} entities in {} blocks   {:.0} MB{each}   tick p50 {:.3}  p95 {:.3}  p99 {:.3}  max {:.3} ms",
            grouped(summary.entities),
            grouped(summary.blocks),
            memory.rss_bytes as f64 / 1e6,
            summary.tick_ms.p50,
            summary.tick_ms.p95,
            summary.tick_ms.p99,
            summary.tick_ms.max
        )),
        Line::from(vec![
            format!(
                "{} faults   {} repairs   {} flagged   {} audits   ",
                grouped(summary.faults),
                grouped(summary.repairs),
                summary.flags,
                grouped(summary.audits)
            )
            .into(),
            if urgent > 0 { alerts.fg(Color::Red) } else { alerts },
        ]),
        Line::from(vec![
            format!("{} deadlines missed   ", grouped(summary.deadline_misses)).into(),
            snapshot,
            format!(
                "   journal {:.1} MB   digest {}",
                summary.journal.bytes as f64 / 1e6,
                digest.unwrap_or_else(|| "-".into())
            )
            .into(),
        ]),
        Line::from(lanes.collect::<Vec<_>>()),
    ]
}

fn draw_blocks(frame: &mut Frame, model: &mut Model, at: Rect) {
    let Some(told) = &model.blocks else { return };
    let blocks = &told.blocks;
    let [map, line] = Layout::vertical([Constraint::Fill(1), Constraint::Length(1)]).areas(at);
    model.across = heat::draw(blocks, model.measure, model.cursor, map, frame.buffer_mut());
    let (min, max) = heat::range(blocks, model.measure);
    let of =
        if told.total > blocks.len() { format!(" of {}", grouped(told.total as u64)) } else { String::new() };
    let range = format!(
        "{} blocks{of} by {}, {min:.3} dark to {max:.3} bright   ",
        blocks.len(),
        model.measure.name()
    );
    let chosen = blocks.get(model.cursor).map(|block| {
        let value = model.measure.of(block).map_or_else(|| "-".into(), |value| format!("{value:.4}"));
        format!(
            "{} ({}): {value}, {} of {} active, Enter for its rows",
            block.name, block.kind, block.active, block.live
        )
    });
    frame.render_widget(Line::from(vec![range.dim(), chosen.unwrap_or_default().into()]), line);
}

fn bottom(model: &Model) -> Paragraph<'_> {
    let text = match (&model.away, &model.said) {
        (Some(why), _) => format!("{why}; tried again").fg(Color::Red),
        (None, Some(said)) => said.clone().fg(Color::Yellow),
        (None, None) => "? keys   q end".to_string().dim(),
    };
    Paragraph::new(Line::from(text)).wrap(Wrap { trim: true })
}
