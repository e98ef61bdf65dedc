//! Filter expressions of libpcap (`pcap-filter(7)`), with the meaning that tcpdump gives them on the same file.

use std::fmt;
use std::io::{self, PipeWriter, Write};
use std::os::fd::{IntoRawFd, OwnedFd};

use pcap::{Activated, BpfInstruction, BpfProgram, Capture, Offline};

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
        let handle = empty_capture(link).map_err(|error| FilterError::new(text, link, error.to_string(), None))?;
        Self::compile_for(&handle, text, link)
    }

    /// Compiles a filter for what a handle of libpcap delivers.
    pub(super) fn compile_for<T: Activated>(
        handle: &Capture<T>,
        text: &str,
        link: LinkType,
    ) -> Result<Self, FilterError> {
        let fail = |message: String, at| FilterError::new(text, link, message, at);
        if let Some(at) = text.find('\0') {
            return Err(fail("a filter cannot contain a zero byte".to_owned(), Some(at)));
        }
        let compile = |text: &str| handle.compile(text, true).map_err(libpcap_words);
        compile(text).map(Self).map_err(|message| {
            let at = filter_error::locate(text, &message, |text| compile(text).err());
            fail(message, at)
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
pub(super) fn libpcap_words(error: pcap::Error) -> String {
    match error {
        pcap::Error::PcapError(message) => message,
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Time;

    /// An IPv4 packet from 10.0.0.1 port 1000 to 10.0.0.2 port 80, without a link-layer header.
    #[rustfmt::skip]
    const IPV4_TCP: [u8; 40] = [
        0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
        0x03, 0xe8, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0, 0, 0, 0, 0, 0,
    ];

    fn packet(link: LinkType, length: u32, bytes: &[u8]) -> RawPacket<'_> {
        RawPacket { time: Time::default(), length, link, interface: 0, bytes }
    }

    fn matches(text: &str, packet: &RawPacket<'_>) -> bool {
        Filter::compile(text, packet.link).unwrap().matches(packet)
    }

    #[test]
    fn lengths_are_those_on_the_wire_and_bytes_those_captured() {
        let packet = packet(LinkType::RAW, 1500, &IPV4_TCP[..22]);
        for (text, expected) in [
            ("greater 1500", true),
            ("greater 1501", false),
            ("len = 1500", true),
            ("less 100", false),
            ("tcp", true),
            ("src port 1000", true),
            ("dst port 80", false),
            ("not dst port 80", false),
            ("ip[1499] = 0", false),
        ] {
            assert_eq!(matches(text, &packet), expected, "{text}");
        }
    }

    #[test]
    fn link_types_are_those_of_files() {
        let frame = [[0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 2, 8, 0].as_slice(), &IPV4_TCP].concat();
        let null = [2u32.to_ne_bytes().as_slice(), &IPV4_TCP].concat();
        let looped = [[0, 0, 0, 2].as_slice(), &IPV4_TCP].concat();
        let cooked = [[0, 0, 0, 1, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0].as_slice(), &IPV4_TCP].concat();
        for (link, bytes) in [
            (LinkType::ETHERNET, frame.as_slice()),
            (LinkType::RAW, &IPV4_TCP),
            (LinkType(12), &IPV4_TCP),
            (LinkType::IPV4, &IPV4_TCP),
            (LinkType::NULL, &null),
            (LinkType::LOOP, &looped),
            (LinkType::LINUX_SLL, &cooked),
        ] {
            let packet = packet(link, bytes.len() as u32, bytes);
            assert!(matches("src host 10.0.0.1 and tcp dst port 80", &packet), "{link:?}");
            assert!(!matches("udp or ip6 or src host 10.0.0.2", &packet), "{link:?}");
        }
    }

    #[test]
    fn a_set_compiles_once_for_each_link_type() {
        let mut set = FilterSet::new("tcp");
        let null = [2u32.to_ne_bytes().as_slice(), &IPV4_TCP].concat();
        for _ in 0..3 {
            assert!(set.matches(&packet(LinkType::RAW, 40, &IPV4_TCP)).unwrap());
            assert!(set.matches(&packet(LinkType::NULL, 44, &null)).unwrap());
        }
        assert_eq!(set.compiled.len(), 2);
    }

    #[test]
    fn an_empty_filter_lets_everything_through_and_compiles_nothing() {
        let mut set = FilterSet::new(" \n");
        set.prepare(LinkType(u16::MAX)).unwrap();
        assert!(set.matches(&packet(LinkType(u16::MAX), 0, &[])).unwrap());
        assert!(set.compiled.is_empty());
    }

    #[test]
    fn a_filter_that_this_link_type_cannot_have_is_refused_as_for_a_file() {
        for (text, link, words) in [
            ("ether host 1:2:3:4:5:6", LinkType::RAW, "ethernet addresses supported only on ethernet"),
            ("inbound", LinkType::ETHERNET, "inbound/outbound not supported on"),
            ("tcp", LinkType(40_000), "unknown data link type"),
        ] {
            let error = FilterSet::new(text).prepare(link).unwrap_err();
            assert!(error.message().contains(words), "{error}");
            assert_eq!(error.link(), link);
        }
    }

    #[test]
    fn the_place_of_an_error_is_told_where_it_is_certain() {
        for (text, at) in [
            ("tcp prot 80", Some(4)),
            ("tcp and", Some(7)),
            ("(tcp or udp", Some(11)),
            ("tcp[13", Some(6)),
            ("tcp[13]&2!=0 andd port 80", Some(13)),
            ("tcp[13] !! 5", Some(8)),
            ("  foo", Some(2)),
            ("tcp port 80 port 81", Some(12)),
            ("host 1.2.3.4 && (prot 5)", Some(17)),
            ("greater x", Some(8)),
            ("tcp; udp", Some(3)),
            ("é", Some(0)),
            ("udp or ether host foo", Some(18)),
            ("ip proto foo", Some(9)),
            ("udp or tcp port 70000", Some(16)),
            ("port 99999999999", Some(5)),
            ("portrange 5-x", Some(10)),
            ("tcp or net 1.2.3.4/24", Some(11)),
            // It could be either of them.
            ("ip proto foo or ip proto foo", None),
            ("tcp[0:3] = 1", None),
        ] {
            let error = Filter::compile(text, LinkType::ETHERNET).unwrap_err();
            assert_eq!(error.at(), at, "{text}: {error}");
        }
    }

    #[test]
    fn an_error_has_the_words_of_libpcap_and_a_caret() {
        let error = Filter::compile("host é.invalid or tcp prot 80", LinkType::ETHERNET).unwrap_err();
        assert!(error.message().ends_with("syntax error"), "{error}");
        let error = Filter::compile("udp or tcp prot 80", LinkType::ETHERNET).unwrap_err();
        assert_eq!(error.to_string(), format!("filter `udp or tcp prot 80`: {}", error.message()));
        assert_eq!(error.pointed().as_deref(), Some("udp or tcp prot 80\n           ^"));
        let error = Filter::compile("tcp\0", LinkType::ETHERNET).unwrap_err();
        assert_eq!((error.message(), error.at()), ("a filter cannot contain a zero byte", Some(3)));
    }

    #[test]
    fn filters_are_compiled_on_many_threads_at_once() {
        let threads: Vec<_> = (0..8)
            .map(|port| {
                std::thread::spawn(move || {
                    let filter = Filter::compile(&format!("tcp dst port {}", 76 + port), LinkType::RAW).unwrap();
                    filter.matches(&packet(LinkType::RAW, 40, &IPV4_TCP))
                })
            })
            .collect();
        let matched: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        assert_eq!(matched.iter().position(|matched| *matched), Some(4));
        assert_eq!(matched.iter().filter(|matched| **matched).count(), 1);
    }
}
