//! Packets in, queries out.

mod hostile;
mod pairing;
mod property;
mod recognition;
mod record;
mod streams;

use std::net::SocketAddr;

use super::{DnsQuery, Tracker};
use crate::flow::{Event, Flow, FlowId, Interest, Observer, Table};
use crate::limits::{Limits, Loss};
use crate::packet::{Frame, Network, Tcp, TcpFlags, Transport, Udp, Vlans};
use crate::record::{Record, Time, Value};

const CLIENT: &str = "192.0.2.1:40000";
const SERVER: &str = "192.0.2.53:53";

/// An answer, in the second word of the header.
const ANSWER: u16 = 0x8180;
/// A query that wants recursion.
const QUERY: u16 = 0x0100;

const A: u16 = 1;
const TXT: u16 = 16;

/// A name as it is sent.
fn wire(name: &str) -> Vec<u8> {
    let labels = name.split('.').filter(|label| !label.is_empty());
    let label = |label: &str| [&[u8::try_from(label.len()).unwrap()], label.as_bytes()].concat();
    labels.flat_map(label).chain([0]).collect()
}

/// A header.
fn header(id: u16, bits: u16, counts: [u16; 4]) -> Vec<u8> {
    [[id, bits].as_slice(), &counts].concat().iter().flat_map(|word| word.to_be_bytes()).collect()
}

fn question(name: &str, kind: u16) -> Vec<u8> {
    [wire(name), kind.to_be_bytes().to_vec(), vec![0, 1]].concat()
}

/// A record of the name that is asked for.
fn record(kind: u16, ttl: u32, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).unwrap().to_be_bytes();
    [&[0xc0, 12], kind.to_be_bytes().as_slice(), &[0, 1], &ttl.to_be_bytes(), &length, data].concat()
}

/// What asks for the address of a name.
fn ask(id: u16, name: &str) -> Vec<u8> {
    [header(id, QUERY, [1, 0, 0, 0]), question(name, A)].concat()
}

/// What answers that with one address.
fn answer(id: u16, name: &str, last: u8) -> Vec<u8> {
    [header(id, ANSWER, [1, 1, 0, 0]), question(name, A), record(A, 60, &[203, 0, 113, last])].concat()
}

/// What answers with no more than the question.
fn refuse(id: u16, name: &str, rcode: u16) -> Vec<u8> {
    [header(id, ANSWER | rcode, [1, 0, 0, 0]), question(name, A)].concat()
}

/// A table that is shown one packet after the other.
struct Scene {
    table: Table,
    observer: Queries,
    time: Time,
}

struct Queries {
    tracker: Tracker,
    told: Vec<DnsQuery>,
}

impl Observer for Queries {
    fn event(&mut self, id: FlowId, flow: &Flow, event: Event<'_>) -> Interest {
        self.tracker.event(id, flow, event, &mut self.told)
    }
}

impl Scene {
    fn new() -> Self {
        Self::within(&Limits::default())
    }

    fn within(limits: &Limits) -> Self {
        let observer = Queries { tracker: Tracker::new(limits), told: Vec::new() };
        Self { table: Table::new(limits), observer, time: Time::from_nanos(0) }
    }

    /// The next packet is captured so many milliseconds after the beginning; those after it a millisecond later each.
    fn at(mut self, milliseconds: i64) -> Self {
        self.time = Time::from_nanos(milliseconds * 1_000_000);
        self
    }

    fn packet(mut self, [from, to]: [&str; 2], transport: Transport, payload: &[u8], length: usize) -> Self {
        let [src, dst] = [from, to].map(|end| end.parse::<SocketAddr>().unwrap().ip());
        let protocol = if matches!(transport, Transport::Tcp(_)) { 6 } else { 17 };
        let frame = Frame {
            vlans: Vlans::default(),
            tunnel: None,
            network: Some(Network { src, dst, ttl: 64, protocol, fragment: false }),
            transport,
            payload,
            payload_length: u32::try_from(length).unwrap(),
            link_protocol: "",
            stop: None,
        };
        self.table.ingest(&frame, self.time, 54 + frame.payload_length, &mut self.observer);
        self.time = Time::from_nanos(self.time.as_nanos() + 1_000_000);
        self
    }

    /// A datagram of which only so much was captured.
    fn cut(self, ends: [&str; 2], payload: &[u8], captured: usize) -> Self {
        let [src_port, dst_port] = ends.map(|end| end.parse::<SocketAddr>().unwrap().port());
        self.packet(ends, Transport::Udp(Udp { src_port, dst_port }), &payload[..captured], payload.len())
    }

    fn udp(self, ends: [&str; 2], payload: impl AsRef<[u8]>) -> Self {
        let payload = payload.as_ref();
        self.cut(ends, payload, payload.len())
    }

    /// From [`CLIENT`] to [`SERVER`].
    fn client(self, payload: impl AsRef<[u8]>) -> Self {
        self.udp([CLIENT, SERVER], payload)
    }

    /// Back.
    fn server(self, payload: impl AsRef<[u8]>) -> Self {
        self.udp([SERVER, CLIENT], payload)
    }

    fn segment(self, ends: [&str; 2], flags: u16, seq: u32, payload: &[u8]) -> Self {
        let [src_port, dst_port] = ends.map(|end| end.parse::<SocketAddr>().unwrap().port());
        let flags = TcpFlags(flags);
        let tcp = Tcp { src_port, dst_port, seq, ack: 1, flags, window: 1000, window_scale: None };
        self.packet(ends, Transport::Tcp(tcp), payload, payload.len())
    }

    /// What is there before the input ends.
    fn so_far(&self) -> Vec<String> {
        self.observer.told.iter().map(brief).collect()
    }

    /// All of it, and what could not be seen.
    fn outcome(mut self) -> (Vec<String>, Loss) {
        while self.table.finish(1, &mut self.observer) {}
        (self.so_far(), self.observer.tracker.loss())
    }

    /// All of it, where nothing is missing.
    #[track_caller]
    fn told(self) -> Vec<String> {
        let (told, loss) = self.outcome();
        assert_eq!(loss, Loss::ZERO);
        told
    }

    /// The only query that is told.
    #[track_caller]
    fn only(mut self) -> DnsQuery {
        while self.table.finish(1, &mut self.observer) {}
        assert_eq!(self.observer.told.len(), 1);
        self.observer.told.remove(0)
    }
}

/// A field as text; `-` if it has no value.
fn field(row: &DnsQuery, name: &str) -> String {
    match row.get(name).unwrap_or_else(|| panic!("there is no field {name}")) {
        Value::None => "-".to_owned(),
        value => value.to_string(),
    }
}

/// Identifier, name, type, rcode, answers, latency, then what is special.
fn brief(row: &DnsQuery) -> String {
    let fields = ["id", "name", "type", "rcode", "answers", "latency", "flags"].map(|name| field(row, name));
    let [id, name, kind, rcode, answers, latency, flags] = fields;
    let retries = if row.retries > 0 { format!(" retries {}", row.retries) } else { String::new() };
    format!("{id} {name} {kind} {rcode} [{answers}] {latency} {flags}{retries}")
}
