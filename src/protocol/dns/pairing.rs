//! Puts queries and answers together.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::message::Message;
use super::query::{DnsQuery, Remark};
use super::transport::{MDNS, Transport, is_group};
use super::waiting::{Entry, Key, Serial, State, Waiting};
use crate::flow::Closed;
use crate::limits::Limits;
use crate::record::{Duration, Time};

/// Queries and answers that were captured, until they are told.
#[derive(Debug)]
pub(super) struct Pairing {
    waiting: Waiting,
    timeout: Duration,
    most_bytes: usize,
    /// The latest time that two messages in a row have reached: a single packet with a wrong time moves no clock.
    now: Time,
    previous: Time,
    /// Queries that could not wait.
    pub(super) given_up: u64,
}

/// What is captured twice within that time is the same packet, seen on two interfaces: nobody asks again so soon.
const SAME: Duration = Duration::from_nanos(10_000_000);

/// How long after its answer a query may be captured, where packets are swapped.
const SWAPPED: Duration = Duration::from_nanos(100_000_000);

impl Pairing {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            waiting: Waiting::default(),
            timeout: limits.dns_timeout,
            most_bytes: limits.dns_pending_bytes,
            now: Time::MIN,
            previous: Time::MIN,
            given_up: 0,
        }
    }

    /// Lets time pass: tells what has waited for too long.
    pub(super) fn pass(&mut self, time: Time, told: &mut Vec<DnsQuery>) {
        self.now = self.now.max(time.min(std::mem::replace(&mut self.previous, time)));
        while let Some(serial) = self.waiting.due(self.now) {
            let Some(entry) = self.waiting.remove(serial) else { continue };
            if let State::Asked(_) = entry.state {
                // It is remembered for a while, so that an answer that comes late is known as such.
                let deadline = self.now + self.timeout;
                self.waiting.insert(Entry { state: State::GivenUp, key: entry.key.clone(), deadline, ..entry });
            }
            tell(entry.state, Remark::NoAnswer, told);
        }
    }

    /// A query was captured.
    pub(super) fn ask(&mut self, flow: usize, mut query: DnsQuery, told: &mut Vec<DnsQuery>) {
        // What answers it goes to the group, and does not say which query it answers.
        if query.transport == Transport::Mdns && query.client().port() == MDNS {
            told.push(query);
            return;
        }
        let key = Key::of(&query);
        let (sent, deadline) = (query.time, query.time + self.timeout);
        let before = self.waiting.find(&key).and_then(|serial| self.waiting.remove(serial));
        let state = match before {
            Some(Entry { state: State::Early(early), .. }) => {
                query.add(*early);
                let answered = State::answered(&query);
                told.push(query);
                answered
            }
            Some(entry @ Entry { state: State::Asked(_) | State::Answered { .. }, .. })
                if query.time - entry.sent < SAME =>
            {
                self.waiting.insert(entry);
                return;
            }
            Some(Entry { state: State::Asked(mut before), .. }) => {
                before.retries += 1;
                before.end = query.time;
                State::Asked(before)
            }
            _ => State::Asked(Box::new(query)),
        };
        self.insert(Entry { key, flow, sent, deadline, state }, told);
    }

    /// An answer was captured.
    pub(super) fn answer(&mut self, flow: usize, mut answer: DnsQuery, told: &mut Vec<DnsQuery>) {
        let key = Key::of(&answer);
        if answer.transport == Transport::Mdns && (is_group(key.client) || key.question.is_none()) {
            told.push(answer);
            return;
        }
        let Some(mut entry) = self.asked(&key).and_then(|serial| self.waiting.remove(serial)) else {
            if self.asks_something_else(&key) {
                answer.remark = Some(Remark::OtherQuestion);
            } else if key.question.is_some() {
                let (sent, deadline) = (answer.time, answer.time + SWAPPED);
                self.insert(Entry { key, flow, sent, deadline, state: State::Early(Box::new(answer)) }, told);
                return;
            }
            told.push(answer);
            return;
        };
        let answered = State::answered(&answer);
        match entry.state {
            State::Asked(mut query) => {
                query.add(answer);
                entry.state = State::answered(&query);
                told.push(*query);
            }
            State::Answered { is_transfer: true, .. } => {}
            State::Answered { digest, time, .. } => {
                if !answered.is_again(digest, time) {
                    answer.remark = Some(Remark::Duplicate);
                    told.push(answer);
                }
            }
            State::GivenUp => {
                answer.remark = Some(Remark::Late);
                told.push(answer);
                entry.state = answered;
            }
            State::Early(ref before) => {
                if let State::Answered { digest, time, .. } = State::answered(before)
                    && !answered.is_again(digest, time)
                {
                    told.push(answer);
                }
                self.waiting.insert(entry);
                return;
            }
        }
        entry.deadline = self.now.max(entry.sent) + self.timeout;
        self.insert(entry, told);
    }

    /// A conversation has left the table: its queries get no answer any more.
    pub(super) fn close(&mut self, flow: usize, why: Closed, told: &mut Vec<DnsQuery>) {
        while let Some(serial) = self.waiting.of_flow(flow) {
            let Some(entry) = self.waiting.remove(serial) else { return };
            let is_over = match why {
                Closed::Ended | Closed::Idle | Closed::Reused => true,
                Closed::Evicted | Closed::EndOfInput => self.now - entry.sent > self.timeout,
            };
            tell(entry.state, if is_over { Remark::NoAnswer } else { Remark::Open }, told);
        }
    }

    fn insert(&mut self, entry: Entry, told: &mut Vec<DnsQuery>) {
        self.waiting.insert(entry);
        while self.waiting.bytes() > self.most_bytes
            && let Some(entry) = self.waiting.first().and_then(|serial| self.waiting.remove(serial))
        {
            self.given_up += u64::from(matches!(entry.state, State::Asked(_)));
            tell(entry.state, Remark::PendingLimit, told);
        }
    }

    /// The query that an answer is for.
    fn asked(&self, key: &Key) -> Option<Serial> {
        if let Some(serial) = self.waiting.find(key) {
            return Some(serial);
        }
        let is_answered_by = |asked: &Key| {
            // Loopback is where resolvers are hidden behind another port: that of Docker is one.
            let is_hidden = asked.server.ip() == key.server.ip() && key.server.ip().is_loopback();
            asked.server == key.server || !key.is_tcp && (is_group(asked.server) || is_hidden)
        };
        let mut candidates = self.waiting.candidates(key).filter(|(_, entry)| is_answered_by(&entry.key));
        let (serial, _) = candidates.next()?;
        // Without a question it has to be the only one.
        (key.question.is_some() || candidates.next().is_none()).then_some(serial)
    }

    /// Whether a query with the identifier of this answer waits, and asks something else.
    fn asks_something_else(&self, key: &Key) -> bool {
        let any = Key { question: None, ..key.clone() };
        let mut candidates = self.waiting.candidates(&any);
        candidates.any(|(_, entry)| entry.key.server == key.server && matches!(entry.state, State::Asked(_)))
    }
}

impl State {
    /// What is left of a query that was answered.
    fn answered(query: &DnsQuery) -> Self {
        let mut hasher = DefaultHasher::new();
        query.response.as_ref().map(Message::bytes).hash(&mut hasher);
        let time = query.answered().unwrap_or(query.end);
        Self::Answered { digest: hasher.finish(), time, is_transfer: query.is_transfer() }
    }

    /// Whether this answer is that one, captured again.
    fn is_again(&self, before: u64, at: Time) -> bool {
        matches!(self, Self::Answered { digest, time, .. } if *digest == before && *time - at < SAME)
    }
}

/// Tells a query without an answer, or an answer without a query.
fn tell(state: State, remark: Remark, told: &mut Vec<DnsQuery>) {
    match state {
        State::Asked(mut query) => {
            query.remark = Some(remark);
            told.push(*query);
        }
        State::Early(answer) => told.push(*answer),
        State::Answered { .. } | State::GivenUp => {}
    }
}
