//! TLS handshakes out of conversations.

use super::connection::Connection;
use super::draft::Context;
use super::quic_connection::QuicConnection;
use super::{TlsHandshake, Transport};
use crate::flow::{Event, Flow, FlowId, Interest};
use crate::limits::{Limits, Loss};

/// Finds the handshake of every conversation that begins with one: of TLS over TCP, and of QUIC over UDP, on any port.
///
/// A handshake is complete when neither side will say more that is not encrypted: in TLS 1.3 with the ServerHello, before
/// that with the ChangeCipherSpec of both, so that alerts about certificates are in it; else with an alert that ends it, or
/// when the conversation closes. What does not begin as TLS or QUIC is let go at its first bytes; but a dialogue in text
/// behind which TLS may begin (STARTTLS, CONNECT) is followed for 4 KiB.
#[derive(Debug)]
pub struct Tracker {
    limits: Limits,
    /// By conversation, once it has payload.
    conversations: Vec<Option<Conversation>>,
    loss: Loss,
}

#[derive(Debug)]
enum Conversation {
    Tcp(Box<Connection>),
    Quic(Box<QuicConnection>),
}

impl Tracker {
    /// Keeps no more of each handshake than the limits say.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self { limits: limits.clone(), conversations: Vec::new(), loss: Loss::default() }
    }

    /// Something happens to a conversation. Handshakes that are complete go to `complete`.
    pub fn event(&mut self, id: FlowId, flow: &Flow, event: Event<'_>, complete: &mut Vec<TlsHandshake>) -> Interest {
        let index = id.index();
        if self.conversations.len() <= index {
            self.conversations.resize_with(index + 1, || None);
        }
        let place = &mut self.conversations[index];
        let mut context = Context { limits: &self.limits, loss: &mut self.loss };
        let is_closed = matches!(event, Event::Closed(_));
        match event {
            Event::Opened => *place = None,
            Event::Closed(_) => {}
            _ => place.get_or_insert_with(|| Conversation::of(flow)).event(&mut context, event),
        }
        if !is_closed && !place.as_ref().is_some_and(Conversation::is_over) {
            return Interest::Payload;
        }
        complete.extend(place.take().and_then(|conversation| conversation.close(&mut context, flow)));
        Interest::Flow
    }

    /// What it could not see so far.
    #[must_use]
    pub const fn loss(&self) -> &Loss {
        &self.loss
    }
}

impl Conversation {
    fn of(flow: &Flow) -> Self {
        if flow.is_tcp() { Self::Tcp(Box::default()) } else { Self::Quic(Box::default()) }
    }

    fn event(&mut self, context: &mut Context<'_>, event: Event<'_>) {
        match (self, event) {
            (Self::Tcp(connection), Event::Data(from, bytes, time)) => connection.data(context, from, bytes, time),
            (Self::Tcp(connection), Event::Gap(from, bytes, _)) => connection.gap(from, bytes),
            (Self::Tcp(connection), Event::End(from, _)) => connection.end(from),
            (Self::Quic(connection), Event::Datagram(datagram)) => connection.datagram(context, &datagram),
            _ => {}
        }
    }

    fn is_over(&self) -> bool {
        match self {
            Self::Tcp(connection) => connection.is_over(),
            Self::Quic(connection) => connection.is_over(),
        }
    }

    /// The handshake as far as it was seen, when no more will come.
    fn close(self, context: &mut Context<'_>, flow: &Flow) -> Option<TlsHandshake> {
        match self {
            Self::Tcp(connection) => connection.close(context)?.finish(flow, Transport::Tcp),
            Self::Quic(connection) => connection.close(context)?.finish(flow, Transport::Quic),
        }
    }
}
