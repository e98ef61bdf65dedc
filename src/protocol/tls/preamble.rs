//! Dialogues in text behind which TLS may begin: STARTTLS of SMTP (RFC 3207), IMAP and POP3 (RFC 2595) and FTP (RFC 4217),
//! and CONNECT of HTTP (RFC 9110, section 9.3.6).

use memchr::memchr;

/// What the first side that speaks begins with in such a dialogue: a greeting, or the request to a proxy.
const OPENINGS: [&[u8]; 5] = [b"220 ", b"220-", b"* OK", b"+OK", b"CONNECT "];

/// How many bytes both sides may talk before TLS.
const LONGEST: usize = 4096;

/// What both sides have said so far.
#[derive(Debug, Default)]
pub(super) struct Preamble {
    length: usize,
}

impl Preamble {
    /// Whether what a conversation begins with opens such a dialogue; none if more bytes are needed.
    pub(super) fn opens(bytes: &[u8]) -> Option<bool> {
        let is_opened = OPENINGS.iter().any(|opening| bytes.starts_with(opening));
        let may_open = OPENINGS.iter().any(|opening| opening.starts_with(bytes));
        (is_opened || !may_open).then_some(is_opened)
    }

    /// Takes what belongs to the same line off the front of `bytes`, and says whether it has ended; none if this is no text,
    /// or too long.
    pub(super) fn line(&mut self, bytes: &mut &[u8]) -> Option<bool> {
        let end = memchr(b'\n', bytes).map(|newline| newline + 1);
        let (part, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
        *bytes = rest;
        self.length += part.len();
        let is_text = part.iter().all(|&byte| byte >= b' ' || matches!(byte, b'\t' | b'\r' | b'\n'));
        (is_text && self.length <= LONGEST).then_some(end.is_some())
    }
}
