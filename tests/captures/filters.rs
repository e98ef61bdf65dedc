//! What filters select, against what tcpdump selects.

use std::io::Write;
use std::path::Path;

use netscript::capture::{Filter, FilterSet};
use netscript::packet::LinkType;

use crate::capture;
use crate::support::{Packet, read, read_bytes, readable, run};

const FILTERS: [&str; 40] = [
    "tcp",
    "udp",
    "icmp or icmp6",
    "arp",
    "ip",
    "ip6",
    "not ip and not ip6",
    "port 80",
    "tcp dst port 80",
    "udp src port 53",
    "portrange 1000-40000",
    "tcp portrange 79-81 and not src portrange 0-1023",
    "host 192.168.1.211",
    "src host 10.0.0.1 or dst host 172.16.0.1",
    "net 10.0.0.0/8",
    "src net 192.168.0.0 mask 255.255.0.0",
    "net 141.142",
    "ip6 host 2001:470:1f00:ffff::12",
    "ip6 net fe80::/10",
    "greater 200",
    "less 66",
    "len > 100 and len <= 1500",
    "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0",
    "tcp[13] = 0x12",
    "tcp[((tcp[12] & 0xf0) >> 2):4] = 0x47455420",
    "ip[6:2] & 0x3fff != 0",
    "ip proto 47 or ip proto \\ipip",
    "ip6 proto 17 or ip6 protochain 17",
    "icmp[icmptype] = icmp-unreach",
    "vlan",
    "vlan and vlan and tcp",
    "vlan and ip and port 80",
    "ether proto 0x0800",
    "ether broadcast or ether multicast",
    "ether host 00:00:00:00:00:00",
    "ip broadcast or ip multicast",
    "udp port 6081 and udp[8:2] & 0x3f00 != 0",
    "not (tcp or udp)",
    "link[0] = 0 or link[1500] = 0",
    "inbound",
];

/// What tcpdump selects, or what it says instead.
fn tcpdump_selects(path: &Path, filter: &str) -> Result<Vec<Packet>, String> {
    let output = run("tcpdump", &["-r", "-", "-w", "-", "-U", filter], path);
    let said = String::from_utf8(output.stderr).unwrap();
    if output.stdout.is_empty() {
        return Err(said);
    }
    Ok(read_bytes(&output.stdout).packets)
}

/// Compares what a filter selects here and there. Times are compared in microseconds, as tcpdump writes them.
fn compare_filters(name: &str, path: &Path, packets: &[Packet]) -> usize {
    let comparable = |packet: &Packet| (packet.nanos / 1000, packet.length, packet.bytes.clone());
    let mut selections = 0;
    for text in FILTERS {
        match (tcpdump_selects(path, text), Filter::compile(text, packets[0].link)) {
            (Ok(theirs), Ok(filter)) => {
                let ours: Vec<_> = packets.iter().filter(|packet| filter.matches(&packet.raw())).collect();
                let numbers = ours.len();
                assert_eq!(numbers, theirs.len(), "{name}: {text}");
                assert!(ours.into_iter().map(comparable).eq(theirs.iter().map(comparable)), "{name}: {text}");
                selections += usize::from(numbers > 0 && numbers < packets.len());
            }
            (Err(theirs), Err(ours)) => {
                assert!(theirs.contains(&format!("tcpdump: {}", ours.message())), "{name}: {text}: {theirs} {ours}");
            }
            (theirs, ours) => panic!("{name}: {text}: {theirs:?} there, {ours:?} here"),
        }
    }
    selections
}

#[test]
fn filters_select_what_tcpdump_selects() {
    let mut selections = 0;
    for (name, outcome) in readable() {
        let one_link = outcome.packets.iter().all(|packet| packet.link == outcome.packets[0].link);
        if one_link && !name.starts_with("34-") {
            selections += compare_filters(&name, &capture(&name), &outcome.packets);
        }
    }
    assert!(selections > 200, "only {selections} filters chose between packets");
}

#[test]
fn filters_select_what_tcpdump_selects_in_a_file_of_the_other_byte_order() {
    let little = read(&capture("25-http-gap-simple.pcap"));
    let mut big: Vec<u8> =
        [0xa1b2_c3d4, 0x0002_0004, 0, 0, 262_144, 0].into_iter().flat_map(u32::to_be_bytes).collect();
    for packet in &little.packets {
        let (seconds, nanos) = (packet.nanos / 1_000_000_000, packet.nanos % 1_000_000_000);
        for number in [seconds as u32, nanos as u32 / 1000, packet.bytes.len() as u32, packet.length] {
            big.extend_from_slice(&number.to_be_bytes());
        }
        big.extend(packet.bytes[..4].iter().rev());
        big.extend_from_slice(&packet.bytes[4..]);
    }
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&big).unwrap();
    let outcome = read(file.path());
    assert!(outcome.packets == little.packets);
    let mut set = FilterSet::new("tcp");
    assert!(outcome.packets.iter().any(|packet| set.matches(&packet.raw()).unwrap()));
    let theirs = |filter| tcpdump_selects(file.path(), filter).unwrap().len();
    let ours = |text| {
        let filter = Filter::compile(text, LinkType::NULL).unwrap();
        outcome.packets.iter().filter(|packet| filter.matches(&packet.raw())).count()
    };
    for text in ["ip", "tcp", "ip6", "tcp dst port 80", "not ip", "greater 100", "ip or ip6"] {
        assert_eq!(ours(text), theirs(text), "{text}");
    }
}
