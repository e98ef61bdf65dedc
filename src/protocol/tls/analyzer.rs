//! TLS handshakes as rows.

use std::sync::Arc;

use super::{TlsHandshake, Tracker};
use crate::flow::{Analyzer, Event, Flow, FlowId, Interest};
use crate::limits::{Limits, Loss};
use crate::record::Row;

/// A row for each handshake that a [`Tracker`] finds.
#[derive(Debug)]
pub struct Handshakes {
    tracker: Tracker,
    complete: Vec<TlsHandshake>,
}

impl Handshakes {
    /// Keeps no more of each handshake than the limits say.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self { tracker: Tracker::new(limits), complete: Vec::new() }
    }
}

impl Analyzer for Handshakes {
    fn event(&mut self, id: FlowId, flow: &Flow, event: Event<'_>, rows: &mut Vec<Row>) -> Interest {
        let interest = self.tracker.event(id, flow, event, &mut self.complete);
        rows.extend(self.complete.drain(..).map(|handshake| Arc::new(handshake) as Row));
        interest
    }

    fn loss(&self) -> Loss {
        self.tracker.loss().clone()
    }
}
