//! Carries datagrams between clients and targets: one thread that waits for all of them with epoll.
//!
//! Whom a client means and who it is make an association, which has one target: the pool's next, also for apps that are
//! balanced by a script, since a datagram does not wait.

mod association;
mod client;
mod clients;
mod kept;
mod losses;
mod poll;
mod table;
#[cfg(test)]
mod tests;

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread::{self, JoinHandle};

use super::record::Connection;
use super::relay::Which;
use super::service::{Service, Shared};
use crate::mailbox::{Mailbox, Post, mailbox};
use client::Room;
use poll::{Poll, Ready};
use table::Table;

/// Something that the thread shall do.
type Request = Box<dyn FnOnce(&mut Table) + Send>;

/// The thread. It ends with this value, and all associations with it.
#[derive(Debug)]
pub(super) struct Datagrams {
    /// None: it shall end.
    requests: Option<Post<Request>>,
    thread: Option<JoinHandle<()>>,
}

impl Datagrams {
    /// Begins the thread.
    pub(super) fn start(shared: &Arc<Shared>) -> io::Result<Self> {
        let poll = Arc::new(Poll::new()?);
        let (post, requests) = mailbox()?;
        poll.add(&requests, Ready::Requests)?;
        let table = Table::new(shared, &poll);
        let thread = thread::Builder::new().name("proxy-udp".into()).spawn(move || run(table, &poll, &requests))?;
        Ok(Self { requests: Some(post), thread: Some(thread) })
    }

    /// Takes datagrams to an app from these sockets, instead of those that it had. Associations go on.
    pub(super) fn serve(&self, service: &Arc<Service>, sockets: &[Arc<OwnedFd>]) {
        let (service, sockets) = (service.clone(), sockets.to_vec());
        self.ask(move |table| table.serve(&service, &sockets));
    }

    /// Takes no more clients of an app. Associations go on.
    pub(super) fn forget(&self, app: &str) {
        let app = app.to_owned();
        self.ask(move |table| table.forget(&app));
    }

    /// The associations that there are.
    pub(super) fn connections(&self) -> Vec<Connection> {
        self.ask(|table| table.connections()).unwrap_or_default()
    }

    /// Ends associations.
    pub(super) fn end(&self, which: &Which, why: &'static str) {
        let which = which.clone();
        self.ask(move |table| table.end(&which, why));
    }

    /// Has the thread do something, and waits for it.
    fn ask<T: Send + 'static>(&self, work: impl FnOnce(&mut Table) -> T + Send + 'static) -> Option<T> {
        let (answer, answered) = channel();
        // Whoever asked waits for the answer, below.
        self.requests.as_ref()?.send(Box::new(move |table| drop(answer.send(work(table)))));
        answered.recv().ok()
    }
}

impl Drop for Datagrams {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(mut table: Table, poll: &Poll, requests: &Mailbox<Request>) {
    let mut room = Room::new();
    loop {
        for ready in poll.wait(table.patience()) {
            match ready {
                Ready::Requests => {
                    let Some(requests) = requests.take() else { return };
                    requests.into_iter().for_each(|request| request(&mut table));
                }
                Ready::Client(socket) => table.hear(socket, &mut room),
                Ready::Target(association) => table.answer(association, &mut room),
            }
        }
        table.sweep();
    }
}
