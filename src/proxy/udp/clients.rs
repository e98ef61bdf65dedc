//! The sockets towards clients: those that apps are served on, and those that are there for answers.

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd as _, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use super::client::ClientSocket;
use super::poll::{Poll, Ready};

/// After what time it is tried again to bind what could not be bound.
const AGAIN: Duration = Duration::from_secs(1);

/// All of them, by their numbers.
#[derive(Debug)]
pub(super) struct ClientSockets {
    poll: Arc<Poll>,
    last: u64,
    sockets: HashMap<u64, ClientSocket>,
    /// Those for answers, by whom clients meant.
    bound: HashMap<SocketAddr, u64>,
    /// From where clients cannot be answered, and since when.
    unbound: HashMap<SocketAddr, Duration>,
}

impl ClientSockets {
    pub(super) fn new(poll: &Arc<Poll>) -> Self {
        Self { poll: poll.clone(), last: 0, sockets: HashMap::new(), bound: HashMap::new(), unbound: HashMap::new() }
    }

    pub(super) fn get(&self, id: u64) -> Option<&ClientSocket> {
        self.sockets.get(&id)
    }

    /// Serves an app on a socket.
    pub(super) fn serve(&mut self, socket: &Arc<OwnedFd>, app: &Arc<str>) -> io::Result<()> {
        // One may be known that was heard before, or that answers still.
        match self.sockets.values_mut().find(|known| Arc::ptr_eq(&known.socket, socket)) {
            Some(known) => known.app = Some(app.clone()),
            None => drop(self.add(ClientSocket::of_app(socket, app)?)?),
        }
        Ok(())
    }

    /// Serves an app on these sockets at most. Others stay open while associations answer through them. Gives how many
    /// datagrams these lost.
    pub(super) fn forget(&mut self, app: &str, but: &[Arc<OwnedFd>]) -> u64 {
        let but: HashSet<RawFd> = but.iter().map(|socket| socket.as_raw_fd()).collect();
        let is_forgotten = |it: &ClientSocket| it.app.as_deref() == Some(app) && !but.contains(&it.socket.as_raw_fd());
        let ids: Vec<u64> = self.sockets.iter().filter(|(_, it)| is_forgotten(it)).map(|(&id, _)| id).collect();
        let mut lost = 0;
        for id in ids {
            if let Some(socket) = self.sockets.get_mut(&id) {
                lost += socket.lost();
                socket.app = None;
            }
            lost += self.close_unused(id);
        }
        lost
    }

    /// Sockets that lost datagrams since this was asked before, and how many.
    pub(super) fn lost(&mut self) -> Vec<(u64, u64)> {
        self.sockets.iter_mut().map(|(&id, socket)| (id, socket.lost())).filter(|&(_, lost)| lost > 0).collect()
    }

    /// A socket that answers from whom clients meant. None: it was said already why there is none.
    pub(super) fn bound_to(&mut self, meant: SocketAddr, now: Duration) -> Option<io::Result<u64>> {
        if let Some(&id) = self.bound.get(&meant) {
            return Some(Ok(id));
        }
        if self.unbound.get(&meant).is_some_and(|since| now.saturating_sub(*since) < AGAIN) {
            return None;
        }
        let added = ClientSocket::bound_to(meant).and_then(|socket| self.add(socket));
        match &added {
            Ok(id) => drop(self.bound.insert(meant, *id)),
            Err(_) => drop(self.unbound.insert(meant, now)),
        }
        Some(added)
    }

    /// Counts an association that answers through a socket.
    pub(super) fn begin(&mut self, id: u64) {
        if let Some(socket) = self.sockets.get_mut(&id) {
            socket.users += 1;
        }
    }

    /// Counts the end of one that was counted. Gives how many datagrams the socket lost, if it was closed.
    pub(super) fn end(&mut self, id: u64) -> u64 {
        if let Some(socket) = self.sockets.get_mut(&id) {
            socket.users -= 1;
        }
        self.close_unused(id)
    }

    /// Forgets what was in the way a while ago.
    pub(super) fn sweep(&mut self, now: Duration) {
        self.unbound.retain(|_, since| now.saturating_sub(*since) < AGAIN);
    }

    fn add(&mut self, socket: ClientSocket) -> io::Result<u64> {
        self.last += 1;
        self.poll.add(&socket.socket, Ready::Client(self.last))?;
        self.sockets.insert(self.last, socket);
        Ok(self.last)
    }

    fn close_unused(&mut self, id: u64) -> u64 {
        let Some(socket) = self.sockets.get_mut(&id).filter(|socket| socket.app.is_none() && socket.users == 0) else {
            return 0;
        };
        let lost = socket.lost();
        self.poll.delete(&socket.socket);
        if self.bound.get(&socket.local) == Some(&id) {
            self.bound.remove(&socket.local);
        }
        self.sockets.remove(&id);
        lost
    }
}
