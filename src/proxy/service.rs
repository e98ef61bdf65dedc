//! An app that runs, and what all apps share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::balance::Pool;
use super::config::App;
use super::journal::Journal;

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
    pub(super) open: AtomicUsize,
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
    /// Threads that are about to accept one.
    pub(super) accepting: AtomicUsize,
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
    pub(super) open: AtomicUsize,
    /// How many there may be, if somebody said so.
    pub(super) most: Option<usize>,
    /// Descriptors that they have.
    pub(super) descriptors: AtomicUsize,
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

    /// Whether one more connection of an app may be taken, which has so many descriptors; it is counted then.
    pub(super) fn admit(&self, service: &Service, descriptors: usize) -> bool {
        let open = service.counters.open.fetch_add(1, Ordering::Relaxed);
        let all = self.open.fetch_add(1, Ordering::Relaxed);
        let used = self.descriptors.fetch_add(descriptors, Ordering::Relaxed) + descriptors;
        let may = service.app.connections.is_none_or(|most| open < most)
            && self.most.is_none_or(|most| all < most)
            && used <= self.most_descriptors;
        if !may {
            self.release(service, descriptors);
        }
        may
    }

    /// Counts a client that waits because there are as many as may be; the first one is told of.
    pub(super) fn waits(&self, service: &Service) {
        let Counters { open, limited, is_waiting, .. } = &*service.counters;
        if is_waiting.swap(true, Ordering::Relaxed) || limited.fetch_add(1, Ordering::Relaxed) > 0 {
            return;
        }
        let name = &service.app.name;
        let is_of_app = service.app.connections.is_some_and(|most| open.load(Ordering::Relaxed) >= most);
        let what = if is_of_app { format!("app {name} has") } else { "all apps together have".to_owned() };
        let whose = if is_of_app { String::new() } else { format!(" of app {name}") };
        self.journal.news(format!("{what} as many connections as there may be; further clients{whose} wait"));
    }

    /// Tells, once, that the system has nothing left for a connection.
    pub(super) fn exhausted(&self) {
        if !self.is_exhausted.swap(true, Ordering::Relaxed) {
            self.journal.news("the system has no descriptor, port or memory left for further connections".to_owned());
        }
    }

    /// Counts the end of one that was admitted.
    pub(super) fn release(&self, service: &Service, descriptors: usize) {
        service.counters.open.fetch_sub(1, Ordering::Relaxed);
        self.open.fetch_sub(1, Ordering::Relaxed);
        self.descriptors.fetch_sub(descriptors, Ordering::Relaxed);
    }
}

#[cfg(test)]
impl Shared {
    /// What the workers of a proxy share of which nobody hears.
    pub(super) fn sample() -> Self {
        Self {
            begin: Instant::now(),
            journal: Journal::new(None).unwrap().0,
            open: AtomicUsize::new(0),
            most: None,
            descriptors: AtomicUsize::new(0),
            most_descriptors: usize::MAX,
            is_exhausted: AtomicBool::new(false),
        }
    }
}
