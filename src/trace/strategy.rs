//! When to send which probe, and when to stop: a state machine over times and replies.
//!
//! Every time to live is probed at once, as far as the rate allows. One that was answered is probed again at once; one
//! that is silent is probed again after a while, and given up after as long again. How long that is, the round trips
//! say: once somebody further away has answered, twice the longest round trip seen; before that nothing is known, and
//! all probes of a hop share the timeout. The trace is over when the target has answered, or somebody who will not pass
//! the probes on, and the hops before had their time; or when all had their time.

use std::time::Duration;

use super::answer::{Meaning, Reply};
use super::path::{Path, Sent};
use super::plan::Plan;

/// Which probe: the time to live that it is sent with, and whether it is the first such probe (0), the second, …
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Probe {
    /// Time to live.
    pub ttl: u8,
    /// How many were sent with that time to live before.
    pub attempt: u8,
}

/// What is to be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Send this probe.
    Send(Probe),
    /// Wait for replies until then, and ask again.
    Wait(Duration),
    /// The trace is over.
    Finish,
}

/// The state of a trace. Times are spans since it began.
#[derive(Debug)]
pub struct Strategy {
    plan: Plan,
    path: Path,
    /// When the next probe may be sent if the burst is used up; it runs ahead of the time by the burst at most.
    allowance: Duration,
    longest_round_trip: Option<Duration>,
}

impl Strategy {
    /// A trace that begins now.
    #[must_use]
    pub fn new(plan: Plan, path: Path) -> Self {
        Self { plan, path, allowance: Duration::ZERO, longest_round_trip: None }
    }

    /// What is to be done now. A probe that it gives counts as sent.
    pub fn step(&mut self, now: Duration) -> Step {
        let mut wake: Option<Duration> = None;
        let mut due: Option<Probe> = None;
        for ttl in self.plan.first..=self.horizon() {
            let sent = self.path.sent(ttl);
            let attempt = u8::try_from(sent.len()).unwrap_or(u8::MAX);
            let settled = self.settles(ttl, sent);
            if attempt < self.plan.probes && settled <= now {
                // New ground first: whether the target answers decides everything else.
                if due.is_none_or(|other| attempt < other.attempt) {
                    due = Some(Probe { ttl, attempt });
                }
            } else if settled > now {
                wake = Some(wake.map_or(settled, |other| other.min(settled)));
            }
        }
        match due {
            Some(_) if now < self.allowed() => Step::Wait(self.allowed()),
            Some(probe) => {
                self.allowance = self.allowance.max(now) + self.plan.interval;
                self.path.send(probe, now);
                Step::Send(probe)
            }
            None => wake.map_or(Step::Finish, Step::Wait),
        }
    }

    /// A reply to a probe has come. Gives whether it is the first one to that probe; others do not count.
    pub fn receive(&mut self, now: Duration, probe: Probe, reply: Reply) -> bool {
        let Some(round_trip) = self.path.receive(now, probe, reply) else { return false };
        self.longest_round_trip = self.longest_round_trip.max(Some(round_trip));
        true
    }

    /// What was found, at the end or when the trace is broken off.
    #[must_use]
    pub fn finish(self, now: Duration) -> Path {
        self.path.ended_at(now)
    }

    /// The highest time to live that is of interest.
    fn horizon(&self) -> u8 {
        self.path.arrived().or_else(|| self.path.refused()).unwrap_or(self.plan.last)
    }

    /// When the rate allows the next probe.
    fn allowed(&self) -> Duration {
        self.allowance.saturating_sub(self.plan.interval * u32::from(self.plan.burst.saturating_sub(1)))
    }

    /// When the probes of a time to live are settled: at once if there are none or the last was answered, after a while
    /// otherwise.
    fn settles(&self, ttl: u8, sent: &[Sent]) -> Duration {
        match sent.last() {
            Some(last) if last.reply.is_none() => last.at + self.spacing(ttl),
            _ => Duration::ZERO,
        }
    }

    /// How long a probe is given before the next one is sent.
    fn spacing(&self, ttl: u8) -> Duration {
        let probes = u32::from(self.plan.probes);
        let longest = self.plan.timeout / probes;
        match self.longest_round_trip {
            // Who is nearer says nothing about how long the way is.
            Some(round_trip) if self.path.answered_from(ttl) => {
                (round_trip * 2).max(self.plan.patience / probes).min(longest)
            }
            _ => longest,
        }
    }
}

impl Path {
    /// The lowest time to live with which a probe arrived at the target.
    pub(super) fn arrived(&self) -> Option<u8> {
        self.lowest(|meaning| matches!(meaning, Meaning::Open | Meaning::Closed))
    }

    /// The lowest time to live with which a probe was refused.
    pub(super) fn refused(&self) -> Option<u8> {
        self.lowest(|meaning| matches!(meaning, Meaning::Prohibited | Meaning::Unreachable))
    }
}
