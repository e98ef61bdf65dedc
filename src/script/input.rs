//! Whether what somebody typed is all of it, as Rhai's parser sees it.

use rhai::{Engine, LexError, OptimizationLevel, ParseErrorType, Position};

/// Reads lines as they are typed, without running anything.
///
/// It has a parser of its own, so that it can be asked while the engine of a session is at work.
pub struct Syntax {
    pub(super) engine: Engine,
}

impl Default for Syntax {
    fn default() -> Self {
        let mut engine = Engine::new_raw();
        engine.set_optimization_level(OptimizationLevel::None);
        Self { engine }
    }
}

impl Syntax {
    /// Whether more lines could be needed to make sense of this text: a bracket, a text or a comment is open, or an
    /// operator has nothing behind it. A text that is wrong whatever follows is not incomplete.
    #[must_use]
    pub fn is_incomplete(&self, text: &str) -> bool {
        match self.error(text) {
            // In a comment even a bracket that closes nothing is right.
            None => self.error(&format!("{text}\n)")).is_none(),
            // Only with a closing mark on a further line does it become a different mistake, or none.
            Some((ParseErrorType::BadInput(LexError::UnterminatedString), place)) => {
                ["`", "\"", "\"#"].iter().any(|close| {
                    self.error(&format!("{text}\n{close}")).is_none_or(|(error, now)| {
                        error != ParseErrorType::BadInput(LexError::UnterminatedString) || now != place
                    })
                })
            }
            Some((_, place)) => place == end(text),
        }
    }

    fn error(&self, text: &str) -> Option<(ParseErrorType, Position)> {
        self.engine.compile(text).err().map(|error| (error.err_type().clone(), error.position()))
    }
}

/// Where the parser stands when there is nothing left to read.
fn end(text: &str) -> Position {
    let line = text.matches('\n').count() + 1;
    let column = text.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    match (u16::try_from(line), u16::try_from(column)) {
        (Ok(line), Ok(column)) => Position::new(line, column),
        _ => Position::NONE,
    }
}

#[cfg(test)]
mod tests {
    use super::Syntax;

    #[test]
    fn what_could_go_on_is_incomplete() {
        let syntax = Syntax::default();
        for text in [
            "flows(",
            "flows(\"tcp\"",
            "flows(\"tcp\",",
            "flows().filter(|f|",
            "flows().filter(|f| f.",
            "flows().filter(|f| f.bytes > 1",
            "flows().filter(|f| f.bytes > 1 // more than one",
            "flows().",
            "flows()\n    .",
            "[1",
            "[1,\n2,",
            "#{ a",
            "#{ a: 1",
            "{",
            "let x =",
            "1 +",
            "x &&",
            "x == 1 ||",
            "if x",
            "if x { 1 } else",
            "for x in flows()",
            "fn f(a) {\n  a + 1",
            "switch x {",
            "`open",
            "f(`open",
            "`a ${",
            "`a ${x",
            "`a ${x} b",
            "\"goes on \\",
            "#\"raw",
            "/* open",
            "flows() /* open",
            "/* /* */",
        ] {
            assert!(syntax.is_incomplete(text), "{text:?}");
        }
    }

    #[test]
    fn what_is_whole_or_wrong_whatever_follows_is_not_incomplete() {
        let syntax = Syntax::default();
        for text in [
            "",
            "  \n",
            "flows()",
            "flows();",
            "flows()\n    .count()",
            "let x = 1;",
            "let x",
            "return",
            "// a comment",
            "/* closed */",
            "\"text\"",
            "`a ${x} b`",
            "`two\nlines`",
            "if x { 1 } else { 2 }",
            "flows().filter(|f| f.bytes > 1))",
            ")",
            "1 + )",
            "a b",
            "\"not closed on its line",
            "f(\"not closed on its line\n)",
            "'x",
            "let x = [1, 2\n foo",
            "@",
            "'é' + \"日本\"",
        ] {
            assert!(!syntax.is_incomplete(text), "{text:?}");
        }
    }
}
