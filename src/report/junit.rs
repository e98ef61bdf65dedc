//! The XML that CI systems read as test results.
//!
//! A finding is a failed case (`expired-credential: 10.0.0.7`, its evidence as the text of the failure), a check that
//! passed is a passed one. The case `verdict` passes with a clean verdict and is an error with an inconclusive one or
//! an error, so that no system shows it green. Everything else that was said stands in `system-out`, as text.

use std::fmt::Write as _;
use std::io;

use super::numbers::counted;
use super::output::Output;
use super::table::{Pen, Screen, evidence};
use super::{Chart, Finding, Outcome, Renderer, Style, Verdict, loss, markup};
use crate::record::{Row, Value};

/// Columns of a name, message or line that are kept.
const LONG: usize = 1000;
/// Bytes of cases that are kept; later ones are counted.
const CASES: usize = 16 << 20;
/// Bytes of text that are kept for `system-out`.
const SAID: usize = 1 << 20;

/// Gathers cases, and writes them at the end, as their numbers stand first.
pub(super) struct Junit {
    out: Output,
    style: Style,
    cases: String,
    tests: u64,
    failures: u64,
    findings: u64,
    /// Cases that found no room.
    more: u64,
    pen: Pen,
    said: String,
    /// Whether some text found no room.
    cut: bool,
}

impl Junit {
    pub(super) fn new(out: Output, style: Style) -> Self {
        Self {
            out,
            style,
            cases: String::new(),
            tests: 0,
            failures: 0,
            findings: 0,
            more: 0,
            pen: Pen::new(Screen::PLAIN),
            said: String::new(),
            cut: false,
        }
    }

    /// Lets the pen write what is only text here.
    fn say(&mut self, tell: impl FnOnce(&mut Pen)) {
        tell(&mut self.pen);
        for line in self.pen.text.lines() {
            if self.said.len() > SAID {
                self.cut = true;
                break;
            }
            append_line(&mut self.said, line);
        }
        self.pen.text.clear();
    }

    /// Adds a case if there is room; `inside` is XML. Whether there was room.
    fn case(&mut self, name: &str, inside: &str) -> bool {
        let room = self.cases.len() < CASES;
        if room {
            self.add(name, inside);
        } else {
            self.more += 1;
        }
        room
    }

    fn add(&mut self, name: &str, inside: &str) {
        self.tests += 1;
        let class = if self.style.title.is_empty() { "netscript" } else { &self.style.title };
        let (class, name) = (markup::text(class, LONG), markup::text(name, LONG));
        let _ = match inside {
            "" => writeln!(self.cases, "    <testcase classname=\"{class}\" name=\"{name}\"/>"),
            _ => writeln!(self.cases, "    <testcase classname=\"{class}\" name=\"{name}\">\n{inside}    </testcase>"),
        };
    }
}

/// Appends a line as text of XML, without what XML does not allow.
fn append_line(to: &mut String, line: &str) {
    markup::append(to, LONG, |to| to.write_str(line.trim_end()));
    to.push('\n');
}

/// A failure or error, with what shows it.
fn trouble(element: &str, kind: &str, message: &str, details: &str) -> String {
    let message = markup::text(message, LONG);
    let mut xml = format!("      <{element} type=\"{kind}\" message=\"{message}\">");
    for line in details.lines() {
        append_line(&mut xml, line);
    }
    let _ = writeln!(xml, "</{element}>");
    xml
}

impl Renderer for Junit {
    fn text(&mut self, text: &str) -> io::Result<()> {
        self.say(|pen| pen.line(text));
        Ok(())
    }

    fn begin_table(&mut self, columns: &[String]) -> io::Result<()> {
        self.say(|pen| pen.begin_table(columns));
        Ok(())
    }

    fn row(&mut self, row: &Row) -> io::Result<()> {
        if !self.cut {
            self.say(|pen| pen.row(row));
        }
        Ok(())
    }

    fn end_table(&mut self) -> io::Result<()> {
        self.say(Pen::end_table);
        Ok(())
    }

    fn value(&mut self, value: &Value<'_>) -> io::Result<()> {
        self.say(|pen| pen.value(value));
        Ok(())
    }

    fn chart(&mut self, chart: &Chart) -> io::Result<()> {
        self.say(|pen| pen.chart(chart));
        Ok(())
    }

    fn finding(&mut self, finding: &Finding) -> io::Result<()> {
        self.findings += 1;
        let mut details = String::new();
        evidence(&finding.evidence, Screen::PLAIN, &mut details);
        let inside = trouble("failure", finding.severity.as_str(), &finding.title, &details);
        if self.case(&format!("{}: {}", finding.id, finding.subject), &inside) {
            self.failures += 1;
        }
        Ok(())
    }

    fn pass(&mut self, text: &str) -> io::Result<()> {
        self.case(text, "");
        Ok(())
    }

    fn note(&mut self, text: &str) -> io::Result<()> {
        self.say(|pen| pen.note(text));
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        // Nothing can be written before the end.
        Ok(())
    }

    fn finish(&mut self, outcome: &Outcome) -> io::Result<()> {
        let (kind, words) = (outcome.verdict.as_str(), outcome.verdict.in_words(self.findings));
        let message = if outcome.reasons.is_empty() { words } else { outcome.reasons.join("; ") };
        let details = loss::summary(outcome.captured, outcome.received, &outcome.loss);
        let mut errors = 0;
        match outcome.verdict {
            Verdict::Clean => self.add("verdict", ""),
            Verdict::Finding if self.failures > 0 => {}
            Verdict::Finding => {
                self.failures += 1;
                self.add("verdict", &trouble("failure", kind, &message, &details));
            }
            Verdict::Inconclusive | Verdict::Error => {
                errors = 1;
                self.add("verdict", &trouble("error", kind, &message, &details));
            }
        }
        self.say(|pen| pen.verdict(outcome));
        if self.cut {
            self.said.push_str("(and more, which is left out here)\n");
        }
        if self.more > 0 {
            let _ = writeln!(self.said, "({} left out here)", counted(self.more, "case"));
        }
        let Self { tests, failures, cases, said, .. } = self;
        let name = markup::text(&self.style.title, LONG);
        let xml = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <testsuites tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\">\n  \
             <testsuite name=\"{name}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"0\">\n\
             {cases}    <system-out>{said}</system-out>\n  </testsuite>\n</testsuites>\n"
        );
        self.out.put(xml.as_bytes())?;
        self.out.flush()
    }
}
