//! What scripts, functions, records and fields are, as text for a terminal.

use std::fmt::Write as _;

use unicode_width::UnicodeWidthStr as _;

use super::docs::{self, Entry, Group};
use super::library::Script;
use super::primitives::KINDS;
use crate::nearest::suggestion;
use crate::record::{Field, Kind};

/// Everything there is, by name, in lines of at most `width` columns.
#[must_use]
pub fn contents(width: usize) -> String {
    let mut text = String::new();
    for (group, title) in [
        (Group::Noun, "Nouns: what gives rows"),
        (Group::Verb, "Verbs: on streams and arrays of rows"),
        (Group::Verdict, "Verdicts"),
        (Group::Helper, "Helpers"),
    ] {
        let _ = writeln!(text, "{title}");
        for entry in docs::entries().filter(|entry| entry.group == group) {
            let _ = writeln!(text, "{}", item(entry.name, first_sentence(entry.doc), width));
        }
        text.push('\n');
    }
    let _ = writeln!(text, "Records");
    for kind in KINDS {
        let _ = writeln!(text, "{}", item(&kind.name, first_sentence(&one_line(&kind.doc)), width));
    }
    let more = "help NAME explains one of them; help RECORD.FIELD a field; scripts are listed by netscript list";
    let _ = writeln!(text, "\n{}", wrap("", more, width));
    text
}

/// A name and what is to be said of it, as one entry of a list.
#[must_use]
pub fn item(name: &str, text: &str, width: usize) -> String {
    wrap(&format!("  {name:14} "), text, width)
}

/// Explains a function, a record, or a field (`flow.state`), in lines of at most `width` columns where words allow.
#[must_use]
pub fn topic(name: &str, width: usize) -> Option<String> {
    if let Some(entry) = docs::entry(name) {
        return Some(function(entry, width));
    }
    if let Some(kind) = KINDS.iter().find(|kind| kind.name == name) {
        return Some(record(kind, width));
    }
    let (kind, field) = name.split_once('.')?;
    let kind = KINDS.iter().find(|k| k.name == kind)?;
    kind.index(field).map(|place| describe_field(&kind.fields[place], width))
}

/// Every name that [`topic`] explains: functions, records and fields.
pub fn topics() -> impl Iterator<Item = String> {
    let fields = |kind: &'static Kind| kind.fields.iter().map(move |field| format!("{}.{}", kind.name, field.name));
    let kinds = KINDS.iter().flat_map(move |kind| std::iter::once(kind.name.to_string()).chain(fields(kind)));
    docs::entries().map(|entry| entry.name.to_owned()).chain(kinds)
}

/// `; did you mean …?`, or nothing.
#[must_use]
pub fn hint(name: &str) -> String {
    let kinds = KINDS.iter().map(|kind| kind.name.to_string());
    let of_kind = |kind: &Kind| kind.fields.iter().map(|f| format!("{}.{}", kind.name, f.name)).collect::<Vec<_>>();
    let fields = KINDS.iter().flat_map(|kind| of_kind(kind));
    let names: Vec<_> = docs::entries().map(|entry| entry.name.to_owned()).chain(kinds).chain(fields).collect();
    suggestion(name, names.iter().map(String::as_str))
}

fn function(entry: &Entry, width: usize) -> String {
    let mut text = format!("{}\n\n{}\n", wrap("", entry.signature, width), wrap("", entry.doc, width));
    if let Some(needs) = entry.needs {
        let _ = writeln!(text, "\nNeeds the permission `{needs}`.");
    }
    text.push_str("\nExample:\n");
    for line in entry.example.lines() {
        let _ = writeln!(text, "  {}", line.trim_start());
    }
    text
}

fn record(kind: &Kind, width: usize) -> String {
    let mut text = wrap("", &format!("{}: {}", kind.name, one_line(&kind.doc)), width);
    text.push('\n');
    for field in kind.fields.iter() {
        let _ = write!(text, "\n{}", describe_field(field, width));
    }
    text
}

fn describe_field(field: &Field, width: usize) -> String {
    let unit = if field.unit.is_empty() { String::new() } else { format!(" in {}", field.unit) };
    format!("  {}  ({}{unit})\n{}\n", field.name, field.ty, wrap("      ", &field.doc, width))
}

/// The help of a script, out of its header.
#[must_use]
pub fn script(script: &Script) -> String {
    let header = &script.header;
    let mut text = format!("{}\n\n{}\n", script.name, header.doc);
    if let Some(command) = &header.command {
        let usage = format!("netscript run {} [options] -- [script options] COMMAND…", script.name);
        let _ = writeln!(text, "\nUsage: {usage}\n\nCommand:\n  COMMAND…\n      {command}");
    }
    if !header.params.is_empty() {
        text.push_str("\nParameters:\n");
        for param in &header.params {
            let default = param.default.as_ref().map_or_else(|| " (needed)".to_owned(), |value| format!(" = {value}"));
            let _ = writeln!(text, "  --{}: {}{default}\n      {}", param.name, param.ty, param.doc);
        }
    }
    if !header.needs.is_empty() {
        let needs: Vec<_> = header.needs.iter().map(ToString::to_string).collect();
        let _ = writeln!(text, "\nNeeds: {}", needs.join(", "));
    }
    if !header.environment.is_empty() {
        text.push_str("\nReads from the environment:\n");
        for variable in &header.environment {
            let _ = writeln!(text, "  {}\n      {}", variable.name, variable.doc);
        }
    }
    if !header.examples.is_empty() {
        text.push_str("\nExamples:\n");
        for example in &header.examples {
            let _ = writeln!(text, "  {example}");
        }
    }
    let _ = writeln!(text, "\nFrom: {}", script.origin);
    text
}

/// Documentation as one line.
pub(super) fn one_line(doc: &str) -> String {
    doc.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn first_sentence(doc: &str) -> &str {
    doc.split_inclusive(". ").next().unwrap_or(doc).trim_end()
}

/// Breaks a text between words into lines of at most `width` columns; the first line begins with `head`, the others stand
/// under the text behind it.
fn wrap(head: &str, text: &str, width: usize) -> String {
    let indent = head.width();
    let (mut lines, mut column) = (head.to_owned(), indent);
    for word in text.split_whitespace() {
        if column > indent && column + 1 + word.width() > width {
            let _ = write!(lines, "\n{:indent$}", "");
            column = indent;
        } else if column > indent {
            lines.push(' ');
            column += 1;
        }
        lines.push_str(word);
        column += word.width();
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_is_as_narrow_as_the_terminal_where_words_allow() {
        assert_eq!(wrap("  name  ", "one two three", 15), "  name  one two\n        three");
        assert_eq!(wrap("", "Überlänge ist das", 13), "Überlänge ist\ndas");
        for width in [48, 80] {
            assert!(contents(width).lines().all(|line| line.width() <= width), "{}", contents(width));
            assert!(topic("flow", width).unwrap().lines().all(|line| line.width() <= width));
        }
    }

    #[test]
    fn every_topic_is_explained() {
        for name in topics() {
            assert!(topic(&name, 80).is_some(), "{name}");
        }
        assert!(topic("flow.stat", 80).is_none());
        assert_eq!(hint("flws"), "; did you mean `flows`?");
    }
}
