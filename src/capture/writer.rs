//! Writes capture files.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::format::longest_packet;
use super::output::OutputFile;
use super::{CaptureError, Interface};
use crate::packet::{LinkType, RawPacket};
use crate::record::Time;

/// Bytes written at a time.
const CHUNK: usize = 256 << 10;

/// How packets are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// pcapng (draft-ietf-opsawg-pcapng): any number of interfaces, comments.
    Pcapng,
    /// The classic format with nanoseconds (draft-ietf-opsawg-pcap): one link type, no names, no comments.
    Pcap,
}

impl Format {
    /// [`Pcap`](Self::Pcap) for names that end in `.pcap`, else [`Pcapng`](Self::Pcapng).
    #[must_use]
    pub fn of_name(path: &Path) -> Self {
        match path.extension() {
            Some(extension) if extension.eq_ignore_ascii_case("pcap") => Self::Pcap,
            _ => Self::Pcapng,
        }
    }
}

/// Writes packets to a capture file, in little-endian order and with nanoseconds. The same packets give the same bytes.
///
/// A pcapng file has the interfaces of the source, in the same order. Times before 1970 become 1970, and in a classic
/// file times after 2106 become 2106.
///
/// [`finish`](Self::finish) has to be called: it writes what is still in memory, and the header of a file without
/// packets, and only it can say that this failed.
#[derive(Debug)]
pub struct Writer<W: Write> {
    out: BufWriter<W>,
    /// For messages.
    name: String,
    format: Format,
    begun: bool,
    /// Interfaces described so far.
    described: usize,
    /// What the packets of a classic file have to be.
    link: LinkType,
}

impl Writer<OutputFile> {
    /// Creates a file, or writes to standard output for `-`. The name chooses the format, see [`Format::of_name`].
    ///
    /// A file that is already there is replaced with the first packet, but one that is being read as a
    /// [`CaptureFile`](super::CaptureFile) is left alone.
    ///
    /// # Errors
    ///
    /// [`CaptureError::Write`] if the system does not let us, [`CaptureError::Output`] if the output is a terminal.
    pub fn create(path: &Path) -> Result<Self, CaptureError> {
        let (file, name) = OutputFile::create(path)?;
        Ok(Self::new(file, name, Format::of_name(path)))
    }
}

impl<W: Write> Writer<W> {
    /// Writes to `out`. `name` is for messages.
    pub fn new(out: W, name: impl Into<String>, format: Format) -> Self {
        let out = BufWriter::with_capacity(CHUNK, out);
        Self { out, name: name.into(), format, begun: false, described: 0, link: LinkType::ETHERNET }
    }

    /// Writes a packet. `interfaces` are those of its source at this time, and `comment` is kept by pcapng only, as the
    /// option `opt_comment`; at most 65535 bytes of it.
    ///
    /// # Errors
    ///
    /// [`CaptureError::Write`] if the system fails, [`CaptureError::Output`] if the packet does not fit the format or
    /// names an interface that is not there.
    pub fn write(
        &mut self,
        packet: &RawPacket<'_>,
        interfaces: &[Interface],
        comment: Option<&str>,
    ) -> Result<(), CaptureError> {
        self.prepare(interfaces)?;
        if packet.interface as usize >= interfaces.len() {
            let reason = format!("a packet of interface {} of {}", packet.interface, interfaces.len());
            return Err(CaptureError::Output { name: self.name.clone(), reason });
        }
        if self.format == Format::Pcap && packet.link != self.link {
            let reason = format!(
                "a .pcap file holds packets of one link type, and here are {} and {}; give a name that ends in .pcapng",
                self.link.0, packet.link.0
            );
            return Err(CaptureError::Output { name: self.name.clone(), reason });
        }
        let written = match self.format {
            Format::Pcapng => self.write_block(packet, comment),
            Format::Pcap => self.write_record(packet),
        };
        written.map_err(|cause| self.failure(cause))
    }

    /// Writes what is still in memory, without ending the file.
    ///
    /// # Errors
    ///
    /// [`CaptureError::Write`] if the system fails.
    pub fn flush(&mut self) -> Result<(), CaptureError> {
        self.out.flush().map_err(|cause| self.failure(cause))
    }

    /// Ends the file. `interfaces` are those of its source; those without packets are described, too.
    ///
    /// # Errors
    ///
    /// As for [`write`](Self::write).
    pub fn finish(mut self, interfaces: &[Interface]) -> Result<(), CaptureError> {
        self.prepare(interfaces)?;
        self.flush()
    }

    /// Writes the header of the file, and describes interfaces that are new.
    #[inline]
    fn prepare(&mut self, interfaces: &[Interface]) -> Result<(), CaptureError> {
        if self.begun && self.described >= interfaces.len() {
            return Ok(());
        }
        self.describe(interfaces).map_err(|cause| self.failure(cause))
    }

    #[cold]
    fn describe(&mut self, interfaces: &[Interface]) -> io::Result<()> {
        if !self.begun {
            self.begun = true;
            if let Some(first) = interfaces.first() {
                self.link = first.link;
            }
            match self.format {
                Format::Pcapng => self.out.write_all(&section_header())?,
                Format::Pcap => self.out.write_all(&file_header(self.link))?,
            }
        }
        for interface in interfaces.iter().skip(self.described) {
            if self.format == Format::Pcapng {
                self.out.write_all(&interface_block(interface))?;
            }
            self.described += 1;
        }
        Ok(())
    }

    /// Writes an enhanced packet block.
    fn write_block(&mut self, packet: &RawPacket<'_>, comment: Option<&str>) -> io::Result<()> {
        let mut options = Vec::new();
        if let Some(comment) = comment {
            push_option(&mut options, 1, comment.get(..comment.floor_char_boundary(0xffff)).unwrap_or_default().as_bytes());
            push_option(&mut options, 0, &[]);
        }
        let captured = length(packet.bytes)?;
        let padding = packet.bytes.len().next_multiple_of(4) - packet.bytes.len();
        let total = length(&options)? + 32 + captured + padding as u32;
        let ticks = packet.time.as_nanos().max(0) as u64;
        let mut header = [0; 28];
        for (to, number) in header.chunks_exact_mut(4).zip([
            6,
            total,
            packet.interface,
            (ticks >> 32) as u32,
            ticks as u32,
            captured,
            packet.length,
        ]) {
            to.copy_from_slice(&number.to_le_bytes());
        }
        self.out.write_all(&header)?;
        self.out.write_all(packet.bytes)?;
        self.out.write_all(&[0; 3][..padding])?;
        self.out.write_all(&options)?;
        self.out.write_all(&total.to_le_bytes())
    }

    /// Writes a record of the classic format.
    fn write_record(&mut self, packet: &RawPacket<'_>) -> io::Result<()> {
        let (seconds, nanos) = seconds_and_nanos(packet.time);
        let mut header = [0; 16];
        for (to, number) in header.chunks_exact_mut(4).zip([seconds, nanos, length(packet.bytes)?, packet.length]) {
            to.copy_from_slice(&number.to_le_bytes());
        }
        self.out.write_all(&header)?;
        self.out.write_all(packet.bytes)
    }

    #[cold]
    fn failure(&self, cause: io::Error) -> CaptureError {
        CaptureError::Write { name: self.name.clone(), cause }
    }
}

/// The length of bytes that go into one record.
fn length(bytes: &[u8]) -> io::Result<u32> {
    match u32::try_from(bytes.len()) {
        Ok(length) if length <= longest_packet(LinkType(231)) => Ok(length),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, format!("a packet of {} bytes", bytes.len()))),
    }
}

/// The two halves of a time stamp of the classic format.
fn seconds_and_nanos(time: Time) -> (u32, u32) {
    const SECOND: i64 = 1_000_000_000;
    let nanos = time.as_nanos().max(0);
    match u32::try_from(nanos / SECOND) {
        Ok(seconds) => (seconds, (nanos % SECOND) as u32),
        Err(_) => (u32::MAX, 999_999_999),
    }
}

/// The header of a classic file. Its snapshot length is the longest that there is, because libpcap cuts off what exceeds
/// it.
fn file_header(link: LinkType) -> [u8; 24] {
    let mut header = [0; 24];
    header[..4].copy_from_slice(&0xa1b2_3c4d_u32.to_le_bytes());
    header[4..6].copy_from_slice(&2u16.to_le_bytes());
    header[6..8].copy_from_slice(&4u16.to_le_bytes());
    header[16..20].copy_from_slice(&longest_packet(link).to_le_bytes());
    header[20..].copy_from_slice(&u32::from(link.0).to_le_bytes());
    header
}

/// A section header block of unknown length.
fn section_header() -> Vec<u8> {
    let mut body = Vec::new();
    body.extend_from_slice(&0x1a2b_3c4d_u32.to_le_bytes());
    body.extend_from_slice(&1u16.to_le_bytes());
    body.extend_from_slice(&0u16.to_le_bytes());
    body.extend_from_slice(&(-1i64).to_le_bytes());
    block(0x0a0d_0d0a, &body)
}

/// An interface description block with nanoseconds.
fn interface_block(interface: &Interface) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend_from_slice(&interface.link.0.to_le_bytes());
    body.extend_from_slice(&[0; 2]);
    body.extend_from_slice(&interface.snaplen.to_le_bytes());
    if let Some(name) = &interface.name {
        push_option(&mut body, 2, name.get(..name.floor_char_boundary(0xffff)).unwrap_or_default().as_bytes());
    }
    push_option(&mut body, 9, &[9]);
    push_option(&mut body, 0, &[]);
    block(1, &body)
}

/// A block with this body, whose length is a multiple of 4.
fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let total = (body.len() as u32 + 12).to_le_bytes();
    [&kind.to_le_bytes(), &total, body, &total].concat()
}

/// Adds an option to the body of a block. The value has at most 65535 bytes.
fn push_option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    body.extend_from_slice(&code.to_le_bytes());
    body.extend_from_slice(&(value.len() as u16).to_le_bytes());
    body.extend_from_slice(value);
    body.resize(body.len().next_multiple_of(4), 0);
}
