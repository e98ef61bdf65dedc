//! NDJSON: one object a line.
//!
//! | line | what it is |
//! | --- | --- |
//! | `{"record":"flow", …}` | a row with all its fields, or with the columns that were asked for |
//! | `{"record":"value","value":…}` | a value that is not a record |
//! | `{"record":"text","text":…}` | a line that the script printed |
//! | `{"record":"chart","title":…,"unit":…,"over_time":…,"points":[{"label":…,"value":…}]}` | a chart |
//! | `{"record":"finding","id":…,"subject":…,"severity":…,"title":…,"evidence":[…]}` | a finding |
//! | `{"record":"pass","text":…}`, `{"record":"note","text":…}` | a check that passed, a note |
//! | `{"record":"verdict","schema":1,"verdict":…,"reasons":[…],"captured":…,"received":…,"dropped":…}` | the last line; `"loss":{…}` has the other counters that are above zero, `"command":{"line":…,"exit":…,"signal":…}` how the command ended that was watched |
//!
//! `eval` gives rows and values without `record` and no verdict. Where a row has a field `record` of its own, that one
//! becomes `record_` if the type has to be told.

use std::io;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::ser::Formatter;

use super::columns::{Columns, Defaults};
use super::loss::counters;
use super::output::Output;
use super::visible::is_hidden;
use super::{Chart, CommandEnd, Finding, Outcome, Renderer, Style};
use crate::record::{Record, Row, Value};

/// Writes NDJSON.
pub(super) struct Json {
    lines: Lines,
    eval: bool,
    /// The columns of the open table, if any were asked for.
    columns: Option<Columns>,
}

/// Where the lines go.
struct Lines {
    out: Output,
    line: Vec<u8>,
}

impl Lines {
    fn put(&mut self, value: &impl Serialize) -> io::Result<()> {
        self.line.clear();
        value.serialize(&mut serde_json::Serializer::with_formatter(&mut self.line, Visible))?;
        self.line.push(b'\n');
        self.out.put(&self.line)
    }
}

impl Json {
    pub(super) fn new(out: Output, style: &Style) -> Self {
        Self { lines: Lines { out, line: Vec::new() }, eval: style.eval, columns: None }
    }

    fn said(&mut self, record: &'static str, text: &str) -> io::Result<()> {
        self.lines.put(&Object(&[(TYPE, Item::Text(record)), ("text", Item::Text(text))]))
    }
}

/// JSON without whitespace, in which characters that are invisible or steer a terminal are escaped too. It is the same
/// value for every parser.
struct Visible;

impl Formatter for Visible {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, to: &mut W, fragment: &str) -> io::Result<()> {
        let hides = |c: char| c.is_control() || is_hidden(c);
        let plain = fragment.is_ascii() && memchr::memchr(0x7f, fragment.as_bytes()).is_none();
        if plain || !fragment.contains(hides) {
            return to.write_all(fragment.as_bytes());
        }
        for c in fragment.chars() {
            if hides(c) {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    write!(to, "\\u{unit:04x}")?;
                }
            } else {
                to.write_all(c.encode_utf8(&mut [0; 4]).as_bytes())?;
            }
        }
        Ok(())
    }
}

/// The key that says what a line is.
const TYPE: &str = "record";

fn key(tag: bool, name: &str) -> &str {
    if tag && name == TYPE { "record_" } else { name }
}

/// A row with all its fields.
struct Tagged<'a> {
    tag: bool,
    row: &'a dyn Record,
}

impl Serialize for Tagged<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let kind = self.row.kind();
        let mut map = serializer.serialize_map(None)?;
        if self.tag {
            map.serialize_entry(TYPE, &kind.name)?;
        }
        for (i, field) in kind.fields.iter().enumerate() {
            map.serialize_entry(key(self.tag, &field.name), &self.row.value(i))?;
        }
        map.end()
    }
}

/// A row with the columns that were asked for.
struct Selected<'a> {
    tag: bool,
    columns: &'a Columns,
    row: &'a dyn Record,
}

impl Serialize for Selected<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if self.tag {
            map.serialize_entry(TYPE, &self.row.kind().name)?;
        }
        for column in self.columns.list() {
            column.visit(self.row, |value, _| map.serialize_entry(key(self.tag, &column.name), value))?;
        }
        map.end()
    }
}

/// A point of a chart.
struct Point<'a>(&'a (String, f64));

impl Serialize for Point<'_> {
    #[expect(clippy::cast_possible_truncation, reason = "the number is whole and fits, as was just checked")]
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (label, value) = self.0;
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("label", label)?;
        // A whole number is written without a point, as by hand.
        if value.fract() == 0.0 && value.abs() < 9e15 {
            map.serialize_entry("value", &(*value as i64))?;
        } else {
            map.serialize_entry("value", value)?;
        }
        map.end()
    }
}

/// A line that is not a row: its keys and their values, in order.
struct Object<'a>(&'a [(&'static str, Item<'a>)]);

/// What stands in such a line.
enum Item<'a> {
    Text(&'a str),
    Texts(&'a [String]),
    Count(u64),
    Flag(bool),
    Value(&'a Value<'a>),
    Values(&'a [Value<'static>]),
    Points(&'a [(String, f64)]),
    Counters(&'a [(&'static str, u64)]),
    Command(&'a CommandEnd),
}

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, item)| (key, item)))
    }
}

impl Serialize for Item<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Texts(texts) => serializer.collect_seq(texts),
            Self::Count(count) => serializer.serialize_u64(count),
            Self::Flag(flag) => serializer.serialize_bool(flag),
            Self::Value(value) => value.serialize(serializer),
            Self::Values(values) => serializer.collect_seq(values),
            Self::Points(points) => serializer.collect_seq(points.iter().map(Point)),
            Self::Counters(counters) => serializer.collect_map(counters.iter().map(|&(name, count)| (name, count))),
            Self::Command(end) => {
                let mut map = serializer.serialize_map(Some(3))?;
                map.serialize_entry("line", &end.line)?;
                map.serialize_entry("exit", &end.code)?;
                map.serialize_entry("signal", &end.signal)?;
                map.end()
            }
        }
    }
}

impl Renderer for Json {
    fn shows_all_fields(&self) -> bool {
        true
    }

    fn text(&mut self, text: &str) -> io::Result<()> {
        self.said("text", text)
    }

    fn tell(&mut self, row: &Row, _: &str) -> io::Result<()> {
        self.lines.put(&Tagged { tag: !self.eval, row: row.as_ref() })
    }

    fn begin_table(&mut self, columns: &[String]) -> io::Result<()> {
        self.columns = (!columns.is_empty()).then(|| Columns::new(columns, Defaults::Main));
        Ok(())
    }

    fn row(&mut self, row: &Row) -> io::Result<()> {
        let Some(columns) = &mut self.columns else {
            return self.lines.put(&Tagged { tag: !self.eval, row: row.as_ref() });
        };
        columns.adopt(row);
        self.lines.put(&Selected { tag: !self.eval, columns, row: row.as_ref() })
    }

    fn end_table(&mut self) -> io::Result<()> {
        self.columns = None;
        Ok(())
    }

    fn value(&mut self, value: &Value<'_>) -> io::Result<()> {
        match value {
            Value::None => Ok(()),
            Value::Record(row) => self.lines.put(&Tagged { tag: !self.eval, row: row.as_ref() }),
            value if self.eval => self.lines.put(value),
            value => self.lines.put(&Object(&[(TYPE, Item::Text("value")), ("value", Item::Value(value))])),
        }
    }

    fn chart(&mut self, chart: &Chart) -> io::Result<()> {
        self.lines.put(&Object(&[
            (TYPE, Item::Text("chart")),
            ("title", Item::Text(&chart.title)),
            ("unit", Item::Text(&chart.unit)),
            ("over_time", Item::Flag(chart.over_time)),
            ("points", Item::Points(&chart.points)),
        ]))
    }

    fn finding(&mut self, finding: &Finding) -> io::Result<()> {
        self.lines.put(&Object(&[
            (TYPE, Item::Text("finding")),
            ("id", Item::Text(&finding.id)),
            ("subject", Item::Text(&finding.subject)),
            ("severity", Item::Text(finding.severity.as_str())),
            ("title", Item::Text(&finding.title)),
            ("evidence", Item::Values(&finding.evidence)),
        ]))
    }

    fn pass(&mut self, text: &str) -> io::Result<()> {
        self.said("pass", text)
    }

    fn note(&mut self, text: &str) -> io::Result<()> {
        self.said("note", text)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.lines.out.flush()
    }

    fn finish(&mut self, outcome: &Outcome) -> io::Result<()> {
        if !self.eval {
            let lost: Vec<_> =
                counters(&outcome.loss).into_iter().filter(|&(name, count)| name != "dropped" && count > 0).collect();
            let mut line = vec![
                (TYPE, Item::Text("verdict")),
                ("schema", Item::Count(1)),
                ("verdict", Item::Text(outcome.verdict.as_str())),
                ("reasons", Item::Texts(&outcome.reasons)),
                ("captured", Item::Count(outcome.captured)),
                ("received", Item::Count(outcome.received)),
                ("dropped", Item::Count(outcome.loss.dropped)),
            ];
            if !lost.is_empty() {
                line.push(("loss", Item::Counters(&lost)));
            }
            line.extend(outcome.command.as_ref().map(|end| ("command", Item::Command(end))));
            self.lines.put(&Object(&line))?;
        }
        self.lines.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Loss;
    use crate::report::sample::{Exchange, exchange, finding, hop, outcome, rendered, statuses, table};
    use crate::report::{Format, Verdict};

    fn run(tell: impl FnOnce(&mut dyn Renderer) -> io::Result<()>) -> String {
        rendered(Format::Json, Style::default(), tell)
    }

    fn eval(tell: impl FnOnce(&mut dyn Renderer) -> io::Result<()>) -> String {
        rendered(Format::Json, Style { eval: true, ..Style::default() }, tell)
    }

    #[test]
    fn rows_have_all_their_fields_and_in_a_run_their_type() {
        let fields = r#""ttl":1,"address":"192.0.2.101","rtts":[0.0015,0.002]}"#;
        assert_eq!(run(|to| table(to, &[], &[hop(1)])), format!("{{\"record\":\"hop\",{fields}\n"));
        assert_eq!(eval(|to| table(to, &[], &[hop(1)])), format!("{{{fields}\n"));
        assert_eq!(
            eval(|to| table(to, &[], &[exchange(0)])),
            concat!(
                r#"{"time":"2026-11-20T17:02:00.123456789Z","client":"192.0.2.1","client_port":51230,"method":"GET","#,
                r#""host":"api.example","path":"/orders/0","status":401,"latency":0.0015,"#,
                r#""credential":{"scheme":"Bearer","fingerprint":"3f2a"},"bytes":4380,"#,
                r#""request_headers":{"User-Agent":"curl/8.5","X.Dotted":"yes","Accept":["text/html","*/*"]},"#,
                r#""body":"hello"}"#,
                "\n"
            )
        );
    }

    #[test]
    fn columns_keep_the_names_that_they_were_asked_by() {
        assert_eq!(
            run(|to| table(to, &["credential.fingerprint", "nothing"], &[exchange(0), hop(1)])),
            "{\"record\":\"exchange\",\"credential.fingerprint\":\"3f2a\",\"nothing\":null}\n\
             {\"record\":\"hop\",\"credential.fingerprint\":null,\"nothing\":null}\n"
        );
    }

    #[test]
    fn eval_gives_values_alone_and_no_verdict() {
        let tell = |to: &mut dyn Renderer| {
            to.value(&Value::Integer(42))?;
            to.value(&Value::from("a\"b"))?;
            to.value(&Value::None)?;
            to.value(&Value::Record(hop(2)))?;
            to.finish(&outcome(Verdict::Clean))
        };
        assert_eq!(eval(tell), "42\n\"a\\\"b\"\n{\"ttl\":2,\"address\":null,\"rtts\":[0.0015,0.002]}\n");
        assert!(run(tell).starts_with("{\"record\":\"value\",\"value\":42}\n"));
    }

    #[test]
    fn findings_and_the_verdict_have_exactly_the_documented_keys() {
        let lossy = Loss { dropped: 3, gaps: 1, gap_bytes: 1460, ..Loss::default() };
        let output = run(|to| {
            to.finding(&finding(vec![Value::Record(hop(1)), Value::Integer(7)]))?;
            let reasons = vec!["1 gap".to_owned()];
            to.finish(&Outcome { reasons, loss: lossy, ..outcome(Verdict::Finding) })
        });
        assert_eq!(
            output,
            concat!(
                r#"{"record":"finding","id":"expired-credential","subject":"192.0.2.1","severity":"high","#,
                r#""title":"192.0.2.1 still sends a rejected credential","#,
                r#""evidence":[{"ttl":1,"address":"192.0.2.101","rtts":[0.0015,0.002]},7]}"#,
                "\n",
                r#"{"record":"verdict","schema":1,"verdict":"finding","reasons":["1 gap"],"captured":18211,"#,
                r#""received":18211,"dropped":3,"loss":{"gaps":1,"gap_bytes":1460}}"#,
                "\n"
            )
        );
        assert_eq!(
            run(|to| to.finish(&outcome(Verdict::Clean))),
            concat!(
                r#"{"record":"verdict","schema":1,"verdict":"clean","reasons":[],"captured":18211,"received":18211,"#,
                r#""dropped":0}"#,
                "\n"
            )
        );
    }

    #[test]
    fn the_verdict_says_how_a_command_ended() {
        for (code, signal, said) in [
            (Some(2), None, r#""command":{"line":"make TOKEN=****","exit":2,"signal":null}}"#),
            (None, Some(15), r#""command":{"line":"make TOKEN=****","exit":null,"signal":15}}"#),
        ] {
            let command = Some(CommandEnd::new(&["make", "TOKEN=abc"], code, signal, false));
            let before = concat!(
                r#"{"record":"verdict","schema":1,"verdict":"clean","reasons":[],"captured":18211,"received":18211,"#,
                r#""dropped":0,"#
            );
            let output = run(|to| to.finish(&Outcome { command, ..outcome(Verdict::Clean) }));
            assert_eq!(output, format!("{before}{said}\n"));
        }
    }

    #[test]
    fn everything_else_says_what_it_is() {
        let output = run(|to| {
            to.text("two\nlines")?;
            to.pass("all well")?;
            to.note("by the way")?;
            to.chart(&statuses())
        });
        assert_eq!(
            output,
            concat!(
                r#"{"record":"text","text":"two\nlines"}"#,
                "\n",
                r#"{"record":"pass","text":"all well"}"#,
                "\n",
                r#"{"record":"note","text":"by the way"}"#,
                "\n",
                r#"{"record":"chart","title":"responses by status","unit":"responses","over_time":false,"#,
                r#""points":[{"label":"200","value":1204},{"label":"401","value":301},{"label":"500","value":1}]}"#,
                "\n"
            )
        );
    }

    #[derive(Debug)]
    struct Award;

    crate::record! {
        /// Something with a field of that name.
        impl Record for Award as "award" {
            /// The record.
            record: Text => |_x| "fastest";
        }
    }

    #[test]
    fn the_type_wins_over_a_field_of_the_same_name() {
        let award: Row = std::sync::Arc::new(Award);
        assert_eq!(
            run(|to| table(to, &[], std::slice::from_ref(&award))),
            "{\"record\":\"award\",\"record_\":\"fastest\"}\n"
        );
        assert_eq!(eval(|to| table(to, &[], &[award])), "{\"record\":\"fastest\"}\n");
    }

    #[test]
    fn no_value_steers_a_terminal_and_every_value_reads_back_the_same() {
        let line = eval(|to| table(to, &["host", "path", "body"], &[Exchange::hostile().row()]));
        assert_eq!(
            line,
            concat!(
                r#"{"host":"\u001b[2Jevil\u202emoc","path":"/a|b`c`<script>alert(1)</script>\n,\"@team\"&]]>","#,
                r#""body":{"base64":"/wAb"}}"#,
                "\n"
            )
        );
        let text = "a\u{7f}\u{9b}\u{e0041}🦀é\\\u{0}";
        let line = eval(|to| to.value(&Value::from(text)));
        assert_eq!(line, "\"a\\u007f\\u009b\\udb40\\udc41🦀é\\\\\\u0000\"\n");
        assert_eq!(serde_json::from_str::<String>(&line).unwrap(), text);
    }
}
