//! The record of one conversation.

use std::net::SocketAddr;
use std::sync::Arc;

use super::icmp::Exchange;
use super::key::{End, Key};
use super::role::Role;
use super::tcp::Tcp;
use super::{Owners, Side, community_id};
use crate::packet::{Frame, Transport, Tunnel, Vlans, protocol_name};
use crate::record::Time;

/// A conversation, as far as it has been seen.
#[derive(Debug, Clone)]
pub struct Flow {
    pub(super) key: Key,
    originator: End,
    role: Role,
    pub(super) start: Time,
    pub(super) end: Time,
    packets: [u64; 2],
    /// Bytes of whole frames on the wire.
    bytes: [u64; 2],
    /// Bytes of transport payload on the wire, those sent again included.
    payload: [u64; 2],
    pub(super) tcp: Option<Tcp>,
    vlans: Vlans,
    tunnel: Option<Box<Tunnel>>,
    /// Type and code of the first ICMP message.
    icmp: Option<(u8, u8)>,
    pub(super) owners: Option<Arc<Owners>>,
}

impl Flow {
    /// The conversation that this frame begins.
    pub(super) fn new(key: Key, from: End, frame: &Frame<'_>, time: Time) -> Self {
        let (originator, role) = Role::of(&key, from, frame);
        Self {
            key,
            originator,
            role,
            start: time,
            end: time,
            packets: [0; 2],
            bytes: [0; 2],
            payload: [0; 2],
            tcp: matches!(frame.transport, Transport::Tcp(_)).then(Tcp::default),
            vlans: frame.vlans,
            tunnel: frame.tunnel.map(Box::new),
            icmp: match frame.transport {
                Transport::Icmp(icmp) => Some((icmp.kind, icmp.code)),
                _ => None,
            },
            owners: None,
        }
    }

    /// A SYN that was captured late settles who is who; gives whether that changes sides. Once payload was seen, it is
    /// settled: what was told of one side must not become the other's.
    pub(super) fn settle_role(&mut self, from: End, frame: &Frame<'_>) -> bool {
        let (originator, role) = Role::of(&self.key, from, frame);
        if role != Role::Syn || self.role == Role::Syn || self.payload != [0, 0] {
            return false;
        }
        self.role = Role::Syn;
        let changes = self.originator != originator;
        if changes {
            self.originator = originator;
            self.packets.swap(0, 1);
            self.bytes.swap(0, 1);
            if let Some(tcp) = &mut self.tcp {
                tcp.swap();
            }
        }
        changes
    }

    /// Counts a packet.
    #[inline]
    pub(super) fn count(&mut self, from: Side, length: u32, payload: u32, time: Time) {
        self.packets[from.index()] += 1;
        self.bytes[from.index()] += u64::from(length);
        self.payload[from.index()] += u64::from(payload);
        self.start = self.start.min(time);
        self.end = self.end.max(time);
    }

    /// Packets of both directions.
    pub(super) fn packets(&self) -> u64 {
        self.packets.iter().sum()
    }

    /// The side that this end is.
    #[inline]
    pub(super) fn side(&self, end: End) -> Side {
        if end == self.originator { Side::Originator } else { Side::Responder }
    }

    /// IP protocol number.
    #[must_use]
    pub const fn protocol(&self) -> u8 {
        self.key.protocol
    }

    /// Address and port of a side. The port is 0 where the protocol has none.
    #[must_use]
    pub fn endpoint(&self, side: Side) -> SocketAddr {
        let end = self.key.end(match side {
            Side::Originator => self.originator,
            Side::Responder => self.originator.other(),
        });
        if self.has_ports() { end } else { SocketAddr::new(end.ip(), 0) }
    }

    /// Who on this host has its two ends, if anybody was asked.
    #[must_use]
    pub fn owners(&self) -> Option<&Owners> {
        self.owners.as_deref()
    }

    /// How it is known who is the originator.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }

    /// Whether its beginning was captured: the SYN of the originator, or the answer to it.
    #[must_use]
    pub fn has_syn(&self) -> bool {
        self.role == Role::Syn
    }

    /// The type of its first ICMP message, if it is made of such.
    #[must_use]
    pub fn icmp_type(&self) -> Option<u8> {
        self.icmp.map(|(kind, _)| kind)
    }

    /// Whether it is a TCP conversation.
    #[must_use]
    pub const fn is_tcp(&self) -> bool {
        self.tcp.is_some()
    }

    /// Whether both sides closed it, or one reset it.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.tcp.as_ref().is_some_and(Tcp::is_closed)
    }

    /// When its first packet was captured, and its last.
    #[must_use]
    pub const fn span(&self) -> [Time; 2] {
        [self.start, self.end]
    }

    /// How it stands, as one of Zeek's codes: `SF`, `S0`, `REJ`, …
    #[must_use]
    pub fn conn_state(&self) -> &'static str {
        self.state().0
    }

    /// Packets that a side sent, and bytes of transport payload in them.
    #[must_use]
    pub const fn sent(&self, side: Side) -> [u64; 2] {
        [self.packets[side.index()], self.payload[side.index()]]
    }

    /// The identifier that other tools give this conversation.
    #[must_use]
    pub fn community_id(&self) -> String {
        let (client, server) = (self.endpoint(Side::Originator), self.endpoint(Side::Responder));
        let Some((kind, code)) = self.icmp else {
            return community_id(self.protocol(), client, server, false);
        };
        let (of_client, of_server, one_way) = match Exchange::of(self.protocol(), kind) {
            Exchange::Reply(request) if self.role == Role::Icmp => (request, kind, false),
            Exchange::Reply(other) | Exchange::Request(other) => (kind, other, false),
            Exchange::OneWay => (kind, code, true),
        };
        let with = |end: SocketAddr, port: u8| SocketAddr::new(end.ip(), port.into());
        community_id(self.protocol(), with(client, of_client), with(server, of_server), one_way)
    }

    const fn has_ports(&self) -> bool {
        matches!(self.key.protocol, 6 | 17 | 33 | 132 | 136)
    }

    fn port(&self, side: Side) -> Option<u16> {
        self.has_ports().then(|| self.endpoint(side).port())
    }

    fn state(&self) -> (&'static str, &'static str) {
        if let Some(tcp) = &self.tcp {
            return tcp.state(self.payload != [0, 0]);
        }
        let (code, words) = match self.packets {
            [_, 0] => ("S0", "no answer"),
            [0, _] => ("SHR", "answers only"),
            _ => ("SF", "answered"),
        };
        match self.icmp {
            None => (code, words),
            Some(_) if self.role == Role::Icmp => ("OTH", words),
            Some(_) => ("OTH", "message"),
        }
    }

    /// Sums what the two TCP halves counted; 0 for other protocols.
    fn both(&self, count: impl Fn(&super::tcp::Half) -> u64) -> u64 {
        self.tcp.as_ref().map_or(0, |tcp| tcp.halves.iter().map(count).sum())
    }
}

crate::flow::record_with_owners! {
    /// A conversation: the packets of both directions between two endpoints, from the first to the last.
    impl Record for Flow as "flow" {
        /// When its first packet was captured.
        start: Time, main => |flow| flow.start;
        /// When its last packet was captured.
        end: Time => |flow| flow.end;
        /// From the first packet to the last.
        duration: Duration, main => |flow| flow.end - flow.start;
        /// Transport protocol: `tcp`, `udp`, `icmp`, `sctp`, …
        protocol: Text, main => |flow| protocol_name(flow.protocol());
        /// Address of the client: who opened the conversation, whichever port is lower. `role_known` says how that
        /// is known.
        client: Address, main => |flow| flow.endpoint(Side::Originator).ip();
        /// Port of the client; none where the protocol has no ports.
        client_port: Integer, main => |flow| flow.port(Side::Originator);
        /// Address of the server: who answered.
        server: Address, main => |flow| flow.endpoint(Side::Responder).ip();
        /// Port of the server; none where the protocol has no ports.
        server_port: Integer, main => |flow| flow.port(Side::Responder);
        /// How it is known who is the client: `syn` (a SYN or its answer was captured), `icmp` (an ICMP message asks, or
        /// answers), `port` (one port is that of a well-known service), `first-packet` (nothing but who spoke first).
        role_known: Text => |flow| flow.role.name();
        /// How the conversation stands, in words: `open`, `closed`, `half-closed by client`, `reset by server`,
        /// `refused`, `no answer`, `open, answers not captured`, …
        state: Text, main => |flow| flow.state().1;
        /// The same as one of Zeek's codes (`conn_state` of conn.log): `S0`, `S1`, `SF`, `REJ`, `S2`, `S3`, `RSTO`,
        /// `RSTR`, `RSTOS0`, `RSTRH`, `SH`, `SHR`, `OTH`.
        conn_state: Text => |flow| flow.conn_state();
        /// Packets of both directions. Of a datagram that came in fragments only the last one counts.
        packets: Integer in "packets" => |flow| flow.packets();
        /// Bytes of whole frames on the wire, both directions, as tshark's conversations count them.
        bytes: Integer in "bytes", main => |flow| flow.bytes.iter().sum::<u64>();
        /// Packets that the client sent.
        packets_to_server: Integer in "packets" => |flow| flow.packets[0];
        /// Packets that the server sent.
        packets_to_client: Integer in "packets" => |flow| flow.packets[1];
        /// Bytes of whole frames that the client sent.
        bytes_to_server: Integer in "bytes" => |flow| flow.bytes[0];
        /// Bytes of whole frames that the server sent.
        bytes_to_client: Integer in "bytes" => |flow| flow.bytes[1];
        /// Bytes of transport payload that the client sent, those sent again included.
        payload_to_server: Integer in "bytes" => |flow| flow.payload[0];
        /// Bytes of transport payload that the server sent, those sent again included.
        payload_to_client: Integer in "bytes" => |flow| flow.payload[1];
        /// TCP: from the SYN to the acknowledgment that completes the handshake: one round trip between client and
        /// server, wherever on the way the capture was made.
        handshake_rtt: Duration => |flow| flow.tcp.as_ref().and_then(Tcp::handshake_rtt);
        /// TCP: segments that carry what was sent before, both directions. Keep-alives do not count.
        retransmissions: Integer in "packets" => |flow| flow.both(|half| half.retransmissions.into());
        /// TCP: segments that arrived after their successors, within a round trip of the handshake, or 3 ms if that was
        /// not captured; both directions.
        out_of_order: Integer in "packets" => |flow| flow.both(|half| half.out_of_order.into());
        /// TCP: segments that closed the sender's receive window, both directions.
        zero_windows: Integer in "packets" => |flow| flow.both(|half| half.zero_windows.into());
        /// TCP: RST segments, both directions.
        resets: Integer in "packets" => |flow| flow.tcp.as_ref().map_or(0, |tcp| tcp.resets);
        /// TCP: SYNs of the client that got no answer.
        unanswered_syns: Integer in "packets" => |flow| flow.tcp.as_ref().map_or(0, Tcp::unanswered_syns);
        /// TCP: payload that was sent, as later segments or acknowledgments show, and that the capture does not have.
        lost_bytes: Integer in "bytes" => |flow| flow.both(super::tcp::Half::lost_bytes);
    } owners {
        /// Community ID v1, seed 0: the identifier of this conversation in Zeek, Suricata, Arkime and others.
        community_id: Text => |flow| flow.community_id();
        /// VLAN identifiers of the first packet, outermost first.
        vlan: List => |flow| flow.vlans.ids().to_vec();
        /// Innermost tunnel that the first packet came through: `vxlan`, `geneve`, `gre`, `ipip`, `6in4`, `mpls`,
        /// `pppoe`.
        tunnel: Text => |flow| flow.tunnel.as_ref().map(|tunnel| tunnel.kind.name());
        /// Identifier of that tunnel: VNI, GRE key, MPLS label or PPPoE session.
        tunnel_id: Integer => |flow| flow.tunnel.as_ref().and_then(|tunnel| tunnel.id);
    }
}
