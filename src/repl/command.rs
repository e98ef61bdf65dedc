//! What is said to the REPL itself, and how inputs hang together.

use crate::script::{IT, guide};

/// An input that is no Rhai.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Command<'a> {
    /// Explains a topic, or lists all there is.
    Help(Option<&'a str>),
    /// Ends the conversation.
    Leave,
}

impl<'a> Command<'a> {
    /// The command that an input is, if it is one.
    pub(super) fn of(input: &'a str) -> Option<Self> {
        match input.trim() {
            "quit" | "exit" | "quit()" | "exit()" => Some(Self::Leave),
            "help" | "help()" => Some(Self::Help(None)),
            input => input.strip_prefix("help ").map(|topic| Self::Help(Some(topic.trim()))),
        }
    }
}

/// The text that explains a topic, in lines of at most `width` columns, or says that there is none.
pub(super) fn help(topic: Option<&str>, width: usize) -> Result<String, String> {
    let Some(topic) = topic else {
        return Ok([guide::contents(width), keys(width)].concat());
    };
    guide::topic(topic, width).ok_or_else(|| format!("there is nothing called `{topic}`{}", guide::hint(topic)))
}

/// What is known only here.
fn keys(width: usize) -> String {
    let keys = [
        (IT, "The value of the line before, unless it was a stream: that has been read."),
        (".verb(…)", "A line that begins with a dot goes on with the line before, and reads its packets anew."),
        ("Tab", "Completes names, fields and files."),
        ("Ctrl-R, Up", "Find earlier lines. Lines that begin with a space are not kept."),
        ("Ctrl-C", "Ends what is being read, and goes on with what there is; pressed again, stops all that runs."),
        ("Ctrl-D", "Leaves, and so do quit and exit."),
    ];
    let lines: Vec<_> = keys.iter().map(|(key, text)| guide::item(key, text, width)).collect();
    format!("\nHere\n{}\n", lines.join("\n"))
}

/// Whether an input goes on with the one before: it begins with a method.
pub(super) fn goes_on(input: &str) -> bool {
    let rest = input.trim_start().trim_start_matches('?').strip_prefix('.');
    rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit() || c == '.'))
}

/// The input as it is to be understood behind the one before.
pub(super) fn joined(previous: &str, input: &str) -> String {
    if goes_on(input) && !previous.is_empty() { format!("{previous}\n{input}") } else { input.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_told_from_rhai() {
        for (input, command) in [
            ("help", Some(Command::Help(None))),
            ("  help  flow.state ", Some(Command::Help(Some("flow.state")))),
            ("quit", Some(Command::Leave)),
            ("exit()", Some(Command::Leave)),
            ("helper(1)", None),
            ("quit + 1", None),
            ("flows()", None),
        ] {
            assert_eq!(Command::of(input), command, "{input}");
        }
    }

    #[test]
    fn a_line_that_begins_with_a_method_goes_on_with_the_line_before() {
        assert_eq!(joined("flows()", ".count()"), "flows()\n.count()");
        assert_eq!(joined("flows().first()", "  ?.client"), "flows().first()\n  ?.client");
        assert_eq!(joined("flows()", "count"), "count");
        assert_eq!(joined("flows()", ".5 + 1"), ".5 + 1");
        assert_eq!(joined("", ".count()"), ".count()");
    }

    #[test]
    fn help_explains_a_topic_or_says_what_was_meant() {
        assert!(help(None, 80).unwrap().contains("Ctrl-D"));
        assert!(help(Some("flow.state"), 80).unwrap().contains("state"));
        assert_eq!(help(Some("flws"), 80).unwrap_err(), "there is nothing called `flws`; did you mean `flows`?");
    }
}
