//! Probes that are made by hand: their bytes, and how a reply is recognised as theirs.
//!
//! The first attempt is one flow, with a source port of its own, so that routers with several equal paths send all its
//! probes the same way. Probes that are sent again are flows of their own: they show other paths, and a target in which
//! the first ones met answers each of them.
//!
//! The time to live is in the sequence number, with a secret beside it that nobody can guess who did not see the probe.
//! It is in the upper bits: a SYN that is within the window of an earlier one makes the target reset that one (RFC 9293,
//! section 3.10.7.4).

use std::net::{IpAddr, SocketAddr};

use etherparse::{
    IcmpEchoHeader, Icmpv4Header, Icmpv4Type, Icmpv6Type, IpNumber, TcpHeader, TcpHeaderSlice, TcpOptionElement,
};

use super::Protocol;
use super::answer::{Answer, Translation};
use super::message::Quote;
use super::strategy::Probe;

/// What the probes of one trace look like.
#[derive(Debug)]
pub struct Signature {
    protocol: Protocol,
    source: IpAddr,
    target: SocketAddr,
    flows: Vec<Flow>,
}

/// What some probes have in common.
#[derive(Debug, Clone, Copy)]
pub struct Flow {
    /// The attempt of its probes.
    pub attempt: u8,
    /// The time to live of its only probe; none if it has all of the attempt.
    pub ttl: Option<u8>,
    /// Source port, or identifier of echo requests.
    pub port: u16,
    /// Its lower 24 bits are those of sequence numbers; echo requests carry it.
    pub secret: u32,
}

const TTL_SHIFT: u32 = 24;
const SECRET: u32 = (1 << TTL_SHIFT) - 1;

fn sequence_number(flow: &Flow, ttl: u8) -> u32 {
    u32::from(ttl) << TTL_SHIFT | flow.secret & SECRET
}

fn is_of(flow: &Flow, sequence: u32) -> bool {
    flow.secret & SECRET == sequence & SECRET
}

/// The window of a SYN of Linux.
const WINDOW: u16 = 64240;

impl Signature {
    /// The probes of a trace with these flows: TCP or ICMP.
    #[must_use]
    pub const fn new(protocol: Protocol, source: IpAddr, target: SocketAddr, flows: Vec<Flow>) -> Self {
        Self { protocol, source, target, flows }
    }

    /// One flow more.
    pub fn add(&mut self, flow: Flow) {
        self.flows.push(flow);
    }

    /// The flow that a probe belongs to, if it has one.
    #[must_use]
    pub fn flow(&self, probe: Probe) -> Option<&Flow> {
        self.flows.iter().find(|flow| flow.attempt == probe.attempt && flow.ttl.is_none_or(|ttl| ttl == probe.ttl))
    }

    /// The bytes of a probe behind its IP header; none if it has no flow.
    #[must_use]
    pub fn packet(&self, probe: Probe) -> Option<Vec<u8>> {
        let flow = self.flow(probe)?;
        match self.protocol {
            Protocol::Icmp => self.echo(flow, probe.ttl),
            Protocol::Tcp | Protocol::Udp => self.syn(flow, probe.ttl),
        }
    }

    fn syn(&self, flow: &Flow, ttl: u8) -> Option<Vec<u8>> {
        let mut tcp = TcpHeader::new(flow.port, self.target.port(), sequence_number(flow, ttl), WINDOW);
        tcp.syn = true;
        // A SYN without any option is what port scanners send; some firewalls drop it.
        let segment_size = if self.source.is_ipv4() { 1460 } else { 1440 };
        tcp.set_options(&[TcpOptionElement::MaximumSegmentSize(segment_size)]).ok()?;
        tcp.checksum = match (self.source, self.target.ip()) {
            (IpAddr::V4(a), IpAddr::V4(b)) => tcp.calc_checksum_ipv4_raw(a.octets(), b.octets(), &[]).ok()?,
            (IpAddr::V6(a), IpAddr::V6(b)) => tcp.calc_checksum_ipv6_raw(a.octets(), b.octets(), &[]).ok()?,
            _ => return None,
        };
        Some(tcp.to_bytes().to_vec())
    }

    fn echo(&self, flow: &Flow, ttl: u8) -> Option<Vec<u8>> {
        let header = IcmpEchoHeader { id: flow.port, seq: ttl.into() };
        let payload = flow.secret.to_be_bytes();
        let mut bytes = match (self.source, self.target.ip()) {
            (IpAddr::V4(_), IpAddr::V4(_)) => {
                Icmpv4Header::with_checksum(Icmpv4Type::EchoRequest(header), &payload).to_bytes().to_vec()
            }
            (IpAddr::V6(a), IpAddr::V6(b)) => {
                let icmp = Icmpv6Type::EchoRequest(header).to_header(a.octets(), b.octets(), &payload).ok()?;
                icmp.to_bytes().to_vec()
            }
            _ => return None,
        };
        bytes.extend(payload);
        Some(bytes)
    }

    /// Which probe a router quotes, and what was changed on the way to it; none if it is somebody else's packet.
    #[must_use]
    pub fn quoted(&self, quote: &Quote<'_>) -> Option<(Probe, Option<Translation>)> {
        let (&[p0, p1, p2, p3, b4, b5, b6, b7], _) = quote.transport.split_first_chunk()?;
        match (self.protocol, quote.protocol) {
            (Protocol::Tcp, IpNumber::TCP) => {
                let sequence = u32::from_be_bytes([b4, b5, b6, b7]);
                let probe = self.probe(|flow| is_of(flow, sequence), sequence >> TTL_SHIFT)?;
                let flow = self.flow(probe)?;
                let source = SocketAddr::new(quote.source, u16::from_be_bytes([p0, p1]));
                let target = SocketAddr::new(quote.destination, u16::from_be_bytes([p2, p3]));
                let translation = match () {
                    () if target != self.target => Some(Translation::Destination(target.ip(), target.port())),
                    () if source != SocketAddr::new(self.source, flow.port) => {
                        Some(Translation::Source(source.ip(), source.port()))
                    }
                    () => self.checksum_differs(probe, quote.transport, 16).then_some(Translation::Checksum),
                };
                Some((probe, translation))
            }
            (Protocol::Icmp, IpNumber::ICMP | IpNumber::IPV6_ICMP) => {
                let (id, sequence) = (u16::from_be_bytes([b4, b5]), u16::from_be_bytes([b6, b7]));
                let probe = self.probe(|flow| flow.port == id, sequence.into())?;
                let translation = match () {
                    () if quote.destination != self.target.ip() => Some(Translation::Destination(quote.destination, 0)),
                    () if quote.source != self.source => Some(Translation::Source(quote.source, 0)),
                    () => self.checksum_differs(probe, quote.transport, 2).then_some(Translation::Checksum),
                };
                Some((probe, translation))
            }
            _ => None,
        }
    }

    /// Which probe a TCP segment answers, from its TCP header on, and how.
    #[must_use]
    pub fn answered(&self, from: IpAddr, segment: &[u8]) -> Option<(Probe, Answer)> {
        let tcp = TcpHeaderSlice::from_slice(segment).ok()?;
        if from != self.target.ip() || tcp.source_port() != self.target.port() || !tcp.ack() {
            return None;
        }
        let sequence = tcp.acknowledgment_number().wrapping_sub(1);
        let ours = |flow: &Flow| flow.port == tcp.destination_port() && is_of(flow, sequence);
        let probe = self.probe(ours, sequence >> TTL_SHIFT)?;
        match (tcp.rst(), tcp.fin()) {
            (true, _) => Some((probe, Answer::Reset)),
            // Without SYN it is about a connection that an earlier probe has half opened.
            (false, false) => Some((probe, Answer::Accepted)),
            (false, true) => None,
        }
    }

    /// Which probe an echo reply answers.
    #[must_use]
    pub fn echoed(&self, from: IpAddr, id: u16, sequence: u16, payload: &[u8]) -> Option<Probe> {
        let ours = |flow: &Flow| flow.port == id && payload == flow.secret.to_be_bytes();
        (from == self.target.ip()).then(|| self.probe(ours, sequence.into())).flatten()
    }

    fn probe(&self, ours: impl Fn(&Flow) -> bool, ttl: u32) -> Option<Probe> {
        let ttl = u8::try_from(ttl).ok().filter(|ttl| *ttl > 0)?;
        let flow = self.flows.iter().find(|flow| ours(flow) && flow.ttl.is_none_or(|only| only == ttl))?;
        Some(Probe { ttl, attempt: flow.attempt })
    }

    /// Whether the checksum at that place is quoted and is not the one that was sent.
    fn checksum_differs(&self, probe: Probe, quoted: &[u8], at: usize) -> bool {
        let sent = self.packet(probe).unwrap_or_default();
        matches!((quoted.get(at..at + 2), sent.get(at..at + 2)), (Some(quoted), Some(sent)) if quoted != sent)
    }
}
