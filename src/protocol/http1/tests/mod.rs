//! Whole connections in, rows out: every scenario is delivered whole, byte by byte, and cut at every offset.

mod bodies;
mod credentials;
mod gaps;
mod hostile;
mod messages;
mod pairing;
mod recognition;
mod record;

use super::{Connection, Context, HttpExchange, Settings};
use crate::flow::Side;
use crate::limits::{Limits, Loss};
use crate::record::{Record, Time, Value};

/// Something that happens to a connection.
#[derive(Debug, Clone)]
enum Step {
    Data(Side, Vec<u8>),
    Gap(Side, u64),
    End(Side),
}

/// The originator, which is the client unless a test says otherwise, sends this.
fn client(bytes: impl AsRef<[u8]>) -> Step {
    Step::Data(Side::Originator, bytes.as_ref().to_vec())
}

/// The responder sends this.
fn server(bytes: impl AsRef<[u8]>) -> Step {
    Step::Data(Side::Responder, bytes.as_ref().to_vec())
}

fn client_gap(bytes: u64) -> Step {
    Step::Gap(Side::Originator, bytes)
}

fn server_gap(bytes: u64) -> Step {
    Step::Gap(Side::Responder, bytes)
}

fn client_end() -> Step {
    Step::End(Side::Originator)
}

fn server_end() -> Step {
    Step::End(Side::Responder)
}

/// A response with that status and body.
fn response(status: u16, body: &str) -> String {
    format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// A connection: what happens, and how it is read.
#[derive(Debug, Clone)]
struct Scenario {
    steps: Vec<Step>,
    /// When the steps were captured, in milliseconds; step number N at N milliseconds if it does not say.
    times: Vec<usize>,
    from_start: bool,
    settings: Settings,
}

/// What a connection gave.
#[derive(Debug)]
struct Outcome {
    rows: Vec<HttpExchange>,
    /// How many of them were there before the connection left the table.
    before_close: usize,
    loss: Loss,
    done: bool,
}

impl Scenario {
    fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        let settings = Settings { limits: Limits::default(), bodies: true, credentials: true, show_secrets: false };
        Self { steps: steps.into_iter().collect(), times: Vec::new(), from_start: true, settings }
    }

    /// The capture begins after the handshake.
    fn mid_stream(mut self) -> Self {
        self.from_start = false;
        self
    }

    fn with(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self
    }

    fn run(&self) -> Outcome {
        self.run_cut(|_, bytes| vec![bytes.len()])
    }

    /// Runs with the data of each step delivered in pieces of the lengths that `cut` gives.
    fn run_cut(&self, cut: impl Fn(usize, &[u8]) -> Vec<usize>) -> Outcome {
        let mut connection =
            Connection::new("10.0.0.1:40000".parse().unwrap(), "10.0.0.2:80".parse().unwrap(), self.from_start);
        let (mut loss, mut rows) = (Loss::default(), Vec::new());
        let mut context = Context { settings: &self.settings, loss: &mut loss, exchanges: &mut rows };
        for (number, step) in self.steps.iter().enumerate() {
            let millis = self.times.get(number).copied().unwrap_or(number);
            let time = Time::from_nanos(millis as i64 * 1_000_000);
            match step {
                Step::Data(from, bytes) => {
                    let mut rest = bytes.as_slice();
                    for length in cut(number, bytes) {
                        let (piece, after) = rest.split_at(length);
                        connection.data(&mut context, *from, piece, time);
                        rest = after;
                    }
                }
                Step::Gap(from, bytes) => connection.gap(&mut context, *from, *bytes, time),
                Step::End(from) => connection.end(&mut context, *from, time),
            }
        }
        let (before_close, done) = (context.exchanges.len(), connection.is_done());
        connection.close(&mut context);
        assert!(connection.is_done());
        Outcome { rows, before_close, loss, done }
    }

    /// Runs whole, and checks that byte by byte and every way of cutting a step in two give the same rows and loss.
    fn run_every_way(&self) -> Outcome {
        let whole = self.run();
        let same = |other: Outcome, how: &str| {
            assert_eq!(json(&other.rows), json(&whole.rows), "{how}");
            assert_eq!((other.loss, other.done), (whole.loss.clone(), whole.done), "{how}");
        };
        same(self.run_cut(|_, bytes| vec![1; bytes.len()]), "byte by byte");
        for (number, step) in self.steps.iter().enumerate() {
            let Step::Data(_, bytes) = step else { continue };
            for offset in 1..bytes.len() {
                let cut = |step: usize, bytes: &[u8]| {
                    if step == number { vec![offset, bytes.len() - offset] } else { vec![bytes.len()] }
                };
                same(self.run_cut(cut), &format!("step {number} cut at {offset}"));
            }
        }
        whole
    }

    /// The rows in short, whichever way the data is cut.
    fn rows(&self) -> Vec<String> {
        self.run_every_way().rows.iter().map(brief).collect()
    }
}

fn json(rows: &[HttpExchange]) -> Vec<String> {
    rows.iter().map(|row| serde_json::to_string(row as &dyn Record).unwrap()).collect()
}

/// A field as text; `-` if it has no value.
fn field(row: &HttpExchange, name: &str) -> String {
    match row.get(name) {
        None => panic!("there is no field {name}"),
        Some(Value::None) => "-".to_owned(),
        Some(value) => value.to_string(),
    }
}

/// Method, path, status, body lengths, whether it is complete, and flags.
fn brief(row: &HttpExchange) -> String {
    let [method, path, status, sent, received, flags] =
        ["method", "path", "status", "request_bytes", "response_bytes", "flags"].map(|name| field(row, name));
    let complete = if field(row, "complete") == "true" { "complete" } else { "partial" };
    format!("{method} {path} {status} {sent}/{received} {complete} {flags}").trim_end().to_owned()
}
