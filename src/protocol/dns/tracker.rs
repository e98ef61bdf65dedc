//! DNS out of conversations: queries with their answers.

use std::sync::Arc;

use super::framing::{Framing, Piece};
use super::message::Message;
use super::pairing::Pairing;
use super::query::DnsQuery;
use super::transport::{Expected, Transport};
use crate::flow::{Analyzer, Event, Flow, FlowId, Interest, Side};
use crate::limits::{Limits, Loss};
use crate::record::{Row, Time};

/// Finds DNS in conversations, and puts queries and answers together: for who wants them as what they are.
#[derive(Debug)]
pub struct Tracker {
    /// By conversation, once it has payload.
    conversations: Vec<Option<Conversation>>,
    pairing: Pairing,
    loss: Loss,
}

/// A conversation that is DNS, or may be.
#[derive(Debug)]
enum Conversation {
    Datagrams,
    Streams(Box<Streams>),
}

#[derive(Debug)]
struct Streams {
    sides: [Framing; 2],
    /// Whether it is DNS. Until then all of it has to look like that.
    is_known: bool,
    /// When something of it was captured last.
    time: Time,
}

/// Where a message comes from.
#[derive(Clone, Copy)]
struct Origin<'a> {
    id: FlowId,
    flow: &'a Flow,
    from: Side,
    time: Time,
}

impl Tracker {
    /// A tracker that has seen nothing yet.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self { conversations: Vec::new(), pairing: Pairing::new(limits), loss: Loss::default() }
    }

    /// What it could not see so far.
    #[must_use]
    pub fn loss(&self) -> Loss {
        Loss { dns_pending: self.pairing.given_up, ..self.loss.clone() }
    }

    /// Something happens to a conversation. Queries go to `told` as soon as they are answered, or will not be.
    pub fn event(&mut self, id: FlowId, flow: &Flow, event: Event<'_>, told: &mut Vec<DnsQuery>) -> Interest {
        let index = id.index();
        if self.conversations.len() <= index {
            self.conversations.resize_with(index + 1, || None);
        }
        // What is no DNS lets time pass, too.
        if let Event::Data(_, _, time) | Event::Gap(_, _, time) | Event::End(_, time) = event {
            self.pairing.pass(time, told);
        } else if let Event::Datagram(datagram) = event {
            self.pairing.pass(datagram.time, told);
        }
        let goes_on = match event {
            Event::Opened => {
                self.conversations[index] = None;
                let may_carry = flow.is_tcp() || flow.protocol() == Transport::Udp.number();
                may_carry && Expected::of(flow) != Expected::No
            }
            Event::Datagram(datagram) => {
                let is_cut = (datagram.bytes.len() as u64) < u64::from(datagram.length);
                let origin = Origin { id, flow, from: datagram.from, time: datagram.time };
                self.datagram(origin, datagram.bytes, is_cut, told)
            }
            Event::Data(from, bytes, time) => self.data(Origin { id, flow, from, time }, bytes, told),
            Event::Gap(from, bytes, time) => self.gap(Origin { id, flow, from, time }, bytes, told),
            Event::End(from, _) => {
                self.end(id, flow, from, told);
                true
            }
            Event::Closed(why) => {
                Side::BOTH.into_iter().for_each(|from| self.end(id, flow, from, told));
                self.pairing.close(index, why, told);
                false
            }
        };
        if goes_on {
            return Interest::Payload;
        }
        self.conversations[index] = None;
        Interest::Flow
    }

    fn datagram(&mut self, origin: Origin<'_>, bytes: &[u8], is_cut: bool, told: &mut Vec<DnsQuery>) -> bool {
        let message = Message::read(bytes, is_cut);
        let place = &mut self.conversations[origin.id.index()];
        let is_known = place.is_some() || Expected::of(origin.flow) == Expected::Yes;
        if !is_known && !message.as_ref().is_some_and(Message::is_certain) {
            return false;
        }
        *place = Some(Conversation::Datagrams);
        self.loss.cut_packets += u64::from(is_cut);
        // Nothing at all is what scanners send; no message is missing there.
        if !bytes.is_empty() {
            self.message(origin, message, is_cut, told);
        }
        true
    }

    fn data(&mut self, origin: Origin<'_>, mut bytes: &[u8], told: &mut Vec<DnsQuery>) -> bool {
        let mut streams = self.streams(origin);
        while let Some(piece) = streams.sides[origin.from.index()].next(&mut bytes) {
            if !streams.is_known {
                let Piece::Message(message) = &piece else { return false };
                streams.is_known = Message::read(message, false).is_some_and(|message| message.is_certain());
                if !streams.is_known {
                    return false;
                }
            }
            self.piece(origin, piece, told);
        }
        let goes_on = streams.is_known || Message::may_be_certain(streams.sides[origin.from.index()].begun());
        self.conversations[origin.id.index()] = Some(Conversation::Streams(streams));
        goes_on
    }

    fn gap(&mut self, origin: Origin<'_>, missing: u64, told: &mut Vec<DnsQuery>) -> bool {
        let mut streams = self.streams(origin);
        // What other protocols miss is not missing from DNS.
        if !streams.is_known {
            return false;
        }
        self.loss.gaps += 1;
        self.loss.gap_bytes += missing;
        if let Some(piece) = streams.sides[origin.from.index()].gap(missing) {
            self.piece(origin, piece, told);
        }
        self.conversations[origin.id.index()] = Some(Conversation::Streams(streams));
        true
    }

    /// A side sends nothing more.
    fn end(&mut self, id: FlowId, flow: &Flow, from: Side, told: &mut Vec<DnsQuery>) {
        if let Some(Conversation::Streams(streams)) = &mut self.conversations[id.index()]
            && streams.is_known
            && let Some(piece) = streams.sides[from.index()].end()
        {
            let time = streams.time;
            self.piece(Origin { id, flow, from, time }, piece, told);
        }
    }

    /// Takes the streams of a conversation out of their place.
    fn streams(&mut self, origin: Origin<'_>) -> Box<Streams> {
        if let Some(Conversation::Streams(mut streams)) = self.conversations[origin.id.index()].take() {
            streams.time = origin.time;
            return streams;
        }
        let is_known = Expected::of(origin.flow) == Expected::Yes;
        // Where it is not known to be DNS, what is captured of it has to begin with a message.
        let from_start = origin.flow.has_syn() || !is_known;
        let sides = Side::BOTH.map(|_| Framing::new(from_start));
        Box::new(Streams { sides, is_known, time: origin.time })
    }

    fn piece(&mut self, origin: Origin<'_>, piece: Piece<'_>, told: &mut Vec<DnsQuery>) {
        match piece {
            Piece::Message(bytes) => self.message(origin, Message::read(&bytes, false), false, told),
            Piece::Cut(bytes) => self.message(origin, Message::read(&bytes, true), true, told),
            Piece::Lost => self.loss.dns_malformed += 1,
        }
    }

    /// Takes in a message, if it could be read.
    fn message(&mut self, origin: Origin<'_>, message: Option<Message>, is_cut: bool, told: &mut Vec<DnsQuery>) {
        let Origin { id, flow, from, time } = origin;
        let is_malformed = message.as_ref().map_or(!is_cut, |message| message.is_malformed);
        self.loss.dns_malformed += u64::from(is_malformed);
        let Some(message) = message else { return };
        let (sender, receiver) = (flow.endpoint(from), flow.endpoint(from.other()));
        let is_response = message.is_response();
        let (client, server) = if is_response { (receiver, sender) } else { (sender, receiver) };
        let mut query = DnsQuery::new(time, client, server, Transport::of(flow), message);
        query.belongs_to(flow);
        if is_response {
            self.pairing.answer(id.index(), query, told);
        } else {
            self.pairing.ask(id.index(), query, told);
        }
    }
}

/// A row for each query with its answer.
#[derive(Debug)]
pub struct Queries {
    tracker: Tracker,
    told: Vec<DnsQuery>,
}

impl Queries {
    /// Has seen nothing yet.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self { tracker: Tracker::new(limits), told: Vec::new() }
    }
}

impl Analyzer for Queries {
    fn event(&mut self, id: FlowId, flow: &Flow, event: Event<'_>, rows: &mut Vec<Row>) -> Interest {
        let interest = self.tracker.event(id, flow, event, &mut self.told);
        rows.extend(self.told.drain(..).map(|query| Arc::new(query) as Row));
        interest
    }

    fn loss(&self) -> Loss {
        self.tracker.loss()
    }
}
