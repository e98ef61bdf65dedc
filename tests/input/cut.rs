//! Input that ends too early, or says something impossible.

use std::io::Write as _;
use std::os::fd::OwnedFd;

use netscript::capture::{Cancel, CaptureError, CaptureFile, FilterSet, Pipeline, Stage, Until};
use netscript::flow::Flows;
use netscript::limits::Limits;
use netscript::packet::Keep;
use netscript::protocol::http1::{Exchanges, Settings};
use netscript::protocol::tls::Handshakes;

use super::small;
use crate::support::capture::{Capture, Datagrams, block, little};
use crate::support::program::Folder;

/// What could be read.
#[derive(Debug, PartialEq)]
struct Read {
    packets: u64,
    flows: usize,
    requests: usize,
}

/// Reads bytes as a capture file through a pipe or from a file, with everything that can be made of it.
fn read(fd: OwnedFd) -> (Option<Read>, Option<CaptureError>) {
    let limits = Limits::default();
    let file = match CaptureFile::from_fd(fd, "cut", &Cancel::new().unwrap()) {
        Ok(file) => file,
        Err(error) => return (None, Some(error)),
    };
    let keep = Keep { payload: true, bytes: true, secrets: false };
    let settings = Settings { limits: limits.clone(), bodies: true, credentials: true, show_secrets: false };
    let stages = vec![
        Stage::Packets(Some(keep)),
        Stage::Conversations(Box::new(Flows)),
        Stage::Conversations(Box::new(Exchanges::new(settings))),
        Stage::Conversations(Box::new(Handshakes::new(&limits))),
    ];
    let mut pipeline = Pipeline::new(Box::new(file), FilterSet::new(String::new()), Until::default(), stages, &limits);
    while pipeline.advance().unwrap() {}
    let error = pipeline.take_error();
    // Every field of every row can be looked at.
    let mut rows = || (0..4).map(|stage| pipeline.take_rows(stage)).collect::<Vec<_>>();
    let rows = rows();
    for row in rows.iter().flatten() {
        serde_json::to_string(row.as_ref()).unwrap();
    }
    (Some(Read { packets: pipeline.received(), flows: rows[1].len(), requests: rows[2].len() }), error)
}

fn read_bytes(bytes: &[u8]) -> (Option<Read>, Option<CaptureError>) {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    std::io::Seek::rewind(&mut file).unwrap();
    read(file.into())
}

#[test]
fn a_file_that_is_cut_at_any_byte_gives_its_packets_until_there() {
    for (whole, parts) in [(small().pcap(), records(&small().pcap())), (small().pcapng(), blocks(&small().pcapng()))] {
        let (Some(all), None) = read_bytes(&whole) else { panic!("the whole file cannot be read") };
        assert_eq!(all, Read { packets: small().len() as u64, flows: 3, requests: 2 });
        for cut in 0..whole.len() {
            let (seen, error) = read_bytes(&whole[..cut]);
            let complete = parts.iter().filter(|part| part.has_packet && part.end <= cut).count() as u64;
            let is_between = parts.iter().any(|part| part.end == cut);
            match (seen, error) {
                (Some(seen), None) => assert!(is_between && seen.packets == complete, "{cut}: {seen:?}"),
                (Some(seen), Some(error)) => {
                    assert!(!is_between && error.is_truncation() && seen.packets == complete, "{cut}: {error}");
                }
                // Without its header it is no capture.
                (None, Some(error)) => assert!(complete == 0 && cut < parts[0].end, "{cut}: {error}"),
                (None, None) => unreachable!(),
            }
        }
    }
}

/// A header, record or block of a file.
struct Part {
    end: usize,
    has_packet: bool,
}

/// The header and the records of a classic file.
fn records(file: &[u8]) -> Vec<Part> {
    let mut parts = vec![Part { end: 24, has_packet: false }];
    let mut at = 24;
    while let Some(length) = file.get(at + 8..at + 12) {
        at += 16 + u32::from_le_bytes(length.try_into().unwrap()) as usize;
        parts.push(Part { end: at, has_packet: true });
    }
    parts
}

/// The blocks of a pcapng file.
fn blocks(file: &[u8]) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut at = 0;
    while let Some(header) = file.get(at..at + 8) {
        at += u32::from_le_bytes(header[4..8].try_into().unwrap()) as usize;
        parts.push(Part { end: at, has_packet: header[0] == 6 });
    }
    parts
}

#[test]
fn every_byte_may_be_anything() {
    for whole in [small().pcap(), small().pcapng()] {
        for at in 0..whole.len() {
            for value in [0x00, 0xff] {
                let mut damaged = whole.clone();
                damaged[at] = value;
                let (seen, error) = read_bytes(&damaged);
                assert!(seen.is_some() || error.is_some());
                // At most what is there, whatever lengths say.
                assert!(seen.is_none_or(|seen| seen.packets <= whole.len() as u64 / 16), "{at}");
            }
        }
    }
}

#[test]
fn lengths_that_lie_end_the_file_where_they_stand() {
    let folder = Folder::new();
    let header = little(&[0xa1b2_c3d4, 0x0004_0002, 0, 0, 0x0004_0000, 1]);
    let good = &small().pcap()[24..];
    let section = block(0x0a0d_0d0a, &little(&[0x1a2b_3c4d, 1, u32::MAX, u32::MAX]));
    let interface = block(1, &little(&[1, 0]));
    let good_blocks = &small().pcapng()[48..];
    let pcap = |lie: [u32; 4]| [&header, good, &little(&lie)[..], &[0; 64]].concat();
    let pcapng = |lie: &[u32]| [&section, &interface, good_blocks, &little(lie)[..], &[0; 64]].concat();
    for (name, bytes) in [
        ("4 GiB captured", pcap([0, 0, u32::MAX, u32::MAX])),
        ("2 GiB captured", pcap([0, 0, 0x8000_0000, 60])),
        ("more than the file", pcap([0, 0, 100_000, 100_000])),
        ("a block of 4 GiB", pcapng(&[6, u32::MAX, 0, 0, 0, 60, 60])),
        ("a block of almost 4 GiB", pcapng(&[6, u32::MAX - 3, 0, 0, 0, 60, 60])),
        ("a block of length 0", pcapng(&[6, 0, 0, 0])),
        ("a block shorter than its header", pcapng(&[6, 8, 0, 0])),
        ("an odd length", pcapng(&[6, 33, 0, 0])),
        ("a packet longer than its block", pcapng(&[6, 36, 0, 0, 0, 1000, 1000, 0, 36])),
        ("two lengths that differ", pcapng(&[6, 36, 0, 0, 0, 4, 4, 0, 40])),
        ("an interface that is not there", pcapng(&[6, 36, 7, 0, 0, 4, 4, 0, 36])),
        ("an option longer than its block", pcapng(&[1, 24, 1, 0, 0xffff_0002, 24])),
        ("an unknown block of 4 GiB", pcapng(&[0x7777, u32::MAX, 0, 0])),
        (
            "a section of 4 GiB",
            [&section, &interface, good_blocks, &little(&[0x0a0d_0d0a, u32::MAX, 0x1a2b_3c4d])].concat(),
        ),
    ] {
        folder.write("lie", bytes);
        let script = "print(capture().count()); print(http_requests().count())";
        let ended = folder.netscript(["eval", "-r", "lie", script]);
        assert_eq!(ended.stdout, "10\n2\n", "{name}: {}", ended.stderr);
        assert_eq!(ended.code, Some(3), "{name}: {}", ended.stderr);
        assert!(ended.stderr.starts_with("netscript: `lie` is "), "{name}: {}", ended.stderr);
        assert!(ended.peak < 64 << 20, "{name} takes {} bytes", ended.peak);
    }
}

#[test]
fn compressed_files_that_are_cut_or_damaged_give_what_is_before() {
    let mut talk = Datagrams::new("192.0.2.10:1000", "198.51.100.5:2000");
    let mut random = 1_u32;
    for _ in 0..2000 {
        let payload = std::iter::repeat_with(|| {
            // xorshift32 (Marsaglia, 2003): nothing that could be compressed.
            random ^= random << 13;
            random ^= random >> 17;
            random ^= random << 5;
            random as u8
        });
        talk.client_sends(&payload.take(500).collect::<Vec<_>>());
    }
    let folder = Folder::with("long.pcap", Capture::new().with(talk).pcap());
    folder.tool("gzip", ["-k", "long.pcap"]);
    folder.tool("zstd", ["-q", "long.pcap"]);
    for name in ["long.pcap.gz", "long.pcap.zst"] {
        let whole = folder.read(name);
        let mut damaged = whole.clone();
        let middle = damaged.len() / 2;
        damaged[middle..middle + 16].fill(0xff);
        let mut wrong_end = whole.clone();
        *wrong_end.last_mut().unwrap() ^= 0xff;
        for (what, bytes) in [
            ("cut", &whole[..whole.len() / 2]),
            ("without its last byte", &whole[..whole.len() - 1]),
            ("damaged", &damaged),
            ("with a wrong checksum", &wrong_end),
            ("with garbage behind", &[&whole[..], b"garbage"].concat()),
        ] {
            folder.write("file", bytes);
            let ended = folder.netscript(["eval", "-r", "file", "capture().count()"]);
            assert_eq!(ended.code, Some(3), "{name} {what}: {}{}", ended.stdout, ended.stderr);
            assert!(ended.stderr.starts_with("netscript: `file` is "), "{name} {what}: {}", ended.stderr);
            let packets: u64 = ended.stdout.trim().parse().unwrap();
            assert!(packets > 500, "{name} {what}: {packets} packets");
        }
    }
}

#[test]
fn blocks_that_carry_nothing_do_not_make_it_hang() {
    let folder = Folder::new();
    let section = block(0x0a0d_0d0a, &little(&[0x1a2b_3c4d, 1, u32::MAX, u32::MAX]));
    let interface = block(1, &little(&[1, 0]));
    for (name, bytes) in [
        ("sections", section.repeat(200_000)),
        ("interfaces", [&section[..], &interface.repeat(200_000)].concat()),
        ("unknown blocks", [&section[..], &block(0x7777, &[]).repeat(400_000)].concat()),
    ] {
        folder.write("blocks", bytes);
        let ended = folder.netscript(["eval", "-q", "-r", "blocks", "capture().count()"]);
        assert!(matches!(ended.code, Some(0 | 2 | 3)), "{name}: {ended:?}");
        assert!(ended.peak < 64 << 20, "{name} takes {} bytes", ended.peak);
    }
}
