//! Brings what clients mean to the sockets of apps.
//!
//! In the kernel, one socket for each app takes all its ports (`bpf/dispatch.bpf.c`); where that cannot be had, each port
//! has a socket of its own. There is one proxy in a network namespace at a time, whichever way it goes.
//!
//! Who has a port already keeps it: an app that names it is refused. Where an app has all ports of an address, those that
//! others listen on when it begins, or when the proxy is told of other apps, stay theirs.

mod bound;
mod hook;
mod kernel;
mod lock;
mod others;
mod pins;
mod prefixes;
mod presence;
mod socket;
mod table;
#[cfg(test)]
mod tests;

use std::fmt;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use bound::Bound;
use hook::Hook;
use kernel::Kernel;
use lock::Lock;
use pins::{Folders, Found, Pins};

pub use presence::{Cleaned, Pinned, Presence, Running, clean, presence};

use super::config::App;
use super::error::ProxyError;
use super::handle::Means;
use crate::host::bpf::{BpfError, Lookup, innermost};
use crate::host::{Namespace, may_dispatch};

/// The sockets of a proxy, and what leads to them. All of it ends with this value.
pub(super) struct Dispatch {
    way: Way,
    /// Why ports are bound although that was not asked for.
    reason: Option<String>,
    news: Option<&'static str>,
    // Behind the pins, which are of whoever has it.
    _lock: Lock,
}

enum Way {
    Kernel(Box<Kernel>),
    Bound(Bound),
}

/// The sockets of an app. What was meant by who comes there is their local address, or what comes with a datagram
/// (`IP_ORIGDSTADDR`).
#[derive(Debug)]
pub(super) struct Sockets {
    /// Its name.
    pub(super) app: String,
    pub(super) tcp: Vec<Arc<OwnedFd>>,
    pub(super) udp: Vec<Arc<OwnedFd>>,
}

/// How the kernel decided, so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Verdicts {
    /// Brought to an app.
    pub(super) dispatched: u64,
    /// Of no app.
    pub(super) missed: u64,
    /// Of an app that has no socket.
    pub(super) no_socket: u64,
    /// Came to where a socket had to be bound, and is of no app.
    pub(super) refused: u64,
}

impl Dispatch {
    /// Takes the network namespace of this thread. Nothing leads anywhere yet. `status` is what whoever asks is told, one
    /// JSON object; it is called on another thread, for which the end of this value waits.
    pub(super) fn start(means: Means, status: Arc<dyn Fn() -> String + Send + Sync>) -> Result<Self, ProxyError> {
        let namespace = Namespace::current().map_err(|error| cannot("look at this network namespace", error))?;
        let lock = Lock::take(status)?;
        let folders = Folders::of(namespace.id().inode);
        let (way, reason, stale) = match attach(means, &namespace) {
            Ok(lookup) => {
                let (lookup, pins, stale) = Pins::make(folders, lookup)?;
                let hook = Hook::new(lookup).map_err(|error| cannot("use what was loaded", innermost(&error)))?;
                (Way::Kernel(Box::new(Kernel::new(hook, pins, namespace))), None, stale)
            }
            Err(why) if means == Means::Kernel => return Err(ProxyError::Kernel { why: why.unwrap_or_default() }),
            Err(why) => {
                // Whoever may load nothing may not remove it either, and is not in its way.
                let stale = matches!(folders.look(), Ok((_, Found::Ours))) && folders.remove().is_ok();
                (Way::Bound(Bound::new(namespace)), why, stale)
            }
        };
        let news = stale.then_some("took over what a proxy left behind that was killed");
        Ok(Self { way, reason, news, _lock: lock })
    }

    /// Opens sockets and leads ports to them as these apps say, and closes the others. What stays is the same descriptor.
    ///
    /// # Errors
    ///
    /// If an app cannot listen; everything is as it was then.
    pub(super) fn apply(&mut self, apps: &[App]) -> Result<Vec<Sockets>, ProxyError> {
        match &mut self.way {
            Way::Kernel(kernel) => kernel.apply(apps),
            Way::Bound(bound) => bound.apply(apps),
        }
    }

    /// Leads nobody to the apps any more. Sockets stay open for whoever has them: what came before may be taken. Those of
    /// single ports go on listening until all who have them let go.
    pub(super) fn close(&mut self) {
        match &mut self.way {
            Way::Kernel(kernel) => kernel.close(),
            Way::Bound(bound) => bound.close(),
        }
    }

    /// How the kernel decided; none where ports are bound.
    pub(super) fn verdicts(&self) -> Option<Verdicts> {
        match &self.way {
            Way::Kernel(kernel) => Some(kernel.verdicts()),
            Way::Bound(_) => None,
        }
    }

    /// Why ports are bound although that was not asked for.
    pub(super) fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// What a person should know of how it began.
    pub(super) const fn news(&self) -> Option<&str> {
        self.news
    }
}

impl fmt::Debug for Dispatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { reason, news, .. } = self;
        f.debug_struct("Dispatch").field("reason", reason).field("news", news).finish_non_exhaustive()
    }
}

/// The kernel's part; else why there is none, unless it is not wanted.
fn attach(means: Means, namespace: &Namespace) -> Result<Lookup, Option<String>> {
    if means == Means::Bind {
        return Err(None);
    }
    if !may_dispatch() {
        return Err(Some("this needs root, or CAP_BPF and CAP_NET_ADMIN".to_owned()));
    }
    Hook::attach(namespace).map_err(|error: BpfError| Some(error.to_string()))
}

fn cannot(doing: &str, cause: impl ToString) -> ProxyError {
    ProxyError::System { doing: doing.to_owned(), cause: std::io::Error::other(cause.to_string()) }
}
