//! Findings and verdicts, and one renderer per format.
//!
//! A run tells a [`Renderer`] what it has: rows, values, charts, findings and, at the end, its [`Outcome`].
//! [`Format::renderer`] makes one for each [`Format`]:
//!
//! | format | for | what is in it |
//! | --- | --- | --- |
//! | `table` | a person at a terminal, or a text file | everything; cut and shortened at a terminal only |
//! | `json` | programs | everything, one object a line (NDJSON), with all fields |
//! | `csv` | spreadsheets and data frames | everything as tables, values exact |
//! | `md` | a pull request, a ticket, a wiki | everything, as GitHub reads Markdown |
//! | `html` | whoever was not there | one self-contained page; long tables are cut with a note |
//! | `junit` | a CI system | findings as failed cases, passed checks as passed ones |
//!
//! **Values come from the network and are never trusted.** Where a person reads them, control characters, terminal
//! escapes, and characters that are invisible or turn the direction of a text are written out (`\x1b`, `\u{202e}`);
//! markup of the format is escaped. JSON writes the same value with the same characters as JSON escapes. CSV that does
//! not go to a terminal holds exactly what was on the wire, formulas (`=1+1`) included: it is data, so import it as
//! text.

mod annotation;
mod chart;
mod columns;
mod csv;
mod finding;
mod format;
mod html;
mod json;
mod junit;
pub mod loss;
mod markdown;
mod markup;
mod numbers;
mod outcome;
mod output;
mod renderer;
mod table;
mod values;
mod visible;

#[cfg(test)]
pub(crate) mod sample;

pub use annotation::annotations;
pub use chart::Chart;
pub use finding::{Finding, Severity, UnknownSeverity};
pub use format::{Format, Style, UnknownFormat};
pub(crate) use html::fragment;
pub use outcome::{CommandEnd, Outcome, Verdict};
pub use renderer::{Discard, Renderer, Tee};
pub use visible::harmless;
