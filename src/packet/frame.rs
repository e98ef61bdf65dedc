//! What a decoded packet is.

use std::net::IpAddr;

use super::{LinkType, Stop};
use crate::record::Time;

/// A packet as a source delivers it.
#[derive(Debug, Clone, Copy)]
pub struct RawPacket<'a> {
    /// When it was captured.
    pub time: Time,
    /// Its length on the wire, in bytes.
    pub length: u32,
    /// How its bytes begin.
    pub link: LinkType,
    /// Place of its interface in [`interfaces`](crate::capture::PacketSource::interfaces).
    pub interface: u32,
    /// The bytes that were captured; fewer than `length` if it was cut.
    pub bytes: &'a [u8],
}

/// A decoded packet. Borrows its payload from the packet, or from the decoder where fragments were put together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame<'a> {
    /// VLAN tags of the innermost Ethernet header, outermost first.
    pub vlans: Vlans,
    /// The innermost tunnel that the packet came through.
    pub tunnel: Option<Tunnel>,
    /// The innermost IP header.
    pub network: Option<Network>,
    /// What the innermost IP header carries.
    pub transport: Transport,
    /// What the innermost decoded header carries, as far as it was captured and without link-layer padding.
    pub payload: &'a [u8],
    /// Length of that payload on the wire, in bytes; more than `payload.len()` if the packet was cut.
    pub payload_length: u32,
    /// EtherType or name of what carries no IP, such as `arp`; empty when `network` is there.
    pub link_protocol: &'static str,
    /// Why and where decoding ended early.
    pub stop: Option<Stop>,
}

/// VLAN identifiers of a frame, outermost first; at most four are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Vlans {
    ids: [u16; 4],
    count: u8,
}

impl Vlans {
    /// Adds an identifier; beyond the fourth it is not kept.
    pub fn push(&mut self, id: u16) {
        if let Some(slot) = self.ids.get_mut(usize::from(self.count)) {
            *slot = id;
            self.count += 1;
        }
    }

    /// The identifiers, outermost first.
    #[must_use]
    pub fn ids(&self) -> &[u16] {
        &self.ids[..usize::from(self.count)]
    }
}

/// An encapsulation between two addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tunnel {
    /// Which encapsulation.
    pub kind: TunnelKind,
    /// VNI of VXLAN and Geneve, key of GRE (session of ERSPAN, call of PPTP), bottom label of MPLS, session of PPPoE.
    pub id: Option<u32>,
    /// Outer source and destination address, where the outer header is IP.
    pub outer: Option<(IpAddr, IpAddr)>,
}

/// Which encapsulation a tunnel is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TunnelKind {
    /// MPLS label stack (RFC 3032).
    Mpls,
    /// PPP over Ethernet (RFC 2516).
    Pppoe,
    /// Generic routing encapsulation (RFC 2784, RFC 2890), ERSPAN and PPTP included.
    Gre,
    /// IPv4 in IPv4 (RFC 2003) and IP in IPv6 (RFC 2473).
    IpInIp,
    /// IPv6 in IPv4 (RFC 4213).
    SixInFour,
    /// Virtual extensible LAN (RFC 7348).
    Vxlan,
    /// Generic network virtualization encapsulation (RFC 8926).
    Geneve,
}

impl TunnelKind {
    /// The name that records show.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mpls => "mpls",
            Self::Pppoe => "pppoe",
            Self::Gre => "gre",
            Self::IpInIp => "ipip",
            Self::SixInFour => "6in4",
            Self::Vxlan => "vxlan",
            Self::Geneve => "geneve",
        }
    }
}

/// The innermost IP header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    /// Source address.
    pub src: IpAddr,
    /// Destination address.
    pub dst: IpAddr,
    /// Time to live or hop limit.
    pub ttl: u8,
    /// Protocol number of the payload, after IPv6 extension headers.
    pub protocol: u8,
    /// Whether this is a fragment that could not be put together with its others (yet).
    pub fragment: bool,
}

/// What the innermost IP header carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Nothing that could be decoded.
    None,
    /// A TCP segment (RFC 9293).
    Tcp(Tcp),
    /// A UDP datagram (RFC 768); also UDP-Lite, SCTP and DCCP, which begin with the same ports.
    Udp(Udp),
    /// ICMP (RFC 792) or ICMPv6 (RFC 4443).
    Icmp(Icmp),
}

/// A TCP header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tcp {
    /// Source port.
    pub src_port: u16,
    /// Destination port.
    pub dst_port: u16,
    /// Sequence number of the first payload byte (or of the SYN).
    pub seq: u32,
    /// Acknowledgment number.
    pub ack: u32,
    /// Control bits.
    pub flags: TcpFlags,
    /// Window as in the header, not scaled.
    pub window: u16,
    /// Window scale option of a SYN.
    pub window_scale: Option<u8>,
}

/// TCP control bits, as in the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TcpFlags(pub u16);

impl TcpFlags {
    /// No more data from the sender.
    pub const FIN: u16 = 0x01;
    /// Synchronise sequence numbers.
    pub const SYN: u16 = 0x02;
    /// Reset the connection.
    pub const RST: u16 = 0x04;
    /// Push.
    pub const PSH: u16 = 0x08;
    /// The acknowledgment number is significant.
    pub const ACK: u16 = 0x10;
    /// The urgent pointer is significant.
    pub const URG: u16 = 0x20;

    /// Whether all of these bits are set.
    #[must_use]
    pub const fn has(self, bits: u16) -> bool {
        self.0 & bits == bits
    }
}

impl std::fmt::Display for TcpFlags {
    /// As tcpdump writes them: `S`, `S.`, `P.`, `F.`, `R`, `.`; `none` if no bit is set.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const LETTERS: [(u16, &str); 9] = [
            (TcpFlags::FIN, "F"),
            (TcpFlags::SYN, "S"),
            (TcpFlags::RST, "R"),
            (TcpFlags::PSH, "P"),
            (TcpFlags::ACK, "."),
            (TcpFlags::URG, "U"),
            (0x40, "E"),
            (0x80, "W"),
            (0x100, "e"),
        ];
        if self.0 & 0x1ff == 0 {
            return f.write_str("none");
        }
        LETTERS.iter().filter(|(bit, _)| self.has(*bit)).try_for_each(|(_, letter)| f.write_str(letter))
    }
}

/// Ports of UDP and of protocols that begin like it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Udp {
    /// Source port.
    pub src_port: u16,
    /// Destination port.
    pub dst_port: u16,
}

/// An ICMP or ICMPv6 header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Icmp {
    /// Type.
    pub kind: u8,
    /// Code.
    pub code: u8,
    /// Identifier of an echo request or reply.
    pub id: Option<u16>,
}

/// The name of an IP protocol as records show it: `tcp`, `udp`, `icmp`, `icmp6`, `sctp`, …; `ip-253` for one without.
#[must_use]
pub fn protocol_name(protocol: u8) -> std::borrow::Cow<'static, str> {
    std::borrow::Cow::Borrowed(match protocol {
        1 => "icmp",
        2 => "igmp",
        4 => "ipip",
        6 => "tcp",
        17 => "udp",
        33 => "dccp",
        41 => "ipv6",
        47 => "gre",
        50 => "esp",
        51 => "ah",
        58 => "icmp6",
        88 => "eigrp",
        89 => "ospf",
        103 => "pim",
        112 => "vrrp",
        132 => "sctp",
        136 => "udplite",
        other => return std::borrow::Cow::Owned(format!("ip-{other}")),
    })
}
