//! How a run ended.

use std::fmt;

use super::numbers::counted;
use crate::limits::Loss;
use crate::record::secret::command_line;

/// What a run concludes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It could observe, and found nothing.
    Clean,
    /// It found something.
    Finding,
    /// It could not observe enough to say "clean".
    Inconclusive,
    /// It could not run: usage, script or input.
    Error,
}

impl Verdict {
    /// The exit code of the command line.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::Finding => 1,
            Self::Error => 2,
            Self::Inconclusive => 3,
        }
    }

    /// How JSON says it: `inconclusive`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Finding => "finding",
            Self::Inconclusive => "inconclusive",
            Self::Error => "error",
        }
    }
}

impl Verdict {
    /// What it means, in a few words.
    pub(super) fn in_words(self, findings: u64) -> String {
        match self {
            Self::Clean => "nothing found".to_owned(),
            Self::Finding => counted(findings, "finding"),
            Self::Inconclusive => "could not see enough to tell".to_owned(),
            Self::Error => "could not run".to_owned(),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How a command ended whose traffic was watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandEnd {
    /// The command: its arguments with spaces between them.
    pub line: String,
    /// Its exit code, if it ended by itself.
    pub code: Option<i32>,
    /// The number of the signal that ended it.
    pub signal: Option<i32>,
}

impl CommandEnd {
    /// How a command ended; its secrets are masked here, unless they are to be shown.
    #[must_use]
    pub fn new(command: &[impl AsRef<str>], code: Option<i32>, signal: Option<i32>, show_secrets: bool) -> Self {
        Self { line: command_line(command, show_secrets), code, signal }
    }

    /// The exit code that shells give it: its own, or 128 and the number of the signal.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        let code = self.code.or(self.signal.map(|signal| 128_i32.saturating_add(signal)));
        code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
    }

    /// That it failed, if it did: `the command failed: exit code 2`.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        let why = match (self.code, self.signal) {
            (Some(0), _) => return None,
            (Some(code), _) => format!("exit code {code}"),
            (None, Some(signal)) => format!("signal {signal}"),
            (None, None) => "how it ended is not known".to_owned(),
        };
        Some(format!("the command failed: {why}"))
    }
}

/// How a run ended.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// What it concludes.
    pub verdict: Verdict,
    /// Why: what passed, what could not be seen, what went wrong.
    pub reasons: Vec<String>,
    /// Packets that the run read and its filters let through.
    pub captured: u64,
    /// Packets that its sources delivered.
    pub received: u64,
    /// What it could not see.
    pub loss: Loss,
    /// How the command ended that it watched. Where it failed, the reasons say so.
    pub command: Option<CommandEnd>,
}

impl Outcome {
    /// The exit code of the command line: that of the verdict, and where it is clean that of the command.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match (self.verdict, &self.command) {
            (Verdict::Clean, Some(command)) => command.exit_code(),
            (verdict, _) => verdict.exit_code(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::outcome;

    fn ended(code: Option<i32>, signal: Option<i32>) -> CommandEnd {
        CommandEnd::new(&["make", "TOKEN=abc"], code, signal, false)
    }

    #[test]
    fn a_clean_run_ends_as_its_command_did_and_any_other_as_its_verdict_says() {
        for (code, signal, clean, failure) in [
            (Some(0), None, 0, None),
            (Some(2), None, 2, Some("the command failed: exit code 2")),
            (Some(255), None, 255, Some("the command failed: exit code 255")),
            (None, Some(9), 137, Some("the command failed: signal 9")),
            (None, None, 255, Some("the command failed: how it ended is not known")),
        ] {
            let command = ended(code, signal);
            assert_eq!(command.failure().as_deref(), failure);
            for (verdict, exit) in
                [(Verdict::Clean, clean), (Verdict::Finding, 1), (Verdict::Error, 2), (Verdict::Inconclusive, 3)]
            {
                let outcome = Outcome { command: Some(command.clone()), ..outcome(verdict) };
                assert_eq!(outcome.exit_code(), exit, "{verdict} {command:?}");
            }
        }
        assert_eq!(outcome(Verdict::Clean).exit_code(), 0);
    }

    #[test]
    fn the_secrets_of_a_command_are_masked() {
        assert_eq!(ended(Some(0), None).line, "make TOKEN=****");
        assert_eq!(CommandEnd::new(&["make", "TOKEN=abc"], Some(0), None, true).line, "make TOKEN=abc");
    }
}
