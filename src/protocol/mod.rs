//! Application protocols over in-order bytes and datagrams. Pure: no clock, no operating system.

pub mod dns;
pub mod http1;
