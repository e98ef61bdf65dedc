//! What netscript makes of a capture, as rows, and how to hold it against a table.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;

use netscript::capture::{Cancel, CaptureFile, FilterSet, Pipeline, Stage, Until};
use netscript::flow::{Analyzer, Flows};
use netscript::limits::Limits;
use netscript::record::{Row, Value};

use crate::{capture, truth};

/// A row of a table in `data/truth`.
pub(crate) type Cells = HashMap<String, String>;

/// The rows that an analyzer makes of a capture, as far as the file can be read.
pub(crate) fn rows(file: &str, analyzer: impl Analyzer + 'static) -> Vec<Row> {
    let Ok(source) = CaptureFile::open(&capture(file), &Cancel::new().unwrap()) else { return Vec::new() };
    let stages = vec![Stage::Conversations(Box::new(analyzer))];
    let filter = FilterSet::new(String::new());
    let mut pipeline = Pipeline::new(Box::new(source), filter, Until::default(), stages, &Limits::default());
    while pipeline.advance().unwrap() {}
    pipeline.take_rows(0)
}

/// The TCP and UDP conversations of a capture.
pub(crate) fn flows(file: &str) -> Vec<Row> {
    rows(file, Flows).into_iter().filter(|row| ["tcp", "udp"].contains(&text(row, "protocol").as_str())).collect()
}

/// Captures, in the order of the table.
pub(crate) fn captures() -> Vec<String> {
    truth("files.tsv").iter().map(|row| row["file"].clone()).collect()
}

pub(crate) fn number(row: &Row, field: &str) -> i64 {
    match row.get(field) {
        Some(Value::Integer(number)) => number,
        other => panic!("{field} is {other:?}"),
    }
}

pub(crate) fn nanos(row: &Row, field: &str) -> i64 {
    match row.get(field) {
        Some(Value::Time(time)) => time.as_nanos(),
        other => panic!("{field} is {other:?}"),
    }
}

/// A field as it is shown; empty where there is none.
pub(crate) fn text(row: &Row, field: &str) -> String {
    row.get(field).unwrap_or_else(|| panic!("there is no {field}")).to_string()
}

/// Address and port of the `client` or the `server`.
pub(crate) fn endpoint(row: &Row, side: &str) -> SocketAddr {
    let address = text(row, side).parse().unwrap();
    SocketAddr::new(address, number(row, &format!("{side}_port")).try_into().unwrap())
}

/// Whether a conversation is between these two.
pub(crate) fn is_between(row: &Row, a: SocketAddr, b: SocketAddr) -> bool {
    [(a, b), (b, a)].contains(&(endpoint(row, "client"), endpoint(row, "server")))
}

/// An address and a port that stand in two columns.
pub(crate) fn cell_endpoint(cells: &Cells, address: &str, port: &str) -> SocketAddr {
    SocketAddr::new(cells[address].parse().unwrap(), cells[port].parse().unwrap())
}

/// Nanoseconds of a decimal number of seconds.
pub(crate) fn cell_nanos(cells: &Cells, column: &str) -> i64 {
    let (whole, fraction) = cells[column].split_once('.').unwrap_or((&cells[column], ""));
    whole.parse::<i64>().unwrap() * 1_000_000_000 + format!("{fraction:0<9}").parse::<i64>().unwrap()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Where netscript rightly differs from another tool: what is different, how often, and why netscript is right.
pub(crate) type Difference = (&'static str, usize, &'static str);

/// Differences as they are found.
#[derive(Default)]
pub(crate) struct Differences(BTreeMap<String, usize>);

impl Differences {
    pub(crate) fn add(&mut self, what: String) {
        *self.0.entry(what).or_default() += 1;
    }

    /// Notes what differs between two texts, if they do.
    pub(crate) fn compare(&mut self, place: &str, ours: &str, theirs: &str) {
        if ours != theirs {
            self.add(format!("{place}: {ours}, not {theirs}"));
        }
    }

    /// Nothing differs but what is listed, and all of that does.
    #[track_caller]
    pub(crate) fn assert(self, listed: &[Difference]) {
        let listed: BTreeMap<_, _> = listed.iter().map(|(what, times, _)| (*what, *times)).collect();
        let mut wrong: Vec<_> = self
            .0
            .iter()
            .filter(|(what, times)| listed.get(what.as_str()) != Some(times))
            .map(|(what, times)| format!("{what} ({times} times)"))
            .collect();
        wrong.extend(listed.keys().filter(|what| !self.0.contains_key(**what)).map(|what| format!("no more: {what}")));
        assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    }
}
