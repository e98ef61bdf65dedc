//! Frames in Initial packets (RFC 9000, section 19).

use super::super::cursor::Cursor;
use super::packets::variable;

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
            // ACK: largest, delay, then pairs of ranges behind the first; the counts of ECN.
            kind @ (2 | 3) => {
                let (_largest, _delay, ranges, _first) =
                    (variable(content)?, variable(content)?, variable(content)?, variable(content)?);
                for _ in 0..ranges {
                    (variable(content)?, variable(content)?);
                }
                if kind == 3 {
                    (variable(content)?, variable(content)?, variable(content)?);
                }
            }
            6 => {
                let (offset, length) = (variable(content)?, variable(content)?);
                return Some(Frame::Crypto(offset, content.take(usize::try_from(length).ok()?)?));
            }
            0x1c => return variable(content).map(Frame::Close),
            _ => return None,
        }
    }
}
