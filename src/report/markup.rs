//! Text inside XML and HTML.

use std::fmt::{self, Write};

use super::visible;

/// Appends text, with what means something in XML and HTML, in text and in attributes, as entities.
fn escape(to: &mut String, text: &str) {
    for piece in text.split_inclusive(['&', '<', '>', '"', '\'']) {
        let mut plain = piece.chars();
        let entity = match plain.next_back() {
            Some('&') => "&amp;",
            Some('<') => "&lt;",
            Some('>') => "&gt;",
            Some('"') => "&quot;",
            Some('\'') => "&#39;",
            _ => {
                to.push_str(piece);
                continue;
            }
        };
        to.push_str(plain.as_str());
        to.push_str(entity);
    }
}

/// Appends at most `limit` columns of what is written, as text of XML or HTML. What neither allows (control characters,
/// noncharacters) is made visible before. Gives the columns that it took.
pub(super) fn append(to: &mut String, limit: usize, write: impl FnOnce(&mut dyn Write) -> fmt::Result) -> usize {
    let mut text = String::new();
    let width = visible::append(&mut text, limit, write);
    escape(to, &text);
    width
}

/// The text as it stands in XML and HTML, at most that many columns of it.
pub(super) fn text(text: &str, limit: usize) -> String {
    let mut escaped = String::new();
    append(&mut escaped, limit, |to| to.write_str(text));
    escaped
}
