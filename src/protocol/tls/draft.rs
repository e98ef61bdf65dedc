//! One handshake, as far as it was seen.

use super::flags::Flags;
use super::handshake::{Alert, TlsHandshake, Transport};
use super::hello::{ClientHello, ServerHello, TLS_1_3, extension};
use super::messages::{CLIENT_HELLO, Message, Messages};
use crate::flow::{Flow, Side};
use crate::limits::{Limits, Loss};
use crate::record::Time;

/// What reading needs besides the bytes.
pub(super) struct Context<'a> {
    pub(super) limits: &'a Limits,
    pub(super) loss: &'a mut Loss,
}

/// What both sides said before they encrypted it. Becomes a row once neither of them will say more.
#[derive(Debug, Default)]
pub(super) struct Draft {
    /// Who is the client, once a hello told.
    client: Option<Side>,
    /// When the first hello began.
    began: Option<Time>,
    /// When the last byte of the ClientHello came.
    sent: Option<Time>,
    /// When the first byte of the server's answer to it came.
    answered: Option<Time>,
    client_hello: Option<ClientHello>,
    server_hello: Option<ServerHello>,
    alert: Option<Alert>,
    is_resumed: Option<bool>,
    flags: Flags,
    messages: [Messages; 2],
    /// Sides of which nothing more is read.
    done: [bool; 2],
}

/// The level of an alert that ends the connection.
const FATAL: u8 = 2;

const CLOSE_NOTIFY: u8 = 0;

/// Messages that a server sends only where keys are agreed on anew: Certificate, ServerKeyExchange, ServerHelloDone.
const OF_FULL_HANDSHAKE: [u8; 3] = [11, 12, 14];

impl Draft {
    /// Who is the client, once that is known.
    pub(super) const fn client(&self) -> Option<Side> {
        self.client
    }

    /// A hello begins, and tells who is the client. Gives whether that agrees with what is known.
    pub(super) fn begin(&mut self, client: Side, time: Time) -> bool {
        self.began.get_or_insert(time);
        *self.client.get_or_insert(client) == client
    }

    /// Notes what is remarkable.
    pub(super) fn note(&mut self, flags: Flags) {
        self.flags |= flags;
    }

    /// Whether that was noted.
    pub(super) const fn has(&self, flags: Flags) -> bool {
        self.flags.has(flags)
    }

    /// Both sides send their messages from their beginning again.
    pub(super) fn restart(&mut self) {
        self.messages = <[Messages; 2]>::default();
    }

    /// Whether nothing more is read of a side.
    pub(super) const fn is_done(&self, side: Side) -> bool {
        self.done[side.index()]
    }

    /// Whether neither side will say more that can be read.
    pub(super) fn is_over(&self) -> bool {
        self.done == [true; 2]
    }

    /// Nothing more is read of a side.
    pub(super) fn stop(&mut self, side: Side) {
        self.done[side.index()] = true;
        self.messages[side.index()] = Messages::default();
    }

    /// Nothing more is read of either side, but for a ClientHello whose packets come behind those of the answer.
    pub(super) fn stop_both(&mut self) {
        for side in Side::BOTH {
            if self.client != Some(side) || self.sent.is_some() {
                self.stop(side);
            }
        }
    }

    /// The next bytes of a side's handshake messages.
    pub(super) fn handshake(&mut self, context: &mut Context<'_>, from: Side, mut bytes: &[u8], time: Time) {
        while !self.is_done(from) {
            let limit = context.limits.tls_hello_bytes;
            match self.messages[from.index()].next(&mut bytes, time, limit) {
                None => break,
                Some(Message::Hello(CLIENT_HELLO, body, began)) => {
                    self.client_hello(context, from, ClientHello::parse(&body), [began, time]);
                }
                Some(Message::Hello(_, body, began)) => self.server_hello(context, from, &body, began),
                Some(Message::Other(kind)) => {
                    if self.client == Some(from.other()) && OF_FULL_HANDSHAKE.contains(&kind) {
                        self.is_resumed.get_or_insert(false);
                    }
                }
                Some(Message::TooLong) => self.cut(context, from),
            }
        }
    }

    /// A ClientHello was read, or what should have been one; with the times of its first and its last byte.
    pub(super) fn client_hello(
        &mut self,
        context: &mut Context<'_>,
        from: Side,
        hello: Option<ClientHello>,
        [began, end]: [Time; 2],
    ) {
        if self.sent.is_some() {
            // The answer to a HelloRetryRequest offers nothing new.
            return;
        }
        let Some(hello) = hello.filter(|_| self.begin(from, began)) else {
            return self.malformed(context, from);
        };
        self.sent = Some(end);
        if hello.has(extension::ENCRYPTED_CLIENT_HELLO) {
            self.note(Flags::ECH);
        }
        self.client_hello = Some(hello);
        if self.is_done(from.other()) && self.is_answered() {
            self.stop(from);
        }
    }

    fn server_hello(&mut self, context: &mut Context<'_>, from: Side, body: &[u8], began: Time) {
        let hello = ServerHello::parse(body).filter(|_| self.begin(from.other(), began));
        match hello {
            None => self.malformed(context, from),
            Some(hello) if hello.is_retry => {
                self.answered.get_or_insert(began);
                self.note(Flags::HELLO_RETRY);
            }
            Some(hello) => {
                self.answered.get_or_insert(began);
                let is_encrypted = hello.version >= TLS_1_3;
                if is_encrypted {
                    self.is_resumed = Some(hello.has_pre_shared_key);
                }
                self.server_hello = Some(hello);
                if is_encrypted {
                    self.stop_both();
                }
            }
        }
    }

    /// Whether nothing of the server is waited for.
    fn is_answered(&self) -> bool {
        self.alert.is_some() || self.server_hello.as_ref().is_some_and(|hello| hello.version >= TLS_1_3)
    }

    /// An alert that is not encrypted.
    pub(super) fn alert(&mut self, by: Side, [level, description]: [u8; 2]) {
        let alert = Alert { is_fatal: level == FATAL, description, by };
        match &mut self.alert {
            Some(known) if known.is_fatal || !alert.is_fatal => {}
            place => *place = Some(alert),
        }
        if alert.is_fatal || description == CLOSE_NOTIFY {
            self.stop(by);
            self.stop_both();
        }
    }

    /// A side encrypts what follows, or does as if, because boxes in the middle expect it (RFC 8446, appendix D.4).
    pub(super) fn change_cipher_spec(&mut self, from: Side) {
        if self.client == Some(from) {
            self.stop(from);
        } else if self.server_hello.is_some() {
            self.is_resumed.get_or_insert(true);
            self.stop(from);
        }
    }

    /// A hello is too long, or in too many pieces.
    pub(super) fn cut(&mut self, context: &mut Context<'_>, from: Side) {
        self.note(Flags::CUT);
        context.loss.tls_unread += 1;
        self.stop(from);
    }

    /// A side sends what it must not.
    pub(super) fn malformed(&mut self, context: &mut Context<'_>, from: Side) {
        self.note(Flags::MALFORMED);
        context.loss.tls_unread += u64::from(!self.has_hello(from));
        self.stop(from);
    }

    /// Whether the hello of a side was read.
    pub(super) fn has_hello(&self, side: Side) -> bool {
        if self.client == Some(side) { self.client_hello.is_some() } else { self.server_hello.is_some() }
    }

    /// The row that it makes; none if there was no hello.
    pub(super) fn finish(self, flow: &Flow, transport: Transport) -> Option<TlsHandshake> {
        let (client, time) = (self.client?, self.began?);
        let mut flags = self.flags;
        if self.client_hello.is_none() {
            flags |= Flags::NO_CLIENT_HELLO;
        }
        if self.server_hello.is_none() {
            flags |= Flags::NO_SERVER_HELLO;
        }
        let latency = self.sent.zip(self.answered).map(|(sent, answered)| answered - sent);
        Some(TlsHandshake {
            time,
            client: flow.endpoint(client),
            server: flow.endpoint(client.other()),
            transport,
            client_hello: self.client_hello,
            server_hello: self.server_hello,
            alert: self.alert.map(|alert| (alert, alert.by == client)),
            latency,
            is_resumed: self.is_resumed,
            flags,
            owners: TlsHandshake::owners_of(flow, client),
        })
    }
}
