//! The plot of a run with chaos, as SVG: fitness and faults over time, with and without repair, and what went wrong when.

use std::error::Error;
use std::path::Path;

use corec_run::RunError;
use corec_run::chaos::{EventKind, Studied, Track};
use plotters::coord::Shift;
use plotters::prelude::*;

const SIZE: (u32, u32) = (1100, 780);
/// Heights of the panels of fitness and faults; the events have the rest.
const FITNESS_HEIGHT: u32 = 330;
const FAULTS_HEIGHT: u32 = 240;
const FONT: &str = "sans-serif";
const LABELS: u32 = 72;

const WITH_REPAIR: RGBColor = RGBColor(0x1f, 0x5f, 0xb4);
const WITHOUT_REPAIR: RGBColor = RGBColor(0xd6, 0x2f, 0x28);
const CALM: RGBColor = RGBColor(0x80, 0x80, 0x80);
/// By kind of event, in order: told apart by people who see no red and green too.
const KINDS: [RGBColor; EventKind::ALL.len()] = [
    RGBColor(0x33, 0x33, 0x33),
    RGBColor(0x7b, 0x52, 0xab),
    RGBColor(0xe6, 0x8a, 0x00),
    RGBColor(0x00, 0x8b, 0x6b),
    RGBColor(0xa6, 0x56, 0x28),
    RGBColor(0x3a, 0x9a, 0xd9),
];

type Drawn = Result<(), Box<dyn Error>>;
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Writes the plot of a run to a file.
///
/// # Errors
/// What the system says.
pub(super) fn write(path: &Path, title: &str, studied: &Studied) -> Result<(), RunError> {
    let failed = |e: &dyn std::fmt::Display| RunError::Failed(format!("--plot: {}: {e}", path.display()));
    let mut svg = String::new();
    draw(&mut svg, title, studied).map_err(|e| failed(&e))?;
    std::fs::write(path, svg).map_err(|e| failed(&e))
}

fn draw(svg: &mut String, title: &str, studied: &Studied) -> Drawn {
    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let root = root.titled(title, (FONT, 22))?;
    let (fitness, rest) = root.split_vertically(FITNESS_HEIGHT);
    let (faults, events) = rest.split_vertically(FAULTS_HEIGHT);
    let Studied { this, bare, calm, .. } = studied;
    let of_fitness =
        [("calm", CALM, calm), ("without repair", WITHOUT_REPAIR, bare), ("with repair", WITH_REPAIR, this)];
    lines(&fitness, studied, "mean fitness", &of_fitness, |track| &track.fitness)?;
    let of_faults = [("without repair", WITHOUT_REPAIR, bare), ("with repair", WITH_REPAIR, this)];
    lines(&faults, studied, "fault ratio", &of_faults, |track| &track.fault_ratio)?;
    strip(&events, studied)?;
    root.present()?;
    Ok(())
}

fn ticks(studied: &Studied) -> f64 {
    studied.report.ticks as f64
}

/// The colour of a kind, and its row in the strip of events.
fn place(kind: EventKind) -> (RGBColor, f64) {
    (KINDS[kind as usize], (KINDS.len() - 1 - kind as usize) as f64)
}

/// A panel of lines over the bands of all events.
fn lines(
    area: &Area,
    studied: &Studied,
    what: &str,
    series: &[(&str, RGBColor, &Track)],
    of: impl Fn(&Track) -> &Vec<f64>,
) -> Drawn {
    let all = || series.iter().flat_map(|(_, _, track)| of(track)).copied();
    let (low, high) = (all().fold(f64::INFINITY, f64::min), all().fold(f64::NEG_INFINITY, f64::max));
    let (low, high) = if low <= high { (low, high) } else { (0.0, 1.0) };
    let room = ((high - low) * 0.08).max(1e-4);
    // Nothing here is below 0.
    let range = (low - room).max(0.0)..high + room;
    let mut chart = ChartBuilder::on(area)
        .margin_left(14)
        .margin_right(24)
        .margin_top(6)
        .x_label_area_size(26)
        .y_label_area_size(LABELS)
        .build_cartesian_2d(0.0..ticks(studied), range.clone())?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.12))
        .axis_style(BLACK.mix(0.6))
        .y_desc(what)
        .x_label_formatter(&|x| format!("{x:.0}"))
        .y_label_formatter(&|y| format!("{y:.3}"))
        .label_style((FONT, 14))
        .axis_desc_style((FONT, 16))
        .draw()?;
    let bands = studied.truth.iter().map(|at| {
        let (colour, _) = place(at.kind);
        let corners = [(at.first_tick as f64, range.start), (at.last_tick as f64 + 1.0, range.end)];
        Rectangle::new(corners, colour.mix(0.07).filled())
    });
    chart.draw_series(bands)?;
    for (name, colour, track) in series {
        let style = colour.stroke_width(2);
        let points = (1..).map(f64::from).zip(of(track).iter().copied());
        chart
            .draw_series(LineSeries::new(points, style))?
            .label(*name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 22, y)], style));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .margin(8)
        .legend_area_size(30)
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK.mix(0.2))
        .label_font((FONT, 14))
        .draw()?;
    Ok(())
}

/// When which kind of event went on: a row a kind, an event a bar; one that was not told of in time is hollow.
fn strip(area: &Area, studied: &Studied) -> Drawn {
    let mut chart = ChartBuilder::on(area)
        .margin_left(14)
        .margin_right(24)
        .margin_top(6)
        .x_label_area_size(44)
        .y_label_area_size(LABELS)
        .build_cartesian_2d(0.0..ticks(studied), 0.0..KINDS.len() as f64)?;
    chart
        .configure_mesh()
        .disable_mesh()
        .axis_style(BLACK.mix(0.6))
        .y_labels(0)
        .x_label_formatter(&|x| format!("{x:.0}"))
        .x_desc("tick (a bar is an event, hollow where no alert told of it within 10 ticks)")
        .label_style((FONT, 14))
        .axis_desc_style((FONT, 16))
        .draw()?;
    let is_hit = |at: &corec_run::chaos::Truth| {
        let outcome = studied.report.events.iter().find(|outcome| outcome.truth == *at);
        outcome.is_none_or(|outcome| outcome.alert.is_some())
    };
    for at in &studied.truth {
        let (colour, row) = place(at.kind);
        let corners = [(at.first_tick as f64, row + 0.18), (at.last_tick as f64 + 1.0, row + 0.82)];
        let style = if is_hit(at) { colour.filled() } else { colour.stroke_width(2) };
        chart.draw_series([Rectangle::new(corners, style)])?;
    }
    for kind in EventKind::ALL {
        let (colour, row) = place(kind);
        let text = (FONT, 14).into_font().color(&colour);
        chart
            .draw_series([EmptyElement::at((0.0, row + 0.5)) + Text::new(kind.as_str(), (-52, -7), text)])?;
    }
    Ok(())
}
