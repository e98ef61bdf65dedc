//! Attempts out of captured packets: what conversations say of who reached for whom.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use super::attempt::{Attempt, Reached, Whose};
use super::event::{How, Reason};
use super::names::Names;
use super::process::Process;
use super::unhooked::Tree;
use crate::flow::{Analyzer, Event, Flow, FlowId, Interest, Owner, Ownership, Role, Side};
use crate::limits::{Limits, Loss};
use crate::protocol::dns::{self, DnsQuery};
use crate::protocol::tls::{self, TlsHandshake};
use crate::record::{Row, Time};

/// A row for each conversation, of the client's attempt to reach the server, with the names that it went by.
pub struct Captured {
    dns: dns::Tracker,
    tls: tls::Tracker,
    /// Which of the two want the payload of a conversation.
    wanted: Vec<[bool; 2]>,
    names: Names,
    /// By client and server, until the conversation closes.
    server_names: HashMap<(SocketAddr, SocketAddr), Arc<str>>,
    queries: Vec<DnsQuery>,
    handshakes: Vec<TlsHandshake>,
    /// Whose attempts are wanted; with them come those of which nobody knows the process.
    of: Option<Tree>,
}

impl Captured {
    /// Keeps no more than the limits say.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            dns: dns::Tracker::new(limits),
            tls: tls::Tracker::new(limits),
            wanted: Vec::new(),
            names: Names::default(),
            server_names: HashMap::new(),
            queries: Vec::new(),
            handshakes: Vec::new(),
            of: None,
        }
    }
}

impl Captured {
    /// Leaves out what others do.
    pub(super) fn of(mut self, of: Tree) -> Self {
        self.of = Some(of);
        self
    }
}

impl Analyzer for Captured {
    fn event(&mut self, id: FlowId, flow: &Flow, event: Event<'_>, rows: &mut Vec<Row>) -> Interest {
        let everyone = matches!(event, Event::Opened | Event::Closed(_));
        if self.wanted.len() <= id.index() {
            self.wanted.resize(id.index() + 1, [false; 2]);
        }
        let wanted = &mut self.wanted[id.index()];
        if everyone || wanted[0] {
            wanted[0] = self.dns.event(id, flow, event, &mut self.queries) == Interest::Payload;
        }
        if everyone || wanted[1] {
            wanted[1] = self.tls.event(id, flow, event, &mut self.handshakes) == Interest::Payload;
        }
        let interest = if wanted.contains(&true) { Interest::Payload } else { Interest::Flow };
        for query in self.queries.drain(..) {
            self.names.learn(&asker(query.client()), &query);
            self.names.learn(&None, &query);
        }
        for handshake in self.handshakes.drain(..) {
            if let Some(name) = handshake.server_name() {
                self.server_names.insert((handshake.client(), handshake.server()), name.into());
            }
        }
        if let Event::Closed(_) = event
            && reaches_for_somebody(flow)
            && let Some(whose) = whose(flow, self.of.as_ref())
        {
            rows.push(Arc::new(self.attempt(flow, whose)));
        }
        interest
    }

    fn loss(&self) -> Loss {
        let mut loss = self.dns.loss().clone();
        loss += self.tls.loss();
        loss.rows += self.names.forgotten();
        loss
    }
}

impl Captured {
    /// The names that the client got for the server, or somebody else in the capture: a host may ask from one address and
    /// connect from another.
    fn names_of(&self, client: SocketAddr, server: SocketAddr, time: Time) -> Vec<Arc<str>> {
        let server = server.ip().to_canonical();
        let own = self.names.of(&asker(client), server, time);
        if own.is_empty() { self.names.of(&None, server, time) } else { own }
    }

    fn attempt(&mut self, flow: &Flow, whose: Whose) -> Attempt {
        let [client, server] = Side::BOTH.map(|side| flow.endpoint(side));
        let [out, back] = Side::BOTH.map(|side| flow.sent(side));
        let [start, end] = flow.span();
        let owner = flow.owners().map(|owners| &owners.client);
        Attempt {
            time: start,
            end: Some(end),
            process: owner.and_then(process),
            container: owner.and_then(Ownership::owner).and_then(|owner| owner.container.clone()),
            whose,
            how: How::Packet,
            protocol: flow.protocol().into(),
            peer: SocketAddr::new(server.ip().to_canonical(), server.port()),
            local: Some(client),
            reached: reached(flow),
            error: 0,
            packets: Some([out[0], back[0]]),
            bytes: Some([out[1], back[1]]),
            names: self.names_of(client, server, start),
            server_name: self.server_names.remove(&(client, server)).or(self.server_names.remove(&(server, client))),
        }
    }
}

/// Whose attempt a conversation is; none if it is that of others. Of a connection that was open before the capture began,
/// and between ports that say nothing, either end may have been the one who reached out.
fn whose(flow: &Flow, of: Option<&Tree>) -> Option<Whose> {
    let Some(tree) = of else {
        return Some(match flow.role() {
            Role::FirstPacket if flow.is_tcp() => Whose::Unknown("its beginning was not captured".into()),
            _ => Whose::Packet,
        });
    };
    match flow.owners().map(|owners| &owners.client)? {
        Ownership::Known(owner) => owner.pid.is_some_and(|pid| tree.has(pid)).then_some(Whose::Descent),
        Ownership::Unknown(why) => Some(Whose::Unknown(why.as_ref().into())),
        Ownership::Elsewhere => None,
    }
}

/// ICMP errors say what became of a packet of somebody else, and the discovery of neighbours stays on its link: RFC 792,
/// RFC 4443, RFC 4861.
fn reaches_for_somebody(flow: &Flow) -> bool {
    match (flow.protocol(), flow.icmp_type()) {
        (1, Some(kind)) => !matches!(kind, 3 | 4 | 5 | 11 | 12),
        (58, Some(kind)) => !matches!(kind, 0..=127 | 133..=137),
        _ => true,
    }
}

/// Names are known to whoever asked for them.
fn asker(client: SocketAddr) -> Option<Arc<str>> {
    Some(client.ip().to_canonical().to_string().into())
}

/// The process of a conversation, as far as it is known by then.
fn process(ownership: &Ownership) -> Option<Arc<Process>> {
    let Ownership::Known(owner) = ownership else { return None };
    let Owner { pid: Some(pid), process: Some(name), .. } = &**owner else { return None };
    Some(Arc::new(Process {
        pid: *pid,
        name: Arc::clone(name),
        command: Arc::default(),
        parents: Arc::default(),
        container: None,
        reason: Reason::COMMAND,
    }))
}

/// What came of an attempt, by what was captured of it.
fn reached(flow: &Flow) -> Reached {
    match (flow.is_tcp(), flow.conn_state()) {
        (true, "S0" | "SH") => Reached::NoAnswer,
        (true, "REJ" | "RSTRH") => Reached::Refused,
        (true, _) => Reached::Connected,
        (false, "S0") => Reached::Sent,
        (false, _) if flow.sent(Side::Responder)[0] == 0 => Reached::Sent,
        (false, _) => Reached::Answered,
    }
}
