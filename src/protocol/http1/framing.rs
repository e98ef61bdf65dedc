//! How long a body is (RFC 9112, section 6).

use super::flags::Flags;
use super::head::unfolded;

/// What a head says about the body that follows, and about what comes after the message.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Framing {
    /// What is remarkable about the head.
    pub(super) flags: Flags,
    /// The status of a response.
    pub(super) status: u16,
    /// Whether the version is HTTP/1.0.
    pub(super) version_1_0: bool,
    /// The method of a request.
    pub(super) method: Method,
    /// Whether the body may have codings to undo.
    pub(super) coded: bool,
    /// Whether there is a Transfer-Encoding other than `identity`, and what is last in it.
    coding: Option<Coding>,
    /// What Content-Length says.
    length: Option<u64>,
}

/// The last transfer coding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    Chunked,
    Other,
}

/// How long a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyLength {
    /// That many bytes.
    Fixed(u64),
    /// Until the last chunk.
    Chunked,
    /// Until the connection closes.
    UntilClose,
    /// The connection is no HTTP/1.x any more after this head.
    Tunnel,
    /// It cannot be known, and so neither where the next message begins.
    Unknown,
}

/// The methods that change what a response to them looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Method {
    /// The response has no body, whatever its head says.
    Head,
    /// The connection becomes a tunnel if the response is positive.
    Connect,
    /// Any other method, or one that was not seen.
    #[default]
    Other,
}

impl Framing {
    /// Takes in a field line, if it says something about the body.
    pub(super) fn field(&mut self, line: &[u8]) {
        // Most fields are told apart by their first letter.
        match line.first().map(u8::to_ascii_lowercase) {
            Some(b'c') => {
                if let Some(length) = value(line, b"content-length") {
                    self.content_length(length);
                }
                self.coded |= value(line, b"content-encoding").is_some();
            }
            Some(b't') => {
                if let Some(codings) = value(line, b"transfer-encoding") {
                    self.transfer_encoding(codings);
                }
            }
            _ => {}
        }
    }

    fn content_length(&mut self, value: &[u8]) {
        for number in unfolded(value).split(|&byte| byte == b',') {
            let number = number.trim_ascii();
            let is_number = !number.is_empty() && number.iter().all(u8::is_ascii_digit);
            match std::str::from_utf8(number).ok().filter(|_| is_number).and_then(|number| number.parse().ok()) {
                None => self.flags |= Flags::BAD_CONTENT_LENGTH,
                Some(length) if self.length.is_some_and(|earlier| earlier != length) => {
                    self.flags |= Flags::DIFFERING_CONTENT_LENGTH;
                }
                Some(length) => self.length = Some(length),
            }
        }
    }

    fn transfer_encoding(&mut self, value: &[u8]) {
        for coding in unfolded(value).split(|&byte| byte == b',') {
            let coding = coding.trim_ascii();
            if coding.is_empty() || coding.eq_ignore_ascii_case(b"identity") {
                continue;
            }
            if self.coding == Some(Coding::Chunked) {
                self.flags |= Flags::BAD_TRANSFER_ENCODING;
            }
            self.coded = true;
            let chunked = coding.eq_ignore_ascii_case(b"chunked");
            self.coding = Some(if chunked { Coding::Chunked } else { Coding::Other });
        }
    }

    /// What is remarkable about a whole head.
    pub(super) fn findings(&self) -> Flags {
        let mut flags = self.flags;
        if self.coding.is_some() && self.length.is_some() {
            flags |= Flags::CONTENT_LENGTH_AND_TRANSFER_ENCODING;
        }
        if self.coding.is_some() && self.version_1_0 {
            flags |= Flags::TRANSFER_ENCODING_IN_HTTP_1_0;
        }
        if self.coding == Some(Coding::Other) {
            flags |= Flags::BAD_TRANSFER_ENCODING;
        }
        flags
    }

    /// How long the body of a request with this head is.
    pub(super) fn of_request(&self) -> BodyLength {
        match self.coding {
            Some(Coding::Chunked) => BodyLength::Chunked,
            Some(Coding::Other) => BodyLength::Unknown,
            None => self.by_content_length().unwrap_or(BodyLength::Fixed(0)),
        }
    }

    /// How long the body of a response with this head is, if it answers a request with that method.
    pub(super) fn of_response(&self, request: Method) -> BodyLength {
        match (self.status, request) {
            (101, _) | (200..=299, Method::Connect) => BodyLength::Tunnel,
            (100..=199 | 204 | 304, _) | (_, Method::Head) => BodyLength::Fixed(0),
            _ => match self.coding {
                Some(Coding::Chunked) => BodyLength::Chunked,
                Some(Coding::Other) => BodyLength::UntilClose,
                None => self.by_content_length().unwrap_or(BodyLength::UntilClose),
            },
        }
    }

    fn by_content_length(&self) -> Option<BodyLength> {
        if self.flags.has_any(Flags::BAD_CONTENT_LENGTH | Flags::DIFFERING_CONTENT_LENGTH) {
            return Some(BodyLength::Unknown);
        }
        self.length.map(BodyLength::Fixed)
    }
}

/// The value of a field line, if it has this name (in lower case); blanks before the colon are passed over.
fn value<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (start, rest) = line.split_at_checked(name.len())?;
    if !start.eq_ignore_ascii_case(name) {
        return None;
    }
    rest.trim_ascii_start().strip_prefix(b":")
}
