//! Charts of a page.

use std::fmt::Write as _;

use super::super::chart::Chart;
use super::super::markup;
use super::super::numbers::{Grouped, Rounded};

/// Width of a drawing, in its own units; the page scales it.
const WIDTH: f64 = 1000.0;
/// Bars that are drawn.
const BARS: usize = 100;

/// Appends a chart: bars for names, a line for points in time.
pub(super) fn write(to: &mut String, chart: &Chart) {
    let (title, unit) = (markup::text(&chart.title, 200), markup::text(&chart.unit, 50));
    let _ = writeln!(to, "<figure><figcaption>{title} <span>{unit}</span></figcaption>");
    if chart.points.is_empty() {
        to.push_str("<p class=\"note\">no values</p>\n");
    } else if chart.over_time {
        line(to, chart);
    } else {
        bars(to, chart);
    }
    to.push_str("</figure>\n");
}

/// How much of the range a value takes, between 0 and 1.
fn part(value: f64, (low, high): (f64, f64)) -> f64 {
    let part = (value - low) / (high - low);
    if part.is_finite() { part.clamp(0.0, 1.0) } else { 0.0 }
}

fn bars(to: &mut String, chart: &Chart) {
    const ROW: f64 = 26.0;
    const VALUES: f64 = 120.0;
    /// Columns of a label that are shown.
    const LABEL: usize = 32;
    let points = &chart.points[..chart.points.len().min(BARS)];
    let longest = points.iter().map(|(label, _)| label.chars().count().min(LABEL)).max().unwrap_or(0);
    let labels = 16.0 + 7.5 * longest as f64;
    let range = (0.0, chart.range().1);
    let mut drawing = String::new();
    let mut top = 0.0;
    for (label, value) in points {
        let length = part(*value, range) * (WIDTH - labels - VALUES);
        let _ = writeln!(
            drawing,
            "<g><title>{whole}: {number}</title><text x=\"{end}\" y=\"{base}\" text-anchor=\"end\">{label}</text>\
             <rect class=\"fill\" x=\"{labels}\" y=\"{y}\" width=\"{length:.1}\" height=\"18\" rx=\"2\"/>\
             <text class=\"quiet\" x=\"{after:.1}\" y=\"{base}\">{number}</text></g>",
            whole = markup::text(label, 500),
            label = markup::text(label, LABEL),
            number = Rounded(*value),
            end = labels - 12.0,
            base = top + 17.0,
            y = top + 4.0,
            after = labels + length + 8.0,
        );
        top += ROW;
    }
    let _ = write!(to, "<svg viewBox=\"0 0 {WIDTH} {top}\" role=\"img\">\n{drawing}</svg>\n");
    if chart.points.len() > points.len() {
        let (shown, all) = (points.len(), Grouped(chart.points.len() as u64));
        let _ = writeln!(to, "<p class=\"note\">the first {shown} of {all} are shown</p>");
    }
}

fn line(to: &mut String, chart: &Chart) {
    const LEFT: f64 = 70.0;
    const TOP: f64 = 10.0;
    const BOTTOM: f64 = 170.0;
    const HEIGHT: f64 = 200.0;
    /// Points that are drawn at most; as many as can be told apart.
    const PLACES: usize = 500;
    let (low, high) = chart.range();
    let peaks = chart.peaks(PLACES);
    let step = (WIDTH - LEFT - 10.0) / peaks.len().saturating_sub(1).max(1) as f64;
    let height = |value: f64| BOTTOM - part(value, (low, high)) * (BOTTOM - TOP);
    let mut path = String::new();
    let mut x = LEFT;
    for &value in &peaks {
        let _ = write!(path, "{x:.1},{:.1} ", height(value));
        x += step;
    }
    let (end, zero, path) = (x - step, height(0.0), path.trim_end());
    let _ = writeln!(to, "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">");
    for value in [high, (low + high) / 2.0, low] {
        let (y, number) = (height(value), Rounded(value));
        let _ = writeln!(
            to,
            "<line class=\"grid\" x1=\"{LEFT}\" y1=\"{y}\" x2=\"{WIDTH}\" y2=\"{y}\"/>\
             <text class=\"quiet\" x=\"{}\" y=\"{}\" text-anchor=\"end\">{number}</text>",
            LEFT - 8.0,
            y + 4.0,
        );
    }
    let _ = writeln!(
        to,
        "<polygon class=\"area\" points=\"{LEFT},{zero:.1} {path} {end:.1},{zero:.1}\"/>\
         <polyline class=\"stroke\" points=\"{path}\"/>"
    );
    if let [(first, _), .., (last, _)] = chart.points.as_slice() {
        let (first, last) = (markup::text(first, 40), markup::text(last, 40));
        let _ = writeln!(
            to,
            "<text class=\"quiet\" x=\"{LEFT}\" y=\"192\">{first}</text>\
             <text class=\"quiet\" x=\"{end:.1}\" y=\"192\" text-anchor=\"end\">{last}</text>"
        );
    }
    to.push_str("</svg>\n");
}
