//! How each side of a TCP conversation stands, and what follows for the whole: Zeek's `conn_state`.

use super::Side;
use crate::packet::TcpFlags;

/// How a side stands, as far as its own segments tell. The states and their changes are those of Zeek, so that
/// [`conn_state`] agrees with its conn.log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Endpoint {
    /// It sent nothing.
    #[default]
    Inactive,
    /// It sent a SYN that was not answered by one.
    SynSent,
    /// Both sent a SYN.
    Established,
    /// It sent something, and no SYN of it was captured.
    Partial,
    /// It sent a FIN.
    Closed,
    /// It sent a RST.
    Reset,
    /// It sent a FIN and then a RST, which is an orderly end if the other side sends a FIN too.
    ClosedThenReset,
}

use Endpoint::{Closed, ClosedThenReset, Established, Inactive, Partial, Reset, SynSent};

/// How both sides stand, the originator first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Endpoints(pub(super) [Endpoint; 2]);

impl Endpoints {
    /// Takes in a segment that `from` sent, with the length of its payload.
    #[inline]
    pub(super) fn segment(&mut self, from: Side, flags: TcpFlags, length: u32) {
        let (sender, receiver) = (from.index(), from.other().index());
        let peer = self.0[receiver];
        let has_any = |bits| flags.0 & bits != 0;
        let next = match self.0[sender] {
            Established if !has_any(TcpFlags::FIN | TcpFlags::RST) => return,
            Inactive if !has_any(TcpFlags::SYN | TcpFlags::FIN | TcpFlags::RST) => match peer {
                // Some systems acknowledge a SYN before they answer it.
                SynSent if length == 0 => Inactive,
                // The SYN of this side is missing from the capture.
                Established if flags.has(TcpFlags::ACK) => Established,
                _ => Partial,
            },
            Closed if peer != Closed && flags.has(TcpFlags::RST) => ClosedThenReset,
            state @ (Closed | Reset | ClosedThenReset) => state,
            _ if flags.has(TcpFlags::RST) => Reset,
            _ if flags.has(TcpFlags::FIN) => Closed,
            Inactive | Partial if flags.has(TcpFlags::SYN) => match (from, peer) {
                (_, SynSent | Established) | (Side::Responder, _) => Established,
                (Side::Originator, _) => SynSent,
            },
            state => state,
        };
        self.0[sender] = next;
        self.0[receiver] = match (next, peer) {
            (Established, SynSent) => Established,
            (Closed, ClosedThenReset) => Closed,
            _ => peer,
        };
    }

    /// Whether both sides closed it, or one reset it.
    pub(super) fn is_closed(self) -> bool {
        self.0 == [Closed; 2] || self.0.iter().any(|side| side.is_reset())
    }

    /// Whether it is a SYN that nothing was heard of yet.
    pub(super) fn is_attempt(self) -> bool {
        self.0 == [SynSent, Inactive]
    }

    /// Exchanges the sides.
    pub(super) fn swap(&mut self) {
        self.0.swap(0, 1);
    }
}

impl Endpoint {
    const fn is_reset(self) -> bool {
        matches!(self, Reset | ClosedThenReset)
    }

    /// Whether nothing tells that it took part in the handshake.
    const fn is_absent(self) -> bool {
        matches!(self, Inactive | Partial)
    }
}

/// What else [`conn_state`] asks for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Circumstances {
    /// The originator sent a SYN.
    pub(super) has_syn: bool,
    /// The originator acknowledged something: there was an answer, captured or not.
    pub(super) was_answered: bool,
    /// Any payload was sent.
    pub(super) has_payload: bool,
}

/// How a conversation stands, as `conn_state` of Zeek's conn.log has it, and in words.
pub(super) fn conn_state(endpoints: Endpoints, circumstances: Circumstances) -> (&'static str, &'static str) {
    let Circumstances { has_syn, was_answered, has_payload } = circumstances;
    let Endpoints([originator, responder]) = endpoints;
    match (originator, responder) {
        (SynSent, Reset | ClosedThenReset) => ("REJ", "refused"),
        (Reset | ClosedThenReset, Reset | ClosedThenReset) => {
            (if has_payload { "RSTR" } else { "REJ" }, "reset by both")
        }
        (o, r) if r.is_reset() => (if o.is_absent() { "RSTRH" } else { "RSTR" }, "reset by server"),
        (o, r) if o.is_reset() => match r.is_absent() {
            true if has_syn && !was_answered && o == Reset => ("RSTOS0", "given up by client"),
            true => ("OTH", "reset by client"),
            false => ("RSTO", "reset by client"),
        },
        (Closed, Closed) => ("SF", "closed"),
        (Closed, Inactive) if was_answered => ("SH", "closed by client, answers not captured"),
        (Closed, Inactive) => ("SH", "closed by client, no answer"),
        (Closed, r) => (if r.is_absent() { "SH" } else { "S2" }, "half-closed by client"),
        (Inactive, Closed) => ("SHR", "closed by server, requests not captured"),
        (o, Closed) => (if o.is_absent() { "SHR" } else { "S3" }, "half-closed by server"),
        (SynSent, Inactive) if was_answered => ("S0", "open, answers not captured"),
        (SynSent, Inactive) => ("S0", "no answer"),
        (Established, Established) => ("S1", "open"),
        (Inactive, Established) => ("OTH", "open, requests not captured"),
        _ => ("OTH", "open"),
    }
}
