//! Files that are cut, corrupt or lie.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::capture;
use crate::support::{read_bytes, read_through_a_pipe};

/// Ends of the header and of the records of a classic file; each is followed by the number of packets before it.
fn pcap_ends(content: &[u8], number: fn([u8; 4]) -> u32) -> Vec<(usize, usize)> {
    let mut ends = vec![(24, 0)];
    while let Some(&(end, packets)) = ends.last().filter(|(end, _)| *end < content.len()) {
        let captured = number(content[end + 8..end + 12].try_into().unwrap());
        ends.push((end + 16 + captured as usize, packets + 1));
    }
    ends
}

/// The same for the blocks of a pcapng file.
fn pcapng_ends(content: &[u8]) -> Vec<(usize, usize)> {
    let mut ends = vec![];
    let (mut end, mut packets, mut number) = (0, 0, u32::from_le_bytes as fn([u8; 4]) -> u32);
    while end < content.len() {
        let at = |place: usize| -> [u8; 4] { content[end + place..end + place + 4].try_into().unwrap() };
        if at(0) == [10, 13, 13, 10] {
            number = if at(8)[0] == 0x4d { u32::from_le_bytes } else { u32::from_be_bytes };
        }
        packets += usize::from(matches!(number(at(0)), 2 | 3 | 6));
        end += number(at(4)) as usize;
        ends.push((end, packets));
    }
    ends
}

#[test]
fn a_file_that_is_cut_anywhere_gives_the_packets_before_the_cut() {
    let big = std::fs::read(capture("26-bigendian.pcap")).unwrap();
    let little = std::fs::read(capture("28-tcp-handshake-nano.pcap")).unwrap();
    let sections = std::fs::read(capture("32-test202.pcapng")).unwrap();
    for (content, ends) in [
        (&big, pcap_ends(&big, u32::from_be_bytes)),
        (&little, pcap_ends(&little, u32::from_le_bytes)),
        (&sections, pcapng_ends(&sections)),
    ] {
        let whole = read_bytes(content);
        assert!(whole.error.is_none());
        assert_eq!(ends.last(), Some(&(content.len(), whole.packets.len())));
        for cut in 1..content.len() {
            let outcome = read_bytes(&content[..cut]);
            let (end, packets) = ends.iter().rev().find(|(end, _)| *end <= cut).copied().unwrap_or_default();
            assert!(outcome.packets == whole.packets[..packets], "cut at {cut}");
            match outcome.error {
                None => assert_eq!(end, cut),
                Some(error) => {
                    assert!(end != cut && error.is_truncation() && error.could_not_observe(), "cut at {cut}: {error}");
                }
            }
        }
    }
}

#[test]
fn a_compressed_file_that_is_cut_anywhere_gives_the_packets_before_the_cut() {
    let plain = std::fs::read(capture("29-dns_tcp.pcap")).unwrap();
    let whole = read_bytes(&plain).packets;
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(&plain).unwrap();
    for compressed in [gzip.finish().unwrap(), zstd::encode_all(plain.as_slice(), 3).unwrap()] {
        let mut least = 0;
        for cut in 1..compressed.len() {
            let outcome = read_bytes(&compressed[..cut]);
            let packets = outcome.packets.len();
            assert!(outcome.packets == whole[..packets], "cut at {cut}");
            assert!(packets >= least, "cut at {cut}: a longer file gives less");
            assert!(outcome.error.is_some_and(|error| error.is_truncation()), "cut at {cut}");
            least = packets;
        }
        assert_eq!(read_bytes(&compressed).packets, whole);
    }
}

#[test]
fn a_file_with_any_wrong_byte_is_read_without_harm() {
    for name in ["26-bigendian.pcap", "31-gre-heapoverflow-1.pcap", "32-test202.pcapng"] {
        let content = std::fs::read(capture(name)).unwrap();
        for place in 0..content.len() {
            for wrong in [0, 0x7f, 0xff, content[place] ^ 0x80] {
                let mut content = content.clone();
                content[place] = wrong;
                // No packet is longer than the file.
                let outcome = read_bytes(&content);
                assert!(outcome.packets.iter().all(|packet| packet.bytes.len() < content.len()), "{name} {place}");
            }
        }
    }
}

#[test]
fn lengths_of_four_gigabytes_end_through_a_pipe_too() {
    let classic = std::fs::read(capture("28-tcp-handshake-nano.pcap")).unwrap();
    let sections = std::fs::read(capture("32-test202.pcapng")).unwrap();
    let lie = u32::MAX.to_le_bytes();
    let block = [[6, 0, 0, 0].as_slice(), &(u32::MAX - 3).to_le_bytes(), &[0; 24]].concat();
    let unknown = [[77, 0, 0, 0].as_slice(), &(u32::MAX - 3).to_le_bytes(), &[0; 2_000_000]].concat();
    let record = [[0; 8].as_slice(), &lie, &lie, &[0; 64]].concat();
    for (beginning, lie) in [(&classic, &record), (&sections, &block), (&sections, &unknown)] {
        let expected = read_bytes(beginning).packets;
        let content = [beginning.as_slice(), lie].concat();
        for outcome in [read_bytes(&content), read_through_a_pipe(&content)] {
            assert!(outcome.packets == expected);
            assert!(outcome.error.is_some_and(|error| error.is_truncation()));
        }
    }
}
