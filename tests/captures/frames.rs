//! Every packet of every capture, decoded by netscript and by tshark: addresses, ports, TCP numbers and lengths of the
//! innermost packet agree. Where they rightly differ is listed with the reason.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use netscript::limits::Limits;
use netscript::packet::{Decoder, Frame, LinkType, RawPacket, Transport};
use netscript::record::Time;

/// Where netscript rightly differs from tshark 4.0: capture, packets, field, and why.
const DIFFERENCES: &[(&str, &[u64], &str, &str)] = &[];

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
            let packet = packet.raw();
            for (field, actual) in fields(&decoder.decode(&packet)) {
                compared += 1;
                let expected = expected.get(field).cloned().unwrap_or_default();
                let is_listed = DIFFERENCES
                    .iter()
                    .any(|(file, numbers, listed, _)| *file == name && *listed == field && numbers.contains(&number));
                if (actual != expected) != is_listed {
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

/// The capture files of this folder, in order.
fn captures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures/data");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "pcap" || extension == "pcapng"))
        .collect();
    files.sort();
    assert!(files.len() >= 40);
    files
}

/// A packet of a capture file.
struct Captured {
    nanos: i64,
    length: u32,
    link: u16,
    interface: u32,
    bytes: Vec<u8>,
}

impl Captured {
    fn raw(&self) -> RawPacket<'_> {
        RawPacket {
            time: Time::from_nanos(self.nanos),
            length: self.length,
            link: LinkType(self.link),
            interface: self.interface,
            bytes: &self.bytes,
        }
    }
}

/// The packets of a pcap or pcapng file, up to where it is cut. Independent of the reader of the library on purpose.
fn packets(file: &[u8]) -> Vec<Captured> {
    let magic = file.first_chunk().map(|magic| u32::from_le_bytes(*magic));
    match magic {
        Some(0x0a0d_0d0a) => pcapng(file).0,
        _ => pcap(file).0,
    }
}

/// Reads numbers in the byte order of a file.
struct Numbers<'a>(&'a [u8], bool);

impl Numbers<'_> {
    fn u32(&self, at: usize) -> Option<u32> {
        let bytes = *self.0.get(at..)?.first_chunk()?;
        Some(if self.1 { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    fn u16(&self, at: usize) -> Option<u16> {
        let bytes = *self.0.get(at..)?.first_chunk()?;
        Some(if self.1 { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    }
}

fn pcap(file: &[u8]) -> (Vec<Captured>, Option<()>) {
    let mut packets = Vec::new();
    let mut read = || {
        let is_big_endian = file.first()? & 0xf0 == 0xa0;
        let numbers = Numbers(file, is_big_endian);
        if numbers.u16(4)? != 2 {
            return None;
        }
        let unit = if numbers.u32(0)? == 0xa1b2_3c4d { 1 } else { 1000 };
        let link = if is_big_endian { numbers.u16(22)? } else { numbers.u16(20)? };
        let mut at = 24;
        loop {
            let length = usize::try_from(numbers.u32(at + 8)?).ok()?;
            packets.push(Captured {
                nanos: i64::from(numbers.u32(at)?) * 1_000_000_000 + i64::from(numbers.u32(at + 4)?) * unit,
                length: numbers.u32(at + 12)?,
                link,
                interface: 0,
                bytes: file.get(at + 16..at + 16 + length)?.to_vec(),
            });
            at += 16 + length;
        }
    };
    let end = read();
    (packets, end)
}

fn pcapng(file: &[u8]) -> (Vec<Captured>, Option<()>) {
    let mut packets = Vec::new();
    let mut read = || {
        let (mut at, mut is_big_endian, mut links) = (0, false, Vec::new());
        loop {
            if file.get(at..at + 4)? == [0x0a, 0x0d, 0x0d, 0x0a] {
                is_big_endian = file.get(at + 8..at + 12)? == [0x1a, 0x2b, 0x3c, 0x4d];
                links.clear();
            }
            let numbers = Numbers(file, is_big_endian);
            let (kind, length) = (numbers.u32(at)?, usize::try_from(numbers.u32(at + 4)?).ok()?);
            let mut packet = |interface: u32, nanos, captured, length, data: usize| {
                let link = *links.get(usize::try_from(interface).ok()?)?;
                let bytes = file.get(data..data + usize::try_from(captured).ok()?)?.to_vec();
                packets.push(Captured { nanos, length, link, interface, bytes });
                Some(())
            };
            match kind {
                1 => links.push(numbers.u16(at + 8)?),
                3 => packet(0, 0, numbers.u32(at + 8)?.min(numbers.u32(at + 4)? - 16), numbers.u32(at + 8)?, at + 12)?,
                6 => {
                    let time = i64::from(numbers.u32(at + 12)?) << 32 | i64::from(numbers.u32(at + 16)?);
                    packet(numbers.u32(at + 8)?, time, numbers.u32(at + 20)?, numbers.u32(at + 24)?, at + 28)?;
                }
                _ => {}
            }
            at += length;
        }
    };
    let end = read();
    (packets, end)
}
