//! TLS handshakes over TCP and QUIC (RFC 8446, RFC 5246, RFC 9001): what a client offers and what its server chooses.
//!
//! The way of a byte: over TCP a connection recognises TLS and takes its records apart, over QUIC the Initial packets are
//! decrypted; messages are put together out of what both carry; a draft takes the two hellos and an alert, and becomes a
//! [`TlsHandshake`].

mod analyzer;
mod cipher;
mod connection;
mod draft;
mod flags;
mod handshake;
mod hello;
mod ja4;
mod messages;
mod names;
mod preamble;
mod quic_connection;
mod records;
#[cfg(test)]
mod tests;
mod tracker;

pub use analyzer::Handshakes;
pub use flags::FLAGS;
pub use handshake::{TlsHandshake, Transport};
pub use tracker::Tracker;
