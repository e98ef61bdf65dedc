//! Inputs from a pipe or a file.

use std::io::{self, BufRead};

use super::command::{self, Command};
use super::{Answers, Then};
use crate::script::Syntax;

/// Answers every input of a reader. An input that fails does not keep the others from being answered; Ctrl-C does.
pub(super) fn answer_all(answers: &mut Answers<'_>, reader: impl BufRead) -> io::Result<()> {
    let mut inputs = Inputs { lines: reader.lines(), syntax: Syntax::default(), ahead: None };
    while let Some(input) = inputs.next()? {
        if answers.answer(&input)? != Then::Continue {
            break;
        }
    }
    Ok(())
}

/// Lines, put together to inputs. An input ends where the next line does not go on with it, so the line behind it (which
/// may be empty) is read before it is answered.
struct Inputs<R> {
    lines: R,
    syntax: Syntax,
    ahead: Option<String>,
}

impl<R: Iterator<Item = io::Result<String>>> Inputs<R> {
    fn next(&mut self) -> io::Result<Option<String>> {
        let mut input = String::new();
        loop {
            let Some(line) = self.ahead.take().map_or_else(|| self.lines.next().transpose(), |line| Ok(Some(line)))?
            else {
                return Ok((!input.trim().is_empty()).then_some(input));
            };
            let fresh = input.trim().is_empty();
            if !fresh && !command::goes_on(&line) && !self.wants_more(&input) {
                self.ahead = Some(line);
                return Ok(Some(input));
            }
            if fresh {
                input = line;
            } else {
                input.push('\n');
                input.push_str(&line);
            }
        }
    }

    fn wants_more(&self, input: &str) -> bool {
        Command::of(input).is_none() && self.syntax.is_incomplete(input)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(text: &str) -> Vec<String> {
        let mut inputs = Inputs { lines: text.as_bytes().lines(), syntax: Syntax::default(), ahead: None };
        std::iter::from_fn(|| inputs.next().unwrap()).collect()
    }

    #[test]
    fn lines_are_put_together_to_inputs() {
        let text =
            "let x = 1;\n\nflows()\n    .filter(|f|\n        f.bytes > x)\n    .count()\nhelp flows\n`a\n\nb`\n{\n x";
        assert_eq!(
            inputs(text),
            [
                "let x = 1;",
                "flows()\n    .filter(|f|\n        f.bytes > x)\n    .count()",
                "help flows",
                "`a\n\nb`",
                "{\n x",
            ]
        );
        assert!(inputs("\n  \n").is_empty());
        assert_eq!(inputs("1\n\n.to_string()"), ["1", ".to_string()"], "an empty line ends an input");
    }
}
