//! Findings and verdicts, and one renderer per format.

use std::io;

use crate::limits::Loss;
use crate::record::{Row, Value};

/// Something that the run found.
#[derive(Debug, Clone)]
pub struct Finding {
    /// What kind of trouble: `expired-credential`.
    pub id: String,
    /// Who: the container, credential fingerprint, destination, hop.
    pub subject: String,
    /// One sentence for a person.
    pub title: String,
    /// How bad it is.
    pub severity: Severity,
    /// What shows it: rows and values.
    pub evidence: Vec<Value<'static>>,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Worth a ticket.
    Low,
    /// Worth a look today.
    Medium,
    /// Worth a look now.
    High,
    /// Worth waking somebody.
    Critical,
}

/// What a run concludes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

/// A few numbers to draw.
#[derive(Debug, Clone)]
pub struct Chart {
    /// What is drawn.
    pub title: String,
    /// Unit of the numbers: `bytes`, `requests`; empty for a count.
    pub unit: String,
    /// Whether the labels are points in time (a line) or names (bars).
    pub over_time: bool,
    /// Label and value, in order.
    pub points: Vec<(String, f64)>,
}

/// Writes what a run says, in one format.
///
/// A table is begun, gets its rows one by one as they come, and is ended; everything else is one call.
pub trait Renderer: Send {
    /// A line that the script printed.
    fn text(&mut self, text: &str) -> io::Result<()>;
    /// The beginning of a table; `columns` are dotted field names (`credential.fingerprint`), none for the main fields.
    fn begin_table(&mut self, columns: &[String]) -> io::Result<()>;
    /// The next row of the table. Rows of one table may be of different kinds.
    fn row(&mut self, row: &Row) -> io::Result<()>;
    /// The end of the table.
    fn end_table(&mut self) -> io::Result<()>;
    /// One value: what `eval` gives if it is neither a stream nor an array. A record is shown as a card.
    fn value(&mut self, value: &Value<'_>) -> io::Result<()>;
    /// A few numbers to draw.
    fn chart(&mut self, chart: &Chart) -> io::Result<()>;
    /// A finding, as soon as it is made.
    fn finding(&mut self, finding: &Finding) -> io::Result<()>;
    /// Something said aside: a passed check, a note about the run.
    fn note(&mut self, text: &str) -> io::Result<()>;
    /// The end; nothing comes after it.
    fn finish(&mut self, outcome: &Outcome) -> io::Result<()>;
}
