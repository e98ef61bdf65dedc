//! HTTP exchanges out of conversations.

use std::sync::Arc;

use super::credential::Credentials;
use super::{Connection, Context, HttpExchange, Settings};
use crate::flow::{Analyzer, Event, Flow, FlowId, Interest, Side};
use crate::limits::Loss;
use crate::record::Row;

/// A row for each request with its response, of every TCP conversation whose content is HTTP/1.x.
#[derive(Debug)]
pub struct Exchanges {
    settings: Settings,
    /// By conversation, once it has payload.
    conversations: Vec<Option<Box<Conversation>>>,
    credentials: Credentials,
    loss: Loss,
    complete: Vec<HttpExchange>,
}

#[derive(Debug)]
struct Conversation {
    connection: Connection,
    /// Stretches that were missing before it was known whether this is HTTP, and their bytes.
    gaps: (u64, u64),
}

impl Exchanges {
    /// Keeps of each message what the settings say.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            conversations: Vec::new(),
            credentials: Credentials::default(),
            loss: Loss::default(),
            complete: Vec::new(),
        }
    }
}

impl Conversation {
    fn new(flow: &Flow) -> Box<Self> {
        let [originator, responder] = Side::BOTH.map(|side| flow.endpoint(side));
        Box::new(Self { connection: Connection::new(originator, responder, flow.has_syn()), gaps: (0, 0) })
    }
}

impl Analyzer for Exchanges {
    fn event(&mut self, id: FlowId, flow: &Flow, event: Event<'_>, rows: &mut Vec<Row>) -> Interest {
        let index = id.index();
        if self.conversations.len() <= index {
            self.conversations.resize_with(index + 1, || None);
        }
        let place = &mut self.conversations[index];
        let mut context = Context { settings: &self.settings, loss: &mut self.loss, exchanges: &mut self.complete };
        match event {
            Event::Opened => *place = None,
            Event::Data(from, bytes, time) => {
                let conversation = place.get_or_insert_with(|| Conversation::new(flow));
                conversation.connection.data(&mut context, from, bytes, time);
            }
            Event::Gap(from, bytes, time) => {
                let conversation = place.get_or_insert_with(|| Conversation::new(flow));
                conversation.gaps.0 += 1;
                conversation.gaps.1 += bytes;
                conversation.connection.gap(&mut context, from, bytes, time);
            }
            Event::End(from, time) => {
                if let Some(conversation) = place {
                    conversation.connection.end(&mut context, from, time);
                }
            }
            Event::Datagram(_) | Event::Closed(_) => {}
        }
        let mut interest = if flow.is_tcp() { Interest::Payload } else { Interest::Flow };
        if let Some(conversation) = place {
            // What other protocols miss is not missing from HTTP.
            if conversation.connection.is_http() {
                let (gaps, bytes) = std::mem::take(&mut conversation.gaps);
                context.loss.gaps += gaps;
                context.loss.gap_bytes += bytes;
            }
            if matches!(event, Event::Closed(_)) || conversation.connection.is_done() {
                conversation.connection.close(&mut context);
                *place = None;
                interest = Interest::Flow;
            }
        }
        if self.settings.credentials {
            self.complete.iter().for_each(|exchange| exchange.know_credential(&mut self.credentials));
        }
        if flow.owners().is_some() {
            self.complete.iter_mut().for_each(|exchange| exchange.belongs_to(flow));
        }
        rows.extend(self.complete.drain(..).map(|exchange| Arc::new(exchange) as Row));
        interest
    }

    fn loss(&self) -> Loss {
        self.loss.clone()
    }
}
