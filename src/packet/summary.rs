//! A packet in one line, much as tcpdump prints it.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use super::{Icmp, Network, Packet, Tcp, TcpFlags, Transport, protocol_name};

/// Length of the body of an ARP packet between Ethernet and IPv4 (RFC 826).
pub(super) const ARP_LENGTH: usize = 28;

/// The line, without time and interface.
pub(super) fn line(packet: &Packet) -> String {
    let mut line = match (packet.network, packet.link_protocol) {
        (Some(network), _) => ip(packet, network),
        (None, "arp") => arp(packet),
        (None, "") => format!("link type {}", packet.link.0),
        (None, name) => name.to_owned(),
    };
    // The length of ICMP counts its header, as in tcpdump.
    let header_length = if matches!(packet.transport, Transport::Icmp(_)) { 8 } else { 0 };
    // Writing to a text does not fail.
    let _ = write!(line, ", length {}", packet.payload_length.saturating_add(header_length));
    if let Some(stop) = packet.stop {
        let _ = write!(line, " [{}]", stop.reason);
    }
    line
}

fn ip(packet: &Packet, network: Network) -> String {
    let Network { src, dst, protocol, .. } = network;
    match packet.transport {
        Transport::Tcp(tcp) => {
            format!("{src}.{} > {dst}.{}: {}", tcp.src_port, tcp.dst_port, segment(tcp, packet.payload_length))
        }
        Transport::Udp(udp) => {
            let name = protocol_name(protocol).to_uppercase();
            format!("{src}.{} > {dst}.{}: {name}", udp.src_port, udp.dst_port)
        }
        Transport::Icmp(icmp) => format!("{src} > {dst}: {}", icmp_message(icmp, protocol)),
        Transport::None => {
            let fragment = if network.fragment { " fragment" } else { "" };
            format!("{src} > {dst}: {}{fragment}", protocol_name(protocol))
        }
    }
}

fn segment(tcp: Tcp, length: u32) -> String {
    let mut text = format!("Flags [{}]", tcp.flags);
    // Numbers that say something: those of bytes, and of flags that count as one.
    let counts = [TcpFlags::SYN, TcpFlags::FIN, TcpFlags::RST].into_iter().any(|flag| tcp.flags.has(flag));
    let _ = match length {
        0 if counts => write!(text, ", seq {}", tcp.seq),
        0 => Ok(()),
        length => write!(text, ", seq {}:{}", tcp.seq, tcp.seq.wrapping_add(length)),
    };
    if tcp.flags.has(TcpFlags::ACK) {
        let _ = write!(text, ", ack {}", tcp.ack);
    }
    let _ = write!(text, ", win {}", tcp.window);
    text
}

/// What an ICMP or ICMPv6 message is (<https://www.iana.org/assignments/icmp-parameters>,
/// <https://www.iana.org/assignments/icmpv6-parameters>).
fn icmp_message(icmp: Icmp, protocol: u8) -> String {
    let Icmp { kind, code, id } = icmp;
    let version_6 = protocol == 58;
    let message = match (version_6, kind, code) {
        (false, 0, _) | (true, 129, _) => "echo reply",
        (false, 8, _) | (true, 128, _) => "echo request",
        (false, 3, 0) => "net unreachable",
        (false, 3, 1) => "host unreachable",
        (false, 3, 2) => "protocol unreachable",
        (false, 3, 3) | (true, 1, 4) => "port unreachable",
        (false, 3, 4) => "unreachable - need to frag",
        (false, 3, 9 | 10 | 13) | (true, 1, 1) => "unreachable - admin prohibited",
        (true, 1, 0) => "unreachable route",
        (true, 1, 3) => "address unreachable",
        (false, 3, _) | (true, 1, _) => "destination unreachable",
        (false, 5, _) | (true, 137, _) => "redirect",
        (false, 9, _) | (true, 134, _) => "router advertisement",
        (false, 10, _) | (true, 133, _) => "router solicitation",
        (false, 11, 0) | (true, 3, 0) => "time exceeded in-transit",
        (false, 11, _) | (true, 3, _) => "time exceeded in reassembly",
        (false, 12, _) | (true, 4, _) => "parameter problem",
        (false, 13, _) => "time stamp query",
        (false, 14, _) => "time stamp reply",
        (true, 2, _) => "packet too big",
        (true, 130, _) => "multicast listener query",
        (true, 131 | 143, _) => "multicast listener report",
        (true, 132, _) => "multicast listener done",
        (true, 135, _) => "neighbor solicitation",
        (true, 136, _) => "neighbor advertisement",
        _ => return format!("ICMP{} type {kind} code {code}", if version_6 { "6" } else { "" }),
    };
    let id = id.map(|id| format!(", id {id}")).unwrap_or_default();
    format!("ICMP{} {message}{id}", if version_6 { "6" } else { "" })
}

/// An ARP packet (RFC 826), as far as it is one between Ethernet and IPv4.
fn arp(packet: &Packet) -> String {
    let address =
        |octets: &[u8]| octets.first_chunk().map_or(Ipv4Addr::UNSPECIFIED, |octets: &[u8; 4]| (*octets).into());
    let Some((head, rest)) = packet.arp.as_deref().and_then(|body| body.split_first_chunk::<8>()) else {
        return "ARP".to_owned();
    };
    let (sender, target) = (address(&rest[6..]), address(&rest[16..]));
    match head {
        [0, 1, 8, 0, 6, 4, 0, 1] => format!("ARP, Request who-has {target} tell {sender}"),
        [0, 1, 8, 0, 6, 4, 0, 2] => {
            let hardware: Vec<_> = rest[..6].iter().map(|octet| format!("{octet:02x}")).collect();
            format!("ARP, Reply {sender} is-at {}", hardware.join(":"))
        }
        _ => "ARP".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{decode, ethernet, hex, ipv4, ipv4_fragment, ipv6, join, raw, tcp, udp};
    use super::super::{Keep, LinkType};
    use super::*;

    #[track_caller]
    fn assert_line(link: LinkType, bytes: &[u8], expected: &str) {
        let packet = Packet::new(1, None, &raw(link, bytes), &decode(link, bytes), Keep::default());
        assert_eq!(line(&packet), expected);
    }

    #[test]
    fn segments_show_flags_and_the_numbers_that_count() {
        for (flags, data, expected) in [
            ("5002", "", "Flags [S], seq 4294967294, win 502, length 0"),
            ("5012", "", "Flags [S.], seq 4294967294, ack 5, win 502, length 0"),
            ("5010", "", "Flags [.], ack 5, win 502, length 0"),
            ("5018", "68656c6c6f", "Flags [P.], seq 4294967294:3, ack 5, win 502, length 5"),
            ("5011", "", "Flags [F.], seq 4294967294, ack 5, win 502, length 0"),
            ("5004", "", "Flags [R], seq 4294967294, win 502, length 0"),
            ("5000", "", "Flags [none], win 502, length 0"),
        ] {
            let segment = hex(&format!("04d2 0050 fffffffe 00000005 {flags} 01f6 0000 0000 {data}"));
            assert_line(LinkType::RAW, &ipv4(6, &segment), &format!("192.0.2.1.1234 > 192.0.2.2.80: {expected}"));
        }
        let expected = "2001:db8::1.1234 > 2001:db8::2.80: Flags [P.], seq 1:3, ack 5, win 502, length 2";
        assert_line(LinkType::RAW, &ipv6(6, &tcp(b"hi")), expected);
    }

    #[test]
    fn datagrams_and_other_protocols_show_their_name() {
        for (bytes, expected) in [
            (ipv4(17, &udp(53, 9999, b"data")), "192.0.2.1.53 > 192.0.2.2.9999: UDP, length 4"),
            (ipv4(132, &hex("04d2 0050 00000001 00000000 0000")), "192.0.2.1.1234 > 192.0.2.2.80: SCTP, length 2"),
            (ipv4(50, &[0; 16]), "192.0.2.1 > 192.0.2.2: esp, length 16"),
            (ipv4(253, &[0; 16]), "192.0.2.1 > 192.0.2.2: ip-253, length 16"),
            (ipv4_fragment(17, 1, 0x2000, &[0; 16]), "192.0.2.1 > 192.0.2.2: udp fragment, length 16"),
            (
                ipv4(6, &[0; 12]),
                "192.0.2.1 > 192.0.2.2: tcp, length 12 [TCP: header needs 20 bytes, only 12 are there]",
            ),
        ] {
            assert_line(LinkType::RAW, &bytes, expected);
        }
    }

    #[test]
    fn icmp_shows_what_the_message_is() {
        for (version, message, expected) in [
            (4, "0800 0000 0005 0001 6869", "ICMP echo request, id 5, length 10"),
            (4, "0000 0000 0005 0001 6869", "ICMP echo reply, id 5, length 10"),
            (4, "0303 0000 0000 0000", "ICMP port unreachable, length 8"),
            (4, "0b00 0000 0000 0000", "ICMP time exceeded in-transit, length 8"),
            (4, "2a07 0000 0000 0000", "ICMP type 42 code 7, length 8"),
            (6, "8000 0000 0005 0001 6869", "ICMP6 echo request, id 5, length 10"),
            (6, "8700 0000 0000 0000", "ICMP6 neighbor solicitation, length 8"),
            (6, "0800 0000 0005 0001", "ICMP6 type 8 code 0, length 8"),
        ] {
            let message = hex(message);
            let (bytes, between) = match version {
                4 => (ipv4(1, &message), "192.0.2.1 > 192.0.2.2"),
                _ => (ipv6(58, &message), "2001:db8::1 > 2001:db8::2"),
            };
            assert_line(LinkType::RAW, &bytes, &format!("{between}: {expected}"));
        }
    }

    #[test]
    fn arp_shows_who_asks_and_who_answers() {
        let body = |operation, rest| join(&[&hex("0001 0800 06 04 "), &hex(operation), &hex(rest)]);
        let addresses = "020000000001 c0000201 020000000002 c0000202";
        for (body, expected) in [
            (body("0001", addresses), "ARP, Request who-has 192.0.2.2 tell 192.0.2.1, length 28"),
            (body("0002", addresses), "ARP, Reply 192.0.2.1 is-at 02:00:00:00:00:01, length 28"),
            (body("0009", addresses), "ARP, length 28"),
            (body("0001", "0200"), "ARP, length 10"),
        ] {
            assert_line(LinkType::ETHERNET, &ethernet(0x0806, &body), expected);
        }
    }

    #[test]
    fn what_is_not_decoded_shows_its_link_type() {
        let expected = "link type 147, length 3 [link type 147 is not decoded]";
        assert_line(LinkType(147), &[1, 2, 3], expected);
        let expected = "link type 1, length 3 [Ethernet: header needs 14 bytes, only 3 are there]";
        assert_line(LinkType::ETHERNET, &[1, 2, 3], expected);
    }
}
