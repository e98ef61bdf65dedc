//! Filter expressions of libpcap (`pcap-filter(7)`), with the meaning that tcpdump gives them on the same file.

use std::fmt;
use std::io::{self, PipeWriter, Write};
use std::os::fd::{IntoRawFd, OwnedFd};

use pcap::{BpfInstruction, BpfProgram, Capture, Offline};

use super::filter_error::{self, FilterError};
use crate::packet::{LinkType, RawPacket};

unsafe extern "C" {
    /// Runs a program over a packet and gives the number of bytes to keep: 0 if it does not match (`bpf_filter(3)`).
    /// The `pcap` crate links the library; its own binding takes the captured length for the length on the wire.
    fn bpf_filter(program: *const BpfInstruction, packet: *const u8, length: u32, captured: u32) -> u32;
}

/// A filter, compiled for packets of one link type.
///
/// Compiling is reentrant in libpcap since 1.8, and a filter can go to another thread, so each thread may build its own.
/// Names in it are resolved as tcpdump resolves them, which may ask a name server.
pub struct Filter(BpfProgram);

impl Filter {
    /// Compiles a filter.
    ///
    /// # Errors
    ///
    /// What libpcap has against the text, or against the text for this link type.
    pub fn compile(text: &str, link: LinkType) -> Result<Self, FilterError> {
        let fail = |message: String| FilterError::new(text, link, message, None);
        let handle = empty_capture(link).map_err(|error| fail(error.to_string()))?;
        let compile = |text: &str| handle.compile(text, true).map_err(libpcap_words);
        compile(text)
            .map(Self)
            .map_err(|message| {
                let at = filter_error::locate(text, &message, |text| compile(text).err());
                FilterError::new(text, link, message, at)
            })
    }

    /// Whether a packet matches. It has to be of the link type that the filter was compiled for.
    ///
    /// `len`, `greater` and `less` look at the length on the wire; a test of bytes that were not captured fails.
    #[inline]
    #[must_use]
    pub fn matches(&self, packet: &RawPacket<'_>) -> bool {
        let program = self.0.get_instructions().as_ptr();
        let captured = u32::try_from(packet.bytes.len()).unwrap_or(u32::MAX);
        // SAFETY: the program comes from `pcap_compile`, which ends it with a return on every path and addresses its
        // scratch memory within bounds, and it lives as long as `self`. Packet bytes are read below `captured` only,
        // which is no more than there are.
        unsafe { bpf_filter(program, packet.bytes.as_ptr(), packet.length, captured) != 0 }
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Filter({} instructions)", self.0.get_instructions().len())
    }
}

/// A filter for packets of any link types, compiled for each one when its first packet comes.
///
/// An empty text lets everything through.
#[derive(Debug)]
pub struct FilterSet {
    text: String,
    /// The filter used last is the first one: files rarely have more than one link type.
    compiled: Vec<(LinkType, Filter)>,
}

impl FilterSet {
    /// Nothing is compiled yet, see [`prepare`](Self::prepare).
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), compiled: Vec::new() }
    }

    /// The text of the filter.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it lets everything through, because there is no text.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.text.trim().is_empty()
    }

    /// Compiles the filter for a link type ahead of its packets, so that errors show early.
    ///
    /// # Errors
    ///
    /// As for [`Filter::compile`].
    pub fn prepare(&mut self, link: LinkType) -> Result<(), FilterError> {
        match self.compiled.iter().position(|(known, _)| *known == link) {
            _ if self.is_empty() => {}
            Some(place) => self.compiled.swap(0, place),
            None => {
                let filter = Filter::compile(&self.text, link)?;
                self.compiled.insert(0, (link, filter));
            }
        }
        Ok(())
    }

    /// Whether a packet matches.
    ///
    /// # Errors
    ///
    /// As for [`Filter::compile`], with the first packet of a link type.
    #[inline]
    pub fn matches(&mut self, packet: &RawPacket<'_>) -> Result<bool, FilterError> {
        if let Some((link, filter)) = self.compiled.first()
            && *link == packet.link
        {
            return Ok(filter.matches(packet));
        }
        self.prepare(packet.link)?;
        Ok(self.compiled.first().is_none_or(|(_, filter)| filter.matches(packet)))
    }
}

/// A handle of libpcap to a capture file of this link type without packets.
///
/// Filters mean slightly different things on files, on live captures and on `pcap_open_dead`, and this one is for files:
/// `inbound` is refused where the packets do not show it, for example. A file header also lets libpcap itself map the
/// link type to what it is called on this system.
fn empty_capture(link: LinkType) -> io::Result<Capture<Offline>> {
    let mut header = [0; 24];
    header[..4].copy_from_slice(&0xa1b2_c3d4_u32.to_ne_bytes());
    header[4..6].copy_from_slice(&2u16.to_ne_bytes());
    header[6..8].copy_from_slice(&4u16.to_ne_bytes());
    header[16..20].copy_from_slice(&0x0004_0000_u32.to_ne_bytes());
    header[20..].copy_from_slice(&u32::from(link.0).to_ne_bytes());
    let (reader, mut writer): (_, PipeWriter) = io::pipe()?;
    writer.write_all(&header)?;
    drop(writer);
    // SAFETY: the descriptor is open, and nobody else owns it any more.
    let handle = unsafe { Capture::from_raw_fd(OwnedFd::from(reader).into_raw_fd()) };
    handle.map_err(|error| io::Error::other(libpcap_words(error)))
}

/// What libpcap says, without what the `pcap` crate says about it.
fn libpcap_words(error: pcap::Error) -> String {
    match error {
        pcap::Error::PcapError(message) => message,
        pcap::Error::InvalidString => "a filter cannot contain a zero byte".to_owned(),
        other => other.to_string(),
    }
}
