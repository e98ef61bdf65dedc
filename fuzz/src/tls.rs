//! Segments in order of a conversation that may be TLS, or datagrams of one that may be QUIC.
//!
//! The input is a byte that says which of them it is, and a list of pieces: what it is and who sends (a byte), length (two
//! bytes, big-endian), bytes.

use std::net::{IpAddr, Ipv4Addr};

use netscript::flow::{Event, Flow, FlowId, Interest, Observer, Table};
use netscript::limits::{Limits, Loss};
use netscript::packet::{Frame, Network, Tcp, TcpFlags, Transport, Udp, Vlans};
use netscript::protocol::tls::{TlsHandshake, Tracker};
use netscript::record::{Record as _, Time};

/// Reads the conversation of the input; over TCP also one byte at a time, with the same result.
pub fn check(input: &[u8]) {
    let Some((how, pieces)) = input.split_first() else { return };
    let pieces = parse(pieces);
    let is_tcp = how & 1 == 0;
    let whole = read(is_tcp, &pieces);
    assert!(whole.0.len() <= 1, "a conversation has one handshake");
    if is_tcp {
        assert_eq!(read(is_tcp, &one_by_one(&pieces)), whole);
    }
}

#[derive(Clone, Copy)]
enum Piece<'a> {
    /// One of the two ends sends these bytes.
    Sent(usize, &'a [u8]),
    /// It sends so many bytes of which none is captured.
    Lost(usize, u16),
}

fn parse(mut input: &[u8]) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    while let [control, high, low, rest @ ..] = input {
        let (from, length) = (usize::from(control & 1), u16::from_be_bytes([*high, *low]));
        if control & 0x0e == 0x0e {
            pieces.push(Piece::Lost(from, length));
            input = rest;
        } else {
            let (bytes, after) = rest.split_at(usize::from(length).min(rest.len()));
            pieces.push(Piece::Sent(from, bytes));
            input = after;
        }
    }
    pieces
}

/// The same bytes, each in a segment of its own.
fn one_by_one<'a>(pieces: &[Piece<'a>]) -> Vec<Piece<'a>> {
    let split = |piece: &Piece<'a>| match *piece {
        Piece::Sent(from, bytes) => bytes.chunks(1).map(|byte| Piece::Sent(from, byte)).collect(),
        lost => vec![lost],
    };
    pieces.iter().flat_map(split).collect()
}

/// The fields of all handshakes, and what was lost.
fn read(is_tcp: bool, pieces: &[Piece<'_>]) -> (Vec<String>, Loss) {
    let limits = Limits { tls_hello_bytes: 1_024, ..Limits::default() };
    let mut table = Table::new(&limits);
    let mut observer = Handshakes { tracker: Tracker::new(&limits), complete: Vec::new() };
    // Every packet comes at the same time, so that times do not depend on how the bytes are split.
    let time = Time::from_nanos(0);
    let mut sent = [0_u32; 2];
    if is_tcp {
        table.ingest(&frame(true, 0, 0, TcpFlags::SYN, b"", 0), time, 60, &mut observer);
        table.ingest(&frame(true, 1, 0, TcpFlags::SYN | TcpFlags::ACK, b"", 0), time, 60, &mut observer);
    }
    for piece in pieces {
        let (from, bytes, length) = match *piece {
            Piece::Sent(from, bytes) => (from, bytes, bytes.len() as u32),
            Piece::Lost(from, length) => (from, &b""[..], u32::from(length)),
        };
        let next = frame(is_tcp, from, 1 + sent[from], TcpFlags::ACK, bytes, length);
        sent[from] += length;
        table.ingest(&next, time, 60 + length, &mut observer);
    }
    while table.finish(2, &mut observer) {}
    (observer.complete.iter().map(shown).collect(), observer.tracker.loss().clone())
}

fn frame(is_tcp: bool, from: usize, seq: u32, flags: u16, payload: &[u8], payload_length: u32) -> Frame<'_> {
    let ports = [[40_000, 443], [443, 40_000]][from];
    let [src_port, dst_port] = ports;
    let [src, dst] = [[1, 2], [2, 1]][from].map(|host| IpAddr::V4(Ipv4Addr::new(192, 0, 2, host)));
    let tcp = Tcp { src_port, dst_port, seq, ack: 1, flags: TcpFlags(flags), window: 1_000, window_scale: None };
    Frame {
        vlans: Vlans::default(),
        tunnel: None,
        network: Some(Network { src, dst, ttl: 64, protocol: if is_tcp { 6 } else { 17 }, fragment: false }),
        transport: if is_tcp { Transport::Tcp(tcp) } else { Transport::Udp(Udp { src_port, dst_port }) },
        payload,
        payload_length,
        link_protocol: "",
        stop: None,
    }
}

struct Handshakes {
    tracker: Tracker,
    complete: Vec<TlsHandshake>,
}

impl Observer for Handshakes {
    fn event(&mut self, id: FlowId, flow: &Flow, event: Event<'_>) -> Interest {
        self.tracker.event(id, flow, event, &mut self.complete)
    }
}

fn shown(handshake: &TlsHandshake) -> String {
    let fields = handshake.kind().fields.iter().enumerate();
    fields.map(|(place, field)| format!("{}: {:?}\n", field.name, handshake.value(place))).collect()
}
