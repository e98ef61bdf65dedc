//! What the kernel side (`bpf/attribution.bpf.c`) tells, from bytes.

use std::net::SocketAddr;

use crate::host::bpf::{Fields, address};

/// What happened to a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It listens, or is bound without a peer.
    Bound,
    /// The process connects it.
    Opened,
    /// A listener got a connection; the process, if any, is that of the listener.
    Accepted,
    /// The process sends or receives with it.
    Used,
    /// The kernel is done with it.
    Closed,
}

/// Something that happened to a socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    /// When, in nanoseconds of `CLOCK_MONOTONIC`.
    pub time: u64,
    pub kind: Kind,
    /// Which socket; never used again.
    pub cookie: u64,
    /// The inode number of its network namespace.
    pub namespace: u64,
    /// 6 (TCP) or 17 (UDP).
    pub protocol: u8,
    pub local: SocketAddr,
    /// None if it has no peer.
    pub remote: Option<SocketAddr>,
    /// Who did it; none where a packet did.
    pub process: Option<Doer>,
}

/// A process, as the kernel sees it at that moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Doer {
    pub pid: u32,
    /// Its `comm`.
    pub name: [u8; 16],
    /// Which network namespace it is in; never used again, 0 on a kernel that does not say (before 5.13).
    pub network: u64,
    /// The same for its mount namespace.
    pub mounts: u64,
    /// The inode numbers of both.
    pub network_inode: u64,
    pub mounts_inode: u64,
}

impl Event {
    /// Reads a `struct event`; none if it is not one.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields(bytes);
        let (time, cookie) = (fields.u64()?, fields.u64()?);
        let (namespace, local_port, remote_port) = (fields.u32()?, fields.u16()?, fields.u16()?);
        let (local, remote) = (fields.array::<16>()?, fields.array::<16>()?);
        let [kind, protocol, family, _, _, _, _, _] = fields.array()?;
        let (network, mounts) = (fields.u64()?, fields.u64()?);
        let (network_inode, mounts_inode) = (fields.u32()?.into(), fields.u32()?.into());
        let (pid, _, name) = (fields.u32()?, fields.u32()?, fields.array()?);
        if !fields.0.is_empty() {
            return None;
        }
        let process = (pid != 0).then_some(Doer { pid, name, network, mounts, network_inode, mounts_inode });
        let kind = match kind {
            1 => Kind::Bound,
            2 => Kind::Opened,
            3 => Kind::Accepted,
            4 => Kind::Used,
            5 => Kind::Closed,
            _ => return None,
        };
        let remote = SocketAddr::new(address(family, remote), remote_port);
        Some(Self {
            time,
            kind,
            cookie,
            namespace: namespace.into(),
            protocol,
            local: SocketAddr::new(address(family, local), local_port),
            remote: (remote.port() != 0 && !remote.ip().is_unspecified()).then_some(remote),
            process,
        })
    }
}
