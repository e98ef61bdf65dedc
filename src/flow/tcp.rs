//! What the headers of a TCP conversation tell: handshake, retransmissions, how it ended.

use super::Side;
use super::budget::Budget;
use super::endpoint::{Circumstances, Endpoints, conn_state};
use super::sequence::{Holes, PATIENCE, distance, is_near};
use crate::packet::{Tcp as Header, TcpFlags};
use crate::record::{Duration, Time};

/// Both directions of a TCP conversation, from its headers alone.
#[derive(Debug, Clone, Default)]
pub(super) struct Tcp {
    pub(super) halves: [Half; 2],
    endpoints: Endpoints,
    handshake: Handshake,
    pub(super) resets: u32,
    /// Which sides acknowledged anything, resets aside.
    acknowledges: [bool; 2],
}

/// How far the handshake was followed.
#[derive(Debug, Clone, Copy, Default)]
enum Handshake {
    /// No SYN of the originator was captured before the answer to it.
    #[default]
    Unknown,
    /// When the last SYN before an answer was sent.
    Begun(Time),
    /// From that to the acknowledgment of the answer.
    Done(Duration),
}

/// What one side sent.
#[derive(Debug, Clone, Default)]
pub(super) struct Half {
    /// What it sent that is not in the capture.
    holes: Holes,
    /// Sequence number after the highest byte known to be sent, once `is_synchronised`.
    next: u32,
    /// Sequence number of its SYN.
    initial: u32,
    pub(super) retransmissions: u32,
    pub(super) out_of_order: u32,
    pub(super) zero_windows: u32,
    syns: u16,
    is_synchronised: bool,
    /// Segments in a row that are nowhere near `next`.
    strays: u8,
}

/// Within this time a segment that fills a hole was reordered, if no round trip was measured. A sender that hears of
/// a loss takes at least a round trip to send again. (tshark has the same rule and the same figure.)
const REORDERING: Duration = Duration::from_nanos(3_000_000);

/// A SYN was overtaken by its own conversation, and does not open another one, if no more than this was sent since.
const OVERTAKEN: std::ops::Range<i32> = 0..1 << 16;

impl Tcp {
    /// Whether this segment opens another conversation than the one that it meets: a SYN with another initial
    /// sequence number.
    pub(super) fn is_reused_by(&self, from: Side, header: &Header) -> bool {
        let half = &self.halves[from.index()];
        header.flags.has(TcpFlags::SYN)
            && !header.flags.has(TcpFlags::RST)
            && if half.syns > 0 {
                half.initial != header.seq
            } else {
                half.is_synchronised && !OVERTAKEN.contains(&distance(header.seq.wrapping_add(1), half.next))
            }
    }

    /// Whether both sides closed it, or one reset it.
    pub(super) fn is_closed(&self) -> bool {
        self.endpoints.is_closed()
    }

    /// Whether it is nothing but SYNs that no one is known to have answered.
    pub(super) fn is_attempt(&self) -> bool {
        self.endpoints.is_attempt() && !self.acknowledges[Side::Originator.index()]
    }

    /// SYN to the acknowledgment that completes the handshake.
    pub(super) const fn handshake_rtt(&self) -> Option<Duration> {
        match self.handshake {
            Handshake::Done(rtt) => Some(rtt),
            _ => None,
        }
    }

    /// Takes in the next segment, with the length of its payload on the wire.
    #[inline]
    pub(super) fn segment(&mut self, from: Side, header: &Header, length: u32, time: Time, budget: &mut Budget) {
        self.endpoints.segment(from, header.flags, length);
        if header.flags.has(TcpFlags::RST) {
            // Neither its sequence number nor its acknowledgment can be relied on.
            self.resets += 1;
            return;
        }
        let reordering = self.handshake_rtt().unwrap_or(REORDERING);
        let [originator, responder] = &mut self.halves;
        let (sender, receiver) = match from {
            Side::Originator => (originator, responder),
            Side::Responder => (responder, originator),
        };
        sender.sends(header, length, time, reordering, budget);
        if header.flags.has(TcpFlags::ACK) {
            receiver.is_acknowledged(header.ack, time, budget);
            self.acknowledges[from.index()] = true;
        }
        if !matches!(self.handshake, Handshake::Done(_)) && from == Side::Originator {
            self.follow_handshake(header, time);
        }
    }

    /// Takes in a segment of the originator.
    fn follow_handshake(&mut self, header: &Header, time: Time) {
        let responder = &self.halves[Side::Responder.index()];
        let flags = header.flags;
        match (self.handshake, flags.has(TcpFlags::SYN), flags.has(TcpFlags::ACK)) {
            (_, true, false) if responder.syns == 0 => self.handshake = Handshake::Begun(time),
            (Handshake::Begun(sent), false, true) if responder.syns > 0 => {
                let rtt = time - sent;
                if rtt < Duration::ZERO {
                    self.handshake = Handshake::Unknown;
                } else if distance(responder.initial, header.ack) > 0 {
                    self.handshake = Handshake::Done(rtt);
                }
            }
            _ => {}
        }
    }

    /// How the conversation stands, in Zeek's codes (`conn_state` of its conn.log) and in words.
    pub(super) fn state(&self, has_payload: bool) -> (&'static str, &'static str) {
        let [originator, _] = &self.halves;
        let (has_syn, was_answered) = (originator.syns > 0, self.acknowledges[Side::Originator.index()]);
        conn_state(self.endpoints, Circumstances { has_syn, was_answered, has_payload })
    }

    /// SYNs of the originator that got no answer.
    pub(super) fn unanswered_syns(&self) -> u32 {
        let [originator, _] = &self.halves;
        u32::from(originator.syns).saturating_sub((!self.is_attempt()).into())
    }

    /// Exchanges the sides, for when it turns out that the originator is the other one.
    pub(super) fn swap(&mut self) {
        self.halves.swap(0, 1);
        self.endpoints.swap();
        self.acknowledges.swap(0, 1);
    }

    /// Forgets where holes are: nothing more comes that could fill them.
    pub(super) fn forget_holes(&mut self, budget: &mut Budget) {
        self.halves.iter_mut().for_each(|half| half.holes.forget(budget));
    }
}

impl Half {
    /// Bytes that it sent and that are not in the capture.
    pub(super) const fn lost_bytes(&self) -> u64 {
        self.holes.bytes()
    }

    /// Takes in a segment that it sent.
    #[inline]
    fn sends(&mut self, header: &Header, length: u32, time: Time, reordering: Duration, budget: &mut Budget) {
        let (syn, fin) = (header.flags.has(TcpFlags::SYN), header.flags.has(TcpFlags::FIN));
        let (start, controls) = (header.seq, u32::from(syn) + u32::from(fin));
        let end = start.wrapping_add(length).wrapping_add(controls);
        if syn {
            self.syns = self.syns.saturating_add(1);
            self.initial = start;
        } else if header.window == 0 && !fin {
            self.zero_windows += 1;
        }
        if !self.is_synchronised || (syn && self.syns == 1 && distance(self.next, end) > 0) {
            self.is_synchronised = true;
            self.next = end;
            return;
        }
        if !is_near(self.next, start) {
            self.stray(end);
            return;
        }
        self.strays = 0;
        if distance(self.next, start) > 0 {
            self.holes.open(self.next, start, time, budget);
            self.next = end;
        } else if distance(self.next, end) > 0 {
            if start != self.next {
                // A part of it was sent before.
                self.retransmissions += 1;
                self.holes.fill(start, self.next, budget);
            }
            self.next = end;
        } else if start != end && !(syn && self.syns == 1) {
            let is_keep_alive = length == 1 && !fin && end == self.next;
            match self.holes.fill(start, end, budget) {
                Some(since) if time - since <= reordering => self.out_of_order += 1,
                None if is_keep_alive => {}
                _ => self.retransmissions += 1,
            }
        }
    }

    /// The other side acknowledges what it sent before `ack`.
    #[inline]
    fn is_acknowledged(&mut self, ack: u32, time: Time, budget: &mut Budget) {
        if !self.is_synchronised {
            self.is_synchronised = true;
            self.next = ack;
        } else if distance(self.next, ack) > 1 && is_near(self.next, ack) {
            // A single number may be a FIN that was not captured.
            self.holes.open(self.next, ack, time, budget);
            self.next = ack;
        }
    }

    /// A segment that is nowhere near: it counts for nothing, unless more follow.
    fn stray(&mut self, end: u32) {
        self.strays += 1;
        if self.strays == PATIENCE {
            self.strays = 0;
            self.next = end;
        }
    }
}
