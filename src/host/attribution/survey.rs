//! The sockets of every network namespace at one moment, with the processes that have them open: what is known of those
//! that were there before a hook, and all that is known where there can be none.

use std::fs;
use std::io;
use std::time::{Duration, Instant};

use crate::flow::Found;
use crate::host::{Namespace, NamespaceId, SocketOwners, SocketState, SocketTable, Which};

use super::home::mounts_of;
use super::index::Endpoints;

/// The sockets at one moment.
#[derive(Debug)]
pub(super) struct Survey {
    /// How long it took.
    pub took: Duration,
    pub sockets: Vec<Surveyed>,
}

/// A socket.
#[derive(Debug)]
pub(super) struct Surveyed {
    /// What the kernel calls it; never used again.
    pub cookie: u64,
    pub endpoints: Endpoints,
    /// The inode number of its network namespace.
    pub namespace: u64,
    pub found: Found,
    /// None if it has none that may be looked at, or if it was known.
    pub holder: Option<Holder>,
}

/// A process that has a socket open.
#[derive(Debug, Clone)]
pub(super) struct Holder {
    pub pid: u32,
    pub name: String,
    /// The inode numbers of its network and its mount namespace.
    pub network: u64,
    pub mounts: u64,
}

/// Lists the sockets of these namespaces. Processes are looked for only if there is a socket that is not known: that costs
/// as much as there are open files.
///
/// # Errors
///
/// When `/proc` is not there.
pub(super) fn survey(namespaces: &[Namespace], is_known: impl Fn(u64) -> bool) -> io::Result<Survey> {
    let begun = Instant::now();
    let table = SocketTable::read(namespaces, Which::All);
    let mut owners = None;
    let mut sockets = Vec::with_capacity(table.sockets.len());
    for socket in table.sockets {
        // What no process has open is about to begin, or over.
        if socket.inode == 0 {
            continue;
        }
        let endpoints = Endpoints { protocol: socket.protocol, local: socket.local, remote: socket.remote };
        let waits = matches!(socket.state, SocketState::Listening | SocketState::Unconnected);
        let found = if waits { Found::Listener } else { Found::Socket };
        let namespace = socket.namespace.inode;
        let holder = if is_known(socket.cookie) {
            None
        } else {
            let owners = match &owners {
                Some(owners) => owners,
                None => owners.insert(SocketOwners::read()?),
            };
            owners.of(socket.inode).find_map(Holder::of)
        };
        sockets.push(Surveyed { cookie: socket.cookie, endpoints, namespace, found, holder });
    }
    Ok(Survey { took: begun.elapsed(), sockets })
}

impl Holder {
    /// A process; none if it is gone.
    fn of(pid: u32) -> Option<Self> {
        let name = fs::read(format!("/proc/{pid}/comm")).ok()?;
        let name = String::from_utf8_lossy(name.trim_ascii_end()).into_owned();
        Some(Self { pid, name, network: NamespaceId::of_process(pid).ok()?.inode, mounts: mounts_of(pid)? })
    }
}
