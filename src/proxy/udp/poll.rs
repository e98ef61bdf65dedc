//! What is waited for.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};

/// What is told at once.
const EVENTS: usize = 256;

/// Waits for many sockets.
#[derive(Debug)]
pub(super) struct Poll {
    epoll: OwnedFd,
}

/// Whose turn it is. The numbers are never used for another, so that what the kernel told of one that is gone since is
/// nobody's.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ready {
    Requests,
    /// A socket towards clients.
    Client(u64),
    /// The target of an association.
    Target(u64),
}

impl Poll {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { epoll: epoll::create(epoll::CreateFlags::CLOEXEC)? })
    }

    pub(super) fn add(&self, socket: impl AsFd, ready: Ready) -> io::Result<()> {
        let data = epoll::EventData::new_u64(match ready {
            Ready::Requests => 0,
            Ready::Client(socket) => socket << 1,
            Ready::Target(association) => association << 1 | 1,
        });
        Ok(epoll::add(&self.epoll, socket, data, epoll::EventFlags::IN)?)
    }

    /// Waits no more for a socket that may be open elsewhere.
    pub(super) fn delete(&self, socket: impl AsFd) {
        // It fails only for what is not waited for.
        let _ = epoll::delete(&self.epoll, socket);
    }

    /// Waits until something is ready, or the time is over.
    pub(super) fn wait(&self, patience: Option<Duration>) -> impl Iterator<Item = Ready> + use<> {
        let mut events = Vec::with_capacity(EVENTS);
        let patience = patience.and_then(|patience| Timespec::try_from(patience).ok());
        // It fails only if a signal interrupts it: nothing is ready then.
        let _ = epoll::wait(&self.epoll, spare_capacity(&mut events), patience.as_ref());
        events.into_iter().map(|event| match event.data.u64() {
            0 => Ready::Requests,
            data if data & 1 == 0 => Ready::Client(data >> 1),
            data => Ready::Target(data >> 1),
        })
    }
}
