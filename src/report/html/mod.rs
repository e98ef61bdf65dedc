//! One page that needs nothing else: no script, no font, no picture from elsewhere.
//!
//! The verdict stands first, then the findings, the checks, and what was printed. That order is known at the end only,
//! so the page is gathered and written then; its size is bounded, and it says what was left out.

pub(crate) mod fragment;
mod rows;
mod svg;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::io;

use super::numbers::{Grouped, counted};
use super::output::Output;
use super::table::EVIDENCE;
use super::{Chart, Finding, Outcome, Renderer, Style, loss, markup};
use crate::record::{Row, Value};
use rows::Rows;

/// Bytes that each part of the page may have.
const PART: usize = 16 << 20;
/// Columns of a line that are shown.
const LONG: usize = 10_000;

/// Gathers a page.
pub(super) struct Html {
    out: Output,
    style: Style,
    findings: Part,
    checks: Part,
    output: Part,
    table: Option<Rows>,
    count: u64,
}

/// A part of the page, up to a size.
#[derive(Default)]
struct Part {
    html: String,
    left_out: u64,
}

impl Part {
    fn push(&mut self, piece: &str) {
        if self.html.len() + piece.len() <= PART {
            self.html.push_str(piece);
        } else {
            self.left_out += 1;
        }
    }

    /// Adds a line of text, below the one above if there is one.
    fn push_line(&mut self, line: &str) {
        const END: &str = "</pre>\n";
        if self.html.len() + line.len() > PART {
            self.left_out += 1;
            return;
        }
        if self.html.ends_with(END) {
            self.html.truncate(self.html.len() - END.len());
        } else {
            self.html.push_str("<pre>");
        }
        self.html.push_str(line);
        self.html.push('\n');
        self.html.push_str(END);
    }

    /// Appends the part under its name, if there is anything.
    fn end(&self, to: &mut String, name: &str, (open, close): (&str, &str)) {
        if self.html.is_empty() {
            return;
        }
        let _ = write!(to, "<section><h2>{name}</h2>\n{open}{}{close}", self.html);
        if self.left_out > 0 {
            let more = Grouped(self.left_out);
            let _ = writeln!(to, "<p class=\"note\">{more} more left out, as this page would be too long</p>");
        }
        to.push_str("</section>\n");
    }
}

impl Html {
    pub(super) fn new(out: Output, style: Style) -> Self {
        let (findings, checks, output) = Default::default();
        Self { out, style, findings, checks, output, table: None, count: 0 }
    }

    fn title(&self) -> String {
        markup::text(if self.style.title.is_empty() { "netscript" } else { &self.style.title }, LONG)
    }

    /// The top of the page: what ran, on what, and what it concludes.
    fn banner(&self, to: &mut String, outcome: &Outcome) {
        let (title, source) = (self.title(), markup::text(&self.style.source, LONG));
        let class = if self.style.eval { "" } else { outcome.verdict.as_str() };
        let _ = writeln!(to, "<header class=\"panel {class}\">\n<h1>{title}</h1>");
        if !source.is_empty() {
            let _ = writeln!(to, "<p class=\"source\">{source}</p>");
        }
        if !self.style.eval {
            let words = outcome.verdict.in_words(self.count);
            let _ = writeln!(to, "<p class=\"verdict\"><strong>{}</strong> {words}</p>", outcome.verdict);
            if !outcome.reasons.is_empty() {
                to.push_str("<ul class=\"reasons\">\n");
                for reason in &outcome.reasons {
                    let _ = writeln!(to, "<li>{}</li>", markup::text(reason, LONG));
                }
                to.push_str("</ul>\n");
            }
        }
        to.push_str("<dl class=\"counts\">\n");
        let counts =
            [("captured", outcome.captured), ("received", outcome.received), ("dropped", outcome.loss.dropped)];
        for (name, count) in counts {
            let _ = writeln!(to, "<div><dt>packets {name}</dt><dd>{}</dd></div>", Grouped(count));
        }
        to.push_str("</dl>\n");
        let mut lost = loss::phrases(&outcome.loss);
        lost.retain(|phrase| !outcome.reasons.contains(phrase));
        if !lost.is_empty() {
            let _ = writeln!(to, "<p class=\"note\">{}</p>", markup::text(&lost.join("; "), LONG));
        }
        to.push_str("</header>\n");
    }
}

/// Appends what shows a finding: a single record as a card, several as a table.
fn evidence(to: &mut String, values: &[Value<'_>]) {
    if let [Value::Record(record)] = values {
        return rows::card(to, record.as_ref());
    }
    let mut rows: Option<Rows> = None;
    for value in values.iter().take(EVIDENCE) {
        if let Value::Record(row) = value {
            rows.get_or_insert_with(|| Rows::new(&[])).push(row);
            continue;
        }
        if let Some(rows) = rows.take() {
            to.push_str(&rows.end());
        }
        to.push_str("<pre>");
        rows::value(to, value);
        to.push_str("</pre>\n");
    }
    if let Some(rows) = rows {
        to.push_str(&rows.end());
    }
    if let Some(more) = values.len().checked_sub(EVIDENCE + 1) {
        let _ = writeln!(to, "<p class=\"note\">and {} more</p>", Grouped(more as u64 + 1));
    }
}

impl Renderer for Html {
    fn text(&mut self, text: &str) -> io::Result<()> {
        for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
            self.output.push_line(&markup::text(&line.replace('\t', "    "), LONG));
        }
        Ok(())
    }

    fn begin_table(&mut self, columns: &[String]) -> io::Result<()> {
        self.table = Some(Rows::new(columns));
        Ok(())
    }

    fn row(&mut self, row: &Row) -> io::Result<()> {
        if let Some(rows) = &mut self.table {
            rows.push(row);
        }
        Ok(())
    }

    fn end_table(&mut self) -> io::Result<()> {
        if let Some(rows) = self.table.take() {
            self.output.push(&rows.end());
        }
        Ok(())
    }

    fn value(&mut self, value: &Value<'_>) -> io::Result<()> {
        let mut html = String::new();
        match value {
            Value::None => {}
            Value::Record(record) => rows::card(&mut html, record.as_ref()),
            value => {
                rows::value(&mut html, value);
                self.output.push_line(&html);
                return Ok(());
            }
        }
        self.output.push(&html);
        Ok(())
    }

    fn chart(&mut self, chart: &Chart) -> io::Result<()> {
        let mut html = String::new();
        svg::write(&mut html, chart);
        self.output.push(&html);
        Ok(())
    }

    fn finding(&mut self, finding: &Finding) -> io::Result<()> {
        self.count += 1;
        let mut html = String::new();
        let _ = write!(
            html,
            "<article class=\"panel {severity}\">\n<p class=\"severity\">{severity}</p>\n<h3>{title}</h3>\n\
             <p class=\"who\"><code>{id}</code> {subject}</p>\n",
            severity = finding.severity,
            title = markup::text(&finding.title, LONG),
            id = markup::text(&finding.id, LONG),
            subject = markup::text(&finding.subject, LONG),
        );
        evidence(&mut html, &finding.evidence);
        html.push_str("</article>\n");
        self.findings.push(&html);
        Ok(())
    }

    fn pass(&mut self, text: &str) -> io::Result<()> {
        self.checks.push(&format!("<li class=\"pass\">{}</li>\n", markup::text(text, LONG)));
        Ok(())
    }

    fn note(&mut self, text: &str) -> io::Result<()> {
        self.checks.push(&format!("<li>{}</li>\n", markup::text(text, LONG)));
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        // Nothing can be written before the end.
        Ok(())
    }

    fn finish(&mut self, outcome: &Outcome) -> io::Result<()> {
        let title = self.title();
        let verdict = if self.style.eval { String::new() } else { format!(": {}", outcome.verdict) };
        let mut page = format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"referrer\" content=\"no-referrer\">\n<title>{title}{verdict}</title>\n\
             <style>\n{}</style>\n</head>\n<body>\n<main>\n",
            fragment::STYLE
        );
        self.banner(&mut page, outcome);
        let findings = if self.count == 1 { "Finding".to_owned() } else { counted(self.count, "finding") };
        self.findings.end(&mut page, &findings, ("", ""));
        self.checks.end(
            &mut page,
            "Checks and notes",
            ("<div class=\"panel\"><ul class=\"checks\">\n", "</ul></div>\n"),
        );
        self.output.end(&mut page, "Output", ("<div class=\"panel output\">\n", "</div>\n"));
        let version = env!("CARGO_PKG_VERSION");
        let _ = write!(page, "<footer>netscript {version}, times are UTC</footer>\n</main>\n</body>\n</html>\n");
        self.out.put(page.as_bytes())?;
        self.out.flush()
    }
}
