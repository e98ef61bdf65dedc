//! What the two file formats share.

use super::input::Input;
use crate::packet::{LinkType, RawPacket};
use crate::record::Time;

/// The order in which a file holds the bytes of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ByteOrder {
    Little,
    Big,
}

impl ByteOrder {
    const NATIVE: Self = if cfg!(target_endian = "little") { Self::Little } else { Self::Big };

    /// The number in the two bytes from `at`.
    #[inline]
    pub(super) const fn u16<const N: usize>(self, bytes: &[u8; N], at: usize) -> u16 {
        let number = [bytes[at], bytes[at + 1]];
        match self {
            Self::Little => u16::from_le_bytes(number),
            Self::Big => u16::from_be_bytes(number),
        }
    }

    /// The number in the four bytes from `at`.
    #[inline]
    pub(super) const fn u32<const N: usize>(self, bytes: &[u8; N], at: usize) -> u32 {
        let number = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
        match self {
            Self::Little => u32::from_le_bytes(number),
            Self::Big => u32::from_be_bytes(number),
        }
    }

    /// The signed number in eight bytes.
    pub(super) const fn i64(self, bytes: [u8; 8]) -> i64 {
        match self {
            Self::Little => i64::from_le_bytes(bytes),
            Self::Big => i64::from_be_bytes(bytes),
        }
    }
}

/// A packet and where its bytes are in the input.
#[derive(Debug, Clone, Copy)]
pub(super) struct Located {
    pub(super) time: Time,
    pub(super) length: u32,
    pub(super) link: LinkType,
    pub(super) interface: u32,
    pub(super) place: usize,
    pub(super) captured: usize,
}

impl Located {
    /// No packet.
    pub(super) const NONE: Self =
        Self { time: Time::from_nanos(0), length: 0, link: LinkType::NULL, interface: 0, place: 0, captured: 0 };

    /// The packet itself.
    #[inline]
    pub(super) fn in_input<'a>(&self, input: &'a Input) -> RawPacket<'a> {
        RawPacket {
            time: self.time,
            length: self.length,
            link: self.link,
            interface: self.interface,
            bytes: input.bytes(self.place, self.captured),
        }
    }

    /// Keeps no more bytes than the packet had on the wire: some writers count padding or stale bytes of their buffer as
    /// captured. A length of 0 is one that the writer did not know.
    #[inline]
    pub(super) const fn trimmed(mut self) -> Self {
        if self.captured > self.length as usize {
            if self.length == 0 {
                self.length = self.captured as u32;
            } else {
                self.captured = self.length as usize;
            }
        }
        self
    }

    /// Brings the address family in front of a [`LinkType::NULL`] packet into the byte order of this machine.
    ///
    /// It is in the order of the machine that captured. That order is lost with the file header, but libpcap's filters,
    /// decoders and whoever writes the packet to another file rely on it; libpcap and Wireshark treat the pseudo-headers
    /// of other link types in this way when they read.
    pub(super) fn normalise_family(&self, input: &mut Input) {
        if let Some(family) = input.bytes_mut(self.place, self.captured).first_chunk_mut::<4>() {
            family.reverse();
        }
    }
}

/// Whether packets of this link type, in a file of this byte order, need [`Located::normalise_family`].
pub(super) fn has_foreign_family(link: LinkType, order: ByteOrder) -> bool {
    link == LinkType::NULL && order != ByteOrder::NATIVE
}

/// Bytes captured of one packet, at most; what claims more is not a packet. libpcap (`MAXIMUM_SNAPLEN`) and Wireshark
/// (`WTAP_MAX_PACKET_SIZE_STANDARD`) draw the line at the same place.
pub(super) const fn longest_packet(link: LinkType) -> u32 {
    /// Linux USB with mapped buffers, D-Bus, USBPcap, EBHSCR: link types whose packets are messages of any length.
    const MESSAGES: [u16; 4] = [220, 231, 249, 279];
    let mut place = 0;
    while place < MESSAGES.len() {
        if MESSAGES[place] == link.0 {
            return 128 << 20;
        }
        place += 1;
    }
    256 << 10
}
