//! What is left of a packet while its headers are taken off.

use super::{Reason, Stop};

/// The bytes that no header has taken yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rest<'a> {
    /// What was captured of them.
    pub(super) bytes: &'a [u8],
    /// Where they begin in the packet.
    pub(super) offset: usize,
    /// How many there were on the wire, as far as the headers before tell; never less than `bytes`.
    pub(super) length: usize,
    /// Whether the snapshot length cut the packet.
    pub(super) cut: bool,
}

impl<'a> Rest<'a> {
    /// The first `N` bytes, without taking them.
    #[inline]
    pub(super) fn first<const N: usize>(&self, header: &'static str) -> Result<&'a [u8; N], Stop> {
        self.bytes.first_chunk().ok_or_else(|| self.missing(header, N))
    }

    /// What is left after that many bytes.
    #[inline]
    pub(super) fn skip(self, count: usize) -> Self {
        Self {
            bytes: self.bytes.get(count..).unwrap_or_default(),
            offset: self.offset + count,
            length: self.length.saturating_sub(count),
            cut: self.cut,
        }
    }

    /// What is left when a header says its length: without what follows, such as padding, and with what is missing.
    #[inline]
    pub(super) fn of_length(self, length: usize) -> Self {
        Self { bytes: self.bytes.get(..length).unwrap_or(self.bytes), length, ..self }
    }

    /// At most that many bytes, where a header cannot know of more than the header around it.
    #[inline]
    pub(super) fn at_most(self, length: usize) -> Self {
        self.of_length(length.min(self.length))
    }

    /// The end of decoding, here.
    #[cold]
    pub(super) fn stop(&self, reason: Reason) -> Stop {
        Stop { offset: number(self.offset), reason }
    }

    /// The end of decoding at a header that needs more bytes than were captured.
    #[cold]
    pub(super) fn missing(&self, header: &'static str, needs: usize) -> Stop {
        self.stop(if self.cut && self.length >= needs {
            Reason::Cut { header }
        } else {
            Reason::Short { header, needs: number(needs), has: number(self.bytes.len()) }
        })
    }

    /// The end of decoding at a field with a value that it must not have.
    #[cold]
    pub(super) fn wrong(&self, header: &'static str, field: &'static str, value: u32, problem: &'static str) -> Stop {
        self.stop(Reason::Field { header, field, value, problem, bound: None })
    }

    /// The end of decoding at a length that is less than it must be.
    #[cold]
    pub(super) fn too_small(&self, header: &'static str, field: &'static str, value: usize, least: usize) -> Stop {
        let (value, bound) = (number(value), Some(number(least)));
        self.stop(Reason::Field { header, field, value, problem: "is less than", bound })
    }
}

/// A length or offset as frames have it; they do not come near its end.
#[inline]
pub(super) fn number(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// The big-endian number at that place of a header.
#[inline]
pub(super) const fn be16<const N: usize>(header: &[u8; N], at: usize) -> u16 {
    u16::from_be_bytes([header[at], header[at + 1]])
}

/// The big-endian number at that place of a header.
#[inline]
pub(super) const fn be32<const N: usize>(header: &[u8; N], at: usize) -> u32 {
    u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
}
