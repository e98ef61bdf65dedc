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

/// MPLS does not say what it carries: IP if it looks like IP, Ethernet (RFC 4448) behind a control word or without one
/// if there is an EtherType that fits to what follows it, else nothing that could be told.
fn mpls_payload(rest: Rest<'_>) -> Option<(Layer, Rest<'_>)> {
    match rest.bytes {
        [0x45..=0x4f, ..] if is_ipv4(&rest) => Some((Layer::Ipv4, rest)),
        [0x60..=0x6f, ..] if is_ipv6(&rest) => Some((Layer::Ipv6, rest)),
        [0x00..=0x0f, ..] if is_ethernet(&rest.skip(4)) => Some((Layer::Ethernet, rest.skip(4))),
        _ if is_ethernet(&rest) => Some((Layer::Ethernet, rest)),
        _ => None,
    }
}

/// Whether the lengths of an IPv4 header fit to what is there.
fn is_ipv4(rest: &Rest<'_>) -> bool {
    let Some(header) = rest.bytes.first_chunk::<4>() else { return false };
    let (header_length, total) = (u32::from(header[0] & 0x0f) * 4, u32::from(be16(header, 2)));
    header[0] >> 4 == 4 && header_length >= 20 && header_length <= total && total <= rest.length
}

/// Whether the length of an IPv6 header fits to what is there.
fn is_ipv6(rest: &Rest<'_>) -> bool {
    rest.bytes
        .first_chunk::<6>()
        .is_some_and(|header| header[0] >> 4 == 6 && u32::from(be16(header, 4)) + 40 <= rest.length)
}

/// Whether there is an EtherType that is followed by what it announces.
fn is_ethernet(rest: &Rest<'_>) -> bool {
    let Some(header) = rest.bytes.first_chunk::<14>() else { return false };
    match be16(header, 12) {
        0x0800 => is_ipv4(&rest.skip(14)),
        0x86dd => is_ipv6(&rest.skip(14)),
        0x0806 => rest.skip(14).bytes.starts_with(&[0, 1, 8, 0, 6, 4]),
        0x8100 | 0x88a8 | 0x8847 | 0x8864 => true,
        _ => false,
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
