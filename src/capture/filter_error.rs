//! Errors in filter expressions, and where they are.

use std::fmt;

use crate::packet::LinkType;

/// A filter that libpcap does not accept.
///
/// Prints as one line; [`pointed`](Self::pointed) shows the place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterError {
    text: String,
    link: LinkType,
    message: String,
    at: Option<usize>,
}

impl FilterError {
    pub(super) fn new(text: &str, link: LinkType, message: String, at: Option<usize>) -> Self {
        Self { text: text.to_owned(), link, message, at }
    }

    /// The filter.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The link type that it was compiled for.
    #[must_use]
    pub const fn link(&self) -> LinkType {
        self.link
    }

    /// What libpcap says.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Offset in the text, in bytes, of the word that libpcap stumbled over; the length of the text if something is
    /// missing at its end. `None` where that is not certain.
    #[must_use]
    pub const fn at(&self) -> Option<usize> {
        self.at
    }

    /// The text, and under it a caret at the place, where that is known.
    #[must_use]
    pub fn pointed(&self) -> Option<String> {
        let before = self.text.get(..self.at?)?;
        Some(format!("{}\n{}^", self.text, " ".repeat(unicode_width::UnicodeWidthStr::width(before))))
    }
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "filter `{}`: {}", self.text, self.message)
    }
}

impl std::error::Error for FilterError {}

/// Where the error is in the text, if that is certain. `compile` gives the error for another text.
pub(super) fn locate(text: &str, message: &str, compile: impl Fn(&str) -> Option<String>) -> Option<usize> {
    if message.contains("syntax error") { locate_syntax_error(text, compile) } else { locate_named(text, message) }
}

/// Finds the first word that the grammar does not allow where it is.
///
/// libpcap does not tell. But it reads a word only after it has accepted all words before it, and it complains in
/// different words about a malformed Ethernet address as soon as it has read one. So a beginning of the text is fine if,
/// with a malformed address behind it, it is that address which libpcap complains about.
fn locate_syntax_error(text: &str, compile: impl Fn(&str) -> Option<String>) -> Option<usize> {
    const PROBE: &str = "0:0:";
    const PROBED: &str = "bogus ethernet address 0:0:";
    let is_fine = |beginning: &str| compile(&format!("{beginning} {PROBE}")).is_some_and(|error| error == PROBED);
    if text.contains(PROBE) || !is_fine("") {
        return None;
    }
    let words = words(text);
    // Beginnings are fine up to the word that is not. Few have to be tried, because each may look up names.
    let fine = words.partition_point(|(_, end)| is_fine(&text[..*end]));
    Some(words.get(fine).map_or(text.len(), |(start, _)| *start))
}

/// Finds what libpcap quotes, if the text has it in one place only.
fn locate_named(text: &str, message: &str) -> Option<usize> {
    const UNQUOTED: [&str; 4] = ["illegal port number ", "number ", "bogus ethernet address ", "bogus IPv6 address "];
    let quoted = |quote: char| {
        let (_, rest) = message.split_once(quote)?;
        rest.split_once(quote).map(|(name, _)| name)
    };
    let unquoted =
        || UNQUOTED.iter().find_map(|words| message.strip_prefix(words)).and_then(|rest| rest.split(' ').next());
    let name = quoted('\'').or_else(|| quoted('"')).or_else(unquoted).filter(|name| !name.is_empty())?;
    let mut places = text.match_indices(name).map(|(at, _)| at).filter(|at| {
        let before = text[..*at].chars().next_back();
        let after = text[at + name.len()..].chars().next();
        // A malformed address is quoted up to a colon only.
        let inside = !name.ends_with(':') && name.ends_with(is_word) && after.is_some_and(is_word);
        !before.is_some_and(is_word) && !inside
    });
    let at = places.next()?;
    places.next().is_none().then_some(at)
}

/// Where the words of a filter begin and end. A word here may be several words to libpcap, but never the other way.
fn words(text: &str) -> Vec<(usize, usize)> {
    const PAIRS: [&str; 8] = ["&&", "||", "!=", ">=", "<=", "==", "<<", ">>"];
    let mut words = Vec::new();
    let mut rest = text.char_indices().peekable();
    while let Some((start, c)) = rest.next() {
        if c.is_whitespace() {
            continue;
        }
        if is_word(c) {
            while rest.next_if(|(_, c)| is_word(*c)).is_some() {}
        } else if PAIRS.iter().any(|pair| text[start..].starts_with(pair)) {
            rest.next();
        }
        words.push((start, rest.peek().map_or(text.len(), |(end, _)| *end)));
    }
    words
}

/// What names, numbers and addresses are made of.
fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':' | '/' | '\\' | '$')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_libpcap_quotes_is_found_if_it_is_there_once_and_whole() {
        for (text, message, at) in [
            ("tcp and host db.example", "unknown host 'db.example'", Some(13)),
            ("host db or host db", "unknown host 'db'", None),
            ("host a.db or host db", "unknown host 'db'", Some(18)),
            ("host db-1 or host db", "unknown host 'db'", Some(18)),
            ("net 1.2.3.4/24", "non-network bits set in \"1.2.3.4/24\"", Some(4)),
            ("ether host 1:2:3:4:5:6:7", "bogus ethernet address 1:2:3:4:5:6:", Some(11)),
            ("tcp port 70000", "illegal port number 70000 > 65535", Some(9)),
            ("tcp[0:3] = 1", "data size must be 1, 2, or 4", None),
            ("host ''", "unknown host ''", None),
        ] {
            assert_eq!(locate(text, message, |_| None), at, "{text}");
        }
    }

    #[test]
    fn no_place_is_told_if_libpcap_does_not_behave_as_expected() {
        for answer in [None, Some("syntax error"), Some("bogus ethernet address")] {
            assert_eq!(locate("tcp prot 80", "syntax error", |_| answer.map(str::to_owned)), None);
        }
    }

    #[test]
    fn words_are_told_apart_as_libpcap_does_or_coarser() {
        let found = |text: &'static str| words(text).into_iter().map(|(from, to)| &text[from..to]).collect::<Vec<_>>();
        assert_eq!(found("tcp[13]&2!=0"), ["tcp", "[", "13", "]", "&", "2", "!=", "0"]);
        assert_eq!(found("(a-b.c)&&fe80::1/64 ||!x"), ["(", "a-b.c", ")", "&&", "fe80::1/64", "||", "!", "x"]);
        assert_eq!(found(" é>> 1>=2 "), ["é", ">>", "1", ">=", "2"]);
    }

    #[test]
    fn the_caret_stands_under_wide_characters_too() {
        let error = FilterError::new("漢 x", LinkType::ETHERNET, "no".into(), Some(4));
        assert_eq!(error.pointed().as_deref(), Some("漢 x\n   ^"));
    }
}
