//! Whole conversations in, rows out: over TCP every scenario is delivered whole, byte by byte, and cut at every offset.

mod hostile;
mod over_quic;
mod over_tcp;
mod record;
mod upgraded;

use super::{TlsHandshake, Tracker};
use crate::flow::Side::{self, Originator, Responder};
use crate::flow::{Closed, Datagram, Event, Flow, FlowId, Interest, Observer, Table};
use crate::limits::{Limits, Loss};
use crate::packet::{Frame, Network, Tcp, TcpFlags, Transport, Udp, Vlans};
use crate::record::{Record, Time, Value};

/// Something that happens to a conversation.
#[derive(Debug, Clone)]
enum Step {
    Data(Side, Vec<u8>),
    Gap(Side, u64),
    End(Side),
    Datagram(Side, Vec<u8>),
    /// A datagram of which only so many bytes were captured.
    Cut(Side, Vec<u8>, usize),
}

fn client(bytes: impl AsRef<[u8]>) -> Step {
    Step::Data(Originator, bytes.as_ref().to_vec())
}

fn server(bytes: impl AsRef<[u8]>) -> Step {
    Step::Data(Responder, bytes.as_ref().to_vec())
}

/// What a conversation gave.
struct Outcome {
    rows: Vec<TlsHandshake>,
    /// How many steps were asked for.
    steps: usize,
    loss: Loss,
}

/// The conversation of a table's first frame.
#[derive(Default)]
struct Opened(Option<(FlowId, Flow)>);

impl Observer for Opened {
    fn event(&mut self, id: FlowId, flow: &Flow, _: Event<'_>) -> Interest {
        self.0.get_or_insert_with(|| (id, flow.clone()));
        Interest::Flow
    }
}

/// A conversation from 10.0.0.1 to port 443 of 10.0.0.2.
fn conversation(is_tcp: bool) -> (FlowId, Flow) {
    let (src_port, dst_port, flags) = (40_000, 443, TcpFlags(TcpFlags::SYN));
    let tcp = Tcp { src_port, dst_port, seq: 0, ack: 0, flags, window: 1, window_scale: None };
    let (src, dst) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
    let frame = Frame {
        vlans: Vlans::default(),
        tunnel: None,
        network: Some(Network { src, dst, ttl: 64, protocol: if is_tcp { 6 } else { 17 }, fragment: false }),
        transport: if is_tcp { Transport::Tcp(tcp) } else { Transport::Udp(Udp { src_port, dst_port }) },
        payload: b"",
        payload_length: 0,
        link_protocol: "",
        stop: None,
    };
    let mut opened = Opened::default();
    Table::new(&Limits::default()).ingest(&frame, Time::from_nanos(0), 60, &mut opened);
    opened.0.unwrap()
}

/// Runs steps, the first one at 0 ms, each 1 ms later than the one before; data in pieces of the lengths that `cut` gives.
fn run_cut(steps: &[Step], limits: &Limits, cut: impl Fn(usize, usize) -> Vec<usize>) -> Outcome {
    let is_tcp = !matches!(steps[0], Step::Datagram(..) | Step::Cut(..));
    let ((id, flow), mut tracker) = (conversation(is_tcp), Tracker::new(limits));
    let (mut rows, mut asked) = (Vec::new(), 0);
    let mut interest = tracker.event(id, &flow, Event::Opened, &mut rows);
    for (number, step) in steps.iter().enumerate() {
        if interest == Interest::Flow {
            break;
        }
        asked += 1;
        let time = Time::from_nanos(number as i64 * 1_000_000);
        let mut tell = |event| {
            if interest == Interest::Payload {
                interest = tracker.event(id, &flow, event, &mut rows);
            }
        };
        match step {
            Step::Data(from, bytes) => {
                let mut rest = bytes.as_slice();
                for length in cut(number, bytes.len()) {
                    let (piece, after) = rest.split_at(length);
                    tell(Event::Data(*from, piece, time));
                    rest = after;
                }
            }
            Step::Gap(from, bytes) => tell(Event::Gap(*from, *bytes, time)),
            Step::End(from) => tell(Event::End(*from, time)),
            Step::Datagram(from, bytes) => {
                tell(Event::Datagram(Datagram { from: *from, bytes, length: bytes.len() as u32, time }));
            }
            Step::Cut(from, bytes, captured) => {
                let (bytes, length) = (&bytes[..*captured], bytes.len() as u32);
                tell(Event::Datagram(Datagram { from: *from, bytes, length, time }));
            }
        }
    }
    tracker.event(id, &flow, Event::Closed(Closed::EndOfInput), &mut rows);
    Outcome { rows, steps: asked, loss: tracker.loss().clone() }
}

fn run(steps: &[Step]) -> Outcome {
    run_cut(steps, &Limits::default(), |_, length| vec![length])
}

/// Runs whole, and checks that byte by byte and every way of cutting a step in two give the same rows and loss.
fn run_every_way(steps: &[Step]) -> Outcome {
    let whole = run(steps);
    let same = |other: Outcome, how: &str| {
        assert_eq!(json(&other.rows), json(&whole.rows), "{how}");
        assert_eq!((other.loss, other.steps), (whole.loss.clone(), whole.steps), "{how}");
    };
    same(run_cut(steps, &Limits::default(), |_, length| vec![1; length]), "byte by byte");
    for (number, step) in steps.iter().enumerate() {
        let Step::Data(_, bytes) = step else { continue };
        for offset in 1..bytes.len() {
            let cut = |step, length| if step == number { vec![offset, length - offset] } else { vec![length] };
            same(run_cut(steps, &Limits::default(), cut), &format!("step {number} cut at {offset}"));
        }
    }
    whole
}

/// The only row, whichever way the data is cut, in short.
#[track_caller]
fn brief_of(steps: &[Step]) -> String {
    let outcome = run_every_way(steps);
    assert_eq!(outcome.rows.len(), 1);
    brief(&outcome.rows[0])
}

fn json(rows: &[TlsHandshake]) -> Vec<String> {
    rows.iter().map(|row| serde_json::to_string(row as &dyn Record).unwrap()).collect()
}

/// A field as text; `-` if it has no value.
fn field(row: &TlsHandshake, name: &str) -> String {
    match row.get(name) {
        None => panic!("there is no field {name}"),
        Some(Value::None) => "-".to_owned(),
        Some(value) => value.to_string(),
    }
}

/// Name, version, alert and who sent it, whether it was resumed, and flags.
fn brief(row: &TlsHandshake) -> String {
    let fields = ["server_name", "version", "alert", "alert_by", "resumed", "flags"].map(|name| field(row, name));
    let complete = if field(row, "complete") == "true" { "complete" } else { "partial" };
    format!("{} {complete}", fields.join(" ")).replace("  ", " ")
}

/// Something behind its length, which is a number of that many bytes.
fn vector(length: usize, content: impl AsRef<[u8]>) -> Vec<u8> {
    let content = content.as_ref();
    [&content.len().to_be_bytes()[8 - length..], content].concat()
}

fn record(kind: u8, content: impl AsRef<[u8]>) -> Vec<u8> {
    [&[kind, 3, 3][..], &vector(2, content)].concat()
}

fn message(kind: u8, body: impl AsRef<[u8]>) -> Vec<u8> {
    [&[kind][..], &vector(3, body)].concat()
}

fn extension(kind: u16, data: impl AsRef<[u8]>) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &vector(2, data)].concat()
}

fn u16s(values: &[u16]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_be_bytes()).collect()
}

/// A ClientHello with these cipher suites and extensions.
fn client_hello_with(ciphers: &[u16], extensions: &[Vec<u8>]) -> Vec<u8> {
    let fixed = [&[3, 3][..], &[7; 32], &vector(1, [8; 32])].concat();
    message(1, [fixed, vector(2, u16s(ciphers)), vector(1, [0]), vector(2, extensions.concat())].concat())
}

/// The ClientHello of a client that does TLS 1.3, with values that mean nothing in between.
fn client_hello() -> Vec<u8> {
    client_hello_with(
        &[0x3a3a, 0x1301, 0xc02f],
        &[
            extension(0x8a8a, []),
            extension(0, vector(2, [&[0][..], &vector(2, "www.example")].concat())),
            extension(16, vector(2, [vector(1, [0xda, 0xda]), vector(1, "h2"), vector(1, "http/1.1")].concat())),
            extension(43, vector(1, u16s(&[0x1a1a, 0x0304, 0x0303]))),
            extension(13, vector(2, u16s(&[0x0403, 0x0804]))),
            extension(51, [0; 40]),
        ],
    )
}

fn server_hello_with(random: [u8; 32], cipher: u16, extensions: &[Vec<u8>]) -> Vec<u8> {
    let fixed = [&[3, 3][..], &random, &vector(1, [8; 32])].concat();
    message(2, [fixed, u16s(&[cipher]), vec![0], vector(2, extensions.concat())].concat())
}

fn server_hello_1_3() -> Vec<u8> {
    server_hello_with([9; 32], 0x1301, &[extension(51, [0; 36]), extension(43, [3, 4])])
}

fn server_hello_1_2() -> Vec<u8> {
    server_hello_with([9; 32], 0xc02f, &[extension(16, vector(2, vector(1, "h2"))), extension(0xff01, [0])])
}

fn change_cipher_spec() -> Vec<u8> {
    record(20, [1])
}

fn alert(level: u8, description: u8) -> Vec<u8> {
    record(21, [level, description])
}
