//! What scripts, functions, records and fields are, as text for a terminal.

use std::fmt::Write as _;

use super::docs::{self, Entry, Group};
use super::library::Script;
use super::nearest::suggestion;
use super::primitives::KINDS;
use crate::record::{Field, Kind};

/// Everything there is, by name.
#[must_use]
pub fn contents() -> String {
    let mut text = String::new();
    for (group, title) in [
        (Group::Noun, "Nouns: what gives rows"),
        (Group::Verb, "Verbs: on streams and arrays of rows"),
        (Group::Verdict, "Verdicts"),
        (Group::Helper, "Helpers"),
    ] {
        let _ = writeln!(text, "{title}");
        for entry in docs::entries().filter(|entry| entry.group == group) {
            let _ = writeln!(text, "  {:14} {}", entry.name, first_sentence(entry.doc));
        }
        text.push('\n');
    }
    let _ = writeln!(text, "Records");
    for kind in KINDS {
        let _ = writeln!(text, "  {:14} {}", kind.name, first_sentence(&one_line(&kind.doc)));
    }
    text.push_str(
        "\nhelp NAME explains one of them; help RECORD.FIELD a field; scripts are listed by netscript list\n",
    );
    text
}

/// Explains a function, a record, or a field (`flow.state`).
#[must_use]
pub fn topic(name: &str) -> Option<String> {
    if let Some(entry) = docs::entry(name) {
        return Some(function(entry));
    }
    if let Some(kind) = KINDS.iter().find(|kind| kind.name == name) {
        return Some(record(kind));
    }
    let (kind, field) = name.split_once('.')?;
    let kind = KINDS.iter().find(|k| k.name == kind)?;
    kind.index(field).map(|place| describe_field(&kind.fields[place]))
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

fn function(entry: &Entry) -> String {
    let mut text = format!("{}\n\n{}\n", entry.signature, wrap(entry.doc, ""));
    if let Some(needs) = entry.needs {
        let _ = writeln!(text, "\nNeeds the permission `{needs}`.");
    }
    let _ = writeln!(text, "\nExample:\n  {}", entry.example);
    text
}

fn record(kind: &Kind) -> String {
    let mut text = format!("{}: {}\n", kind.name, wrap(&one_line(&kind.doc), ""));
    for field in kind.fields.iter() {
        let _ = write!(text, "\n{}", describe_field(field));
    }
    text
}

fn describe_field(field: &Field) -> String {
    let unit = if field.unit.is_empty() { String::new() } else { format!(" in {}", field.unit) };
    format!("  {}  ({}{unit})\n{}\n", field.name, field.ty, wrap(&one_line(&field.doc), "      "))
}

/// The help of a script, out of its header.
#[must_use]
pub fn script(script: &Script) -> String {
    let header = &script.header;
    let mut text = format!("{}\n\n{}\n", script.name, header.doc);
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

/// Breaks a text into lines of at most 78 columns.
fn wrap(text: &str, indent: &str) -> String {
    let mut lines = vec![indent.to_owned()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().filter(|line| line.len() == indent.len() || line.len() + word.len() < 78);
        match line {
            Some(line) if line.len() == indent.len() => line.push_str(word),
            Some(line) => {
                line.push(' ');
                line.push_str(word);
            }
            None => lines.push(format!("{indent}{word}")),
        }
    }
    lines.join("\n")
}
