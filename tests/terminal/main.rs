//! The REPL as a person at a terminal sees it: the real program on a pseudo-terminal, its screen read back.

mod conversation;
mod history;
mod narrow;
mod pipe;
mod screen;
mod serving;
mod stopping;
mod untrusted;

use std::path::{Path, PathBuf};

/// A capture that the project ships: 1985 packets, 12 conversations, and HTTP with gaps.
fn capture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures/data/40-http-packets.pcap")
}

/// A pcap file of packets that begin with an IP header (LINKTYPE_RAW), a millisecond apart.
fn pcap(packets: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
    let mut file = Vec::new();
    for field in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65535, 101] {
        file.extend(field.to_le_bytes());
    }
    for (packet, time) in packets.into_iter().zip(0_u32..) {
        let length = u32::try_from(packet.len()).expect("a packet is short");
        for field in [1_600_000_000 + time / 1000, time % 1000 * 1000, length, length] {
            file.extend(field.to_le_bytes());
        }
        file.extend(packet);
    }
    file
}

/// A TCP segment over IPv4 from 192.0.2.1:40000 to 192.0.2.2:80.
fn segment(payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(40 + payload.len()).expect("a segment is short");
    let mut packet = vec![0x45, 0];
    packet.extend(length.to_be_bytes());
    packet.extend([0, 0, 0, 0, 64, 6, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2]);
    packet.extend([0x9c, 0x40, 0, 80, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x18, 0x20, 0, 0, 0, 0, 0]);
    packet.extend(payload);
    packet
}
