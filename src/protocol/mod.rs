//! Application protocols over in-order bytes. Pure: no clock, no operating system.

pub mod http1;
