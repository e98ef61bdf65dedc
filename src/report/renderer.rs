//! What every format can be told.

use std::io;

use super::{Chart, Finding, Outcome};
use crate::record::{Row, Value};

/// Writes what a run says, in one format.
///
/// A table is begun, gets its rows one by one as they come, and is ended; everything else is one call, and may come
/// while a table is open (a script that prints while its rows flow).
///
/// What is said may be held back until [`flush`](Self::flush) or [`finish`](Self::finish); a page and test results are
/// written as a whole at the end, so finish also after an error, with its verdict. Every call gives the error
/// of writing it, a broken pipe included; whoever calls decides what that means.
pub trait Renderer: Send {
    /// Whether a table without columns shows all fields, and not the main ones only.
    fn shows_all_fields(&self) -> bool {
        false
    }

    /// A line that the script printed.
    fn text(&mut self, text: &str) -> io::Result<()>;
    /// Something that happened while a run goes on: lines of text for people, the row that they are about for programs.
    fn tell(&mut self, _row: &Row, text: &str) -> io::Result<()> {
        text.lines().try_for_each(|line| self.text(line))
    }
    /// The beginning of a table; `columns` are dotted field names (`credential.fingerprint`), none for the main fields
    /// (in JSON all of them).
    fn begin_table(&mut self, columns: &[String]) -> io::Result<()>;
    /// The next row of the table. Rows of one table may be of different kinds.
    fn row(&mut self, row: &Row) -> io::Result<()>;
    /// The end of the table.
    fn end_table(&mut self) -> io::Result<()>;
    /// One value: what `eval` gives if it is neither a stream nor an array. A record is shown as a card, and
    /// [`Value::None`] not at all.
    fn value(&mut self, value: &Value<'_>) -> io::Result<()>;
    /// A few numbers to draw.
    fn chart(&mut self, chart: &Chart) -> io::Result<()>;
    /// A finding, as soon as it is made.
    fn finding(&mut self, finding: &Finding) -> io::Result<()>;
    /// A check that passed: `no request was rejected`.
    fn pass(&mut self, text: &str) -> io::Result<()>;
    /// Something said aside: a note about the run.
    fn note(&mut self, text: &str) -> io::Result<()>;
    /// Shows what was held back: for a live source that has nothing more right now.
    fn flush(&mut self) -> io::Result<()>;
    /// The end; nothing comes after it.
    fn finish(&mut self, outcome: &Outcome) -> io::Result<()>;
}

/// Several renderers told the same: standard output and `--report FILE`.
///
/// All of them are told everything, even after one of them failed; the first error is given back.
pub struct Tee(Vec<Box<dyn Renderer>>);

impl Tee {
    /// Tells all of these.
    #[must_use]
    pub fn new(renderers: Vec<Box<dyn Renderer>>) -> Self {
        Self(renderers)
    }

    fn each(&mut self, mut tell: impl FnMut(&mut dyn Renderer) -> io::Result<()>) -> io::Result<()> {
        let mut all = Ok(());
        for renderer in &mut self.0 {
            all = all.and(tell(renderer.as_mut()));
        }
        all
    }
}

impl Renderer for Tee {
    fn shows_all_fields(&self) -> bool {
        self.0.iter().any(|renderer| renderer.shows_all_fields())
    }

    fn text(&mut self, text: &str) -> io::Result<()> {
        self.each(|to| to.text(text))
    }

    fn tell(&mut self, row: &Row, text: &str) -> io::Result<()> {
        self.each(|to| to.tell(row, text))
    }

    fn begin_table(&mut self, columns: &[String]) -> io::Result<()> {
        self.each(|to| to.begin_table(columns))
    }

    fn row(&mut self, row: &Row) -> io::Result<()> {
        self.each(|to| to.row(row))
    }

    fn end_table(&mut self) -> io::Result<()> {
        self.each(|to| to.end_table())
    }

    fn value(&mut self, value: &Value<'_>) -> io::Result<()> {
        self.each(|to| to.value(value))
    }

    fn chart(&mut self, chart: &Chart) -> io::Result<()> {
        self.each(|to| to.chart(chart))
    }

    fn finding(&mut self, finding: &Finding) -> io::Result<()> {
        self.each(|to| to.finding(finding))
    }

    fn pass(&mut self, text: &str) -> io::Result<()> {
        self.each(|to| to.pass(text))
    }

    fn note(&mut self, text: &str) -> io::Result<()> {
        self.each(|to| to.note(text))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.each(|to| to.flush())
    }

    fn finish(&mut self, outcome: &Outcome) -> io::Result<()> {
        self.each(|to| to.finish(outcome))
    }
}

/// Shows nothing: for who reads the report of a run and not its output.
#[derive(Debug, Clone, Copy)]
pub struct Discard;

impl Renderer for Discard {
    fn text(&mut self, _: &str) -> io::Result<()> {
        Ok(())
    }

    fn begin_table(&mut self, _: &[String]) -> io::Result<()> {
        Ok(())
    }

    fn row(&mut self, _: &Row) -> io::Result<()> {
        Ok(())
    }

    fn end_table(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn value(&mut self, _: &Value<'_>) -> io::Result<()> {
        Ok(())
    }

    fn chart(&mut self, _: &Chart) -> io::Result<()> {
        Ok(())
    }

    fn finding(&mut self, _: &Finding) -> io::Result<()> {
        Ok(())
    }

    fn pass(&mut self, _: &str) -> io::Result<()> {
        Ok(())
    }

    fn note(&mut self, _: &str) -> io::Result<()> {
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn finish(&mut self, _: &Outcome) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::report::sample::{Shared, outcome};
    use crate::report::{Format, Style, Verdict};

    /// A pipe whose reader has gone.
    struct Broken;

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_tee_goes_on_writing_the_report_when_the_pipe_is_broken() {
        let report = Shared::default();
        let broken = Format::Json.renderer(Box::new(Broken), Style { width: Some(80), ..Style::default() });
        let whole = Format::Json.renderer(Box::new(report.clone()), Style::default());
        let mut tee = Tee::new(vec![broken, whole]);
        assert_eq!(tee.text("one").unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(tee.finish(&outcome(Verdict::Clean)).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        assert!(report.text().starts_with("{\"record\":\"text\",\"text\":\"one\"}\n{\"record\":\"verdict\""));
    }
}
