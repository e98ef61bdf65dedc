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
        let mut tcp = read_tcp(header);
        if tcp.flags.has(TcpFlags::SYN) {
            tcp.window_scale = window_scale(rest.bytes, length);
        }
        self.frame.transport = Transport::Tcp(tcp);
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
        let ports = read_ports(header);
        self.frame.transport = Transport::Udp(ports);
        ports.dst_port
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

/// The fixed part of a TCP header.
#[inline]
pub(super) const fn read_tcp(header: &[u8; 20]) -> Tcp {
    Tcp {
        src_port: be16(header, 0),
        dst_port: be16(header, 2),
        seq: be32(header, 4),
        ack: be32(header, 8),
        flags: TcpFlags(be16(header, 12) & 0x01ff),
        window: be16(header, 14),
        window_scale: None,
    }
}

/// The ports that a header begins with.
#[inline]
pub(super) const fn read_ports<const N: usize>(header: &[u8; N]) -> Udp {
    Udp { src_port: be16(header, 0), dst_port: be16(header, 2) }
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

#[cfg(test)]
mod tests {
    use super::super::sample::{decode, decode_cut, hex, ipv4, ipv6, join, stop, tcp, udp};
    use super::super::{Frame, LinkType};
    use super::*;

    fn frame(bytes: &[u8]) -> Frame<'_> {
        decode(LinkType::RAW, bytes)
    }

    #[track_caller]
    fn tcp_of(frame: &Frame<'_>) -> Tcp {
        let Transport::Tcp(tcp) = frame.transport else { panic!("no TCP: {frame:?}") };
        tcp
    }

    #[test]
    fn tcp_fields_are_those_of_the_header() {
        let bytes = ipv4(6, &hex("04d2 0050 01020304 05060708 7fff fffe 0000 0000 01010101 01010101 6869"));
        let frame = frame(&bytes);
        let expected = Tcp {
            src_port: 1234,
            dst_port: 80,
            seq: 0x0102_0304,
            ack: 0x0506_0708,
            flags: TcpFlags(0x1ff),
            window: 0xfffe,
            window_scale: None,
        };
        assert_eq!((tcp_of(&frame), frame.payload, frame.payload_length), (expected, &b"hi"[..], 2));
    }

    #[test]
    fn the_window_scale_is_read_from_a_syn_and_bounded() {
        for (flags, options, scale) in [
            ("7002", "0204 05b4 0103 0307", Some(7)),
            ("7012", "0101 0303 0a00 0000", Some(10)),
            ("7010", "0204 05b4 0103 0307", None),
            ("7002", "0303 ff00 0000 0000", Some(14)),
            // Behind an option that few know, behind the end, with a wrong length, and cut off.
            ("8002", "fd06 01020304 0303 0700 0000", Some(7)),
            ("7002", "0003 0307 0000 0000", None),
            ("7002", "0304 0700 0000 0000", None),
            ("7002", "1300 0303 0700 0000", None),
            ("7002", "0101 0101 0101 0103", None),
        ] {
            let header = format!("04d2 0050 00000001 00000005 {flags} 01f6 0000 0000 {options}");
            let bytes = ipv4(6, &hex(&header));
            assert_eq!(tcp_of(&frame(&bytes)).window_scale, scale, "{options}");
        }
    }

    #[test]
    fn wrong_tcp_headers_are_no_segments() {
        for (segment, text) in [
            (join(&[&tcp(b"")[..12], &hex("4010 01f6 0000 0000")]), "TCP: header length 16 is less than 20"),
            (join(&[&tcp(b"")[..12], &hex("f010 01f6 0000 0000")]), "TCP: header needs 60 bytes, only 20 are there"),
            (tcp(b"")[..19].to_vec(), "TCP: header needs 20 bytes, only 19 are there"),
        ] {
            let bytes = ipv4(6, &segment);
            let frame = frame(&bytes);
            assert_eq!(stop(&frame), format!("{text} at offset 20"));
            assert_eq!((frame.transport, frame.payload), (Transport::None, &segment[..]));
        }
    }

    #[test]
    fn a_tcp_header_of_which_options_were_cut_still_counts() {
        let bytes = ipv4(6, &hex("04d2 0050 00000001 00000000 7002 01f6 0000 0000 0303 0701 0101 0101 6869"));
        let frame = decode_cut(LinkType::RAW, &bytes, 44);
        assert_eq!(stop(&frame), "TCP: header cut by the snapshot length at offset 20");
        let tcp = tcp_of(&frame);
        assert_eq!((tcp.seq, tcp.window_scale), (1, Some(7)));
        assert_eq!((frame.payload, frame.payload_length), (&b""[..], 2));
    }

    #[test]
    fn udp_lengths_are_held_against_ip() {
        let with_length = |length: u8| {
            let mut datagram = udp(53, 9999, b"answer");
            datagram[5] = length;
            ipv4(17, &datagram)
        };
        for (length, payload, payload_length, text) in [
            (14, "answer", 6, ""),
            (0, "answer", 6, ""),
            (10, "an", 2, ""),
            (8, "", 0, ""),
            (200, "answer", 6, ""),
            (7, "", 0, "UDP: length 7 is less than 8 at offset 20"),
        ] {
            let bytes = with_length(length);
            let frame = frame(&bytes);
            assert_eq!(frame.transport, Transport::Udp(Udp { src_port: 53, dst_port: 9999 }));
            assert_eq!((frame.payload, frame.payload_length), (payload.as_bytes(), payload_length), "{length}");
            assert_eq!(stop(&frame), text);
        }
        assert_eq!(stop(&frame(&ipv4(17, &[0; 7]))), "UDP: header needs 8 bytes, only 7 are there at offset 20");
        let bytes = with_length(14);
        let cut = decode_cut(LinkType::RAW, &bytes, 31);
        assert_eq!((cut.payload, cut.payload_length, cut.stop), (&b"ans"[..], 6, None));
    }

    #[test]
    fn protocols_that_begin_with_ports_have_ports() {
        for (protocol, header) in [
            (136, "04d2 0050 0008 0000"),
            (132, "04d2 0050 00000001 00000000"),
            (33, "04d2 0050 0400 0000 0100 0000 00000001"),
        ] {
            let bytes = ipv4(protocol, &join(&[&hex(header), b"data"]));
            let frame = frame(&bytes);
            assert_eq!(frame.transport, Transport::Udp(Udp { src_port: 1234, dst_port: 80 }));
            assert_eq!((frame.payload, frame.payload_length, frame.stop), (&b"data"[..], 4, None));
        }
        for (protocol, header, text) in [
            (136, "04d2 0050 0008 00", "UDP-Lite: header needs 8 bytes, only 7 are there"),
            (132, "04d2 0050", "SCTP: header needs 12 bytes, only 4 are there"),
            (33, "04d2 0050 0200 0000 0100 0000", "DCCP: header length 8 is less than 12"),
            (33, "04d2 0050 0400 0000 0100 0000", "DCCP: header needs 16 bytes, only 12 are there"),
        ] {
            assert_eq!(stop(&frame(&ipv4(protocol, &hex(header)))), format!("{text} at offset 20"));
        }
    }

    #[test]
    fn icmp_has_type_code_and_the_id_of_an_echo() {
        for (bytes, icmp, payload) in [
            (ipv4(1, &hex("0800 0000 0102 0001 6869")), (8, 0, Some(0x0102)), "hi"),
            (ipv4(1, &hex("0000 0000 0102 0001 6869")), (0, 0, Some(0x0102)), "hi"),
            (ipv4(1, &hex("0501 0000 c0000209 6869")), (5, 1, None), "hi"),
            (ipv6(58, &hex("8000 0000 0102 0001 6869")), (128, 0, Some(0x0102)), "hi"),
            (ipv6(58, &hex("8100 0000 0102 0001 6869")), (129, 0, Some(0x0102)), "hi"),
            (ipv6(58, &hex("0800 0000 0102 0001 6869")), (8, 0, None), "hi"),
            (ipv6(58, &hex("8500 0000")), (133, 0, None), ""),
        ] {
            let frame = frame(&bytes);
            let Transport::Icmp(Icmp { kind, code, id }) = frame.transport else { panic!("{frame:?}") };
            assert_eq!(((kind, code, id), frame.payload, frame.stop), (icmp, payload.as_bytes(), None));
        }
        assert_eq!(stop(&frame(&ipv4(1, &[3]))), "ICMP: header needs 4 bytes, only 1 are there at offset 20");
    }

    #[test]
    fn what_an_icmp_error_quotes_is_payload() {
        let quoted = ipv4(6, &tcp(b"")[..8]);
        let bytes = ipv4(1, &join(&[&hex("0301 0000 00000000"), &quoted]));
        let frame = frame(&bytes);
        assert_eq!(frame.transport, Transport::Icmp(Icmp { kind: 3, code: 1, id: None }));
        assert_eq!((frame.payload, frame.network.unwrap().protocol, frame.tunnel), (&quoted[..], 1, None));
    }
}
