//! Numbers and vectors off the front of bytes.

/// The bytes that are left. Whatever asks for more than there is gets nothing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor<'a>(pub(super) &'a [u8]);

impl<'a> Cursor<'a> {
    pub(super) const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The next bytes.
    pub(super) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    /// A number of that many bytes, most significant first; at most eight.
    pub(super) fn number(&mut self, length: usize) -> Option<u64> {
        Some(self.take(length)?.iter().fold(0, |number, &byte| number << 8 | u64::from(byte)))
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.take(2).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    /// What follows its own length, which is a number of that many bytes.
    pub(super) fn vector(&mut self, length: usize) -> Option<Self> {
        let length = self.number(length)?;
        self.take(usize::try_from(length).ok()?).map(Self)
    }

    /// Numbers of two bytes to the end; none if half a one is left over.
    pub(super) fn u16s(self) -> Option<Vec<u16>> {
        let (pairs, []) = self.0.as_chunks::<2>() else { return None };
        Some(pairs.iter().map(|&pair| u16::from_be_bytes(pair)).collect())
    }
}
