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
            (824, _) => self.no_ip("netlink", data),
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
