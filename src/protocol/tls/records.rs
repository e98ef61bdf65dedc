//! The record layer (RFC 8446, section 5.1), and how to recognise it.

/// Reads the records of one side.
#[derive(Debug, Default)]
pub(super) struct Records {
    /// Type, version and length of the record, as far as they were read.
    header: Vec<u8>,
    /// What is left of the record, in bytes.
    left: usize,
    /// The level of an alert whose description comes with later bytes.
    level: Option<u8>,
}

/// What a record carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content<'a> {
    /// A part of the handshake.
    Handshake(&'a [u8]),
    /// An alert that is not encrypted: level and description.
    Alert([u8; 2]),
    ChangeCipherSpec,
    /// Something encrypted.
    Encrypted,
    /// This is not how records look.
    Bad,
}

/// Type, version and length, in bytes.
const HEADER: usize = 5;

/// What a record carries at most, in bytes.
const LONGEST: u16 = 1 << 14;

const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;

impl Records {
    /// The next content, taken off the front of `bytes`; none if more bytes are needed.
    pub(super) fn next<'a>(&mut self, bytes: &mut &'a [u8]) -> Option<Content<'a>> {
        loop {
            if self.left == 0 {
                if self.header.len() == HEADER {
                    self.header.clear();
                }
                while self.header.len() < HEADER {
                    let (&byte, rest) = bytes.split_first()?;
                    self.header.push(byte);
                    *bytes = rest;
                }
                let &[kind, major, _, high, low] = self.header.as_slice() else { return Some(Content::Bad) };
                let length = u16::from_be_bytes([high, low]);
                self.left = length.into();
                match kind {
                    _ if major != 3 || length > LONGEST => return Some(Content::Bad),
                    CHANGE_CIPHER_SPEC => return Some(Content::ChangeCipherSpec),
                    HANDSHAKE => {}
                    ALERT if length == 2 => {}
                    ALERT | APPLICATION_DATA => return Some(Content::Encrypted),
                    _ => return Some(Content::Bad),
                }
                continue;
            }
            if bytes.is_empty() {
                return None;
            }
            let (part, rest) = bytes.split_at(self.left.min(bytes.len()));
            *bytes = rest;
            self.left -= part.len();
            match (self.header[0], part) {
                (HANDSHAKE, part) => return Some(Content::Handshake(part)),
                (ALERT, &[level, description]) => return Some(Content::Alert([level, description])),
                (ALERT, &[byte]) => match self.level.take() {
                    Some(level) => return Some(Content::Alert([level, byte])),
                    None => self.level = Some(byte),
                },
                _ => {}
            }
        }
    }
}

/// What the first bytes of a side begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beginning {
    /// More bytes are needed.
    Undecided,
    ClientHello,
    ServerHello,
    Alert,
    /// A hello of SSL 2.0 in which a client offers SSL 3.0 or later, of so many bytes.
    Ssl2Hello(usize),
    /// Something else.
    Foreign,
}

/// Recognises what a side begins with, as soon as its bytes tell.
pub(super) fn recognise(bytes: &[u8]) -> Beginning {
    let is_ssl2 = bytes.first().is_some_and(|first| first & 0x80 != 0);
    let shape: &[fn(&[u8]) -> bool] = if is_ssl2 { SSL2_HELLO } else { RECORD };
    for (place, fits) in shape.iter().enumerate() {
        let Some(begin) = bytes.get(..=place) else { return Beginning::Undecided };
        if !fits(begin) {
            return Beginning::Foreign;
        }
    }
    match bytes {
        &[high, low, ..] if is_ssl2 => Beginning::Ssl2Hello(2 + usize::from(u16::from_be_bytes([high & 0x7f, low]))),
        [ALERT, ..] => Beginning::Alert,
        [_, _, _, _, _, 1, ..] => Beginning::ClientHello,
        _ => Beginning::ServerHello,
    }
}

/// For each byte of the beginning whether it may be there; it is the last of those that are given.
const RECORD: &[fn(&[u8]) -> bool] = &[
    |bytes| matches!(bytes, [ALERT | HANDSHAKE]),
    |bytes| bytes[1] == 3,
    |bytes| bytes[2] <= 4,
    |bytes| bytes[3] <= 0x40,
    |bytes| match (bytes[0], u16::from_be_bytes([bytes[3], bytes[4]])) {
        (ALERT, length) => length == 2,
        (_, length) => (1..=LONGEST).contains(&length),
    },
    // The level of an alert, or the type of a handshake message, of which two come first.
    |bytes| matches!(bytes[5], 1 | 2),
];

/// Length, type and version; lengths of the cipher suites, of the session and of the challenge add up to the first one.
const SSL2_HELLO: &[fn(&[u8]) -> bool] = &[
    |_| true,
    |_| true,
    |bytes| bytes[2] == 1,
    |bytes| bytes[3] == 3,
    |bytes| bytes[4] <= 4,
    |_| true,
    |_| true,
    |_| true,
    |_| true,
    |_| true,
    |bytes| {
        let number = |at: usize| usize::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]));
        let [ciphers, session_id, challenge] = [5, 7, 9].map(number);
        let length = number(0) & 0x7fff;
        let fits = ciphers > 0 && ciphers.is_multiple_of(3) && [0, 16].contains(&session_id);
        fits && (16..=32).contains(&challenge) && 9 + ciphers + session_id + challenge == length
    },
];
