//! What Prometheus reads.

use std::fmt::Write as _;

use super::{Status, VERDICTS};
use crate::web::metrics::{head, label};

/// All metrics.
pub(super) fn write(status: &Status) -> String {
    let mut text = String::new();
    let endpoints = || status.endpoints().iter().map(|history| (label(&history.last().endpoint), history));

    head(&mut text, "netscript_endpoint_verdict", "gauge", "1 for the verdict of the last round, 0 for the others.");
    for (endpoint, history) in endpoints() {
        for verdict in VERDICTS {
            let is = u8::from(verdict == history.last().verdict);
            let _ = writeln!(text, "netscript_endpoint_verdict{{endpoint=\"{endpoint}\",verdict=\"{verdict}\"}} {is}");
        }
    }
    head(&mut text, "netscript_endpoint_rounds_total", "counter", "Rounds that ended with the verdict.");
    for (endpoint, history) in endpoints() {
        for (verdict, count) in history.counts() {
            let labels = format!("endpoint=\"{endpoint}\",verdict=\"{verdict}\"");
            let _ = writeln!(text, "netscript_endpoint_rounds_total{{{labels}}} {count}");
        }
    }
    head(
        &mut text,
        "netscript_endpoint_latency_seconds",
        "gauge",
        "Shortest round trip to the target in the last round, if it answered.",
    );
    for (endpoint, history) in endpoints() {
        if let Some(latency) = history.last().latency {
            let seconds = latency.as_secs_f64();
            let _ = writeln!(text, "netscript_endpoint_latency_seconds{{endpoint=\"{endpoint}\"}} {seconds}");
        }
    }
    head(&mut text, "netscript_endpoint_last_round_timestamp_seconds", "gauge", "When the last round began.");
    for (endpoint, history) in endpoints() {
        let seconds = history.last().time.as_nanos() / 1_000_000_000;
        let _ = writeln!(text, "netscript_endpoint_last_round_timestamp_seconds{{endpoint=\"{endpoint}\"}} {seconds}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::sample::{at, observation, status};
    use super::super::{Observation, Status};
    use super::*;
    use crate::trace::Verdict;

    #[test]
    fn metrics_say_the_last_verdict_counts_and_latency() {
        let text = write(&status());
        for line in [
            "# TYPE netscript_endpoint_verdict gauge",
            "netscript_endpoint_verdict{endpoint=\"db.example:5432\",verdict=\"open\"} 0",
            "netscript_endpoint_verdict{endpoint=\"db.example:5432\",verdict=\"filtered\"} 1",
            "# TYPE netscript_endpoint_rounds_total counter",
            "netscript_endpoint_rounds_total{endpoint=\"db.example:5432\",verdict=\"open\"} 2",
            "netscript_endpoint_rounds_total{endpoint=\"db.example:5432\",verdict=\"filtered\"} 1",
            "netscript_endpoint_latency_seconds{endpoint=\"web.example:443\"} 0.0015",
            "netscript_endpoint_last_round_timestamp_seconds{endpoint=\"db.example:5432\"} 1763650810",
        ] {
            assert!(text.lines().any(|other| other == line), "{line}: {text}");
        }
        assert!(!text.contains("latency_seconds{endpoint=\"db.example"), "nothing answers: {text}");
        assert_eq!(at(10).as_nanos(), 1_763_650_810_000_000_000);
    }

    #[test]
    fn labels_cannot_be_left_by_what_is_in_them() {
        let mut status = Status::new("egress");
        let endpoint = "a\\\"} 1\nevil{x=\"".to_owned();
        status.add(Observation { endpoint, ..observation(Verdict::Open, 0) }).unwrap();
        let text = write(&status);
        assert!(text.contains(r#"{endpoint="a\\\"} 1\nevil{x=\"",verdict="open"} 1"#), "{text}");
        assert!(text.lines().all(|line| line.starts_with('#') || line.starts_with("netscript_endpoint_")), "{text}");
    }
}
