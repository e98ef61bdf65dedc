//! TLS over one TCP conversation.

use super::draft::{Context, Draft};
use super::flags::Flags;
use super::hello::ClientHello;
use super::records::{Beginning, Content, Records, recognise};
use crate::flow::Side;
use crate::record::Time;

/// Reads both sides of a conversation until all is encrypted, or until it is not TLS.
#[derive(Debug, Default)]
pub(super) struct Connection {
    draft: Draft,
    sides: [Reading; 2],
    /// Stretches that were missing before all was encrypted, and their bytes.
    gaps: (u64, u64),
    is_foreign: bool,
}

#[derive(Debug)]
enum Reading {
    /// Bytes that do not tell yet what they begin, and when the first of them came.
    Begin(Vec<u8>, Time),
    Records(Records),
}

impl Default for Reading {
    fn default() -> Self {
        Self::Begin(Vec::new(), Time::MIN)
    }
}

impl Connection {
    /// Whether nothing more can be read that belongs to a row.
    pub(super) fn is_over(&self) -> bool {
        self.is_foreign || self.draft.is_over()
    }

    /// The next bytes of a side.
    pub(super) fn data(&mut self, context: &mut Context<'_>, from: Side, bytes: &[u8], time: Time) {
        if self.draft.is_done(from) {
            return;
        }
        match &mut self.sides[from.index()] {
            Reading::Records(_) => self.records(context, from, bytes, time),
            Reading::Begin(held, _) if held.is_empty() => self.begin(context, from, bytes, [time, time], 0),
            Reading::Begin(held, began) => {
                let (before, began) = (held.len(), *began);
                held.extend_from_slice(bytes);
                let bytes = std::mem::take(held);
                self.begin(context, from, &bytes, [began, time], before);
            }
        }
    }

    /// All that a side has sent so far: bytes that came before, of the first time, and new ones, of the second.
    fn begin(&mut self, context: &mut Context<'_>, from: Side, bytes: &[u8], times: [Time; 2], before: usize) {
        let [began, time] = times;
        let beginning = recognise(bytes);
        match beginning {
            Beginning::Foreign => return self.foreign(from),
            Beginning::Ssl2Hello(length) if length <= bytes.len() => {
                let (hello, rest) = bytes.split_at(length);
                self.draft.note(Flags::SSL2_HELLO);
                self.draft.client_hello(context, from, ClientHello::parse_ssl2(hello), times);
                self.sides[from.index()] = Reading::Records(Records::default());
                return self.records(context, from, rest, time);
            }
            Beginning::Undecided | Beginning::Ssl2Hello(_) => {
                self.sides[from.index()] = Reading::Begin(bytes.to_vec(), began);
                return;
            }
            Beginning::ClientHello | Beginning::ServerHello => {
                let client = if beginning == Beginning::ClientHello { from } else { from.other() };
                if !self.draft.begin(client, began) {
                    return self.draft.malformed(context, from);
                }
            }
            Beginning::Alert => {}
        }
        self.sides[from.index()] = Reading::Records(Records::default());
        self.records(context, from, &bytes[..before], began);
        self.records(context, from, &bytes[before..], time);
    }

    fn records(&mut self, context: &mut Context<'_>, from: Side, mut bytes: &[u8], time: Time) {
        let Reading::Records(records) = &mut self.sides[from.index()] else { return };
        while !self.draft.is_done(from) {
            match records.next(&mut bytes) {
                None => break,
                Some(Content::Handshake(bytes)) => self.draft.handshake(context, from, bytes, time),
                Some(Content::Alert(alert)) => self.draft.alert(from, alert),
                Some(Content::ChangeCipherSpec) => self.draft.change_cipher_spec(from),
                Some(Content::Encrypted) => self.draft.stop(from),
                Some(Content::Bad) => self.draft.malformed(context, from),
            }
        }
    }

    /// What a side sends is not TLS.
    fn foreign(&mut self, from: Side) {
        match self.draft.client() {
            None => self.is_foreign = true,
            Some(client) if client == from => self.draft.stop(from),
            Some(_) => {
                self.draft.note(Flags::ANSWER_NOT_TLS);
                Side::BOTH.into_iter().for_each(|side| self.draft.stop(side));
            }
        }
    }

    /// That many bytes of a side are missing.
    pub(super) fn gap(&mut self, from: Side, bytes: u64) {
        if !self.draft.is_done(from) {
            self.gaps.0 += 1;
            self.gaps.1 += bytes;
            self.draft.stop(from);
        }
    }

    /// A side sends nothing more.
    pub(super) fn end(&mut self, from: Side) {
        self.draft.stop(from);
    }

    /// What was seen, when no more will come; none if this is not TLS: what other protocols miss is not missing from it.
    pub(super) fn close(mut self, context: &mut Context<'_>) -> Option<Draft> {
        self.draft.client()?;
        let (gaps, bytes) = self.gaps;
        if gaps > 0 {
            context.loss.gaps += gaps;
            context.loss.gap_bytes += bytes;
            self.draft.note(Flags::GAP);
        }
        Some(self.draft)
    }
}
