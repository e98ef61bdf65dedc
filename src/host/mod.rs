//! What this host is made of: network namespaces, interfaces, sockets, processes, containers.
//!
//! Everything is read from the kernel and from container engines when it is asked for, and nothing is changed.

mod attribution;
pub(crate) mod bpf;
pub mod container;
mod endpoint;
mod error;
mod interface;
mod link;
pub(crate) mod local;
mod namespace;
mod netlink;
mod owner;
mod privilege;
mod process;
mod snapshot;
mod socket;

pub use attribution::{Attribution, Method};
pub use bpf::BpfError;
pub use container::{Container, Containers, KnownBy, Query, Runtime, Veth, Veths};
pub use endpoint::{Connection, Listener, connections, listeners};
pub use error::HostError;
pub use interface::{Interface, InterfaceRate, interfaces, rates};
pub use link::{Counters, Link, Peer, links};
pub use namespace::{Namespace, NamespaceId};
pub use owner::SocketOwners;
pub use privilege::{may_capture, may_dispatch, may_watch, sees_all_namespaces};
pub use process::{Process, Users};
pub use snapshot::Snapshot;
pub use socket::{Socket, SocketReader, SocketState, SocketTable, Which};
