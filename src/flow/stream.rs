//! One direction of a TCP conversation, put in order.

use std::collections::VecDeque;

use super::budget::Budget;
use super::sequence::{PATIENCE, distance, is_near};
use crate::record::{Duration, Time};

/// The next part of a direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Bytes, and when they were captured.
    Data(&'a [u8], Time),
    /// That many bytes are missing, and when they were given up.
    Gap(u64, Time),
    /// Nothing more will come.
    End(Time),
}

/// What a segment carries.
#[derive(Debug, Clone, Copy)]
pub(super) struct Payload<'a> {
    /// Sequence number of the first byte.
    pub(super) seq: u32,
    /// The bytes that were captured.
    pub(super) bytes: &'a [u8],
    /// How many there were on the wire.
    pub(super) length: u32,
    pub(super) time: Time,
}

/// After this time a capture does not put packets in order any more: queues of a network card that are emptied one
/// after the other have been seen to reverse dozens of packets within some milliseconds.
const SETTLED: Duration = Duration::from_nanos(100_000_000);

/// Puts the segments of one direction in order.
///
/// Bytes that are missing are a gap once the other side acknowledged them with [`PATIENCE`] packets over
/// [`SETTLED`], once the budget bites, or at the end.
///
/// Of bytes that come twice the first stay, and of those that wait for their turn the ones of the segment that begins
/// first. A FIN counts when everything before it was given out, and not at all if bytes come where it said that there
/// are none: whoever forges one must not end what is read.
#[derive(Debug, Default)]
pub(super) struct Stream {
    /// The next sequence number to give out, once it is known.
    expected: Option<u32>,
    /// Segments that came too early, by sequence number.
    early: VecDeque<Early>,
    /// What they take of the budget.
    early_cost: usize,
    /// Sequence number of a FIN that was not reached yet.
    fin: Option<u32>,
    is_ended: bool,
    /// Packets of the other side that acknowledge bytes which are not there, since the last that were, up to
    /// [`PATIENCE`].
    doubts: u8,
    /// When the first of them was captured.
    doubted: Time,
    /// Segments in a row that are nowhere near.
    strays: u8,
}

#[derive(Debug)]
struct Early {
    seq: u32,
    bytes: Box<[u8]>,
    /// Bytes after these that were on the wire and were cut off by the snapshot length.
    cut: u32,
    time: Time,
}

impl Early {
    const fn end(&self) -> u32 {
        self.seq.wrapping_add(self.bytes.len() as u32).wrapping_add(self.cut)
    }

    /// What keeping it takes of the budget: the queue may have room for as many again.
    const fn cost(&self) -> usize {
        self.bytes.len() + 2 * size_of::<Self>()
    }
}

impl Payload<'_> {
    /// Bytes at the end that the snapshot length cut off.
    fn cut(&self) -> u32 {
        self.length.saturating_sub(self.bytes.len() as u32)
    }
}

impl Stream {
    /// Sets where the direction begins, if that is not known yet: after a SYN.
    pub(super) fn begin(&mut self, seq: u32) {
        self.expected.get_or_insert(seq);
    }

    /// The next segment. Without a SYN the first one tells where the direction begins.
    #[inline]
    pub(super) fn segment(&mut self, payload: Payload<'_>, budget: &mut Budget, emit: &mut dyn FnMut(Piece<'_>)) {
        if self.is_ended {
            return;
        }
        let expected = *self.expected.get_or_insert(payload.seq);
        if expected == payload.seq && self.early.is_empty() {
            self.give(payload.bytes, payload.cut(), payload.time, emit);
        } else {
            self.out_of_line(expected, payload, budget, emit);
        }
        self.end_if_reached(payload.time, budget, emit);
    }

    fn out_of_line(
        &mut self,
        expected: u32,
        payload: Payload<'_>,
        budget: &mut Budget,
        emit: &mut dyn FnMut(Piece<'_>),
    ) {
        if !is_near(expected, payload.seq) {
            self.strays += 1;
            if self.strays < PATIENCE {
                return;
            }
            self.go_to(payload.seq, payload.time, budget, emit);
            self.give(payload.bytes, payload.cut(), payload.time, emit);
            return;
        }
        self.strays = 0;
        let ahead = distance(expected, payload.seq);
        if ahead > 0 {
            self.keep(payload, budget);
            while budget.is_exceeded_by(self.early_cost) && !self.early.is_empty() {
                self.give_up_hole(None, payload.time, budget, emit);
            }
            return;
        }
        let old = ahead.unsigned_abs();
        if old < payload.length {
            let new = payload.bytes.get(old as usize..).unwrap_or_default();
            let cut = (payload.length - old).saturating_sub(new.len() as u32);
            self.give(new, cut, payload.time, emit);
            self.drain(budget, emit);
        }
    }

    /// Gives out bytes, and the gap behind them that the snapshot length left.
    #[inline]
    fn give(&mut self, bytes: &[u8], cut: u32, time: Time, emit: &mut dyn FnMut(Piece<'_>)) {
        self.doubts = 0;
        self.strays = 0;
        self.expected = self.expected.map(|expected| expected.wrapping_add(bytes.len() as u32).wrapping_add(cut));
        if !bytes.is_empty() {
            emit(Piece::Data(bytes, time));
        }
        if cut > 0 {
            emit(Piece::Gap(cut.into(), time));
        }
    }

    /// Keeps a segment until its turn comes, unless one that is there already has all of it.
    fn keep(&mut self, payload: Payload<'_>, budget: &mut Budget) {
        let early = Early { seq: payload.seq, bytes: payload.bytes.into(), cut: payload.cut(), time: payload.time };
        let place = self.early.partition_point(|other| distance(other.seq, early.seq) >= 0);
        let is_covered = |before: &Early| distance(early.end(), before.end()) >= 0;
        if place.checked_sub(1).and_then(|before| self.early.get(before)).is_some_and(is_covered) {
            return;
        }
        self.early_cost += early.cost();
        budget.take(early.cost());
        self.early.insert(place, early);
    }

    /// Gives out early segments whose turn has come.
    fn drain(&mut self, budget: &mut Budget, emit: &mut dyn FnMut(Piece<'_>)) {
        while let (Some(expected), Some(first)) = (self.expected, self.early.front()) {
            if distance(first.seq, expected) < 0 {
                return;
            }
            let Some(early) = self.early.pop_front() else { return };
            self.early_cost -= early.cost();
            budget.give_back(early.cost());
            if distance(expected, early.end()) > 0 {
                let old = expected.wrapping_sub(early.seq) as usize;
                let new = early.bytes.get(old..).unwrap_or_default();
                let cut = early.end().wrapping_sub(expected) - new.len() as u32;
                self.give(new, cut, early.time, emit);
            }
        }
        // An empty queue keeps its room, and no budget would know of it.
        self.early = VecDeque::new();
    }

    /// Gives up the bytes before what comes next: the first early segment, the FIN, or `acknowledged`.
    fn give_up_hole(
        &mut self,
        acknowledged: Option<u32>,
        time: Time,
        budget: &mut Budget,
        emit: &mut dyn FnMut(Piece<'_>),
    ) {
        let Some(expected) = self.expected else { return };
        let ends = [self.early.front().map(|early| early.seq), self.fin, acknowledged];
        if let Some(end) = ends.into_iter().flatten().min_by_key(|end| distance(expected, *end)) {
            self.pass(end, time, emit);
            self.drain(budget, emit);
            self.end_if_reached(time, budget, emit);
        }
    }

    /// Moves on to `seq`; what is missing before it is a gap.
    fn pass(&mut self, seq: u32, time: Time, emit: &mut dyn FnMut(Piece<'_>)) {
        let missing = seq.wrapping_sub(self.expected.unwrap_or(seq));
        self.expected = Some(seq);
        self.doubts = 0;
        if missing > 0 {
            emit(Piece::Gap(missing.into(), time));
        }
    }

    /// The sender is somewhere else than what was captured tells: goes there. How much is missing in between is known
    /// but for multiples of 4 GiB.
    fn go_to(&mut self, seq: u32, time: Time, budget: &mut Budget, emit: &mut dyn FnMut(Piece<'_>)) {
        self.fin = None;
        while !self.early.is_empty() {
            self.give_up_hole(None, time, budget, emit);
        }
        self.pass(seq, time, emit);
    }

    /// The other side acknowledges everything before `ack`.
    #[inline]
    pub(super) fn acknowledged(&mut self, ack: u32, time: Time, budget: &mut Budget, emit: &mut dyn FnMut(Piece<'_>)) {
        let Some(expected) = self.expected else { return };
        let missing = distance(expected, ack);
        // A single number may be a FIN that was not captured.
        let is_hole = missing > 1 || missing == 1 && !self.early.is_empty();
        if self.is_ended || !is_hole || !is_near(expected, ack) {
            return;
        }
        if self.doubts == 0 {
            self.doubted = time;
        }
        self.doubts = PATIENCE.min(self.doubts + 1);
        if self.doubts == PATIENCE && time - self.doubted >= SETTLED {
            self.give_up_hole(Some(ack), time, budget, emit);
        }
    }

    /// The sender closed its direction at this sequence number.
    pub(super) fn fin(&mut self, seq: u32, time: Time, budget: &mut Budget, emit: &mut dyn FnMut(Piece<'_>)) {
        let expected = *self.expected.get_or_insert(seq);
        if !self.is_ended && distance(expected, seq) >= 0 && is_near(expected, seq) {
            self.fin = Some(seq);
            self.end_if_reached(time, budget, emit);
        }
    }

    #[inline]
    fn end_if_reached(&mut self, time: Time, budget: &mut Budget, emit: &mut dyn FnMut(Piece<'_>)) {
        let (Some(fin), Some(expected)) = (self.fin, self.expected) else { return };
        if distance(fin, expected) >= 0 {
            self.fin = None;
            if fin == expected {
                self.is_ended = true;
                self.forget(budget);
                emit(Piece::End(time));
            }
        }
    }

    /// Nothing more will be captured: gives out what is left, with the gaps before it.
    pub(super) fn flush(&mut self, time: Time, budget: &mut Budget, emit: &mut dyn FnMut(Piece<'_>)) {
        while !self.early.is_empty() || self.fin.is_some() {
            self.give_up_hole(None, time, budget, emit);
        }
    }

    /// Forgets early segments.
    pub(super) fn forget(&mut self, budget: &mut Budget) {
        budget.give_back(std::mem::take(&mut self.early_cost));
        self.early = VecDeque::new();
    }
}
