//! The XML that CI systems read as test results.
//!
//! A finding is a failed case (`expired-credential: 10.0.0.7`, its evidence as the text of the failure), a check that
//! passed is a passed one. A command that was watched is a case that passes or fails as it did. The case `verdict`
//! passes with a clean verdict and is an error with an inconclusive one or an error, so that no system shows it green.
//! Everything else that was said stands in `system-out`, as text.

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
        if let Some(command) = &outcome.command {
            let failure = command.failure();
            self.failures += u64::from(failure.is_some());
            let inside = failure.map_or_else(String::new, |failure| trouble("failure", "command", &failure, ""));
            self.add(&format!("command: {}", command.line), &inside);
        }
        let findings = self.findings;
        self.say(|pen| pen.verdict(outcome, findings));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Loss;
    use crate::report::sample::{Exchange, exchange, finding, outcome, rendered, table};
    use crate::report::{CommandEnd, Format};

    fn run(tell: impl FnOnce(&mut dyn Renderer) -> io::Result<()>) -> String {
        rendered(Format::Junit, Style { title: "token-hunt".to_owned(), ..Style::default() }, tell)
    }

    #[test]
    fn findings_fail_and_checks_pass() {
        let output = run(|to| {
            to.text("printed")?;
            to.pass("no password in the clear")?;
            to.finding(&finding(vec![Value::from("seen"), Value::Integer(7)]))?;
            table(to, &["path", "status"], &[exchange(0)])?;
            to.finish(&outcome(Verdict::Finding))
        });
        assert_eq!(
            output,
            r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites tests="2" failures="1" errors="0">
  <testsuite name="token-hunt" tests="2" failures="1" errors="0" skipped="0">
    <testcase classname="token-hunt" name="no password in the clear"/>
    <testcase classname="token-hunt" name="expired-credential: 192.0.2.1">
      <failure type="high" message="192.0.2.1 still sends a rejected credential">seen
7
</failure>
    </testcase>
    <system-out>printed
path       status
/orders/0     401

FINDING  1 finding
</system-out>
  </testsuite>
</testsuites>
"#
        );
    }

    #[test]
    fn only_a_clean_verdict_is_green() {
        let clean = run(|to| to.finish(&outcome(Verdict::Clean)));
        assert!(clean.contains(r#"tests="1" failures="0" errors="0""#), "{clean}");
        assert!(clean.contains(r#"<testcase classname="token-hunt" name="verdict"/>"#), "{clean}");
        let reasons = vec!["1 gap, 9 bytes of TCP payload missing".to_owned(), "late".to_owned()];
        let loss = Loss { gaps: 1, gap_bytes: 9, ..Loss::default() };
        let inconclusive = run(|to| to.finish(&Outcome { reasons, loss, ..outcome(Verdict::Inconclusive) }));
        assert!(inconclusive.contains(r#"tests="1" failures="0" errors="1""#), "{inconclusive}");
        assert!(
            inconclusive.contains(
                "<error type=\"inconclusive\" message=\"1 gap, 9 bytes of TCP payload missing; late\">\
                 18,211 packets captured, 18,211 received, 0 dropped; 1 gap, 9 bytes of TCP payload missing\n</error>"
            ),
            "{inconclusive}"
        );
        let error = run(|to| to.finish(&outcome(Verdict::Error)));
        assert!(error.contains("<error type=\"error\" message=\"could not run\">"), "{error}");
        let untold = run(|to| to.finish(&outcome(Verdict::Finding)));
        assert!(untold.contains("<failure type=\"finding\""), "{untold}");
    }

    #[test]
    fn a_command_is_a_case_that_passes_or_fails_beside_the_verdict() {
        let ended = |code| {
            let command = CommandEnd::new(&["make", "-j4", "TOKEN=abc"], Some(code), None, false);
            let reasons = command.failure().into_iter().collect();
            run(|to| to.finish(&Outcome { command: Some(command), reasons, ..outcome(Verdict::Clean) }))
        };
        assert_eq!(
            ended(2),
            r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites tests="2" failures="1" errors="0">
  <testsuite name="token-hunt" tests="2" failures="1" errors="0" skipped="0">
    <testcase classname="token-hunt" name="verdict"/>
    <testcase classname="token-hunt" name="command: make -j4 TOKEN=****">
      <failure type="command" message="the command failed: exit code 2"></failure>
    </testcase>
    <system-out>CLEAN  nothing found
  the command failed: exit code 2
</system-out>
  </testsuite>
</testsuites>
"#
        );
        let passed = ended(0);
        assert!(passed.contains("tests=\"2\" failures=\"0\" errors=\"0\""), "{passed}");
        assert!(passed.contains("name=\"command: make -j4 TOKEN=****\"/>\n"), "{passed}");
    }

    #[test]
    fn nothing_that_was_on_the_wire_breaks_the_xml() {
        let output = run(|to| {
            let evidence = vec![Value::Record(Exchange::hostile().row())];
            to.finding(&Finding { subject: "\"><x>&\u{1}\u{fffe}\n".to_owned(), ..finding(evidence) })?;
            to.finish(&outcome(Verdict::Finding))
        });
        assert!(output.contains(r#"name="expired-credential: &quot;&gt;&lt;x&gt;&amp;\x01\u{fffe}\n""#), "{output}");
        assert!(output.contains("&lt;script&gt;alert(1)&lt;/script&gt;\n  ,&quot;@team&quot;&amp;]]&gt;"), "{output}");
        assert!(!output.contains(|c: char| (c.is_control() && c != '\n') || c == '\u{fffe}' || c == '\u{202e}'));
    }

    #[test]
    fn what_is_printed_without_end_is_cut_with_a_note() {
        let output = run(|to| {
            for _ in 0..2000 {
                to.text(&"x".repeat(900))?;
            }
            to.finish(&outcome(Verdict::Clean))
        });
        assert!(output.len() < SAID + 10_000);
        assert!(output.contains("(and more, which is left out here)\n</system-out>"));
    }
}
