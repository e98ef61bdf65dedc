//! What left for the outside: whether a command, a container or a capture reached for what it must not reach for.

pub mod policy;
