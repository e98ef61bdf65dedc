//! Link layers besides Ethernet: loopback, Linux cooked captures, PPP.

use super::TunnelKind;
use super::decode::{Layer, Step, Walk};
use super::rest::{Rest, be16, be32};

impl<'a> Walk<'_, 'a> {
    /// BSD loopback: an address family as a number of 32 bits in the byte order of the host that captured
    /// (or in network byte order, which is one of the two).
    pub(super) fn loopback(&mut self, rest: Rest<'a>) -> Step<'a> {
        let header = self.first::<4>(rest, "loopback")?;
        let data = rest.skip(4);
        self.carries(data);
        let family = u32::from_be_bytes(*header);
        // The families are small numbers: in the wrong byte order they are large.
        match family.min(family.swap_bytes()) {
            2 => Ok(Some((Layer::Ipv4, data))),
            // Windows, NetBSD and OpenBSD, FreeBSD, macOS; and Linux.
            10 | 23 | 24 | 28 | 30 => Ok(Some((Layer::Ipv6, data))),
            other => Err(self.wrong(rest, "loopback: address family", other, "is not decoded")),
        }
    }

    /// Linux cooked capture v1 (<https://www.tcpdump.org/linktypes/LINKTYPE_LINUX_SLL.html>).
    pub(super) fn cooked_v1(&mut self, rest: Rest<'a>) -> Step<'a> {
        let header = self.first::<16>(rest, "Linux cooked capture")?;
        self.cooked(be16(header, 2), be16(header, 14), rest.skip(16))
    }

    /// Linux cooked capture v2 (<https://www.tcpdump.org/linktypes/LINKTYPE_LINUX_SLL2.html>).
    pub(super) fn cooked_v2(&mut self, rest: Rest<'a>) -> Step<'a> {
        let header = self.first::<20>(rest, "Linux cooked capture v2")?;
        self.cooked(be16(header, 8), be16(header, 0), rest.skip(20))
    }

    /// What a cooked capture carries: `hardware` is an ARPHRD type of Linux, `protocol` mostly an EtherType.
    fn cooked(&mut self, hardware: u16, protocol: u16, data: Rest<'a>) -> Step<'a> {
        self.carries(data);
        match (hardware, protocol) {
            (824, 0..=0xff) => self.no_ip("netlink", data),
            (_, 0x0001) => self.no_ip("ipx", data),
            (_, 0x0004) => Ok(Some((Layer::Llc, data))),
            (_, 0x000c..=0x000e) => self.no_ip("can", data),
            _ => Ok(Some((Layer::EtherType(protocol), data))),
        }
    }

    /// PPP (RFC 1661), with or without address and control field (RFC 1662), with or without compression of its
    /// protocol field; or Cisco HDLC, which begins with another address.
    pub(super) fn ppp(&mut self, rest: Rest<'a>) -> Step<'a> {
        if let [0x0f | 0x8f, 0x00, ..] = rest.bytes {
            let header = self.first::<4>(rest, "Cisco HDLC")?;
            let data = rest.skip(4);
            self.carries(data);
            return match be16(header, 2) {
                0x8035 => self.no_ip("slarp", data),
                number => Ok(Some((Layer::EtherType(number), data))),
            };
        }
        let framed = if rest.bytes.starts_with(&[0xff, 0x03]) { rest.skip(2) } else { rest };
        let [first] = *self.first::<1>(framed, "PPP")?;
        // The last byte of a protocol number is odd, the one before it is even.
        let (protocol, length) = match first & 1 {
            1 => (first.into(), 1),
            _ => (be16(self.first::<2>(framed, "PPP")?, 0), 2),
        };
        let data = framed.skip(length);
        match protocol {
            0x0021 => Ok(Some((Layer::Ipv4, data))),
            0x0057 => Ok(Some((Layer::Ipv6, data))),
            0x0281 | 0x0283 => self.mpls(data),
            other => self.no_ip(ppp_name(other), data),
        }
    }

    /// A PPPoE session header (RFC 2516).
    pub(super) fn pppoe(&mut self, rest: Rest<'a>) -> Step<'a> {
        let header = self.first::<6>(rest, "PPPoE")?;
        if header[0] != 0x11 {
            return Err(self.wrong(rest, "PPPoE: version and type", header[0].into(), "are not 17"));
        }
        if header[1] != 0 {
            return Err(self.wrong(rest, "PPPoE: code", header[1].into(), "is not that of a session"));
        }
        let data = rest.skip(6).at_most(be16(header, 4).into());
        self.enter(TunnelKind::Pppoe, Some(be32(header, 0) & 0xffff), rest)?;
        Ok(Some((Layer::Ppp, data)))
    }
}

/// Names of PPP protocols that carry no IP.
fn ppp_name(protocol: u16) -> &'static str {
    match protocol {
        0x8021 => "ipcp",
        0x8057 => "ipv6cp",
        0x80fd => "ccp",
        0xc021 => "lcp",
        0xc023 => "pap",
        0xc025 => "lqr",
        0xc223 => "chap",
        0xc227 => "eap",
        _ => "ppp",
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{assert_hello, decode, hello, hex, ipv6, join, stop, tcp};
    use super::super::{LinkType, TunnelKind};

    /// Decodes a header and the packet of `hello` behind it.
    #[track_caller]
    fn assert_hello_behind(link: LinkType, header: &str) {
        assert_hello(&decode(link, &join(&[&hex(header), &hello()])));
    }

    #[test]
    fn loopback_has_an_address_family_in_either_byte_order() {
        for link in [LinkType::NULL, LinkType::LOOP] {
            assert_hello_behind(link, "02000000");
            assert_hello_behind(link, "00000002");
            for family in [10, 23, 24, 28, 30_u32] {
                for family in [family.to_be_bytes(), family.to_le_bytes()] {
                    let bytes = join(&[&family, &ipv6(6, &tcp(b"hello"))]);
                    let frame = decode(link, &bytes);
                    assert_eq!((frame.payload, frame.stop), (&b"hello"[..], None), "{family:?}");
                }
            }
            assert_eq!(stop(&decode(link, &hex("07000000"))), "loopback: address family 7 is not decoded at offset 0");
            assert_eq!(
                stop(&decode(link, &hex("0200"))),
                "loopback: header needs 4 bytes, only 2 are there at offset 0"
            );
        }
    }

    #[test]
    fn cooked_captures_have_an_ether_type() {
        assert_hello_behind(LinkType::LINUX_SLL, "0000 0001 0006 0200000000010000 0800");
        assert_hello_behind(LinkType::LINUX_SLL, "0000 fffe 0000 0000000000000000 0800");
        assert_hello_behind(LinkType::LINUX_SLL2, "0800 0000 00000002 0001 00 06 0200000000010000");
        let bytes = join(&[&hex("0000 0001 0006 0200000000010000 8100 0005 0800"), &hello()]);
        assert_eq!(decode(LinkType::LINUX_SLL, &bytes).vlans.ids(), [5]);
        for (header, name) in [
            ("0000 0001 0006 0200000000010000 0806", "arp"),
            ("0000 0338 0000 0000000000000000 0000", "netlink"),
            ("0000 0118 0000 0000000000000000 000c", "can"),
            ("0000 0001 0006 0200000000010000 0001", "ipx"),
            ("0000 0001 0006 0200000000010000 0004 424203", "stp"),
        ] {
            let bytes = hex(header);
            let frame = decode(LinkType::LINUX_SLL, &bytes);
            assert_eq!((frame.link_protocol, frame.stop), (name, None));
        }
        let text = "Linux cooked capture: header needs 16 bytes, only 15 are there at offset 0";
        assert_eq!(stop(&decode(LinkType::LINUX_SLL, &[0; 15])), text);
        let text = "Linux cooked capture v2: header needs 20 bytes, only 19 are there at offset 0";
        assert_eq!(stop(&decode(LinkType::LINUX_SLL2, &[0; 19])), text);
    }

    #[test]
    fn ppp_comes_with_and_without_framing_and_compression() {
        for link in [LinkType::PPP, LinkType::PPP_HDLC] {
            for header in ["ff03 0021", "ff03 21", "0021", "21", "0f00 0800", "8f00 0800", "0281 00064140"] {
                assert_hello_behind(link, header);
            }
            let bytes = join(&[&hex("57"), &ipv6(6, &tcp(b"hello"))]);
            assert_eq!(decode(link, &bytes).payload, b"hello");
            for (bytes, name) in [
                ("ff03 c021 01010004", "lcp"),
                ("8021 01010004", "ipcp"),
                ("fd 0000", "ppp"),
                ("8f00 8035 0000", "slarp"),
            ] {
                assert_eq!(decode(link, &hex(bytes)).link_protocol, name);
            }
            assert_eq!(stop(&decode(link, &hex("ff03"))), "PPP: header needs 1 bytes, only 0 are there at offset 2");
            assert_eq!(stop(&decode(link, &hex("c0"))), "PPP: header needs 2 bytes, only 1 are there at offset 0");
        }
    }

    #[test]
    fn pppoe_is_a_tunnel_with_a_session() {
        let session = join(&[&hex("1100 0007 002f 0021"), &hello(), &[0; 7]]);
        for bytes in [join(&[&hex("020000000002 020000000001 8864"), &session]), session.clone()] {
            let link = if bytes.len() == session.len() { LinkType::PPP_ETHER } else { LinkType::ETHERNET };
            let frame = decode(link, &bytes);
            assert_hello(&frame);
            let tunnel = frame.tunnel.unwrap();
            assert_eq!((tunnel.kind, tunnel.id, tunnel.outer), (TunnelKind::Pppoe, Some(7), None));
        }
        let bytes = hex("1100 0007 0006 c021 09010004 0000");
        let control = decode(LinkType::PPP_ETHER, &bytes);
        assert_eq!((control.link_protocol, control.payload), ("lcp", &bytes[8..12]));
        assert_eq!(control.tunnel.unwrap().id, Some(7));
        for (bytes, text) in [
            ("2100 0007 0002 0021", "PPPoE: version and type 33 are not 17"),
            ("1109 0007 0002 0021", "PPPoE: code 9 is not that of a session"),
            ("1100 0007 00", "PPPoE: header needs 6 bytes, only 5 are there"),
        ] {
            assert_eq!(stop(&decode(LinkType::PPP_ETHER, &hex(bytes))), format!("{text} at offset 0"));
        }
    }
}
