//! Text for a person.
//!
//! At a terminal nothing is wider than the terminal, times are as short as they can be said (`17:02:00.123456` under a
//! line with the day, UTC), an address and its port share a column, and numbers with a unit have commas. In a file or
//! pipe every value is whole and exact, for `grep` and `awk`; only the columns are aligned.

mod card;
mod chart;
mod grid;
mod layout;
mod pen;
mod screen;
#[cfg(test)]
mod tests;

use std::io;

use super::output::Output;
use super::{Chart, Finding, Outcome, Renderer, Style};
use crate::record::{Row, Value};

pub(super) use chart::write as write_chart;
pub(super) use pen::{EVIDENCE, Pen, evidence};
pub(super) use screen::Screen;

/// Writes text.
pub(super) struct Table {
    out: Output,
    eval: bool,
    findings: u64,
    pen: Pen,
}

impl Table {
    pub(super) fn new(out: Output, style: &Style) -> Self {
        let pen = Pen::new(Screen { width: style.width, color: style.color, indent: 0 });
        Self { out, eval: style.eval, findings: 0, pen }
    }

    /// Lets the pen write, and passes on what it wrote.
    fn write(&mut self, tell: impl FnOnce(&mut Pen)) -> io::Result<()> {
        tell(&mut self.pen);
        if self.pen.text.is_empty() {
            return Ok(());
        }
        let written = self.out.put(self.pen.text.as_bytes());
        self.pen.text.clear();
        written
    }
}

impl Renderer for Table {
    fn text(&mut self, text: &str) -> io::Result<()> {
        self.write(|pen| pen.line(text))
    }

    fn begin_table(&mut self, columns: &[String]) -> io::Result<()> {
        self.write(|pen| pen.begin_table(columns))
    }

    fn row(&mut self, row: &Row) -> io::Result<()> {
        self.write(|pen| pen.row(row))
    }

    fn end_table(&mut self) -> io::Result<()> {
        self.write(Pen::end_table)
    }

    fn value(&mut self, value: &Value<'_>) -> io::Result<()> {
        self.write(|pen| pen.value(value))
    }

    fn chart(&mut self, chart: &Chart) -> io::Result<()> {
        self.write(|pen| pen.chart(chart))
    }

    fn finding(&mut self, finding: &Finding) -> io::Result<()> {
        self.findings += 1;
        self.write(|pen| pen.finding(finding))
    }

    fn pass(&mut self, text: &str) -> io::Result<()> {
        self.write(|pen| pen.pass(text))
    }

    fn note(&mut self, text: &str) -> io::Result<()> {
        self.write(|pen| pen.note(text))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.write(Pen::release)?;
        self.out.flush()
    }

    fn finish(&mut self, outcome: &Outcome) -> io::Result<()> {
        if !self.eval {
            let findings = self.findings;
            self.write(|pen| pen.verdict(outcome, findings))?;
        }
        self.flush()
    }
}
