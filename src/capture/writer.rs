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
        // Behind that stands the number of a file of several.
        let extension = path.extension().unwrap_or_default().to_string_lossy();
        match extension.trim_end_matches(|c: char| c.is_ascii_digit()) {
            extension if extension.eq_ignore_ascii_case("pcap") => Self::Pcap,
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

    /// How large the file is by now, in bytes.
    pub(super) fn size(&self) -> u64 {
        self.out.get_ref().size() + self.out.buffer().len() as u64
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
            push_option(
                &mut options,
                1,
                comment.get(..comment.floor_char_boundary(0xffff)).unwrap_or_default().as_bytes(),
            );
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::super::testing::{Packet, pcap_header, pcap_record, read};
    use super::super::{Cancel, CaptureFile, PacketSource};
    use super::*;

    fn ethernet(name: Option<&str>) -> Interface {
        Interface { name: name.map(str::to_owned), link: LinkType::ETHERNET, snaplen: 96 }
    }

    fn packet(nanos: i64, length: u32, interface: u32, bytes: &[u8]) -> RawPacket<'_> {
        RawPacket { time: Time::from_nanos(nanos), length, link: LinkType::ETHERNET, interface, bytes }
    }

    fn written(format: Format, work: impl FnOnce(&mut Writer<&mut Vec<u8>>)) -> Vec<u8> {
        let mut out = Vec::new();
        let mut writer = Writer::new(&mut out, "out", format);
        work(&mut writer);
        writer.flush().unwrap();
        drop(writer);
        out
    }

    #[test]
    fn a_pcapng_file_has_these_bytes() {
        let interfaces = [ethernet(Some("eth0"))];
        let packet = packet(4_294_967_298, 60, 0, &[1, 2, 3, 4, 5]);
        let bytes = written(Format::Pcapng, |writer| {
            writer.write(&packet, &interfaces, None).unwrap();
            writer.write(&packet, &interfaces, Some("ha!")).unwrap();
        });
        #[rustfmt::skip]
        let expected = [
            // Section header, of unknown length.
            0x0a, 0x0d, 0x0d, 0x0a, 28, 0, 0, 0, 0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0,
            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 28, 0, 0, 0,
            // Interface: link type, snapshot length, name, resolution.
            1, 0, 0, 0, 40, 0, 0, 0, 1, 0, 0, 0, 96, 0, 0, 0,
            2, 0, 4, 0, b'e', b't', b'h', b'0', 9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0, 40, 0, 0, 0,
            // Packet: interface, time, captured length, length.
            6, 0, 0, 0, 40, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 5, 0, 0, 0, 60, 0, 0, 0,
            1, 2, 3, 4, 5, 0, 0, 0, 40, 0, 0, 0,
            // The same with a comment.
            6, 0, 0, 0, 52, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 5, 0, 0, 0, 60, 0, 0, 0,
            1, 2, 3, 4, 5, 0, 0, 0, 1, 0, 3, 0, b'h', b'a', b'!', 0, 0, 0, 0, 0, 52, 0, 0, 0,
        ];
        assert_eq!(bytes, expected);
        let outcome = read(&bytes);
        let expected = Packet {
            nanos: 4_294_967_298,
            length: 60,
            link: LinkType::ETHERNET,
            interface: 0,
            bytes: vec![1, 2, 3, 4, 5],
        };
        assert_eq!(outcome.packets, [expected.clone(), expected]);
        assert_eq!(outcome.interfaces, interfaces);
    }

    #[test]
    fn a_classic_file_has_these_bytes() {
        let packet = packet(16_000_000_007, 60, 0, &[1, 2, 3, 4, 5]);
        let bytes =
            written(Format::Pcap, |writer| writer.write(&packet, &[ethernet(Some("eth0"))], Some("lost")).unwrap());
        #[rustfmt::skip]
        let expected = [
            0x4d, 0x3c, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0,
            16, 0, 0, 0, 7, 0, 0, 0, 5, 0, 0, 0, 60, 0, 0, 0, 1, 2, 3, 4, 5,
        ];
        assert_eq!(bytes, expected);
    }

    #[test]
    fn the_name_of_a_file_chooses_its_format() {
        for (name, format) in [
            ("x.pcap", Format::Pcap),
            ("a.b/X.PCAP", Format::Pcap),
            ("x.pcapng", Format::Pcapng),
            ("x", Format::Pcapng),
            ("pcap", Format::Pcapng),
            ("-", Format::Pcapng),
        ] {
            assert_eq!(Format::of_name(name.as_ref()), format, "{name}");
        }
    }

    #[test]
    fn interfaces_keep_their_numbers_when_some_come_late_or_have_no_packets() {
        let mut interfaces = vec![ethernet(Some("a")), ethernet(None)];
        let mut out = Vec::new();
        let mut writer = Writer::new(&mut out, "out", Format::Pcapng);
        writer.write(&packet(1, 1, 1, &[1]), &interfaces, None).unwrap();
        interfaces.push(ethernet(Some("c")));
        writer.write(&packet(2, 1, 2, &[2]), &interfaces, None).unwrap();
        interfaces.push(ethernet(Some("d")));
        writer.finish(&interfaces).unwrap();
        let outcome = read(&out);
        assert_eq!(outcome.message(), "");
        assert_eq!(outcome.interfaces, interfaces);
        assert_eq!(outcome.packets.iter().map(|packet| packet.interface).collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn a_file_without_packets_is_a_capture_file() {
        for format in [Format::Pcapng, Format::Pcap] {
            let mut out = Vec::new();
            Writer::new(&mut out, "out", format).finish(&[ethernet(None)]).unwrap();
            let outcome = read(&out);
            assert_eq!((outcome.interfaces.len(), outcome.message().as_str()), (1, ""));
        }
    }

    #[test]
    fn a_classic_file_holds_one_link_type() {
        let mut writer = Writer::new(Vec::new(), "out.pcap", Format::Pcap);
        let raw = RawPacket { link: LinkType::RAW, ..packet(1, 1, 0, &[1]) };
        let error = writer.write(&raw, &[ethernet(None)], None).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot write `out.pcap`: a .pcap file holds packets of one link type, and here are 1 and 101; give a name \
             that ends in .pcapng"
        );
    }

    #[test]
    fn a_packet_of_an_interface_that_is_not_there_is_refused() {
        let mut writer = Writer::new(Vec::new(), "out", Format::Pcapng);
        let error = writer.write(&packet(1, 1, 1, &[1]), &[ethernet(None)], None).unwrap_err();
        assert_eq!(error.to_string(), "cannot write `out`: a packet of interface 1 of 1");
    }

    #[test]
    fn times_that_a_format_cannot_express_become_the_nearest_one() {
        let interfaces = [ethernet(None)];
        for (format, nanos, expected) in [
            (Format::Pcapng, -1, 0),
            (Format::Pcapng, i64::MAX, i64::MAX),
            (Format::Pcap, -1, 0),
            (Format::Pcap, i64::MAX, 4_294_967_295_999_999_999),
        ] {
            let bytes = written(format, |writer| writer.write(&packet(nanos, 1, 0, &[1]), &interfaces, None).unwrap());
            assert_eq!(read(&bytes).packets[0].nanos, expected);
        }
    }

    #[test]
    fn a_comment_that_is_too_long_is_cut_between_characters() {
        let comment = "é".repeat(40_000);
        let bytes = written(Format::Pcapng, |writer| {
            writer.write(&packet(1, 1, 0, &[1]), &[ethernet(None)], Some(&comment)).unwrap();
        });
        assert_eq!(read(&bytes).message(), "");
        let option = bytes.windows(4).position(|four| four == [1, 0, 0xfe, 0xff]).unwrap();
        assert!(std::str::from_utf8(&bytes[option + 4..][..0xfffe]).is_ok_and(|kept| comment.starts_with(kept)));
    }

    #[test]
    fn a_file_is_for_its_owner_and_replaces_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.pcapng");
        for bytes in [[1; 1000].as_slice(), &[2]] {
            let mut writer = Writer::create(&path).unwrap();
            writer.write(&packet(1, 1, 0, bytes), &[ethernet(None)], None).unwrap();
            writer.finish(&[]).unwrap();
            let outcome = read(&fs::read(&path).unwrap());
            assert_eq!((outcome.packets[0].bytes.as_slice(), outcome.message().as_str()), (&bytes[..1], ""));
        }
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn the_file_that_is_being_read_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("in.pcap");
        let content = [pcap_header(1), pcap_record(1, 0, b"one")].concat();
        fs::write(&path, &content).unwrap();
        // The writer may even be created before the source is opened.
        let mut writer = Writer::create(&path).unwrap();
        let mut file = CaptureFile::open(&path, &Cancel::new().unwrap()).unwrap();
        assert!(file.advance().unwrap());
        writer.write(&file.packet(), file.interfaces(), None).unwrap();
        let error = writer.finish(file.interfaces()).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("cannot write `{}`: it is being read or written as a capture; give another name", path.display())
        );
        assert_eq!(fs::read(&path).unwrap(), content);
    }

    #[test]
    fn a_device_that_is_full_is_reported() {
        let mut writer = Writer::create("/dev/full".as_ref()).unwrap();
        writer.write(&packet(1, 1, 0, &[1]), &[ethernet(None)], None).unwrap();
        let error = writer.finish(&[]).unwrap_err();
        assert_eq!(error.to_string(), "cannot write `/dev/full`: No space left on device (os error 28)");
    }

    #[test]
    fn a_folder_that_is_missing_is_reported() {
        let error = Writer::create("/nonexistent/x.pcap".as_ref()).unwrap_err();
        assert_eq!(error.to_string(), "cannot write `/nonexistent/x.pcap`: No such file or directory (os error 2)");
    }
}
