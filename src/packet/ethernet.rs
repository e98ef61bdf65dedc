//! Ethernet and IEEE 802: EtherTypes, VLAN tags, LLC and SNAP.

use super::TunnelKind;
use super::decode::{Layer, Step, Walk};
use super::rest::{Rest, be16};

/// Lengths of an IEEE 802.3 header are below this, EtherTypes are not (IEEE 802.3, 3.2.6).
const FIRST_ETHER_TYPE: u16 = 0x0600;

impl<'a> Walk<'_, 'a> {
    /// An Ethernet II or IEEE 802.3 header.
    #[inline]
    pub(super) fn ethernet(&mut self, rest: Rest<'a>) -> Step<'a> {
        let header = self.first::<14>(rest, "Ethernet")?;
        let data = rest.skip(14);
        self.on_ethernet(data);
        match type_or_length(be16(header, 12), data) {
            (Layer::EtherType(number), data) => self.ether_type(number, data),
            other => Ok(Some(other)),
        }
    }

    /// What follows an EtherType (<https://www.iana.org/assignments/ieee-802-numbers>).
    #[inline]
    pub(super) fn ether_type(&mut self, number: u16, rest: Rest<'a>) -> Step<'a> {
        match number {
            0x0800 => self.ipv4(rest),
            0x86dd => self.ipv6(rest),
            0x8100 | 0x88a8 | 0x9100 | 0x9200 => self.vlan(rest),
            0x8847 | 0x8848 => self.mpls(rest),
            0x8864 => Ok(Some((Layer::Pppoe, rest))),
            other => self.no_ip(ether_type_name(other), rest),
        }
    }

    /// A VLAN tag (IEEE 802.1Q) and the EtherType after it.
    fn vlan(&mut self, rest: Rest<'a>) -> Step<'a> {
        let tag = self.first::<4>(rest, "VLAN")?;
        self.frame.vlans.push(be16(tag, 0) & 0x0fff);
        let data = rest.skip(4);
        self.carries(data);
        Ok(Some(type_or_length(be16(tag, 2), data)))
    }

    /// An IEEE 802.2 header, and a SNAP header (RFC 1042) if it announces one.
    pub(super) fn llc(&mut self, rest: Rest<'a>) -> Step<'a> {
        let [destination, source, control] = *self.first::<3>(rest, "LLC")?;
        // Frames with sequence numbers have a control field of two bytes.
        let data = rest.skip(if control & 3 == 3 { 3 } else { 4 });
        match (destination, source) {
            (0xaa, 0xaa) if control == 0x03 => self.snap(data),
            (0x06, 0x06) if control == 0x03 => Ok(Some((Layer::Ipv4, data))),
            (0x42, _) => self.no_ip("stp", data),
            (0xe0, _) => self.no_ip("ipx", data),
            (0xf0, _) => self.no_ip("netbios", data),
            (0xfe, _) => self.no_ip("osi", data),
            // Novell's "raw 802.3" has no LLC header: these are the checksum of IPX.
            (0xff, 0xff) => self.no_ip("ipx", rest),
            _ => self.no_ip("llc", data),
        }
    }

    /// A SNAP header: an organisation, and an EtherType or a number that the organisation gives a meaning.
    fn snap(&mut self, rest: Rest<'a>) -> Step<'a> {
        let header = self.first::<5>(rest, "SNAP")?;
        let (organisation, number) = ([header[0], header[1], header[2]], be16(header, 3));
        let data = rest.skip(5);
        match (organisation, number) {
            // Plain, and bridged from 802.1H.
            ([0, 0, 0] | [0, 0, 0xf8], _) => Ok(Some((Layer::EtherType(number), data))),
            ([0, 0, 0x0c], 0x2000) => self.no_ip("cdp", data),
            ([0, 0, 0x0c], 0x2003) => self.no_ip("vtp", data),
            ([0, 0, 0x0c], 0x2004) => self.no_ip("dtp", data),
            ([0, 0, 0x0c], 0x010b) => self.no_ip("stp", data),
            ([0, 0, 0x0c], 0x0111) => self.no_ip("udld", data),
            _ => self.no_ip("snap", data),
        }
    }

    /// An MPLS label stack (RFC 3032), and what its bottom label carries as far as the first bytes tell.
    pub(super) fn mpls(&mut self, rest: Rest<'a>) -> Step<'a> {
        let mut inner = rest;
        let label = loop {
            let entry = self.first::<4>(inner, "MPLS")?;
            inner = inner.skip(4);
            if entry[2] & 1 == 1 {
                break u32::from_be_bytes(*entry) >> 12;
            }
        };
        let Some((layer, inner)) = mpls_payload(inner) else { return self.no_ip("mpls", inner) };
        self.enter(TunnelKind::Mpls, Some(label), rest)?;
        Ok(Some((layer, inner)))
    }
}

/// What a field means that is a length in IEEE 802.3 and an EtherType in Ethernet II.
#[inline]
fn type_or_length(number: u16, data: Rest<'_>) -> (Layer, Rest<'_>) {
    if number >= FIRST_ETHER_TYPE {
        (Layer::EtherType(number), data)
    } else {
        (Layer::Llc, data.at_most(number.into()))
    }
}

/// MPLS does not say what it carries: Ethernet (RFC 4448) without a control word if there is an EtherType that fits to
/// what follows it, IP if it looks like IP, Ethernet behind a control word, else nothing that could be told.
///
/// Ethernet comes first because its evidence is stronger: an address may begin with the version of an IP header.
fn mpls_payload(rest: Rest<'_>) -> Option<(Layer, Rest<'_>)> {
    let after_control_word = rest.skip(4);
    if is_ethernet(rest) {
        Some((Layer::Ethernet, rest))
    } else if is_ipv4(rest) {
        Some((Layer::Ipv4, rest))
    } else if is_ipv6(rest) {
        Some((Layer::Ipv6, rest))
    } else if rest.bytes.first().is_some_and(|first| first >> 4 == 0) && is_ethernet(after_control_word) {
        Some((Layer::Ethernet, after_control_word))
    } else {
        None
    }
}

/// Whether the lengths of an IPv4 header fit to what is there.
fn is_ipv4(rest: Rest<'_>) -> bool {
    let Some(header) = rest.bytes.first_chunk::<4>() else { return false };
    let (header_length, total) = (u32::from(header[0] & 0x0f) * 4, u32::from(be16(header, 2)));
    header[0] >> 4 == 4 && header_length >= 20 && header_length <= total && total <= rest.length
}

/// Whether the length of an IPv6 header fits to what is there.
fn is_ipv6(rest: Rest<'_>) -> bool {
    let Some(header) = rest.bytes.first_chunk::<6>() else { return false };
    header[0] >> 4 == 6 && u32::from(be16(header, 4)) + 40 <= rest.length
}

/// Whether there is an EtherType, perhaps behind VLAN tags, that is followed by what it announces.
fn is_ethernet(rest: Rest<'_>) -> bool {
    let mut at = rest.skip(12);
    loop {
        let Some(header) = at.bytes.first_chunk::<2>() else { return false };
        let data = at.skip(2);
        at = match u16::from_be_bytes(*header) {
            0x8100 | 0x88a8 => at.skip(4),
            0x0800 => return is_ipv4(data),
            0x86dd => return is_ipv6(data),
            0x0806 => return data.bytes.starts_with(&[0, 1, 8, 0, 6, 4]),
            _ => return false,
        };
    }
}

/// Names of EtherTypes that carry no IP.
fn ether_type_name(number: u16) -> &'static str {
    match number {
        0x0806 => "arp",
        0x0842 => "wol",
        0x22f0 => "avtp",
        0x4305 => "batadv",
        0x6003 => "decnet",
        0x8035 => "rarp",
        0x809b => "appletalk",
        0x80f3 => "aarp",
        0x8137 => "ipx",
        0x8808 => "pause",
        0x8809 => "slow",
        0x8863 => "pppoed",
        0x888e => "eapol",
        0x8892 => "profinet",
        0x88a2 => "aoe",
        0x88a4 => "ethercat",
        0x88b8 => "goose",
        0x88cc => "lldp",
        0x88e5 => "macsec",
        0x88e7 => "pbb",
        0x88f7 => "ptp",
        0x8902 => "cfm",
        0x8906 => "fcoe",
        0x8914 => "fip",
        0x894f => "nsh",
        0x9000 => "loopback",
        _ => "ethertype",
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{assert_hello, decode, decode_cut, ethernet, hello, hex, ipv4, ipv6, join, stop, tcp};
    use super::super::{LinkType, Transport, TunnelKind};

    fn frame(bytes: &[u8]) -> super::super::Frame<'_> {
        decode(LinkType::ETHERNET, bytes)
    }

    #[test]
    fn ethernet_carries_ip_and_padding_is_no_payload() {
        assert_hello(&frame(&ethernet(0x0800, &hello())));
        assert_hello(&frame(&ethernet(0x0800, &join(&[&hello(), &[0; 6]]))));
        let bytes = ethernet(0x86dd, &join(&[&ipv6(6, &tcp(b"hello")), &[0; 6]]));
        assert_eq!((frame(&bytes).payload, frame(&bytes).payload_length), (&b"hello"[..], 5));
    }

    #[test]
    fn vlan_tags_are_kept_in_order() {
        for (tags, ids) in [
            ("8100 a005 0800", &[5][..]),
            ("88a8 0064 8100 0005 0800", &[100, 5]),
            ("9100 0064 8100 0005 0800", &[100, 5]),
            ("88a8 0001 88a8 0002 88a8 0003 88a8 0004 8100 0005 0800", &[1, 2, 3, 4]),
            ("8100 0000 0800", &[0]),
        ] {
            let bytes = join(&[&hex("020000000002 020000000001"), &hex(tags), &hello()]);
            let frame = frame(&bytes);
            assert_hello(&frame);
            assert_eq!(frame.vlans.ids(), ids);
        }
    }

    #[test]
    fn lengths_instead_of_ether_types_lead_to_llc() {
        let snap = join(&[&hex("aaaa03 000000 0800"), &hello()]);
        assert_hello(&frame(&ethernet(u16::try_from(snap.len()).unwrap(), &join(&[&snap, &[0; 20]]))));
        assert_hello(&frame(&ethernet(48, &join(&[&hex("060603"), &hello()]))));
        // A spanning tree packet of 38 bytes in a frame of the least length.
        let bytes = ethernet(38, &join(&[&hex("424203"), &[1; 35], &[0; 8]]));
        let stp = frame(&bytes);
        assert_eq!((stp.link_protocol, stp.payload, stp.stop), ("stp", &[1; 35][..], None));
        for (llc, name) in [
            ("aaaa03 00000c 2000 02b4", "cdp"),
            ("aaaa03 00000c 010b 0000", "stp"),
            ("aaaa03 123456 0000 0000", "snap"),
            ("aaaa03 000000 88cc 0207", "lldp"),
            ("fefe03 83", "osi"),
            ("e0e003 ffff", "ipx"),
            ("f0f0 0000 ff53", "netbios"),
            ("ffff 0022", "ipx"),
            ("f0f003 2c00", "netbios"),
            ("8080 0000", "llc"),
        ] {
            let llc = hex(llc);
            let bytes = ethernet(u16::try_from(llc.len()).unwrap(), &llc);
            assert_eq!((frame(&bytes).link_protocol, frame(&bytes).stop), (name, None));
            // The control field has one byte in the frames here without sequence numbers, else two.
            if name == "netbios" {
                assert_eq!(frame(&bytes).payload, &llc[llc.len() - 2..]);
            }
        }
    }

    #[test]
    fn what_is_no_ip_ends_with_its_name_and_no_error() {
        let body = hex("0001 0800 06 04 0001 020000000001 c0000201 000000000000 c0000202");
        let bytes = ethernet(0x0806, &body);
        let arp = frame(&bytes);
        assert_eq!((arp.link_protocol, arp.payload, arp.payload_length), ("arp", &body[..], 28));
        assert_eq!((arp.network, arp.transport, arp.stop), (None, Transport::None, None));
        for (number, name) in [(0x88cc, "lldp"), (0x888e, "eapol"), (0x8863, "pppoed"), (0x1234, "ethertype")] {
            assert_eq!(frame(&ethernet(number, &[0; 46])).link_protocol, name);
        }
    }

    #[test]
    fn headers_that_are_not_there_whole_end_decoding() {
        for (bytes, offset, text) in [
            (hex("020000000002 02000000000108"), 0, "Ethernet: header needs 14 bytes, only 13 are there"),
            (ethernet(0x8100, &hex("000508")), 14, "VLAN: header needs 4 bytes, only 3 are there"),
            (ethernet(2, &hex("aaaa")), 14, "LLC: header needs 3 bytes, only 2 are there"),
            (ethernet(6, &hex("aaaa03 000000")), 17, "SNAP: header needs 5 bytes, only 3 are there"),
            (ethernet(0x8847, &hex("00010040 0001")), 18, "MPLS: header needs 4 bytes, only 2 are there"),
        ] {
            assert_eq!(stop(&frame(&bytes)), format!("{text} at offset {offset}"));
        }
        let bytes = ethernet(0x8100, &join(&[&hex("0005 0800"), &hello()]));
        let cut = decode_cut(LinkType::ETHERNET, &bytes, 16);
        assert_eq!(stop(&cut), "VLAN: header cut by the snapshot length at offset 14");
        assert_eq!((cut.payload, cut.payload_length), (&bytes[14..16], 49));
    }

    #[test]
    fn mpls_carries_what_its_first_bytes_look_like() {
        let inner = hello();
        for (ether_type, labels) in [(0x8847, "00064140"), (0x8848, "00010040 00064140")] {
            let bytes = ethernet(ether_type, &join(&[&hex(labels), &inner]));
            let frame = frame(&bytes);
            assert_hello(&frame);
            let tunnel = frame.tunnel.unwrap();
            assert_eq!((tunnel.kind, tunnel.id, tunnel.outer), (TunnelKind::Mpls, Some(100), None));
        }
        // Ethernet behind a control word, without one, and from an address that begins with a 4 or a 6.
        let ethernet_inside = ethernet(0x0800, &inner);
        assert_hello(&frame(&ethernet(0x8847, &join(&[&hex("00064140 00000000"), &ethernet_inside]))));
        assert_hello(&frame(&ethernet(0x8847, &join(&[&hex("00064140"), &ethernet_inside]))));
        for first in [0x45, 0x60] {
            let mut ethernet_inside = ethernet_inside.clone();
            ethernet_inside[0] = first;
            assert_hello(&frame(&ethernet(0x8847, &join(&[&hex("00064140"), &ethernet_inside]))));
        }
        let tagged = join(&[&ethernet_inside[..12], &hex("8100 0005 0800"), &inner]);
        let bytes = ethernet(0x8847, &join(&[&hex("00064140"), &tagged]));
        assert_hello(&frame(&bytes));
        assert_eq!(frame(&bytes).vlans.ids(), [5]);
        let bytes = ethernet(0x8847, &hex("00064140 10000000 0021 4500"));
        let unknown = frame(&bytes);
        assert_eq!((unknown.link_protocol, unknown.tunnel, unknown.stop), ("mpls", None, None));
        assert_eq!(unknown.payload, &bytes[18..]);
    }

    #[test]
    fn mpls_over_ip_has_outer_addresses() {
        let bytes = ethernet(0x0800, &ipv4(137, &join(&[&hex("00064140"), &hello()])));
        let frame = frame(&bytes);
        assert_hello(&frame);
        assert!(frame.tunnel.unwrap().outer.is_some());
    }
}
