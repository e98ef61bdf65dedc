//! How messages are sent, and where they are expected.

use std::net::SocketAddr;

use crate::flow::{Flow, Side};

/// How a message is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    Udp,
    Tcp,
    /// To everybody on the link, and perhaps back to one (RFC 6762).
    Mdns,
    /// To everybody on the link, and back to one (RFC 4795).
    Llmnr,
}

/// Port of DNS.
const DNS: u16 = 53;
/// Port of multicast DNS.
pub(super) const MDNS: u16 = 5353;
/// Port of link-local multicast name resolution.
const LLMNR: u16 = 5355;
/// Port of NetBIOS names, whose messages look like those of DNS (RFC 1002).
const NETBIOS: u16 = 137;

impl Transport {
    /// How messages of a conversation are sent.
    pub(super) fn of(flow: &Flow) -> Self {
        let [originator, responder] = Side::BOTH.map(|side| flow.endpoint(side));
        if flow.is_tcp() {
            return Self::Tcp;
        }
        match responder.port() {
            LLMNR => Self::Llmnr,
            // Servers of ordinary DNS use that port, too.
            MDNS if responder.ip().is_multicast() || originator.port() == MDNS => Self::Mdns,
            _ => Self::Udp,
        }
    }

    /// The text that `protocol` shows.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Mdns => "mdns",
            Self::Llmnr => "llmnr",
        }
    }

    /// Number of the IP protocol.
    pub(super) const fn number(self) -> u8 {
        if matches!(self, Self::Tcp) { 6 } else { 17 }
    }
}

/// What the ports of a conversation say of its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    /// It is DNS.
    Yes,
    /// It may be.
    Perhaps,
    /// It is not.
    No,
}

impl Expected {
    pub(super) fn of(flow: &Flow) -> Self {
        let ports = Side::BOTH.map(|side| flow.endpoint(side).port());
        match ports[Side::Responder.index()] {
            DNS | MDNS | LLMNR => Self::Yes,
            _ if ports.contains(&NETBIOS) => Self::No,
            _ => Self::Perhaps,
        }
    }
}

/// Whether a message to there may be answered by somebody else, whose address nobody knows before.
pub(super) const fn is_group(address: SocketAddr) -> bool {
    address.ip().is_multicast()
}
