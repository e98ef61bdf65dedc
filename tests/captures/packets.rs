//! The packets of the captures, for tests of what comes after reading. Independent of the reader of the library on
//! purpose: it takes files to be right, and gives up where they are not.

use std::path::{Path, PathBuf};

use netscript::packet::{LinkType, RawPacket};
use netscript::record::Time;

/// The capture files of this folder, in order.
pub(crate) fn captures() -> Vec<PathBuf> {
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
pub(crate) struct Captured {
    pub(crate) nanos: i64,
    pub(crate) length: u32,
    pub(crate) link: u16,
    pub(crate) interface: u32,
    pub(crate) bytes: Vec<u8>,
}

impl Captured {
    pub(crate) fn raw(&self) -> RawPacket<'_> {
        RawPacket {
            time: Time::from_nanos(self.nanos),
            length: self.length,
            link: LinkType(self.link),
            interface: self.interface,
            bytes: &self.bytes,
        }
    }
}

/// The packets of a pcap or pcapng file, up to where it is cut.
pub(crate) fn packets(file: &[u8]) -> Vec<Captured> {
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
