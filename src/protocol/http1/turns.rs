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
            Habit::Waits if in_turn => return Verdict::ToRequest(Flags::NONE),
            Habit::Waits | Habit::Pipelines => {}
        }
        self.stray |= owed && waiting > 0;
        let uncertain = owed || waiting > 0 || self.habit == Habit::Pipelines;
        Verdict::Alone(if uncertain { Flags::PAIRING_UNCERTAIN } else { Flags::NONE })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Time {
        Time::from_nanos(millis * 1_000_000)
    }

    /// A client that was seen to wait that often while everything was seen.
    fn waited(times: usize) -> Turns {
        let mut turns = Turns::new(Past::Empty);
        for i in 0..=times as i64 {
            turns.request(at(2 * i), true, true);
            turns.response_seen(at(2 * i + 1), None);
        }
        turns
    }

    const CERTAIN: Verdict = Verdict::ToRequest(Flags::NONE);
    const UNCERTAIN: Verdict = Verdict::Alone(Flags::PAIRING_UNCERTAIN);

    #[test]
    fn after_a_missed_request_only_a_habit_counts() {
        for (times, expected) in [(WAITS - 1, UNCERTAIN), (WAITS, CERTAIN)] {
            let mut turns = waited(times);
            turns.requests_missed(false);
            assert!(turns.request(at(100), true, false));
            assert_eq!(turns.response(1), expected, "{times} turns");
        }
    }

    #[test]
    fn a_request_that_is_older_than_a_response_is_out_of_turn() {
        let mut turns = waited(WAITS);
        turns.response_seen(at(100), None);
        assert!(turns.request(at(100), true, false));
        assert!(!turns.request(at(99), true, false));
    }

    #[test]
    fn a_request_before_the_end_of_a_response_is_no_waiting() {
        for (next, pipelines) in [(99, true), (100, true), (101, false)] {
            let mut turns = waited(WAITS);
            turns.response_seen(at(100), Some(at(next)));
            assert_eq!(turns.response(1) == UNCERTAIN, pipelines, "request at {next}");
        }
    }

    #[test]
    fn two_requests_that_wait_are_no_waiting() {
        let mut turns = waited(WAITS);
        assert_eq!(turns.response(2), UNCERTAIN);
        assert_eq!(turns.response(1), UNCERTAIN, "it is not forgotten");
    }

    #[test]
    fn one_response_too_many_ends_a_habit() {
        let mut turns = waited(WAITS);
        turns.request(at(100), true, false);
        assert_eq!(turns.response(1), CERTAIN);
        assert_eq!(turns.response(0), Verdict::Alone(Flags::NONE));
        turns.request(at(200), true, false);
        assert_eq!(turns.response(1), UNCERTAIN);
    }

    #[test]
    fn what_was_missed_explains_one_response_too_many() {
        let missed_request: fn(&mut Turns) = |turns| turns.requests_missed(true);
        let missed_response: fn(&mut Turns) = |turns| turns.responses_missed(at(101), 1, false);
        for (missed, what) in [(missed_request, "a request"), (missed_response, "a response")] {
            let mut turns = waited(WAITS);
            turns.request(at(100), true, false);
            missed(&mut turns);
            turns.response(0);
            turns.request(at(200), true, false);
            assert_eq!(turns.response(1), CERTAIN, "{what} was missed");
        }
        let mut turns = waited(WAITS);
        turns.requests_missed(true);
        turns.request(at(100), true, false);
        assert_eq!(turns.response(1), UNCERTAIN, "it may be the one that is owed");
        turns.response(0);
        turns.request(at(200), true, false);
        assert_eq!(turns.response(1), CERTAIN);
    }

    #[test]
    fn a_response_that_is_owed_may_have_been_missed_itself() {
        let mut turns = waited(WAITS);
        turns.requests_missed(true);
        turns.responses_missed(at(100), 0, true);
        turns.request(at(101), true, false);
        assert_eq!(turns.response(1), CERTAIN);
    }

    #[test]
    fn a_capture_that_begins_late_is_assumed_to_show_turns_until_it_does() {
        let mut turns = Turns::new(Past::Unknown);
        turns.request(at(1), true, false);
        assert_eq!(turns.response(1), Verdict::ToRequest(Flags::PAIRING_ASSUMED));
        turns.response_seen(at(2), None);
        turns.request(at(3), true, false);
        assert_eq!(turns.response(1), CERTAIN);
    }
}
