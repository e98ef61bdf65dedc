//! Frames in Initial packets (RFC 9000, section 19).

use super::super::cursor::Cursor;
use super::packets::{sized, variable};

/// A frame that says something about the handshake.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame<'a> {
    /// A part of the handshake messages, and where it belongs.
    Crypto(u64, &'a [u8]),
    /// The connection is closed, with this error code.
    Close(u64),
}

/// The next such frame, taken off the front of a packet's content; none at its end, or where it cannot be read.
pub(super) fn next<'a>(content: &mut Cursor<'a>) -> Option<Frame<'a>> {
    loop {
        match variable(content)? {
            // PADDING and PING.
            0 | 1 => {}
            // ACK: largest, delay, number of ranges, the first one; then a gap and a length for each; the counts of ECN.
            kind @ (2 | 3) => {
                skip(content, 2)?;
                let ranges = variable(content)?;
                skip(content, 1)?;
                skip(content, ranges.checked_mul(2)?)?;
                skip(content, if kind == 3 { 3 } else { 0 })?;
            }
            6 => {
                let place = variable(content)?;
                return Some(Frame::Crypto(place, sized(content)?));
            }
            0x1c => return variable(content).map(Frame::Close),
            _ => return None,
        }
    }
}

/// Passes over so many numbers.
fn skip(content: &mut Cursor<'_>, numbers: u64) -> Option<()> {
    (0..numbers).try_for_each(|_| variable(content).map(drop))
}
