//! Annotations of a CI job: the workflow commands of GitHub Actions, one a line.

use std::fmt::Write as _;

use super::visible;
use super::{Finding, Outcome, Severity, Verdict, harmless};

/// Columns of a title that are kept.
const LONG: usize = 200;

/// An annotation for each finding, and one for a verdict that is inconclusive or an error, with its reasons.
#[must_use]
pub fn annotations(findings: &[Finding], outcome: &Outcome) -> String {
    let mut text = String::new();
    for finding in findings {
        let command = match finding.severity {
            Severity::Critical | Severity::High | Severity::Medium => "error",
            Severity::Low => "warning",
            Severity::Info => "notice",
        };
        annotate(&mut text, command, &format!("{}: {}", finding.id, finding.subject), &finding.title);
    }
    let command = match outcome.verdict {
        Verdict::Clean | Verdict::Finding => return text,
        Verdict::Inconclusive => "warning",
        Verdict::Error => "error",
    };
    annotate(&mut text, command, &outcome.verdict.in_words(0), &outcome.reasons.join("\n"));
    text
}

fn annotate(to: &mut String, command: &str, title: &str, message: &str) {
    let title = data(&visible::line(title, LONG)).replace(':', "%3A").replace(',', "%2C");
    let _ = writeln!(to, "::{command} title={title}::{}", data(&harmless(message)));
}

/// Text in which nothing ends the command that it is for.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::{finding, outcome};

    #[test]
    fn severities_become_errors_warnings_and_notices() {
        let findings = Severity::ALL.map(|severity| Finding { severity, ..finding(Vec::new()) });
        let rest = "title=expired-credential%3A 192.0.2.1::192.0.2.1 still sends a rejected credential";
        let expected = ["notice", "warning", "error", "error", "error"].map(|command| format!("::{command} {rest}\n"));
        assert_eq!(annotations(&findings, &outcome(Verdict::Finding)), expected.concat());
    }

    #[test]
    fn what_could_not_be_told_is_a_warning_with_its_reasons() {
        let reasons = || vec!["100 % lost".to_owned(), "late: 2, 3".to_owned()];
        let told = |verdict| annotations(&[], &Outcome { reasons: reasons(), ..outcome(verdict) });
        let reasons = "100 %25 lost%0Alate: 2, 3\n";
        assert_eq!(told(Verdict::Inconclusive), format!("::warning title=could not see enough to tell::{reasons}"));
        assert_eq!(told(Verdict::Error), format!("::error title=could not run::{reasons}"));
        assert_eq!(told(Verdict::Clean), "");
        assert_eq!(told(Verdict::Finding), "");
    }

    #[test]
    fn nothing_that_was_on_the_wire_gives_a_command() {
        let hostile = Finding {
            id: "a,b".to_owned(),
            subject: "::x\n::error::y%0A\r".to_owned(),
            title: "50%\r\n::stop-commands::z\x1b[2J, \u{202e}".to_owned(),
            ..finding(Vec::new())
        };
        assert_eq!(
            annotations(&[hostile], &outcome(Verdict::Finding)),
            "::error title=a%2Cb%3A %3A%3Ax\\n%3A%3Aerror%3A%3Ay%250A\\r::50%25\\r%0A::stop-commands::z\\x1b[2J, \\u{202e}\n"
        );
    }
}
