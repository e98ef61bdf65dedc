//! Who is behind each end of a conversation: which process, in which container.
//!
//! Where BPF can be had, the kernel tells of every socket as it is made, accepted, used and closed, in every network
//! namespace ([`hook`]); a list of all sockets ([`survey`]) tells of those that were there before, and is read again and
//! again where there is no BPF. What was told is kept with the times for which it was true ([`index`]), and an answer is
//! given only where these leave one ([`lookup`]).

mod event;
mod home;
mod hook;
mod index;
mod known;
mod lookup;
mod places;
mod survey;
#[cfg(test)]
mod tests;
mod watcher;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use super::{HostError, NamespaceId, Query};
use crate::flow::{Attributor, Owners};
use crate::record::Time;

use home::HostNamespaces;
use hook::Hook;
use index::Span;
use lookup::End;
use watcher::Watcher;

/// How to learn of sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Method {
    /// From hooks in the kernel, and without the privilege or the kernel for that as [`Lists`](Self::Lists).
    #[default]
    Best,
    /// From lists of sockets, read several times a second. A connection that begins and ends between two of them is missed.
    Lists,
}

/// Knows who has which socket, from when it is started until it is dropped. A thread of its own looks after it.
///
/// Nothing of it outlives the process, however that ends.
pub struct Attribution {
    watcher: Arc<Watcher>,
    thread: Option<JoinHandle<()>>,
    shortcoming: Option<String>,
}

impl Attribution {
    /// Begins to watch all network namespaces. `captured` are those that packets are captured in: they decide where several
    /// namespaces have the same address. Containers are looked for as `containers` says.
    ///
    /// # Errors
    ///
    /// [`HostError::System`] where `/proc` is not there, or no thread can be had. A missing privilege is no error: see
    /// [`shortcoming`](Self::shortcoming).
    pub fn start(captured: &[NamespaceId], containers: Query, method: Method) -> Result<Self, HostError> {
        let failed = |cause| HostError::System { doing: "look at processes and their sockets".into(), cause };
        let host = HostNamespaces::read().map_err(failed)?;
        let hook = match method {
            Method::Best => Hook::attach().map_err(|error| error.to_string()),
            Method::Lists => Err("not asked for".to_owned()),
        };
        let shortcoming = hook.as_ref().err().map(|why| {
            format!(
                "processes are known from lists of sockets, which miss short connections: no kernel hooks (BPF), {why}"
            )
        });
        let captured = captured.iter().map(|namespace| namespace.inode).collect();
        let watcher = Arc::new(Watcher::new(hook.ok(), host, captured, containers).map_err(failed)?);
        let watched = Arc::clone(&watcher);
        let thread = std::thread::Builder::new().name("attribution".into()).spawn(move || watched.run());
        Ok(Self { watcher, thread: Some(thread.map_err(failed)?), shortcoming })
    }

    /// Why sockets cannot be learned of from hooks in the kernel, if they cannot, and what that means.
    #[must_use]
    pub fn shortcoming(&self) -> Option<&str> {
        self.shortcoming.as_deref()
    }
}

impl fmt::Debug for Attribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attribution").field("shortcoming", &self.shortcoming).finish_non_exhaustive()
    }
}

impl Attributor for Attribution {
    fn owners(&mut self, protocol: u8, client: SocketAddr, server: SocketAddr, start: Time, end: Time) -> Owners {
        // Sockets have neither scopes nor labels, and IPv4 addresses that are written as IPv4.
        let plain = |end: SocketAddr| SocketAddr::new(end.ip().to_canonical(), end.port());
        let (client, server, span) = (plain(client), plain(server), Span { start, end });
        let client_end = End { protocol, local: client, remote: server, is_client: true, span };
        let server_end = End { protocol, local: server, remote: client, is_client: false, span };
        if let Some(thread) = &self.thread {
            let thread = thread.thread();
            return Owners {
                client: self.watcher.owner(&client_end, thread),
                server: self.watcher.owner(&server_end, thread),
            };
        }
        Owners::default()
    }

    fn notes(&self) -> Vec<String> {
        let (lost, forgotten) = self.watcher.losses();
        let mut notes = Vec::new();
        if lost > 0 {
            notes.push(format!("{lost} sockets came or went unseen: the kernel told more than there was room for"));
        }
        if forgotten > 0 {
            notes.push(format!("{forgotten} sockets were forgotten: there were more than are remembered"));
        }
        notes
    }
}

impl Drop for Attribution {
    fn drop(&mut self) {
        self.watcher.stop();
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // If it panicked, it said so.
            let _ = thread.join();
        }
    }
}
