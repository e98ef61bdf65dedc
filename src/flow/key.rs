//! What makes packets belong together: addresses, ports, protocol, whichever way they go.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::packet::{Frame, Transport};

/// The two ends and the protocol of a conversation, with the smaller end first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key {
    low: (u128, u16),
    high: (u128, u16),
    /// IP protocol number.
    pub(super) protocol: u8,
    v6: bool,
}

/// Which end of a [`Key`] a packet comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Low,
    High,
}

impl Key {
    /// The key of a frame, and the end that sent it. Frames without IP, fragments, and segments whose ports are
    /// missing belong to no conversation.
    #[inline]
    pub(super) fn of(frame: &Frame<'_>) -> Option<(Self, End)> {
        let network = frame.network.as_ref()?;
        let (src_port, dst_port) = match frame.transport {
            Transport::Tcp(tcp) => (tcp.src_port, tcp.dst_port),
            Transport::Udp(udp) => (udp.src_port, udp.dst_port),
            // An echo and its reply share their identifier; other messages are told apart by type and code.
            Transport::Icmp(icmp) => {
                let id = icmp.id.unwrap_or(u16::from(icmp.kind) << 8 | u16::from(icmp.code));
                (id, id)
            }
            Transport::None if network.fragment || matches!(network.protocol, 1 | 6 | 17 | 58) => return None,
            Transport::None => (0, 0),
        };
        let (src, dst, v6) = match (network.src, network.dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => (u128::from(src.to_bits()), u128::from(dst.to_bits()), false),
            (IpAddr::V6(src), IpAddr::V6(dst)) => (src.to_bits(), dst.to_bits(), true),
            _ => return None,
        };
        let (src, dst) = ((src, src_port), (dst, dst_port));
        let protocol = network.protocol;
        Some(if src <= dst {
            (Self { low: src, high: dst, protocol, v6 }, End::Low)
        } else {
            (Self { low: dst, high: src, protocol, v6 }, End::High)
        })
    }

    /// Address and port of an end.
    pub(super) fn end(&self, end: End) -> SocketAddr {
        let (bits, port) = match end {
            End::Low => self.low,
            End::High => self.high,
        };
        let address = if self.v6 {
            IpAddr::V6(Ipv6Addr::from_bits(bits))
        } else {
            #[expect(clippy::cast_possible_truncation, reason = "an IPv4 address was widened into it")]
            IpAddr::V4(Ipv4Addr::from_bits(bits as u32))
        };
        SocketAddr::new(address, port)
    }
}

impl End {
    /// The other one.
    pub(super) const fn other(self) -> Self {
        match self {
            Self::Low => Self::High,
            Self::High => Self::Low,
        }
    }
}
