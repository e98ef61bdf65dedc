//! Text from the network, made harmless and cut to a width.

use std::fmt::{self, Write};

use unicode_width::UnicodeWidthChar;

/// Combining marks that may stand on one character; what stacks more is not a language.
const MARKS: u8 = 4;

/// Writes out what would not be seen as itself: control characters and terminal escapes (`\n`, `\x1b`), and characters
/// that are invisible or turn the direction of the text (`\u{202e}`; Unicode UAX #9 and UTS #55).
///
/// A backslash stays a backslash, so this is for reading, not for reading back.
pub(super) struct Visible<W> {
    to: W,
    marks: u8,
}

impl<W: Write> Visible<W> {
    pub(super) const fn new(to: W) -> Self {
        // A mark that stands first would sit on whatever was written before.
        Self { to, marks: MARKS }
    }
}

impl<W: Write> Write for Visible<W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if text.is_empty() {
            return Ok(());
        }
        if text.bytes().all(|b| matches!(b, b' '..=b'~')) {
            self.marks = 0;
            return self.to.write_str(text);
        }
        text.chars().try_for_each(|c| self.write_char(c))
    }

    fn write_char(&mut self, c: char) -> fmt::Result {
        match c {
            '\n' => self.to.write_str("\\n")?,
            '\r' => self.to.write_str("\\r")?,
            '\t' => self.to.write_str("\\t")?,
            _ if c.is_ascii_control() => write!(self.to, "\\x{:02x}", u32::from(c))?,
            _ if c.is_control() || is_hidden(c) => write!(self.to, "\\u{{{:x}}}", u32::from(c))?,
            _ if c.width() == Some(0) => {
                if self.marks == MARKS {
                    return write!(self.to, "\\u{{{:x}}}", u32::from(c));
                }
                self.marks += 1;
                return self.to.write_char(c);
            }
            _ => self.to.write_char(c)?,
        }
        self.marks = 0;
        Ok(())
    }
}

/// Whether a character shows nothing or changes how others are shown: the format characters, line separators, fillers,
/// variation selectors, tags and noncharacters of Unicode 16.
pub(super) fn is_hidden(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}'
        | '\u{8e2}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{fdd0}'..='\u{fdef}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
        | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
        || u32::from(c) & 0xfffe == 0xfffe
}

/// Appends to a text until a width in terminal columns is reached; what is cut ends in `…`.
///
/// The width is the sum over the characters, which is what terminals agree on at least.
struct Cut<'a> {
    to: &'a mut String,
    limit: usize,
    width: usize,
    /// Where the text ends, and how wide it is, if an ellipsis has to follow.
    room: (usize, usize),
}

impl Write for Cut<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if text.is_ascii() && self.width + text.len() < self.limit {
            self.to.push_str(text);
            self.width += text.len();
            self.room = (self.to.len(), self.width);
            return Ok(());
        }
        text.chars().try_for_each(|c| self.write_char(c))
    }

    fn write_char(&mut self, c: char) -> fmt::Result {
        let width = self.width + c.width().unwrap_or(0);
        if width > self.limit {
            self.to.truncate(self.room.0);
            if self.limit > 0 {
                self.to.push('…');
            }
            self.width = (self.room.1 + 1).min(self.limit);
            return Err(fmt::Error);
        }
        self.to.push(c);
        self.width = width;
        if width < self.limit {
            self.room = (self.to.len(), width);
        }
        Ok(())
    }
}

/// Appends at most `limit` terminal columns of what is written, made visible, and gives the width that it took.
pub(super) fn append(
    to: &mut String,
    limit: usize,
    write: impl FnOnce(&mut dyn Write) -> Result<(), fmt::Error>,
) -> usize {
    let room = (to.len(), 0);
    let mut cut = Visible::new(Cut { to, limit, width: 0, room });
    // The only error is that the rest was cut.
    let _: fmt::Result = write(&mut cut);
    cut.to.width
}

/// The text made visible, at most that wide.
pub(super) fn line(text: &str, limit: usize) -> String {
    let mut line = String::new();
    append(&mut line, limit, |to| to.write_str(text));
    line
}

/// Text from anywhere as it may be written to a terminal: lines and tabs stay, whatever else could steer the terminal or
/// hide is written out (`\x1b`, `\u{202e}`).
#[must_use]
pub fn harmless(text: &str) -> String {
    let lines = text.split('\n').map(|each| each.split('\t').map(|part| line(part, usize::MAX)).collect::<Vec<_>>());
    lines.map(|parts| parts.join("\t")).collect::<Vec<_>>().join("\n")
}

/// The width of text that is visible already, in terminal columns.
pub(super) fn width(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_text_of_any_script_stays_as_it_is() {
        for text in ["/api/v1?x=1&y=\\n", "Größe", "日本語", "हिन्दी", "עברית", "e\u{301}tude", "🦀", ""]
        {
            assert_eq!(line(text, usize::MAX), text);
        }
    }

    #[test]
    fn terminal_escapes_and_controls_are_written_out() {
        assert_eq!(line("\x1b[2J\x1b]0;owned\x07\r\n\t\x7f\0", 99), "\\x1b[2J\\x1b]0;owned\\x07\\r\\n\\t\\x7f\\x00");
        assert_eq!(line("a\u{9b}31mb", 99), "a\\u{9b}31mb");
    }

    #[test]
    fn harmless_text_keeps_its_lines_and_tabs_only() {
        assert_eq!(harmless("a\tb\r\n\x1b[31mc\n"), "a\tb\\r\n\\x1b[31mc\n");
    }

    #[test]
    fn invisible_and_turning_characters_are_written_out() {
        assert_eq!(line("gpj\u{202e}exe", 99), "gpj\\u{202e}exe");
        assert_eq!(
            line("pay\u{200b}pal\u{feff}\u{e0041}\u{2066}\u{ffff}", 99),
            "pay\\u{200b}pal\\u{feff}\\u{e0041}\\u{2066}\\u{ffff}"
        );
    }

    #[test]
    fn marks_neither_stack_up_nor_sit_on_what_stands_before() {
        assert_eq!(line("\u{301}a", 99), "\\u{301}a");
        let stacked = format!("a{}", "\u{301}".repeat(5));
        assert_eq!(line(&stacked, 99), format!("a{}\\u{{301}}", "\u{301}".repeat(4)));
    }

    #[test]
    fn a_cut_text_ends_in_an_ellipsis_and_is_never_wider() {
        for (text, limit, cut, width) in [
            ("abcdef", 6, "abcdef", 6),
            ("abcdef", 5, "abcd…", 5),
            ("abcdef", 1, "…", 1),
            ("abcdef", 0, "", 0),
            ("日本語", 6, "日本語", 6),
            ("日本語", 5, "日本…", 5),
            ("日本語", 4, "日…", 3),
            ("日本語", 1, "…", 1),
            ("a\x1bb", 4, "a\\x…", 4),
            ("ab\u{301}c", 2, "a…", 2),
        ] {
            let mut to = String::new();
            assert_eq!(append(&mut to, limit, |to| to.write_str(text)), width, "{text:?}");
            assert_eq!(to, cut);
        }
    }

    #[test]
    fn a_cut_text_written_in_pieces_is_cut_the_same() {
        let mut to = "| ".to_owned();
        let width = append(&mut to, 4, |to| {
            to.write_str("ab")?;
            to.write_str("cd")?;
            to.write_str("ef")
        });
        assert_eq!((to.as_str(), width), ("| abc…", 4));
    }
}
