//! The short way for what nearly every packet is: IPv4 or IPv6 with TCP or UDP, whole, with nothing in between.
//!
//! It gives the same frame as the layers one by one, but writes it once instead of field by field, which makes it
//! three times as fast.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::rest::{be16, number};
use super::transport::{read_ports, read_tcp};
use super::tunnel::is_tunnel_port;
use super::{Frame, LinkType, Network, Tcp, TcpFlags, Transport, Udp, Vlans};

/// The frame of a packet; `None` if it needs the long way.
// Each of the four cases builds its own frame: where they share a value of one type it is written twice.
#[inline]
pub(super) fn decode(link: LinkType, bytes: &[u8]) -> Option<Frame<'_>> {
    let (type_at, data_at) = match link {
        LinkType::ETHERNET => (12, 14),
        LinkType::LINUX_SLL => (14, 16),
        LinkType::LINUX_SLL2 => (0, 20),
        _ => return None,
    };
    match number_at(bytes, type_at)? {
        0x0800 => {
            let (network, data) = ipv4(bytes.get(data_at..)?)?;
            transport(network, data)
        }
        0x86dd => {
            let (network, data) = ipv6(bytes.get(data_at..)?)?;
            transport(network, data)
        }
        _ => None,
    }
}

#[inline]
fn number_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[inline]
fn transport(network: Network, data: &[u8]) -> Option<Frame<'_>> {
    match network.protocol {
        6 => {
            let (tcp, payload) = tcp(data)?;
            Some(frame(network, Transport::Tcp(tcp), payload))
        }
        17 => {
            let (udp, payload) = udp(data)?;
            Some(frame(network, Transport::Udp(udp), payload))
        }
        _ => None,
    }
}

#[inline]
fn frame(network: Network, transport: Transport, payload: &[u8]) -> Frame<'_> {
    Frame {
        vlans: Vlans::default(),
        tunnel: None,
        network: Some(network),
        transport,
        payload,
        payload_length: number(payload.len()),
        link_protocol: "",
        stop: None,
    }
}

/// An IPv4 header without options, of a datagram that is no fragment and is there whole; and what it carries.
#[inline]
fn ipv4(bytes: &[u8]) -> Option<(Network, &[u8])> {
    let header = bytes.first_chunk::<20>()?;
    if header[0] != 0x45 || be16(header, 6) & 0x3fff != 0 {
        return None;
    }
    let data = bytes.get(20..be16(header, 2).into())?;
    let address = |at: usize| IpAddr::V4(Ipv4Addr::new(header[at], header[at + 1], header[at + 2], header[at + 3]));
    Some((Network { src: address(12), dst: address(16), ttl: header[8], protocol: header[9], fragment: false }, data))
}

/// An IPv6 header of a datagram that is there whole; and what it carries.
#[inline]
fn ipv6(bytes: &[u8]) -> Option<(Network, &[u8])> {
    let header = bytes.first_chunk::<40>()?;
    if header[0] >> 4 != 6 {
        return None;
    }
    let data = bytes.get(40..40 + usize::from(be16(header, 4)))?;
    let (src, dst) = (header[8..].first_chunk::<16>()?, header[24..].first_chunk::<16>()?);
    let address = |octets: &[u8; 16]| IpAddr::V6(Ipv6Addr::from(*octets));
    Some((Network { src: address(src), dst: address(dst), ttl: header[7], protocol: header[6], fragment: false }, data))
}

#[inline]
fn tcp(data: &[u8]) -> Option<(Tcp, &[u8])> {
    let header = data.first_chunk::<20>()?;
    let tcp = read_tcp(header);
    let length = usize::from(header[12] >> 4) * 4;
    if length < 20 || tcp.flags.has(TcpFlags::SYN) {
        return None;
    }
    Some((tcp, data.get(length..)?))
}

#[inline]
fn udp(data: &[u8]) -> Option<(Udp, &[u8])> {
    let header = data.first_chunk::<8>()?;
    let ports = read_ports(header);
    if is_tunnel_port(ports.dst_port) {
        return None;
    }
    Some((ports, data.get(8..be16(header, 4).into())?))
}
