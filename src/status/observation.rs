//! What one round says of one endpoint.

use std::sync::Arc;

use crate::record::{Duration, Record as _, Row, Time, Value};
use crate::trace::{Trace, Verdict};

/// What one round says of one endpoint.
#[derive(Debug, Clone)]
pub struct Observation {
    /// The host with the port.
    pub endpoint: String,
    /// When the round began.
    pub time: Time,
    /// What it says.
    pub verdict: Verdict,
    /// Why, in one sentence.
    pub reason: String,
    /// The shortest round trip to the target, if that answered.
    pub latency: Option<Duration>,
    /// The hops, the nearest first.
    pub hops: Vec<Row>,
    /// The trace, if there is one.
    pub trace: Option<Row>,
    /// The round as text of several lines.
    pub text: String,
}

impl Observation {
    /// What a trace says. `text` is how it is told to people.
    #[must_use]
    pub fn of(trace: &Trace, text: &str) -> Self {
        let conclusion = trace.conclusion();
        let time = match trace.get("start") {
            Some(Value::Time(time)) => time,
            _ => Time::default(),
        };
        let target = trace.hops().last().filter(|_| conclusion.verdict.reached());
        let trips = match target.and_then(|hop| hop.get("rtts")) {
            Some(Value::List(trips)) => trips,
            _ => Vec::new(),
        };
        let trips =
            trips.into_iter().filter_map(|trip| if let Value::Duration(trip) = trip { Some(trip) } else { None });
        Self {
            endpoint: trace.endpoint(),
            time,
            verdict: conclusion.verdict,
            reason: conclusion.reason.clone(),
            latency: trips.min(),
            hops: trace.hops().iter().map(|hop| hop.clone() as Row).collect(),
            trace: Some(Arc::new(trace.clone())),
            text: text.to_owned(),
        }
    }

    /// A round in which nothing could be traced: the name of the host has no address, or there is no way out.
    #[must_use]
    pub fn failure(endpoint: &str, time: Time, reason: &str, text: &str) -> Self {
        Self {
            endpoint: endpoint.to_owned(),
            time,
            verdict: Verdict::Inconclusive,
            reason: reason.to_owned(),
            latency: None,
            hops: Vec::new(),
            trace: None,
            text: text.to_owned(),
        }
    }
}
