//! Comma-separated values: RFC 4180, with `\n` at the end of lines as other Unix tools write them.
//!
//! Everything is a table with a header: rows as they are, findings (`severity,id,subject,title,evidence`), charts, lines
//! of text, the verdict. Where the columns change an empty line stands before the next header.
//!
//! Values are exact: times in RFC 3339, durations in seconds, lists with `|` between their items, maps and records in
//! JSON. No value is an empty cell, an empty text is `""`.

use std::fmt::Write as _;
use std::io;

use super::columns::{Columns, Defaults};
use super::loss::counters;
use super::output::Output;
use super::visible;
use super::{Chart, Finding, Outcome, Renderer, Style};
use crate::record::{Row, Value};

/// Writes CSV.
pub(super) struct Csv {
    out: Output,
    eval: bool,
    /// The columns of the open table.
    columns: Columns,
    /// The header that rows now stand under; none yet at the beginning.
    header: Vec<String>,
    /// Whether that is the header of the open table.
    under_own: bool,
    lines: Lines,
}

/// Lines that are being written.
struct Lines {
    text: String,
    cell: String,
    /// Whether a terminal would act on what is written.
    at_terminal: bool,
}

impl Lines {
    /// Appends a cell.
    fn cell(&mut self, column: usize, value: &Value<'_>) {
        self.text.push_str(if column > 0 { "," } else { "" });
        self.cell.clear();
        write_exact(&mut self.cell, value);
        if self.at_terminal {
            self.cell = visible::line(&self.cell, usize::MAX);
        }
        let special = |c| matches!(c, ',' | '"' | '\n' | '\r');
        let empty = self.cell.is_empty() && !value.is_none();
        if empty || self.cell.contains(special) || self.cell.starts_with(' ') || self.cell.ends_with(' ') {
            self.text.push('"');
            for (i, part) in self.cell.split('"').enumerate() {
                self.text.push_str(if i > 0 { "\"\"" } else { "" });
                self.text.push_str(part);
            }
            self.text.push('"');
        } else {
            self.text.push_str(&self.cell);
        }
    }

    /// Ends the line. One without a character would end the table.
    fn end(&mut self) {
        if self.text.is_empty() || self.text.ends_with('\n') {
            self.text.push_str("\"\"");
        }
        self.text.push('\n');
    }
}

impl Csv {
    pub(super) fn new(out: Output, style: &Style) -> Self {
        Self {
            out,
            eval: style.eval,
            columns: Columns::new(&[], Defaults::Main),
            header: Vec::new(),
            under_own: false,
            lines: Lines { text: String::new(), cell: String::new(), at_terminal: style.width.is_some() },
        }
    }

    /// Begins rows with these columns, unless they are those of the rows before.
    fn begin(&mut self, header: Vec<String>) {
        self.under_own = false;
        if self.header == header {
            return;
        }
        if !self.header.is_empty() {
            self.lines.text.push('\n');
        }
        for (i, name) in header.iter().enumerate() {
            self.lines.cell(i, &Value::from(name.as_str()));
        }
        self.lines.end();
        self.header = header;
    }

    /// One row of a table that is not one of records.
    fn single(&mut self, row: &[(&str, Value<'_>)]) -> io::Result<()> {
        self.begin(row.iter().map(|&(name, _)| name.to_owned()).collect());
        for (i, (_, value)) in row.iter().enumerate() {
            self.lines.cell(i, value);
        }
        self.lines.end();
        self.put()
    }

    fn put(&mut self) -> io::Result<()> {
        let written = self.out.put(self.lines.text.as_bytes());
        self.lines.text.clear();
        written
    }
}

/// Appends a value so that nothing of it is lost.
fn write_exact(to: &mut String, value: &Value<'_>) {
    // Writing to a text cannot fail.
    let _: std::fmt::Result = match value {
        Value::Duration(x) => write!(to, "{}", x.as_secs_f64()),
        Value::Map(_) | Value::Record(_) => write!(to, "{}", json(value)),
        Value::List(items) if items.iter().any(|i| matches!(i, Value::Map(_) | Value::Record(_) | Value::List(_))) => {
            write!(to, "{}", json(value))
        }
        Value::List(items) => {
            for (i, item) in items.iter().enumerate() {
                to.push_str(if i > 0 { "|" } else { "" });
                write_exact(to, item);
            }
            Ok(())
        }
        other => write!(to, "{other}"),
    };
}

fn json(value: &Value<'_>) -> String {
    // A value has texts for keys, the only thing that could fail.
    serde_json::to_string(value).unwrap_or_default()
}

impl Renderer for Csv {
    fn text(&mut self, text: &str) -> io::Result<()> {
        self.single(&[("text", text.into())])
    }

    fn begin_table(&mut self, columns: &[String]) -> io::Result<()> {
        self.columns = Columns::new(columns, Defaults::Main);
        self.under_own = false;
        if !columns.is_empty() {
            self.begin(columns.to_vec());
        }
        self.put()
    }

    fn row(&mut self, row: &Row) -> io::Result<()> {
        if self.columns.adopt(row) || !self.under_own {
            self.begin(self.columns.names());
            self.under_own = true;
        }
        for (i, column) in self.columns.list().iter().enumerate() {
            column.visit(row.as_ref(), |value, _| self.lines.cell(i, value));
        }
        self.lines.end();
        self.put()
    }

    fn end_table(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn value(&mut self, value: &Value<'_>) -> io::Result<()> {
        match value {
            Value::None => Ok(()),
            Value::Record(row) => {
                self.begin_table(&[])?;
                self.row(row)
            }
            value => self.single(&[("value", value.clone())]),
        }
    }

    fn chart(&mut self, chart: &Chart) -> io::Result<()> {
        let unit = if chart.unit.is_empty() { String::new() } else { format!(" ({})", chart.unit) };
        let title = format!("{}{unit}", chart.title);
        chart
            .points
            .iter()
            .try_for_each(|(label, value)| self.single(&[("label", label.as_str().into()), (&title, (*value).into())]))
    }

    fn finding(&mut self, finding: &Finding) -> io::Result<()> {
        let evidence = json(&Value::List(finding.evidence.clone()));
        self.single(&[
            ("severity", finding.severity.as_str().into()),
            ("id", finding.id.as_str().into()),
            ("subject", finding.subject.as_str().into()),
            ("title", finding.title.as_str().into()),
            ("evidence", evidence.into()),
        ])
    }

    fn pass(&mut self, text: &str) -> io::Result<()> {
        self.single(&[("pass", text.into())])
    }

    fn note(&mut self, text: &str) -> io::Result<()> {
        self.single(&[("note", text.into())])
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn finish(&mut self, outcome: &Outcome) -> io::Result<()> {
        if !self.eval {
            let mut row = vec![
                ("verdict", outcome.verdict.as_str().into()),
                ("reasons", Value::List(outcome.reasons.iter().map(|reason| reason.as_str().into()).collect())),
                ("captured", outcome.captured.into()),
                ("received", outcome.received.into()),
            ];
            let lost = counters(&outcome.loss).into_iter().filter(|&(name, count)| name == "dropped" || count > 0);
            row.extend(lost.map(|(name, count)| (name, count.into())));
            self.single(&row)?;
        }
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Loss;
    use crate::report::sample::{Exchange, exchange, finding, hop, outcome, rendered, statuses, table};
    use crate::report::{Format, Verdict};

    fn run(tell: impl FnOnce(&mut dyn Renderer) -> io::Result<()>) -> String {
        rendered(Format::Csv, Style::default(), tell)
    }

    #[test]
    fn rows_stand_under_one_header_and_keep_every_digit() {
        assert_eq!(
            run(|to| table(to, &[], &[exchange(0), exchange(1)])),
            "time,client,client_port,method,host,path,status,latency,credential\n\
             2026-11-20T17:02:00.123456789Z,192.0.2.1,51230,GET,api.example,/orders/0,401,0.0015,\
             \"{\"\"scheme\"\":\"\"Bearer\"\",\"\"fingerprint\"\":\"\"3f2a\"\"}\"\n\
             2026-11-20T17:02:01.123456789Z,192.0.2.1,51231,POST,api.example,/orders/1,200,0.0115,\
             \"{\"\"scheme\"\":\"\"Bearer\"\",\"\"fingerprint\"\":\"\"3f2a\"\"}\"\n"
        );
    }

    #[test]
    fn lists_and_missing_values_have_their_form() {
        assert_eq!(run(|to| table(to, &[], &[hop(2)])), "ttl,address,rtts\n2,,0.0015|0.002\n");
        assert_eq!(run(|to| table(to, &["address"], &[hop(2)])), "address\n\"\"\n");
    }

    #[test]
    fn other_columns_begin_after_an_empty_line_and_the_same_ones_go_on() {
        let output = run(|to| {
            table(to, &["ttl"], &[hop(1)])?;
            table(to, &["ttl"], &[hop(3)])?;
            table(to, &["method"], &[])?;
            table(to, &[], &[hop(4), exchange(0)])
        });
        let lines: Vec<_> = output.lines().map(|line| line.split(',').next().unwrap()).collect();
        assert_eq!(
            lines,
            ["ttl", "1", "3", "", "method", "", "ttl", "4", "", "time", "2026-11-20T17:02:00.123456789Z"]
        );
    }

    #[test]
    fn a_file_holds_exactly_what_was_on_the_wire_and_a_terminal_shows_it() {
        let tell = |to: &mut dyn Renderer| table(to, &["host", "path", "body"], &[Exchange::hostile().row()]);
        let path = "\"/a|b`c`<script>alert(1)</script>\n,\"\"@team\"\"&]]>\"";
        assert_eq!(run(tell), format!("host,path,body\n\x1b[2Jevil\u{202e}moc,{path},base64:/wAb\n"));
        let screen = rendered(Format::Csv, Style { width: Some(80), ..Style::default() }, tell);
        let path = path.replace('\n', "\\n");
        assert_eq!(screen, format!("host,path,body\n\\x1b[2Jevil\\u{{202e}}moc,{path},base64:/wAb\n"));
    }

    #[test]
    fn everything_else_is_a_table_too() {
        let output = run(|to| {
            to.text("one, two")?;
            to.text("")?;
            to.value(&Value::Integer(5))?;
            to.chart(&statuses())?;
            to.finding(&finding(vec![Value::Integer(7)]))?;
            let loss = Loss { gaps: 2, ..Loss::default() };
            to.finish(&Outcome { reasons: vec!["a".to_owned(), "b".to_owned()], loss, ..outcome(Verdict::Finding) })
        });
        assert_eq!(
            output,
            "text\n\"one, two\"\n\"\"\n\n\
             value\n5\n\n\
             label,responses by status (responses)\n200,1204\n401,301\n500,1\n\n\
             severity,id,subject,title,evidence\n\
             high,expired-credential,192.0.2.1,192.0.2.1 still sends a rejected credential,[7]\n\n\
             verdict,reasons,captured,received,dropped,gaps\nfinding,a|b,18211,18211,0,2\n"
        );
    }
}
