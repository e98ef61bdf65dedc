//! What programs read: everything that the page shows, as JSON.

use serde_json::{Map, Value, json};

use super::{History, Status};
use crate::record::Time;

/// The whole status as one object.
pub(super) fn json(status: &Status, now: Time) -> String {
    let endpoints: Vec<Value> = status.endpoints().iter().map(endpoint).collect();
    json!({ "title": status.title(), "time": now.to_string(), "endpoints": endpoints }).to_string()
}

fn endpoint(history: &History) -> Value {
    let last = history.last();
    let seconds = |latency: Option<crate::record::Duration>| latency.map(|latency| latency.as_secs_f64());
    let counts: Map<String, Value> =
        history.counts().map(|(verdict, count)| (verdict.name().to_owned(), count.into())).collect();
    let rounds: Vec<Value> = history
        .rounds()
        .map(|round| {
            json!({
                "time": round.time.to_string(),
                "verdict": round.verdict.name(),
                "latency": seconds(round.latency),
            })
        })
        .collect();
    json!({
        "endpoint": last.endpoint,
        "verdict": last.verdict.name(),
        "reason": last.reason,
        "since": history.since().to_string(),
        "latency": seconds(last.latency),
        "counts": counts,
        "text": last.text,
        "trace": last.trace.as_ref().and_then(|trace| serde_json::to_value(trace.as_ref()).ok()),
        "rounds": rounds,
    })
}

#[cfg(test)]
mod tests {
    use super::super::sample::{at, status};
    use super::*;

    #[test]
    fn the_report_has_every_endpoint_with_its_rounds() {
        let report: Value = serde_json::from_str(&json(&status(), at(60))).unwrap();
        assert_eq!(report["title"], "Egress <of> \"us\"");
        let db = &report["endpoints"][0];
        assert_eq!((&db["endpoint"], &db["verdict"]), (&json!("db.example:5432"), &json!("filtered")));
        assert_eq!(db["since"], at(10).to_string());
        assert_eq!(db["rounds"].as_array().unwrap().len(), 3);
        assert_eq!(db["rounds"][0], json!({ "time": at(0).to_string(), "verdict": "open", "latency": 0.0015 }));
        assert_eq!(db["counts"]["open"], 2);
    }
}
