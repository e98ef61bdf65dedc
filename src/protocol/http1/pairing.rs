//! Which response belongs to which request.
//!
//! While everything was seen since the handshake, counting tells: the first response answers the first request, and so
//! on, whatever the order in which the capture delivers them. Once a request or a response may have been missed,
//! counting could accuse the wrong one. From then on a response is paired only by turns: the client sent one request
//! after all that was seen or missed of the server before, and this is the next response. That is right for clients
//! that wait for each response, as nearly all do. After a request was missed, the client has to be seen waiting first;
//! where a capture merely begins late, it is assumed to, and the exchange says so. Everything else stands apart.

use std::collections::VecDeque;
use std::net::SocketAddr;

use super::connection::Context;
use super::exchange::HttpExchange;
use super::flags::Flags;
use super::framing::Method;
use super::message::{Message, held_limit};
use super::start_line::Sends;
use super::turns::{Past, Turns, Verdict};
use crate::record::Time;

/// Responses that wait for their request because the capture delivered them first. Where there are more, the requests
/// were not captured.
const EARLY_RESPONSES: usize = 16;

/// Interim responses kept of one exchange.
const INTERIM_RESPONSES: usize = 32;

/// Why a request stands without its response although one may have been seen.
const APART: Flags = Flags::PAIRING_UNCERTAIN.with(Flags::RESPONSE_LOST).with(Flags::PENDING_LIMIT);

/// The exchanges of one connection that are not over.
#[derive(Debug)]
pub(super) struct Pairing {
    client: SocketAddr,
    server: SocketAddr,
    /// Exchanges in order: the first `requested` have a request, the first `answered` have a response.
    queue: VecDeque<HttpExchange>,
    requested: usize,
    answered: usize,
    /// The response that is being read, if it stands without a request for good.
    alone: Option<Box<HttpExchange>>,
    /// Interim responses before the next final one.
    interim: Vec<u16>,
    counting: Counting,
    turns: Turns,
    /// Requests that were told without a response because too many waited: their responses come first.
    abandoned: usize,
    /// Bytes that exchanges in the queue hold.
    held: usize,
    /// Whether this side sends nothing more.
    requests_over: bool,
    responses_over: bool,
}

/// Which requests counting can pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Counting {
    /// All of them.
    All,
    /// The first so many of those without a response; then a request may have been missed.
    First(usize),
}

impl Pairing {
    /// A connection between these of which that is known.
    pub(super) fn new(client: SocketAddr, server: SocketAddr, past: Past) -> Self {
        Self {
            client,
            server,
            queue: VecDeque::new(),
            requested: 0,
            answered: 0,
            alone: None,
            interim: Vec::new(),
            counting: if past == Past::Empty { Counting::All } else { Counting::First(0) },
            turns: Turns::new(past),
            abandoned: 0,
            held: 0,
            requests_over: false,
            responses_over: false,
        }
    }

    /// The message that this side is sending, if its head has come and it is not over.
    pub(super) fn open(&mut self, sends: Sends) -> Option<&mut Message> {
        let message = match sends {
            Sends::Requests => self.queue.get_mut(self.requested.checked_sub(1)?)?.request.as_mut(),
            Sends::Responses => match &mut self.alone {
                Some(alone) => alone.response.as_mut(),
                None => self.queue.get_mut(self.answered.checked_sub(1)?)?.response.as_mut(),
            },
        };
        message.filter(|message| !message.over)
    }

    /// Whether a response is being read of which the request is not known.
    pub(super) fn answers_unknown(&self) -> bool {
        self.alone.is_some() || self.answered > self.requested
    }

    /// The head of a request has come.
    pub(super) fn begin_request(&mut self, context: &mut Context<'_>, request: Message) {
        let time = request.time;
        let idle = self.answered == self.requested && self.open(Sends::Responses).is_none();
        let counted = self.counting == Counting::All;
        let in_turn = self.turns.request(time, idle, counted);
        if self.answered > self.requested {
            let exchange = &mut self.queue[self.requested];
            exchange.time = time;
            exchange.request = Some(request);
            self.requested += 1;
            return;
        }
        let mut exchange = self.exchange(context, time);
        exchange.request = Some(request);
        if !counted && !in_turn {
            exchange.flags |= Flags::PAIRING_UNCERTAIN;
        }
        if self.queue.capacity() == 0 {
            // Most connections have one exchange at a time, and many of them are open.
            self.queue.reserve_exact(1);
        }
        self.queue.push_back(exchange);
        self.requested += 1;
        self.bound(context);
    }

    /// A response begins at that time. Finds its place, and gives the method that it answers.
    pub(super) fn place_response(&mut self, context: &mut Context<'_>, time: Time) -> Method {
        let flags = match self.counting {
            Counting::All | Counting::First(1..) if self.abandoned > 0 => {
                self.abandoned -= 1;
                Some(Flags::PENDING_LIMIT)
            }
            Counting::All if self.answered < self.requested => None,
            Counting::All if self.requests_over => Some(Flags::default()),
            Counting::All => {
                if self.answered - self.requested >= EARLY_RESPONSES {
                    self.requests_lost(context, false);
                    Some(Flags::default())
                } else {
                    let early = self.exchange(context, time);
                    self.queue.push_back(early);
                    None
                }
            }
            Counting::First(sure @ 1..) if self.answered < self.requested => {
                self.counting = Counting::First(sure - 1);
                None
            }
            Counting::First(_) => self.take_turns(context, time),
        };
        if let Some(flags) = flags {
            let mut alone = self.exchange(context, time);
            alone.flags = flags;
            self.alone = Some(Box::new(alone));
            return Method::Other;
        }
        self.answered += 1;
        self.turns.compare(time, self.next_unanswered());
        let answers = self.queue.get(self.answered - 1).and_then(|exchange| exchange.request.as_ref());
        answers.map_or(Method::Other, |request| request.method)
    }

    /// Places a response without counting: with the one request whose turn it is, or alone with those flags.
    fn take_turns(&mut self, context: &mut Context<'_>, time: Time) -> Option<Flags> {
        let waits = |exchange: &HttpExchange| !exchange.flags.has_any(APART);
        let last = (self.answered..self.requested).rfind(|&i| waits(&self.queue[i]) && self.queue[i].time <= time);
        let sent = self.answered..last.map_or(self.answered, |last| last + 1);
        let waiting = self.queue.range(sent.clone()).filter(|exchange| waits(exchange)).count();
        let (flags, alone) = match self.turns.response(waiting) {
            Verdict::ToRequest(flags) => (flags, None),
            Verdict::Alone(flags) => (Flags::PAIRING_UNCERTAIN, Some(flags)),
        };
        for exchange in self.queue.range_mut(sent) {
            exchange.flags |= flags;
        }
        self.let_go(context, self.answered);
        alone
    }

    /// The head of the response that was just placed.
    pub(super) fn begin_response(&mut self, response: Message) {
        let interim = std::mem::take(&mut self.interim);
        let exchange = match &mut self.alone {
            Some(alone) => alone.as_mut(),
            None => match self.queue.get_mut(self.answered.wrapping_sub(1)) {
                Some(exchange) => exchange,
                None => return,
            },
        };
        exchange.informational = interim;
        exchange.response = Some(response);
    }

    /// An interim response (1xx) was seen.
    pub(super) fn interim(&mut self, status: u16) {
        if self.interim.len() < INTERIM_RESPONSES {
            self.interim.push(status);
        }
    }

    /// The message that this side was sending is over; `end` is when its last byte was captured, if it was.
    pub(super) fn finish(&mut self, context: &mut Context<'_>, sends: Sends, end: Option<Time>) {
        let Some(message) = self.open(sends) else { return };
        message.finish(context, end);
        let (time, held) = (end.unwrap_or(message.time), message.held());
        match sends {
            Sends::Requests => {
                self.held += held;
                self.let_go(context, self.requested - 1);
            }
            Sends::Responses => {
                self.turns.response_seen(time, self.next_unanswered());
                match self.alone.take() {
                    Some(alone) => context.exchanges.push(*alone),
                    None => self.held += held,
                }
            }
        }
        self.emit_whole(context);
        if self.responses_over {
            self.emit_unanswered(context);
        }
        self.bound(context);
    }

    /// Requests may have been missed here; `surely` if at least one was.
    pub(super) fn requests_lost(&mut self, context: &mut Context<'_>, surely: bool) {
        let answered = self.emit_early(context, Flags::PAIRING_UNCERTAIN);
        self.turns.requests_missed(surely && !answered);
        if self.counting == Counting::All {
            self.counting = Counting::First(self.requested - self.answered);
        }
    }

    /// Responses may have been missed here; `surely` if at least one was, or its beginning.
    pub(super) fn responses_lost(&mut self, context: &mut Context<'_>, surely: bool, time: Time) {
        self.settle_interim();
        self.counting = Counting::First(0);
        self.abandoned = 0;
        let waiting = self.answered..self.requested.max(self.answered);
        self.turns.responses_missed(time, waiting.len(), surely);
        // What comes next may be the response to a request that is missing too.
        let flag = if surely && waiting.len() == 1 { Flags::RESPONSE_LOST } else { Flags::PAIRING_UNCERTAIN };
        for exchange in self.queue.range_mut(waiting) {
            exchange.flags |= flag;
        }
        self.let_go(context, self.answered);
    }

    /// The client sends nothing more.
    pub(super) fn requests_over(&mut self, context: &mut Context<'_>) {
        self.requests_over = true;
        self.emit_early(context, Flags::default());
    }

    /// The server sends nothing more.
    pub(super) fn responses_over(&mut self, context: &mut Context<'_>) {
        self.responses_over = true;
        self.emit_unanswered(context);
    }

    /// Nothing more comes at all: what is there is told as it is.
    pub(super) fn close(&mut self, context: &mut Context<'_>) {
        self.finish(context, Sends::Requests, None);
        self.finish(context, Sends::Responses, None);
        self.settle_interim();
        context.exchanges.extend(self.queue.drain(..));
        (self.requested, self.answered, self.held) = (0, 0, 0);
    }

    fn exchange(&self, context: &Context<'_>, time: Time) -> HttpExchange {
        HttpExchange::new(time, self.client, self.server, context.settings.show_secrets)
    }

    /// When the first request without a response was sent.
    fn next_unanswered(&self) -> Option<Time> {
        if self.answered >= self.requested {
            return None;
        }
        self.queue.get(self.answered).map(|exchange| exchange.time)
    }

    /// What was seen of interim responses belongs to the request that waited for them.
    fn settle_interim(&mut self) {
        let interim = std::mem::take(&mut self.interim);
        let certain = self.counting != Counting::First(0) && self.abandoned == 0;
        if let Some(exchange) = self.queue.get_mut(self.answered)
            && certain
        {
            exchange.informational = interim;
        }
    }

    /// Emits exchanges from the front that are over.
    fn emit_whole(&mut self, context: &mut Context<'_>) {
        let over = |message: &Option<Message>| message.as_ref().is_some_and(|message| message.over);
        while self.queue.front().is_some_and(|first| over(&first.request) && over(&first.response)) {
            (self.requested, self.answered) = (self.requested - 1, self.answered - 1);
            self.emit(context, 0);
        }
    }

    /// Emits requests from that place on which will not be paired, as far as they are over.
    fn let_go(&mut self, context: &mut Context<'_>, mut i: usize) {
        while i < self.requested {
            let exchange = &self.queue[i];
            if exchange.flags.has_any(APART) && exchange.request.as_ref().is_some_and(|request| request.over) {
                self.requested -= 1;
                self.emit(context, i);
            } else {
                i += 1;
            }
        }
    }

    /// Emits all requests without a response, as far as they are over.
    fn emit_unanswered(&mut self, context: &mut Context<'_>) {
        self.settle_interim();
        while self.answered < self.requested
            && self.queue[self.answered].request.as_ref().is_some_and(|request| request.over)
        {
            self.requested -= 1;
            self.emit(context, self.answered);
        }
    }

    /// Emits the responses whose request has not come; one that is not over goes on alone. Gives whether there were
    /// any.
    fn emit_early(&mut self, context: &mut Context<'_>, flags: Flags) -> bool {
        let any = self.answered > self.requested;
        while self.answered > self.requested {
            self.answered -= 1;
            self.queue[self.requested].flags |= flags;
            if self.queue[self.requested].response.as_ref().is_some_and(|response| response.over) {
                self.emit(context, self.requested);
            } else {
                self.alone = self.queue.remove(self.requested).map(Box::new);
            }
        }
        any
    }

    /// Keeps what waits within the limits.
    fn bound(&mut self, context: &mut Context<'_>) {
        let limits = &context.settings.limits;
        let (most, bytes) = (limits.http_pending.max(1), held_limit(limits));
        loop {
            let waiting = self.requested.saturating_sub(self.answered);
            if waiting <= most && (waiting <= 1 || self.held <= bytes) {
                break;
            }
            match &mut self.counting {
                Counting::First(0) => {}
                Counting::First(sure) => (*sure, self.abandoned) = (*sure - 1, self.abandoned + 1),
                Counting::All => self.abandoned += 1,
            }
            context.loss.http_cut += 1;
            self.queue[self.answered].flags |= Flags::PENDING_LIMIT;
            self.requested -= 1;
            self.emit(context, self.answered);
        }
        if self.answered > self.requested && self.held > bytes {
            self.requests_lost(context, false);
        }
    }

    fn emit(&mut self, context: &mut Context<'_>, index: usize) {
        if let Some(exchange) = self.queue.remove(index) {
            let over = |message: &&Message| message.over;
            let messages = exchange.request.iter().chain(&exchange.response);
            self.held = self.held.saturating_sub(messages.filter(over).map(Message::held).sum());
            context.exchanges.push(exchange);
        }
    }
}
