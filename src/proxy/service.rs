//! An app that runs, and what all apps share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::balance::Pool;
use super::config::App;
use super::journal::Journal;
use super::tally::Tally;

/// An app that runs. After a reload there is another one, with the same pool and counters.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) app: App,
    pub(super) pool: Arc<Pool>,
    pub(super) counters: Arc<Counters>,
}

/// What became of the connections and associations of an app.
#[derive(Debug, Default)]
pub(super) struct Counters {
    /// Those that are there now.
    pub(super) open: Tally,
    /// All that were ever accepted.
    pub(super) accepted: AtomicU64,
    /// Those that got no target.
    pub(super) failed: AtomicU64,
    /// How often a further target was tried.
    pub(super) retried: AtomicU64,
    /// How often one had to wait because there were as many as may be.
    pub(super) limited: AtomicU64,
    /// Whether the next one waits for that reason, and is counted.
    pub(super) is_waiting: AtomicBool,
    /// Whether it was told that a script did not choose a target in time.
    pub(super) is_unanswered: AtomicBool,
    /// Datagrams that could not be passed on.
    pub(super) dropped: AtomicU64,
}

/// What all workers of a proxy share.
#[derive(Debug)]
pub(super) struct Shared {
    /// When the proxy began.
    pub(super) begin: Instant,
    pub(super) journal: Journal,
    /// Connections and associations of all apps.
    pub(super) open: Tally,
    /// How many there may be, if somebody said so.
    pub(super) most: Option<usize>,
    /// Descriptors that they have.
    pub(super) descriptors: Tally,
    /// How many these may be.
    pub(super) most_descriptors: usize,
    /// Whether it was told that nothing is left.
    pub(super) is_exhausted: AtomicBool,
}

impl Shared {
    /// Now, since the proxy began.
    pub(super) fn now(&self) -> Duration {
        self.begin.elapsed()
    }

    /// Keeps a place for one more connection of an app, which has so many descriptors; none if there may be no further one.
    pub(super) fn admit<'a>(&'a self, service: &'a Service, descriptors: usize) -> Option<Place<'a>> {
        let bounds = self.bounds(service, descriptors);
        let full = bounds.iter().position(|bound| !bound.tally.keep(bound.count, bound.most));
        if let Some(full) = full {
            bounds[..full].iter().for_each(|bound| bound.tally.give_back(bound.count));
        }
        full.is_none().then(|| Place { bounds, service })
    }

    /// Whether there are as many as may be, whoever else may be about to come.
    pub(super) fn is_full(&self, service: &Service, descriptors: usize) -> bool {
        self.bounds(service, descriptors).iter().any(|bound| bound.tally.is_full(bound.count, bound.most))
    }

    /// Counts the end of one that took its place.
    pub(super) fn ended(&self, service: &Service, descriptors: usize) {
        self.bounds(service, descriptors).iter().for_each(|bound| bound.tally.go(bound.count));
    }

    fn bounds<'a>(&'a self, service: &'a Service, descriptors: usize) -> [Bound<'a>; 3] {
        let of_app = service.app.connections.unwrap_or(usize::MAX);
        [
            Bound { tally: &service.counters.open, count: 1, most: of_app },
            Bound { tally: &self.open, count: 1, most: self.most.unwrap_or(usize::MAX) },
            Bound { tally: &self.descriptors, count: descriptors, most: self.most_descriptors },
        ]
    }

    /// Counts a client that waits because there are as many as may be; the first one is told of.
    pub(super) fn waits(&self, service: &Service) {
        let Counters { open, limited, is_waiting, .. } = &*service.counters;
        if is_waiting.swap(true, Ordering::Relaxed) || limited.fetch_add(1, Ordering::Relaxed) > 0 {
            return;
        }
        let name = &service.app.name;
        let is_of_app = service.app.connections.is_some_and(|most| open.is_full(1, most));
        let what = if is_of_app { format!("app {name} has") } else { "all apps together have".to_owned() };
        let whose = if is_of_app { String::new() } else { format!(" of app {name}") };
        self.journal.news(format!("{what} as many connections as there may be; further clients{whose} wait"));
    }

    /// Tells, once for an app, that its script did not choose a target in time.
    pub(super) fn unanswered(&self, service: &Service) {
        if !service.counters.is_unanswered.swap(true, Ordering::Relaxed) {
            let Service { app, .. } = service;
            let within = crate::record::Duration::from(app.timeouts.connect);
            self.journal.news(format!(
                "app {}: the script was busy and did not pick within {within}; where it does not choose, each target has its turn",
                app.name
            ));
        }
    }

    /// Tells, once, that the system has nothing left for a connection.
    pub(super) fn exhausted(&self) {
        if !self.is_exhausted.swap(true, Ordering::Relaxed) {
            self.journal.news("the system has no descriptor, port or memory left for further connections".to_owned());
        }
    }
}

/// What bounds the connections of an app.
#[derive(Debug)]
struct Bound<'a> {
    tally: &'a Tally,
    /// By how much one more counts.
    count: usize,
    /// How much there may be.
    most: usize,
}

/// A place that is kept for a connection. It is given back with this value, unless somebody takes it.
#[derive(Debug)]
pub(super) struct Place<'a> {
    bounds: [Bound<'a>; 3],
    service: &'a Service,
}

impl Place<'_> {
    /// Counts the connection that is there now. Whoever ends it [says so](Shared::ended).
    pub(super) fn take(self) {
        let counters = &self.service.counters;
        counters.accepted.fetch_add(1, Ordering::Relaxed);
        counters.is_waiting.store(false, Ordering::Relaxed);
        self.bounds.iter().for_each(|bound| bound.tally.come(bound.count));
        std::mem::forget(self);
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.bounds.iter().for_each(|bound| bound.tally.give_back(bound.count));
    }
}

#[cfg(test)]
impl Shared {
    /// What the workers of a proxy share of which nobody hears.
    pub(super) fn sample() -> Self {
        Self {
            begin: Instant::now(),
            journal: Journal::new(None).unwrap().0,
            open: Tally::default(),
            most: None,
            descriptors: Tally::default(),
            most_descriptors: usize::MAX,
            is_exhausted: AtomicBool::new(false),
        }
    }
}
