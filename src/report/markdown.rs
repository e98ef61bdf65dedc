//! Markdown as GitHub reads it: for a comment on a pull request, a ticket, a wiki.
//!
//! What comes from the network is shown and does nothing: no link, image or HTML, nobody is mentioned, no issue is
//! referred to. Values stand in code spans for that reason.

use std::fmt::Write as _;
use std::io;

use super::columns::{Columns, Defaults};
use super::output::Output;
use super::table::{EVIDENCE, Screen, write_chart};
use super::values::{Form, write_value};
use super::visible;
use super::{Chart, Finding, Outcome, Renderer, Style, loss};
use crate::record::{Row, Value};

/// Columns of a value that are shown.
const LONG: usize = 500;

/// Writes Markdown.
pub(super) struct Markdown {
    out: Output,
    eval: bool,
    columns: Columns,
    /// Rows of the open table so far.
    rows: u64,
    findings: u64,
    last: Last,
    text: String,
}

/// What stands directly above, and may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Last {
    /// Nothing at all.
    Start,
    /// Rows of the open table.
    Rows,
    /// Lines of an indented code block.
    Code,
    /// Points of a list.
    List,
    /// Something that is complete.
    Other,
}

impl Markdown {
    /// A record with a line for each field that has a value.
    fn card(&mut self, row: &Row) {
        self.begin(Last::Other);
        self.text.push_str("| field | value |\n| --- | --- |\n");
        for (i, field) in row.kind().fields.iter().enumerate() {
            let value = row.value(i);
            if !value.is_none() {
                self.text.push_str("| ");
                prose(&mut self.text, &field.name);
                self.text.push_str(" | ");
                cell(&mut self.text, &value, field.unit);
                self.text.push_str(" |\n");
            }
        }
    }

    pub(super) fn new(out: Output, style: &Style) -> Self {
        let mut text = String::new();
        let mut last = Last::Start;
        if !style.eval && !style.title.is_empty() {
            text.push_str("## ");
            prose(&mut text, &style.title);
            if !style.source.is_empty() {
                text.push_str("\n\n");
                code(&mut text, &style.source);
            }
            text.push('\n');
            last = Last::Other;
        }
        Self {
            out,
            eval: style.eval,
            columns: Columns::new(&[], Defaults::Endpoints),
            rows: 0,
            findings: 0,
            last,
            text,
        }
    }

    fn begin(&mut self, what: Last) {
        begin(&mut self.text, &mut self.last, what);
    }

    /// Appends lines as they are to be seen. Indented code needs no fence that a value could close.
    fn verbatim(&mut self, lines: &str) {
        self.begin(Last::Code);
        for line in lines.lines() {
            self.text.push_str("    ");
            self.text.push_str(&visible::line(&line.replace('\t', "    "), usize::MAX));
            self.text.push('\n');
        }
    }

    fn point(&mut self, word: &str, text: &str) -> io::Result<()> {
        self.begin(Last::List);
        let _ = write!(self.text, "- **{word}** ");
        prose(&mut self.text, text);
        self.text.push('\n');
        self.put()
    }

    fn put(&mut self) -> io::Result<()> {
        let written = self.out.put(self.text.as_bytes());
        self.text.clear();
        written
    }
}

/// Goes on with what stands above, or begins something new below it.
fn begin(to: &mut String, last: &mut Last, what: Last) {
    if *last != Last::Start && (*last != what || what == Last::Other) {
        to.push('\n');
    }
    *last = what;
}

/// Appends a row, below a header if it does not go on with the rows above.
fn append_row(to: &mut String, last: &mut Last, columns: &mut Columns, row: &Row) {
    if columns.adopt(row) || *last != Last::Rows {
        if *last == Last::Rows {
            *last = Last::Other;
        }
        begin(to, last, Last::Rows);
        header(to, columns, row);
    }
    to.push('|');
    for column in columns.list() {
        to.push(' ');
        column.visit(row.as_ref(), |value, unit| cell(to, value, unit));
        to.push_str(" |");
    }
    to.push('\n');
}

/// Appends the names of the columns, with numbers on the right as far as this row tells.
fn header(to: &mut String, columns: &Columns, row: &Row) {
    to.push('|');
    for column in columns.list() {
        to.push(' ');
        prose(to, &column.name);
        to.push_str(" |");
    }
    to.push_str("\n|");
    for column in columns.list() {
        let number = column
            .visit(row.as_ref(), |value, _| matches!(value, Value::Integer(_) | Value::Float(_) | Value::Duration(_)));
        to.push_str(if number { " ---: |" } else { " --- |" });
    }
    to.push('\n');
}

/// Appends a value for a cell of a table.
fn cell(to: &mut String, value: &Value<'_>, unit: &str) {
    let mut text = String::new();
    visible::append(&mut text, LONG, |to| write_value(to, value, unit, Form::PAGE));
    let harmless = matches!(value, Value::Integer(_) | Value::Float(_) | Value::Duration(_) | Value::Time(_));
    if harmless || text.chars().all(|c| c.is_alphanumeric() || c == ' ') {
        to.push_str(text.trim());
    } else {
        code(to, &text);
    }
}

/// Appends text as code, in which nothing has a meaning.
fn code(to: &mut String, text: &str) {
    let text = visible::line(text, LONG);
    if !text.contains(['`', '|', '\\']) && !text.starts_with(' ') && !text.ends_with(' ') {
        let _ = write!(to, "`{text}`");
        return;
    }
    to.push_str("<code>");
    for c in text.chars() {
        if c.is_ascii_punctuation() {
            let _ = write!(to, "&#{};", u32::from(c));
        } else {
            to.push(c);
        }
    }
    to.push_str("</code>");
}

/// Appends text in which every sign stands for itself.
fn prose(to: &mut String, text: &str) {
    let text = visible::line(&text.split_whitespace().collect::<Vec<_>>().join(" "), usize::MAX);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            // After these GitHub looks for a name or a number even where they were escaped.
            '@' | '#' => {
                to.push(c);
                to.push_str("<!-- -->");
            }
            // Without these nothing becomes a link.
            ':' if chars.peek() == Some(&'/') => to.push_str("&#58;"),
            '.' if to.get(to.len().saturating_sub(3)..).is_some_and(|end| end.eq_ignore_ascii_case("www")) => {
                to.push_str("&#46;");
            }
            ',' | ';' | '\'' | '"' | '/' | '=' | '%' | '?' | '-' | '.' | ':' | '(' | ')' | '+' => to.push(c),
            c if c.is_ascii_punctuation() => {
                to.push('\\');
                to.push(c);
            }
            c => to.push(c),
        }
    }
}

impl Renderer for Markdown {
    fn text(&mut self, text: &str) -> io::Result<()> {
        self.verbatim(text);
        self.put()
    }

    fn begin_table(&mut self, columns: &[String]) -> io::Result<()> {
        self.columns = Columns::new(columns, Defaults::Endpoints);
        self.rows = 0;
        self.last = if self.last == Last::Rows { Last::Other } else { self.last };
        self.put()
    }

    fn row(&mut self, row: &Row) -> io::Result<()> {
        self.rows += 1;
        append_row(&mut self.text, &mut self.last, &mut self.columns, row);
        self.put()
    }

    fn end_table(&mut self) -> io::Result<()> {
        if self.rows == 0 {
            self.begin(Last::Other);
            self.text.push_str("(no rows)\n");
        }
        self.put()
    }

    fn value(&mut self, value: &Value<'_>) -> io::Result<()> {
        match value {
            Value::None => return Ok(()),
            Value::Text(text) => self.verbatim(text),
            Value::Record(row) => self.card(row),
            value => {
                self.begin(Last::Other);
                cell(&mut self.text, value, "");
                self.text.push('\n');
            }
        }
        self.put()
    }

    fn chart(&mut self, chart: &Chart) -> io::Result<()> {
        let mut lines = String::new();
        write_chart(chart, Screen::PLAIN, &mut lines);
        self.last = if self.last == Last::Code { Last::Other } else { self.last };
        self.verbatim(&lines);
        self.put()
    }

    fn finding(&mut self, finding: &Finding) -> io::Result<()> {
        self.findings += 1;
        self.begin(Last::Other);
        let _ = write!(self.text, "### {}: ", finding.severity.as_str().to_uppercase());
        prose(&mut self.text, &finding.title);
        self.text.push_str("\n\n");
        code(&mut self.text, &finding.id);
        self.text.push_str(": ");
        code(&mut self.text, &finding.subject);
        self.text.push('\n');
        if let [Value::Record(row)] = &finding.evidence[..] {
            self.card(row);
            return self.put();
        }
        // A table of its own, also while another one is open.
        let mut columns = Columns::new(&[], Defaults::Endpoints);
        for value in finding.evidence.iter().take(EVIDENCE) {
            if let Value::Record(row) = value {
                append_row(&mut self.text, &mut self.last, &mut columns, row);
            } else {
                self.begin(Last::List);
                self.text.push_str("- ");
                cell(&mut self.text, value, "");
                self.text.push('\n');
            }
        }
        if let Some(more) = finding.evidence.len().checked_sub(EVIDENCE + 1) {
            let _ = write!(self.text, "\nand {} more\n", more + 1);
        }
        self.last = Last::Other;
        self.put()
    }

    fn pass(&mut self, text: &str) -> io::Result<()> {
        self.point("pass", text)
    }

    fn note(&mut self, text: &str) -> io::Result<()> {
        self.point("note", text)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.put()?;
        self.out.flush()
    }

    fn finish(&mut self, outcome: &Outcome) -> io::Result<()> {
        if self.eval {
            return self.flush();
        }
        self.begin(Last::Other);
        let words = outcome.verdict.in_words(self.findings);
        let _ = writeln!(self.text, "**{}**: {words}", outcome.verdict.as_str().to_uppercase());
        for reason in &outcome.reasons {
            self.begin(Last::List);
            self.text.push_str("- ");
            prose(&mut self.text, reason);
            self.text.push('\n');
        }
        self.begin(Last::Other);
        let _ = writeln!(self.text, "{}", loss::summary(outcome.captured, outcome.received, &outcome.loss));
        self.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::{Exchange, exchange, finding, hop, outcome, rendered, statuses, table};
    use crate::report::{Format, Severity, Verdict};

    fn eval(tell: impl FnOnce(&mut dyn Renderer) -> io::Result<()>) -> String {
        rendered(Format::Markdown, Style { eval: true, ..Style::default() }, tell)
    }

    #[test]
    fn rows_become_a_table_with_numbers_on_the_right() {
        assert_eq!(
            eval(|to| table(
                to,
                &["time", "method", "path", "status", "credential.scheme"],
                &[exchange(0), exchange(1)]
            )),
            "| time | method | path | status | credential.scheme |\n\
             | --- | --- | --- | ---: | --- |\n\
             | 2026-11-20 17:02:00.123456Z | GET | `/orders/0` | 401 | Bearer |\n\
             | 2026-11-20 17:02:01.123456Z | POST | `/orders/1` | 200 | Bearer |\n"
        );
        assert_eq!(eval(|to| table(to, &[], &[])), "(no rows)\n");
    }

    #[test]
    fn nothing_that_was_on_the_wire_has_a_meaning() {
        assert_eq!(
            eval(|to| table(to, &["host", "path"], &[Exchange::hostile().row()])),
            "| host | path |\n| --- | --- |\n\
             | <code>&#92;x1b&#91;2Jevil&#92;u&#123;202e&#125;moc</code> \
             | <code>&#47;a&#124;b&#96;c&#96;&#60;script&#62;alert&#40;1&#41;&#60;&#47;script&#62;&#92;n&#44;&#34;&#64;team\
             &#34;&#38;&#93;&#93;&#62;</code> |\n"
        );
        let title = "@team see #12, [x](http://evil.example) <b> **bold** www.evil.example\n# head | a_b";
        let output = eval(|to| to.note(title));
        assert_eq!(
            output,
            "- **note** @<!-- -->team see #<!-- -->12, \\[x\\](http&#58;//evil.example) \\<b\\> \\*\\*bold\\*\\* \
             www&#46;evil.example #<!-- --> head \\| a\\_b\n"
        );
        assert_eq!(eval(|to| to.text("```\n<script>\n\n\tx\x1b")), "    ```\n    <script>\n    \n        x\\x1b\n");
    }

    #[test]
    fn a_run_is_a_comment_that_can_be_posted() {
        let style =
            Style { title: "expired-token-hunt".to_owned(), source: "incident.pcap".to_owned(), ..Style::default() };
        let output = rendered(Format::Markdown, style, |to| {
            to.text("one")?;
            to.text("two")?;
            to.begin_table(&["path".to_owned()])?;
            to.row(&exchange(0))?;
            to.finding(&finding(vec![Value::Record(hop(1)), Value::from("x.y")]))?;
            to.row(&exchange(1))?;
            to.end_table()?;
            to.chart(&statuses())?;
            to.finding(&Finding { severity: Severity::Low, ..finding((0..12).map(Value::Integer).collect()) })?;
            to.pass("all well")?;
            to.finish(&Outcome { reasons: vec!["1 gap".to_owned()], ..outcome(Verdict::Finding) })
        });
        assert_eq!(
            output,
            "## expired-token-hunt

`incident.pcap`

    one
    two

| path |
| --- |
| `/orders/0` |

### HIGH: 192.0.2.1 still sends a rejected credential

`expired-credential`: `192.0.2.1`

| ttl | address | rtts |
| ---: | --- | --- |
| 1 | `192.0.2.101` | `1.5ms, 2ms` |

- `x.y`

| path |
| --- |
| `/orders/1` |

    responses by status (responses)
    200  ████████████████████████████████████████████████████████████████████  1,204
    401  █████████████████                                                       301
    500  ▏                                                                         1

### LOW: 192.0.2.1 still sends a rejected credential

`expired-credential`: `192.0.2.1`

- 0
- 1
- 2
- 3
- 4
- 5
- 6
- 7
- 8
- 9

and 2 more

- **pass** all well

**FINDING**: 2 findings

- 1 gap

18,211 packets captured, 18,211 received, 0 dropped
"
        );
    }

    #[test]
    fn a_record_is_a_table_of_its_fields() {
        assert_eq!(
            eval(|to| to.value(&Value::Record(hop(2)))),
            "| field | value |\n| --- | --- |\n| ttl | 2 |\n| rtts | `1.5ms, 2ms` |\n"
        );
    }
}
