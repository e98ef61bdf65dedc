//! What comes back for a probe, and what that means for it.

use std::fmt;
use std::net::IpAddr;

use super::Protocol;

/// What came back for a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Who sent it.
    pub from: IpAddr,
    /// What it says.
    pub answer: Answer,
    /// What the sender saw of the probe that is not as it was sent: somebody on the way translates addresses.
    pub translation: Option<Translation>,
    /// MPLS labels with which the probe arrived there (RFC 4950), outermost first.
    pub labels: Vec<Label>,
}

/// What a reply says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The target answers in its own protocol: a handshake, an echo, a datagram.
    Accepted,
    /// The target resets the connection.
    Reset,
    /// A message about the probe.
    Icmp(Icmp),
}

/// An ICMP message about a packet: its type and code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Icmp {
    /// Whether the numbers are those of ICMPv6 (RFC 4443) and not those of ICMP (RFC 792).
    pub v6: bool,
    /// The type.
    pub kind: u8,
    /// The code.
    pub code: u8,
}

/// What was changed on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Translation {
    /// The packet was on its way to another address or port.
    Destination(IpAddr, u16),
    /// The packet came from another address or port.
    Source(IpAddr, u16),
    /// Addresses and ports are as they were sent, and the checksum is that of others: they were translated and put back.
    Checksum,
    /// A hop on the way answers with the address of the target.
    Masquerade,
}

/// A label of the MPLS stack (RFC 3032).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Label {
    /// The label.
    pub label: u32,
    /// Traffic class, formerly "experimental".
    pub class: u8,
    /// Time to live.
    pub ttl: u8,
}

/// What a reply means for the way of the probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// Its time to live ended there: the way goes on.
    Passing,
    /// It arrived, and the port is open.
    Open,
    /// It arrived, and the port is closed.
    Closed,
    /// Somebody forbids it.
    Prohibited,
    /// Somebody knows no way to the target.
    Unreachable,
}

impl Reply {
    /// What it means for a probe of that protocol to that target.
    #[must_use]
    pub fn meaning(&self, protocol: Protocol, target: IpAddr) -> Meaning {
        match self.answer {
            Answer::Accepted => Meaning::Open,
            Answer::Reset => Meaning::Closed,
            Answer::Icmp(icmp) => match icmp.class() {
                Class::TimeExceeded => Meaning::Passing,
                Class::Prohibited => Meaning::Prohibited,
                Class::Unreachable => Meaning::Unreachable,
                // A host without a listener resets TCP and says "port unreachable" of UDP; from anybody else, or of
                // TCP, it is how firewalls reject.
                Class::PortUnreachable if protocol == Protocol::Udp && self.from == target => Meaning::Closed,
                Class::PortUnreachable => Meaning::Prohibited,
            },
        }
    }
}

enum Class {
    TimeExceeded,
    Prohibited,
    PortUnreachable,
    Unreachable,
}

impl Icmp {
    /// Whether it reports what became of a packet and quotes it: time exceeded, destination unreachable, and so on.
    #[must_use]
    pub const fn is_error(self) -> bool {
        if self.v6 { self.kind < 128 } else { matches!(self.kind, 3 | 11 | 12) }
    }

    const fn class(self) -> Class {
        match (self.v6, self.kind, self.code) {
            (false, 11, _) | (true, 3, _) => Class::TimeExceeded,
            (false, 3, 9 | 10 | 13) | (true, 1, 1 | 5 | 6) => Class::Prohibited,
            (false, 3, 3) | (true, 1, 4) => Class::PortUnreachable,
            _ => Class::Unreachable,
        }
    }

    /// What it says, in the words of RFC 792, RFC 1122, RFC 1812 and RFC 4443.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match (self.v6, self.kind, self.code) {
            (false, 11, 0) => "time exceeded in transit",
            (false, 11, _) => "reassembly time exceeded",
            (true, 3, 0) => "hop limit exceeded in transit",
            (true, 3, _) => "reassembly time exceeded",
            (false, 3, 0) => "network unreachable",
            (false, 3, 1) => "host unreachable",
            (false, 3, 2) => "protocol unreachable",
            (false, 3, 3) | (true, 1, 4) => "port unreachable",
            (false, 3, 4) => "fragmentation needed",
            (false, 3, 5) => "source route failed",
            (false, 3, 6) => "network unknown",
            (false, 3, 7) => "host unknown",
            (false, 3, 8) => "source host isolated",
            (false, 3, 9) => "network administratively prohibited",
            (false, 3, 10) => "host administratively prohibited",
            (false, 3, 11) => "network unreachable for this type of service",
            (false, 3, 12) => "host unreachable for this type of service",
            (false, 3, 13) | (true, 1, 1) => "communication administratively prohibited",
            (false, 3, 14) => "host precedence violation",
            (false, 3, 15) => "precedence cutoff",
            (true, 1, 0) => "no route to destination",
            (true, 1, 2) => "beyond scope of source address",
            (true, 1, 3) => "address unreachable",
            (true, 1, 5) => "source address failed policy",
            (true, 1, 6) => "reject route to destination",
            (true, 2, _) => "packet too big",
            (false, 12, _) | (true, 4, _) => "parameter problem",
            (false, 3, _) | (true, 1, _) => "destination unreachable",
            _ => "ICMP error",
        }
    }
}

impl fmt::Display for Icmp {
    /// The words and the numbers: `host unreachable (3/1)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}/{})", self.words(), self.kind, self.code)
    }
}

impl fmt::Display for Translation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = |f: &mut fmt::Formatter<'_>, address: &IpAddr, port: u16| match port {
            0 => write!(f, "{address}"),
            port => write!(f, "{}", std::net::SocketAddr::new(*address, port)),
        };
        match self {
            Self::Destination(address, port) => {
                f.write_str("destination translated to ")?;
                end(f, address, *port)
            }
            Self::Source(address, port) => {
                f.write_str("source translated to ")?;
                end(f, address, *port)
            }
            Self::Checksum => f.write_str("addresses translated and put back"),
            Self::Masquerade => f.write_str("answers with the address of the target: destination translated"),
        }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.label)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 9));
    const ROUTER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    #[test]
    fn only_the_target_itself_can_close_a_port() {
        let meaning = |v6, kind, code, from, protocol| {
            let reply =
                Reply { from, answer: Answer::Icmp(Icmp { v6, kind, code }), translation: None, labels: vec![] };
            reply.meaning(protocol, TARGET)
        };
        use Meaning::{Closed, Passing, Prohibited, Unreachable};
        for (v6, kind, code, from, protocol, expected) in [
            (false, 11, 0, ROUTER, Protocol::Tcp, Passing),
            (true, 3, 0, ROUTER, Protocol::Tcp, Passing),
            (false, 3, 13, ROUTER, Protocol::Tcp, Prohibited),
            (true, 1, 1, ROUTER, Protocol::Tcp, Prohibited),
            (false, 3, 1, ROUTER, Protocol::Tcp, Unreachable),
            (true, 1, 0, ROUTER, Protocol::Tcp, Unreachable),
            // A firewall in front of the target, and one on it.
            (false, 3, 3, ROUTER, Protocol::Tcp, Prohibited),
            (false, 3, 3, TARGET, Protocol::Tcp, Prohibited),
            (false, 3, 3, ROUTER, Protocol::Udp, Prohibited),
            (false, 3, 3, TARGET, Protocol::Udp, Closed),
        ] {
            assert_eq!(meaning(v6, kind, code, from, protocol), expected, "{kind}/{code} from {from} of {protocol}");
        }
    }

    #[test]
    fn icmp_messages_have_words_and_numbers() {
        let message = |v6, kind, code| Icmp { v6, kind, code }.to_string();
        assert_eq!(message(false, 3, 13), "communication administratively prohibited (3/13)");
        assert_eq!(message(true, 1, 6), "reject route to destination (1/6)");
        assert_eq!(message(false, 3, 99), "destination unreachable (3/99)");
    }
}
