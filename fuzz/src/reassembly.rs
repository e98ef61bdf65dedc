//! Segments of a few TCP conversations in any order: repeated, overlapping, cut, missing.
//!
//! Every end of a conversation sends a stream that is known beforehand, so what comes out can be checked: the bytes of
//! that stream, in order, with gaps only where no segment brought the bytes. The input is a list of segments of eight
//! bytes: who sends, what it is, then offset, acknowledged offset and length (two bytes each, big-endian).

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

use netscript::flow::{Event, Flow, FlowId, Interest, Observer, Side, Table};
use netscript::limits::Limits;
use netscript::packet::{Frame, Network, Tcp, TcpFlags, Transport, Vlans};
use netscript::record::{Duration, Time};

/// Ports of the two ends of each conversation. The last one is a conversation that the observer loses interest in.
const CONVERSATIONS: [[u16; 2]; 4] = [[40_000, 80], [8_080, 50_000], [40_001, 50_001], [40_002, UNWANTED]];
const UNWANTED: u16 = 443;

/// The sequence number before the first byte of every stream; numbers wrap soon.
const INITIAL: u32 = 0xffff_f000;

/// Feeds the segments of the input to a small table.
pub fn check(input: &[u8]) {
    let limits = Limits { flows: 3, out_of_order_bytes: 2_048, out_of_order_total: 4_096, ..Limits::default() };
    let mut table = Table::new(&limits);
    let mut checker = Checker::default();
    let mut time = Time::from_nanos(0);
    for op in input.chunks_exact(8) {
        let segment = Segment::of(op.try_into().unwrap());
        time = time + segment.pause;
        checker.expect(&segment);
        table.ingest(&segment.frame(), time, 60 + segment.length, &mut checker);
        checker.remember(&segment);
        assert!(table.len() <= limits.flows);
    }
    while table.finish(2, &mut checker) {}
    assert!(table.is_empty());
    assert!(checker.streams.values().all(|stream| !stream.open), "a conversation was never closed");
}

struct Segment {
    ports: [u16; 2],
    flags: u16,
    /// Of its first byte, in the stream of its sender.
    offset: u32,
    acknowledged: u32,
    length: u32,
    bytes: Vec<u8>,
    pause: Duration,
}

impl Segment {
    fn of([who, what, rest @ ..]: [u8; 8]) -> Self {
        let [mut offset, acknowledged, length] =
            [0, 2, 4].map(|at| u32::from(u16::from_be_bytes([rest[at], rest[at + 1]])));
        let mut ports = CONVERSATIONS[usize::from(who >> 1 & 3)];
        if who & 1 != 0 {
            ports.swap(0, 1);
        }
        let flags = u16::from(what & 0x17);
        if flags & TcpFlags::SYN != 0 {
            offset = 0;
        }
        // What a reset carries is not part of the stream.
        let length = if flags & TcpFlags::RST == 0 { length % 3_000 } else { 0 };
        let captured = if who & 8 == 0 { length } else { length / 2 };
        let bytes = (offset..offset + captured).map(|offset| byte(ports[0], offset)).collect();
        let pause = match who >> 4 & 3 {
            0 => Duration::from_nanos(1_000),
            1 => Duration::from_secs(-1),
            2 => Duration::from_secs(70),
            _ => Duration::from_secs(4_000),
        };
        Self { ports, flags, offset, acknowledged, length, bytes, pause }
    }

    fn frame(&self) -> Frame<'_> {
        let [src_port, dst_port] = self.ports;
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let before = u32::from(self.flags & TcpFlags::SYN != 0);
        Frame {
            vlans: Vlans::default(),
            tunnel: None,
            network: Some(Network { src: address, dst: address, ttl: 64, protocol: 6, fragment: false }),
            transport: Transport::Tcp(Tcp {
                src_port,
                dst_port,
                seq: INITIAL.wrapping_add(1 + self.offset - before),
                ack: INITIAL.wrapping_add(1 + self.acknowledged),
                flags: TcpFlags(self.flags),
                window: 1_000,
                window_scale: None,
            }),
            payload: &self.bytes,
            payload_length: self.length,
            link_protocol: "",
            stop: None,
        }
    }

    fn is_cut(&self) -> bool {
        self.bytes.len() < self.length as usize
    }

    /// Where the streams of its sender and of its receiver may begin, if nothing of them was seen before.
    fn beginnings(&self) -> [(u16, u32); 2] {
        [(self.ports[0], self.offset), (self.ports[1], self.acknowledged)]
    }
}

/// What an end sends at that place of its stream.
fn byte(port: u16, offset: u32) -> u8 {
    (u64::from(offset) << 16 | u64::from(port)).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes()[0]
}

#[derive(Default)]
struct Checker {
    /// By port, which no two ends share.
    streams: HashMap<u16, Stream>,
    /// Of the segment that is taken in.
    beginnings: [(u16, u32); 2],
}

#[derive(Default)]
struct Stream {
    open: bool,
    ended: bool,
    unwanted: bool,
    /// Offsets that the next byte may have: several until it was seen where the stream begins.
    next: Vec<u32>,
    begun: bool,
    /// Where the bytes are that segments before this one brought.
    captured: Vec<(u32, u32)>,
    /// A segment was cut: what is missing of it may be given up although another brought some of that.
    cut: bool,
}

impl Checker {
    fn expect(&mut self, segment: &Segment) {
        self.beginnings = segment.beginnings();
        for (port, offset) in self.beginnings {
            let stream = self.streams.entry(port).or_default();
            if !stream.begun {
                stream.next.push(offset);
            }
        }
        self.streams.entry(segment.ports[0]).or_default().cut |= segment.is_cut();
    }

    fn remember(&mut self, segment: &Segment) {
        let range = (segment.offset, segment.offset + segment.bytes.len() as u32);
        self.streams.entry(segment.ports[0]).or_default().captured.push(range);
    }

    fn open(&mut self, port: u16) {
        let stream = self.streams.entry(port).or_default();
        assert!(!stream.open, "opened twice");
        let cut = stream.cut;
        let next = self.beginnings.iter().filter(|(of, _)| *of == port).map(|(_, offset)| *offset).collect();
        *stream = Stream { open: true, next, cut, ..Stream::default() };
    }
}

impl Stream {
    fn data(&mut self, port: u16, bytes: &[u8]) {
        assert!(!bytes.is_empty());
        let sent = |start: &u32| bytes.iter().zip(*start..).all(|(found, offset)| *found == byte(port, offset));
        self.next.retain(sent);
        assert!(!self.next.is_empty(), "these are not the next bytes of the stream");
        self.advance(bytes.len() as u32);
    }

    fn gap(&mut self, length: u32) {
        assert!(length > 0);
        let brings = |(from, to): &(u32, u32), start: u32| from.max(&start) < to.min(&(start + length));
        self.next.retain(|start| self.cut || !self.captured.iter().any(|bytes| brings(bytes, *start)));
        assert!(!self.next.is_empty(), "a segment brought some of the {length} bytes: {:?}", self.captured);
        self.advance(length);
    }

    fn advance(&mut self, length: u32) {
        self.begun = true;
        self.next.iter_mut().for_each(|next| *next += length);
    }
}

impl Observer for Checker {
    fn event(&mut self, _: FlowId, flow: &Flow, event: Event<'_>) -> Interest {
        let ports = Side::BOTH.map(|side| flow.endpoint(side).port());
        let is_unwanted = ports.contains(&UNWANTED);
        match event {
            Event::Opened => ports.iter().for_each(|port| self.open(*port)),
            Event::Closed(_) => ports.iter().for_each(|port| self.streams.entry(*port).or_default().open = false),
            Event::Datagram(_) => {}
            Event::Data(side, ..) | Event::Gap(side, ..) | Event::End(side, _) => {
                let port = ports[side.index()];
                let stream = self.streams.entry(port).or_default();
                assert!(stream.open && !stream.ended && !stream.unwanted, "nothing may follow: {event:?}");
                match event {
                    Event::Data(_, bytes, _) => stream.data(port, bytes),
                    Event::Gap(_, bytes, _) => stream.gap(u32::try_from(bytes).unwrap()),
                    _ => stream.ended = true,
                }
                if is_unwanted {
                    ports.iter().for_each(|port| self.streams.entry(*port).or_default().unwanted = true);
                    return Interest::Flow;
                }
            }
        }
        Interest::Payload
    }
}
