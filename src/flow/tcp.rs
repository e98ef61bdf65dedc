//! What the headers of a TCP conversation tell: handshake, retransmissions, how it ended.

use super::Side;
use super::sequence::{Holes, distance};
use crate::packet::{Tcp as Header, TcpFlags};
use crate::record::{Duration, Time};

/// Both directions of a TCP conversation, from its headers alone.
#[derive(Debug, Clone, Default)]
pub(super) struct Tcp {
    pub(super) halves: [Half; 2],
    /// Time of the last SYN before an answer.
    syn_time: Time,
    /// SYN to the acknowledgment that completes the handshake.
    pub(super) handshake_rtt: Option<Duration>,
    pub(super) resets: u32,
    /// Who reset it first, while it was not yet closed by both.
    reset_by: Option<Side>,
}

/// What one side sent.
#[derive(Debug, Clone, Default)]
pub(super) struct Half {
    /// Control bits of all its segments.
    flags: u8,
    /// Whether `next` is known.
    synchronised: bool,
    window_scale: u8,
    /// Sequence number after the highest byte known to be sent.
    next: u32,
    initial: u32,
    pub(super) syns: u32,
    pub(super) retransmissions: u32,
    pub(super) out_of_order: u32,
    pub(super) zero_windows: u32,
    holes: Option<Box<Holes>>,
}

impl Half {
    const fn has(&self, flag: u16) -> bool {
        self.flags as u16 & flag != 0
    }

    /// Payload that it sent and that is not in the capture, in bytes.
    pub(super) fn lost_bytes(&self) -> u64 {
        self.holes.as_ref().map_or(0, |holes| holes.bytes())
    }

    /// Moves on to `next`, past a hole if there is one.
    fn advance(&mut self, start: u32, next: u32, time: Time) {
        if distance(self.next, start) > 0 {
            self.holes.get_or_insert_default().open(self.next, start, time);
        }
        self.next = next;
    }
}

/// Within this time a segment that fills a hole was reordered; later it was sent again (as tshark has it).
const REORDERING: Duration = Duration::from_nanos(3_000_000);

impl Tcp {
    /// Whether this segment opens another conversation than the one that it meets: a SYN with another initial
    /// sequence number.
    pub(super) fn is_reused_by(&self, from: Side, header: &Header) -> bool {
        let opens = header.flags.has(TcpFlags::SYN) && !header.flags.has(TcpFlags::ACK);
        let half = &self.halves[from.index()];
        opens
            && if half.has(TcpFlags::SYN) {
                half.initial != header.seq
            } else {
                // A SYN that was overtaken by its own answer belongs to it; any other is new.
                half.synchronised && half.next != header.seq.wrapping_add(1)
            }
    }

    /// Whether both sides closed it, or one reset it.
    pub(super) fn is_closed(&self) -> bool {
        self.resets > 0 || self.halves.iter().all(|h| h.has(TcpFlags::FIN))
    }

    /// Takes in the next segment, with the length of its payload on the wire.
    #[inline]
    pub(super) fn segment(&mut self, from: Side, header: &Header, length: u32, time: Time) {
        let flags = header.flags;
        let control = flags.has(TcpFlags::SYN) || flags.has(TcpFlags::FIN);
        let consumed = length + u32::from(flags.has(TcpFlags::SYN)) + u32::from(flags.has(TcpFlags::FIN));
        let end = header.seq.wrapping_add(consumed);
        let (sender, receiver) = self.pair(from);

        if flags.has(TcpFlags::RST) {
            let closed = sender.has(TcpFlags::FIN) && receiver.has(TcpFlags::FIN);
            self.resets += 1;
            if !closed && self.reset_by.is_none() {
                self.reset_by = Some(from);
            }
            self.halves[from.index()].flags |= TcpFlags::RST as u8;
            return;
        }
        if sender.synchronised {
            let ahead = distance(sender.next, end);
            let keep_alive = length <= 1 && !control && end.wrapping_sub(length) == sender.next.wrapping_sub(1);
            if ahead > 0 {
                if distance(header.seq, sender.next) > 0 {
                    // Part of it is new; the rest was sent before.
                    sender.retransmissions += 1;
                    sender.next = end;
                } else {
                    sender.advance(header.seq, end, time);
                }
            } else if consumed > 0 && !keep_alive {
                let filled = sender.holes.as_mut().and_then(|holes| holes.fill(header.seq, end));
                if filled.is_some_and(|since| time - since <= REORDERING) {
                    sender.out_of_order += 1;
                } else {
                    sender.retransmissions += 1;
                }
            }
        } else {
            sender.synchronised = true;
            sender.next = end;
        }
        sender.flags |= (flags.0 & 0xff) as u8;

        if flags.has(TcpFlags::SYN) {
            sender.initial = header.seq;
            sender.syns += 1;
            sender.window_scale = header.window_scale.unwrap_or(0);
            if !flags.has(TcpFlags::ACK) && !receiver.has(TcpFlags::SYN) {
                self.syn_time = time;
                return;
            }
        } else if header.window == 0 && !flags.has(TcpFlags::FIN) {
            sender.zero_windows += 1;
        }
        if flags.has(TcpFlags::ACK) {
            if receiver.synchronised {
                let unseen = distance(receiver.next, header.ack);
                // A single number may be a FIN that was not captured.
                if unseen > 1 && unseen < 1 << 30 {
                    receiver.advance(header.ack, header.ack, time);
                }
            } else {
                receiver.synchronised = true;
                receiver.next = header.ack;
            }
            let complete = sender.has(TcpFlags::SYN) && receiver.has(TcpFlags::SYN);
            if complete && self.handshake_rtt.is_none() && !flags.has(TcpFlags::SYN) && self.syn_time != Time::default()
            {
                self.handshake_rtt = Some(time - self.syn_time);
            }
        }
    }

    fn pair(&mut self, from: Side) -> (&mut Half, &mut Half) {
        let [originator, responder] = &mut self.halves;
        match from {
            Side::Originator => (originator, responder),
            Side::Responder => (responder, originator),
        }
    }

    /// How the conversation stands, in Zeek's codes (`conn_state` of its conn.log) and in words.
    pub(super) fn state(&self) -> (&'static str, &'static str) {
        use TcpFlags as F;
        let [o, r] = &self.halves;
        let answered = r.flags & !(F::RST as u8) != 0;
        match (o.has(F::SYN), r.has(F::SYN)) {
            (true, false) if !answered => match (r.has(F::RST), o.has(F::RST), o.has(F::FIN)) {
                (true, ..) => ("REJ", "refused"),
                (_, true, _) => ("RSTOS0", "given up by client"),
                (_, _, true) => ("SH", "closed by client, no answer"),
                _ => ("S0", "no answer"),
            },
            (true, _) => match (self.reset_by, o.has(F::FIN), r.has(F::FIN)) {
                (Some(Side::Originator), ..) => ("RSTO", "reset by client"),
                (Some(Side::Responder), ..) => ("RSTR", "reset by server"),
                (None, true, true) => ("SF", "closed"),
                (None, true, false) => ("S2", "half-closed by client"),
                (None, false, true) => ("S3", "half-closed by server"),
                (None, false, false) => ("S1", "open"),
            },
            (false, true) if self.reset_by == Some(Side::Responder) => ("RSTRH", "reset by server"),
            (false, true) if r.has(F::FIN) && !o.synchronised => ("SHR", "closed by server"),
            (false, _) => (
                "OTH",
                match (self.reset_by, o.has(F::FIN), r.has(F::FIN)) {
                    (Some(Side::Originator), ..) => "reset by client",
                    (Some(Side::Responder), ..) => "reset by server",
                    (None, true, true) => "closed",
                    (None, true, false) => "half-closed by client",
                    (None, false, true) => "half-closed by server",
                    (None, false, false) => "open",
                },
            ),
        }
    }

    /// SYNs that got no answer.
    pub(super) fn unanswered_syns(&self) -> u32 {
        let [originator, responder] = &self.halves;
        let answered = responder.flags != 0;
        originator.syns.saturating_sub(u32::from(answered))
    }

    /// Exchanges the sides, for when it turns out that the originator is the other one.
    pub(super) fn swap(&mut self) {
        self.halves.swap(0, 1);
        self.reset_by = self.reset_by.map(Side::other);
    }
}
