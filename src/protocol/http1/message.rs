//! A message: its head, what is kept of its body, and when it was seen.

use super::coding;
use super::connection::Context;
use super::flags::Flags;
use super::framing::Method;
use super::head::Head;
use super::reader::Start;
use crate::limits::Limits;
use crate::record::Time;

/// A request or a response.
#[derive(Debug)]
pub(super) struct Message {
    /// When its first byte was captured.
    pub(super) time: Time,
    /// When its last byte was captured, if it was.
    pub(super) end: Option<Time>,
    /// Start line and header fields.
    pub(super) head: Head,
    /// The status of a response, so that it need not be read again.
    pub(super) status: u16,
    /// The method of a request.
    pub(super) method: Method,
    /// How many bytes of the body were seen, without chunk headers, as sent.
    pub(super) body_seen: u64,
    /// The body, if it was asked for: decoded when the message is over.
    pub(super) body: Option<Vec<u8>>,
    /// Trailer fields (RFC 9112, section 7.1.2).
    pub(super) trailers: Vec<u8>,
    /// What is remarkable.
    pub(super) flags: Flags,
    /// Whether nothing more comes: it ended, or it could not be followed to its end.
    pub(super) over: bool,
    /// Whether the bytes of the body that come next follow those that are kept.
    keeps: bool,
    /// Whether the body may have codings to undo.
    coded: bool,
}

impl Message {
    /// A message of which the head has come.
    pub(super) fn new(start: Start, context: &Context<'_>) -> Self {
        let Start { head, framing, time, resynchronised } = start;
        let resynchronised = if resynchronised { Flags::RESYNCHRONISED } else { Flags::NONE };
        Self {
            time,
            end: None,
            head,
            status: framing.status,
            method: framing.method,
            body_seen: 0,
            body: context.settings.bodies.then(Vec::new),
            trailers: Vec::new(),
            flags: framing.findings() | resynchronised,
            over: false,
            keeps: true,
            coded: framing.coded,
        }
    }

    /// Takes in bytes of the body.
    pub(super) fn append(&mut self, context: &mut Context<'_>, bytes: &[u8]) {
        self.body_seen += bytes.len() as u64;
        let Some(body) = self.body.as_mut().filter(|_| self.keeps) else { return };
        let room = context.settings.limits.http_body_bytes.saturating_sub(body.len());
        body.extend_from_slice(&bytes[..room.min(bytes.len())]);
        if bytes.len() > room {
            self.keeps = false;
            self.cut(context, Flags::BODY_LIMIT);
        }
    }

    /// A part of the body is missing from the capture.
    pub(super) fn miss(&mut self, flag: Flags) {
        self.flags |= flag;
        self.keeps = false;
    }

    /// A limit bit. A message counts once, whatever is cut.
    pub(super) fn cut(&mut self, context: &mut Context<'_>, flag: Flags) {
        if !self.flags.has_any(Flags::CUT_HEAD | Flags::BODY_LIMIT | Flags::DECODED_LIMIT) {
            context.loss.http_cut += 1;
        }
        self.flags |= flag;
    }

    /// Nothing more of it comes; `end` is when its last byte was captured.
    ///
    /// This is when a body is decoded: a bound that bites has to be told before anything is concluded, and a body is
    /// only kept where it was asked for.
    pub(super) fn finish(&mut self, context: &mut Context<'_>, end: Option<Time>) {
        self.over = true;
        self.end = end;
        let Some(body) = self.body.as_mut().filter(|_| self.coded) else { return };
        let codings = ["content-encoding", "transfer-encoding"].map(|name| self.head.fields_named(name));
        let codings: Vec<_> = codings.into_iter().flatten().collect();
        let limit = context.settings.limits.http_decoded_bytes;
        let (decoded, flags) =
            coding::decode(body, codings.iter().map(AsRef::as_ref), limit, self.keeps && end.is_some());
        if let Some(mut decoded) = decoded {
            decoded.shrink_to_fit();
            *body = decoded;
        }
        if flags.has(Flags::DECODED_LIMIT) {
            self.cut(context, Flags::DECODED_LIMIT);
        }
        self.flags |= flags;
    }

    /// Whether all of it was captured.
    pub(super) fn is_complete(&self) -> bool {
        let missing = Flags::GAP_IN_REQUEST_BODY | Flags::GAP_IN_RESPONSE_BODY;
        self.end.is_some() && !self.flags.has_any(missing)
    }

    /// How much memory its content takes, in bytes.
    pub(super) fn held(&self) -> usize {
        self.head.len() + self.body.as_ref().map_or(0, Vec::len) + self.trailers.len()
    }
}

/// How many bytes may wait in one connection for what completes them: two messages of the greatest size.
pub(super) fn held_limit(limits: &Limits) -> usize {
    limits.http_head_bytes.saturating_add(limits.http_body_bytes).saturating_mul(2)
}
