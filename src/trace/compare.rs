//! Traces side by side: where their ways part.

use std::sync::Arc;

use super::record::{Hop, Trace};
use super::verdict::Verdict;

/// Traces side by side.
#[derive(Debug, Clone)]
pub struct Comparison {
    traces: Vec<Arc<Trace>>,
    verdict: &'static str,
    parts_at: Option<Arc<Hop>>,
    reason: String,
}

/// Where two ways part: the last hop that both have; none if there is no such hop.
struct Parting {
    last_common: Option<Arc<Hop>>,
    /// Whether different hops follow, or one way goes on where the other ends.
    differ: bool,
}

impl Comparison {
    /// Compares the first trace with each of the others.
    #[must_use]
    pub fn of(traces: Vec<Arc<Trace>>) -> Self {
        let mut same = Self {
            verdict: "same",
            parts_at: None,
            reason: "the same verdict, on the same way as far as it is known".to_owned(),
            traces: Vec::new(),
        };
        if let Some((first, others)) = traces.split_first() {
            let unclear = traces.iter().find(|trace| trace.conclusion().verdict == Verdict::Inconclusive);
            let partings = others.iter().map(|other| (other, Parting::of(first, other)));
            // The nearest one says most.
            let nearest = partings.filter(|(_, parting)| parting.differ).min_by_key(|(_, parting)| parting.ttl());
            if let Some((other, parting)) = nearest {
                same.verdict = "different";
                same.reason = parting.words(first, other);
                same.parts_at = parting.last_common;
            }
            if let Some(trace) = unclear {
                same.verdict = "inconclusive";
                same.reason = format!("{}: {}", trace.endpoint(), trace.conclusion().reason);
            }
        }
        Self { traces, ..same }
    }

    /// `same`, `different` or `inconclusive`.
    #[must_use]
    pub const fn verdict(&self) -> &'static str {
        self.verdict
    }

    /// The last hop that the traces have in common, if they part.
    #[must_use]
    pub const fn parts_at(&self) -> Option<&Arc<Hop>> {
        self.parts_at.as_ref()
    }
}

impl Parting {
    fn of(one: &Trace, other: &Trace) -> Self {
        let mut last_common = None;
        let mut differ = one.conclusion().verdict != other.conclusion().verdict;
        for (a, b) in one.hops().iter().zip(other.hops()) {
            if a.addresses().iter().any(|address| b.addresses().contains(address)) {
                last_common = Some(a.clone());
            } else if !a.addresses().is_empty() && !b.addresses().is_empty() {
                differ = true;
                break;
            }
        }
        Self { last_common, differ }
    }

    fn ttl(&self) -> u8 {
        self.last_common.as_ref().map_or(0, |hop| hop.ttl())
    }

    fn words(&self, one: &Trace, other: &Trace) -> String {
        let of = |trace: &Trace| format!("{} is {}", trace.endpoint(), trace.conclusion().verdict);
        let place = self.last_common.as_ref().map_or_else(
            || "they have no hop in common".to_owned(),
            |hop| {
                let address = hop.addresses().first().map(ToString::to_string).unwrap_or_default();
                format!("they part behind hop {} ({address})", hop.ttl())
            },
        );
        format!("{} and {}; {place}", of(one), of(other))
    }
}

crate::record! {
    /// Traces side by side, and where they part.
    impl Record for Comparison as "trace_comparison" {
        /// `same`, `different`, or `inconclusive` if one of the traces is.
        verdict: Text, main => |it| it.verdict;
        /// Why, in one sentence.
        reason: Text, main => |it| it.reason.as_str();
        /// The last hop that they have in common, if they are different.
        parts_at: Record, main => |it| it.parts_at.clone();
        /// The traces, in the order in which they were asked for.
        traces: List, main => |it| it.traces.clone();
    }
}
