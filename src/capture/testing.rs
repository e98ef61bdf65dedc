//! Capture files made by hand, for the tests of this folder.

use std::io::{Seek, Write};

use super::{Cancel, CaptureError, CaptureFile, Interface, PacketSource};
use crate::packet::LinkType;

/// A packet as a test compares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Packet {
    pub(super) nanos: i64,
    pub(super) length: u32,
    pub(super) link: LinkType,
    pub(super) interface: u32,
    pub(super) bytes: Vec<u8>,
}

/// What came out of a file.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) packets: Vec<Packet>,
    pub(super) interfaces: Vec<Interface>,
    pub(super) error: Option<CaptureError>,
}

impl Outcome {
    /// The message of the error, or nothing.
    pub(super) fn message(&self) -> String {
        self.error.as_ref().map(ToString::to_string).unwrap_or_default()
    }
}

/// Opens a file with this content, which messages call `test`.
pub(super) fn open(content: &[u8]) -> Result<CaptureFile, CaptureError> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(content).unwrap();
    file.rewind().unwrap();
    CaptureFile::from_fd(file.into(), "test", &Cancel::new().unwrap())
}

/// Reads a file with this content to its end.
pub(super) fn read(content: &[u8]) -> Outcome {
    match open(content) {
        Ok(file) => drain(file),
        Err(error) => Outcome { packets: Vec::new(), interfaces: Vec::new(), error: Some(error) },
    }
}

/// Reads a source to its end, and checks that it stays there.
pub(super) fn drain(mut file: CaptureFile) -> Outcome {
    let mut packets = Vec::new();
    let error = loop {
        match file.next() {
            Ok(None) => break None,
            Err(error) => break Some(error),
            Ok(Some(packet)) => packets.push(Packet {
                nanos: packet.time.as_nanos(),
                length: packet.length,
                link: packet.link,
                interface: packet.interface,
                bytes: packet.bytes.to_vec(),
            }),
        }
    };
    assert!(matches!(file.next(), Ok(None)), "a source that has ended goes on");
    Outcome { packets, interfaces: file.interfaces().to_vec(), error }
}

/// Numbers one after another, little-endian.
pub(super) fn little(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// Numbers one after another, big-endian.
pub(super) fn big(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
}

/// The header of a classic little-endian file of microseconds and this link type.
pub(super) fn pcap_header(link: u32) -> Vec<u8> {
    little(&[0xa1b2_c3d4, 0x0004_0002, 0, 0, 0x0004_0000, link])
}

/// A record of a classic little-endian file.
pub(super) fn pcap_record(seconds: u32, micros: u32, bytes: &[u8]) -> Vec<u8> {
    let length = bytes.len() as u32;
    [&little(&[seconds, micros, length, length]), bytes].concat()
}

/// A little-endian pcapng block; the body is filled up to a multiple of 4.
pub(super) fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let mut body = body.to_vec();
    body.resize(body.len().next_multiple_of(4), 0);
    let total = body.len() as u32 + 12;
    [&little(&[kind, total]), body.as_slice(), &little(&[total])].concat()
}

/// A little-endian section header block.
pub(super) fn section() -> Vec<u8> {
    block(0x0a0d_0d0a, &little(&[0x1a2b_3c4d, 1, u32::MAX, u32::MAX]))
}

/// A little-endian interface description block with these options.
pub(super) fn interface(link: u32, snaplen: u32, options: &[u8]) -> Vec<u8> {
    block(1, &[&little(&[link, snaplen]), options].concat())
}

/// A little-endian enhanced packet block, microseconds.
pub(super) fn packet(interface: u32, micros: u64, bytes: &[u8]) -> Vec<u8> {
    let length = bytes.len() as u32;
    let header = little(&[interface, (micros >> 32) as u32, micros as u32, length, length]);
    block(6, &[&header, bytes].concat())
}
