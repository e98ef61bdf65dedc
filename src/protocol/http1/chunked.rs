//! The chunked transfer coding (RFC 9112, section 7.1).

use memchr::memchr;

/// Follows the chunks of one body.
#[derive(Debug, Default)]
pub(super) struct Chunked {
    state: State,
    /// What is left of the current chunk, or its size as far as it was read, in bytes.
    size: u64,
    /// The trailer fields so far, in whole and begun lines.
    trailers: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    /// Before the first digit of a chunk size.
    #[default]
    Begin,
    /// Among the digits of a chunk size.
    Size,
    /// After the digits and perhaps a blank: an extension or the line end.
    AfterSize,
    /// In an extension, which has no bearing on the body.
    Extension,
    /// After the CR that ends the size line.
    SizeEnd,
    /// In the data of a chunk.
    Data,
    /// Before the line end that follows the data.
    DataEnd,
    /// Before the LF that follows the data and a CR.
    DataEndLf,
    /// In the trailer section.
    Trailers,
}

/// The next part of a chunked body.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Chunk<'a> {
    /// Bytes of the body.
    Data(&'a [u8]),
    /// The body is over; these were its trailer fields.
    End(Vec<u8>),
    /// The trailer fields are longer than allowed.
    TrailersTooLong,
    /// This is not how chunks look.
    Bad,
}

impl Chunked {
    /// The next part, taken off the front of `bytes`; none if more bytes are needed.
    pub(super) fn next<'a>(&mut self, bytes: &mut &'a [u8], trailer_limit: usize) -> Option<Chunk<'a>> {
        loop {
            if self.state == State::Data {
                let length = usize::try_from(self.size).unwrap_or(usize::MAX).min(bytes.len());
                let (data, rest) = bytes.split_at(length);
                *bytes = rest;
                self.size -= length as u64;
                if self.size == 0 {
                    self.state = State::DataEnd;
                }
                if data.is_empty() {
                    return None;
                }
                return Some(Chunk::Data(data));
            }
            if self.state == State::Trailers {
                return self.trailers(bytes, trailer_limit);
            }
            let (&byte, rest) = bytes.split_first()?;
            self.state = match (self.state, byte) {
                (State::Begin | State::Size, byte) if byte.is_ascii_hexdigit() => {
                    let digit = (byte as char).to_digit(16).unwrap_or_default();
                    match self.size.checked_mul(16) {
                        Some(size) => self.size = size | u64::from(digit),
                        None => return Some(Chunk::Bad),
                    }
                    State::Size
                }
                (State::Size | State::AfterSize, b' ' | b'\t') => State::AfterSize,
                (State::Size | State::AfterSize, b';') => State::Extension,
                (State::Size | State::AfterSize, b'\r') => State::SizeEnd,
                (State::Size | State::AfterSize | State::SizeEnd, b'\n') => self.data_or_trailers(),
                (State::Extension, b'\n') => self.data_or_trailers(),
                (State::Extension, _) => {
                    *bytes = &bytes[memchr(b'\n', bytes).unwrap_or(bytes.len())..];
                    continue;
                }
                (State::DataEnd, b'\r') => State::DataEndLf,
                (State::DataEnd | State::DataEndLf, b'\n') => State::Begin,
                _ => return Some(Chunk::Bad),
            };
            *bytes = rest;
        }
    }

    fn data_or_trailers(&self) -> State {
        if self.size > 0 { State::Data } else { State::Trailers }
    }

    fn trailers<'a>(&mut self, bytes: &mut &'a [u8], limit: usize) -> Option<Chunk<'a>> {
        // Without trailer fields nothing is copied.
        if self.trailers.is_empty()
            && let Some(rest) = bytes.strip_prefix(b"\r\n")
        {
            *bytes = rest;
            return Some(Chunk::End(Vec::new()));
        }
        while !bytes.is_empty() {
            let length = memchr(b'\n', bytes).map_or(bytes.len(), |newline| newline + 1);
            let (line, rest) = bytes.split_at(length);
            self.trailers.extend_from_slice(line);
            *bytes = rest;
            if self.trailers.len() > limit {
                return Some(Chunk::TrailersTooLong);
            }
            let before = ["\r\n", "\n"].iter().find_map(|empty| self.trailers.strip_suffix(empty.as_bytes()));
            if let Some(fields) = before.filter(|fields| fields.last().is_none_or(|&byte| byte == b'\n')) {
                let length = fields.len();
                self.trailers.truncate(length);
                return Some(Chunk::End(std::mem::take(&mut self.trailers)));
            }
        }
        None
    }

    /// Passes over missing bytes, if they all belong to the data of the current chunk.
    pub(super) fn skip(&mut self, missing: u64) -> bool {
        if self.state != State::Data || missing > self.size {
            return false;
        }
        self.size -= missing;
        if self.size == 0 {
            self.state = State::DataEnd;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The body and what ends it, of bytes that come in pieces of that length.
    fn decode(bytes: &[u8], piece: usize) -> (Vec<u8>, Option<Chunk<'static>>, usize) {
        let (mut chunked, mut body, mut done) = (Chunked::default(), Vec::new(), 0);
        for mut rest in bytes.chunks(piece) {
            let length = rest.len();
            while let Some(chunk) = chunked.next(&mut rest, 64) {
                let end = match chunk {
                    Chunk::Data(data) => {
                        body.extend_from_slice(data);
                        continue;
                    }
                    Chunk::End(trailers) => Chunk::End(trailers),
                    Chunk::TrailersTooLong => Chunk::TrailersTooLong,
                    Chunk::Bad => Chunk::Bad,
                };
                return (body, Some(end), done + length - rest.len());
            }
            done += length;
        }
        (body, None, done)
    }

    #[test]
    fn chunks_are_joined_and_end_where_they_say() {
        for (bytes, body, trailers) in [
            ("0\r\n\r\n", "", ""),
            ("5\r\nhello\r\n0\r\n\r\n", "hello", ""),
            ("5;name=\"va;lue\"\r\nhello\r\n6 \r\n world\r\n000\r\n\r\n", "hello world", ""),
            ("A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", "01234567890123456789", ""),
            ("1\nx\n0\n\n", "x", ""),
            ("1\r\nx\r\n0\r\nA: b\r\nC: d\r\n\r\n", "x", "A: b\r\nC: d\r\n"),
            ("1\r\nx\r\n0; end\r\nA: b\n\n", "x", "A: b\n"),
        ] {
            let sent = [bytes, "NEXT"].concat();
            for piece in 1..=sent.len() {
                let end = Some(Chunk::End(trailers.as_bytes().to_vec()));
                assert_eq!(decode(sent.as_bytes(), piece), (body.as_bytes().to_vec(), end, bytes.len()), "{bytes:?}");
            }
        }
    }

    #[test]
    fn what_is_no_chunk_is_told() {
        let too_big = "11111111111111111\r\n";
        for bytes in ["\r\n", "x\r\n", "-1\r\n", "0x1\r\n", "5 5\r\nhello", "1\r\nxy\r\n", "1\r\rx", ";\r\n", too_big] {
            for piece in 1..=bytes.len() {
                assert_eq!(decode(bytes.as_bytes(), piece).1, Some(Chunk::Bad), "{bytes:?}");
            }
        }
    }

    #[test]
    fn trailers_are_bounded() {
        let bytes = format!("0\r\nA: {}\r\n\r\n", "x".repeat(64));
        assert_eq!(decode(bytes.as_bytes(), 7).1, Some(Chunk::TrailersTooLong));
    }

    #[test]
    fn missing_bytes_are_passed_over_inside_a_chunk_only() {
        let mut chunked = Chunked::default();
        assert!(!chunked.skip(1));
        let mut bytes = &b"5\r\nhe"[..];
        assert_eq!(chunked.next(&mut bytes, 64), Some(Chunk::Data(b"he")));
        assert!(!chunked.skip(4));
        assert!(chunked.skip(3));
        assert_eq!(chunked.next(&mut &b"\r\n0\r\n\r\n"[..], 64), Some(Chunk::End(Vec::new())));
    }
}
