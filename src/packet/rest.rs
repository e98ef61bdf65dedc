//! What is left of a packet while its headers are taken off.

/// The bytes that no header has taken yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rest<'a> {
    /// What was captured of them.
    pub(super) bytes: &'a [u8],
    /// Where they begin in the packet.
    pub(super) offset: u32,
    /// How many there were on the wire, as far as the headers before tell; never less than `bytes`.
    pub(super) length: u32,
}

impl<'a> Rest<'a> {
    /// Bytes that begin at an offset and were captured whole.
    pub(super) fn whole(bytes: &'a [u8], offset: u32) -> Self {
        Self { bytes, offset, length: number(bytes.len()) }
    }

    /// What is left after that many bytes.
    #[inline]
    pub(super) fn skip(self, count: usize) -> Self {
        Self {
            bytes: self.bytes.get(count..).unwrap_or_default(),
            offset: self.offset.saturating_add(number(count)),
            length: self.length.saturating_sub(number(count)),
        }
    }

    /// What is left when a header says its length: without what follows, such as padding, and with what is missing.
    #[inline]
    pub(super) fn of_length(self, length: u32) -> Self {
        Self { bytes: self.bytes.get(..length as usize).unwrap_or(self.bytes), length, ..self }
    }

    /// At most that many bytes, where a header cannot know of more than the header around it.
    #[inline]
    pub(super) fn at_most(self, length: u32) -> Self {
        self.of_length(length.min(self.length))
    }
}

/// A length as frames have it; real ones do not come near its end.
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
