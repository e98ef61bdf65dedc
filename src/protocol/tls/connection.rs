//! TLS over one TCP conversation.

use super::draft::{Context, Draft};
use super::flags::Flags;
use super::hello::ClientHello;
use super::preamble::Preamble;
use super::records::{Beginning, Content, Records, recognise};
use crate::flow::Side;
use crate::record::Time;

/// Reads both sides of a conversation until all is encrypted, or until it is not TLS.
#[derive(Debug, Default)]
pub(super) struct Connection {
    draft: Draft,
    sides: [Reading; 2],
    /// The dialogue in text, if it began with one.
    preamble: Option<Preamble>,
    /// Stretches that were missing before all was encrypted, and their bytes.
    gaps: (u64, u64),
    is_foreign: bool,
}

#[derive(Debug)]
enum Reading {
    /// Bytes that do not tell yet what they begin, and when the first of them came.
    Begin(Vec<u8>, Time),
    /// In the middle of a line of text.
    Line,
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
        let side = &mut self.sides[from.index()];
        if self.draft.is_done(from) {
            return;
        }
        if let Reading::Records(_) = side {
            return self.records(context, from, bytes, time);
        }
        if let Reading::Begin(held, began) = side
            && !held.is_empty()
        {
            let (before, began) = (held.len(), *began);
            held.extend_from_slice(bytes);
            let bytes = std::mem::take(held);
            return self.begin(context, from, &bytes, [began, time], before);
        }
        self.begin(context, from, bytes, [time, time], 0);
    }

    /// Bytes of a side that may begin TLS: some that came before, at the first time, and new ones, of the second.
    fn begin(&mut self, context: &mut Context<'_>, from: Side, mut bytes: &[u8], times: [Time; 2], mut before: usize) {
        let [mut began, time] = times;
        loop {
            if let (Reading::Line, Some(preamble)) = (&self.sides[from.index()], &mut self.preamble) {
                match preamble.line(&mut bytes) {
                    None => return self.foreign(from),
                    Some(false) => return,
                    // New bytes begin the next line, or it would have been looked at before.
                    Some(true) => (self.sides[from.index()], began, before) = (Reading::default(), time, 0),
                }
            }
            if bytes.is_empty() {
                return;
            }
            let beginning = recognise(bytes);
            let is_text = match beginning {
                Beginning::Foreign if self.preamble.is_some() => Some(true),
                Beginning::Foreign if self.draft.client().is_none() => Preamble::opens(bytes),
                _ => Some(false),
            };
            match (is_text, beginning) {
                (Some(true), _) => {
                    self.preamble.get_or_insert_default();
                    self.sides[from.index()] = Reading::Line;
                }
                (None, _) | (_, Beginning::Undecided) => {
                    self.sides[from.index()] = Reading::Begin(bytes.to_vec(), began);
                    return;
                }
                (_, Beginning::Ssl2Hello(length)) if length > bytes.len() => {
                    self.sides[from.index()] = Reading::Begin(bytes.to_vec(), began);
                    return;
                }
                (_, Beginning::Foreign) => return self.foreign(from),
                _ => return self.recognised(context, from, beginning, bytes, [began, time], before),
            }
        }
    }

    /// A side begins TLS, in that way.
    fn recognised(
        &mut self,
        context: &mut Context<'_>,
        from: Side,
        beginning: Beginning,
        bytes: &[u8],
        times: [Time; 2],
        before: usize,
    ) {
        let [began, time] = times;
        self.sides[from.index()] = Reading::Records(Records::default());
        if self.preamble.is_some() {
            self.draft.note(Flags::UPGRADED);
        }
        match beginning {
            Beginning::Ssl2Hello(length) => {
                let (hello, rest) = bytes.split_at(length.min(bytes.len()));
                self.draft.note(Flags::SSL2_HELLO);
                self.draft.client_hello(context, from, ClientHello::parse_ssl2(hello), times);
                return self.records(context, from, rest, time);
            }
            Beginning::ClientHello | Beginning::ServerHello => {
                let client = if beginning == Beginning::ClientHello { from } else { from.other() };
                if !self.draft.begin(client, began) {
                    return self.draft.malformed(context, from);
                }
            }
            Beginning::Alert | Beginning::Foreign | Beginning::Undecided => {}
        }
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
