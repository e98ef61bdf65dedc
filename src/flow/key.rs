//! What makes packets belong together: addresses, ports, protocol, whichever way they go.

use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::icmp::Exchange;
use crate::packet::{Frame, Icmp, Transport};

/// The two ends and the protocol of a conversation, with the smaller end first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    low: Address,
    high: Address,
    low_port: u16,
    high_port: u16,
    /// IP protocol number.
    pub(super) protocol: u8,
    v6: bool,
}

/// An address as a number, in two halves: less aligned than a `u128`, a key takes less room.
type Address = [u64; 2];

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
        let protocol = network.protocol;
        let (src_port, dst_port) = match frame.transport {
            Transport::Tcp(tcp) => (tcp.src_port, tcp.dst_port),
            Transport::Udp(udp) => (udp.src_port, udp.dst_port),
            Transport::Icmp(icmp) => icmp_ports(protocol, &icmp),
            Transport::None if network.fragment || matches!(protocol, 1 | 6 | 17 | 58) => return None,
            Transport::None => (0, 0),
        };
        let (src, dst, v6) = match (network.src, network.dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => ([0, src.to_bits().into()], [0, dst.to_bits().into()], false),
            (IpAddr::V6(src), IpAddr::V6(dst)) => (halves(src), halves(dst), true),
            _ => return None,
        };
        Some(if (src, src_port) <= (dst, dst_port) {
            (Self { low: src, high: dst, low_port: src_port, high_port: dst_port, protocol, v6 }, End::Low)
        } else {
            (Self { low: dst, high: src, low_port: dst_port, high_port: src_port, protocol, v6 }, End::High)
        })
    }

    /// Address and port of an end.
    pub(super) fn end(&self, end: End) -> SocketAddr {
        let ([upper, lower], port) = match end {
            End::Low => (self.low, self.low_port),
            End::High => (self.high, self.high_port),
        };
        let address = if self.v6 {
            IpAddr::V6(Ipv6Addr::from_bits(u128::from(upper) << 64 | u128::from(lower)))
        } else {
            #[expect(clippy::cast_possible_truncation, reason = "an IPv4 address was widened into it")]
            IpAddr::V4(Ipv4Addr::from_bits(lower as u32))
        };
        SocketAddr::new(address, port)
    }
}

impl Hash for Key {
    /// In as few steps as its size allows.
    #[inline]
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        for half in [self.low, self.high].into_iter().flatten() {
            hasher.write_u64(half);
        }
        let ports = u64::from(self.low_port) << 16 | u64::from(self.high_port);
        hasher.write_u64(ports << 16 | u64::from(self.protocol) << 8 | u64::from(self.v6));
    }
}

#[expect(clippy::cast_possible_truncation, reason = "each half is one of two")]
fn halves(address: Ipv6Addr) -> Address {
    let bits = address.to_bits();
    [(bits >> 64) as u64, bits as u64]
}

/// What stands for the ports of an ICMP message.
///
/// A request and its reply have the same key: the identifier of an echo on the side of who asks, the type on that of
/// who answers. Whatever is not answered goes one way, so that messages back make a conversation of their own.
fn icmp_ports(protocol: u8, icmp: &Icmp) -> (u16, u16) {
    let asked = |request: u8| (icmp.id.unwrap_or_default(), u16::from(request) << 8);
    match Exchange::of(protocol, icmp.kind) {
        Exchange::Request(_) => asked(icmp.kind),
        Exchange::Reply(request) => {
            let (id, kind) = asked(request);
            (kind, id)
        }
        Exchange::OneWay => (icmp.code.into(), u16::from(icmp.kind) << 8 | 0xff),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::sample::{self, Segment, frame_of, icmp, icmp6, udp, with_addresses};

    /// Whether an answer with these ends belongs to the same conversation, and comes from the other end.
    fn belong_together(frame: &Frame<'_>, answer: &Frame<'_>) -> bool {
        let ((key, from), (other_key, other)) = (Key::of(frame).unwrap(), Key::of(answer).unwrap());
        assert!(key != other_key || from != other, "both come from the same end");
        key == other_key
    }

    #[test]
    fn both_directions_have_the_same_key_in_every_protocol() {
        let segment = Segment::from(40_000).to(80).data(1, b"x");
        assert!(belong_together(&segment.frame(), &Segment::from(80).to(40_000).back().data(1, b"x").frame()));
        assert!(!belong_together(&segment.frame(), &Segment::from(80).to(40_001).back().data(1, b"x").frame()));
        assert!(belong_together(&udp(1000, 53, b""), &sample::back(udp(53, 1000, b""))));
        assert!(!belong_together(&udp(40_000, 80, b""), &segment.frame()));
        assert!(belong_together(&frame_of(89), &sample::back(frame_of(89))));
    }

    #[test]
    fn the_ends_are_the_addresses_and_ports_of_the_frame() {
        for (a, b) in [("192.0.2.9", "10.0.0.1"), ("2001:db8::9", "2001:db8::1"), ("::1", "::1"), ("::", "ff02::fb")] {
            let frame = with_addresses(udp(4000, 53, b""), a, b);
            let (key, from) = Key::of(&frame).unwrap();
            assert_eq!(key.end(from), SocketAddr::new(a.parse().unwrap(), 4000));
            assert_eq!(key.end(from.other()), SocketAddr::new(b.parse().unwrap(), 53));
        }
    }

    #[test]
    fn an_ipv4_address_is_not_the_ipv6_address_with_the_same_bits() {
        let v4 = with_addresses(udp(4000, 53, b""), "0.0.0.1", "0.0.0.2");
        let v6 = with_addresses(udp(4000, 53, b""), "::1", "::2");
        assert_ne!(Key::of(&v4).unwrap().0, Key::of(&v6).unwrap().0);
    }

    #[test]
    fn an_echo_and_its_reply_belong_together_and_nothing_else_of_icmp_does() {
        let back = sample::back;
        for (a, b, expected) in [
            (icmp(8, 0, Some(7)), back(icmp(0, 0, Some(7))), true),
            (icmp(8, 0, Some(7)), back(icmp(0, 0, Some(8))), false),
            (icmp(8, 0, Some(7)), back(icmp(8, 0, Some(7))), false),
            (icmp(13, 0, None), back(icmp(14, 0, None)), true),
            (icmp(8, 0, Some(0x0301)), icmp(3, 1, None), false),
            (icmp(3, 1, None), back(icmp(3, 1, None)), false),
            (icmp(3, 1, None), icmp(3, 3, None), false),
            (icmp6(128, 0, Some(7)), back(icmp6(129, 0, Some(7))), true),
            (icmp6(135, 0, None), back(icmp6(136, 0, None)), true),
            (icmp6(1, 4, None), back(icmp6(1, 4, None)), false),
        ] {
            assert_eq!(belong_together(&a, &b), expected, "{a:?} {b:?}");
        }
    }

    #[test]
    fn a_ping_of_oneself_has_two_directions() {
        let to_itself = |frame| with_addresses(frame, "127.0.0.1", "127.0.0.1");
        assert!(belong_together(&to_itself(icmp(8, 0, Some(7))), &to_itself(icmp(0, 0, Some(7)))));
    }

    #[test]
    fn fragments_and_what_has_lost_its_ports_belong_to_no_conversation() {
        for protocol in [1, 6, 17, 58] {
            assert_eq!(Key::of(&frame_of(protocol)), None);
        }
        let mut fragment = frame_of(89);
        assert!(Key::of(&fragment).is_some());
        if let Some(network) = &mut fragment.network {
            network.fragment = true;
        }
        assert_eq!(Key::of(&fragment), None);
        assert_eq!(Key::of(&Frame { network: None, ..fragment }), None);
    }
}
