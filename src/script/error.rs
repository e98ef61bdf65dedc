//! Errors for the person who reads them: what went wrong, where in the script, what to do.

use std::fmt::Write as _;

use rhai::{Dynamic, Engine, EvalAltResult, ParseError, Position};
use unicode_width::UnicodeWidthStr as _;

use super::value::from_dynamic;
use crate::capture::{CaptureError, FilterError, PipelineError};
use crate::host::HostError;
use crate::report::{Verdict, harmless};

/// What kind of trouble stopped a script; scripts read it as `e.kind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The script is wrong.
    Script,
    /// The command line, a parameter or an argument of a primitive is wrong.
    Usage,
    /// The input is not what it should be.
    Input,
    /// Something that the script needs was not granted.
    Permission,
    /// What the script says cannot be written.
    Output,
    /// Something could not be observed.
    Observation,
    /// Somebody asked to stop.
    Cancelled,
}

impl ErrorKind {
    /// The text that scripts see.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Script => "script",
            Self::Usage => "usage",
            Self::Input => "input",
            Self::Permission => "permission",
            Self::Output => "output",
            Self::Observation => "observation",
            Self::Cancelled => "cancelled",
        }
    }

    /// What a run concludes that ends this way.
    #[must_use]
    pub const fn verdict(self) -> Verdict {
        match self {
            Self::Script | Self::Usage | Self::Input | Self::Permission | Self::Output => Verdict::Error,
            Self::Observation | Self::Cancelled => Verdict::Inconclusive,
        }
    }
}

/// What a primitive throws: a script can catch it and read `e.kind` and `e.message`.
#[derive(Debug, Clone)]
pub(crate) struct Thrown {
    pub(crate) kind: ErrorKind,
    pub(crate) message: String,
}

impl std::fmt::Display for Thrown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl Thrown {
    /// Lets scripts look at what they caught: `e.kind`, `e.message`, `e` as a text.
    pub(crate) fn register(engine: &mut Engine) {
        engine.register_type_with_name::<Self>("error");
        engine.register_get("kind", |error: &mut Self| error.kind.name());
        engine.register_get("message", |error: &mut Self| error.message.clone());
        engine.register_fn("to_string", |error: &mut Self| error.message.clone());
        engine.register_fn("to_debug", |error: &mut Self| error.message.clone());
    }
}

/// An error that scripts can catch.
pub(crate) fn thrown(kind: ErrorKind, message: impl Into<String>) -> Box<EvalAltResult> {
    let value = Thrown { kind, message: message.into() };
    EvalAltResult::ErrorRuntime(Dynamic::from(value), Position::NONE).into()
}

/// What is wrong with a source or a file, as scripts see it.
pub(crate) fn capture_error(error: &CaptureError) -> Box<EvalAltResult> {
    let kind = if error.could_not_observe() { ErrorKind::Observation } else { ErrorKind::Input };
    thrown(kind, error.to_string())
}

/// What went wrong when this host was asked about itself, as scripts see it.
pub(crate) fn host_error(error: &HostError) -> Box<EvalAltResult> {
    let kind = if error.could_not_observe() { ErrorKind::Observation } else { ErrorKind::Usage };
    thrown(kind, error.to_string())
}

/// What is wrong with a filter, with a caret under the place where that is known.
pub(crate) fn filter_error(error: &FilterError) -> Box<EvalAltResult> {
    let pointed = error.pointed().map_or_else(String::new, |pointed| format!("\n  {}", pointed.replace('\n', "\n  ")));
    thrown(ErrorKind::Usage, format!("{error}{pointed}"))
}

/// What is wrong with a request to read packets, as scripts see it.
pub(crate) fn pipeline_error(error: &PipelineError) -> Box<EvalAltResult> {
    match error {
        PipelineError::Filter(error) => filter_error(error),
        PipelineError::Capture(error) => capture_error(error),
    }
}

/// Why a script did not run to its end.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{text}")]
pub struct Failure {
    /// What kind of trouble it was.
    pub kind: ErrorKind,
    /// What went wrong, in one sentence.
    pub message: String,
    /// Line and column in the script, from 1, where that is known.
    pub position: Option<(usize, usize)>,
    /// The message with the place in the script under it, for a terminal.
    text: String,
}

impl Failure {
    /// A failure that has no place in a script.
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { kind, position: None, text: format!("error: {}", harmless(&message)), message }
    }

    /// A failure at a place in a script.
    pub(crate) fn at(
        kind: ErrorKind,
        message: impl Into<String>,
        name: &str,
        source: &str,
        position: Option<(usize, usize)>,
    ) -> Self {
        let message = message.into();
        let mut text = format!("error: {}", harmless(&message));
        if let Some((line, column)) = position
            && let Some(code) = source.lines().nth(line - 1)
        {
            let number = line.to_string();
            let margin = " ".repeat(number.len());
            // Tabs are kept so that the caret stands under its place whatever their width.
            let before: String = code.chars().take(column.saturating_sub(1)).collect();
            let indent =
                harmless(&before).split('\t').map(|part| " ".repeat(part.width())).collect::<Vec<_>>().join("\t");
            let code = harmless(code);
            let _ = write!(
                text,
                "\n{margin}--> {name}:{line}:{column}\n{margin} |\n{number} | {code}\n{margin} | {indent}^"
            );
        }
        Self { kind, message, position, text }
    }

    /// What Rhai's parser says of a script.
    pub(crate) fn parse(error: &ParseError, name: &str, source: &str) -> Self {
        let position = place(error.position());
        Self::at(ErrorKind::Script, lower_first(&error.err_type().to_string()), name, source, position)
    }

    /// What stopped a running script.
    pub(crate) fn evaluation(mut error: Box<EvalAltResult>, name: &str, source: &str) -> Self {
        let mut position = place(error.position());
        // A closure is a function of its own; where inside it something went wrong is what helps.
        while let EvalAltResult::ErrorInFunctionCall(_, _, inner, _) | EvalAltResult::ErrorInModule(_, inner, _) =
            *error
        {
            position = place(inner.position()).or(position);
            error = inner;
        }
        error.clear_position();
        let (kind, message) = describe(&error);
        Self::at(kind, message, name, source, position)
    }
}

/// The kind of an error and what to say of it.
fn describe(error: &EvalAltResult) -> (ErrorKind, String) {
    match error {
        EvalAltResult::ErrorRuntime(value, _) => match value.read_lock::<Thrown>() {
            Some(thrown) => (thrown.kind, thrown.message.clone()),
            None => (ErrorKind::Script, from_dynamic(value).to_string()),
        },
        EvalAltResult::ErrorTerminated(value, _) => match value.read_lock::<Thrown>() {
            Some(thrown) => (thrown.kind, thrown.message.clone()),
            None => (ErrorKind::Cancelled, "stopped".to_owned()),
        },
        EvalAltResult::ErrorTooManyOperations(_) => {
            (ErrorKind::Observation, "the script was stopped at its limit of operations".to_owned())
        }
        EvalAltResult::ErrorFunctionNotFound(signature, _) => (ErrorKind::Script, unknown_function(signature)),
        EvalAltResult::ErrorVariableNotFound(name, _) => (ErrorKind::Script, format!("there is no variable `{name}`")),
        EvalAltResult::ErrorParsing(error, _) => (ErrorKind::Script, lower_first(&error.to_string())),
        _ => (ErrorKind::Script, lower_first(&error.to_string())),
    }
}

/// A function that does not exist, or not for these arguments: `nonsense (stream, i64)`.
fn unknown_function(signature: &str) -> String {
    let (name, arguments) = signature.split_once(" (").unwrap_or((signature, ""));
    let arguments = arguments.trim_end_matches(')');
    let known = super::docs::entries().map(|entry| entry.name);
    match super::docs::entries().find(|entry| entry.name == name) {
        Some(entry) => format!("`{name}` does not take ({arguments}); it is called as {}", entry.signature),
        None => format!("there is no function `{name}` for ({arguments}){}", crate::nearest::suggestion(name, known)),
    }
}

fn place(position: Position) -> Option<(usize, usize)> {
    Some((position.line()?, position.position().unwrap_or(1)))
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_stands_under_its_place_whatever_stands_before_it() {
        for (code, column, shown) in [
            ("flows().x", 9, "1 | flows().x\n  |         ^"),
            ("\tx", 2, "1 | \tx\n  | \t^"),
            ("\"日本\".x", 6, "1 | \"日本\".x\n  |        ^"),
            ("\"\u{1b}[31m\" x", 8, "1 | \"\\x1b[31m\" x\n  |           ^"),
        ] {
            let failure = Failure::at(ErrorKind::Script, "no", "input", code, Some((1, column)));
            assert_eq!(failure.to_string(), format!("error: no\n --> input:1:{column}\n  |\n{shown}"));
        }
    }

    #[test]
    fn a_message_cannot_steer_the_terminal() {
        assert_eq!(Failure::new(ErrorKind::Script, "\u{1b}[2J\u{202e}").to_string(), "error: \\x1b[2J\\u{202e}");
    }
}
