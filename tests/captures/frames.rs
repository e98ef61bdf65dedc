//! Every packet of every capture, decoded by netscript and by tshark: addresses, ports, TCP numbers and lengths of the
//! innermost packet agree. What tshark shows besides (custom blocks of pcapng, packets quoted in ICMP errors and in flow
//! samples) is left out where it is read.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use netscript::limits::Limits;
use netscript::packet::{Decoder, Frame, Transport};

use crate::packets::{captures, packets};

#[test]
fn frames_are_what_tshark_says() {
    let mut different = String::new();
    let mut compared = 0;
    for file in captures() {
        let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        let expected = tshark(&file);
        let packets = packets(&std::fs::read(&file).unwrap());
        let mut decoder = Decoder::new(&Limits::default());
        assert_eq!(packets.len(), expected.len(), "{name}");
        for ((number, packet), expected) in (1..).zip(&packets).zip(&expected) {
            for (field, actual) in fields(&decoder.decode(&packet.raw())) {
                compared += 1;
                let expected = expected.get(field).cloned().unwrap_or_default();
                if actual != expected {
                    writeln!(different, "{name} {number} {field}: {actual:?}, tshark says {expected:?}").unwrap();
                }
            }
        }
    }
    assert!(compared > 50_000, "only {compared} values compared");
    assert!(different.is_empty(), "\n{different}");
}

/// What is compared of a frame, by name.
fn fields(frame: &Frame<'_>) -> Vec<(&'static str, String)> {
    let mut fields = vec![
        ("src", frame.network.map(|n| n.src.to_string())),
        ("dst", frame.network.map(|n| n.dst.to_string())),
        ("ttl", frame.network.map(|n| n.ttl.to_string())),
        ("vlan", (!frame.vlans.ids().is_empty()).then(|| format!("{:?}", frame.vlans.ids()))),
    ];
    let (tcp, udp, icmp) = match frame.transport {
        Transport::Tcp(tcp) => (Some(tcp), None, None),
        Transport::Udp(udp) => (None, Some(udp), None),
        Transport::Icmp(icmp) => (None, None, Some(icmp)),
        Transport::None => (None, None, None),
    };
    fields.extend([
        ("tcp_src_port", tcp.map(|t| t.src_port.to_string())),
        ("tcp_dst_port", tcp.map(|t| t.dst_port.to_string())),
        ("seq", tcp.map(|t| t.seq.to_string())),
        ("ack", tcp.map(|t| t.ack.to_string())),
        ("flags", tcp.map(|t| format!("{:#06x}", t.flags.0))),
        ("window", tcp.map(|t| t.window.to_string())),
        ("window_scale", tcp.and_then(|t| t.window_scale).map(|scale| scale.to_string())),
        ("tcp_length", tcp.map(|_| frame.payload_length.to_string())),
        ("udp_src_port", udp.map(|u| u.src_port.to_string())),
        ("udp_dst_port", udp.map(|u| u.dst_port.to_string())),
        ("udp_length", udp.map(|_| (frame.payload_length + 8).to_string())),
        ("icmp_type", icmp.map(|i| i.kind.to_string())),
        ("icmp_code", icmp.map(|i| i.code.to_string())),
    ]);
    fields.into_iter().map(|(name, value)| (name, value.unwrap_or_default())).collect()
}

/// What tshark says of each packet, by the names of [`fields`].
fn tshark(file: &Path) -> Vec<BTreeMap<&'static str, String>> {
    // Each field of tshark has a value for every header of its protocol, from the outside to the inside.
    const FIELDS: [(&str, &str, &str); 20] = [
        ("src", "ip.src", "ip"),
        ("dst", "ip.dst", "ip"),
        ("ttl", "ip.ttl", "ip"),
        ("src", "ipv6.src", "ipv6"),
        ("dst", "ipv6.dst", "ipv6"),
        ("ttl", "ipv6.hlim", "ipv6"),
        ("tcp_src_port", "tcp.srcport", "tcp"),
        ("tcp_dst_port", "tcp.dstport", "tcp"),
        ("seq", "tcp.seq_raw", "tcp"),
        ("ack", "tcp.ack_raw", "tcp"),
        ("flags", "tcp.flags", "tcp"),
        ("window", "tcp.window_size_value", "tcp"),
        ("window_scale", "tcp.options.wscale.shift", "tcp"),
        ("tcp_length", "tcp.len", "tcp"),
        ("udp_src_port", "udp.srcport", "udp"),
        ("udp_dst_port", "udp.dstport", "udp"),
        ("udp_length", "udp.length", "udp"),
        ("icmp_type", "icmp.type", "icmp"),
        ("icmp_code", "icmp.code", "icmp"),
        ("vlan", "vlan.id", "vlan"),
    ];
    let mut command = Command::new("tshark");
    command.args(["-n", "-T", "fields", "-E", "occurrence=a", "-e", "frame.encap_type", "-e", "frame.protocols"]);
    command.args(FIELDS.iter().flat_map(|(_, field, _)| ["-e", field])).arg("-r").arg(file);
    let output = command.output().expect("tshark is needed: apt-get install tshark");
    let mut packets = Vec::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let mut columns = line.split('\t');
        if columns.next().is_none_or(str::is_empty) {
            // tshark also lists custom blocks of pcapng files.
            continue;
        }
        let protocols: Vec<_> = columns.next().unwrap_or_default().split(':').collect();
        // What an ICMP error quotes and what a flow sample holds was not sent by who sent this packet.
        let end = protocols.iter().position(|p| ["icmp", "icmpv6", "sflow"].contains(p)).unwrap_or(protocols.len());
        let network = protocols[..end].iter().rposition(|p| ["ip", "ipv6", "arp", "llc"].contains(p));
        let innermost = &protocols[network.unwrap_or(end)..protocols.len().min(end + 1)];
        let mut packet = BTreeMap::new();
        for ((name, _, protocol), values) in FIELDS.iter().zip(columns) {
            let values: Vec<_> = values.split(',').filter(|value| !value.is_empty()).collect();
            let count = protocols.iter().take(end + 1).filter(|p| *p == protocol).count();
            let last = count.checked_sub(1).and_then(|last| values.get(last));
            let value = match (*name, last) {
                ("vlan", Some(_)) => format!("[{}]", values.join(", ")),
                (_, None) => continue,
                _ if !innermost.contains(protocol) => continue,
                // The three highest bits are reserved, and not taken for flags.
                ("flags", Some(flags)) => format!("{:#06x}", u16::from_str_radix(&flags[2..], 16).unwrap() & 0x1ff),
                (_, Some(last)) => (*last).to_owned(),
            };
            packet.insert(*name, value);
        }
        packets.push(packet);
    }
    packets
}
