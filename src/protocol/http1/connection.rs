//! One connection: two directions of bytes in, exchanges out.

use std::net::SocketAddr;

use memchr::memchr;

use super::HttpExchange;
use super::pairing::Pairing;
use super::reader::Beginning;
use super::session::Session;
use super::start_line::{Opening, RequestLine, Sends, opening, without_line_end};
use super::turns::Past;
use crate::flow::Side;
use crate::limits::{Limits, Loss};
use crate::record::Time;

/// Bytes of a connection after which it is not HTTP, if it was captured from its start and no message began.
///
/// More than none, because what comes first may be the greeting of another protocol that carries HTTP, such as SOCKS.
const RECOGNITION_BYTES: u64 = 4096;

/// What the connection preface of HTTP/2 begins with (RFC 9113, section 3.4).
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n";

/// What to keep of each message.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Bounds on heads, bodies and waiting requests.
    pub limits: Limits,
    /// Keep bodies; without it they are only measured.
    pub bodies: bool,
    /// Credentials will be asked for: those that come again are recognised.
    pub credentials: bool,
    /// Show credentials instead of masking them.
    pub show_secrets: bool,
}

/// What a connection reads from and writes to while it is fed.
#[derive(Debug)]
pub struct Context<'a> {
    /// What to keep.
    pub settings: &'a Settings,
    /// What was not seen.
    pub loss: &'a mut Loss,
    /// Exchanges that are complete, or that will never be.
    pub exchanges: &'a mut Vec<HttpExchange>,
}

/// The state of one TCP conversation as HTTP/1.x.
///
/// HTTP is recognised by content on any port, and so is which side is the client: the one that sends request lines.
/// Where a capture begins in the middle of a connection, or bytes are missing, reading goes on with the next message
/// that begins with a segment or follows another message.
///
/// ```
/// use netscript::flow::Side;
/// use netscript::limits::{Limits, Loss};
/// use netscript::protocol::http1::{Connection, Context, Settings};
/// use netscript::record::{Record, Time, Value};
///
/// let settings = Settings { limits: Limits::default(), bodies: false, credentials: false, show_secrets: false };
/// let (mut loss, mut exchanges) = (Loss::default(), Vec::new());
/// let mut context = Context { settings: &settings, loss: &mut loss, exchanges: &mut exchanges };
/// let mut connection = Connection::new("10.0.0.1:40000".parse()?, "10.0.0.2:80".parse()?, true);
/// let time = Time::from_nanos(0);
/// connection.data(&mut context, Side::Originator, b"GET /status HTTP/1.1\r\nHost: a.example\r\n\r\n", time);
/// connection.data(&mut context, Side::Responder, b"HTTP/1.1 204 No Content\r\n\r\n", time);
/// assert!(matches!(exchanges[0].get("status"), Some(Value::Integer(204))));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Debug)]
pub struct Connection {
    /// Originator and responder.
    ends: [SocketAddr; 2],
    from_start: bool,
    state: State,
}

#[derive(Debug)]
enum State {
    /// No message has begun.
    Unknown([Candidate; 2]),
    /// One has.
    Http { session: Box<Session>, client: Side },
    /// None will begin any more.
    Done,
}

/// What a side sent that may be the beginning of a start line.
#[derive(Debug, Default)]
struct Candidate {
    bytes: Vec<u8>,
    /// When the first of them was captured.
    time: Time,
    /// How many bytes before them were no message.
    skipped: u64,
    /// Whether bytes before them are missing.
    torn: bool,
    ended: bool,
}

impl Connection {
    /// A connection between the flow's originator and responder; `from_start` if the capture has its SYN.
    #[must_use]
    pub fn new(originator: SocketAddr, responder: SocketAddr, from_start: bool) -> Self {
        Self { ends: [originator, responder], from_start, state: State::Unknown(Default::default()) }
    }

    /// The next bytes that `from` sent, and when they were captured.
    pub fn data(&mut self, context: &mut Context<'_>, from: Side, bytes: &[u8], time: Time) {
        match &mut self.state {
            State::Http { session, client } => session.data(context, sends(from, *client), bytes, time),
            State::Unknown(_) => self.recognise(context, from, bytes, time),
            State::Done => {}
        }
        self.forget_if_done();
    }

    /// That many bytes of `from` are missing here.
    pub fn gap(&mut self, context: &mut Context<'_>, from: Side, bytes: u64, time: Time) {
        match &mut self.state {
            State::Http { session, client } => session.gap(context, sends(from, *client), bytes, time),
            State::Unknown(candidates) => {
                let candidate = &mut candidates[from.index()];
                candidate.skip();
                candidate.torn |= bytes > 0;
            }
            State::Done => {}
        }
    }

    /// `from` sends nothing more (FIN or RST).
    pub fn end(&mut self, context: &mut Context<'_>, from: Side, time: Time) {
        match &mut self.state {
            State::Http { session, client } => session.end_side(context, sends(from, *client), time),
            State::Unknown(candidates) => {
                candidates[from.index()].ended = true;
                if candidates.iter().all(|candidate| candidate.ended) {
                    self.state = State::Done;
                }
            }
            State::Done => {}
        }
        self.forget_if_done();
    }

    /// Nothing is kept of a connection that gives nothing more: it may stay in the flow table for long.
    fn forget_if_done(&mut self) {
        if let State::Http { session, .. } = &self.state
            && session.is_done()
        {
            self.state = State::Done;
        }
    }

    /// The conversation left the table: emits what is still waiting, as incomplete.
    pub fn close(&mut self, context: &mut Context<'_>) {
        if let State::Http { session, .. } = &mut self.state {
            session.close(context);
        }
        self.state = State::Done;
    }

    /// Whether a message has begun, and none is in the way of more.
    #[must_use]
    pub const fn is_http(&self) -> bool {
        matches!(self.state, State::Http { .. })
    }

    /// Whether this will give no exchange any more, whatever comes: not HTTP, a tunnel, HTTP/2.
    #[must_use]
    pub fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Looks for the first start line.
    fn recognise(&mut self, context: &mut Context<'_>, from: Side, bytes: &[u8], time: Time) {
        let State::Unknown(candidates) = &mut self.state else { return };
        let candidate = &mut candidates[from.index()];
        let in_sync = candidate.beginning(self.from_start).in_sync;
        let mut found = first_message(bytes, in_sync);
        if found.0 == Opening::Yes && !in_sync {
            // What looked like the beginning of a start line was not; this one is.
            candidate.skip();
        }
        let before = candidate.bytes.len();
        let seen = if before > 0 {
            candidate.bytes.extend_from_slice(bytes);
            found = first_message(&candidate.bytes, in_sync);
            &candidate.bytes
        } else {
            candidate.time = time;
            bytes
        };
        match found {
            (Opening::Yes, what) => {
                candidate.bytes.truncate(before);
                let client = if what == Sends::Requests { from } else { from.other() };
                self.begin(context, client);
                self.data(context, from, bytes, time);
            }
            (Opening::Maybe, _) if seen.len() < context.settings.limits.http_head_bytes => {
                if before == 0 {
                    candidate.bytes.extend_from_slice(bytes);
                }
            }
            _ => {
                if found.0 == Opening::Maybe {
                    // What may well be a request line is longer than a head may be.
                    context.loss.http_cut += 1;
                }
                let http2 = seen.starts_with(HTTP2_PREFACE);
                candidate.skipped += if before > 0 { 0 } else { bytes.len() as u64 };
                candidate.skip();
                let skipped: u64 = candidates.iter().map(|candidate| candidate.skipped).sum();
                if http2 || self.from_start && skipped > RECOGNITION_BYTES {
                    self.state = State::Done;
                }
            }
        }
    }

    /// The first start line was found: goes on as HTTP with what has come so far.
    fn begin(&mut self, context: &mut Context<'_>, client: Side) {
        let State::Unknown(candidates) = &mut self.state else { return };
        let candidates = std::mem::take(candidates);
        let [sent, answered] = [&candidates[client.index()], &candidates[client.other().index()]];
        let [requests, responses] = [sent, answered].map(|side| side.beginning(self.from_start));
        let past = match () {
            () if requests.in_sync && responses.in_sync => Past::Empty,
            // What was no message may be another protocol that the server answered in its words.
            () if sent.torn || sent.skipped > 0 && answered.skipped == 0 => Past::Owed,
            () => Past::Unknown,
        };
        let pairing = Pairing::new(self.ends[client.index()], self.ends[client.other().index()], past);
        let mut session = Box::new(Session::new(pairing, requests, responses));
        for (side, candidate) in [Side::Originator, Side::Responder].into_iter().zip(candidates) {
            context.loss.http_skipped_bytes += candidate.skipped;
            session.data(context, sends(side, client), &candidate.bytes, candidate.time);
            if candidate.ended {
                session.end_side(context, sends(side, client), candidate.time);
            }
        }
        self.state = State::Http { session, client };
    }
}

impl Candidate {
    /// What is known of the first byte of it, if this is HTTP.
    fn beginning(&self, from_start: bool) -> Beginning {
        let passed_over = self.skipped > 0 || self.torn;
        Beginning { in_sync: from_start && !passed_over, passed_over }
    }

    /// Its bytes are no beginning of a message.
    fn skip(&mut self) {
        self.skipped += self.bytes.len() as u64;
        self.bytes = Vec::new();
    }
}

/// What a side sends whose client is that one.
fn sends(side: Side, client: Side) -> Sends {
    if side == client { Sends::Requests } else { Sends::Responses }
}

/// Whether bytes begin a message, and which kind. In sync it may be malformed in ways that servers accept.
fn first_message(bytes: &[u8], in_sync: bool) -> (Opening, Sends) {
    let bytes = if in_sync { bytes.trim_ascii_start() } else { bytes };
    if bytes.is_empty() {
        return (Opening::Maybe, Sends::Requests);
    }
    let malformed = memchr(b'\n', bytes).filter(|_| in_sync).map(|newline| without_line_end(&bytes[..=newline]));
    if malformed.is_some_and(|line| RequestLine::parse(line).is_some()) {
        return (Opening::Yes, Sends::Requests);
    }
    match opening(bytes, Sends::Requests) {
        Opening::No => (opening(bytes, Sends::Responses), Sends::Responses),
        Opening::Maybe if bytes.starts_with(b"HTTP") => (Opening::Maybe, Sends::Responses),
        found => (found, Sends::Requests),
    }
}
