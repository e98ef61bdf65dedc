//! The head of a message: start line and header fields, sliced when they are asked for.

use std::borrow::Cow;

use memchr::memchr;

use super::start_line::{RequestLine, StatusLine, is_token, without_line_end};

/// A head as it was sent, or the whole lines of it that are there.
#[derive(Debug)]
pub(super) struct Head {
    bytes: Box<[u8]>,
    /// Where the field lines begin.
    fields: u32,
}

impl Head {
    /// A head whose field lines begin at that offset.
    pub(super) fn new(bytes: &[u8], fields: usize) -> Self {
        Self { bytes: bytes.into(), fields: u32::try_from(fields).unwrap_or(u32::MAX) }
    }

    /// How many bytes are kept.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    fn start_line(&self) -> &[u8] {
        without_line_end(self.bytes.get(..self.fields as usize).unwrap_or_default())
    }

    /// The request line, if this is a request.
    pub(super) fn request_line(&self) -> Option<RequestLine<'_>> {
        RequestLine::parse(self.start_line())
    }

    /// The status line, if this is a response.
    pub(super) fn status_line(&self) -> Option<StatusLine<'_>> {
        StatusLine::parse(self.start_line())
    }

    /// The header fields in the order in which they were sent.
    pub(super) fn fields(&self) -> Fields<'_> {
        Fields(self.bytes.get(self.fields as usize..).unwrap_or_default())
    }

    /// The value of the first field with that name, in any case.
    pub(super) fn field(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        self.fields_named(name).next()
    }

    /// The values of all fields with that name, in any case.
    pub(super) fn fields_named(&self, name: &str) -> impl Iterator<Item = Cow<'_, [u8]>> {
        self.fields().filter(move |field| field.name().eq_ignore_ascii_case(name.as_bytes())).map(|field| field.value)
    }
}

/// Iterates over field lines, of a head or of trailers.
#[derive(Debug, Clone)]
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

/// A header or trailer field.
#[derive(Debug)]
pub(super) struct Field<'a> {
    /// All before the colon; empty where a line has none.
    before_colon: &'a [u8],
    /// Its value without blanks around it, folded lines joined by a blank.
    pub(super) value: Cow<'a, [u8]>,
}

impl<'a> Field<'a> {
    /// Its name as sent, without blanks before the colon; empty where a line has no colon.
    pub(super) fn name(&self) -> &'a [u8] {
        self.before_colon.trim_ascii()
    }

    /// Whether the line is as RFC 9112, section 5, has it.
    pub(super) fn is_well_formed(&self) -> bool {
        is_token(self.before_colon)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        let mut end = 0;
        loop {
            end += memchr(b'\n', &self.0[end..]).map_or(self.0.len() - end, |newline| newline + 1);
            if !matches!(self.0.get(end), Some(b' ' | b'\t')) {
                break;
            }
        }
        let (line, rest) = self.0.split_at(end);
        self.0 = rest;
        let line = without_line_end(line);
        if line.is_empty() {
            return None;
        }
        let colon = memchr(b':', line);
        let (name, value) = colon.map_or((&line[..0], line), |colon| (&line[..colon], &line[colon + 1..]));
        Some(Field { before_colon: name, value: unfolded(value) })
    }
}

/// A field value without blanks around it, and in one line.
pub(super) fn unfolded(value: &[u8]) -> Cow<'_, [u8]> {
    let value = value.trim_ascii();
    if memchr(b'\n', value).is_none() {
        return Cow::Borrowed(value);
    }
    let lines = value.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
    Cow::Owned(lines.collect::<Vec<_>>().join(&b' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(fields: &str) -> Vec<(String, String, bool)> {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Fields(fields.as_bytes())
            .map(|field| (text(field.name()), text(&field.value), field.is_well_formed()))
            .collect()
    }

    #[test]
    fn fields_have_names_and_values_without_blanks_around_them() {
        let fields = "Host: a\r\nEmpty:\r\nTabbed:\t b \t\nLast:c";
        let expected = [("Host", "a"), ("Empty", ""), ("Tabbed", "b"), ("Last", "c")];
        assert_eq!(shown(fields), expected.map(|(name, value)| (name.to_owned(), value.to_owned(), true)));
    }

    #[test]
    fn folded_lines_are_joined() {
        let fields = "A: one\r\n two\r\n\t three \r\nB: \r\n x\r\n\r\n";
        let expected = [("A", "one two three"), ("B", "x")];
        assert_eq!(shown(fields), expected.map(|(name, value)| (name.to_owned(), value.to_owned(), true)));
    }

    #[test]
    fn lines_that_are_no_fields_are_kept_and_told() {
        let fields = "Length : 5\r\nno colon\r\n: nameless\r\n\r\n";
        let expected = [("Length", "5"), ("", "no colon"), ("", "nameless")];
        assert_eq!(shown(fields), expected.map(|(name, value)| (name.to_owned(), value.to_owned(), false)));
    }

    #[test]
    fn lookups_ignore_case_and_find_every_field_of_a_name() {
        let bytes = b"GET / HTTP/1.1\r\nX-Forwarded-For: a\r\nx-forwarded-for: b\r\n\r\n";
        let head = Head::new(bytes, 16);
        assert_eq!(head.field("x-Forwarded-for").as_deref(), Some(&b"a"[..]));
        assert_eq!(head.fields_named("X-FORWARDED-FOR").count(), 2);
        assert_eq!(head.field("host"), None);
        assert_eq!(head.request_line().unwrap().target, b"/");
        assert_eq!(head.status_line(), None);
    }
}
