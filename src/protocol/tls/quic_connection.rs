//! TLS in the Initial packets of one QUIC connection (RFC 9001, section 4).

use super::super::quic::{self, Event};
use super::draft::{Context, Draft};
use super::flags::Flags;
use crate::flow::{Datagram, Side};

/// Reads both sides of a conversation until the ServerHello, or until it is not QUIC.
#[derive(Debug, Default)]
pub(super) struct QuicConnection {
    draft: Draft,
    quic: quic::Connection,
    is_foreign: bool,
    /// Whether there was an Initial packet that could not be opened.
    is_locked: bool,
}

/// An error code that says which alert TLS would have sent (RFC 9001, section 4.8).
const CRYPTO_ERROR: std::ops::RangeInclusive<u64> = 0x0100..=0x01ff;

const FATAL: u8 = 2;

impl QuicConnection {
    /// Whether nothing more can be read that belongs to a row.
    pub(super) fn is_over(&self) -> bool {
        self.is_foreign || self.draft.is_over()
    }

    /// The next datagram.
    pub(super) fn datagram(&mut self, context: &mut Context<'_>, datagram: &Datagram<'_>) {
        let &Datagram { from, bytes, length, time } = datagram;
        let (draft, is_cut) = (&mut self.draft, (bytes.len() as u64) < u64::from(length));
        let (mut is_broken, limit) = (false, context.limits.tls_hello_bytes);
        let is_quic = self.quic.datagram(from, bytes, limit, &mut |event| match event {
            Event::Crypto(from, bytes) => draft.handshake(context, from, bytes, time),
            Event::TooMuch(from) => {
                if !draft.is_done(from) {
                    draft.cut(context, from);
                }
            }
            Event::Close(by, code) => {
                if CRYPTO_ERROR.contains(&code) {
                    draft.alert(by, [FATAL, code as u8]);
                }
                draft.stop(by);
                draft.stop_both();
            }
            Event::Restart => draft.restart(),
            Event::Retry => draft.note(Flags::QUIC_RETRY),
            Event::VersionNegotiation => draft.note(Flags::QUIC_VERSION_NEGOTIATION),
            Event::Established => Side::BOTH.into_iter().for_each(|side| draft.stop(side)),
            Event::Locked => self.is_locked = true,
            Event::Incomplete => is_broken = true,
        });
        if is_broken && is_cut {
            context.loss.cut_packets += 1;
        }
        self.is_foreign = !is_quic || self.quic.client().is_none() && is_broken && !is_cut;
        if let Some(client) = self.quic.client() {
            draft.begin(client, time);
        }
    }

    /// What was seen, when no more will come; none if that is no handshake.
    pub(super) fn close(mut self, context: &mut Context<'_>) -> Option<Draft> {
        let Some(client) = self.quic.client() else {
            context.loss.tls_unread += u64::from(self.is_locked);
            return None;
        };
        for side in [client, client.other()] {
            let has_hole = self.quic.has_hole(side);
            let is_locked = self.is_locked && side != client;
            if !self.draft.has_hello(side) && !self.draft.has(Flags::CUT) && (has_hole || is_locked) {
                context.loss.tls_unread += 1;
                if has_hole {
                    self.draft.note(Flags::GAP);
                }
            }
        }
        Some(self.draft)
    }
}
