//! ICMP messages as they are on the wire: what they say, which packet they quote, and their extensions.
//!
//! RFC 792 and RFC 4443 for the messages, RFC 4884 for extensions, RFC 4950 for MPLS label stacks. Whatever arrives may
//! be forged or cut: what does not fit is no message.

use std::net::IpAddr;

use etherparse::{IpNumber, Ipv4HeaderSlice, Ipv6HeaderSlice};

use super::answer::{Icmp, Label};

/// An ICMP message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message<'a> {
    /// An answer to an echo request.
    EchoReply {
        /// Identifier.
        id: u16,
        /// Sequence number.
        sequence: u16,
        /// What the request carried.
        payload: &'a [u8],
    },
    /// A message about a packet.
    Error {
        /// What it says.
        icmp: Icmp,
        /// The packet.
        quote: Quote<'a>,
        /// MPLS labels that the packet had.
        labels: Vec<Label>,
    },
}

/// The beginning of a packet, as somebody on its way saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quote<'a> {
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// What follows the IP header.
    pub protocol: IpNumber,
    /// What follows the IP header; at least 8 bytes (RFC 792).
    pub transport: &'a [u8],
}

/// The length that a quoted packet has at least when extensions follow and the message does not say it (RFC 4884,
/// section 5.5), IP header included.
const COMPATIBLE: usize = 128;

/// Label stacks are two or three deep; nobody makes us keep more.
const MOST_LABELS: usize = 16;

impl<'a> Message<'a> {
    /// Reads a message from its ICMP header on.
    #[must_use]
    pub fn parse(bytes: &'a [u8], v6: bool) -> Option<Self> {
        let (&[kind, code, _, _, b4, b5, b6, b7], data) = bytes.split_first_chunk()?;
        let icmp = Icmp { v6, kind, code };
        if kind == if v6 { 129 } else { 0 } {
            let (id, sequence) = (u16::from_be_bytes([b4, b5]), u16::from_be_bytes([b6, b7]));
            return Some(Self::EchoReply { id, sequence, payload: data });
        }
        if !icmp.is_error() {
            return None;
        }
        let quote = Quote::parse(data)?;
        let length = if v6 { usize::from(b4) * 8 } else { usize::from(b5) * 4 };
        let labels = if length > 0 { data.get(length..).map(stack) } else { data.get(COMPATIBLE..).map(checked_stack) };
        Some(Self::Error { icmp, quote, labels: labels.unwrap_or_default() })
    }
}

impl<'a> Quote<'a> {
    fn parse(packet: &'a [u8]) -> Option<Self> {
        let quote = match packet.first()? >> 4 {
            4 => {
                let ip = Ipv4HeaderSlice::from_slice(packet).ok()?;
                let transport = packet.get(ip.slice().len()..)?;
                let (source, destination) = (ip.source_addr().into(), ip.destination_addr().into());
                Self { source, destination, protocol: ip.protocol(), transport }
            }
            6 => {
                let ip = Ipv6HeaderSlice::from_slice(packet).ok()?;
                let transport = packet.get(ip.slice().len()..)?;
                let (source, destination) = (ip.source_addr().into(), ip.destination_addr().into());
                Self { source, destination, protocol: ip.next_header(), transport }
            }
            _ => return None,
        };
        (quote.transport.len() >= 8).then_some(quote)
    }
}

/// The MPLS labels of a message of which the system gives only what follows the quoted IP header.
#[must_use]
pub fn labels_behind(transport: &[u8], v6: bool) -> Vec<Label> {
    let header = if v6 { 40 } else { 20 };
    transport.get(COMPATIBLE - header..).map(checked_stack).unwrap_or_default()
}

/// The labels of an extension structure that is there only if its checksum says so.
fn checked_stack(extension: &[u8]) -> Vec<Label> {
    match extension {
        [_, _, 0, 0, ..] => Vec::new(),
        _ => stack(extension),
    }
}

/// The labels of an extension structure.
fn stack(extension: &[u8]) -> Vec<Label> {
    let Some((&[version, _, c0, c1], mut objects)) = extension.split_first_chunk() else { return Vec::new() };
    if version >> 4 != 2 || ([c0, c1] != [0, 0] && checksum(extension) != 0) {
        return Vec::new();
    }
    let mut labels = Vec::new();
    while let Some((&[l0, l1, class, kind], _)) = objects.split_first_chunk() {
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        let Some(body) = objects.get(4..length) else { break };
        if (class, kind) == (1, 1) {
            labels.extend(body.chunks_exact(4).map(|entry| {
                let word = entry.iter().fold(0, |word, &byte| word << 8 | u32::from(byte));
                let [.., ttl] = word.to_be_bytes();
                let [.., class] = (word >> 9 & 7).to_be_bytes();
                Label { label: word >> 12, class, ttl }
            }));
        }
        objects = &objects[length..];
    }
    labels.truncate(MOST_LABELS);
    labels
}

/// The Internet checksum (RFC 1071): 0 over bytes that contain a right one.
fn checksum(bytes: &[u8]) -> u16 {
    etherparse::checksum::Sum16BitWords::new().add_slice(bytes).ones_complement()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A time-exceeded message that quotes a SYN from 192.0.2.1:40000 to 203.0.113.9:443, as a Linux router sends it.
    fn exceeded() -> Vec<u8> {
        let mut bytes = vec![11, 0, 0xaa, 0xbb, 0, 0, 0, 0];
        bytes.extend([0x45, 0, 0, 40, 0, 1, 0, 0, 1, 6, 0, 0, 192, 0, 2, 1, 203, 0, 113, 9]);
        bytes.extend([0x9c, 0x40, 0x01, 0xbb, 1, 2, 3, 4]);
        bytes
    }

    /// An extension structure with the label stack 16001 (class 5, ttl 1), 24 (bottom).
    fn extension() -> Vec<u8> {
        let mut bytes = vec![0x20, 0, 0, 0, 0, 12, 1, 1, 0x03, 0xe8, 0x1a, 1, 0x00, 0x01, 0x81, 1];
        let sum = checksum(&bytes).to_ne_bytes();
        bytes[2..4].copy_from_slice(&sum);
        bytes
    }

    fn labels(bytes: &[u8]) -> Vec<u32> {
        match Message::parse(bytes, false) {
            Some(Message::Error { labels, .. }) => labels.iter().map(|label| label.label).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_message_says_which_packet_it_is_about() {
        let bytes = exceeded();
        let Some(Message::Error { icmp, quote, labels }) = Message::parse(&bytes, false) else { panic!() };
        assert_eq!((icmp.kind, icmp.code), (11, 0));
        assert_eq!((quote.source, quote.destination), ([192, 0, 2, 1].into(), [203, 0, 113, 9].into()));
        assert_eq!((quote.protocol, quote.transport), (IpNumber::TCP, &bytes[28..]));
        assert!(labels.is_empty());
    }

    #[test]
    fn labels_are_read_with_and_without_the_length_of_the_quote() {
        let mut padded = exceeded();
        padded.resize(8 + COMPATIBLE, 0);
        padded.extend(extension());
        assert_eq!(labels(&padded), [16001, 24]);
        assert_eq!(labels_behind(&padded[28..], false).len(), 2);

        let mut short = exceeded();
        short.resize(8 + 32, 0);
        short[5] = 8;
        short.extend(extension());
        assert_eq!(labels(&short), [16001, 24]);
    }

    #[test]
    fn what_only_looks_like_labels_is_none() {
        let mut padded = exceeded();
        padded.resize(8 + COMPATIBLE, 0);
        let length = padded.len();
        padded.extend(extension());
        for at in length..padded.len() {
            let mut broken = padded.clone();
            broken[at] ^= 0x10;
            assert_eq!(labels(&broken), [0u32; 0], "byte {at}");
        }
    }

    #[test]
    fn no_bytes_whatsoever_are_trouble() {
        let mut padded = exceeded();
        padded[5] = 8;
        padded.resize(8 + 32, 0);
        padded.extend(extension());
        for length in 0..padded.len() {
            let _ = Message::parse(&padded[..length], false);
            let _ = Message::parse(&padded[..length], true);
        }
        let mut state = 1_u32;
        for _ in 0..20_000 {
            let mut bytes = padded.clone();
            for _ in 0..3 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let at = state as usize % bytes.len();
                bytes[at] = (state >> 24) as u8;
            }
            let _ = Message::parse(&bytes, false);
            let _ = Message::parse(&bytes, true);
        }
    }
}
