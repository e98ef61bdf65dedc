//! Application protocols over in-order bytes and datagrams. Pure: no clock, no operating system.

mod cursor;
pub mod dns;
pub mod http1;
pub mod quic;
pub mod tls;
