//! Finds out how targets are: a thread that resolves their names and checks their addresses.

mod checks;
mod names;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::io;
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use tokio::runtime::Builder;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;

use self::names::{Found, TIMEOUT};
use super::balance::Pool;
use crate::mailbox::Bell;

/// Names that are looked up at the same time, each by a thread that waits.
const LOOKUPS: usize = 64;
/// Checks at the same time.
const CHECKS: usize = 64;

/// The thread. It ends with this value.
#[derive(Debug)]
pub(super) struct Control {
    commands: Option<UnboundedSender<Command>>,
    thread: Option<JoinHandle<()>>,
    /// Rings when lookups shall end.
    stop: Bell,
}

/// From now on these.
struct Command {
    pools: Vec<Arc<Pool>>,
    /// Dropped when each name was looked up.
    looked_up: mpsc::Sender<()>,
}

/// Looks a name up. May block.
type Lookup = Arc<dyn Fn(&str) -> Found + Send + Sync>;

/// A pool, and when there may be others to check in it.
struct Watched {
    pool: Arc<Pool>,
    changed: Notify,
}

impl Control {
    /// Begins the thread, which has nothing to do yet. Pools are told times since `begin`.
    pub(super) fn start(begin: Instant) -> io::Result<Self> {
        let stop = Bell::new()?;
        let cancel = stop.clone();
        Self::with(begin, stop, Arc::new(move |name| names::look_up(name, cancel.as_fd())))
    }

    fn with(begin: Instant, stop: Bell, lookup: Lookup) -> io::Result<Self> {
        let (commands, receiver) = unbounded_channel();
        let runtime = Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .max_blocking_threads(LOOKUPS)
            .thread_name("proxy-names")
            .build()?;
        let run = move || runtime.block_on(run(receiver, begin, lookup));
        let thread = thread::Builder::new().name("proxy-control".into()).spawn(run)?;
        Ok(Self { commands: Some(commands), thread: Some(thread), stop })
    }

    /// Looks after these pools and no others from now on, with the settings and targets that they have now. Comes back
    /// when each name was looked up once, or has been waited for long enough.
    pub(super) fn watch(&self, pools: Vec<Arc<Pool>>) {
        let (looked_up, receiver) = mpsc::channel();
        if let Some(commands) = &self.commands {
            // The thread does not end before this value does.
            let _ = commands.send(Command { pools, looked_up });
        }
        let _ = receiver.recv_timeout(TIMEOUT);
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        drop(self.commands.take());
        self.stop.ring();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn run(mut commands: UnboundedReceiver<Command>, begin: Instant, lookup: Lookup) {
    let slots = Arc::new(Semaphore::new(CHECKS));
    let mut tasks = JoinSet::new();
    while let Some(Command { pools, looked_up }) = commands.recv().await {
        // What went on for others ends here.
        tasks.abort_all();
        tasks = JoinSet::new();
        let mut names: HashMap<String, Vec<Arc<Watched>>> = HashMap::new();
        for pool in pools {
            let watched = Arc::new(Watched { pool, changed: Notify::new() });
            for name in watched.pool.names() {
                names.entry(name).or_default().push(watched.clone());
            }
            tasks.spawn(checks::keep(watched, slots.clone(), begin));
        }
        for (name, watched) in names {
            tasks.spawn(names::keep(name, watched, lookup.clone(), begin, looked_up.clone()));
        }
    }
}
