//! HTTP/1.x (RFC 9110, RFC 9112): requests paired with their responses.

mod connection;
mod exchange;

pub use connection::{Connection, Context, Settings};
pub use exchange::HttpExchange;
