//! Which response belongs to which request.
//!
//! While everything was seen since the handshake, counting tells: the first response answers the first request, and so
//! on, whatever the order in which the capture delivers them. Once a request or a response may have been missed,
//! counting could accuse the wrong one. From then on a response is paired only if the client waits its turn, as clients
//! do that never pipeline: it answers the one request that was sent since the response before. After a request was
//! missed the client has to be seen waiting first. Where pairing is not certain, request and response stand apart and
//! say so.

use std::collections::VecDeque;
use std::net::SocketAddr;

use super::connection::Context;
use super::exchange::HttpExchange;
use super::flags::Flags;
use super::framing::Method;
use super::message::{Message, held_limit};
use super::start_line::Sends;
use crate::record::Time;

/// Responses that wait for their request because the capture delivered them first. Where there are more, the requests
/// were not captured.
const EARLY_RESPONSES: usize = 16;

/// Interim responses kept of one exchange.
const INTERIM_RESPONSES: usize = 32;

/// Turns after which it is a habit of the client to wait. One is not enough: browsers that pipeline get the page first,
/// and then everything in it at once.
const WAITS: usize = 2;

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
    alone: Option<HttpExchange>,
    /// Interim responses before the next final one.
    interim: Vec<u16>,
    counting: Counting,
    habit: Habit,
    /// How often the client was seen to wait while everything was seen.
    waits: usize,
    /// Whether a request was missed that no response was seen for.
    owed: bool,
    /// Whether a request may have been missed since the last one that was seen.
    request_missed: bool,
    /// Whether a response may have been missed since the last one that was seen.
    response_missed: bool,
    /// Requests that were told without a response because too many waited: their responses come first.
    abandoned: usize,
    /// When the last response ended.
    last_response: Option<Time>,
    /// Bytes that exchanges in the queue hold.
    held: usize,
    /// Whether this side sends nothing more.
    requests_over: bool,
    responses_over: bool,
}

/// What is known of a connection before the first message of it that was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Past {
    /// There was no message.
    Empty,
    /// There may have been messages; a client that waits its turn has its responses.
    Unknown,
    /// There was a request, of which no response was seen.
    Owed,
}

/// Which requests counting can pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Counting {
    /// All of them.
    All,
    /// The first so many of those without a response; then a request may have been missed.
    First(usize),
}

/// Whether the client waits for a response before it sends the next request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Habit {
    /// It was not seen to do otherwise, and no request was missed.
    Unknown,
    /// It did, several times, while everything was seen.
    Waits,
    /// It did not.
    Pipelines,
    /// A request was missed, and maybe more than one at a time. Nothing is paired before the client was seen to wait.
    Unproven {
        /// Whether one request was answered by one response since then.
        turn: bool,
    },
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
            habit: if past == Past::Owed { Habit::Unproven { turn: false } } else { Habit::Unknown },
            waits: 0,
            owed: past == Past::Owed,
            request_missed: false,
            response_missed: false,
            abandoned: 0,
            last_response: None,
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
        self.request_missed = false;
        if self.answered > self.requested {
            let exchange = &mut self.queue[self.requested];
            exchange.time = time;
            exchange.request = Some(request);
            self.requested += 1;
            return;
        }
        let is_answered = self.answered == self.requested && self.open(Sends::Responses).is_none();
        let after_last = self.last_response.map(|last| time >= last);
        if is_answered && after_last == Some(true) {
            self.waits += usize::from(self.counting == Counting::All);
            match self.habit {
                Habit::Unknown if self.waits >= WAITS => self.habit = Habit::Waits,
                Habit::Unproven { turn: true } => self.habit = Habit::Unknown,
                _ => {}
            }
        }
        let mut exchange = self.exchange(context, time);
        exchange.request = Some(request);
        // Its response may be one of those that came before it.
        let out_of_turn = self.habit == Habit::Pipelines || after_last == Some(false);
        if self.counting != Counting::All && out_of_turn {
            exchange.flags |= Flags::PAIRING_UNCERTAIN;
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
            Counting::First(0) => self.take_turns(context, time),
            Counting::First(sure) => {
                self.counting = Counting::First(sure - 1);
                None
            }
        };
        self.response_missed = false;
        if let Some(flags) = flags {
            let mut alone = self.exchange(context, time);
            alone.flags = flags;
            self.alone = Some(alone);
            return Method::Other;
        }
        self.answered += 1;
        if self.next_unanswered().is_some_and(|next| next <= time) {
            self.habit = Habit::Pipelines;
        }
        self.queue[self.answered - 1].request.as_ref().map_or(Method::Other, |request| request.method)
    }

    /// Places a response without counting: with the one request whose turn it is, or alone with those flags.
    fn take_turns(&mut self, context: &mut Context<'_>, time: Time) -> Option<Flags> {
        let waits = |exchange: &HttpExchange| !exchange.flags.has_any(APART);
        let last = (self.answered..self.requested).rfind(|&i| waits(&self.queue[i]) && self.queue[i].time <= time);
        let candidates: Vec<_> =
            (self.answered..last.map_or(0, |last| last + 1)).filter(|&i| waits(&self.queue[i])).collect();
        if candidates.len() > 1 && !self.response_missed {
            self.habit = Habit::Pipelines;
        }
        let in_turn = match candidates.len() {
            0 => false,
            1 => true,
            // All but the last were answered by what was missed, if the client always waits.
            _ => self.habit == Habit::Waits,
        };
        let owed = std::mem::take(&mut self.owed);
        // The last request that was seen is the last that was sent, or the next response is the one to it.
        let is_last = !(self.request_missed && self.response_missed);
        let in_turn = in_turn && is_last && !owed;
        if let Habit::Unproven { turn } = &mut self.habit {
            *turn = in_turn && !self.request_missed;
        }
        let pairs = in_turn && matches!(self.habit, Habit::Unknown | Habit::Waits);
        let passed = if pairs { &candidates[..candidates.len() - 1] } else { &candidates };
        for &i in passed {
            self.queue[i].flags |= if pairs { Flags::RESPONSE_LOST } else { Flags::PAIRING_UNCERTAIN };
        }
        self.let_go(context);
        match pairs {
            true => None,
            false if owed || self.habit == Habit::Pipelines || !candidates.is_empty() => Some(Flags::PAIRING_UNCERTAIN),
            false => Some(Flags::default()),
        }
    }

    /// The head of the response that was just placed.
    pub(super) fn begin_response(&mut self, response: Message) {
        let interim = std::mem::take(&mut self.interim);
        let exchange = match &mut self.alone {
            Some(alone) => alone,
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
                self.let_go(context);
            }
            Sends::Responses => {
                self.last_response = self.last_response.max(Some(time));
                if self.next_unanswered().is_some_and(|next| next <= time) {
                    self.habit = Habit::Pipelines;
                }
                match self.alone.take() {
                    Some(alone) => context.exchanges.push(alone),
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
        self.request_missed = true;
        if let Habit::Unknown | Habit::Unproven { .. } = self.habit {
            self.habit = Habit::Unproven { turn: false };
        }
        if self.counting == Counting::All {
            self.counting = Counting::First(self.requested - self.answered);
        }
        self.owed |= surely && !answered;
    }

    /// Responses may have been missed here; `surely` if at least one was, or its beginning.
    pub(super) fn responses_lost(&mut self, context: &mut Context<'_>, surely: bool) {
        self.settle_interim();
        self.response_missed = true;
        self.counting = Counting::First(0);
        self.abandoned = 0;
        let waiting = self.requested.saturating_sub(self.answered);
        if !surely {
            return;
        }
        if waiting == 0 {
            self.owed = false;
        }
        // With a single request waiting it was its response, unless only the leave to send the body was missed.
        if waiting == 1
            && let Some(exchange) = self.queue.get_mut(self.answered)
            && !exchange.request.as_ref().is_some_and(|request| request.expects_continue)
        {
            exchange.flags |= Flags::RESPONSE_LOST;
            self.let_go(context);
        }
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

    /// Emits requests that will not be paired, as far as they are over.
    fn let_go(&mut self, context: &mut Context<'_>) {
        let mut i = self.answered;
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

    /// Emits the responses whose request has not come; one that is not over goes on alone. Gives whether there were any.
    fn emit_early(&mut self, context: &mut Context<'_>, flags: Flags) -> bool {
        let any = self.answered > self.requested;
        while self.answered > self.requested {
            self.answered -= 1;
            self.queue[self.requested].flags |= flags;
            if self.queue[self.requested].response.as_ref().is_some_and(|response| response.over) {
                self.emit(context, self.requested);
            } else {
                self.alone = self.queue.remove(self.requested);
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
            self.held -= messages.filter(over).map(Message::held).sum::<usize>();
            context.exchanges.push(exchange);
        }
    }
}
