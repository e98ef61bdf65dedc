//! What turns conversations into rows.

use super::{Event, Flow, FlowId, Interest};
use crate::limits::Loss;
use crate::record::Row;

/// Turns what happens to conversations into rows: one for each noun that is made of conversations.
pub trait Analyzer {
    /// Something happens to a conversation. Rows that are complete go to `rows`.
    fn event(&mut self, id: FlowId, flow: &Flow, event: Event<'_>, rows: &mut Vec<Row>) -> Interest;

    /// What it could not see so far.
    fn loss(&self) -> Loss;
}

/// A row for each conversation that leaves the table.
#[derive(Debug, Default)]
pub struct Flows;

impl Analyzer for Flows {
    fn event(&mut self, _: FlowId, flow: &Flow, event: Event<'_>, rows: &mut Vec<Row>) -> Interest {
        if let Event::Closed(_) = event {
            rows.push(std::sync::Arc::new(flow.clone()));
        }
        Interest::Flow
    }

    fn loss(&self) -> Loss {
        Loss::default()
    }
}
