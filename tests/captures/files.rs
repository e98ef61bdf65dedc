//! Capture files: what is read of them, and what other tools read of what we write.

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use netscript::capture::{CaptureError, Format, Writer};
use netscript::packet::LinkType;

use crate::support::{Outcome, read, read_bytes, read_through_a_pipe, readable, run};
use crate::{capture, truth};

/// Nanoseconds of a decimal number of seconds.
fn nanos(seconds: &str) -> i64 {
    let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
    whole.parse::<i64>().unwrap() * 1_000_000_000 + format!("{fraction:0<9}").parse::<i64>().unwrap()
}

/// Where we rightly differ from tshark's number of packets, or a file does not end as it should.
struct Difference {
    file: &'static str,
    packets: usize,
    /// What the error says; nothing for a file that is read to its end.
    error: &'static str,
    /// Why that is right.
    _reason: &'static str,
}

const DIFFERENCES: [Difference; 4] = [
    Difference {
        file: "32-test202.pcapng",
        packets: 8,
        error: "",
        _reason: "tshark counts three custom blocks as packets; capinfos and the maker of the file do not",
    },
    Difference {
        file: "33-extra.pcapng",
        packets: 27,
        error: "`FILE` is cut short: it ends at byte 12401, inside a block that begins at byte 12400",
        _reason: "the file is cut in a block header",
    },
    Difference {
        file: "35-pcap-invalid-version-1.pcap",
        packets: 0,
        error: "cannot read `FILE`: pcap version 1.4 does not exist; netscript reads versions 2.0 to 2.4",
        _reason: "the version in the file header is impossible",
    },
    Difference {
        file: "38-truncated_dns_2.pcap",
        packets: 1,
        error: "`FILE` is cut short: it ends at byte 247, inside a packet record that begins at byte 240",
        _reason: "the file is cut in a record header",
    },
];

#[test]
fn every_capture_gives_the_packets_that_capinfos_and_tshark_see() {
    let rows = truth("files.tsv");
    assert_eq!(rows.len(), 40);
    for row in rows {
        let name = row["file"].as_str();
        let outcome = read(&capture(name));
        let difference = DIFFERENCES.iter().find(|difference| difference.file == name);

        let expected = difference.map_or_else(|| row["tshark_packets"].parse().unwrap(), |known| known.packets);
        assert_eq!(outcome.packets.len(), expected, "{name}");
        let path = capture(name).display().to_string();
        let message = outcome.error.as_ref().map(ToString::to_string).unwrap_or_default().replace(&path, "FILE");
        assert_eq!(message, difference.map_or("", |known| known.error), "{name}");

        if !row["ci_packets"].is_empty() {
            compare_with_capinfos(&row, &outcome);
        }
    }
}

fn compare_with_capinfos(row: &HashMap<String, String>, outcome: &Outcome) {
    let name = row["file"].as_str();
    let packets = &outcome.packets;
    assert_eq!(row["ci_packets"], packets.len().to_string(), "{name}");
    let bytes: u64 = packets.iter().map(|packet| u64::from(packet.length)).sum();
    assert_eq!(row["ci_data_bytes"], bytes.to_string(), "{name}");
    // Without a time for some packet, capinfos gives none for the file.
    if row["ci_first"] != "n/a" {
        let times = || packets.iter().map(|packet| packet.nanos);
        assert_eq!(times().min(), Some(nanos(&row["ci_first"])), "{name}");
        assert_eq!(times().max(), Some(nanos(&row["ci_last"])), "{name}");
        assert_eq!(row["ci_order_ok"], if times().is_sorted() { "True" } else { "False" }, "{name}");
    }
    let link = match row["encap"].as_str() {
        "ether" => Some(LinkType::ETHERNET),
        "null" => Some(LinkType::NULL),
        "linux-sll" => Some(LinkType::LINUX_SLL),
        "linux-sll2" => Some(LinkType::LINUX_SLL2),
        "rawip" => Some(LinkType::RAW),
        "rawip4" => Some(LinkType::IPV4),
        "per-packet" => None,
        other => panic!("{name}: {other}"),
    };
    match link {
        Some(link) => assert!(packets.iter().all(|packet| packet.link == link), "{name}"),
        None => assert!(packets.iter().any(|packet| packet.link != packets[0].link), "{name}"),
    }
    if let Ok(snaplen) = row["snaplen"].parse::<u32>() {
        assert_eq!(outcome.interfaces[0].snaplen, snaplen, "{name}");
    }
    for packet in packets {
        assert_eq!(outcome.interfaces[packet.interface as usize].link, packet.link, "{name}");
        assert!(packet.bytes.len() <= packet.length as usize, "{name}");
    }
}

#[test]
fn every_capture_is_the_same_through_a_pipe_and_compressed() {
    for (name, expected) in readable() {
        let content = std::fs::read(capture(&name)).unwrap();
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(&content).unwrap();
        let gzip = gzip.finish().unwrap();
        let zstd = zstd::encode_all(content.as_slice(), 1).unwrap();
        for (outcome, way) in [
            (read_through_a_pipe(&content), "pipe"),
            (read_bytes(&gzip), "gzip"),
            (read_through_a_pipe(&gzip), "gzip through a pipe"),
            (read_bytes(&zstd), "zstd"),
        ] {
            assert!(outcome.packets == expected.packets, "{name}: {way}");
            assert_eq!(outcome.interfaces, expected.interfaces, "{name}: {way}");
            assert_eq!(outcome.error.is_some(), expected.error.is_some(), "{name}: {way}");
        }
    }
}

/// Writes what was read, with the name choosing the format.
fn write(path: &Path, outcome: &Outcome) {
    let mut writer = Writer::create(path).unwrap();
    for packet in &outcome.packets {
        writer.write(&packet.raw(), &outcome.interfaces, None).unwrap();
    }
    writer.finish(&outcome.interfaces).unwrap();
}

#[test]
fn every_capture_is_read_back_as_it_was_written() {
    let folder = tempfile::tempdir().unwrap();
    for (name, outcome) in readable() {
        let path = folder.path().join("out.pcapng");
        write(&path, &outcome);
        let again = read(&path);
        assert!(again.error.is_none(), "{name}");
        assert!(again.packets == outcome.packets, "{name}");
        assert_eq!(again.interfaces, outcome.interfaces, "{name}");
        let bytes = std::fs::read(&path).unwrap();
        write(&path, &again);
        assert!(std::fs::read(&path).unwrap() == bytes, "{name}: the same packets give other bytes");

        if outcome.interfaces.len() == 1 {
            let path = folder.path().join("out.pcap");
            write(&path, &outcome);
            let again = read(&path);
            assert!(again.error.is_none() && again.packets == outcome.packets, "{name}");
        }
    }
}

/// What tshark sees of a file: time, length and captured length of each packet.
fn tshark_lines(path: &Path) -> String {
    let fields = ["frame.time_epoch", "frame.len", "frame.cap_len"];
    let arguments: Vec<_> =
        ["-n", "-r", "-", "-T", "fields"].into_iter().chain(fields.into_iter().flat_map(|f| ["-e", f])).collect();
    String::from_utf8(run("tshark", &arguments, path).stdout).unwrap()
}

#[test]
fn tshark_sees_the_same_packets_in_what_was_written() {
    let folder = tempfile::tempdir().unwrap();
    for (name, outcome) in readable() {
        let mut expected = tshark_lines(&capture(&name));
        match name.as_str() {
            // Custom blocks are not written. The two simple packet blocks have no time of their own: the first begins its
            // section, the second follows a packet.
            "32-test202.pcapng" => {
                for custom in ["\t24\t24\n", "\t60\t60\n", "\t32\t32\n"] {
                    expected = expected.replace(&format!("\n{custom}"), "\n").trim_start_matches(custom).to_owned();
                }
                for time in ["0.000000000", "1340954905.298858000"] {
                    expected = expected.replacen("\n\t314\t128\n", &format!("\n{time}\t314\t128\n"), 1);
                }
            }
            // Bytes beyond the length on the wire are not written.
            "34-bad-caplen.pcap" => expected = expected.replace("\t68\t84", "\t68\t68"),
            _ => {}
        }
        // tcpdump is asked about the classic format: it starts twenty times faster.
        let path = folder.path().join("out.pcapng");
        write(&path, &outcome);
        assert_eq!(tshark_lines(&path), expected, "{name}");
    }
}

/// Everything that tcpdump can print about the packets of a file.
fn tcpdump_lines(path: &Path) -> String {
    let output = run("tcpdump", &["-nn", "-tt", "--nano", "-e", "-xx", "-r", "-"], path);
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn tcpdump_prints_the_same_of_what_was_written() {
    let folder = tempfile::tempdir().unwrap();
    for (name, outcome) in readable() {
        // tcpdump reads files of several link types up to the first packet of the second one, and 34 has more bytes
        // than a packet.
        if outcome.interfaces.iter().any(|interface| *interface != outcome.interfaces[0]) || name.starts_with("34-") {
            continue;
        }
        let expected = tcpdump_lines(&capture(&name));
        for file in ["out.pcapng", "out.pcap"].iter().take(1 + usize::from(outcome.interfaces.len() == 1)) {
            let path = folder.path().join(file);
            write(&path, &outcome);
            assert!(tcpdump_lines(&path) == expected, "{name} as {file}");
        }
    }
}

#[test]
fn the_first_packets_of_a_capture_can_go_to_a_classic_file() {
    let outcome = read(&capture("22-many_interfaces-1.pcapng"));
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out, "out.pcap", Format::Pcap);
    let refused = outcome
        .packets
        .iter()
        .map(|packet| writer.write(&packet.raw(), &outcome.interfaces, None))
        .find_map(Result::err);
    assert!(matches!(refused, Some(CaptureError::Output { .. })));
}
