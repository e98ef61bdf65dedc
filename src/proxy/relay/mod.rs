//! Moves the bytes of TCP connections: threads that each wait for many connections with epoll.

mod crew;
mod direction;
mod header;
mod pipes;
mod session;
mod socket;
#[cfg(test)]
mod tests;
mod worker;

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread::{self, JoinHandle};

use self::crew::Crew;
use self::worker::{Command, Worker};
use super::record::Connection;
use super::service::{Service, Shared};

/// Descriptors of a connection: the sockets to its client and to its target.
pub(super) const DESCRIPTORS: usize = 2;

/// The threads. They end with this value, and with them all connections.
#[derive(Debug)]
pub(super) struct Workers {
    crew: Crew,
    threads: Vec<JoinHandle<usize>>,
}

/// Which connections are meant.
#[derive(Debug, Clone)]
pub(super) enum Which {
    All,
    /// Those to the target with this id.
    Target(u64),
}

impl Workers {
    /// Begins so many threads.
    pub(super) fn start(count: usize, shared: &Arc<Shared>) -> io::Result<Self> {
        let (crew, boxes) = Crew::new(count)?;
        let mut this = Self { crew: crew.clone(), threads: Vec::new() };
        for (place, commands) in boxes.into_iter().enumerate() {
            let worker = Worker::new(crew.clone(), place, commands, shared.clone())?;
            this.threads.push(thread::Builder::new().name(format!("proxy-{place}")).spawn(move || worker.run())?);
        }
        Ok(this)
    }

    /// Accepts connections to an app from these listeners, instead of those that it had. Who waits at the others is still
    /// accepted.
    pub(super) fn serve(&self, service: &Arc<Service>, listeners: &[Arc<OwnedFd>]) {
        self.crew.tell_all(|| Command::Serve(service.clone(), listeners.to_vec()));
    }

    /// Accepts no more connections to an app, behind those that wait already. They go on.
    pub(super) fn forget(&self, app: &str) {
        self.crew.tell_all(|| Command::Forget(app.to_owned()));
    }

    /// Waits until listeners that were left are closed, so that others can have their ports.
    pub(super) fn settle(&self) {
        let (settled, receiver) = channel::<()>();
        self.crew.tell_all(|| Command::Settle(settled.clone()));
        drop(settled);
        // It ends when the last thread has dropped its own.
        let _ = receiver.recv();
    }

    /// The connections that there are.
    pub(super) fn connections(&self) -> Vec<Connection> {
        let (sender, receiver) = channel();
        self.crew.tell_all(|| Command::Report(sender.clone()));
        // It ends when the last thread has answered, or is no more.
        drop(sender);
        receiver.iter().flatten().collect()
    }

    /// Resets connections.
    pub(super) fn end(&self, which: &Which, why: &'static str) {
        self.crew.tell_all(|| Command::End(which.clone(), why));
    }

    /// Ends the threads, and with them all connections. Gives how many these were.
    pub(super) fn stop(&mut self) -> usize {
        self.crew.tell_all(|| Command::Stop);
        // A panic there has been reported by the panic hook.
        self.threads.drain(..).map(|thread| thread.join().unwrap_or_default()).sum()
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.stop();
    }
}
