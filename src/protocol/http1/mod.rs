//! HTTP/1.x (RFC 9110, RFC 9112): requests paired with their responses.
//!
//! The way of a byte: [`Connection`] recognises HTTP and which side is the client; a reader for each side cuts what it
//! sends into heads and bodies; pairing puts requests and responses together; an [`HttpExchange`] holds both.

mod analyzer;
mod chunked;
mod coding;
mod connection;
mod credential;
mod exchange;
mod flags;
mod forwarded;
mod framing;
mod head;
mod jwt;
mod message;
mod pairing;
mod reader;
mod scan;
mod session;
mod start_line;
mod target;
#[cfg(test)]
mod tests;
mod turns;

pub use analyzer::Exchanges;
pub use connection::{Connection, Context, Settings};
pub use credential::Credential;
pub use exchange::HttpExchange;
pub use flags::FLAGS;
