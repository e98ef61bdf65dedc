//! Two hosts that talk.

use std::net::SocketAddr;
use std::time::Duration;

use super::frame::{Route, Segment};
use super::{Packet, START};

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const PSH: u8 = 0x08;
const ACK: u8 = 0x10;

/// The maximum segment size 1460 (RFC 9293, section 3.7.1), as both ends announce it.
const MAXIMUM_SEGMENT_SIZE: [u8; 4] = [2, 4, 0x05, 0xb4];

/// Time between two packets of a conversation, unless it pauses.
const STEP: Duration = Duration::from_micros(100);

/// A TCP conversation, packet by packet: what is called first is captured first, and every call takes a little time.
///
/// ```ignore
/// let mut talk = Conversation::new("192.0.2.10:50000", "198.51.100.5:80");
/// talk.handshake();
/// talk.client_sends(b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n");
/// talk.server_sends(b"HTTP/1.1 204 No Content\r\n\r\n");
/// talk.close();
/// ```
///
/// Without [`handshake`](Self::handshake) the capture begins in the middle of the conversation.
pub(crate) struct Conversation {
    client: Side,
    server: Side,
    time: Duration,
    segment_size: usize,
    vlan: Option<u16>,
    pub(super) packets: Vec<Packet>,
}

/// One end: where it is, and the number of the next byte that it sends.
struct Side {
    address: SocketAddr,
    next: u32,
    id: u16,
}

/// Who sends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sender {
    Client,
    Server,
}

impl Conversation {
    /// A conversation that begins at [`START`].
    pub(crate) fn new(client: &str, server: &str) -> Self {
        let side = |address: &str, next| Side { address: address.parse().unwrap(), next, id: 1 };
        Self {
            client: side(client, 1_000),
            server: side(server, 5_000_000),
            time: START,
            segment_size: 1460,
            vlan: None,
            packets: Vec::new(),
        }
    }

    /// A conversation in a VLAN.
    pub(crate) fn vlan(mut self, vlan: u16) -> Self {
        self.vlan = Some(vlan);
        self
    }

    /// A conversation whose segments have at most that many bytes.
    pub(crate) fn segment_size(mut self, bytes: usize) -> Self {
        self.segment_size = bytes;
        self
    }

    /// What follows happens that long after [`START`].
    pub(crate) fn at(&mut self, after: Duration) {
        assert!(START + after >= self.time, "the conversation is already at {:?}", self.time - START);
        self.time = START + after;
    }

    /// SYN, and nothing yet that answers it.
    pub(crate) fn knock(&mut self) {
        self.segment(Sender::Client, SYN, &[]);
    }

    /// SYN, SYN and ACK, ACK.
    pub(crate) fn handshake(&mut self) {
        self.segment(Sender::Client, SYN, &[]);
        self.segment(Sender::Server, SYN | ACK, &[]);
        self.segment(Sender::Client, ACK, &[]);
    }

    /// The client sends, and the server acknowledges.
    pub(crate) fn client_sends(&mut self, bytes: &[u8]) -> Burst<'_> {
        let pieces: Vec<&[u8]> = bytes.chunks(self.segment_size).collect();
        self.send(Sender::Client, &pieces)
    }

    /// The server sends, and the client acknowledges.
    pub(crate) fn server_sends(&mut self, bytes: &[u8]) -> Burst<'_> {
        let pieces: Vec<&[u8]> = bytes.chunks(self.segment_size).collect();
        self.send(Sender::Server, &pieces)
    }

    /// The client sends each of these pieces in a segment of its own.
    pub(crate) fn client_sends_in(&mut self, pieces: &[&[u8]]) -> Burst<'_> {
        self.send(Sender::Client, pieces)
    }

    /// The client goes back by that many bytes, and sends from there.
    pub(crate) fn client_sends_again(&mut self, back: u32, bytes: &[u8]) {
        self.client.next -= back;
        self.segment(Sender::Client, ACK | PSH, bytes);
    }

    /// The client asks, the server takes its time and answers.
    pub(crate) fn exchange(&mut self, request: &[u8], think: Duration, response: &[u8]) {
        self.client_sends(request);
        self.time += think;
        self.server_sends(response);
    }

    /// Both ends say that they have nothing more to send, the client first.
    pub(crate) fn close(&mut self) {
        self.segment(Sender::Client, FIN | ACK, &[]);
        self.segment(Sender::Server, FIN | ACK, &[]);
        self.segment(Sender::Client, ACK, &[]);
    }

    /// The server breaks off.
    pub(crate) fn reset(&mut self) {
        self.segment(Sender::Server, RST | ACK, &[]);
    }

    /// Only what the client sent was captured.
    pub(crate) fn without_server(mut self) -> Self {
        self.packets.retain(|packet| packet.from == self.client.address);
        self
    }

    /// Only what the server sent was captured.
    pub(crate) fn without_client(mut self) -> Self {
        self.packets.retain(|packet| packet.from == self.server.address);
        self
    }

    fn send(&mut self, by: Sender, pieces: &[&[u8]]) -> Burst<'_> {
        let first = self.packets.len();
        for (i, piece) in pieces.iter().enumerate() {
            let push = if i + 1 == pieces.len() { PSH } else { 0 };
            self.segment(by, ACK | push, piece);
        }
        let last = self.packets.len();
        self.segment(if by == Sender::Client { Sender::Server } else { Sender::Client }, ACK, &[]);
        Burst { packets: &mut self.packets, first, last }
    }

    fn segment(&mut self, by: Sender, flags: u8, payload: &[u8]) {
        let (sender, receiver) = match by {
            Sender::Client => (&mut self.client, &self.server),
            Sender::Server => (&mut self.server, &self.client),
        };
        let route = Route { from: sender.address, to: receiver.address, vlan: self.vlan, id: sender.id };
        let is_syn = flags & SYN != 0;
        let segment = Segment {
            seq: sender.next,
            ack: if flags & ACK == 0 { 0 } else { receiver.next },
            flags,
            options: if is_syn { &MAXIMUM_SEGMENT_SIZE } else { &[] },
        };
        let bytes = route.tcp(&segment, payload);
        sender.next += payload.len() as u32 + u32::from(flags & (SYN | FIN) != 0);
        sender.id += 1;
        self.packets.push(Packet { time: self.time, from: route.from, bytes });
        self.time += STEP;
    }
}

/// The segments that were just sent, for what can happen to them on their way. Times stay in order.
pub(crate) struct Burst<'a> {
    packets: &'a mut Vec<Packet>,
    first: usize,
    last: usize,
}

impl Burst<'_> {
    /// They arrive in the opposite order.
    pub(crate) fn reversed(self) -> Self {
        let burst = &mut self.packets[self.first..self.last];
        let times: Vec<Duration> = burst.iter().map(|packet| packet.time).collect();
        burst.reverse();
        burst.iter_mut().zip(times).for_each(|(packet, time)| packet.time = time);
        self
    }

    /// Each of them arrives twice.
    pub(crate) fn repeated(mut self) -> Self {
        let twice = self.packets[self.first..self.last]
            .iter()
            .flat_map(|packet| [packet.clone(), Packet { time: packet.time + STEP / 2, ..packet.clone() }]);
        let twice: Vec<Packet> = twice.collect();
        self.packets.splice(self.first..self.last, twice);
        self.last += self.last - self.first;
        self
    }

    /// One of them, counted from 0, is missing from the capture.
    pub(crate) fn without(self, segment: usize) {
        assert!(self.first + segment < self.last, "there are not so many segments");
        self.packets.remove(self.first + segment);
    }
}

/// Datagrams between two hosts, or echoes.
pub(crate) struct Datagrams {
    client: SocketAddr,
    server: SocketAddr,
    time: Duration,
    pub(super) packets: Vec<Packet>,
}

impl Datagrams {
    /// Datagrams that begin at [`START`].
    pub(crate) fn new(client: &str, server: &str) -> Self {
        Self { client: client.parse().unwrap(), server: server.parse().unwrap(), time: START, packets: Vec::new() }
    }

    /// The client sends a datagram.
    pub(crate) fn client_sends(&mut self, payload: &[u8]) {
        self.send(self.client, self.server, payload);
    }

    /// The server sends a datagram.
    pub(crate) fn server_sends(&mut self, payload: &[u8]) {
        self.send(self.server, self.client, payload);
    }

    /// The client asks for an echo, and the server gives it.
    pub(crate) fn ping(&mut self) {
        const REQUEST: u8 = 8;
        const REPLY: u8 = 0;
        for (from, to, kind) in [(self.client, self.server, REQUEST), (self.server, self.client, REPLY)] {
            let bytes = self.route(from, to).echo(kind);
            self.captured(from, bytes);
        }
    }

    fn send(&mut self, from: SocketAddr, to: SocketAddr, payload: &[u8]) {
        let bytes = self.route(from, to).udp(payload);
        self.captured(from, bytes);
    }

    fn route(&self, from: SocketAddr, to: SocketAddr) -> Route {
        Route { from, to, vlan: None, id: self.packets.len() as u16 }
    }

    fn captured(&mut self, from: SocketAddr, bytes: Vec<u8>) {
        self.packets.push(Packet { time: self.time, from, bytes });
        self.time += STEP;
    }
}
