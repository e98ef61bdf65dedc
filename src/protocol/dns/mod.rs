//! DNS (RFC 1035), multicast DNS (RFC 6762) and LLMNR (RFC 4795): queries paired with their answers.
//!
//! The way of a message: a [`Tracker`] finds DNS among conversations, and messages in TCP streams; what is read of one
//! keeps its bytes; pairing puts queries and answers together; a [`DnsQuery`] holds both, and records are read off it
//! when they are asked for.

mod data;
mod framing;
mod layout;
mod message;
mod name;
mod pairing;
mod query;
mod record;
mod terms;
#[cfg(test)]
mod tests;
mod tracker;
mod transport;
mod waiting;

pub use data::Data;
pub use name::Name;
pub use query::DnsQuery;
pub use record::{ResourceRecord, Section};
pub use terms::{rcode_name, type_name};
pub use tracker::{Queries, Tracker};
