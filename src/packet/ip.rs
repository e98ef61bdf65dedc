//! IPv4, IPv6 and the headers between them and their payload.

use std::net::IpAddr;

use etherparse::err::{ipv4, ipv6};
use etherparse::{Ipv4HeaderSlice, Ipv6HeaderSlice};

use super::decode::{Layer, Step, Stopped, Walk};
use super::rest::{Rest, be16, be32, number};
use super::{Network, Reason, TunnelKind};

/// How many IPv6 extension headers are followed; real packets have one or two.
const MAX_EXTENSIONS: u8 = 16;

const HOP_BY_HOP: u8 = 0;
const NO_NEXT_HEADER: u8 = 59;

impl<'a> Walk<'_, 'a> {
    /// IPv4 or IPv6, as the first four bits say.
    pub(super) fn ip(&mut self, rest: Rest<'a>) -> Step<'a> {
        let [first] = *self.first::<1>(rest, "IP")?;
        match first >> 4 {
            4 => Ok(Some((Layer::Ipv4, rest))),
            6 => Ok(Some((Layer::Ipv6, rest))),
            other => Err(self.wrong(rest, "IP: version", other.into(), "is neither 4 nor 6")),
        }
    }

    /// An IPv4 header (RFC 791).
    #[inline]
    pub(super) fn ipv4(&mut self, rest: Rest<'a>) -> Step<'a> {
        let header = Ipv4HeaderSlice::from_slice(rest.bytes).map_err(|error| match error {
            ipv4::HeaderSliceError::Len(error) => self.missing(rest, "IPv4", error.required_len),
            ipv4::HeaderSliceError::Content(ipv4::HeaderError::UnexpectedVersion { version_number }) => {
                self.wrong(rest, "IPv4: version", version_number.into(), "is not 4")
            }
            ipv4::HeaderSliceError::Content(ipv4::HeaderError::HeaderLengthSmallerThanHeader { ihl }) => {
                self.wrong(rest, "IPv4: header length", u32::from(ihl) * 4, "is less than 20")
            }
        })?;
        let header_length = header.slice().len();
        let datagram = match header.total_len() {
            // Segmentation offload leaves the length to the network card, which comes after the capture.
            0 => rest,
            total if usize::from(total) < header_length => {
                return Err(self.wrong(rest, "IPv4: total length", total.into(), "is less than the header length"));
            }
            total => rest.of_length(total.into()),
        };
        let data = datagram.skip(header_length);
        let network = Network {
            src: header.source_addr().into(),
            dst: header.destination_addr().into(),
            ttl: header.ttl(),
            protocol: header.protocol().0,
            fragment: false,
        };
        self.on_network(network, data);
        if header.is_fragmenting_payload() {
            let offset = header.fragments_offset().byte_offset();
            return self.fragment(
                header.identification().into(),
                network.protocol,
                offset,
                header.more_fragments(),
                data,
            );
        }
        self.protocol(network.protocol, data)
    }

    /// An IPv6 header (RFC 8200).
    #[inline]
    pub(super) fn ipv6(&mut self, rest: Rest<'a>) -> Step<'a> {
        let header = Ipv6HeaderSlice::from_slice(rest.bytes).map_err(|error| match error {
            ipv6::HeaderSliceError::Len(error) => self.missing(rest, "IPv6", error.required_len),
            ipv6::HeaderSliceError::Content(ipv6::HeaderError::UnexpectedVersion { version_number }) => {
                self.wrong(rest, "IPv6: version", version_number.into(), "is not 6")
            }
        })?;
        let protocol = header.next_header().0;
        let data = rest.skip(40);
        let data = match (u32::from(header.payload_length()), protocol) {
            (0, HOP_BY_HOP) => jumbo_length(data.bytes).map_or(data, |length| data.of_length(length)),
            (0, NO_NEXT_HEADER) => data.of_length(0),
            // Segmentation offload, as with IPv4.
            (0, _) => data,
            (length, _) => data.of_length(length),
        };
        let network = Network {
            src: header.source_addr().into(),
            dst: header.destination_addr().into(),
            ttl: header.hop_limit(),
            protocol,
            fragment: false,
        };
        self.on_network(network, data);
        self.protocol(protocol, data)
    }

    /// What an IP header carries (<https://www.iana.org/assignments/protocol-numbers>).
    #[inline]
    pub(super) fn protocol(&mut self, number: u8, rest: Rest<'a>) -> Step<'a> {
        match number {
            6 => self.tcp(rest),
            17 => self.udp(rest),
            1 | 58 => self.icmp(number, rest),
            132 => self.sctp(rest),
            136 => self.udp_lite(rest),
            33 => self.dccp(rest),
            4 => self.ip_in_ip(TunnelKind::IpInIp, Layer::Ipv4, rest),
            41 if self.is_ipv6() => self.ip_in_ip(TunnelKind::IpInIp, Layer::Ipv6, rest),
            41 => self.ip_in_ip(TunnelKind::SixInFour, Layer::Ipv6, rest),
            47 => self.gre(rest),
            137 => self.mpls(rest),
            51 => self.authentication(rest),
            HOP_BY_HOP | 43 | 60 if self.is_ipv6() => self.extension(rest),
            44 if self.is_ipv6() => self.fragment_header(rest),
            _ => Ok(None),
        }
    }

    fn is_ipv6(&self) -> bool {
        matches!(self.frame.network, Some(Network { src: IpAddr::V6(_), .. }))
    }

    fn ip_in_ip(&mut self, kind: TunnelKind, inner: Layer, rest: Rest<'a>) -> Step<'a> {
        self.enter(kind, None, rest)?;
        Ok(Some((inner, rest)))
    }

    /// An IPv6 hop-by-hop, routing or destination options header: the next header, and a length in 8 bytes.
    fn extension(&mut self, rest: Rest<'a>) -> Step<'a> {
        let [next, length] = *self.first::<2>(rest, "IPv6 extension")?;
        self.after_extension(next, (usize::from(length) + 1) * 8, "IPv6 extension", rest)
    }

    /// An authentication header (RFC 4302): the next header, and a length in 4 bytes.
    fn authentication(&mut self, rest: Rest<'a>) -> Step<'a> {
        let [next, length] = *self.first::<2>(rest, "AH")?;
        let length = (usize::from(length) + 2) * 4;
        if length < 12 {
            return Err(self.wrong(rest, "AH: header length", number(length), "is less than 12"));
        }
        self.after_extension(next, length, "AH", rest)
    }

    fn after_extension(&mut self, next: u8, length: usize, header: &'static str, rest: Rest<'a>) -> Step<'a> {
        if rest.bytes.len() < length {
            return Err(self.missing(rest, header, length));
        }
        self.count_extension(rest)?;
        self.then(next, rest.skip(length))
    }

    /// An IPv6 fragment header.
    fn fragment_header(&mut self, rest: Rest<'a>) -> Step<'a> {
        let header = self.first::<8>(rest, "IPv6 fragment")?;
        self.count_extension(rest)?;
        let (next, data) = (header[0], rest.skip(8));
        let (offset, more) = (be16(header, 2) & 0xfff8, header[3] & 1 == 1);
        if offset == 0 && !more {
            // An atomic fragment is a whole datagram (RFC 6946).
            return self.then(next, data);
        }
        self.fragment(be32(header, 4), next, offset, more, data)
    }

    fn count_extension(&mut self, rest: Rest<'a>) -> Result<(), Stopped> {
        self.extensions += 1;
        if self.extensions > MAX_EXTENSIONS {
            return Err(self.stop(rest, Reason::TooMany { headers: "extension headers", limit: MAX_EXTENSIONS }));
        }
        Ok(())
    }
}

/// The length in the jumbo payload option (RFC 2675) of a hop-by-hop options header, if it has one.
fn jumbo_length(header: &[u8]) -> Option<u32> {
    let mut options = header.get(2..(usize::from(*header.get(1)?) + 1) * 8)?;
    loop {
        options = match options {
            [0, rest @ ..] => rest,
            [0xc2, 4, a, b, c, d, ..] => return Some(u32::from_be_bytes([*a, *b, *c, *d])),
            [_, length, rest @ ..] => rest.get(usize::from(*length)..)?,
            _ => return None,
        };
    }
}
