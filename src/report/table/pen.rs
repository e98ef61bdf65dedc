//! What a run says, as text that still has to go somewhere.

use super::super::values::write_value;
use super::super::visible;
use super::super::{Chart, Finding, Outcome, Severity, Verdict};
use super::grid::Grid;
use super::screen::{Ink, Screen};
use super::{card, chart};
use crate::record::{Row, Value};

/// Rows and values of evidence that are shown of one finding.
pub(in crate::report) const EVIDENCE: usize = 10;

/// Appends what it is told to [`text`](Self::text), with empty lines where they help.
pub(in crate::report) struct Pen {
    /// What was written and not taken yet.
    pub(in crate::report) text: String,
    screen: Screen,
    grid: Option<Grid>,
    last: Last,
}

/// What was written last, which says whether an empty line has to follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Last {
    Nothing,
    Line,
    Block,
}

impl Pen {
    pub(in crate::report) const fn new(screen: Screen) -> Self {
        Self { text: String::new(), screen, grid: None, last: Last::Nothing }
    }

    /// Makes room for a line, below the rows that were held back.
    fn begin_line(&mut self) {
        if let Some(grid) = &mut self.grid {
            grid.release(&mut self.text);
        }
        if self.last == Last::Block {
            self.text.push('\n');
        }
        self.last = Last::Line;
    }

    /// Makes room for something of several lines. A table that is open begins anew below it.
    fn begin_block(&mut self, apart: bool) {
        if let Some(grid) = &mut self.grid {
            grid.restart(&mut self.text);
        }
        if self.last == Last::Block || apart && self.last == Last::Line {
            self.text.push('\n');
        }
        self.last = Last::Block;
    }

    /// A word that stands out and what it is about.
    fn worded(&mut self, word: &str, ink: Ink, text: &str) {
        self.begin_line();
        self.screen.inked(&mut self.text, ink, |to| to.push_str(word));
        self.text.push_str("  ");
        self.screen.prose(&mut self.text, word.len() + 2, word.len() + 2, text);
        self.text.push('\n');
    }

    pub(in crate::report) fn line(&mut self, text: &str) {
        self.begin_line();
        self.text.push_str(&visible::harmless(text.strip_suffix('\n').unwrap_or(text)));
        self.text.push('\n');
    }

    pub(in crate::report) fn begin_table(&mut self, columns: &[String]) {
        self.begin_block(false);
        self.grid = Some(Grid::new(columns, self.screen));
    }

    pub(in crate::report) fn row(&mut self, row: &Row) {
        if let Some(grid) = &mut self.grid {
            grid.push(row, &mut self.text);
        }
    }

    pub(in crate::report) fn end_table(&mut self) {
        if let Some(mut grid) = self.grid.take() {
            grid.end(&mut self.text);
        }
    }

    /// Shows the rows that were held back.
    pub(in crate::report) fn release(&mut self) {
        if let Some(grid) = &mut self.grid {
            grid.release(&mut self.text);
        }
    }

    pub(in crate::report) fn value(&mut self, value: &Value<'_>) {
        match value {
            Value::None => {}
            Value::Record(record) => {
                self.begin_block(false);
                card::record(record.as_ref(), self.screen, &mut self.text);
            }
            Value::Map(entries) => {
                self.begin_block(false);
                card::map(entries, self.screen, &mut self.text);
            }
            Value::Text(text) => self.line(text),
            value => {
                self.begin_line();
                let form = self.screen.form();
                visible::append(&mut self.text, usize::MAX, |to| write_value(to, value, "", form));
                self.text.push('\n');
            }
        }
    }

    pub(in crate::report) fn chart(&mut self, chart: &Chart) {
        self.begin_block(false);
        chart::write(chart, self.screen, &mut self.text);
    }

    pub(in crate::report) fn finding(&mut self, finding: &Finding) {
        self.begin_block(true);
        let (to, screen) = (&mut self.text, self.screen);
        let word = finding.severity.as_str().to_uppercase();
        screen.inked(to, severity_ink(finding.severity), |to| to.push_str(&word));
        to.push_str("  ");
        screen.inked(to, Ink::BOLD, |to| screen.prose(to, word.len() + 2, 2, &finding.title));
        to.push('\n');
        let inner = screen.indented(2);
        inner.line(to, Ink::DIM, &format!("{}: {}", finding.id, finding.subject));
        evidence(&finding.evidence, inner, to);
    }

    pub(in crate::report) fn pass(&mut self, text: &str) {
        self.worded("pass", Ink::GREEN, text);
    }

    pub(in crate::report) fn note(&mut self, text: &str) {
        self.worded("note", Ink::DIM, text);
    }

    pub(in crate::report) fn verdict(&mut self, outcome: &Outcome, findings: u64) {
        self.begin_block(true);
        let ink = match outcome.verdict {
            Verdict::Clean => Ink::BOLD_GREEN,
            Verdict::Inconclusive => Ink::BOLD_YELLOW,
            Verdict::Finding | Verdict::Error => Ink::BOLD_RED,
        };
        let (to, screen) = (&mut self.text, self.screen);
        let word = outcome.verdict.as_str().to_uppercase();
        screen.inked(to, ink, |to| to.push_str(&word));
        to.push_str("  ");
        to.push_str(&outcome.verdict.in_words(findings));
        to.push('\n');
        for reason in &outcome.reasons {
            to.push_str("  ");
            screen.prose(to, 2, 4, reason);
            to.push('\n');
        }
    }
}

/// Appends at most so many rows and values that show a finding: a single record as a card, several as a table.
pub(in crate::report) fn evidence(values: &[Value<'_>], screen: Screen, to: &mut String) {
    if let [Value::Record(record)] = values {
        return card::record(record.as_ref(), screen, to);
    }
    let mut grid: Option<Grid> = None;
    for value in values.iter().take(EVIDENCE) {
        if let Value::Record(row) = value {
            grid.get_or_insert_with(|| Grid::new(&[], screen)).push(row, to);
            continue;
        }
        if let Some(mut grid) = grid.take() {
            grid.end(to);
        }
        match value {
            Value::Map(entries) => card::map(entries, screen, to),
            value => {
                screen.begin(to);
                visible::append(to, screen.room(), |to| write_value(to, value, "", screen.form()));
                to.push('\n');
            }
        }
    }
    if let Some(mut grid) = grid {
        grid.end(to);
    }
    if let Some(more) = values.len().checked_sub(EVIDENCE + 1) {
        screen.line(to, Ink::DIM, &format!("and {} more", more + 1));
    }
}

const fn severity_ink(severity: Severity) -> Ink {
    match severity {
        Severity::Info => Ink::CYAN,
        Severity::Low => Ink::YELLOW,
        Severity::Medium => Ink::BOLD_YELLOW,
        Severity::High => Ink::RED,
        Severity::Critical => Ink::BOLD_RED,
    }
}
