//! Tunnels over IP and UDP: GRE, ERSPAN, PPTP, VXLAN, Geneve.

use super::TunnelKind;
use super::decode::{Layer, Step, Walk};
use super::rest::{Rest, be16, be32, number};

/// Where VXLAN is sent to: the port of RFC 7348, and the one that Linux used before there was one.
const VXLAN_PORTS: [u16; 2] = [4789, 8472];
/// Where Geneve is sent to (RFC 8926).
const GENEVE_PORT: u16 = 6081;

/// EtherType of an Ethernet frame inside GRE or Geneve.
const BRIDGED_ETHERNET: u16 = 0x6558;

impl<'a> Walk<'_, 'a> {
    /// GRE: version 0 (RFC 2784, RFC 2890), and version 1 for PPTP (RFC 2637).
    pub(super) fn gre(&mut self, rest: Rest<'a>) -> Step<'a> {
        let header = self.first::<4>(rest, "GRE")?;
        let (flags, protocol) = (be16(header, 0), be16(header, 2));
        let has = |bit: u16| flags & bit != 0;
        match flags & 0x0007 {
            0 if has(0x4000) => Err(self.wrong(rest, "GRE: routing flag", 1, "is obsolete (RFC 2784)")),
            0 => {
                let key_at = if has(0x8000) { 8 } else { 4 };
                let sequence_at = if has(0x2000) { key_at + 4 } else { key_at };
                let length = if has(0x1000) { sequence_at + 4 } else { sequence_at };
                let header = rest.bytes.get(..length).ok_or_else(|| self.missing(rest, "GRE", length))?;
                let key = header[key_at..sequence_at].first_chunk().map(|key| u32::from_be_bytes(*key));
                self.gre_payload(protocol, key, has(0x1000), rest.skip(length))
            }
            1 => {
                // Payload length and call take the place of the key.
                let header = self.first::<8>(rest, "GRE")?;
                let length = 8 + if has(0x1000) { 4 } else { 0 } + if has(0x0080) { 4 } else { 0 };
                if rest.bytes.len() < length {
                    return Err(self.missing(rest, "GRE", length));
                }
                if protocol != 0x880b || be16(header, 4) == 0 {
                    return Ok(None);
                }
                self.enter(TunnelKind::Gre, Some(be16(header, 6).into()), rest)?;
                Ok(Some((Layer::Ppp, rest.skip(length))))
            }
            version => Err(self.wrong(rest, "GRE: version", version.into(), "is not known")),
        }
    }

    fn gre_payload(&mut self, protocol: u16, key: Option<u32>, has_sequence: bool, rest: Rest<'a>) -> Step<'a> {
        let (layer, id, inner) = match protocol {
            0x0800 | 0x86dd | 0x8100 | 0x88a8 | 0x8847 | 0x8848 => (Layer::EtherType(protocol), key, rest),
            BRIDGED_ETHERNET => (Layer::Ethernet, key, rest),
            0x880b => (Layer::Ppp, key, rest),
            // Type I has no header of its own.
            0x88be if !has_sequence => (Layer::Ethernet, key, rest),
            0x88be => {
                let header = self.first::<8>(rest, "ERSPAN II")?;
                (Layer::Ethernet, Some(erspan_session(header)), rest.skip(8))
            }
            0x22eb => {
                let header = self.first::<12>(rest, "ERSPAN III")?;
                let length = if header[11] & 1 == 1 { 20 } else { 12 };
                if rest.bytes.len() < length {
                    return Err(self.missing(rest, "ERSPAN III", length));
                }
                let layer = match (header[10] >> 2) & 0x1f {
                    0 => Layer::Ethernet,
                    2 => Layer::Ip,
                    _ => return Ok(None),
                };
                (layer, Some(erspan_session(header)), rest.skip(length))
            }
            _ => return Ok(None),
        };
        self.enter(TunnelKind::Gre, id, rest)?;
        Ok(Some((layer, inner)))
    }

    /// What UDP carries to a port: a tunnel if the port is that of one and the header looks like it, else nothing to
    /// decode.
    #[inline]
    pub(super) fn udp_payload(&mut self, port: u16, rest: Rest<'a>) -> Step<'a> {
        if !is_tunnel_port(port) {
            Ok(None)
        } else if port == GENEVE_PORT {
            self.geneve(rest)
        } else {
            self.vxlan(rest)
        }
    }

    /// VXLAN (RFC 7348), with or without a group policy
    /// (<https://datatracker.ietf.org/doc/draft-smith-vxlan-group-policy/>).
    fn vxlan(&mut self, rest: Rest<'a>) -> Step<'a> {
        let Some(header) = rest.bytes.first_chunk::<8>() else { return Ok(None) };
        let is_plain = header[..4] == [0x08, 0, 0, 0];
        let has_policy = header[0] == 0x88;
        if !(is_plain || has_policy) || header[7] != 0 || rest.length < 8 + 14 {
            return Ok(None);
        }
        self.enter(TunnelKind::Vxlan, Some(be32(header, 4) >> 8), rest)?;
        Ok(Some((Layer::Ethernet, rest.skip(8))))
    }

    /// Geneve (RFC 8926).
    fn geneve(&mut self, rest: Rest<'a>) -> Step<'a> {
        let Some(header) = rest.bytes.first_chunk::<8>() else { return Ok(None) };
        let layer = match be16(header, 2) {
            BRIDGED_ETHERNET => Layer::Ethernet,
            protocol @ (0x0800 | 0x86dd) => Layer::EtherType(protocol),
            _ => return Ok(None),
        };
        // Version 0, and no reserved bit.
        let is_plausible = header[0] >> 6 == 0 && header[1] & 0x3f == 0 && header[7] == 0;
        let length = 8 + usize::from(header[0] & 0x3f) * 4;
        if !is_plausible || number(length) > rest.length {
            return Ok(None);
        }
        if length > rest.bytes.len() {
            return Err(self.missing(rest, "Geneve", length));
        }
        self.enter(TunnelKind::Geneve, Some(be32(header, 4) >> 8), rest)?;
        Ok(Some((layer, rest.skip(length))))
    }
}

/// Whether what UDP carries to that port may be a tunnel.
#[inline]
pub(super) fn is_tunnel_port(port: u16) -> bool {
    port == GENEVE_PORT || VXLAN_PORTS.contains(&port)
}

/// The session of an ERSPAN header (<https://datatracker.ietf.org/doc/draft-foschiano-erspan/>): ten bits.
const fn erspan_session<const N: usize>(header: &[u8; N]) -> u32 {
    (be16(header, 2) & 0x03ff) as u32
}

#[cfg(test)]
mod tests {
    use super::super::sample::{
        V4, assert_hello, decode, decode_cut, ethernet, hello, hex, ipv4, ipv6, join, stop, udp,
    };
    use super::super::{Frame, LinkType, Transport, TunnelKind, Udp};

    /// The frame of what IPv4 carries with a protocol number.
    fn over_ip(protocol: u8, parts: &[&[u8]]) -> Frame<'static> {
        decode(LinkType::IPV4, Box::leak(ipv4(protocol, &join(parts)).into_boxed_slice()))
    }

    /// The frame of what UDP carries to a port.
    fn over_udp(port: u16, parts: &[&[u8]]) -> Frame<'static> {
        over_ip(17, &[&udp(1234, port, &join(parts))])
    }

    #[track_caller]
    fn assert_hello_through(frame: &Frame<'_>, kind: TunnelKind, id: Option<u32>) {
        assert_hello(frame);
        let tunnel = frame.tunnel.unwrap();
        assert_eq!((tunnel.kind, tunnel.id), (kind, id));
        let outer = tunnel.outer.map(|(src, dst)| (src.to_string(), dst.to_string()));
        assert_eq!(outer, Some((V4.0.to_owned(), V4.1.to_owned())));
    }

    #[test]
    fn gre_carries_ip_and_ethernet_behind_optional_fields() {
        let inner = hello();
        for (header, id) in [
            ("0000 0800", None),
            ("8000 0800 12340000", None),
            ("2000 0800 00000007", Some(7)),
            ("1000 0800 00000001", None),
            ("b000 0800 12340000 00000007 00000001", Some(7)),
            ("0000 8847 00064140", None),
        ] {
            let frame = over_ip(47, &[&hex(header), &inner]);
            if header.contains("8847") {
                assert_hello_through(&frame, TunnelKind::Mpls, Some(100));
            } else {
                assert_hello_through(&frame, TunnelKind::Gre, id);
            }
        }
        let tagged = join(&[&hex("020000000002 020000000001 8100 0005 0800"), &inner]);
        let frame = over_ip(47, &[&hex("2000 6558 00000007"), &tagged]);
        assert_hello_through(&frame, TunnelKind::Gre, Some(7));
        assert_eq!(frame.vlans.ids(), [5]);
    }

    #[test]
    fn erspan_of_all_types_mirrors_ethernet() {
        let inner = ethernet(0x0800, &hello());
        for (header, id) in [
            ("0000 88be", None),
            ("1000 88be 00000001  1064 0864 00000003", Some(100)),
            ("1000 22eb 00000001  2064 0064 00000000 0000 0000", Some(100)),
            ("1000 22eb 00000001  2064 0064 00000000 0000 0001  00000000 00000000", Some(100)),
        ] {
            assert_hello_through(&over_ip(47, &[&hex(header), &inner]), TunnelKind::Gre, id);
        }
        let ip_inside = over_ip(47, &[&hex("1000 22eb 00000001  2064 0064 00000000 0000 0800"), &hello()]);
        assert_hello_through(&ip_inside, TunnelKind::Gre, Some(100));
        for (header, text) in [
            ("1000 88be 00000001  1064", "ERSPAN II: header needs 8 bytes, only 2 are there at offset 28"),
            ("1000 22eb 00000001  2064", "ERSPAN III: header needs 12 bytes, only 2 are there at offset 28"),
            (
                "1000 22eb 00000001  2064 0064 00000000 0000 0001  00",
                "ERSPAN III: header needs 20 bytes, only 13 are there at offset 28",
            ),
        ] {
            assert_eq!(stop(&over_ip(47, &[&hex(header)])), text);
        }
    }

    #[test]
    fn pptp_carries_ppp_of_one_call() {
        for header in ["3001 880b 002f 0009 00000001 0021", "3081 880b 0031 0009 00000001 00000002 ff03 0021"] {
            let frame = over_ip(47, &[&hex(header), &hello(), b"padding"]);
            assert_hello_through(&frame, TunnelKind::Gre, Some(9));
        }
        // An acknowledgment alone, and a payload that is encrypted.
        for bytes in ["2081 880b 0000 0009 00000002", "3001 880b 0004 0009 00000001 00fd 9000"] {
            let frame = over_ip(47, &[&hex(bytes)]);
            assert_eq!((frame.network.unwrap().protocol, frame.tunnel, stop(&frame)), (47, None, String::new()));
            assert_eq!(frame.payload, hex(bytes));
        }
    }

    #[test]
    fn gre_that_cannot_be_decoded_is_the_outer_packet() {
        for (header, text) in [
            ("0000 2000 0102", ""),
            ("0005 0800", "GRE: version 5 is not known at offset 20"),
            ("4000 0800 00000000", "GRE: routing flag 1 is obsolete (RFC 2784) at offset 20"),
            ("2000 0800", "GRE: header needs 8 bytes, only 4 are there at offset 20"),
            ("3001 880b 0004 0009", "GRE: header needs 12 bytes, only 8 are there at offset 20"),
            ("0000", "GRE: header needs 4 bytes, only 2 are there at offset 20"),
        ] {
            let frame = over_ip(47, &[&hex(header)]);
            assert_eq!((stop(&frame).as_str(), frame.network.unwrap().protocol, frame.tunnel), (text, 47, None));
            assert_eq!((frame.payload, frame.link_protocol), (&hex(header)[..], ""));
        }
    }

    #[test]
    fn vxlan_is_recognised_by_port_and_header() {
        let inner = ethernet(0x0800, &hello());
        for port in [4789, 8472] {
            for header in ["08000000 00000900", "88000063 00000900"] {
                let frame = over_udp(port, &[&hex(header), &inner]);
                assert_hello_through(&frame, TunnelKind::Vxlan, Some(9));
            }
        }
        for (port, header) in [
            (4788, "08000000 00000900"),
            (4789, "00000000 00000900"),
            (4789, "08000100 00000900"),
            (4789, "08000000 00000901"),
        ] {
            let frame = over_udp(port, &[&hex(header), &inner]);
            assert_eq!(frame.transport, Transport::Udp(Udp { src_port: 1234, dst_port: port }));
            assert_eq!((frame.tunnel, frame.stop, frame.payload.len()), (None, None, inner.len() + 8));
        }
        let without_room = over_udp(4789, &[&hex("08000000 00000900"), &inner[..13]]);
        assert_eq!((without_room.tunnel, without_room.stop), (None, None));
    }

    #[test]
    fn what_is_no_ip_inside_a_tunnel_of_ethernet_has_its_name() {
        let frame = over_udp(4789, &[&hex("08000000 00000900"), &ethernet(0x0806, &[1; 28])]);
        assert_eq!((frame.link_protocol, frame.network, frame.transport), ("arp", None, Transport::None));
        assert_eq!((frame.tunnel.unwrap().id, frame.payload), (Some(9), &[1; 28][..]));
    }

    #[test]
    fn nothing_of_the_outer_packet_stays_beside_the_inner_one() {
        let tag = hex("020000000002 020000000001 8100 0005 0800");
        let vxlan = udp(1234, 4789, &join(&[&hex("08000000 00000900"), &ethernet(0x0800, &hello())]));
        let bytes = join(&[&tag, &ipv4(17, &vxlan)]);
        let inner = decode(LinkType::ETHERNET, &bytes);
        assert_hello(&inner);
        assert!(inner.vlans.ids().is_empty());
        let esp = over_udp(6081, &[&hex("0000 0800 00000900"), &ipv4(50, &[0; 16])]);
        assert_eq!((esp.transport, esp.network.unwrap().protocol), (Transport::None, 50));
    }

    #[test]
    fn a_tunnel_that_was_cut_before_its_inside_is_the_outer_packet() {
        let inner = ethernet(0x0800, &hello());
        let bytes = ipv4(17, &udp(1234, 4789, &join(&[&hex("08000000 00000900"), &inner])));
        let frame = decode_cut(LinkType::IPV4, &bytes, 20 + 8 + 8 + 13);
        assert_eq!(stop(&frame), "Ethernet: header cut by the snapshot length at offset 36");
        assert_eq!(frame.transport, Transport::Udp(Udp { src_port: 1234, dst_port: 4789 }));
        assert_eq!((frame.tunnel, frame.payload.len(), frame.payload_length), (None, 21, 67));
    }

    #[test]
    fn geneve_is_recognised_by_port_and_header() {
        let inner = ethernet(0x0800, &hello());
        for header in ["0000 6558 00000900", "0240 6558 00000900 0102 8001 00000000"] {
            let frame = over_udp(6081, &[&hex(header), &inner]);
            assert_hello_through(&frame, TunnelKind::Geneve, Some(9));
        }
        assert_hello_through(&over_udp(6081, &[&hex("0000 0800 00000900"), &hello()]), TunnelKind::Geneve, Some(9));
        let frame = over_udp(6081, &[&hex("0000 86dd 00000900"), &ipv6(17, &udp(1, 2, b"x"))]);
        assert_eq!((frame.tunnel.unwrap().kind, frame.payload), (TunnelKind::Geneve, &b"x"[..]));
        for header in [
            "4000 6558 00000900",
            "0001 6558 00000900",
            "0000 6558 00000901",
            "0000 1234 00000900",
            "3f00 6558 00000900",
            "0000 65",
        ] {
            let frame = over_udp(6081, &[&hex(header), &inner]);
            assert_eq!((frame.tunnel, frame.stop), (None, None), "{header}");
        }
        let bytes = ipv4(17, &udp(1234, 6081, &join(&[&hex("0240 6558 00000900 0102 8001 00000000"), &inner])));
        let cut = decode_cut(LinkType::IPV4, &bytes, 40);
        assert_eq!(stop(&cut), "Geneve: header cut by the snapshot length at offset 28");
    }
}
