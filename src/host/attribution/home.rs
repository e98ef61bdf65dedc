//! Where a process runs: on the host itself, or in which container.
//!
//! Processes may be gone before anybody asks, so what they leave behind counts: namespaces, by numbers that the kernel does
//! not use again. Whoever has the same namespaces runs in the same place.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::sync::{Arc, OnceLock};

use crate::host::{Containers, NamespaceId};

/// Where processes run that share their namespaces.
#[derive(Debug)]
pub(super) struct Home {
    /// The inode number of the network namespace.
    namespace: u64,
    /// The inode number of the mount namespace.
    mounts: u64,
    /// A process that runs there.
    pid: u32,
    residence: OnceLock<Residence>,
}

/// What a home turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Residence {
    /// In no container.
    Host,
    /// In the container with this name.
    Container(Arc<str>),
    /// The processes were gone before it could be found out.
    Gone,
}

impl Home {
    /// What it is; none if nobody has looked yet.
    pub(super) fn residence(&self) -> Option<&Residence> {
        self.residence.get()
    }

    /// Finds out what it is.
    pub(super) fn resolve(&self, containers: &Containers, host: &HostNamespaces) {
        let lives = || mounts_of(self.pid) == Some(self.mounts);
        let of_process = containers.of_process(self.pid).filter(|_| lives());
        let named = |name: &str| Residence::Container(name.into());
        let residence = match (of_process, containers.of_namespace(host.network_numbered(self.namespace)).as_slice()) {
            (Some(container), _) => named(&container.name),
            (None, _) if lives() => Residence::Host,
            (None, [container]) => named(&container.name),
            (None, _) => Residence::Gone,
        };
        // Whoever was first was right as well.
        let _ = self.residence.set(residence);
    }

    /// A home that is known already.
    #[cfg(test)]
    pub(super) fn known(residence: Residence) -> Arc<Self> {
        Arc::new(Self { namespace: 0, mounts: 0, pid: 0, residence: residence.into() })
    }
}

/// The namespaces of the host itself: those of its first process.
#[derive(Debug, Clone, Copy)]
pub(super) struct HostNamespaces {
    network: NamespaceId,
    mounts: Option<u64>,
}

impl HostNamespaces {
    /// Those of the first process, or those of this one where that may not be looked at.
    ///
    /// # Errors
    ///
    /// When `/proc` is not there.
    pub(super) fn read() -> std::io::Result<Self> {
        let own = std::process::id();
        let network = NamespaceId::of_process(1).or_else(|_| NamespaceId::of_process(own))?;
        Ok(Self { network, mounts: mounts_of(1).or_else(|| mounts_of(own)) })
    }

    /// The inode number of its network namespace.
    pub(super) const fn network(&self) -> u64 {
        self.network.inode
    }

    fn network_numbered(&self, inode: u64) -> NamespaceId {
        self.network.numbered(inode)
    }
}

/// The inode number of the mount namespace of a process; none if it is gone.
pub(super) fn mounts_of(pid: u32) -> Option<u64> {
    fs::metadata(format!("/proc/{pid}/ns/mnt")).ok().map(|metadata| metadata.ino())
}

/// What makes two processes live in the same place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Key {
    /// Numbers of the network and the mount namespace that are never used again.
    Namespaces(u64, u64),
    /// Nothing that lasts.
    Process(u32),
}

/// The homes that are known, and those that nobody has looked at.
#[derive(Debug)]
pub(super) struct Homes {
    host: HostNamespaces,
    on_host: Arc<Home>,
    known: HashMap<Key, Arc<Home>>,
    unresolved: Vec<Arc<Home>>,
}

/// How many homes are kept.
const MOST: usize = 4096;

impl Homes {
    pub(super) fn new(host: HostNamespaces) -> Self {
        let (namespace, mounts) = (host.network(), host.mounts.unwrap_or_default());
        let on_host = Arc::new(Home { namespace, mounts, pid: 1, residence: Residence::Host.into() });
        Self { host, on_host, known: HashMap::new(), unresolved: Vec::new() }
    }

    /// The home of a process that was seen in these namespaces (inode numbers) just now.
    pub(super) fn of(&mut self, key: Key, namespace: u64, mounts: u64, pid: u32) -> Arc<Home> {
        if namespace == self.host.network() && Some(mounts) == self.host.mounts {
            return Arc::clone(&self.on_host);
        }
        // Another process may tell what the one before could not.
        if let Some(home) = self.known.get(&key).filter(|home| home.residence() != Some(&Residence::Gone)) {
            return Arc::clone(home);
        }
        if self.known.len() >= MOST {
            self.known.retain(|_, home| Arc::strong_count(home) > 1);
            if self.known.len() >= MOST {
                self.known.clear();
            }
        }
        let home = Arc::new(Home { namespace, mounts, pid, residence: OnceLock::new() });
        self.known.insert(key, Arc::clone(&home));
        self.unresolved.push(Arc::clone(&home));
        home
    }

    /// Takes those that nobody has looked at.
    pub(super) fn take_unresolved(&mut self) -> Vec<Arc<Home>> {
        std::mem::take(&mut self.unresolved)
    }
}
