//! Queries that wait for their answers, over all conversations.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use super::message::Question;
use super::query::DnsQuery;
use super::transport::Transport;
use crate::record::Time;

/// What a query and its answer have in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) client: SocketAddr,
    pub(super) is_tcp: bool,
    pub(super) id: u16,
    /// Name in lower case, type and class.
    pub(super) question: Option<(Vec<u8>, u16, u16)>,
    pub(super) server: SocketAddr,
}

impl Key {
    /// The key of a query, and of what answers it.
    pub(super) fn of(query: &DnsQuery) -> Self {
        // In mDNS the upper bit of a class asks for an answer to the client alone (RFC 6762, section 5.4).
        let asked = |Question { name, kind, class }: Question| (name.lower(), kind, class & 0x7fff);
        Self {
            client: query.client(),
            is_tcp: query.transport == Transport::Tcp,
            id: query.id().unwrap_or_default(),
            question: query.question().map(asked),
            server: query.server(),
        }
    }
}

/// A query, or what is left of it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: Key,
    /// Its conversation.
    pub(super) flow: usize,
    /// When it was sent last.
    pub(super) sent: Time,
    /// When it is over.
    pub(super) deadline: Time,
    pub(super) state: State,
}

#[derive(Debug)]
pub(super) enum State {
    /// It waits for an answer.
    Asked(Box<DnsQuery>),
    /// An answer that was captured a moment before its query, as happens where packets are swapped.
    Early(Box<DnsQuery>),
    /// It was answered, and is remembered so that the same answer is known when it comes again: by a hash of its bytes.
    Answered { digest: u64, time: Time, is_transfer: bool },
    /// It was told without an answer.
    GivenUp,
}

/// The number of an entry, in the order in which they came.
pub(super) type Serial = u64;

/// Entries by what they are looked up by.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    entries: BTreeMap<Serial, Entry>,
    by_key: BTreeMap<Key, Serial>,
    by_deadline: BTreeSet<(Time, Serial)>,
    by_flow: BTreeSet<(usize, Serial)>,
    next: Serial,
    /// What they take of the memory, about.
    bytes: usize,
}

/// How many entries are looked at for one answer. So many that could be meant leave it unknown which one is.
const CANDIDATES: usize = 16;

impl Entry {
    /// What it takes of the memory, about: itself, its places in four lists, its message and its name.
    fn bytes(&self) -> usize {
        let message = match &self.state {
            State::Asked(query) | State::Early(query) => size_of::<DnsQuery>() + query.bytes(),
            State::Answered { .. } | State::GivenUp => 0,
        };
        let names = self.key.question.as_ref().map_or(0, |(name, ..)| 2 * name.len());
        2 * size_of::<Self>() + message + names
    }
}

impl Waiting {
    /// What all of them take of the memory, about.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds one, which takes the place of another with the same key.
    pub(super) fn insert(&mut self, entry: Entry) {
        if let Some(before) = self.find(&entry.key) {
            self.remove(before);
        }
        let serial = self.next;
        self.next += 1;
        self.by_key.insert(entry.key.clone(), serial);
        self.by_deadline.insert((entry.deadline, serial));
        self.by_flow.insert((entry.flow, serial));
        self.bytes += entry.bytes();
        self.entries.insert(serial, entry);
    }

    pub(super) fn remove(&mut self, serial: Serial) -> Option<Entry> {
        let entry = self.entries.remove(&serial)?;
        self.by_key.remove(&entry.key);
        self.by_deadline.remove(&(entry.deadline, serial));
        self.by_flow.remove(&(entry.flow, serial));
        self.bytes -= entry.bytes();
        Some(entry)
    }

    pub(super) fn find(&self, key: &Key) -> Option<Serial> {
        self.by_key.get(key).copied()
    }

    /// The first ones with the client and the identifier of this key, and with its question, if it has one.
    pub(super) fn candidates(&self, key: &Key) -> impl Iterator<Item = (Serial, &Entry)> {
        let least = SocketAddr::from(([0, 0, 0, 0], 0));
        let from = Key { server: least, ..key.clone() };
        let same = move |found: &Key| {
            (found.client, found.is_tcp, found.id) == (from.client, from.is_tcp, from.id)
                && (from.question.is_none() || from.question == found.question)
        };
        let found = self.by_key.range(Key { server: least, ..key.clone() }..).take_while(move |(key, _)| same(key));
        found.take(CANDIDATES).filter_map(|(_, serial)| Some((*serial, self.entries.get(serial)?)))
    }

    /// One that has stayed until its deadline.
    pub(super) fn due(&self, now: Time) -> Option<Serial> {
        self.by_deadline.first().filter(|(deadline, _)| *deadline < now).map(|(_, serial)| *serial)
    }

    /// The one whose deadline is next.
    pub(super) fn first(&self) -> Option<Serial> {
        self.by_deadline.first().map(|(_, serial)| *serial)
    }

    /// One of a conversation.
    pub(super) fn of_flow(&self, flow: usize) -> Option<Serial> {
        let mut range = self.by_flow.range((flow, 0)..=(flow, Serial::MAX));
        range.next().map(|(_, serial)| *serial)
    }
}
