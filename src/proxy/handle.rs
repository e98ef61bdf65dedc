//! A proxy, from its start to its end.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::config::App;
use super::error::ProxyError;
use super::journal::{self, Answer, Notice, Notices};
use super::record::{Connection, Stats, TargetState};
use super::running::Running;

/// How what clients mean is brought to the apps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Means {
    /// In the kernel, or by binding each port where that cannot be had.
    #[default]
    Best,
    /// In the kernel, or not at all.
    Kernel,
    /// By binding each port.
    Bind,
}

/// How a proxy runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Threads that move bytes.
    pub threads: usize,
    /// Connections and associations at the same time; none: as many as descriptors allow.
    pub connections: Option<usize>,
    /// How long connections may take to end when the proxy stops or a target is drained.
    pub drain: Duration,
    /// Where a line of JSON is written for each connection that ended: a file, or `-` for standard error.
    pub log: Option<PathBuf>,
    /// Where metrics are served.
    pub metrics: Option<SocketAddr>,
    /// How what clients mean is brought to the apps.
    pub means: Means,
}

/// A proxy. It ends with this value, without waiting for connections.
#[derive(Debug)]
pub struct Proxy {
    settings: Settings,
    apps: Mutex<Vec<App>>,
    core: Arc<Core>,
}

/// What those threads see that answer questions about a proxy.
#[derive(Debug, Default)]
pub(super) struct Core {
    running: Mutex<Option<Running>>,
    told: Mutex<Told>,
    /// What the one that ran last has done.
    last: Mutex<(Stats, Vec<TargetState>)>,
}

/// What the owner is told.
#[derive(Debug, Default)]
struct Told {
    /// Of the proxy that runs, or of the one that ran last.
    notices: Option<Arc<Notices>>,
    /// What was told while nobody listened.
    kept: VecDeque<String>,
}

/// What the owner of a proxy is told.
#[derive(Debug)]
pub enum Awaited {
    /// A person should know this.
    News(String),
    /// A connection of an app that is balanced by a script waits for its target.
    Pick(Box<Pick>),
    /// The descriptor is readable, or the time is over.
    Nothing,
}

/// A connection that waits for its target: [`Balance::Script`](super::config::Balance::Script). Dropping it leaves the
/// choice to round robin.
#[derive(Debug)]
pub struct Pick {
    /// What is known of it.
    pub connection: Connection,
    /// The targets that are up.
    pub targets: Vec<TargetState>,
    answer: Answer,
}

impl Pick {
    /// Brings it to one of the targets, by its place among them.
    pub fn to(self, place: usize) {
        self.answer.give(place);
    }
}

/// How often it is looked whether connections have ended.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 10_000_000 };

impl Proxy {
    /// A proxy for these apps, which does nothing yet.
    #[must_use]
    pub fn new(apps: Vec<App>, settings: Settings) -> Self {
        Self { settings, apps: Mutex::new(apps), core: Arc::default() }
    }

    /// Begins to listen, unless it does.
    ///
    /// # Errors
    ///
    /// If an app cannot listen, or if a proxy runs in this network namespace already. Nothing is left behind then.
    pub fn start(&self) -> Result<(), ProxyError> {
        let apps = lock(&self.apps);
        if self.core.running().is_some() {
            return Ok(());
        }
        // Not while others wait to see it: what answers them may have to end first.
        let (running, notices) = Running::start(&apps, &self.settings, &self.core)?;
        lock(&self.core.told).notices = Some(Arc::new(notices));
        *self.core.running() = Some(running);
        Ok(())
    }

    /// Whether it listens.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.core.running().is_some()
    }

    /// Goes on with other apps. Connections go on, also those of apps, ports and targets that are no more.
    ///
    /// # Errors
    ///
    /// If a new app cannot listen: everything is as it was then.
    pub fn reload(&self, apps: Vec<App>) -> Result<(), ProxyError> {
        let mut known = lock(&self.apps);
        if let Some(running) = &mut *self.core.running() {
            running.reload(&apps)?;
        }
        *known = apps;
        Ok(())
    }

    /// Goes on with the log in a new file of the same name.
    pub fn reopen_log(&self) {
        if let Some(running) = &*self.core.running() {
            running.reopen_log();
        }
    }

    /// Brings no more connections to a target, and resets those that it still has after a time. Gives how many it has now.
    ///
    /// # Errors
    ///
    /// If no app has it.
    pub fn drain(&self, target: &str, within: Duration) -> Result<usize, ProxyError> {
        let running = self.core.running();
        running.as_ref().ok_or(ProxyError::NotRunning)?.drain(target, within, &self.core)
    }

    /// Takes no more connections. Gives how many go on; associations do not, since they have no end of their own.
    pub fn close(&self) -> usize {
        let mut running = self.core.running();
        running.as_mut().map_or(0, |running| {
            running.close();
            running.open()
        })
    }

    /// Takes no more connections, waits until those that there are have ended, until the time is over or the descriptor is
    /// readable, and resets the rest. Gives how many had to be reset.
    pub fn stop(&self, within: Duration, cancel: BorrowedFd<'_>) -> usize {
        let begun = Instant::now();
        self.close();
        let open = || self.core.running().as_ref().map_or(0, Running::open);
        while open() > 0 && begun.elapsed() < within {
            // Nobody picks any more: connections that wait get the target whose turn it is.
            let told = &mut *lock(&self.core.told);
            while let Some(notice) = told.notices.as_ref().and_then(|notices| notices.next()) {
                if let Notice::News(text) = notice {
                    told.kept.push_back(text);
                }
            }
            match poll(&mut [PollFd::new(&cancel, PollFlags::IN)], Some(&LOOK)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                _ => break,
            }
        }
        self.end()
    }

    /// Takes it out first: it ends when nobody looks at it.
    fn end(&self) -> usize {
        let running = self.core.running().take();
        let Some((cut, stats, targets)) = running.map(Running::end) else { return 0 };
        *lock(&self.core.last) = (stats, targets);
        cut
    }

    /// Is readable when there is something to [wait](Self::wait) for; none before the start.
    #[must_use]
    pub fn ready(&self) -> Option<Arc<OwnedFd>> {
        lock(&self.core.told).notices.as_ref().map(|notices| notices.ready().clone())
    }

    /// Waits for something that the owner has to do or to know, until the time is over or the descriptor is readable.
    pub fn wait(&self, timeout: Option<Duration>, cancel: BorrowedFd<'_>) -> Awaited {
        let kept = lock(&self.core.told).kept.pop_front();
        if let Some(text) = kept {
            return Awaited::News(text);
        }
        // Nobody else is held up meanwhile.
        let notices = lock(&self.core.told).notices.clone();
        let Some(notices) = notices else { return Awaited::Nothing };
        match notices.wait(timeout, cancel) {
            Ok(Some(Notice::News(text))) => Awaited::News(text),
            Ok(Some(Notice::Pick(pick))) => Awaited::Pick(Box::new(self.pick(*pick))),
            // It cannot wait here, and will not elsewhere.
            Ok(None) | Err(_) => Awaited::Nothing,
        }
    }

    fn pick(&self, journal::Pick { connection, targets, answer }: journal::Pick) -> Pick {
        let running = self.core.running();
        let states = running.as_ref().map_or_else(Vec::new, |running| running.targets_of(&connection.app));
        let state = |id| states.iter().find(|state| state.id == id).cloned();
        // One that is no more leaves the choice to round robin.
        let targets: Option<Vec<_>> = targets.iter().map(|target| state(target.id())).collect();
        Pick { connection, targets: targets.unwrap_or_default(), answer }
    }

    /// The connections and associations that there are.
    #[must_use]
    pub fn connections(&self) -> Vec<Connection> {
        self.core.running().as_ref().map_or_else(Vec::new, Running::connections)
    }

    /// The targets of all apps; after the end as they were then.
    #[must_use]
    pub fn targets(&self) -> Vec<TargetState> {
        let running = self.core.running();
        running.as_ref().map_or_else(|| lock(&self.core.last).1.clone(), Running::targets)
    }

    /// What was done so far; after the end all that was done.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let running = self.core.running();
        running.as_ref().map_or_else(|| lock(&self.core.last).0.clone(), Running::stats)
    }

    /// Where metrics are served.
    #[must_use]
    pub fn metrics(&self) -> Option<SocketAddr> {
        self.core.running().as_ref().and_then(Running::metrics)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.end();
    }
}

impl Core {
    pub(super) fn running(&self) -> MutexGuard<'_, Option<Running>> {
        lock(&self.running)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
