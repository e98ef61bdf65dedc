//! Messages in a TCP stream, each behind its length (RFC 1035, section 4.2.2).

use std::borrow::Cow;

use super::message::Message;

/// One direction of a conversation.
#[derive(Debug)]
pub(super) struct Framing {
    place: Place,
    /// What there is of a message that is not there as a whole, with its length.
    buffer: Vec<u8>,
}

/// Where in the stream reading is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In a message or between two.
    Known,
    /// In a message of which a part is missing: so many bytes of it follow.
    Skipping(usize),
    /// Somewhere. A segment that begins with a message tells where that is.
    Unknown,
    /// Somewhere, and that was told.
    Lost,
}

/// What a stream has next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    Message(Cow<'a, [u8]>),
    /// A message of which the end is missing.
    Cut(Vec<u8>),
    /// Bytes of which it is not known where a message begins.
    Lost,
}

/// Bytes of a length.
const LENGTH: usize = 2;

/// How long the message is that these bytes begin with, together with its length.
fn whole(bytes: &[u8]) -> Option<usize> {
    bytes.first_chunk().map(|length| LENGTH + usize::from(u16::from_be_bytes(*length)))
}

impl Framing {
    /// A stream that is captured from its first byte on, or from somewhere.
    pub(super) const fn new(from_start: bool) -> Self {
        Self { place: if from_start { Place::Known } else { Place::Unknown }, buffer: Vec::new() }
    }

    /// Takes the next piece off the bytes of a segment; none once they are used up.
    pub(super) fn next<'a>(&mut self, segment: &mut &'a [u8]) -> Option<Piece<'a>> {
        loop {
            let bytes = *segment;
            if bytes.is_empty() {
                return None;
            }
            match self.place {
                Place::Skipping(left) => {
                    let skipped = left.min(bytes.len());
                    *segment = &bytes[skipped..];
                    self.place = if left == skipped { Place::Known } else { Place::Skipping(left - skipped) };
                }
                Place::Unknown | Place::Lost => {
                    let message = whole(bytes).and_then(|end| bytes.get(LENGTH..end));
                    if message.and_then(|message| Message::read(message, false)).is_some_and(|it| it.is_certain()) {
                        self.place = Place::Known;
                    } else {
                        *segment = &[];
                        return (std::mem::replace(&mut self.place, Place::Lost) != Place::Lost).then_some(Piece::Lost);
                    }
                }
                Place::Known => {
                    if self.buffer.is_empty()
                        && let Some(end) = whole(bytes)
                        && let Some(message) = bytes.get(LENGTH..end)
                    {
                        *segment = &bytes[end..];
                        return Some(Piece::Message(Cow::Borrowed(message)));
                    }
                    let wanted = whole(&self.buffer).unwrap_or(LENGTH).saturating_sub(self.buffer.len());
                    let (taken, rest) = bytes.split_at(wanted.min(bytes.len()));
                    self.buffer.extend_from_slice(taken);
                    *segment = rest;
                    if whole(&self.buffer) == Some(self.buffer.len()) {
                        let message = std::mem::take(&mut self.buffer).split_off(LENGTH);
                        return Some(Piece::Message(Cow::Owned(message)));
                    }
                }
            }
        }
    }

    /// That many bytes are missing. Gives what there was of a message before them.
    pub(super) fn gap(&mut self, missing: u64) -> Option<Piece<'static>> {
        let missing = usize::try_from(missing).unwrap_or(usize::MAX);
        let left = match self.place {
            Place::Known => whole(&self.buffer).map(|end| end - self.buffer.len()),
            Place::Skipping(left) => Some(left),
            Place::Unknown | Place::Lost => return None,
        };
        self.place = match left.and_then(|left| left.checked_sub(missing)) {
            Some(left) => Place::Skipping(left),
            None => Place::Unknown,
        };
        self.end()
    }

    /// Nothing more follows. Gives what there is of a message.
    pub(super) fn end(&mut self) -> Option<Piece<'static>> {
        let mut bytes = std::mem::take(&mut self.buffer);
        (bytes.len() > LENGTH).then(|| Piece::Cut(bytes.split_off(LENGTH)))
    }

    /// What there is of a message that is not there as a whole, without its length.
    pub(super) fn begun(&self) -> &[u8] {
        self.buffer.get(LENGTH..).unwrap_or_default()
    }
}
