//! From the segments of one conversation to what its observer is told.

use super::budget::Budget;
use super::record::Flow;
use super::stream::{Payload, Piece, Stream};
use super::{Event, FlowId, Interest, Observer, Side};
use crate::packet::{Frame, Tcp, TcpFlags};
use crate::record::Time;

/// The payload of one conversation, in order, while its observer wants it.
#[derive(Debug, Default)]
pub(super) struct Payloads(Option<Box<[Stream; 2]>>);

impl Payloads {
    /// The payload of a conversation that begins.
    pub(super) fn wanted() -> Self {
        Self(Some(Box::default()))
    }

    /// Whether anyone wants it.
    #[inline]
    pub(super) const fn are_wanted(&self) -> bool {
        self.0.is_some()
    }

    /// Exchanges the sides.
    pub(super) fn swap(&mut self) {
        if let Some(streams) = &mut self.0 {
            streams.swap(0, 1);
        }
    }
}

/// Puts payload in order and hands it to the observer.
pub(super) struct Feed<'a, O> {
    pub(super) id: FlowId,
    pub(super) flow: &'a Flow,
    pub(super) payloads: &'a mut Payloads,
    pub(super) budget: &'a mut Budget,
    pub(super) observer: &'a mut O,
}

impl<O: Observer> Feed<'_, O> {
    /// Takes in a segment that a side sent.
    #[inline]
    pub(super) fn segment(&mut self, from: Side, tcp: &Tcp, frame: &Frame<'_>, time: Time) {
        if tcp.flags.has(TcpFlags::RST) {
            // It carries no payload that counts, and its numbers cannot be relied on.
            return;
        }
        let is_syn = tcp.flags.has(TcpFlags::SYN);
        if tcp.flags.has(TcpFlags::ACK) {
            self.each_piece(from.other(), |stream, budget, emit| {
                if is_syn {
                    stream.begin(tcp.ack);
                } else {
                    stream.acknowledged(tcp.ack, time, budget, emit);
                }
            });
        }
        let is_fin = tcp.flags.has(TcpFlags::FIN) && !is_syn;
        if frame.payload_length == 0 && !is_syn && !is_fin {
            return;
        }
        let seq = tcp.seq.wrapping_add(is_syn.into());
        let length = frame.payload_length;
        self.each_piece(from, |stream, budget, emit| {
            if is_syn {
                stream.begin(seq);
            }
            if length > 0 {
                stream.segment(Payload { seq, bytes: frame.payload, length, time }, budget, emit);
            }
            if is_fin {
                stream.fin(seq.wrapping_add(length), time, budget, emit);
            }
        });
    }

    /// Gives out what is left of both sides.
    pub(super) fn flush(&mut self, time: Time) {
        for side in Side::BOTH {
            self.each_piece(side, |stream, budget, emit| stream.flush(time, budget, emit));
        }
    }

    /// Runs `work` on a side's stream and tells the observer the pieces that it gives.
    #[inline]
    fn each_piece(&mut self, side: Side, work: impl FnOnce(&mut Stream, &mut Budget, &mut dyn FnMut(Piece<'_>))) {
        let Some(streams) = &mut self.payloads.0 else { return };
        let mut interest = Interest::Payload;
        work(&mut streams[side.index()], self.budget, &mut |piece| {
            if interest == Interest::Flow {
                return;
            }
            let event = match piece {
                Piece::Data(bytes, time) => Event::Data(side, bytes, time),
                Piece::Gap(bytes, time) => Event::Gap(side, bytes, time),
                Piece::End(time) => Event::End(side, time),
            };
            interest = self.observer.event(self.id, self.flow, event);
        });
        if interest == Interest::Flow {
            streams.iter_mut().for_each(|stream| stream.forget(self.budget));
            self.payloads.0 = None;
        }
    }
}
