//! HTTP/1.x (RFC 9110, RFC 9112): requests paired with their responses.

mod analyzer;
mod connection;
mod exchange;

pub use analyzer::Exchanges;
pub use connection::{Connection, Context, Settings};
pub use exchange::{Credential, HttpExchange};
