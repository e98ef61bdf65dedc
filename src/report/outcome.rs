//! How a run ended.

use std::fmt;

use super::numbers::counted;
use crate::limits::Loss;

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
}
