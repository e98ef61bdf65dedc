//! The table of conversations: a bound, timeouts that run on packet time, and what happens told to an observer.

use std::collections::VecDeque;
use std::hash::BuildHasher;
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::budget::Budget;
use super::feed::{Feed, Payloads};
use super::key::{End, Key};
use super::slab::Slab;
use super::{Attributor, Flow, Owners, Side};
use crate::limits::{Limits, Loss};
use crate::packet::{Frame, TcpFlags, Transport};
use crate::record::{Duration, Time};

/// A conversation while it is in the table. The number is used again after [`Event::Closed`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FlowId(u32);

impl FlowId {
    /// A small number, for a place in an array.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// What happens to a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// Its first packet was seen. The answer decides whether its payload is put in order.
    Opened,
    /// TCP payload, in order, with the capture time of the packet that brought it.
    Data(Side, &'a [u8], Time),
    /// That many bytes of TCP payload are missing here.
    Gap(Side, u64, Time),
    /// The side sends nothing more.
    End(Side, Time),
    /// A UDP datagram.
    Datagram(Datagram<'a>),
    /// It leaves the table; this is its last event.
    Closed(Closed),
}

/// What one UDP datagram carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// Who sent it.
    pub from: Side,
    /// What of it was captured.
    pub bytes: &'a [u8],
    /// How many bytes there were on the wire; more than `bytes` has, if it was cut.
    pub length: u32,
    /// When it was captured.
    pub time: Time,
}

/// Why a conversation leaves the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// Both sides ended it, or one reset it.
    Ended,
    /// It was idle for too long.
    Idle,
    /// Its addresses and ports were used again.
    Reused,
    /// The table was full.
    Evicted,
    /// The input is at its end.
    EndOfInput,
}

/// What an observer wants of a conversation from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interest {
    /// Only when it closes.
    Flow,
    /// Its payload too: that of TCP in order, that of UDP as it comes.
    Payload,
}

/// Is told what happens in a [`Table`].
pub trait Observer {
    /// Something happens to a conversation. Once [`Interest::Flow`] was answered, no payload follows.
    fn event(&mut self, id: FlowId, flow: &Flow, event: Event<'_>) -> Interest;
}

#[derive(Debug)]
struct Entry {
    flow: Flow,
    payloads: Payloads,
    /// Whether its observer wants UDP datagrams.
    wants_datagrams: bool,
    /// When it was put into its queue.
    queued: Time,
    /// Whether a packet came since then.
    is_busy: bool,
}

/// Which timeout applies. Each is a queue of the slab.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Queue {
    /// TCP that was closed and still takes stragglers.
    Lingering,
    /// Everything without a connection: datagrams, and SYNs without an answer.
    Brief,
    /// TCP that is open.
    Open,
}

impl Queue {
    const ALL: [Self; 3] = [Self::Lingering, Self::Brief, Self::Open];

    #[inline]
    fn of(flow: &Flow) -> Self {
        match &flow.tcp {
            Some(tcp) if tcp.is_closed() => Self::Lingering,
            Some(tcp) if !tcp.is_attempt() => Self::Open,
            _ => Self::Brief,
        }
    }

    const fn timeout(self, limits: &Limits) -> Duration {
        match self {
            Self::Lingering => limits.tcp_linger,
            Self::Brief => limits.udp_idle,
            Self::Open => limits.tcp_idle,
        }
    }

    /// Why an entry of this queue leaves the table after its timeout.
    const fn when_idle(self) -> Closed {
        match self {
            Self::Lingering => Closed::Ended,
            Self::Brief | Self::Open => Closed::Idle,
        }
    }
}

/// Where a conversation is, and enough of its hash to look at few others.
#[derive(Debug, Clone, Copy)]
struct Place {
    hash: u32,
    slot: u32,
}

impl Place {
    /// The hash that the index works with.
    const fn spread(hash: u32) -> u64 {
        (hash as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

/// Conversations by their endpoints.
///
/// Timeouts run on packet time. Whether a packet belongs to a conversation that has been idle depends on the times of
/// these two alone, so that what else is in a capture changes nothing; the table's own clock only decides when what is
/// over leaves it.
#[derive(Debug)]
pub struct Table {
    limits: Limits,
    hasher: DefaultHashBuilder,
    index: HashTable<Place>,
    entries: Slab<Entry, { Queue::ALL.len() }>,
    /// The latest time that two packets in a row have reached: a single one with a wrong time moves no clock.
    now: Time,
    /// Time of the packet before.
    previous: Time,
    budget: Budget,
    loss: Loss,
    /// What is open at the end of the input and not closed yet.
    closing: Option<VecDeque<u32>>,
    attributor: Option<Box<dyn Attributor>>,
}

/// UDP in an IP header.
const IPPROTO_UDP: u8 = 17;

/// Conversations that take little memory whatever they hold.
const FEW: usize = 1000;

/// Asks who a conversation belongs to, unless that is known.
fn attribute(flow: &mut Flow, attributor: &mut Option<Box<dyn Attributor>>) {
    let Some(attributor) = attributor else { return };
    if !flow.owners().is_some_and(Owners::is_settled) {
        let [client, server] = Side::BOTH.map(|side| flow.endpoint(side));
        flow.owners = Some(Arc::new(attributor.owners(flow.protocol(), client, server, flow.start, flow.end)));
    }
}

impl Table {
    /// An empty table.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            hasher: DefaultHashBuilder::default(),
            index: HashTable::new(),
            entries: Slab::new(),
            now: Time::MIN,
            previous: Time::MIN,
            budget: Budget::of(limits),
            loss: Loss::default(),
            closing: None,
            attributor: None,
            limits: limits.clone(),
        }
    }

    /// Asks who conversations belong to: before their first payload is told, and again at their end if that is not
    /// certain by then.
    pub fn attribute_by(&mut self, attributor: Box<dyn Attributor>) {
        self.attributor = Some(attributor);
    }

    /// Who the conversation of a frame that was taken in belongs to. What is unknown is asked again now and then.
    pub fn owners(&mut self, frame: &Frame<'_>) -> Option<&Owners> {
        let (key, _) = Key::of(frame)?;
        let slot = self.find(self.hasher.hash_one(key) as u32, &key)?;
        let flow = &mut self.entries.get_mut(slot)?.flow;
        if flow.owners.is_none() || flow.packets().is_power_of_two() {
            attribute(flow, &mut self.attributor);
        }
        flow.owners()
    }

    /// What the attributor could not see so far, in words.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        self.attributor.as_ref().map_or_else(Vec::new, |attributor| attributor.notes())
    }

    /// What was not seen so far.
    #[must_use]
    pub const fn loss(&self) -> &Loss {
        &self.loss
    }

    /// How many conversations are in the table.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.entries.len()
    }

    /// What a conversation takes of the memory, in bytes, if it is not in a tunnel and its payload is not asked for:
    /// its entry, and its place in an index that is half full.
    #[cfg(test)]
    pub(super) const BYTES_PER_FLOW: usize = Slab::<Entry, { Queue::ALL.len() }>::SLOT + 2 * (size_of::<Place>() + 1);

    #[cfg(test)]
    pub(super) const fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes in a frame: its time and its length on the wire.
    #[inline]
    pub fn ingest(&mut self, frame: &Frame<'_>, time: Time, length: u32, observer: &mut impl Observer) {
        let agreed = time.min(std::mem::replace(&mut self.previous, time));
        if agreed > self.now {
            self.now = agreed;
            self.expire(observer);
        }
        let Some((key, from)) = Key::of(frame) else { return };
        let hash = self.hasher.hash_one(key) as u32;
        let mut found = self.find(hash, &key);
        if let Some(slot) = found
            && let Some(why) = self.is_over_before(slot, from, frame, time)
        {
            self.close(slot, why, observer);
            found = None;
        }
        let slot = found.unwrap_or_else(|| self.open(hash, Flow::new(key, from, frame, time), observer));
        let Some(entry) = self.entries.get_mut(slot) else { return };
        entry.is_busy |= found.is_some();
        let Entry { flow, payloads, wants_datagrams, .. } = entry;
        if let Transport::Tcp(tcp) = &frame.transport
            && tcp.flags.has(TcpFlags::SYN)
            && flow.settle_role(from, frame)
        {
            payloads.swap();
        }
        let side = flow.side(from);
        flow.count(side, length, frame.payload_length, time);
        if let (Transport::Tcp(tcp), Some(state)) = (&frame.transport, &mut flow.tcp) {
            state.segment(side, tcp, frame.payload_length, time, &mut self.budget);
            let queue = Queue::of(flow);
            if payloads.are_wanted() {
                if frame.payload_length > 0 && flow.owners.is_none() {
                    attribute(flow, &mut self.attributor);
                }
                let mut feed = Feed { id: FlowId(slot), flow, payloads, budget: &mut self.budget, observer };
                feed.segment(side, tcp, frame, time);
            }
            if self.entries.queue(slot) != Some(queue as u8) {
                self.enqueue(slot, queue);
            }
        } else if *wants_datagrams {
            if flow.owners.is_none() {
                attribute(flow, &mut self.attributor);
            }
            let datagram = Datagram { from: side, bytes: frame.payload, length: frame.payload_length, time };
            let interest = observer.event(FlowId(slot), flow, Event::Datagram(datagram));
            *wants_datagrams = interest == Interest::Payload;
        }
    }

    /// Lets time pass without packets: closes what has been idle for too long by then.
    pub fn pass(&mut self, now: Time, observer: &mut impl Observer) {
        if now > self.now {
            self.now = now;
            self.expire(observer);
        }
    }

    #[inline]
    fn find(&self, hash: u32, key: &Key) -> Option<u32> {
        let same = |place: &Place| {
            place.hash == hash && self.entries.get(place.slot).is_some_and(|entry| entry.flow.key == *key)
        };
        self.index.find(Place::spread(hash), same).map(|place| place.slot)
    }

    /// Why a frame with the same endpoints is not part of a conversation any more, if it is not.
    #[inline]
    fn is_over_before(&self, slot: u32, from: End, frame: &Frame<'_>, time: Time) -> Option<Closed> {
        let flow = &self.entries.get(slot)?.flow;
        if let (Transport::Tcp(header), Some(tcp)) = (&frame.transport, &flow.tcp)
            && tcp.is_reused_by(flow.side(from), header)
        {
            return Some(Closed::Reused);
        }
        let queue = Queue::of(flow);
        (time - flow.end > queue.timeout(&self.limits)).then(|| queue.when_idle())
    }

    fn open(&mut self, hash: u32, flow: Flow, observer: &mut impl Observer) -> u32 {
        if self.entries.len() >= self.limits.flows {
            self.evict(observer);
        }
        let (is_tcp, is_udp) = (flow.tcp.is_some(), flow.protocol() == IPPROTO_UDP);
        let queue = if is_tcp && !flow.has_syn() { Queue::Open } else { Queue::Brief };
        let entry =
            Entry { flow, payloads: Payloads::default(), wants_datagrams: false, queued: self.now, is_busy: false };
        let slot = self.entries.insert(entry, queue as u8);
        self.index.insert_unique(Place::spread(hash), Place { hash, slot }, |place| Place::spread(place.hash));
        if let Some(entry) = self.entries.get_mut(slot)
            && observer.event(FlowId(slot), &entry.flow, Event::Opened) == Interest::Payload
        {
            if is_tcp {
                entry.payloads = Payloads::wanted();
            }
            entry.wants_datagrams = is_udp;
        }
        slot
    }

    /// Tells the observer the rest of a conversation and forgets it.
    fn close(&mut self, slot: u32, why: Closed, observer: &mut impl Observer) {
        let Some(Entry { mut flow, mut payloads, .. }) = self.entries.remove(slot) else { return };
        let hash = self.hasher.hash_one(flow.key) as u32;
        if let Ok(place) = self.index.find_entry(Place::spread(hash), |place| place.slot == slot) {
            place.remove();
        }
        attribute(&mut flow, &mut self.attributor);
        let (id, budget) = (FlowId(slot), &mut self.budget);
        if let Some(tcp) = &mut flow.tcp {
            tcp.forget_holes(budget);
        }
        Feed { id, flow: &flow, payloads: &mut payloads, budget, observer }.flush(flow.end);
        observer.event(id, &flow, Event::Closed(why));
    }

    /// Closes up to `count` conversations at the end of the input, the oldest first. `false` once all are closed: what an
    /// observer keeps of them can be taken from it in between.
    pub fn finish(&mut self, count: usize, observer: &mut impl Observer) -> bool {
        let closing = match &mut self.closing {
            Some(closing) => closing,
            None => {
                let mut open: Vec<_> = self.entries.iter().map(|(slot, entry)| (entry.flow.start, slot)).collect();
                open.sort_unstable();
                self.closing.insert(open.into_iter().map(|(_, slot)| slot).collect())
            }
        };
        let now: Vec<u32> = closing.drain(..count.min(closing.len())).collect();
        let more = !closing.is_empty();
        for slot in now {
            let is_closed = self.entries.get(slot).is_some_and(|entry| entry.flow.is_closed());
            self.close(slot, if is_closed { Closed::Ended } else { Closed::EndOfInput }, observer);
        }
        more
    }

    /// Gives up an eighth of the conversations, and from now on keeps no more than are left: for when they turn out to take
    /// more memory than there is.
    pub fn shrink(&mut self, observer: &mut impl Observer) {
        let left = self.entries.len() / 8 * 7;
        // At the end of the input all of them are about to go anyway.
        if left < FEW || self.closing.is_some() {
            return;
        }
        self.limits.flows = left;
        for _ in left..self.entries.len() {
            self.evict(observer);
        }
    }

    /// Puts an entry at the end of a queue.
    fn enqueue(&mut self, slot: u32, queue: Queue) {
        if let Some(entry) = self.entries.get_mut(slot) {
            (entry.queued, entry.is_busy) = (self.now, false);
            self.entries.move_to_end(slot, queue as u8);
        }
    }

    /// Closes what has been idle for too long.
    #[inline]
    fn expire(&mut self, observer: &mut impl Observer) {
        for queue in Queue::ALL {
            let timeout = queue.timeout(&self.limits);
            while let Some((slot, entry)) = self.entries.first(queue as u8)
                && entry.queued + timeout < self.now
            {
                if entry.is_busy || entry.flow.end + timeout >= self.now {
                    self.enqueue(slot, queue);
                } else {
                    self.close(slot, queue.when_idle(), observer);
                }
            }
        }
    }

    /// Makes room: takes what has ended if there is any, else what will time out first.
    fn evict(&mut self, observer: &mut impl Observer) {
        if let Some((_, slot)) = self.quietest(Queue::Lingering) {
            self.close(slot, Closed::Evicted, observer);
        } else if let Some((_, slot)) =
            [Queue::Brief, Queue::Open].map(|queue| self.quietest(queue)).into_iter().flatten().min()
        {
            self.loss.evicted_flows += 1;
            self.close(slot, Closed::Evicted, observer);
        }
    }

    /// Which entry of a queue had no packet for the longest time, and when it will time out.
    fn quietest(&mut self, queue: Queue) -> Option<(Time, u32)> {
        // Each turn of the loop belongs to a packet that came before, so that on the whole there are few.
        loop {
            let (slot, entry) = self.entries.first(queue as u8)?;
            if !entry.is_busy {
                return Some((entry.flow.end.min(self.now) + queue.timeout(&self.limits), slot));
            }
            self.enqueue(slot, queue);
        }
    }
}
