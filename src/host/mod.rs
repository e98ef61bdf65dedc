//! What this host is made of: network namespaces, interfaces, sockets, processes, containers.
//!
//! Everything is read from the kernel and from container engines when it is asked for, and nothing is changed.

pub mod container;
mod error;
mod namespace;

pub use container::{Container, Containers, KnownBy, Query, Runtime};
pub use error::HostError;
pub use namespace::{Namespace, NamespaceId};
