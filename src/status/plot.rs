//! The rounds of an endpoint as a drawing: latency as a line, verdicts as a band below it.

use std::fmt::Write as _;

use super::page::class;
use super::{History, Round};
use crate::record::Duration;
use crate::report::fragment;

/// The drawing in its own units; the page scales it.
const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 176.0;
/// Where the plot begins, beside its labels.
const LEFT: f64 = 70.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 120.0;
/// Height of the band of verdicts, which begins under the plot.
const BAND: f64 = 22.0;

/// Appends the drawing.
#[expect(clippy::cast_precision_loss, reason = "some hundred rounds are drawn")]
pub(super) fn write(to: &mut String, history: &History) {
    let rounds: Vec<&Round> = history.rounds().collect();
    let longest = rounds.iter().filter_map(|round| round.latency).max().unwrap_or_default();
    let step = (WIDTH - LEFT) / rounds.len().max(1) as f64;
    let left = |round: usize| LEFT + round as f64 * step;
    let height = |latency: Duration| {
        let part = latency.as_secs_f64() / longest.as_secs_f64();
        BOTTOM - if part.is_finite() { part.clamp(0.0, 1.0) } else { 0.0 } * (BOTTOM - TOP)
    };
    // Of an endpoint that never answered there is nothing to measure.
    let highest = if longest == Duration::ZERO { String::new() } else { longest.to_string() };
    let name = fragment::text(&history.last().endpoint, 200);
    let _ = writeln!(
        to,
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"Latency and verdicts of {name}\">\n\
         <line class=\"grid\" x1=\"{LEFT}\" y1=\"{TOP}\" x2=\"{WIDTH}\" y2=\"{TOP}\"/>\
         <line class=\"grid\" x1=\"{LEFT}\" y1=\"{BOTTOM}\" x2=\"{WIDTH}\" y2=\"{BOTTOM}\"/>\n\
         <text class=\"quiet\" x=\"{label}\" y=\"{top}\" text-anchor=\"end\">{highest}</text>\
         <text class=\"quiet\" x=\"{label}\" y=\"{bottom}\" text-anchor=\"end\">0s</text>",
        label = LEFT - 8.0,
        top = TOP + 4.0,
        bottom = BOTTOM + 4.0,
    );
    let mut begin = 0;
    for same in rounds.chunk_by(|one, next| one.verdict == next.verdict) {
        let (first, verdict) = (same[0].time, same[0].verdict);
        let _ = writeln!(
            to,
            "<rect class=\"band {}\" x=\"{:.1}\" y=\"{}\" width=\"{:.1}\" height=\"{BAND}\"><title>{verdict} from \
             {first}, rounds: {}</title></rect>",
            class(verdict),
            left(begin),
            BOTTOM + 6.0,
            same.len() as f64 * step,
            same.len()
        );
        begin += same.len();
    }
    let mut begin = 0;
    for same in rounds.chunk_by(|one, next| one.latency.is_some() == next.latency.is_some()) {
        let points = same
            .iter()
            .zip(begin..)
            .filter_map(|(round, at)| Some(format!("{:.1},{:.1}", left(at) + step / 2.0, height(round.latency?))));
        let points: Vec<String> = points.collect();
        match points.as_slice() {
            [] => {}
            [point] => {
                let (x, y) = point.split_once(',').unwrap_or_default();
                let _ = writeln!(to, "<circle class=\"fill\" cx=\"{x}\" cy=\"{y}\" r=\"3\"/>");
            }
            points => {
                let _ = writeln!(to, "<polyline class=\"stroke\" points=\"{}\"/>", points.join(" "));
            }
        }
        begin += same.len();
    }
    if let (Some(first), Some(last)) = (rounds.first(), rounds.last()) {
        let _ = writeln!(
            to,
            "<text class=\"quiet\" x=\"{LEFT}\" y=\"168\">{}</text>\
             <text class=\"quiet\" x=\"{WIDTH}\" y=\"168\" text-anchor=\"end\">{}</text>",
            first.time, last.time
        );
    }
    to.push_str("</svg>\n");
}

#[cfg(test)]
mod tests {
    use super::super::sample::observation;
    use super::*;
    use crate::trace::Verdict;

    #[test]
    fn latency_is_a_line_that_breaks_where_nothing_answers() {
        let mut history = History::new(observation(Verdict::Open, 0));
        for (second, verdict) in [(5, Verdict::Open), (10, Verdict::Filtered), (15, Verdict::Open)] {
            history.add(observation(verdict, second));
        }
        let mut svg = String::new();
        write(&mut svg, &history);
        assert!(svg.contains("<polyline class=\"stroke\" points=\"186.2,10.0 418.8,10.0\"/>"), "{svg}");
        assert!(svg.contains("<circle class=\"fill\" cx=\"883.8\" cy=\"10.0\" r=\"3\"/>"), "{svg}");
        let bands: Vec<_> = svg.lines().filter(|line| line.starts_with("<rect class=\"band ")).collect();
        assert_eq!(bands.len(), 3, "{svg}");
        assert!(bands[0].contains("\"band good\" x=\"70.0\"") && bands[0].contains("width=\"465.0\""), "{}", bands[0]);
        assert!(bands[1].contains("\"band bad\" x=\"535.0\""), "{}", bands[1]);
    }
}
