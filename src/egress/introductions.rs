//! What packets say of who somebody is: answers about names, and the names that TLS and QUIC ask for.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::event::{Copied, Reason};
use super::names::{Names, Scope};
use super::process::{Process, stranger};
use crate::flow::{self, Event, Flow, FlowId, Found, Interest, Observer, Owner, Owners, Ownership, Table};
use crate::limits::{Limits, Loss};
use crate::packet::{Decoder, LinkType, RawPacket, Transport};
use crate::protocol::dns::{self, DnsQuery};
use crate::protocol::tls::{self, TlsHandshake};
use crate::record::Time;

/// Follows the conversations in which somebody introduces himself.
pub(super) struct Introductions {
    decoder: Decoder,
    questions: (Table, Questions),
    greetings: (Table, Greetings),
    names: Names,
    parties: Arc<Parties>,
    /// Those sockets of which a name is known.
    server_names: HashMap<u64, Arc<str>>,
}

/// The sockets and the processes behind conversations, by own end and other end.
#[derive(Debug, Default)]
pub(super) struct Parties(Mutex<HashMap<(SocketAddr, SocketAddr), Party>>);

/// Who has an end of a conversation.
#[derive(Debug, Clone)]
struct Party {
    cookie: u64,
    process: Arc<Process>,
}

/// Conversations whose sockets are remembered.
const MOST_PARTIES: usize = 65_536;

impl Parties {
    fn of(&self, own: SocketAddr, other: SocketAddr) -> Option<Party> {
        self.known().get(&(own, other)).cloned()
    }

    fn add(&self, ends: (SocketAddr, SocketAddr), party: Party) {
        let mut known = self.known();
        if known.len() < MOST_PARTIES {
            known.insert(ends, party);
        }
    }

    fn known(&self) -> MutexGuard<'_, HashMap<(SocketAddr, SocketAddr), Party>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says which process has a conversation, of those whose packets a watch gives.
#[derive(Debug)]
pub(super) struct Attributor(pub(super) Arc<Parties>);

impl flow::Attributor for Attributor {
    fn owners(&mut self, _: u8, client: SocketAddr, server: SocketAddr, _: Time, _: Time) -> Owners {
        let of = |own, other| match self.0.of(own, other) {
            None => Ownership::Elsewhere,
            Some(Party { process, .. }) => Ownership::Known(Arc::new(Owner {
                pid: Some(process.pid),
                process: Some(Arc::clone(&process.name)),
                container: process.container.clone(),
                found: Found::Hook,
            })),
        };
        Owners { client: of(client, server), server: of(server, client) }
    }

    fn notes(&self) -> Vec<String> {
        Vec::new()
    }
}

struct Questions {
    tracker: dns::Tracker,
    complete: Vec<DnsQuery>,
}

impl Observer for Questions {
    fn event(&mut self, id: FlowId, flow: &Flow, event: Event<'_>) -> Interest {
        self.tracker.event(id, flow, event, &mut self.complete)
    }
}

struct Greetings {
    tracker: tls::Tracker,
    complete: Vec<TlsHandshake>,
}

impl Observer for Greetings {
    fn event(&mut self, id: FlowId, flow: &Flow, event: Event<'_>) -> Interest {
        self.tracker.event(id, flow, event, &mut self.complete)
    }
}

impl Introductions {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            decoder: Decoder::new(limits),
            questions: (Table::new(limits), Questions { tracker: dns::Tracker::new(limits), complete: Vec::new() }),
            greetings: (Table::new(limits), Greetings { tracker: tls::Tracker::new(limits), complete: Vec::new() }),
            names: Names::default(),
            parties: Arc::default(),
            server_names: HashMap::new(),
        }
    }

    /// Who has which conversation.
    pub(super) fn parties(&self) -> Arc<Parties> {
        Arc::clone(&self.parties)
    }

    /// Takes in a packet of a process, which has ended if it is not given; gives the answers about names that are complete
    /// with it.
    pub(super) fn take(&mut self, packet: &Copied, time: Time, process: Option<Arc<Process>>) -> Vec<DnsQuery> {
        let raw = RawPacket { time, length: packet.length, link: LinkType::RAW, interface: 0, bytes: &packet.bytes };
        let frame = self.decoder.decode(&raw);
        let (Some(network), Some([from, to])) = (&frame.network, ports(&frame.transport)) else { return Vec::new() };
        let ends = (SocketAddr::new(network.src, from), SocketAddr::new(network.dst, to));
        let ends = if packet.is_outgoing { ends } else { (ends.1, ends.0) };
        // The last packets of a connection come when its process is gone.
        let before = || self.parties.of(ends.0, ends.1).filter(|party| party.cookie == packet.cookie);
        let process = process.or_else(|| Some(before()?.process));
        // One that has ended by now was of the command all the same.
        let process = process.unwrap_or_else(|| Arc::new(stranger(packet.pid, "", Reason::COMMAND)));
        self.parties.add(ends, Party { cookie: packet.cookie, process });
        self.questions.0.ingest(&frame, time, packet.length, &mut self.questions.1);
        self.greetings.0.ingest(&frame, time, packet.length, &mut self.greetings.1);
        self.learn()
    }

    /// Takes what conversations gave.
    fn learn(&mut self) -> Vec<DnsQuery> {
        for handshake in self.greetings.1.complete.drain(..) {
            let Some(name) = handshake.server_name() else { continue };
            if let Some(party) = self.parties.of(handshake.client(), handshake.server()) {
                self.server_names.insert(party.cookie, name.into());
            }
        }
        let queries = std::mem::take(&mut self.questions.1.complete);
        for query in &queries {
            let party = self.parties.of(query.client(), query.server());
            self.names.learn(&party.and_then(|party| party.process.container.clone()), query);
        }
        queries
    }

    /// Lets conversations end that are open: of those that got no answer, too, it is known now for whom they were.
    pub(super) fn finish(&mut self) {
        while self.questions.0.finish(usize::MAX, &mut self.questions.1) {}
        while self.greetings.0.finish(usize::MAX, &mut self.greetings.1) {}
        self.learn();
    }

    /// The names that an address was known by to a process at a time.
    pub(super) fn names(&self, scope: &Scope, peer: SocketAddr, time: Time) -> Vec<Arc<str>> {
        self.names.of(scope, peer.ip(), time)
    }

    /// The name that was asked for on a socket.
    pub(super) fn server_name(&self, cookie: u64) -> Option<Arc<str>> {
        self.server_names.get(&cookie).cloned()
    }

    /// What it could not see, as far as names may be missing for it.
    pub(super) fn loss(&self) -> Loss {
        let mut loss = self.questions.1.tracker.loss().clone();
        loss.rows += self.names.forgotten();
        loss
    }
}

fn ports(transport: &Transport) -> Option<[u16; 2]> {
    match transport {
        Transport::Tcp(tcp) => Some([tcp.src_port, tcp.dst_port]),
        Transport::Udp(udp) => Some([udp.src_port, udp.dst_port]),
        _ => None,
    }
}
