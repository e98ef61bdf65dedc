//! One direction of a TCP conversation, put in order.

use std::collections::VecDeque;

use super::sequence::distance;
use crate::record::Time;

/// The next part of a direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Bytes, and when they were captured.
    Data(&'a [u8], Time),
    /// That many bytes are missing.
    Gap(u64, Time),
    /// Nothing more will come.
    End(Time),
}

/// How many out-of-order bytes may be kept: by one direction, and how many are left for all.
#[derive(Debug)]
pub(super) struct Budget {
    pub(super) per_direction: usize,
    pub(super) left: usize,
}

/// Puts the segments of one direction in order.
#[derive(Debug, Default)]
pub(super) struct Stream {
    /// The next sequence number to give out, once it is known.
    expected: Option<u32>,
    /// Segments that came too early, by sequence number.
    early: VecDeque<Early>,
    early_bytes: usize,
    /// Sequence number of the FIN.
    fin: Option<u32>,
    ended: bool,
    /// Packets of the other side that acknowledge bytes which are not there.
    acknowledged_hole: u8,
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
        self.seq.wrapping_add(self.bytes.len() as u32 + self.cut)
    }

    /// What keeping it costs, in bytes.
    const fn cost(&self) -> usize {
        self.bytes.len() + size_of::<Self>()
    }
}

/// The receiver has the bytes but the capture does not, if so many of its packets say so: a packet or two may have
/// been captured in another order than they were sent.
const PATIENCE: u8 = 4;

impl Stream {
    /// Sets where the direction begins, if that is not known yet: after a SYN, or what the other side acknowledges.
    pub(super) fn begin(&mut self, seq: u32) {
        self.expected.get_or_insert(seq);
    }

    /// The next segment: its first sequence number, the bytes that were captured of it, and its length on the wire.
    #[inline]
    pub(super) fn segment(
        &mut self,
        (seq, bytes, length): (u32, &[u8], u32),
        time: Time,
        budget: &mut Budget,
        emit: &mut dyn FnMut(Piece<'_>),
    ) {
        let expected = *self.expected.get_or_insert(seq);
        if expected == seq && self.early.is_empty() && bytes.len() == length as usize {
            self.expected = Some(seq.wrapping_add(length));
            self.acknowledged_hole = 0;
            emit(Piece::Data(bytes, time));
        } else {
            self.out_of_line(seq, bytes, length, time, budget, emit);
        }
        self.end_if_reached(time, emit);
    }

    fn out_of_line(
        &mut self,
        seq: u32,
        bytes: &[u8],
        length: u32,
        time: Time,
        budget: &mut Budget,
        emit: &mut dyn FnMut(Piece<'_>),
    ) {
        let Some(expected) = self.expected else { return };
        let ahead = distance(expected, seq);
        if ahead > 0 {
            self.keep(seq, bytes, length - bytes.len() as u32, time, budget);
            while self.early_bytes > budget.per_direction || budget.left == 0 && !self.early.is_empty() {
                self.skip_to_early(time, budget, emit);
            }
            return;
        }
        let old = ahead.unsigned_abs();
        if old < length {
            let new = bytes.get(old as usize..).unwrap_or_default();
            self.give(new, length - old - new.len() as u32, time, emit);
            self.drain(budget, emit);
        }
    }

    /// Gives out bytes, and the gap behind them that the snapshot length left.
    fn give(&mut self, bytes: &[u8], cut: u32, time: Time, emit: &mut dyn FnMut(Piece<'_>)) {
        if !bytes.is_empty() {
            emit(Piece::Data(bytes, time));
        }
        if cut > 0 {
            emit(Piece::Gap(u64::from(cut), time));
        }
        self.acknowledged_hole = 0;
        self.expected = self.expected.map(|expected| expected.wrapping_add(bytes.len() as u32 + cut));
    }

    /// Keeps an early segment, unless one that is there already has all of it.
    fn keep(&mut self, seq: u32, bytes: &[u8], cut: u32, time: Time, budget: &mut Budget) {
        let place = self.early.partition_point(|early| distance(early.seq, seq) >= 0);
        let end = seq.wrapping_add(bytes.len() as u32 + cut);
        if place.checked_sub(1).is_some_and(|before| distance(end, self.early[before].end()) >= 0) {
            return;
        }
        let early = Early { seq, bytes: bytes.into(), cut, time };
        self.early_bytes += early.cost();
        budget.left = budget.left.saturating_sub(early.cost());
        self.early.insert(place, early);
    }

    /// Gives out early segments whose turn has come. Where two overlap, the one with the lower sequence number counts.
    fn drain(&mut self, budget: &mut Budget, emit: &mut dyn FnMut(Piece<'_>)) {
        let due = |stream: &Self| {
            let (expected, first) = (stream.expected?, stream.early.front()?);
            (distance(first.seq, expected) >= 0).then_some(expected)
        };
        while let Some(expected) = due(self) {
            let Some(early) = self.early.pop_front() else { break };
            self.early_bytes -= early.cost();
            budget.left += early.cost();
            if distance(expected, early.end()) > 0 {
                let old = expected.wrapping_sub(early.seq) as usize;
                let new = early.bytes.get(old..).unwrap_or_default();
                let cut = early.end().wrapping_sub(expected) - new.len() as u32;
                self.give(new, cut, early.time, emit);
            }
        }
    }

    /// Gives up on the bytes before the first early segment.
    fn skip_to_early(&mut self, time: Time, budget: &mut Budget, emit: &mut dyn FnMut(Piece<'_>)) {
        if let Some(first) = self.early.front() {
            let seq = first.seq;
            self.skip_to(seq, time, budget, emit);
        }
    }

    fn skip_to(&mut self, seq: u32, time: Time, budget: &mut Budget, emit: &mut dyn FnMut(Piece<'_>)) {
        if let Some(expected) = self.expected {
            let missing = distance(expected, seq);
            if missing > 0 {
                emit(Piece::Gap(u64::from(missing.unsigned_abs()), time));
                self.expected = Some(seq);
            }
            self.acknowledged_hole = 0;
            self.drain(budget, emit);
        }
    }

    /// The other side acknowledges everything before `ack`.
    #[inline]
    pub(super) fn acknowledged(&mut self, ack: u32, time: Time, budget: &mut Budget, emit: &mut dyn FnMut(Piece<'_>)) {
        let Some(expected) = self.expected else { return };
        let missing = distance(expected, ack);
        // A single number may be a FIN that was not captured; half the number space ahead is not an acknowledgment.
        if self.ended || missing <= 0 || missing >= 1 << 30 || (missing == 1 && self.early.is_empty()) {
            return;
        }
        self.acknowledged_hole += 1;
        if self.acknowledged_hole >= PATIENCE {
            let to = self.early.front().map_or(ack, |e| if distance(e.seq, ack) > 0 { e.seq } else { ack });
            self.skip_to(to, time, budget, emit);
            self.end_if_reached(time, emit);
        }
    }

    /// The sender closed its direction at this sequence number.
    pub(super) fn fin(&mut self, seq: u32, time: Time, emit: &mut dyn FnMut(Piece<'_>)) {
        self.fin.get_or_insert(seq);
        self.expected.get_or_insert(seq);
        self.end_if_reached(time, emit);
    }

    #[inline]
    fn end_if_reached(&mut self, time: Time, emit: &mut dyn FnMut(Piece<'_>)) {
        if let (Some(fin), Some(expected), false) = (self.fin, self.expected, self.ended)
            && distance(fin, expected) >= 0
        {
            self.ended = true;
            self.expected = Some(fin.wrapping_add(1));
            emit(Piece::End(time));
        }
    }

    /// What its early segments take of the budget.
    pub(super) const fn early_bytes(&self) -> usize {
        self.early_bytes
    }

    /// Nothing more will be captured: gives out what is left, with the gaps before it.
    pub(super) fn flush(&mut self, time: Time, budget: &mut Budget, emit: &mut dyn FnMut(Piece<'_>)) {
        while !self.early.is_empty() {
            self.skip_to_early(time, budget, emit);
        }
        if let Some(fin) = self.fin.filter(|_| !self.ended) {
            self.skip_to(fin, time, budget, emit);
        }
        self.end_if_reached(time, emit);
    }
}
