//! Bars and plots out of block characters.

use super::super::chart::Chart;
use super::super::numbers::Rounded;
use super::super::visible;
use super::screen::{Ink, Screen, pad};

/// Eighths of a block, growing from the left.
const ACROSS: [char; 8] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];
/// Eighths of a block, growing from below.
const UP: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Lines of a plot.
const HEIGHT: usize = 6;

/// Appends a chart: bars for names, a plot for points in time.
pub(in crate::report) fn write(chart: &Chart, screen: Screen, to: &mut String) {
    let unit = if chart.unit.is_empty() { String::new() } else { format!(" ({})", chart.unit) };
    let title = format!("{}{unit}", chart.title);
    if !title.is_empty() {
        screen.line(to, Ink::BOLD, title.trim_start());
    }
    if chart.points.is_empty() {
        screen.line(to, Ink::DIM, "(no values)");
    } else if chart.over_time {
        plot(chart, screen, to);
    } else {
        bars(chart, screen, to);
    }
}

/// Eighths of `cells` that stand for a part of the whole.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of 1 of a few hundred cells")]
#[expect(clippy::cast_precision_loss, reason = "a few hundred cells")]
fn eighths(part: f64, cells: usize) -> usize {
    if part.is_nan() { 0 } else { (part.clamp(0.0, 1.0) * cells as f64 * 8.0).round() as usize }
}

fn bars(chart: &Chart, screen: Screen, to: &mut String) {
    let room = screen.drawing();
    let (_, high) = chart.range();
    let values: Vec<_> = chart.points.iter().map(|&(_, value)| Rounded(value).to_string()).collect();
    let value_width = values.iter().map(String::len).max().unwrap_or(0);
    let label_room = (room * 2 / 5).min(room.saturating_sub(value_width + 2));
    let labels: Vec<_> = chart.points.iter().map(|(label, _)| visible::line(label, label_room)).collect();
    let label_width = labels.iter().map(|label| visible::width(label)).max().unwrap_or(0);
    let cells = room.saturating_sub(label_width + 2 + 2 + value_width);
    for ((label, value), &(_, number)) in labels.iter().zip(&values).zip(&chart.points) {
        let length = match eighths(number / high, cells) {
            // Little is not nothing.
            0 if number > 0.0 && cells > 0 => 1,
            length => length,
        };
        screen.begin(to);
        to.push_str(label);
        pad(to, label_width - visible::width(label) + 2);
        screen.inked(to, Ink::CYAN, |to| {
            to.extend(std::iter::repeat_n('█', length / 8));
            to.extend((length % 8).checked_sub(1).map(|i| ACROSS[i]));
        });
        if cells > 0 {
            pad(to, cells - length.div_ceil(8) + 2);
        }
        pad(to, value_width - value.len());
        to.push_str(value);
        to.push('\n');
    }
}

fn plot(chart: &Chart, screen: Screen, to: &mut String) {
    let (low, high) = chart.range();
    let (top, bottom) = (Rounded(high).to_string(), Rounded(low).to_string());
    let axis = top.len().max(bottom.len());
    let cells = screen.drawing().saturating_sub(axis + 1).max(1);
    let repeat = (cells / chart.points.len()).max(1);
    let heights: Vec<_> = chart
        .peaks(cells)
        .into_iter()
        .map(|value| eighths((value - low) / (high - low), HEIGHT))
        .flat_map(|height| std::iter::repeat_n(height, repeat))
        .collect();
    for line in (0..HEIGHT).rev() {
        screen.begin(to);
        let label = match line {
            0 => bottom.as_str(),
            _ if line + 1 == HEIGHT => top.as_str(),
            _ => "",
        };
        pad(to, axis - label.len());
        to.push_str(label);
        to.push(' ');
        let mut drawn = String::new();
        for &height in &heights {
            drawn.push(match height.saturating_sub(line * 8).min(8).checked_sub(1) {
                Some(i) => UP[i],
                None => ' ',
            });
        }
        screen.inked(to, Ink::CYAN, |to| to.push_str(drawn.trim_end()));
        to.push('\n');
    }
    let (first, last) = match chart.points.as_slice() {
        [] => return,
        [only] => (only.0.as_str(), ""),
        [first, .., last] => (first.0.as_str(), last.0.as_str()),
    };
    let width = heights.len();
    let first = visible::line(first, width);
    let last = visible::line(last, width.saturating_sub(visible::width(&first) + 2));
    let between = width.saturating_sub(visible::width(&first) + visible::width(&last));
    let mut line = first;
    pad(&mut line, between);
    line.push_str(&last);
    screen.indented(axis + 1).line(to, Ink::DIM, line.trim_end());
}
