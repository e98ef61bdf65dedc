//! DNS messages in datagrams and in streams.
//!
//! The input is a list of packets: who sends to whom and how (a byte), time that passes (a byte), length (two bytes,
//! big-endian), bytes.

use std::net::{IpAddr, Ipv4Addr};

use netscript::flow::{Event, Flow, FlowId, Interest, Observer, Table};
use netscript::limits::Limits;
use netscript::packet::{Frame, Network, Tcp, TcpFlags, Transport, Udp, Vlans};
use netscript::protocol::dns::{DnsQuery, Tracker};
use netscript::record::{Duration, Record as _, Time};

/// Who asks and who is asked: address and port.
const CONVERSATIONS: [[(Ipv4Addr, u16); 2]; 8] = [
    [(CLIENT, 40_000), (SERVER, 53)],
    [(CLIENT, 40_001), (SERVER, 8_600)],
    [(CLIENT, 5_353), (Ipv4Addr::new(224, 0, 0, 251), 5_353)],
    [(CLIENT, 40_002), (Ipv4Addr::new(224, 0, 0, 251), 5_353)],
    [(CLIENT, 40_002), (SERVER, 5_353)],
    [(CLIENT, 40_003), (Ipv4Addr::new(224, 0, 0, 252), 5_355)],
    [(Ipv4Addr::LOCALHOST, 40_004), (Ipv4Addr::new(127, 0, 0, 11), 38_953)],
    [(Ipv4Addr::LOCALHOST, 40_004), (Ipv4Addr::new(127, 0, 0, 11), 53)],
];
/// Bytes of the shortest message.
const HEADER: usize = 12;

const CLIENT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 53);

/// Reads the packets, and every field of what comes of them. None of them can steer a terminal.
pub fn check(input: &[u8]) {
    let limits = Limits { dns_pending_bytes: 8_192, flows: 6, ..Limits::default() };
    let mut table = Table::new(&limits);
    let mut queries = Queries { tracker: Tracker::new(&limits), told: Vec::new() };
    let mut time = Time::from_nanos(0);
    let mut next = [[1; 2]; CONVERSATIONS.len()];
    let mut packets = 0;
    for packet in parse(input) {
        time = time + packet.pause();
        let place = usize::from(packet.how & 7);
        let direction = usize::from(packet.how >> 3 & 1);
        let seq = &mut next[place][direction];
        let frame = packet.frame(*seq);
        *seq = seq.wrapping_add(frame.payload_length);
        table.ingest(&frame, time, 54 + frame.payload_length, &mut queries);
        packets += 1;
    }
    while table.finish(2, &mut queries) {}
    // A stream may hold several messages.
    assert!(queries.told.len() <= packets + input.len() / HEADER, "more was told than was sent");
    for query in &queries.told {
        for (place, field) in query.kind().fields.iter().enumerate() {
            let shown = query.value(place).to_string();
            assert!(shown.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{}: {shown:?}", field.name);
        }
    }
    let loss = queries.tracker.loss();
    assert!(loss.dns_pending <= queries.told.len() as u64);
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

struct Packet<'a> {
    /// Conversation (3 bits), direction, TCP or UDP, whether it was cut, a gap before it.
    how: u8,
    after: u8,
    bytes: &'a [u8],
}

fn parse(mut input: &[u8]) -> Vec<Packet<'_>> {
    let mut packets = Vec::new();
    while let [how, after, high, low, rest @ ..] = input {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let (bytes, behind) = rest.split_at(length.min(rest.len()));
        input = behind;
        packets.push(Packet { how: *how, after: *after, bytes });
    }
    packets
}

impl Packet<'_> {
    fn pause(&self) -> Duration {
        match self.after {
            0..128 => Duration::from_nanos(i64::from(self.after) * 1_000_000),
            128..255 => Duration::from_secs(i64::from(self.after - 128)),
            255 => Duration::from_secs(-5),
        }
    }

    fn frame(&self, seq: u32) -> Frame<'_> {
        let [asks, asked] = CONVERSATIONS[usize::from(self.how & 7)];
        let ((src, src_port), (dst, dst_port)) = if self.how & 8 == 0 { (asks, asked) } else { (asked, asks) };
        let is_tcp = self.how & 16 != 0;
        let seq = if self.how & 64 == 0 { seq } else { seq.wrapping_add(7) };
        let flags = TcpFlags(TcpFlags::ACK);
        let tcp = Tcp { src_port, dst_port, seq, ack: 1, flags, window: 1_000, window_scale: None };
        let captured = if self.how & 32 == 0 { self.bytes.len() } else { self.bytes.len() / 2 };
        Frame {
            vlans: Vlans::default(),
            tunnel: None,
            network: Some(Network {
                src: IpAddr::V4(src),
                dst: IpAddr::V4(dst),
                ttl: 64,
                protocol: if is_tcp { 6 } else { 17 },
                fragment: false,
            }),
            transport: if is_tcp { Transport::Tcp(tcp) } else { Transport::Udp(Udp { src_port, dst_port }) },
            payload: &self.bytes[..captured],
            payload_length: self.bytes.len() as u32,
            link_protocol: "",
            stop: None,
        }
    }
}
