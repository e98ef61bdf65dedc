//! HTTP exchanges out of conversations.

use std::net::SocketAddr;
use std::sync::Arc;

use super::{Connection, Context, HttpExchange, Settings};
use crate::flow::{Analyzer, Event, Flow, FlowId, Interest, Side};
use crate::limits::Loss;
use crate::record::Row;

/// A row for each request with its response, of every TCP conversation whose content is HTTP/1.x.
#[derive(Debug)]
pub struct Exchanges {
    settings: Settings,
    /// By conversation, once it has payload.
    connections: Vec<Option<Box<Connection>>>,
    loss: Loss,
    complete: Vec<HttpExchange>,
}

impl Exchanges {
    /// Keeps of each message what the settings say.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self { settings, connections: Vec::new(), loss: Loss::default(), complete: Vec::new() }
    }

    fn endpoints(flow: &Flow) -> [SocketAddr; 2] {
        Side::BOTH.map(|side| flow.endpoint(side))
    }
}

impl Analyzer for Exchanges {
    fn event(&mut self, id: FlowId, flow: &Flow, event: Event<'_>, rows: &mut Vec<Row>) -> Interest {
        let index = id.index();
        if self.connections.len() <= index {
            self.connections.resize_with(index + 1, || None);
        }
        let place = &mut self.connections[index];
        let mut context = Context { settings: &self.settings, loss: &mut self.loss, exchanges: &mut self.complete };
        let connection = || {
            let [originator, responder] = Self::endpoints(flow);
            Box::new(Connection::new(originator, responder, flow.has_syn()))
        };
        match event {
            Event::Opened => *place = None,
            Event::Data(from, bytes, time) => {
                place.get_or_insert_with(connection).data(&mut context, from, bytes, time);
            }
            Event::Gap(from, bytes, time) => {
                let connection = place.get_or_insert_with(connection);
                connection.gap(&mut context, from, bytes, time);
                if connection.is_http() {
                    context.loss.gaps += 1;
                    context.loss.gap_bytes += bytes;
                }
            }
            Event::End(from, time) => {
                if let Some(connection) = place {
                    connection.end(&mut context, from, time);
                }
            }
            Event::Closed(_) => {
                if let Some(mut connection) = place.take() {
                    connection.close(&mut context);
                }
            }
        }
        let done = place.as_ref().is_some_and(|connection| connection.is_done());
        if done {
            if let Some(mut connection) = place.take() {
                connection.close(&mut context);
            }
        }
        rows.extend(self.complete.drain(..).map(|exchange| Arc::new(exchange) as Row));
        if done { Interest::Flow } else { Interest::Payload }
    }

    fn loss(&self) -> Loss {
        self.loss.clone()
    }
}
