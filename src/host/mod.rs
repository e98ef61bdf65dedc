//! What this host is made of: network namespaces, interfaces, sockets, processes, containers.
//!
//! Everything is read from the kernel and from container engines when it is asked for, and nothing is changed.

mod attribution;
pub mod container;
mod error;
mod link;
mod namespace;
mod netlink;
mod owner;
mod socket;

pub use attribution::{Attribution, Method};
pub use container::{Container, Containers, KnownBy, Query, Runtime, Sockets, Veth, Veths};
pub use error::HostError;
pub use link::{Counters, Link, Peer, links};
pub use namespace::{Namespace, NamespaceId};
pub use owner::SocketOwners;
pub use socket::{Socket, SocketReader, SocketState, SocketTable, Which};
