//! What text is written for: its width and whether it may have colours.

use super::super::values::{Form, TimeForm};
use super::super::visible;

/// Where the text will be looked at.
#[derive(Debug, Clone, Copy)]
pub(in crate::report) struct Screen {
    /// Columns of the terminal, none for a file or pipe.
    pub(in crate::report) width: Option<usize>,
    /// Whether colours may be used.
    pub(in crate::report) color: bool,
    /// Columns kept free on the left.
    pub(in crate::report) indent: usize,
}

/// A way to stand out, as the codes of ECMA-48 (SGR).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ink(&'static str);

impl Ink {
    pub(super) const BOLD: Self = Self("1");
    pub(super) const DIM: Self = Self("2");
    pub(super) const RED: Self = Self("31");
    pub(super) const GREEN: Self = Self("32");
    pub(super) const YELLOW: Self = Self("33");
    pub(super) const CYAN: Self = Self("36");
    pub(super) const BOLD_RED: Self = Self("1;31");
    pub(super) const BOLD_GREEN: Self = Self("1;32");
    pub(super) const BOLD_YELLOW: Self = Self("1;33");
}

impl Screen {
    /// A file or pipe.
    pub(in crate::report) const PLAIN: Self = Self { width: None, color: false, indent: 0 };

    /// The same screen with more kept free on the left.
    pub(super) const fn indented(self, by: usize) -> Self {
        Self { indent: self.indent + by, ..self }
    }

    /// Columns that a line may take right of the indent: at a terminal at least one.
    pub(super) fn room(self) -> usize {
        self.width.map_or(usize::MAX, |width| width.saturating_sub(self.indent).max(1))
    }

    /// Columns for what has to have a width even in a file: bars and plots.
    pub(super) fn drawing(self) -> usize {
        self.width.unwrap_or(80).saturating_sub(self.indent).max(1)
    }

    /// How values are written here if the place does not ask for another form of time.
    pub(super) const fn form(self) -> Form {
        Form { eased: self.width.is_some(), time: TimeForm::Exact }
    }

    /// Appends spaces up to the indent.
    pub(super) fn begin(self, to: &mut String) {
        pad(to, self.indent);
    }

    /// Appends what `write` appends, in that ink.
    pub(super) fn inked<T>(self, to: &mut String, ink: Ink, write: impl FnOnce(&mut String) -> T) -> T {
        if !self.color {
            return write(to);
        }
        to.push_str("\x1b[");
        to.push_str(ink.0);
        to.push('m');
        let written = write(to);
        to.push_str("\x1b[0m");
        written
    }

    /// Appends untrusted text, at a terminal broken between words into lines that leave `hang` columns free on the left
    /// from the second on. On the first line `used` columns are taken already.
    pub(super) fn prose(self, to: &mut String, used: usize, hang: usize, text: &str) {
        let mut column = used;
        for (i, word) in text.split_whitespace().enumerate() {
            let word = visible::line(word, usize::MAX);
            let width = visible::width(&word);
            if i > 0 && column.saturating_add(1 + width) > self.room() {
                to.push('\n');
                self.indented(hang).begin(to);
                column = hang;
            } else if i > 0 {
                to.push(' ');
                column += 1;
            }
            to.push_str(&word);
            column += width;
        }
    }

    /// Appends an indented line of untrusted text in that ink, cut at the width.
    pub(super) fn line(self, to: &mut String, ink: Ink, text: &str) {
        self.begin(to);
        self.inked(to, ink, |to| visible::append(to, self.room(), |to| to.write_str(text)));
        to.push('\n');
    }
}

/// Appends that many spaces.
pub(super) fn pad(to: &mut String, spaces: usize) {
    to.extend(std::iter::repeat_n(' ', spaces));
}
