//! Who is the client, and how that is known.

use super::icmp::Exchange;
use super::key::{End, Key};
use crate::packet::{Frame, TcpFlags, Transport};

/// How it is known who opened a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A SYN, or the answer to one, was captured.
    Syn,
    /// An ICMP message that asks, or one that answers.
    Icmp,
    /// One of the two ports is that of a well-known service.
    Port,
    /// Nothing but who spoke first in the capture.
    FirstPacket,
}

impl Role {
    /// The text that `role_known` shows.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Syn => "syn",
            Self::Icmp => "icmp",
            Self::Port => "port",
            Self::FirstPacket => "first-packet",
        }
    }

    /// Which end opened the conversation, as far as a frame from this end tells, and how that is known.
    pub(super) fn of(key: &Key, from: End, frame: &Frame<'_>) -> (End, Self) {
        match frame.transport {
            Transport::Tcp(tcp) if tcp.flags.has(TcpFlags::SYN | TcpFlags::ACK) => (from.other(), Self::Syn),
            Transport::Tcp(tcp) if tcp.flags.has(TcpFlags::SYN) => (from, Self::Syn),
            Transport::Tcp(_) | Transport::Udp(_) => {
                let rank = |end| service_rank(key.end(end).port());
                match rank(from).cmp(&rank(from.other())) {
                    std::cmp::Ordering::Greater => (from.other(), Self::Port),
                    std::cmp::Ordering::Less => (from, Self::Port),
                    std::cmp::Ordering::Equal => (from, Self::FirstPacket),
                }
            }
            Transport::Icmp(icmp) => match Exchange::of(key.protocol, icmp.kind) {
                Exchange::Request(_) => (from, Self::Icmp),
                // What goes to a group was asked by no one in particular.
                Exchange::Reply(_) if !key.end(from.other()).ip().is_multicast() => (from.other(), Self::Icmp),
                Exchange::Reply(_) | Exchange::OneWay => (from, Self::FirstPacket),
            },
            Transport::None => (from, Self::FirstPacket),
        }
    }
}

/// Ports above 1023 on which services are so common that the other side is the client: proxies and web servers,
/// databases, message queues, DNS over others, remote desktops, orchestration, metrics.
const SERVICES: [u16; 44] = [
    1080, 1433, 1521, 1723, 1883, 2049, 2181, 2375, 2376, 2379, 2380, 3000, 3128, 3306, 3389, 4222, 4443, 4789, 5000,
    5060, 5201, 5353, 5355, 5432, 5601, 5672, 5900, 5984, 6379, 6443, 6667, 8000, 8008, 8080, 8081, 8086, 8088, 8443,
    8500, 8888, 9000, 9090, 9092, 9200,
];

/// How much a port looks like that of a service: those that are reserved for them most, because clients are given
/// some of the others too.
fn service_rank(port: u16) -> u8 {
    match port {
        0 => 0,
        1..1024 => 2,
        _ => u8::from(SERVICES.binary_search(&port).is_ok()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::sample::{Segment, frame_of, icmp, icmp6, udp, with_addresses};

    fn role(frame: &Frame<'_>) -> (bool, &'static str) {
        let (key, from) = Key::of(frame).unwrap();
        let (originator, role) = Role::of(&key, from, frame);
        (originator == from, role.name())
    }

    #[test]
    fn a_syn_decides_whatever_the_ports_are() {
        let from_service = Segment::from(80).to(40_000);
        assert_eq!(role(&from_service.syn(1).frame()), (true, "syn"));
        assert_eq!(role(&from_service.syn_ack(1, 2).frame()), (false, "syn"));
    }

    #[test]
    fn without_a_syn_the_port_of_a_service_does_and_a_reserved_one_more_than_another() {
        assert!(SERVICES.is_sorted());
        for (from, to, sends_first_is_client, known) in [
            (80, 40_000, false, "port"),
            (40_000, 8080, true, "port"),
            (9200, 443, true, "port"),
            (443, 9200, false, "port"),
            (53, 123, true, "first-packet"),
            (40_000, 50_000, true, "first-packet"),
            (0, 50_000, true, "first-packet"),
        ] {
            assert_eq!(role(&Segment::from(from).to(to).data(1, b"x").frame()), (sends_first_is_client, known));
            assert_eq!(role(&udp(from, to, b"x")), (sends_first_is_client, known), "{from} {to}");
        }
    }

    #[test]
    fn an_icmp_reply_comes_from_who_was_asked() {
        for (frame, expected) in [
            (icmp(8, 0, Some(7)), (true, "icmp")),
            (icmp(0, 0, Some(7)), (false, "icmp")),
            (icmp(14, 0, None), (false, "icmp")),
            (icmp6(128, 0, Some(7)), (true, "icmp")),
            (icmp6(129, 0, Some(7)), (false, "icmp")),
            (icmp6(136, 0, None), (false, "icmp")),
            (icmp(3, 1, None), (true, "first-packet")),
            (icmp6(1, 4, None), (true, "first-packet")),
        ] {
            assert_eq!(role(&frame), expected, "{frame:?}");
        }
    }

    #[test]
    fn no_group_is_a_client() {
        let advertisement = with_addresses(icmp6(134, 0, None), "fe80::1", "ff02::1");
        assert_eq!(role(&advertisement), (true, "first-packet"));
    }

    #[test]
    fn other_protocols_have_nothing_but_the_first_packet() {
        assert_eq!(role(&frame_of(89)), (true, "first-packet"));
    }
}
