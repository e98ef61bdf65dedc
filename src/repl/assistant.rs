//! What helps while a line is typed: completion, hints from the history, matching brackets, further lines.

use std::borrow::Cow;

use rustyline::completion::{Completer, Pair};
use rustyline::highlight::{CmdKind, Highlighter, MatchingBracketHighlighter};
use rustyline::hint::{Hinter, HistoryHinter};
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{CompletionType, Context, Helper};

use super::command::{self, Command};
use super::files;
use crate::script::completion::Completion;
use crate::script::{Session, Syntax, guide};

/// Knows the session and the language, for the line editor.
pub(super) struct Assistant<'a> {
    session: &'a Session,
    /// The input that was answered last: what a line that begins with `.` goes on with.
    pub(super) previous: String,
    color: bool,
    syntax: Syntax,
    brackets: MatchingBracketHighlighter,
    history: HistoryHinter,
}

impl<'a> Assistant<'a> {
    pub(super) fn new(session: &'a Session, color: bool) -> Self {
        Self {
            session,
            previous: String::new(),
            color,
            syntax: Syntax::default(),
            brackets: MatchingBracketHighlighter::new(),
            history: HistoryHinter::new(),
        }
    }

    fn topics(beginning: &str) -> Vec<Pair> {
        let topics = guide::topics().filter(|topic| topic.starts_with(beginning));
        let mut pairs: Vec<_> = topics.map(|topic| Pair { display: topic.clone(), replacement: topic }).collect();
        // Fields come once somebody has typed the record that they belong to.
        if !beginning.contains('.') {
            pairs.retain(|pair| !pair.display.contains('.'));
        }
        pairs
    }
}

impl Helper for Assistant<'_> {}

impl Validator for Assistant<'_> {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let input = context.input();
        let incomplete =
            Command::of(input).is_none() && self.syntax.is_incomplete(&command::joined(&self.previous, input));
        Ok(if incomplete { ValidationResult::Incomplete } else { ValidationResult::Valid(None) })
    }
}

impl Completer for Assistant<'_> {
    type Candidate = Pair;

    fn complete(&self, line: &str, cursor: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        if let Some(topic) = line[..cursor].trim_start().strip_prefix("help ") {
            return Ok((cursor - topic.len(), Self::topics(topic)));
        }
        let text = command::joined(&self.previous, line);
        let before = text.len() - line.len();
        Ok(match self.syntax.complete(&text, before + cursor, &self.session.variables()) {
            None => (cursor, Vec::new()),
            Some(Completion::File { start }) => {
                let closed = line[cursor..].starts_with('"');
                (start - before, files::beginning_with(&line[start - before..cursor], closed))
            }
            Some(Completion::Names { start, candidates }) => {
                let widest = candidates.iter().map(|candidate| candidate.name.len()).max().unwrap_or(0);
                // Nobody needs to read twenty times that a verb is a verb.
                let alike = candidates.iter().all(|candidate| candidate.what == candidates[0].what);
                let pairs = candidates.into_iter().map(|candidate| Pair {
                    display: match alike {
                        true => candidate.name,
                        false => format!("{:widest$}{KIND}{}", candidate.name, candidate.what),
                    },
                    replacement: candidate.text,
                });
                (start - before, pairs.collect())
            }
        })
    }
}

/// Stands between a candidate and what it is.
const KIND: &str = "  ";

impl Hinter for Assistant<'_> {
    type Hint = String;

    fn hint(&self, line: &str, cursor: usize, context: &Context<'_>) -> Option<String> {
        // Without colours nobody could tell a hint from what is typed.
        let hint = if self.color { self.history.hint(line, cursor, context) } else { None };
        hint.filter(|hint| !hint.contains('\n'))
    }
}

impl Highlighter for Assistant<'_> {
    fn highlight<'l>(&self, line: &'l str, cursor: usize) -> Cow<'l, str> {
        self.brackets.highlight(line, cursor)
    }

    fn highlight_char(&self, line: &str, cursor: usize, kind: CmdKind) -> bool {
        self.brackets.highlight_char(line, cursor, kind)
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        Cow::Owned(format!("\x1b[90m{hint}\x1b[0m"))
    }

    fn highlight_candidate<'c>(&self, candidate: &'c str, _: CompletionType) -> Cow<'c, str> {
        match candidate.rsplit_once(KIND) {
            Some((name, what)) => Cow::Owned(format!("{name}{KIND}\x1b[90m{what}\x1b[0m")),
            None => Cow::Borrowed(candidate),
        }
    }
}
