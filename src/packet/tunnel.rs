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
                let payload_length = u32::from(be16(header, 4));
                if rest.bytes.len() < length {
                    return Err(self.missing(rest, "GRE", length));
                }
                if protocol != 0x880b || payload_length == 0 {
                    return Ok(None);
                }
                self.enter(TunnelKind::Gre, Some(be16(header, 6).into()), rest)?;
                Ok(Some((Layer::Ppp, rest.skip(length).at_most(payload_length))))
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
        if VXLAN_PORTS.contains(&port) {
            self.vxlan(rest)
        } else if port == GENEVE_PORT {
            self.geneve(rest)
        } else {
            Ok(None)
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

/// The session of an ERSPAN header (<https://datatracker.ietf.org/doc/draft-foschiano-erspan/>): ten bits.
const fn erspan_session<const N: usize>(header: &[u8; N]) -> u32 {
    (be16(header, 2) & 0x03ff) as u32
}
