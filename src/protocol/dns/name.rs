//! Domain names, and the reader of bytes that finds them.

use std::fmt;
use std::hash::{Hash, Hasher};

/// A domain name, as its labels with their lengths. Upper and lower case are the same (RFC 4343).
#[derive(Clone)]
pub struct Name(Box<[u8]>);

impl Name {
    /// The labels, from the left to the right.
    pub fn labels(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &self.0[..];
        std::iter::from_fn(move || {
            let (&length, after) = rest.split_first()?;
            let (label, after) = after.split_at_checked(length.into())?;
            rest = after;
            Some(label)
        })
    }

    /// The same in lower case, for comparison with others. Lengths stay what they are: they are less than any letter.
    pub(super) fn lower(&self) -> Vec<u8> {
        self.0.to_ascii_lowercase()
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for Name {}

impl Hash for Name {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.lower().hash(hasher);
    }
}

/// As in zone files without the last dot; the root is `.`. Whoever answers can put any bytes into a name, so what is not
/// a visible character of ASCII is written `\027` (RFC 4343).
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str(".");
        }
        for (place, label) in self.labels().enumerate() {
            if place > 0 {
                f.write_str(".")?;
            }
            for &byte in label {
                match byte {
                    b'.' | b'\\' => write!(f, "\\{}", char::from(byte))?,
                    byte if byte.is_ascii_graphic() => write!(f, "{}", char::from(byte))?,
                    byte => write!(f, "\\{byte:03}")?,
                }
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Name({self})")
    }
}

/// Why bytes cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// They end too early.
    Short,
    /// They are not what the standard says.
    Malformed,
}

pub(super) type Read<T> = Result<T, Unreadable>;

/// Bytes of a name at most, with the length of the root (RFC 1035, section 2.3.4).
const LONGEST: usize = 255;

/// Compression pointers of a name at most: one for each label would be more than anybody writes.
const POINTERS: usize = 127;

/// Reads a message from some place on.
#[derive(Debug, Clone)]
pub(super) struct Reader<'a> {
    /// The message up to where may be read. Names point back into it.
    bytes: &'a [u8],
    pub(super) at: usize,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    /// A reader that ends that many bytes from here; this one goes on behind them.
    pub(super) fn part(&mut self, length: usize) -> Read<Self> {
        let at = self.at;
        self.take(length)?;
        Ok(Self { bytes: &self.bytes[..self.at], at })
    }

    pub(super) fn take(&mut self, length: usize) -> Read<&'a [u8]> {
        let taken = self.rest().get(..length).ok_or(Unreadable::Short)?;
        self.at += length;
        Ok(taken)
    }

    /// What is left, without taking it.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    fn array<const N: usize>(&mut self) -> Read<[u8; N]> {
        self.take(N)?.try_into().map_err(|_| Unreadable::Short)
    }

    pub(super) fn u8(&mut self) -> Read<u8> {
        self.array().map(u8::from_be_bytes)
    }

    pub(super) fn u16(&mut self) -> Read<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Read<u32> {
        self.array().map(u32::from_be_bytes)
    }

    /// Bytes behind their length.
    pub(super) fn counted(&mut self) -> Read<&'a [u8]> {
        let length = self.u8()?;
        self.take(length.into())
    }

    /// A name. Each pointer goes back behind the one before, so that there are no circles.
    pub(super) fn name(&mut self) -> Read<Name> {
        let mut name = Vec::new();
        let mut reader = self.clone();
        let (mut end, mut start, mut pointers) = (None, self.at, 0);
        loop {
            let length = reader.u8()?;
            match length >> 6 {
                0 if length == 0 => break,
                0 => {
                    name.push(length);
                    name.extend_from_slice(reader.take(length.into())?);
                    if name.len() >= LONGEST {
                        return Err(Unreadable::Malformed);
                    }
                }
                3 => {
                    let target = usize::from(length & 0x3f) << 8 | usize::from(reader.u8()?);
                    pointers += 1;
                    if target >= start || pointers > POINTERS {
                        return Err(Unreadable::Malformed);
                    }
                    end.get_or_insert(reader.at);
                    (start, reader.at) = (target, target);
                }
                _ => return Err(Unreadable::Malformed),
            }
        }
        self.at = end.unwrap_or(reader.at);
        Ok(Name(name.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The name at that place, and where reading goes on.
    fn name(bytes: &[u8], at: usize) -> Read<(String, usize)> {
        let mut reader = Reader::new(bytes, at);
        reader.name().map(|name| (name.to_string(), reader.at))
    }

    #[test]
    fn names_are_read_through_pointers() {
        let bytes = b"\x01a\x00\x01b\xc0\x00\xc0\x03x";
        for (at, text, end) in [(0, "a", 3), (3, "b.a", 7), (7, "b.a", 9), (2, ".", 3)] {
            assert_eq!(name(bytes, at), Ok((text.to_owned(), end)));
        }
    }

    #[test]
    fn names_cannot_steer_a_terminal_and_say_where_their_labels_end() {
        assert_eq!(name(b"\x07\x1b[2Ja.b\x03\\ \xff\x00", 0).unwrap().0, "\\027[2Ja\\.b.\\\\\\032\\255");
    }

    #[test]
    fn pointers_that_do_not_go_back_are_no_name() {
        for bytes in
            [&b"\xc0\x00"[..], b"\xc0\x02\x00", b"\x01a\xc0\x00", b"\xc0\x02\xc0\x00", b"\x40\x00", b"\x80\x00"]
        {
            assert_eq!(name(bytes, 0), Err(Unreadable::Malformed), "{bytes:?}");
        }
        assert_eq!(name(b"\xc0\x02\xc0\x00", 2), Err(Unreadable::Malformed));
    }

    #[test]
    fn a_long_row_of_pointers_is_given_up() {
        let pointers = (0..200u16).flat_map(|place| (0xc000 | (2 * place)).to_be_bytes());
        let row: Vec<u8> = [0, 0].into_iter().chain(pointers).collect();
        assert!(name(&row, 2 * 127).is_ok());
        assert_eq!(name(&row, 2 * 128), Err(Unreadable::Malformed));
    }

    #[test]
    fn a_name_has_255_bytes_at_most() {
        let long =
            |last: u8| [&[[63u8; 64].as_slice(); 3].concat()[..], &[last], &vec![b'x'; last.into()], &[0]].concat();
        assert!(name(&long(61), 0).is_ok());
        assert_eq!(name(&long(62), 0), Err(Unreadable::Malformed));
        assert_eq!(name(&long(61)[..254], 0), Err(Unreadable::Short));
    }

    #[test]
    fn case_makes_no_difference() {
        let read = |bytes: &[u8]| Reader::new(bytes, 0).name().unwrap();
        assert_eq!(read(b"\x02aB\x00"), read(b"\x02Ab\x00"));
        assert_ne!(read(b"\x02aB\x00"), read(b"\x01a\x01B\x00"));
    }
}
