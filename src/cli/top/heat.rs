//! The heat map: a block a cell, coloured by what is measured of it.

use corec_live::told::BlockTold;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};

use super::model::Measure;

/// viridis at eight places: lightness rises all along, so that it can be read without colours.
/// Source: S. van der Walt, N. Smith, matplotlib 1.5.
const VIRIDIS: [[u8; 3]; 8] = [
    [68, 1, 84],
    [70, 50, 127],
    [54, 92, 141],
    [39, 127, 142],
    [31, 161, 135],
    [74, 194, 109],
    [159, 218, 58],
    [253, 231, 37],
];
/// The same in steps, where a terminal has no colours.
const STEPS: [&str; 8] = ["·", "░", "░", "▒", "▒", "▓", "▓", "█"];

/// The range that colours stretch over.
pub(super) fn range(blocks: &[BlockTold], measure: Measure) -> (f64, f64) {
    if matches!(measure, Measure::Fitness | Measure::FaultRatio | Measure::AuditScore) {
        return (0.0, 1.0);
    }
    let values = blocks.iter().filter_map(|block| measure.of(block));
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(min, max), value| (min.min(value), max.max(value)))
}

/// Which of the eight a value is at.
fn step(value: f64, (min, max): (f64, f64)) -> usize {
    let share = if max > min { (value - min) / (max - min) } else { 0.0 };
    ((share.clamp(0.0, 1.0) * (VIRIDIS.len() - 1) as f64).round()) as usize
}

/// Draws the blocks line by line, from as far up as the cursor needs; gives how many are on a line.
pub(super) fn draw(
    blocks: &[BlockTold],
    measure: Measure,
    cursor: usize,
    at: Rect,
    to: &mut Buffer,
) -> usize {
    if at.width < 2 || at.height == 0 {
        return 1;
    }
    let across = usize::from(at.width / 2);
    let lines = usize::from(at.height);
    let first = (cursor / across + 1).saturating_sub(lines) * across;
    let range = range(blocks, measure);
    for (nth, block) in blocks.iter().enumerate().skip(first).take(across * lines) {
        let (x, y) = ((nth - first) % across * 2, (nth - first) / across);
        let (symbol, color) = match measure.of(block) {
            Some(value) => {
                let step = step(value, range);
                let [r, g, b] = VIRIDIS[step];
                (STEPS[step], Color::Rgb(r, g, b))
            }
            None => ("-", Color::DarkGray),
        };
        let mut style = Style::new().fg(color);
        if nth == cursor {
            style = style.add_modifier(Modifier::REVERSED);
        }
        to.set_string(at.x + x as u16, at.y + y as u16, symbol.repeat(2), style);
    }
    across
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_has_the_step_of_its_share_of_the_range() {
        let steps: Vec<usize> = [-1.0, 0.0, 0.5, 1.0, 2.0].map(|value| step(value, (0.0, 1.0))).into();
        assert_eq!(steps, [0, 0, 4, 7, 7]);
        assert_eq!(step(3.0, (3.0, 3.0)), 0);
    }
}
