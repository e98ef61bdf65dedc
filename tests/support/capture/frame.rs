//! Headers around a payload, with the lengths and checksums that they should have.

use std::net::{IpAddr, SocketAddr};

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;

/// Who sends a packet to whom, and through which VLAN.
pub(super) struct Route {
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) vlan: Option<u16>,
    /// Identification of the IPv4 header.
    pub(super) id: u16,
}

/// What a TCP header says besides ports.
pub(super) struct Segment<'a> {
    pub(super) seq: u32,
    pub(super) ack: u32,
    pub(super) flags: u8,
    /// A multiple of four bytes.
    pub(super) options: &'a [u8],
}

impl Route {
    /// An Ethernet frame with a TCP segment (RFC 9293).
    pub(super) fn tcp(&self, segment: &Segment<'_>, payload: &[u8]) -> Vec<u8> {
        let words = 5 + segment.options.len() / 4;
        let mut bytes = self.ports();
        bytes.extend(segment.seq.to_be_bytes());
        bytes.extend(segment.ack.to_be_bytes());
        bytes.extend([(words << 4) as u8, segment.flags]);
        bytes.extend(64_240_u16.to_be_bytes());
        bytes.extend([0; 4]);
        bytes.extend(segment.options);
        bytes.extend(payload);
        self.with_checksum(TCP, &mut bytes, 16);
        self.ethernet(TCP, bytes)
    }

    /// An Ethernet frame with a UDP datagram (RFC 768).
    pub(super) fn udp(&self, payload: &[u8]) -> Vec<u8> {
        let mut bytes = self.ports();
        bytes.extend((payload.len() as u16 + 8).to_be_bytes());
        bytes.extend([0; 2]);
        bytes.extend(payload);
        self.with_checksum(UDP, &mut bytes, 6);
        self.ethernet(UDP, bytes)
    }

    /// An Ethernet frame with an echo of ICMP (RFC 792): type 8 asks for it, and 0 is the reply.
    pub(super) fn echo(&self, kind: u8) -> Vec<u8> {
        let mut bytes = [&[kind, 0, 0, 0, 0, 1, 0, 1][..], b"ping"].concat();
        let sum = checksum(&[&bytes]);
        bytes[2..4].copy_from_slice(&sum.to_be_bytes());
        self.ethernet(ICMP, bytes)
    }

    fn ports(&self) -> Vec<u8> {
        [self.from.port().to_be_bytes(), self.to.port().to_be_bytes()].concat()
    }

    /// Puts the checksum of a transport packet where it belongs.
    fn with_checksum(&self, protocol: u8, transport: &mut [u8], at: usize) {
        let sum = checksum(&[&self.pseudo_header(protocol, transport.len()), transport]);
        transport[at..at + 2].copy_from_slice(&sum.to_be_bytes());
    }

    /// Puts a transport packet into IP and Ethernet.
    fn ethernet(&self, protocol: u8, transport: Vec<u8>) -> Vec<u8> {
        let mut frame = [mac(self.to.ip()), mac(self.from.ip())].concat();
        if let Some(vlan) = self.vlan {
            frame.extend([0x81, 0x00]);
            frame.extend(vlan.to_be_bytes());
        }
        match self.addresses() {
            Addresses::V4(addresses) => {
                let mut header = vec![0x45, 0];
                header.extend((20 + transport.len() as u16).to_be_bytes());
                header.extend(self.id.to_be_bytes());
                // Do not fragment, 64 hops.
                header.extend([0x40, 0, 64, protocol, 0, 0]);
                header.extend(addresses);
                let sum = checksum(&[&header]);
                header[10..12].copy_from_slice(&sum.to_be_bytes());
                frame.extend([0x08, 0x00]);
                frame.extend(header);
            }
            Addresses::V6(addresses) => {
                frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
                frame.extend((transport.len() as u16).to_be_bytes());
                frame.extend([protocol, 64]);
                frame.extend(addresses);
            }
        }
        frame.extend(transport);
        frame
    }

    /// What TCP and UDP checksums cover besides the packet (RFC 9293 section 3.1, RFC 8200 section 8.1).
    fn pseudo_header(&self, protocol: u8, length: usize) -> Vec<u8> {
        let (Addresses::V4(mut header) | Addresses::V6(mut header)) = self.addresses();
        header.extend([0, protocol]);
        header.extend((length as u16).to_be_bytes());
        header
    }

    fn addresses(&self) -> Addresses {
        match (self.from.ip(), self.to.ip()) {
            (IpAddr::V4(from), IpAddr::V4(to)) => Addresses::V4([from.octets(), to.octets()].concat()),
            (IpAddr::V6(from), IpAddr::V6(to)) => Addresses::V6([from.octets(), to.octets()].concat()),
            (from, to) => panic!("{from} and {to} do not speak the same version of IP"),
        }
    }
}

/// Source and destination, one after the other.
enum Addresses {
    V4(Vec<u8>),
    V6(Vec<u8>),
}

/// A locally administered address that is the same for the same host.
fn mac(host: IpAddr) -> [u8; 6] {
    let octets = match host {
        IpAddr::V4(host) => host.octets().to_vec(),
        IpAddr::V6(host) => host.octets().to_vec(),
    };
    let mut mac = [0x02, 0, 0, 0, 0, 0];
    mac[2..].copy_from_slice(&octets[octets.len() - 4..]);
    mac
}

/// The Internet checksum (RFC 1071).
fn checksum(parts: &[&[u8]]) -> u16 {
    let words = parts.iter().flat_map(|part| part.chunks(2));
    let mut sum: u32 = words.map(|word| u32::from(word[0]) << 8 | word.get(1).map_or(0, |&low| u32::from(low))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
