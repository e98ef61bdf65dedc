//! The table of conversations: a bound, timeouts that run on packet time, and what happens told to an observer.

use std::collections::VecDeque;
use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::key::Key;
use super::slab::Slab;
use super::stream::{Budget, Piece, Stream};
use super::{Flow, Side};
use crate::limits::{Limits, Loss};
use crate::packet::{Frame, Tcp, TcpFlags, Transport};
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
    /// It leaves the table; this is its last event.
    Closed(Closed),
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
    /// Its TCP payload too, in order.
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
    /// Which of the items in the queues is this entry's.
    token: u32,
    queue: Queue,
    streams: Option<Box<[Stream; 2]>>,
}

/// Which timeout applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Queue {
    /// TCP that was closed and still takes stragglers.
    Lingering,
    /// Everything without a connection.
    Datagrams,
    /// TCP that is open.
    Open,
}

#[derive(Debug, Clone, Copy)]
struct Timer {
    deadline: Time,
    slot: u32,
    token: u32,
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
#[derive(Debug)]
pub struct Table {
    limits: Limits,
    hasher: DefaultHashBuilder,
    index: HashTable<Place>,
    entries: Slab<Entry>,
    /// One queue per timeout, each in the order of its deadlines.
    timers: [VecDeque<Timer>; 3],
    /// The latest packet time.
    now: Time,
    budget: Budget,
    loss: Loss,
    /// What is open at the end of the input and not closed yet.
    closing: Option<VecDeque<u32>>,
}

/// Conversations that take little memory whatever they hold.
const FEW: usize = 1000;

impl Table {
    /// An empty table.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            hasher: DefaultHashBuilder::default(),
            index: HashTable::new(),
            entries: Slab::new(),
            timers: Default::default(),
            now: Time::MIN,
            budget: Budget { per_direction: limits.out_of_order_bytes, left: limits.out_of_order_total },
            loss: Loss::default(),
            closing: None,
            limits: limits.clone(),
        }
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

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes in a frame: its time and its length on the wire.
    #[inline]
    pub fn ingest(&mut self, frame: &Frame<'_>, time: Time, length: u32, observer: &mut impl Observer) {
        if time > self.now {
            self.now = time;
            self.expire(observer);
        }
        let Some((key, from)) = Key::of(frame) else { return };
        let hash = self.hasher.hash_one(key) as u32;
        let mut slot = self.find(hash, &key);
        if let (Some(old), Transport::Tcp(tcp)) = (slot, frame.transport)
            && let Some(entry) = self.entries.get(old)
            && let Some(state) = &entry.flow.tcp
            && state.is_reused_by(entry.flow.side(from), &tcp)
        {
            self.close(old, Closed::Reused, observer);
            slot = None;
        }
        let slot = slot.unwrap_or_else(|| self.open(hash, Flow::new(key, from, frame, time), observer));
        let Some(entry) = self.entries.get_mut(slot) else { return };

        if let Transport::Tcp(tcp) = &frame.transport
            && tcp.flags.has(TcpFlags::SYN)
        {
            entry.flow.settle_role(from, frame);
        }
        let side = entry.flow.side(from);
        entry.flow.count(side, length, frame.payload_length, time);
        if let (Transport::Tcp(tcp), Some(state)) = (&frame.transport, &mut entry.flow.tcp) {
            state.segment(side, tcp, frame.payload_length, time);
            let closed = state.is_closed();
            if entry.streams.is_some() {
                let mut feed = Feed { id: FlowId(slot), entry, observer };
                feed.segment(side, tcp, frame, time, &mut self.budget);
            }
            if closed {
                self.linger(slot);
            }
        }
    }

    #[inline]
    fn find(&self, hash: u32, key: &Key) -> Option<u32> {
        let same = |place: &Place| {
            place.hash == hash && self.entries.get(place.slot).is_some_and(|entry| entry.flow.key == *key)
        };
        self.index.find(Place::spread(hash), same).map(|place| place.slot)
    }

    fn open(&mut self, hash: u32, flow: Flow, observer: &mut impl Observer) -> u32 {
        if self.entries.len() >= self.limits.flows {
            self.evict(observer);
        }
        let queue = if flow.tcp.is_some() { Queue::Open } else { Queue::Datagrams };
        let slot = self.entries.insert(Entry { flow, token: 0, queue, streams: None });
        self.index.insert_unique(Place::spread(hash), Place { hash, slot }, |place| Place::spread(place.hash));
        self.start_timer(slot);
        if let Some(entry) = self.entries.get_mut(slot) {
            let interest = observer.event(FlowId(slot), &entry.flow, Event::Opened);
            if interest == Interest::Payload && entry.flow.tcp.is_some() {
                entry.streams = Some(Box::default());
            }
        }
        slot
    }

    /// Tells the observer the rest of a conversation and forgets it.
    fn close(&mut self, slot: u32, why: Closed, observer: &mut impl Observer) {
        let Some(mut entry) = self.entries.remove(slot) else { return };
        let hash = self.hasher.hash_one(entry.flow.key) as u32;
        if let Ok(place) = self.index.find_entry(Place::spread(hash), |place| place.slot == slot) {
            place.remove();
        }
        let end = entry.flow.end;
        Feed { id: FlowId(slot), entry: &mut entry, observer }.flush(end, &mut self.budget);
        observer.event(FlowId(slot), &entry.flow, Event::Closed(why));
    }

    /// Closes up to `count` conversations at the end of the input, the oldest first. `false` once all are closed: what an
    /// observer keeps of them can be taken from it in between.
    pub fn finish(&mut self, count: usize, observer: &mut impl Observer) -> bool {
        let closing = match &mut self.closing {
            Some(closing) => closing,
            None => {
                self.timers = Default::default();
                let mut open: Vec<_> = self.entries.slots().map(|(slot, entry)| (entry.flow.start, slot)).collect();
                open.sort_unstable();
                self.closing.insert(open.into_iter().map(|(_, slot)| slot).collect())
            }
        };
        let now: Vec<u32> = closing.drain(..count.min(closing.len())).collect();
        let more = !closing.is_empty();
        for slot in now {
            let ended = self.entries.get(slot).is_some_and(|entry| entry.flow.is_closed());
            self.close(slot, if ended { Closed::Ended } else { Closed::EndOfInput }, observer);
        }
        more
    }

    /// Gives up an eighth of the conversations, and from now on keeps no more than are left: for when they turn out to take
    /// more memory than there is.
    pub fn shrink(&mut self, observer: &mut impl Observer) {
        let left = self.entries.len() / 8 * 7;
        if left < FEW {
            return;
        }
        self.limits.flows = left;
        for _ in left..self.entries.len() {
            self.evict(observer);
        }
    }

    const fn timeout(&self, queue: Queue) -> Duration {
        match queue {
            Queue::Lingering => self.limits.tcp_linger,
            Queue::Datagrams => self.limits.udp_idle,
            Queue::Open => self.limits.tcp_idle,
        }
    }

    /// Puts an entry at the end of its queue; an item that it had elsewhere no longer counts.
    fn start_timer(&mut self, slot: u32) {
        let now = self.now;
        let Some(entry) = self.entries.get_mut(slot) else { return };
        entry.token = entry.token.wrapping_add(1);
        let (queue, token) = (entry.queue, entry.token);
        self.timers[queue as usize].push_back(Timer { deadline: now + self.timeout(queue), slot, token });
    }

    /// A conversation that ended waits for stragglers only.
    fn linger(&mut self, slot: u32) {
        if let Some(entry) = self.entries.get_mut(slot)
            && entry.queue != Queue::Lingering
        {
            entry.queue = Queue::Lingering;
            self.start_timer(slot);
        }
    }

    /// Closes what has been idle for too long.
    #[inline]
    fn expire(&mut self, observer: &mut impl Observer) {
        for queue in [Queue::Lingering, Queue::Datagrams, Queue::Open] {
            while self.timers[queue as usize].front().is_some_and(|timer| timer.deadline < self.now) {
                self.expire_first(queue, observer);
            }
        }
    }

    fn expire_first(&mut self, queue: Queue, observer: &mut impl Observer) {
        let Some(timer) = self.timers[queue as usize].pop_front() else { return };
        let Some(entry) = self.entries.get(timer.slot).filter(|entry| entry.token == timer.token) else { return };
        let deadline = entry.flow.end + self.timeout(queue);
        if deadline < self.now {
            self.close(timer.slot, if queue == Queue::Lingering { Closed::Ended } else { Closed::Idle }, observer);
        } else {
            // It was busy meanwhile. Deadlines in a queue stay in order because each is counted from the present.
            self.start_timer(timer.slot);
        }
    }

    /// Makes room: first what has ended, then datagrams, then what was looked at longest ago.
    fn evict(&mut self, observer: &mut impl Observer) {
        for queue in [Queue::Lingering, Queue::Datagrams, Queue::Open] {
            while let Some(timer) = self.timers[queue as usize].pop_front() {
                if self.entries.get(timer.slot).is_some_and(|entry| entry.token == timer.token) {
                    self.loss.evicted_flows += u64::from(queue != Queue::Lingering);
                    self.close(timer.slot, Closed::Evicted, observer);
                    return;
                }
            }
        }
    }
}

/// Puts the payload of one conversation in order and hands it to the observer.
struct Feed<'a, O> {
    id: FlowId,
    entry: &'a mut Entry,
    observer: &'a mut O,
}

impl<O: Observer> Feed<'_, O> {
    #[inline]
    fn segment(&mut self, side: Side, tcp: &Tcp, frame: &Frame<'_>, time: Time, budget: &mut Budget) {
        let syn = tcp.flags.has(TcpFlags::SYN);
        let first = tcp.seq.wrapping_add(u32::from(syn));
        if tcp.flags.has(TcpFlags::ACK) && !tcp.flags.has(TcpFlags::RST) {
            self.each_piece(side.other(), budget, |stream, budget, emit| {
                if syn {
                    stream.begin(tcp.ack);
                } else {
                    stream.acknowledged(tcp.ack, time, budget, emit);
                }
            });
        }
        self.each_piece(side, budget, |stream, budget, emit| {
            if syn {
                stream.begin(first);
            }
            if frame.payload_length > 0 {
                stream.segment((first, frame.payload, frame.payload_length), time, budget, emit);
            }
            if tcp.flags.has(TcpFlags::FIN) {
                stream.fin(first.wrapping_add(frame.payload_length), time, emit);
            }
        });
        if tcp.flags.has(TcpFlags::RST) {
            self.flush(time, budget);
        }
    }

    /// Gives out what is left of both sides.
    fn flush(&mut self, time: Time, budget: &mut Budget) {
        for side in Side::BOTH {
            self.each_piece(side, budget, |stream, budget, emit| stream.flush(time, budget, emit));
        }
    }

    /// Runs `work` on a side's stream and tells the observer the pieces that it gives.
    #[inline]
    fn each_piece(
        &mut self,
        side: Side,
        budget: &mut Budget,
        work: impl FnOnce(&mut Stream, &mut Budget, &mut dyn FnMut(Piece<'_>)),
    ) {
        let Some(streams) = &mut self.entry.streams else { return };
        let mut interest = Interest::Payload;
        work(&mut streams[side.index()], budget, &mut |piece| {
            if interest == Interest::Flow {
                return;
            }
            let event = match piece {
                Piece::Data(bytes, time) => Event::Data(side, bytes, time),
                Piece::Gap(bytes, time) => Event::Gap(side, bytes, time),
                Piece::End(time) => Event::End(side, time),
            };
            interest = self.observer.event(self.id, &self.entry.flow, event);
        });
        if interest == Interest::Flow {
            budget.left += streams.iter().map(Stream::early_bytes).sum::<usize>();
            self.entry.streams = None;
        }
    }
}
