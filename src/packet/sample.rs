//! Packets for tests, byte by byte.

use super::{Decoder, Frame, LinkType, RawPacket, Transport};
use crate::limits::Limits;
use crate::record::Time;

/// Source and destination address of [`ipv4`], as texts and bytes.
pub(super) const V4: (&str, &str) = ("192.0.2.1", "192.0.2.2");
/// Source and destination address of [`ipv6`].
pub(super) const V6: (&str, &str) = ("2001:db8::1", "2001:db8::2");

/// Bytes from hexadecimal digits; blanks do not count.
pub(super) fn hex(digits: &str) -> Vec<u8> {
    let digits: Vec<_> = digits.chars().filter_map(|c| c.to_digit(16)).collect();
    digits.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap()).collect()
}

/// The parts one after the other.
pub(super) fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

fn be16(number: usize) -> [u8; 2] {
    u16::try_from(number).unwrap().to_be_bytes()
}

/// An Ethernet II packet.
pub(super) fn ethernet(ether_type: u16, data: &[u8]) -> Vec<u8> {
    join(&[&hex("020000000002 020000000001"), &ether_type.to_be_bytes(), data])
}

/// An IPv4 packet without options, between the addresses of [`V4`].
pub(super) fn ipv4(protocol: u8, data: &[u8]) -> Vec<u8> {
    ipv4_fragment(protocol, 0x1234, 0x4000, data)
}

/// An IPv4 packet with these identification, and flags and offset (in 8 bytes).
pub(super) fn ipv4_fragment(protocol: u8, id: u16, flags_and_offset: u16, data: &[u8]) -> Vec<u8> {
    let (length, id, place) = (be16(20 + data.len()), id.to_be_bytes(), flags_and_offset.to_be_bytes());
    join(&[&hex("45 00"), &length, &id, &place, &[64, protocol, 0, 0], &hex("c0000201 c0000202"), data])
}

/// An IPv6 packet between the addresses of [`V6`].
pub(super) fn ipv6(next_header: u8, data: &[u8]) -> Vec<u8> {
    let addresses = hex("20010db8000000000000000000000001 20010db8000000000000000000000002");
    join(&[&hex("60000000"), &be16(data.len()), &[next_header, 64], &addresses, data])
}

/// A TCP segment from port 1234 to port 80 without options: sequence number 1, acknowledgment 5, flags `P.`, window 502.
pub(super) fn tcp(data: &[u8]) -> Vec<u8> {
    join(&[&hex("04d2 0050 00000001 00000005 5018 01f6 0000 0000"), data])
}

/// A UDP datagram.
pub(super) fn udp(src_port: u16, dst_port: u16, data: &[u8]) -> Vec<u8> {
    join(&[&src_port.to_be_bytes(), &dst_port.to_be_bytes(), &be16(8 + data.len()), &[0, 0], data])
}

/// IPv4 with TCP with `hello`: what [`assert_hello`] expects.
pub(super) fn hello() -> Vec<u8> {
    ipv4(6, &tcp(b"hello"))
}

/// A packet that was captured whole.
pub(super) fn raw(link: LinkType, bytes: &[u8]) -> RawPacket<'_> {
    RawPacket { time: Time::from_nanos(0), length: u32::try_from(bytes.len()).unwrap(), link, interface: 0, bytes }
}

/// The frame of a packet that was captured whole.
pub(super) fn decode(link: LinkType, bytes: &[u8]) -> Frame<'_> {
    decode_cut(link, bytes, bytes.len())
}

/// The frame of a packet of which not all was captured.
pub(super) fn decode_cut(link: LinkType, bytes: &[u8], captured: usize) -> Frame<'_> {
    let decoder = Box::leak(Box::new(Decoder::new(&Limits::default())));
    decoder.decode(&RawPacket { bytes: &bytes[..captured], ..raw(link, bytes) })
}

/// Fails if the innermost packet is not that of [`hello`], decoded to its end.
#[track_caller]
pub(super) fn assert_hello(frame: &Frame<'_>) {
    assert_eq!(frame.stop.map(|stop| stop.to_string()), None);
    let network = frame.network.expect("an IP header");
    assert_eq!((network.src.to_string(), network.dst.to_string()), (V4.0.to_owned(), V4.1.to_owned()));
    assert_eq!((network.protocol, network.ttl, network.fragment), (6, 64, false));
    let Transport::Tcp(tcp) = frame.transport else { panic!("no TCP: {frame:?}") };
    assert_eq!((tcp.src_port, tcp.dst_port, tcp.seq, tcp.ack, tcp.window), (1234, 80, 1, 5, 502));
    assert_eq!((frame.payload, frame.payload_length, frame.link_protocol), (&b"hello"[..], 5, ""));
}

/// What the end of decoding says, with its offset.
pub(super) fn stop(frame: &Frame<'_>) -> String {
    frame.stop.map(|stop| stop.to_string()).unwrap_or_default()
}
