//! The beginning of QUIC connections, versions 1 and 2 (RFC 9000, RFC 9001, RFC 9369): what Initial packets carry.
//!
//! Their keys follow from the connection ID that the client chose, which is in the packet: whoever sees the first one can
//! read it. All later packets are encrypted for the two ends alone.

mod connection;
mod frames;
mod keys;
mod packets;
mod stream;
#[cfg(test)]
pub(crate) mod tests;

pub use connection::{Connection, Event};
