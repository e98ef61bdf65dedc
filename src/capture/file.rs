//! A capture file as a source of packets.

use std::os::fd::OwnedFd;
use std::path::Path;

use super::descriptor::Descriptor;
use super::format::Located;
use super::input::{Input, may_be_compressed};
use super::{Cancel, CaptureError, Interface, PacketSource, Progress, pcap, pcapng};
use crate::packet::RawPacket;

/// Reads a capture file: pcap or pcapng, plain or compressed with gzip or zstd. All of that is told by content, not by
/// name, and nothing is ever read twice, so a pipe will do.
///
/// Packets are delivered as they are stored, with two exceptions: bytes beyond the length on the wire are cut off, and
/// the address family in front of [`LinkType::NULL`](crate::packet::LinkType::NULL) packets is brought into the byte
/// order of this machine. A simple packet block of pcapng has no time; it takes that of the packet before it in its
/// section, or 1970. Memory use does not depend on the length of the file.
///
/// # Errors
///
/// After packets, [`CaptureError::Truncated`] or [`CaptureError::Corrupt`] where the file cannot be read on: what was
/// delivered before stands. [`CaptureError::Cancelled`] soon after a request to stop.
///
/// # Examples
///
/// ```no_run
/// use netscript::capture::{Cancel, CaptureFile, PacketSource};
///
/// let cancel = Cancel::new()?;
/// let mut file = CaptureFile::open("incident.pcapng".as_ref(), &cancel)?;
/// while let Some(packet) = file.next()? {
///     println!("{} {} bytes", packet.time, packet.length);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct CaptureFile {
    input: Input,
    reader: Reader,
    interfaces: Vec<Interface>,
    current: Located,
    ended: bool,
}

/// The two formats. A packet costs one branch to choose between them.
#[derive(Debug)]
enum Reader {
    Pcap(pcap::Reader),
    Pcapng(pcapng::Reader),
}

impl CaptureFile {
    /// Opens a file, or standard input for `-`, and reads its header. Waits for that header if it comes through a pipe.
    ///
    /// # Errors
    ///
    /// [`CaptureError::Open`] if the system does not let us, [`CaptureError::Input`] if it is not a capture file, and
    /// those of reading.
    pub fn open(path: &Path, cancel: &Cancel) -> Result<Self, CaptureError> {
        let (descriptor, name) = Descriptor::open(path, cancel)?;
        Self::from_input(Input::new(descriptor, name)?)
    }

    /// Reads an open file from where it stands. `name` is for messages.
    ///
    /// # Errors
    ///
    /// As for [`open`](Self::open).
    pub fn from_fd(fd: OwnedFd, name: &str, cancel: &Cancel) -> Result<Self, CaptureError> {
        let descriptor = Descriptor::new(fd, name, cancel)?;
        Self::from_input(Input::new(descriptor, name.to_owned())?)
    }

    fn from_input(mut input: Input) -> Result<Self, CaptureError> {
        input.need(4)?;
        let mut interfaces = Vec::new();
        let reader = match input.unread().first_chunk::<4>() {
            Some(&pcapng::SECTION_HEADER) => Reader::Pcapng(pcapng::Reader::open(&mut input)?),
            Some(first) => {
                let magic = pcap::Magic::recognise(first).ok_or_else(|| not_a_capture(&input))?;
                let (reader, interface) = pcap::Reader::open(&mut input, magic)?;
                interfaces.push(interface);
                Reader::Pcap(reader)
            }
            None => return Err(too_short(&input)),
        };
        Ok(Self { input, reader, interfaces, current: Located::NONE, ended: false })
    }
}

impl PacketSource for CaptureFile {
    #[inline]
    fn advance(&mut self) -> Result<bool, CaptureError> {
        if self.ended {
            return Ok(false);
        }
        let found = match &mut self.reader {
            Reader::Pcap(reader) => reader.advance(&mut self.input),
            Reader::Pcapng(reader) => reader.advance(&mut self.input, &mut self.interfaces),
        };
        if let Ok(Some(packet)) = found {
            self.current = packet;
            return Ok(true);
        }
        self.ended = true;
        self.current = Located::NONE;
        found.map(|_| false)
    }

    #[inline]
    fn packet(&self) -> RawPacket<'_> {
        self.current.in_input(&self.input)
    }

    fn interfaces(&self) -> &[Interface] {
        &self.interfaces
    }

    fn progress(&self) -> Progress {
        self.input.progress()
    }
}

/// The error for input of less than four bytes.
fn too_short(input: &Input) -> CaptureError {
    let bytes = input.unread();
    if bytes.is_empty() {
        return input.unusable("it is empty; give a capture file");
    }
    if pcapng::SECTION_HEADER.starts_with(bytes) || pcap::Magic::may_begin_with(bytes) || may_be_compressed(bytes) {
        return input.truncated("the magic number", 0);
    }
    not_a_capture(input)
}

/// The error for input that begins like nothing that we know.
fn not_a_capture(input: &Input) -> CaptureError {
    let bytes = &input.unread()[..input.unread().len().min(4)];
    let hex: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let text = match std::str::from_utf8(bytes) {
        Ok(text) if text.chars().all(|c| c.is_ascii_graphic()) => format!(" \"{text}\""),
        _ => String::new(),
    };
    input.unusable(format!(
        "it is not a capture file: it begins with {}{text}; netscript reads pcap and pcapng, plain or compressed with \
         gzip or zstd",
        hex.join(" ")
    ))
}
