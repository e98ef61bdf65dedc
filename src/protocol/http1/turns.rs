//! Whether the client waits for each response before it sends the next request, so that turns tell what belongs
//! together where counting cannot.

use super::flags::Flags;
use crate::record::Time;

/// Turns after which a client is known to wait whatever is missed. A few are not enough: clients that pipeline get a
/// page or an index first, and then everything in it at once.
const WAITS: usize = 4;

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

/// Who took turns so far, and whether that can be relied on.
#[derive(Debug)]
pub(super) struct Turns {
    habit: Habit,
    /// How often the client was seen to wait while everything was seen.
    waits: usize,
    /// Whether a request was missed that no response was seen for.
    owed: bool,
    /// Whether a response may come that belongs to no request that waits: to one that was missed, or was let go.
    stray: bool,
    /// Until when something was seen or missed of responses.
    last_response: Option<Time>,
}

/// Whether the client waits for a response before it sends the next request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Habit {
    /// It is assumed to.
    Assumed {
        /// Whether one request was answered by one response.
        turn: bool,
    },
    /// A request was missed, and maybe more than one at a time. Nothing is paired before the client was seen to wait.
    Unproven {
        /// Whether one request was answered by one response since then.
        turn: bool,
    },
    /// It was seen to.
    Waits,
    /// It does not.
    Pipelines,
}

/// Where a response belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// To the one request that waits; the exchange says this.
    ToRequest(Flags),
    /// To none that is known; the response says this, and requests that wait are uncertain.
    Alone(Flags),
}

impl Turns {
    /// A connection of which that is known.
    pub(super) fn new(past: Past) -> Self {
        let owed = past == Past::Owed;
        let habit = if owed { Habit::Unproven { turn: false } } else { Habit::Assumed { turn: false } };
        Self { habit, waits: 0, owed, stray: true, last_response: None }
    }

    /// A request begins at that time; `idle` if no other waits and no response is being read, `counted` if nothing was
    /// missed so far. Gives whether it can be answered in turn: else its response may have been seen or missed before.
    pub(super) fn request(&mut self, time: Time, idle: bool, counted: bool) -> bool {
        self.stray = false;
        let follows = self.last_response.map(|last| time >= last);
        if idle && follows == Some(true) {
            if let Habit::Assumed { turn } | Habit::Unproven { turn } = self.habit
                && (turn || counted)
            {
                self.habit = Habit::Waits;
            }
            self.waits += usize::from(counted);
        }
        self.habit != Habit::Pipelines && follows != Some(false)
    }

    /// A response begins while that many requests wait that were sent before it.
    pub(super) fn response(&mut self, waiting: usize) -> Verdict {
        if waiting > 1 {
            self.habit = Habit::Pipelines;
        }
        let owed = std::mem::take(&mut self.owed);
        if waiting == 0 && !owed && !self.stray {
            // One response too many: the requests that were missed before were more than one at a time.
            self.waits = 0;
            self.unlearn();
        }
        let in_turn = waiting == 1 && !owed;
        let clean_turn = in_turn && !self.stray;
        match &mut self.habit {
            Habit::Assumed { turn } => {
                *turn = clean_turn;
                if in_turn {
                    return Verdict::ToRequest(Flags::PAIRING_ASSUMED);
                }
            }
            Habit::Unproven { turn } => *turn = clean_turn,
            Habit::Waits if in_turn => return Verdict::ToRequest(Flags::default()),
            Habit::Waits | Habit::Pipelines => {}
        }
        self.stray |= owed && waiting > 0;
        let uncertain = owed || waiting > 0 || self.habit == Habit::Pipelines;
        Verdict::Alone(if uncertain { Flags::PAIRING_UNCERTAIN } else { Flags::default() })
    }

    /// Until then a response was seen, and a request that waits was sent at `next`.
    pub(super) fn response_seen(&mut self, until: Time, next: Option<Time>) {
        self.last_response = self.last_response.max(Some(until));
        self.compare(until, next);
    }

    /// If the next request was sent before that point of a response, the client does not wait.
    pub(super) fn compare(&mut self, response: Time, next: Option<Time>) {
        if next.is_some_and(|next| next <= response) {
            self.habit = Habit::Pipelines;
        }
    }

    /// Requests may have been missed; one of them for certain that was not answered, if it is `owed`.
    pub(super) fn requests_missed(&mut self, owed: bool) {
        self.stray = true;
        self.owed |= owed;
        self.unlearn();
    }

    /// Responses may have been missed until then while that many requests waited; `surely` if at least one was.
    pub(super) fn responses_missed(&mut self, until: Time, waiting: usize, surely: bool) {
        self.last_response = self.last_response.max(Some(until));
        self.stray |= waiting > 0;
        if waiting > 1 {
            self.unlearn();
        }
        if waiting == 0 && surely {
            self.owed = false;
        }
    }

    /// What was missed makes it uncertain that the client waits, unless that is its habit.
    fn unlearn(&mut self) {
        if self.habit != Habit::Pipelines && self.waits < WAITS {
            self.habit = Habit::Unproven { turn: false };
        }
    }
}
