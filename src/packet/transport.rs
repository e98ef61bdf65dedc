//! What IP carries: TCP, UDP and what begins like it, ICMP.

use super::decode::{Step, Walk};
use super::rest::{Rest, be16, be32, number};
use super::{Icmp, Tcp, TcpFlags, Transport, Udp};

/// The largest window scale; larger ones count as this (RFC 7323, 2.3).
const MAX_WINDOW_SCALE: u8 = 14;

impl<'a> Walk<'_, 'a> {
    /// A TCP header (RFC 9293). One of which only options are missing still counts.
    #[inline]
    pub(super) fn tcp(&mut self, rest: Rest<'a>) -> Step<'a> {
        let header = self.first::<20>(rest, "TCP")?;
        let length = usize::from(header[12] >> 4) * 4;
        if length < 20 {
            return Err(self.wrong(rest, "TCP: header length", number(length), "is less than 20"));
        }
        let is_whole = length <= rest.bytes.len();
        if !is_whole && !self.is_cut(rest, length) {
            return Err(self.missing(rest, "TCP", length));
        }
        let flags = TcpFlags(be16(header, 12) & 0x01ff);
        self.frame.transport = Transport::Tcp(Tcp {
            src_port: be16(header, 0),
            dst_port: be16(header, 2),
            seq: be32(header, 4),
            ack: be32(header, 8),
            flags,
            window: be16(header, 14),
            window_scale: if flags.has(TcpFlags::SYN) { window_scale(rest.bytes, length) } else { None },
        });
        self.carries(rest.skip(length));
        if is_whole { Ok(None) } else { Err(self.missing(rest, "TCP", length)) }
    }

    /// A UDP header (RFC 768).
    #[inline]
    pub(super) fn udp(&mut self, rest: Rest<'a>) -> Step<'a> {
        let header = self.first::<8>(rest, "UDP")?;
        let port = self.ports(header);
        let datagram = match u32::from(be16(header, 4)) {
            // A jumbogram (RFC 2675), or segmentation offload.
            0 => rest,
            length if length < 8 => {
                self.carries(rest.of_length(0));
                return Err(self.wrong(rest, "UDP: length", length, "is less than 8"));
            }
            length => rest.at_most(length),
        };
        let data = datagram.skip(8);
        self.carries(data);
        self.udp_payload(port, data)
    }

    /// A UDP-Lite header (RFC 3828): where UDP has the length is how much the checksum covers.
    pub(super) fn udp_lite(&mut self, rest: Rest<'a>) -> Step<'a> {
        let header = self.first::<8>(rest, "UDP-Lite")?;
        self.ports(header);
        self.carries(rest.skip(8));
        Ok(None)
    }

    /// An SCTP common header (RFC 9260); what it carries are chunks.
    pub(super) fn sctp(&mut self, rest: Rest<'a>) -> Step<'a> {
        let header = self.first::<12>(rest, "SCTP")?;
        self.ports(header);
        self.carries(rest.skip(12));
        Ok(None)
    }

    /// A DCCP header (RFC 4340).
    pub(super) fn dccp(&mut self, rest: Rest<'a>) -> Step<'a> {
        let header = self.first::<12>(rest, "DCCP")?;
        let length = usize::from(header[4]) * 4;
        if length < 12 {
            return Err(self.wrong(rest, "DCCP: header length", number(length), "is less than 12"));
        }
        let is_whole = length <= rest.bytes.len();
        if !is_whole && !self.is_cut(rest, length) {
            return Err(self.missing(rest, "DCCP", length));
        }
        self.ports(header);
        self.carries(rest.skip(length));
        if is_whole { Ok(None) } else { Err(self.missing(rest, "DCCP", length)) }
    }

    /// Notes the ports that a header begins with; returns that of the destination.
    #[inline]
    fn ports<const N: usize>(&mut self, header: &[u8; N]) -> u16 {
        let udp = Udp { src_port: be16(header, 0), dst_port: be16(header, 2) };
        self.frame.transport = Transport::Udp(udp);
        udp.dst_port
    }

    /// An ICMP (RFC 792) or ICMPv6 (RFC 4443) header. The packet that an error quotes is payload: it was sent at
    /// another time by somebody else.
    pub(super) fn icmp(&mut self, protocol: u8, rest: Rest<'a>) -> Step<'a> {
        let [kind, code, ..] = *self.first::<4>(rest, "ICMP")?;
        let is_echo = if protocol == 1 { matches!(kind, 0 | 8) } else { matches!(kind, 128 | 129) };
        let id = match rest.bytes.first_chunk::<6>() {
            Some(header) if is_echo => Some(be16(header, 4)),
            _ => None,
        };
        self.frame.transport = Transport::Icmp(Icmp { kind, code, id });
        self.carries(rest.skip(8));
        Ok(None)
    }
}

/// The window scale option (RFC 7323) in what was captured of the options.
fn window_scale(header: &[u8], header_length: usize) -> Option<u8> {
    let mut options = header.get(20..header_length.min(header.len()))?;
    loop {
        // A kind, then a length that counts both, except for the first two kinds: end and padding.
        options = match options {
            [1, rest @ ..] => rest,
            [3, 3, scale, ..] => return Some((*scale).min(MAX_WINDOW_SCALE)),
            [2..=255, length @ 2..=255, ..] => options.get(usize::from(*length)..)?,
            _ => return None,
        };
    }
}
