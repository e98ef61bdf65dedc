//! What somebody may be about to type: functions, verbs, fields, variables, file names.
//!
//! Everything is derived from the list of functions ([`docs`]), the fields of the
//! [kinds of record](super::KINDS) and the variables of the session. Nothing runs.

mod shape;
mod tokens;

use std::collections::BTreeSet;

pub(super) use shape::variables;
pub use shape::{Shape, Variable};

use super::docs::{self, Entry, Group};
use super::input::Syntax;
use super::primitives::{KINDS, NOUNS};
use crate::record::Kind;
use tokens::{Cursor, Tokens};

/// What may stand at the cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Completion {
    /// One of these, in place of the word that ends at the cursor and begins at byte `start`.
    Names {
        /// Where the word begins.
        start: usize,
        /// All that begin with it.
        candidates: Vec<Candidate>,
    },
    /// The name of a file, in a text that begins at byte `start`.
    File {
        /// Where the text begins, behind its quotation mark.
        start: usize,
    },
}

/// Something that may be typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its name.
    pub name: String,
    /// The name with what has to follow it: an open bracket, or both.
    pub text: String,
    /// What it is: `verb`, `noun`, `variable`, or the type of a field.
    pub what: String,
}

/// What is longer is not typed by hand.
const LONGEST: usize = 8 << 10;

/// Functions whose first argument names a file.
const TAKE_FILES: [&str; 3] = ["open", "rows", "save"];

/// The words of the language.
const KEYWORDS: [&str; 21] = [
    "let", "const", "if", "else", "switch", "for", "in", "while", "loop", "do", "until", "break", "continue", "return",
    "throw", "try", "catch", "fn", "true", "false", "this",
];

impl Syntax {
    /// What may stand in `text` at byte `cursor`.
    #[must_use]
    pub fn complete(&self, text: &str, cursor: usize, variables: &[Variable]) -> Option<Completion> {
        let before = text.get(..cursor).filter(|before| before.len() <= LONGEST)?;
        let called = text.get(cursor..)?.starts_with('(');
        let (tokens, place) = Tokens::read(&self.engine, before, variables);
        let (word, mut candidates) = match place {
            Cursor::Elsewhere => return None,
            Cursor::Text(written) => {
                let start = cursor - written.len();
                let (name, receiver) = tokens.call()?;
                if TAKE_FILES.contains(&name) {
                    return Some(Completion::File { start });
                }
                docs::entry(name).filter(|entry| entry.group == Group::Verb)?;
                (written, fields(receiver.map(Shape::row)))
            }
            Cursor::Word(word) => {
                let candidates = match tokens.receiver() {
                    Some(receiver) => behind_dot(receiver, called),
                    None => anywhere(&tokens, variables, called),
                };
                (word, candidates)
            }
        };
        candidates.retain(|candidate| candidate.name.starts_with(&word));
        candidates.sort_by(|a, b| a.name.cmp(&b.name));
        candidates.dedup_by(|a, b| a.name == b.name);
        Some(Completion::Names { start: cursor - word.len(), candidates })
    }
}

/// What may stand behind a dot.
fn behind_dot(receiver: Option<Shape>, called: bool) -> Vec<Candidate> {
    let verbs = || docs::entries().filter(|entry| entry.group == Group::Verb).map(|entry| function(entry, called));
    match receiver {
        Some(Shape::Rows(kind)) => {
            // Other nouns are derived from packets.
            let packets = kind.is_some_and(|kind| kind.name == NOUNS[0].kind.name);
            let derived = NOUNS.iter().skip(1).filter(|_| packets).map(|noun| Candidate {
                name: noun.name.to_owned(),
                text: if called { noun.name.to_owned() } else { format!("{}()", noun.name) },
                what: "noun".to_owned(),
            });
            verbs().chain(derived).collect()
        }
        Some(Shape::Other) => Vec::new(),
        Some(shape @ Shape::Record(_)) => fields(Some(shape)),
        None => verbs().chain(fields(None)).collect(),
    }
}

/// The fields of a record; of all records, if its kind is not known.
fn fields(record: Option<Shape>) -> Vec<Candidate> {
    let of = |kind: &Kind| {
        let fields = kind.fields.iter().filter(|field| rhai::is_valid_identifier(&field.name));
        fields
            .map(|field| Candidate {
                name: field.name.to_string(),
                text: field.name.to_string(),
                what: field.ty.to_string(),
            })
            .collect::<Vec<_>>()
    };
    match record {
        Some(Shape::Record(Some(kind))) => of(&kind),
        Some(Shape::Other) => Vec::new(),
        _ => KINDS.iter().flat_map(|kind| of(kind)).collect(),
    }
}

/// What may stand where a value or a statement begins.
fn anywhere(tokens: &Tokens<'_>, variables: &[Variable], called: bool) -> Vec<Candidate> {
    let plain =
        |name: &str, what: &str| Candidate { name: name.to_owned(), text: name.to_owned(), what: what.to_owned() };
    let functions = docs::entries().filter(|entry| entry.group != Group::Verb).map(|entry| function(entry, called));
    let session = variables.iter().map(|variable| variable.name.as_str());
    let names: BTreeSet<&str> = session.chain(tokens.names()).collect();
    let names = names.into_iter().map(|name| plain(name, "variable"));
    names.chain(functions).chain(KEYWORDS.iter().map(|word| plain(word, "keyword"))).collect()
}

fn function(entry: &Entry, called: bool) -> Candidate {
    let brackets = match () {
        () if called => "",
        () if entry.takes_nothing() => "()",
        () => "(",
    };
    let what = match entry.group {
        Group::Noun => "noun",
        Group::Verb => "verb",
        Group::Verdict => "verdict",
        Group::Helper => "function",
    };
    Candidate { name: entry.name.to_owned(), text: format!("{}{brackets}", entry.name), what: what.to_owned() }
}

#[cfg(test)]
mod tests;
