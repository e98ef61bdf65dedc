//! One record as a card: a line for each field that has a value.

use std::borrow::Cow;

use super::super::numbers::{Grouped, counted};
use super::super::values::write_value;
use super::super::visible;
use super::screen::{Ink, Screen, pad};
use crate::record::{Content, Record, Value};

/// Lines of a text that are shown at a terminal.
const LINES: usize = 20;
/// Columns of a text of one line that are shown at a terminal, over as many lines as that takes there.
const LONG: usize = 1000;
/// Names longer than this do not push the values to the right.
const NAME: usize = 28;
/// Records inside records are shown to this depth, deeper ones as their summary.
const DEPTH: usize = 4;

/// Appends the fields of a record: nested records with dotted names, maps and long texts indented below their name.
pub(super) fn record(record: &dyn Record, screen: Screen, to: &mut String) {
    let mut card = Card { screen, lines: Vec::new() };
    card.record("", record, 0);
    card.write(to);
}

/// Appends the entries of a map.
pub(super) fn map(entries: &[(Cow<'_, str>, Value<'_>)], screen: Screen, to: &mut String) {
    let mut card = Card { screen, lines: Vec::new() };
    for (name, value) in entries {
        card.field(name, value, "", 0);
    }
    card.write(to);
}

struct Card {
    screen: Screen,
    lines: Vec<Line>,
}

/// A line of the card, made visible already.
enum Line {
    /// A name and its value, or what it is the head of.
    Field { indent: usize, name: String, value: String },
    /// Text that belongs to the name above.
    Text(String),
    /// How much is not shown.
    Note(String),
}

impl Card {
    fn record(&mut self, prefix: &str, record: &dyn Record, depth: usize) {
        for (i, field) in record.kind().fields.iter().enumerate() {
            self.field(&format!("{prefix}{}", field.name), &record.value(i), field.unit, depth);
        }
    }

    fn field(&mut self, name: &str, value: &Value<'_>, unit: &str, depth: usize) {
        match value {
            Value::None => {}
            Value::Record(record) if depth < DEPTH => self.record(&format!("{name}."), record.as_ref(), depth + 1),
            Value::Map(entries) if entries.is_empty() => {}
            Value::List(items) if items.is_empty() => {}
            Value::Map(entries) => {
                self.named(0, name, String::new());
                for (name, value) in entries {
                    let value = self.value(value, "");
                    self.named(2, name, value);
                }
            }
            Value::List(items) if items.iter().any(|item| matches!(item, Value::Record(_) | Value::Map(_))) => {
                self.named(0, name, String::new());
                for item in items {
                    let line = self.value(item, unit);
                    self.lines.push(Line::Text(line));
                }
            }
            Value::Text(text) => self.text(name, text),
            Value::Bytes(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => self.text(name, text),
                Err(_) => self.text(name, &Content(bytes).to_string()),
            },
            other => {
                let mut line = self.value(other, unit);
                // A name such as `bytes` says the unit already.
                if matches!(other, Value::Integer(_) | Value::Float(_)) && !name.contains(unit) {
                    line.push(' ');
                    line.push_str(unit);
                }
                self.named(0, name, line);
            }
        }
    }

    fn named(&mut self, indent: usize, name: &str, value: String) {
        self.lines.push(Line::Field { indent, name: visible::line(name, self.screen.room()), value });
    }

    /// One line.
    fn value(&self, value: &Value<'_>, unit: &str) -> String {
        let mut line = String::new();
        visible::append(&mut line, self.long(), |to| write_value(to, value, unit, self.screen.form()));
        line
    }

    fn long(&self) -> usize {
        self.screen.width.map_or(usize::MAX, |_| LONG)
    }

    fn text(&mut self, name: &str, text: &str) {
        if text.is_empty() {
            return;
        }
        let bytes = || counted(text.len() as u64, "byte");
        if !text.contains('\n') {
            let line = visible::line(text, self.long());
            let cut = line.ends_with('…') && !text.ends_with('…');
            self.named(0, name, line);
            if cut {
                self.lines.push(Line::Note(format!("({} in all)", bytes())));
            }
            return;
        }
        self.named(0, name, String::new());
        let limit = if self.screen.width.is_some() { LINES } else { usize::MAX };
        let room = self.screen.indented(2).room();
        let mut lines = text.lines();
        for line in lines.by_ref().take(limit) {
            self.lines.push(Line::Text(visible::line(&line.replace('\t', "    "), room)));
        }
        let more = lines.count();
        if more > 0 {
            let all = bytes();
            self.lines.push(Line::Note(format!("(and {} more lines, {all} in all)", Grouped(more as u64))));
        }
    }

    fn write(&self, to: &mut String) {
        let screen = self.screen;
        let widths = self.lines.iter().filter_map(|line| match line {
            Line::Field { indent, name, value } if !value.is_empty() => Some(indent + visible::width(name)),
            _ => None,
        });
        let names = widths.filter(|&width| width <= NAME).max().unwrap_or(0);
        for line in &self.lines {
            screen.begin(to);
            match line {
                Line::Field { indent, name, value } => {
                    pad(to, *indent);
                    screen.inked(to, Ink::CYAN, |to| to.push_str(name));
                    if !value.is_empty() {
                        pad(to, names.saturating_sub(indent + visible::width(name)) + 2);
                        to.push_str(value);
                    }
                }
                Line::Text(text) => {
                    pad(to, if text.is_empty() { 0 } else { 2 });
                    to.push_str(text);
                }
                Line::Note(text) => {
                    pad(to, 2);
                    screen.inked(to, Ink::DIM, |to| to.push_str(text));
                }
            }
            to.push('\n');
        }
    }
}
