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

#[cfg(test)]
mod tests {
    use super::super::sample::{V6, assert_hello, decode, decode_cut, hello, hex, ipv4, ipv6, join, stop, tcp, udp};
    use super::super::{Frame, LinkType, Transport, TunnelKind};

    fn frame(bytes: &[u8]) -> Frame<'_> {
        decode(LinkType::RAW, bytes)
    }

    /// `hello` with a byte changed.
    fn changed(at: usize, value: u8) -> Vec<u8> {
        let mut bytes = hello();
        bytes[at] = value;
        bytes
    }

    #[test]
    fn every_number_of_raw_ip_begins_with_ip() {
        for link in [12, 14, 101, 228] {
            assert_hello(&decode(LinkType(link), &hello()));
        }
        for link in [12, 14, 101, 229] {
            let bytes = ipv6(6, &tcp(b"hello"));
            let frame = decode(LinkType(link), &bytes);
            let network = frame.network.unwrap();
            assert_eq!((network.src.to_string(), network.dst.to_string()), (V6.0.to_owned(), V6.1.to_owned()));
            assert_eq!((network.ttl, network.protocol, frame.payload), (64, 6, &b"hello"[..]));
        }
        assert_eq!(stop(&decode(LinkType(229), &hello())), "IPv6: version 4 is not 6 at offset 0");
        assert_eq!(stop(&decode(LinkType(228), &ipv6(6, &[]))), "IPv4: version 6 is not 4 at offset 0");
        assert_eq!(stop(&frame(&[0x50])), "IP: version 5 is neither 4 nor 6 at offset 0");
        assert_eq!(stop(&frame(&[])), "IP: header needs 1 bytes, only 0 are there at offset 0");
    }

    #[test]
    fn an_unknown_link_type_is_all_payload() {
        let frame = decode(LinkType(147), b"\x01\x02");
        assert_eq!(stop(&frame), "link type 147 is not decoded at offset 0");
        assert_eq!((frame.payload, frame.payload_length, frame.network), (&b"\x01\x02"[..], 2, None));
    }

    #[test]
    fn lengths_of_ipv4_decide_what_is_payload() {
        assert_hello(&frame(&join(&[&hello(), b"padding"])));
        // Segmentation offload leaves the length empty.
        assert_hello(&frame(&join(&[&changed(2, 0)[..3], &[0], &hello()[4..]])));
        // More than the packet has: a tool cut it and did not say so.
        let bytes = changed(3, 200);
        assert_eq!(
            (frame(&bytes).payload, frame(&bytes).payload_length, frame(&bytes).stop),
            (&b"hello"[..], 160, None)
        );
        // Options are skipped.
        let mut bytes = join(&[&hello()[..20], &hex("94040000 01010100"), &hello()[20..]]);
        (bytes[0], bytes[3]) = (0x47, 53);
        assert_hello(&frame(&bytes));
    }

    #[test]
    fn wrong_ipv4_headers_say_what_is_wrong() {
        for (bytes, text) in [
            (changed(0, 0x44), "IPv4: header length 16 is less than 20"),
            (changed(3, 19), "IPv4: total length 19 is less than the header length"),
            (changed(0, 0x4f)[..45].to_vec(), "IPv4: header needs 60 bytes, only 45 are there"),
            (hello()[..19].to_vec(), "IPv4: header needs 20 bytes, only 19 are there"),
        ] {
            let frame = frame(&bytes);
            assert_eq!(stop(&frame), format!("{text} at offset 0"));
            assert_eq!((frame.network, frame.payload), (None, &bytes[..]));
        }
        assert_eq!(
            stop(&decode_cut(LinkType::RAW, &hello(), 19)),
            "IPv4: header cut by the snapshot length at offset 0"
        );
        assert_eq!(stop(&frame(&ipv6(6, &[])[..39])), "IPv6: header needs 40 bytes, only 39 are there at offset 0");
    }

    #[test]
    fn a_cut_packet_keeps_the_length_that_it_had() {
        let bytes = hello();
        let cut = decode_cut(LinkType::RAW, &bytes, 42);
        assert_eq!((cut.payload, cut.payload_length, cut.stop), (&b"he"[..], 5, None));
        let cut = decode_cut(LinkType::RAW, &bytes, 30);
        assert_eq!(stop(&cut), "TCP: header cut by the snapshot length at offset 20");
        assert_eq!((cut.payload, cut.payload_length, cut.transport), (&bytes[20..30], 25, Transport::None));
        assert!(cut.network.is_some());
        // Here the header would not have been whole without the cut.
        let bytes = ipv4(6, &[0; 12]);
        let cut = decode_cut(LinkType::RAW, &bytes, 26);
        assert_eq!(stop(&cut), "TCP: header needs 20 bytes, only 6 are there at offset 20");
    }

    #[test]
    fn ipv6_extension_headers_are_followed() {
        let segment = tcp(b"hello");
        for (first, headers) in [
            (0, "0600 0502 0000 0100"),
            (43, "0600 0000 00000000"),
            (60, "0600 0104 00000000"),
            (0, "2b00 0502 0000 0100  3c02 0401 00000000 20010db8000000000000000000000009  0600 0104 00000000"),
            (51, "0604 0000 00000001 00000002 000000000000000000000000"),
            // An atomic fragment.
            (44, "0600 0000 00000001"),
        ] {
            let bytes = ipv6(first, &join(&[&hex(headers), &segment]));
            let frame = frame(&bytes);
            assert_eq!((frame.payload, stop(&frame)), (&b"hello"[..], String::new()), "{headers}");
            let network = frame.network.unwrap();
            assert_eq!((network.protocol, network.fragment), (6, false));
        }
    }

    #[test]
    fn an_authentication_header_is_followed_in_ipv4_too() {
        let header = hex("0604 0000 00000001 00000002 000000000000000000000000");
        assert_hello(&frame(&ipv4(51, &join(&[&header, &tcp(b"hello")]))));
    }

    #[test]
    fn extension_headers_end_where_they_must() {
        for (first, headers, text) in [
            (0, "06", "IPv6 extension: header needs 2 bytes, only 1 are there at offset 40"),
            (60, "0601 0104 00000000", "IPv6 extension: header needs 16 bytes, only 8 are there at offset 40"),
            (44, "0600 0000 000000", "IPv6 fragment: header needs 8 bytes, only 7 are there at offset 40"),
            (51, "0600 0000", "AH: header length 8 is less than 12 at offset 40"),
        ] {
            assert_eq!(stop(&frame(&ipv6(first, &hex(headers)))), text);
        }
        let chain = hex("3c00 0104 00000000").repeat(17);
        assert_eq!(stop(&frame(&ipv6(60, &chain))), "more than 16 extension headers at offset 168");
        let bytes = ipv6(59, b"rest");
        assert_eq!((frame(&bytes).payload, frame(&bytes).stop), (&b"rest"[..], None));
    }

    #[test]
    fn ipv6_without_a_length_is_a_jumbogram_or_not_segmented_yet() {
        let segment = tcp(b"hello");
        let zero_length = |next_header, data: &[u8]| {
            let mut bytes = ipv6(next_header, data);
            bytes[4..6].fill(0);
            bytes
        };
        assert_eq!(frame(&zero_length(6, &segment)).payload, b"hello");
        // 33 bytes: the extension header and the segment; what follows is padding.
        let jumbo = zero_length(0, &join(&[&hex("0600 c204 00000021"), &segment, b"padding"]));
        assert_eq!(frame(&jumbo).payload, b"hello");
        let jumbo = zero_length(0, &join(&[&hex("0601 0000 c204 00000029 0104 00000000"), &segment, b"padding"]));
        assert_eq!(frame(&jumbo).payload, b"hello");
        let jumbo = zero_length(0, &join(&[&hex("0600 c204 00010021"), &segment]));
        assert_eq!((frame(&jumbo).payload, frame(&jumbo).payload_length), (&b"hello"[..], 0x10005));
        assert_eq!(frame(&zero_length(0, &join(&[&hex("0600 0104 00000000"), &segment]))).payload, b"hello");
        assert_eq!(frame(&zero_length(59, b"padding")).payload, b"");
    }

    #[test]
    fn ip_in_ip_is_a_tunnel() {
        for (bytes, kind) in [
            (ipv4(4, &hello()), TunnelKind::IpInIp),
            (ipv6(4, &hello()), TunnelKind::IpInIp),
            (ipv4(4, &ipv4(4, &hello())), TunnelKind::IpInIp),
        ] {
            let frame = frame(&bytes);
            assert_hello(&frame);
            let tunnel = frame.tunnel.unwrap();
            assert_eq!((tunnel.kind, tunnel.id), (kind, None));
            assert_eq!(tunnel.outer.unwrap().0.is_ipv4(), bytes[0] == 0x45);
        }
        for (bytes, kind) in [
            (ipv4(41, &ipv6(17, &udp(1, 2, b"x"))), TunnelKind::SixInFour),
            (ipv6(41, &ipv6(17, &udp(1, 2, b"x"))), TunnelKind::IpInIp),
        ] {
            let frame = frame(&bytes);
            assert_eq!((frame.tunnel.unwrap().kind, frame.payload), (kind, &b"x"[..]));
            assert!(frame.network.unwrap().src.is_ipv6());
        }
    }

    #[test]
    fn a_tunnel_without_a_packet_inside_is_the_outer_packet() {
        let bytes = ipv4(4, &[0x44; 20]);
        let frame = frame(&bytes);
        assert_eq!(stop(&frame), "IPv4: header length 16 is less than 20 at offset 20");
        assert_eq!((frame.network.unwrap().protocol, frame.tunnel, frame.payload), (4, None, &bytes[20..]));
    }

    #[test]
    fn tunnels_are_followed_eight_deep() {
        let mut bytes = hello();
        for _ in 0..8 {
            bytes = ipv4(4, &bytes);
        }
        assert_hello(&frame(&bytes));
        let bytes = ipv4(4, &bytes);
        assert_eq!(stop(&frame(&bytes)), "more than 8 tunnels inside each other at offset 180");
        assert_eq!(frame(&bytes).payload, &bytes[180..]);
    }
}
