//! What is known of the health of a target.

use std::time::Duration;

use super::{Failure, State};
use crate::proxy::config::{App, Outlier};

/// What is known of the health of one address: from checks, and from what becomes of connections.
#[derive(Debug)]
pub(super) struct Health {
    /// `Up`, `Down`, `Unchecked` or `Ejected`.
    state: State,
    since: Duration,
    reason: Option<String>,
    latency: Option<Duration>,
    /// Checks in a row.
    passed: u32,
    missed: u32,
    /// Connections in a row that failed.
    failures: u32,
    /// When it may get a connection again, down as it is; or when it is ejected no longer.
    again: Duration,
    window: Window,
    /// When it came back.
    back: Option<Duration>,
}

/// How connections ended lately.
#[derive(Debug, Default)]
struct Window {
    begin: Duration,
    all: u32,
    failed: u32,
}

/// From which state to which.
pub(super) type Step = (State, State);

impl Health {
    pub(super) fn new(now: Duration) -> Self {
        Self {
            state: State::Unchecked,
            since: now,
            reason: None,
            latency: None,
            passed: 0,
            missed: 0,
            failures: 0,
            again: Duration::ZERO,
            window: Window::default(),
            back: None,
        }
    }

    pub(super) const fn state(&self) -> State {
        self.state
    }

    pub(super) const fn since(&self) -> Duration {
        self.since
    }

    pub(super) fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    pub(super) const fn latency(&self) -> Option<Duration> {
        self.latency
    }

    /// Whether it may get a connection. Where nothing checks one that is down, a connection has to try.
    pub(super) fn is_usable(&self, app: &App, now: Duration) -> bool {
        match self.state {
            State::Up | State::Unchecked => true,
            State::Down => app.check.is_none() && self.again <= now,
            _ => false,
        }
    }

    /// By how much its share is multiplied: 100, and less while it starts slowly.
    pub(super) fn share(&self, app: &App, now: Duration) -> i64 {
        let Some(back) = self.back else { return 100 };
        let (passed, whole) = (now.saturating_sub(back).as_millis(), app.slow_start.as_millis());
        if passed >= whole { 100 } else { i64::try_from(passed * 100 / whole).unwrap_or(100).max(1) }
    }

    /// It gets a connection. If that is a trial, it is the only one until something is known of it, or for a while.
    pub(super) fn picked(&mut self, app: &App, now: Duration) {
        if self.state == State::Down {
            self.again = now + app.passive.retry;
        }
    }

    /// What time alone changes.
    pub(super) fn settle(&mut self, now: Duration) -> Option<Step> {
        (self.state == State::Ejected && self.again <= now).then(|| self.become_up(now))
    }

    /// A check is over. The first one decides at once.
    pub(super) fn checked(&mut self, app: &App, result: Result<Duration, Failure>, now: Duration) -> Option<Step> {
        let check = app.check.as_ref()?;
        match result {
            Ok(latency) => {
                self.latency = Some(latency);
                (self.passed, self.missed) = (self.passed.saturating_add(1), 0);
                let decides = self.state == State::Unchecked || self.state == State::Down && self.passed >= check.rise;
                decides.then(|| self.become_up(now))
            }
            Err(Failure::Local) => None,
            Err(failure) => {
                (self.passed, self.missed) = (0, self.missed.saturating_add(1));
                let is_first = self.state == State::Unchecked;
                let decides = is_first || self.state != State::Down && self.missed >= check.fall;
                decides.then(|| self.turn(State::Down, Some(failure.to_string()), now))
            }
        }
    }

    /// A connection to it was made.
    pub(super) fn succeeded(&mut self, app: &App, now: Duration) -> Option<Step> {
        self.failures = 0;
        if let Some(outlier) = &app.outlier {
            self.window.count(outlier, false, now);
        }
        let decides = app.check.is_none() && matches!(self.state, State::Down | State::Unchecked);
        decides.then(|| self.become_up(now))
    }

    /// A connection to it failed. It is not ejected unless it `may_go`.
    pub(super) fn failed(&mut self, app: &App, failure: Failure, may_go: bool, now: Duration) -> Option<Step> {
        if failure == Failure::Local {
            return None;
        }
        self.failures = self.failures.saturating_add(1);
        let is_outlier = app.outlier.as_ref().is_some_and(|outlier| self.window.count(outlier, true, now));
        let is_in = matches!(self.state, State::Up | State::Unchecked);
        if self.state == State::Down {
            self.again = now + app.passive.retry;
            self.reason = Some(failure.to_string());
            None
        } else if is_in && (1..=self.failures).contains(&app.passive.fall) {
            self.again = now + app.passive.retry;
            self.passed = 0;
            Some(self.turn(State::Down, Some(failure.to_string()), now))
        } else if let Some(outlier) = app.outlier.as_ref().filter(|_| is_in && is_outlier && may_go) {
            let Window { all, failed, .. } = std::mem::take(&mut self.window);
            self.again = now + outlier.ejected;
            let why = format!("{failed} of {all} connections failed, the last with {failure}");
            Some(self.turn(State::Ejected, Some(why), now))
        } else {
            None
        }
    }

    fn become_up(&mut self, now: Duration) -> Step {
        if self.state != State::Unchecked {
            self.back = Some(now);
        }
        (self.failures, self.missed) = (0, 0);
        self.turn(State::Up, None, now)
    }

    fn turn(&mut self, to: State, why: Option<String>, now: Duration) -> Step {
        (self.since, self.reason) = (now, why);
        (std::mem::replace(&mut self.state, to), to)
    }
}

impl Window {
    /// Counts a connection, and says whether too many failed.
    fn count(&mut self, outlier: &Outlier, failed: bool, now: Duration) -> bool {
        if now.saturating_sub(self.begin) >= outlier.window {
            *self = Self { begin: now, all: 0, failed: 0 };
        }
        self.all = self.all.saturating_add(1);
        self.failed = self.failed.saturating_add(u32::from(failed));
        let parts = u64::from(self.failed) * 100;
        self.all >= outlier.least && parts >= u64::from(self.all) * u64::from(outlier.failures)
    }
}
