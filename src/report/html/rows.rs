//! Tables and cards of a page.

use std::fmt::Write as _;

use super::super::columns::{Columns, Defaults};
use super::super::markup;
use super::super::numbers::{Grouped, counted};
use super::super::values::{Form, write_value};
use crate::record::{Record, Row, Value};

/// Rows of a table that are shown.
const ROWS: u64 = 1000;
/// Columns of a value that are shown in a table.
const LONG: usize = 500;
/// Columns of a value that are shown in a card.
const WHOLE: usize = 10_000;

/// A table that is being written: its first rows, and how many more there are.
pub(super) struct Rows {
    columns: Columns,
    /// The class of each column, as the first row tells.
    classes: Vec<&'static str>,
    html: String,
    count: u64,
}

impl Rows {
    pub(super) fn new(columns: &[String]) -> Self {
        Self { columns: Columns::new(columns, Defaults::Endpoints), classes: Vec::new(), html: String::new(), count: 0 }
    }

    pub(super) fn push(&mut self, row: &Row) {
        self.count += 1;
        if self.count > ROWS {
            return;
        }
        if self.columns.adopt(row) {
            self.head(row.as_ref());
        }
        self.html.push_str("<tr>");
        for (column, class) in self.columns.list().iter().zip(&self.classes) {
            column.visit(row.as_ref(), |value, unit| cell(&mut self.html, value, unit, class));
        }
        self.html.push_str("</tr>\n");
    }

    /// The names of the columns, with numbers on the right as far as this row tells.
    fn head(&mut self, row: &dyn Record) {
        if !self.html.is_empty() {
            self.html.push_str("</tbody></table></div>\n");
        }
        self.html.push_str("<div class=\"scroll\"><table>\n<thead><tr>");
        self.classes.clear();
        for column in self.columns.list() {
            let class = column.visit(row, |value, _| class(value));
            let name = markup::text(&column.name, LONG);
            let _ = write!(self.html, "<th scope=\"col\" class=\"{class}\">{name}</th>");
            self.classes.push(class);
        }
        self.html.push_str("</tr></thead>\n<tbody>\n");
    }

    /// The whole table, with a note if rows are missing or there are none.
    pub(super) fn end(mut self) -> String {
        if self.count == 0 {
            return "<p class=\"note\">no rows</p>\n".to_owned();
        }
        self.html.push_str("</tbody></table></div>\n");
        if self.count > ROWS {
            let more = counted(self.count - ROWS, "more row");
            let _ = writeln!(self.html, "<p class=\"note\">the first {} are shown, {more} left out</p>", Grouped(ROWS));
        }
        self.html
    }
}

/// How a value is set.
const fn class(value: &Value<'_>) -> &'static str {
    match value {
        Value::Integer(_) | Value::Float(_) | Value::Duration(_) => "number",
        _ => "text",
    }
}

/// Columns of text that stay on one line.
const SHORT: usize = 48;

fn cell(to: &mut String, value: &Value<'_>, unit: &str, of_column: &str) {
    if value.is_none() {
        let _ = write!(to, "<td class=\"none {of_column}\">-</td>");
        return;
    }
    let mut text = String::new();
    let width = markup::append(&mut text, LONG, |to| write_value(to, value, unit, Form::PAGE));
    let class = if width > SHORT { "long" } else { class(value) };
    let _ = write!(to, "<td class=\"{class}\">{text}</td>");
}

/// Appends one value on its own.
pub(super) fn value(to: &mut String, value: &Value<'_>) {
    markup::append(to, WHOLE, |to| write_value(to, value, "", Form::PAGE));
}

/// Appends a record with a line for each field that has a value.
pub(super) fn card(to: &mut String, record: &dyn Record) {
    to.push_str("<div class=\"scroll\"><table class=\"card\"><tbody>\n");
    fields(to, "", record, 0);
    to.push_str("</tbody></table></div>\n");
}

/// Records inside records are shown to this depth.
const DEPTH: usize = 4;

fn fields(to: &mut String, prefix: &str, record: &dyn Record, depth: usize) {
    for (i, field) in record.kind().fields.iter().enumerate() {
        let (name, value) = (format!("{prefix}{}", field.name), record.value(i));
        match &value {
            Value::None => {}
            Value::Map(entries) if entries.is_empty() => {}
            Value::List(items) if items.is_empty() => {}
            Value::Record(inner) if depth < DEPTH => fields(to, &format!("{name}."), inner.as_ref(), depth + 1),
            value => {
                let _ = write!(to, "<tr><th scope=\"row\">{}</th><td>", markup::text(&name, LONG));
                match value {
                    Value::Map(entries) => lines(to, entries.iter().map(|(name, value)| format!("{name}: {value}"))),
                    Value::Text(text) => lines(to, text.lines().map(str::to_owned)),
                    Value::Bytes(bytes) => match std::str::from_utf8(bytes) {
                        Ok(text) => lines(to, text.lines().map(str::to_owned)),
                        Err(_) => self::value(to, value),
                    },
                    value => {
                        markup::append(to, WHOLE, |to| write_value(to, value, field.unit, Form::PAGE));
                        if matches!(value, Value::Integer(_) | Value::Float(_)) && !name.contains(field.unit) {
                            let _ = write!(to, " {}", markup::text(field.unit, LONG));
                        }
                    }
                }
                to.push_str("</td></tr>\n");
            }
        }
    }
}

/// Lines of a card's value that are shown.
const LINES: usize = 100;

fn lines(to: &mut String, lines: impl Iterator<Item = String>) {
    let mut lines = lines.peekable();
    for line in lines.by_ref().take(LINES) {
        to.push_str(&markup::text(&line.replace('\t', "    "), LONG));
        to.push('\n');
    }
    if lines.peek().is_some() {
        let _ = write!(to, "(and {} more lines)", Grouped(lines.count() as u64));
    } else {
        to.pop();
    }
}
