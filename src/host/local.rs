//! Local sockets (unix(7)): who is connected to one.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use netlink_packet_core::Emitable as _;
use netlink_packet_sock_diag::SockDiagMessage;
use netlink_packet_sock_diag::unix::nlas::{Nla, Vfs};
use netlink_packet_sock_diag::unix::{ShowFlags, StateFlags, UnixRequest, UnixResponse};
use netlink_sys::protocols::NETLINK_SOCK_DIAG;

use super::netlink::Netlink;
use super::{HostError, Namespace};

/// A file inside the kernel: its number, and that of its device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) inode: u64,
    pub(crate) device: u32,
}

impl Node {
    /// Where a path leads.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        let metadata = std::fs::metadata(path)?;
        // Inside the kernel a device is its two numbers, in 12 and 20 bits.
        let device = rustix::fs::major(metadata.dev()) << 20 | rustix::fs::minor(metadata.dev());
        Ok(Self { inode: metadata.ino(), device })
    }
}

/// Whether somebody is connected to a local socket, from any network namespace of this host.
pub(crate) fn has_clients(socket: Node) -> Result<bool, HostError> {
    for namespace in Namespace::all()? {
        let connected = namespace.enter(|| has_clients_here(socket))?;
        let failed = |cause| HostError::System { doing: format!("list the local sockets of {namespace}"), cause };
        if connected.map_err(failed)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The same from the network namespace of this thread. The end of the server counts: it has the path.
fn has_clients_here(socket: Node) -> io::Result<bool> {
    let request = SockDiagMessage::UnixRequest(UnixRequest {
        state_flags: StateFlags::ESTABLISHED,
        inode: 0,
        show_flags: ShowFlags::VFS | ShowFlags::PEER,
        cookie: [0xff; 8],
    });
    let found = Netlink::open(NETLINK_SOCK_DIAG)?.list(&request, |answer| match answer {
        SockDiagMessage::UnixResponse(response) => is_client_of(socket, &response).then_some(()),
        _ => None,
    })?;
    Ok(!found.is_empty())
}

/// Its inode and its device: the library shows them only as the kernel does.
fn words(file: &Vfs) -> [u32; 2] {
    let mut bytes = [0; 8];
    if file.buffer_len() == bytes.len() {
        file.emit(&mut bytes);
    }
    let [a, b, c, d, e, f, g, h] = bytes;
    [u32::from_ne_bytes([a, b, c, d]), u32::from_ne_bytes([e, f, g, h])]
}

fn is_client_of(socket: Node, response: &UnixResponse) -> bool {
    let is_there = |nla: &Nla| matches!(nla, Nla::Vfs(file) if words(file) == [socket.inode as u32, socket.device]);
    // Whoever has left is no peer, or one without a number.
    response.nlas.iter().any(is_there) && response.nlas.iter().any(|nla| matches!(nla, Nla::Peer(1..)))
}
