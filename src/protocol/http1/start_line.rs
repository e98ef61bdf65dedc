//! Start lines: what tells requests, responses and everything else apart (RFC 9112, sections 3 and 4).

use memchr::{memchr, memrchr};

/// Methods are short; without a bound any long word would be one.
const METHOD_LENGTH: usize = 64;

/// Which kind of message one side of a connection sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sends {
    /// The client's side.
    Requests,
    /// The server's side.
    Responses,
}

/// A request line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RequestLine<'a> {
    /// The method, any token.
    pub(super) method: &'a [u8],
    /// The target as sent.
    pub(super) target: &'a [u8],
    /// The version, such as `HTTP/1.1`.
    pub(super) version: &'a [u8],
}

impl<'a> RequestLine<'a> {
    /// The parts of a line without its line end, if it is a request line.
    ///
    /// Blanks in the target and a version without its minor number are taken, because servers take them.
    pub(super) fn parse(line: &'a [u8]) -> Option<Self> {
        let line = line.trim_ascii_end();
        let blank = memchr(b' ', line)?;
        let (method, rest) = (&line[..blank], &line[blank + 1..]);
        let blank = memrchr(b' ', rest)?;
        let (target, version) = (rest[..blank].trim_ascii(), &rest[blank + 1..]);
        let minor = version.strip_prefix(b"HTTP/1.")?;
        let valid = is_token(method)
            && method.len() <= METHOD_LENGTH
            && minor.len() <= 1
            && minor.iter().all(u8::is_ascii_digit)
            && !target.is_empty()
            && !has_control(target);
        valid.then_some(Self { method, target, version })
    }

    /// Whether it is exactly as RFC 9112 has it.
    pub(super) fn is_well_formed(&self) -> bool {
        self.version.len() == b"HTTP/1.1".len() && memchr(b' ', self.target).is_none()
    }
}

/// A status line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StatusLine<'a> {
    /// The version, such as `HTTP/1.1`.
    pub(super) version: &'a [u8],
    /// The status code, from 100 on.
    pub(super) status: u16,
    /// The reason phrase, which may be empty.
    pub(super) reason: &'a [u8],
}

impl<'a> StatusLine<'a> {
    /// The parts of a line without its line end, if it is a status line.
    pub(super) fn parse(line: &'a [u8]) -> Option<Self> {
        let (version, rest) = line.split_at_checked(b"HTTP/1.1".len())?;
        if !(version.starts_with(b"HTTP/1.") && version[7].is_ascii_digit()) {
            return None;
        }
        let (code, reason) = rest.strip_prefix(b" ")?.split_at_checked(3)?;
        let is_status = code.iter().all(u8::is_ascii_digit) && code[0] != b'0';
        if !is_status || !(reason.is_empty() || reason[0] == b' ') {
            return None;
        }
        let status = code.iter().fold(0, |status, digit| status * 10 + u16::from(digit - b'0'));
        Some(Self { version, status, reason: reason.trim_ascii() })
    }
}

/// Whether bytes are the beginning of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opening {
    /// They begin with a whole start line.
    Yes,
    /// They may, when more bytes have come.
    Maybe,
    /// They do not.
    No,
}

/// Whether bytes that are not known to follow another message begin one of that kind: only start lines as RFC 9112 has
/// them do, because a body may contain anything.
pub(super) fn opening(bytes: &[u8], sends: Sends) -> Opening {
    // In the middle of a body this is all that is looked at of most segments.
    let first = match sends {
        Sends::Requests => bytes.first().is_none_or(|&byte| is_token_byte(byte)),
        Sends::Responses => bytes.first().is_none_or(|&byte| byte == b'H'),
    };
    if !first {
        return Opening::No;
    }
    let Some(end) = memchr(b'\n', bytes) else {
        return if may_begin(bytes, sends) { Opening::Maybe } else { Opening::No };
    };
    let line = without_line_end(&bytes[..=end]);
    let is_start = match sends {
        Sends::Requests => RequestLine::parse(line).is_some_and(|line| line.is_well_formed()),
        Sends::Responses => StatusLine::parse(line).is_some(),
    };
    // Header fields or the end of the head follow.
    let goes_on = bytes.get(end + 1).is_none_or(|&byte| is_token_byte(byte) || matches!(byte, b'\r' | b'\n'));
    if is_start && goes_on { Opening::Yes } else { Opening::No }
}

/// Whether bytes without a line end may become a start line. Looks at a bounded number of them.
pub(super) fn may_begin(bytes: &[u8], sends: Sends) -> bool {
    match sends {
        Sends::Responses => {
            let pattern = b"HTTP/1.0 000";
            bytes
                .iter()
                .zip(pattern)
                .all(|(byte, like)| if *like == b'0' { byte.is_ascii_digit() } else { byte == like })
        }
        Sends::Requests => {
            let bytes = &bytes[..bytes.len().min(2 * METHOD_LENGTH)];
            let (method, target) = match memchr(b' ', bytes) {
                Some(blank) => (&bytes[..blank], &bytes[blank + 1..]),
                None => (bytes, &[][..]),
            };
            let is_method = is_token(method) && method.len() <= METHOD_LENGTH;
            bytes.is_empty() || is_method && !has_control(target.trim_ascii_end())
        }
    }
}

/// Whether there are control characters. Looks at all bytes, which is faster than to stop at the first one.
fn has_control(bytes: &[u8]) -> bool {
    bytes.iter().fold(false, |found, byte| found | byte.is_ascii_control())
}

/// A line without its CRLF or LF.
pub(super) fn without_line_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Whether this is a token (RFC 9110, section 5.6.2).
pub(super) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().copied().all(is_token_byte)
}

/// Whether a token may contain this byte.
pub(super) fn is_token_byte(byte: u8) -> bool {
    const TOKEN: [bool; 256] = {
        let mut table = [false; 256];
        let mut byte = 0;
        while byte < 256 {
            table[byte] = (byte as u8).is_ascii_alphanumeric();
            byte += 1;
        }
        let others = b"!#$%&'*+-.^_`|~";
        let mut i = 0;
        while i < others.len() {
            table[others[i] as usize] = true;
            i += 1;
        }
        table
    };
    TOKEN[usize::from(byte)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_lines_are_a_token_a_target_and_http_1() {
        for (line, method, target) in [
            ("GET / HTTP/1.1", "GET", "/"),
            ("CCM_POST /x?y=z HTTP/1.0", "CCM_POST", "/x?y=z"),
            ("query * HTTP/1.1", "query", "*"),
            ("GET http://a/b HTTP/1.1  ", "GET", "http://a/b"),
            ("CONNECT mail.example:25 / HTTP/1.0", "CONNECT", "mail.example:25 /"),
            ("GET / HTTP/1.", "GET", "/"),
            ("GET /ä HTTP/1.1", "GET", "/ä"),
        ] {
            let parsed = RequestLine::parse(line.as_bytes()).unwrap();
            assert_eq!((parsed.method, parsed.target), (method.as_bytes(), target.as_bytes()));
        }
        for line in [
            "",
            "GET",
            "GET /",
            "GET /HTTP/1.1",
            "GET HTTP/1.1",
            "GET  HTTP/1.1",
            "G(T / HTTP/1.1",
            " GET / HTTP/1.1",
            "GET / HTTP/2.0",
            "GET / HTTP/1.x",
            "GET / HTTP/1.11",
            "GET /\0 HTTP/1.1",
            "OPTIONS rtsp://a RTSP/1.0",
            "HTTP/1.1 200 OK",
        ] {
            assert_eq!(RequestLine::parse(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn status_lines_have_a_code_of_three_digits_and_perhaps_a_reason() {
        for (line, status, reason) in [
            ("HTTP/1.1 200 OK", 200, "OK"),
            ("HTTP/1.0 404 Not Found ", 404, "Not Found"),
            ("HTTP/1.1 204", 204, ""),
            ("HTTP/1.1 999 ", 999, ""),
        ] {
            let parsed = StatusLine::parse(line.as_bytes()).unwrap();
            assert_eq!((parsed.status, parsed.reason), (status, reason.as_bytes()));
        }
        for line in
            ["HTTP/1.1", "HTTP/1.1 20", "HTTP/1.1 2000", "HTTP/1.1 099 X", "HTTP/2 200", "ICY 200 OK", "http/1.1 200"]
        {
            assert_eq!(StatusLine::parse(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn every_beginning_of_a_start_line_may_become_one() {
        for (message, sends) in [
            ("QUERY /a HTTP/1.1\r\nHost: a\r\n\r\n", Sends::Requests),
            ("HTTP/1.1 200 OK\r\nA: b\r\n\r\n", Sends::Responses),
        ] {
            let line = message.find('\n').unwrap() + 1;
            for end in 0..message.len() {
                let expected = if end < line { Opening::Maybe } else { Opening::Yes };
                assert_eq!(opening(&message.as_bytes()[..end], sends), expected, "{}", &message[..end]);
            }
        }
    }

    #[test]
    fn what_cannot_become_a_start_line_is_told_from_its_first_bytes() {
        let long = "x".repeat(METHOD_LENGTH + 1);
        for (bytes, sends) in [
            ("\x16\x03\x01", Sends::Requests),
            (long.as_str(), Sends::Requests),
            ("GET \0", Sends::Requests),
            ("{\"a\"", Sends::Requests),
            ("SSH-2.0", Sends::Responses),
            ("HTTP/2", Sends::Responses),
            ("HTTP/1.1 200 OK\r\n\0", Sends::Responses),
        ] {
            assert_eq!(opening(bytes.as_bytes(), sends), Opening::No, "{bytes:?}");
        }
    }
}
