//! What became of one endpoint, round by round.

use std::collections::VecDeque;

use super::{Observation, VERDICTS};
use crate::record::{Duration, Time};
use crate::trace::Verdict;

/// Rounds that are kept of an endpoint: an hour of rounds every five seconds, half a day of rounds every minute.
pub(super) const ROUNDS: usize = 720;

/// What one round said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Round {
    /// When it began.
    pub time: Time,
    /// What it said.
    pub verdict: Verdict,
    /// The shortest round trip to the target, if that answered.
    pub latency: Option<Duration>,
}

/// The last rounds of one endpoint, the whole of the very last one, and how many rounds said what.
#[derive(Debug)]
pub struct History {
    rounds: VecDeque<Round>,
    counts: [u64; VERDICTS.len()],
    since: Time,
    last: Observation,
}

impl History {
    /// A history that begins with this round.
    #[must_use]
    pub fn new(first: Observation) -> Self {
        let mut this = Self { rounds: VecDeque::new(), counts: [0; VERDICTS.len()], since: first.time, last: first };
        this.count();
        this
    }

    /// Adds the next round. The oldest one that is kept goes when there are too many.
    pub fn add(&mut self, next: Observation) {
        if next.verdict != self.last.verdict {
            self.since = next.time;
        }
        self.last = next;
        self.count();
    }

    fn count(&mut self) {
        let Observation { time, verdict, latency, .. } = self.last;
        if self.rounds.len() == ROUNDS {
            self.rounds.pop_front();
        }
        self.rounds.push_back(Round { time, verdict, latency });
        for (count, of) in self.counts.iter_mut().zip(VERDICTS) {
            *count += u64::from(of == verdict);
        }
    }

    /// The last round.
    #[must_use]
    pub const fn last(&self) -> &Observation {
        &self.last
    }

    /// The rounds that are kept, the oldest first.
    pub fn rounds(&self) -> impl ExactSizeIterator<Item = &Round> {
        self.rounds.iter()
    }

    /// When the first of the rounds began that say the same as the last one.
    #[must_use]
    pub const fn since(&self) -> Time {
        self.since
    }

    /// How many rounds said what, those that are no longer kept, too.
    pub fn counts(&self) -> impl Iterator<Item = (Verdict, u64)> {
        VERDICTS.into_iter().zip(self.counts)
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{at, observation};
    use super::*;

    #[test]
    fn the_oldest_rounds_go_and_are_still_counted() {
        let mut history = History::new(observation(Verdict::Filtered, 0));
        for second in 1..=ROUNDS as i64 {
            history.add(observation(Verdict::Open, second));
        }
        assert_eq!(history.rounds().len(), ROUNDS);
        assert_eq!(history.rounds().next().unwrap().time, at(1));
        let counts: Vec<_> = history.counts().filter(|(_, count)| *count > 0).collect();
        assert_eq!(counts, [(Verdict::Open, ROUNDS as u64), (Verdict::Filtered, 1)]);
    }

    #[test]
    fn a_verdict_holds_since_the_round_that_changed_it() {
        let mut history = History::new(observation(Verdict::Open, 0));
        for (second, verdict, since) in
            [(5, Verdict::Open, 0), (10, Verdict::Filtered, 10), (15, Verdict::Filtered, 10), (20, Verdict::Open, 20)]
        {
            history.add(observation(verdict, second));
            assert_eq!(history.since(), at(since), "after {second} s");
        }
    }
}
