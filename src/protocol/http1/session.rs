//! A connection that speaks HTTP/1.x: what its two sides send, put together.

use super::connection::Context;
use super::flags::Flags;
use super::framing::{BodyLength, Method};
use super::message::Message;
use super::pairing::Pairing;
use super::reader::{Beginning, Missing, Part, Reader, Segment, Start};
use super::start_line::{Opening, Sends, opening};
use crate::record::Time;

/// The state of a connection of which at least one start line was seen.
#[derive(Debug)]
pub(super) struct Session {
    requests: Reader,
    responses: Reader,
    pairing: Pairing,
    /// What the client sent after CONNECT, of which the answer decides what it is.
    undecided: Option<Undecided>,
    requests_ended: bool,
    responses_ended: bool,
    /// When the last thing happened.
    now: Time,
    /// Whether nothing more comes of it.
    done: bool,
}

#[derive(Debug)]
struct Undecided {
    bytes: Vec<u8>,
    time: Time,
    /// Whether some of them are missing.
    torn: bool,
}

impl Session {
    /// A connection of which that is known before the first bytes that it is given.
    pub(super) fn new(pairing: Pairing, requests: Beginning, responses: Beginning) -> Self {
        Self {
            requests: Reader::new(Sends::Requests, requests),
            responses: Reader::new(Sends::Responses, responses),
            pairing,
            undecided: None,
            requests_ended: false,
            responses_ended: false,
            now: Time::MIN,
            done: false,
        }
    }

    /// Whether nothing more comes of it.
    pub(super) fn is_done(&self) -> bool {
        self.done
    }

    /// The next bytes of a side.
    pub(super) fn data(&mut self, context: &mut Context<'_>, sends: Sends, bytes: &[u8], time: Time) {
        if self.done || self.has_ended(sends) {
            return;
        }
        self.now = time;
        let mut segment = Segment::new(bytes, time);
        match (sends, &mut self.undecided) {
            (Sends::Requests, Some(undecided)) => {
                undecided.take(&mut segment, context.settings.limits.http_head_bytes);
                return;
            }
            (Sends::Requests, None) => {}
            (Sends::Responses, _) => self.recognise_missing_body(context, &segment),
        }
        self.read(context, sends, &mut segment, Some(time));
    }

    /// A response to an unknown request has no body, whatever its head says, if that was HEAD. Another status line in
    /// its place tells.
    fn recognise_missing_body(&mut self, context: &mut Context<'_>, segment: &Segment<'_>) {
        if !self.pairing.answers_unknown() || opening(segment.rest(), Sends::Responses) != Opening::Yes {
            return;
        }
        if let Some(response) = self.pairing.open(Sends::Responses)
            && response.body_seen == 0
        {
            let end = response.time;
            self.responses.end_without_body();
            self.pairing.finish(context, Sends::Responses, Some(end));
        }
    }

    /// Reads a segment; `end` is its time, if the last byte before it was not missing.
    fn read(&mut self, context: &mut Context<'_>, sends: Sends, segment: &mut Segment<'_>, end: Option<Time>) {
        let head_limit = context.settings.limits.http_head_bytes;
        loop {
            let reader = match sends {
                Sends::Requests => &mut self.requests,
                Sends::Responses => &mut self.responses,
            };
            let Some(part) = reader.next(segment, head_limit) else { return };
            match part {
                Part::Head(start) => {
                    match sends {
                        Sends::Requests => self.request(context, start),
                        Sends::Responses => self.response(context, start, end),
                    }
                    if self.done {
                        return;
                    }
                }
                Part::CutHead(start) => self.partial_head(context, sends, start, Flags::CUT_HEAD),
                Part::Body(bytes) => {
                    if let Some(message) = self.pairing.open(sends) {
                        message.append(context, bytes);
                    }
                }
                Part::End(trailers) => {
                    let connect = self.end(context, sends, trailers, end);
                    if connect {
                        self.undecided = Some(Undecided::new(segment, context.settings.limits.http_head_bytes));
                        return;
                    }
                }
                Part::CutTrailers => {
                    if let Some(message) = self.pairing.open(sends) {
                        message.cut(context, Flags::CUT_HEAD);
                    }
                    self.torn(context, sends, false);
                }
                Part::BadChunk => {
                    if let Some(message) = self.pairing.open(sends) {
                        message.flags |= Flags::BAD_CHUNK;
                    }
                    self.torn(context, sends, false);
                }
                Part::NoMessage => self.lost(context, sends, sends == Sends::Requests),
                Part::Skipped(bytes) => {
                    context.loss.http_skipped_bytes += bytes as u64;
                    self.lost(context, sends, false);
                }
            }
        }
    }

    fn request(&mut self, context: &mut Context<'_>, start: Start) {
        let length = start.framing.of_request();
        self.pairing.begin_request(context, Message::new(start, context));
        self.requests.begin_body(length);
        if length == BodyLength::Unknown {
            self.torn(context, Sends::Requests, false);
        }
    }

    fn response(&mut self, context: &mut Context<'_>, start: Start, end: Option<Time>) {
        let framing = start.framing;
        if let 100 | 102..=199 = framing.status {
            self.pairing.interim(framing.status);
            self.responses.end_without_body();
            return;
        }
        let mut method = self.pairing.place_response(context, start.time);
        if self.pairing.answers_unknown() && self.undecided.is_some() {
            method = Method::Connect;
        }
        let length = framing.of_response(method);
        self.pairing.begin_response(Message::new(start, context));
        self.responses.begin_body(length);
        match length {
            BodyLength::Tunnel => {
                self.pairing.finish(context, Sends::Responses, end);
                self.pairing.close(context);
                self.done = true;
            }
            BodyLength::Unknown => self.torn(context, Sends::Responses, false),
            _ if method == Method::Connect => self.refuse_tunnel(context),
            _ => {}
        }
    }

    /// What followed CONNECT was no tunnel: it is requests.
    fn refuse_tunnel(&mut self, context: &mut Context<'_>) {
        let Some(undecided) = self.undecided.take() else { return };
        if undecided.torn {
            self.gap(context, Sends::Requests, 1, self.now);
        } else {
            self.read(
                context,
                Sends::Requests,
                &mut Segment::new(&undecided.bytes, undecided.time),
                Some(undecided.time),
            );
        }
        if self.requests_ended {
            self.finish_side(context, Sends::Requests, None);
        }
    }

    /// The end of a message; gives whether it is a CONNECT request.
    fn end(&mut self, context: &mut Context<'_>, sends: Sends, trailers: Vec<u8>, end: Option<Time>) -> bool {
        let Some(message) = self.pairing.open(sends) else { return false };
        message.trailers = trailers;
        let connect = message.method == Method::Connect;
        self.pairing.finish(context, sends, end);
        connect
    }

    /// A head of which only the beginning is there.
    fn partial_head(&mut self, context: &mut Context<'_>, sends: Sends, start: Start, flag: Flags) {
        let framing = start.framing;
        let mut tunnel = false;
        if sends == Sends::Responses && matches!(framing.status, 100 | 102..=199) {
            self.pairing.interim(framing.status);
        } else {
            if sends == Sends::Responses {
                let method = self.pairing.place_response(context, start.time);
                tunnel = framing.of_response(method) == BodyLength::Tunnel;
            }
            let mut message = Message::new(start, context);
            if flag.has(Flags::CUT_HEAD) {
                message.cut(context, flag);
            }
            message.flags |= flag;
            match sends {
                Sends::Requests => self.pairing.begin_request(context, message),
                Sends::Responses => self.pairing.begin_response(message),
            }
        }
        self.torn(context, sends, false);
        if tunnel {
            self.pairing.close(context);
            self.done = true;
        }
    }

    /// A message cannot be followed to its end, and what comes next neither.
    fn torn(&mut self, context: &mut Context<'_>, sends: Sends, surely: bool) {
        self.pairing.finish(context, sends, None);
        self.lost(context, sends, surely);
    }

    fn lost(&mut self, context: &mut Context<'_>, sends: Sends, surely: bool) {
        match sends {
            Sends::Requests => self.pairing.requests_lost(context, surely),
            Sends::Responses => self.pairing.responses_lost(context, surely, self.now),
        }
    }

    /// Bytes of a side are missing.
    pub(super) fn gap(&mut self, context: &mut Context<'_>, sends: Sends, bytes: u64, time: Time) {
        if self.done || self.has_ended(sends) || bytes == 0 {
            return;
        }
        self.now = time;
        let (reader, in_head, in_body) = match sends {
            Sends::Requests => {
                if let Some(undecided) = &mut self.undecided {
                    undecided.torn = true;
                    return;
                }
                (&mut self.requests, Flags::GAP_IN_REQUEST_HEAD, Flags::GAP_IN_REQUEST_BODY)
            }
            Sends::Responses => (&mut self.responses, Flags::GAP_IN_RESPONSE_HEAD, Flags::GAP_IN_RESPONSE_BODY),
        };
        let missing = reader.gap(bytes);
        if matches!(missing, Missing::InBody | Missing::EndOfBody { .. })
            && let Some(message) = self.pairing.open(sends)
        {
            message.miss(in_body);
        }
        match missing {
            Missing::InBody => {}
            Missing::Nothing => self.lost(context, sends, false),
            Missing::EndOfBody { beyond } => self.torn(context, sends, beyond),
            Missing::InHead(start) => self.partial_head(context, sends, start, in_head),
            Missing::Beginning => self.lost(context, sends, true),
        }
        self.read(context, sends, &mut Segment::new(&[], time), None);
    }

    fn has_ended(&self, sends: Sends) -> bool {
        match sends {
            Sends::Requests => self.requests_ended,
            Sends::Responses => self.responses_ended,
        }
    }

    /// A side sends nothing more.
    pub(super) fn end_side(&mut self, context: &mut Context<'_>, sends: Sends, time: Time) {
        if self.done || self.has_ended(sends) {
            return;
        }
        self.now = time;
        match sends {
            Sends::Requests => self.requests_ended = true,
            Sends::Responses => self.responses_ended = true,
        }
        if sends == Sends::Responses || self.undecided.is_none() {
            self.finish_side(context, sends, Some(time));
        }
        if self.requests_ended && self.responses_ended {
            self.close(context);
        }
    }

    /// The last message of a side is over: where its body ends with the connection, at that time.
    fn finish_side(&mut self, context: &mut Context<'_>, sends: Sends, time: Option<Time>) {
        let reader = match sends {
            Sends::Requests => &mut self.requests,
            Sends::Responses => &mut self.responses,
        };
        let end = time.filter(|_| reader.is_until_close());
        match reader.unfinished() {
            Some(start) => self.partial_head(context, sends, start, Flags::default()),
            None => {
                context.loss.http_skipped_bytes += reader.discard() as u64;
                self.pairing.finish(context, sends, end);
            }
        }
        match sends {
            Sends::Requests => self.pairing.requests_over(context),
            Sends::Responses => self.pairing.responses_over(context),
        }
    }

    /// Nothing more comes.
    pub(super) fn close(&mut self, context: &mut Context<'_>) {
        if self.done {
            return;
        }
        self.done = true;
        self.finish_side(context, Sends::Responses, None);
        self.finish_side(context, Sends::Requests, None);
        self.pairing.close(context);
    }
}

impl Undecided {
    fn new(segment: &mut Segment<'_>, limit: usize) -> Self {
        let mut undecided = Self { bytes: Vec::new(), time: segment.time(), torn: false };
        undecided.take(segment, limit);
        undecided
    }

    fn take(&mut self, segment: &mut Segment<'_>, limit: usize) {
        if self.bytes.is_empty() {
            self.time = segment.time();
        }
        let Some(bytes) = segment.take_all() else { return };
        let is_other = self.bytes.is_empty() && opening(bytes, Sends::Requests) == Opening::No;
        if is_other || self.torn || bytes.len() > limit.saturating_sub(self.bytes.len()) {
            self.torn = true;
            self.bytes = Vec::new();
        } else {
            self.bytes.extend_from_slice(bytes);
        }
    }
}
