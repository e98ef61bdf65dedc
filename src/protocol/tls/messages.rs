//! Handshake messages out of the bytes that carry them, wherever those are cut.

use crate::record::Time;

pub(super) const CLIENT_HELLO: u8 = 1;
pub(super) const SERVER_HELLO: u8 = 2;

/// Reads the messages of one side.
#[derive(Debug, Default)]
pub(super) struct Messages {
    /// Type and length of the message, as far as they were read.
    header: Vec<u8>,
    /// What was read of a hello.
    body: Vec<u8>,
    /// What is left of a message, in bytes.
    left: usize,
    began: Time,
}

/// The next message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// A hello that is whole, its type, and when its first byte came.
    Hello(u8, Vec<u8>, Time),
    /// Another one of that type, of which nothing is kept.
    Other(u8),
    /// A hello that is longer than allowed.
    TooLong,
}

/// Type and length of a message, in bytes.
const HEADER: usize = 4;

impl Messages {
    /// The next message, taken off the front of `bytes`; none if more bytes are needed.
    pub(super) fn next(&mut self, bytes: &mut &[u8], time: Time, limit: usize) -> Option<Message> {
        loop {
            if self.header.len() < HEADER {
                if self.header.is_empty() && !bytes.is_empty() {
                    self.began = time;
                }
                let missing = HEADER - self.header.len();
                self.header.extend_from_slice(take(bytes, missing));
                let &[kind, a, b, c] = self.header.as_slice() else { return None };
                self.left = u32::from_be_bytes([0, a, b, c]) as usize;
                if !is_hello(kind) {
                    return Some(Message::Other(kind));
                }
                if self.left > limit {
                    return Some(Message::TooLong);
                }
            }
            let part = take(bytes, self.left);
            self.left -= part.len();
            let kind = self.header[0];
            if is_hello(kind) {
                self.body.extend_from_slice(part);
            }
            if self.left > 0 {
                return None;
            }
            self.header.clear();
            if is_hello(kind) {
                return Some(Message::Hello(kind, std::mem::take(&mut self.body), self.began));
            }
        }
    }
}

const fn is_hello(kind: u8) -> bool {
    matches!(kind, CLIENT_HELLO | SERVER_HELLO)
}

/// Takes that many bytes off the front, or what there is.
fn take<'a>(bytes: &mut &'a [u8], length: usize) -> &'a [u8] {
    let (taken, rest) = bytes.split_at(length.min(bytes.len()));
    *bytes = rest;
    taken
}
