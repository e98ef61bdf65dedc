//! One connection: two directions of bytes in, exchanges out.

use std::net::SocketAddr;

use super::HttpExchange;
use crate::flow::Side;
use crate::limits::{Limits, Loss};
use crate::record::Time;

/// What to keep of each message.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Bounds on heads, bodies and waiting requests.
    pub limits: Limits,
    /// Keep bodies; without it they are only measured.
    pub bodies: bool,
    /// Show credentials instead of masking them.
    pub show_secrets: bool,
}

/// What a connection reads from and writes to while it is fed.
#[derive(Debug)]
pub struct Context<'a> {
    /// What to keep.
    pub settings: &'a Settings,
    /// What was not seen.
    pub loss: &'a mut Loss,
    /// Exchanges that are complete, or that will never be.
    pub exchanges: &'a mut Vec<HttpExchange>,
}

/// The state of one TCP conversation as HTTP/1.x.
#[derive(Debug)]
pub struct Connection {}

impl Connection {
    /// A connection between the flow's originator and responder; `from_start` if the capture has its SYN.
    #[must_use]
    pub fn new(_originator: SocketAddr, _responder: SocketAddr, _from_start: bool) -> Self {
        Self {}
    }

    /// The next bytes that `from` sent, and when they were captured.
    pub fn data(&mut self, _context: &mut Context<'_>, _from: Side, _bytes: &[u8], _time: Time) {}

    /// That many bytes of `from` are missing here.
    pub fn gap(&mut self, _context: &mut Context<'_>, _from: Side, _bytes: u64, _time: Time) {}

    /// `from` sends nothing more (FIN or RST).
    pub fn end(&mut self, _context: &mut Context<'_>, _from: Side, _time: Time) {}

    /// The conversation left the table: emits what is still waiting, as incomplete.
    pub fn close(&mut self, _context: &mut Context<'_>) {}

    /// x
    #[must_use]
    pub fn is_http(&self) -> bool {
        false
    }

    /// Whether this will give no exchange any more, whatever comes: not HTTP, a tunnel, HTTP/2.
    #[must_use]
    pub fn is_done(&self) -> bool {
        false
    }
}
