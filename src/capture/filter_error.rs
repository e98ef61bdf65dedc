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
    const UNQUOTED: [&str; 4] =
        ["illegal port number ", "number ", "bogus ethernet address ", "bogus IPv6 address "];
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
        let inside = name.ends_with(is_word) && after.is_some_and(is_word);
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
