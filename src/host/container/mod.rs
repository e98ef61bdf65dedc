//! Containers: which there are, and which of them a process, a namespace or an address belongs to.
//!
//! Container engines are asked over their API; control groups and network namespaces tell of the others, and of all of
//! them where no engine answers.

mod api;
mod cgroup;
mod containers;
mod engines;
mod process;
mod socket;
mod stop;
#[cfg(test)]
mod tests;
mod veth;

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

pub(crate) use cgroup::id_in_group;
pub use containers::{Containers, Query};
pub(crate) use engines::created;
pub use socket::EngineSockets;
pub use veth::{Veth, Veths};

use super::{HostError, Namespace, NamespaceId};

/// A container, as it was when it was looked at.
#[derive(Debug, Clone)]
pub struct Container {
    /// What it is called; its short id where only its control group tells of it.
    pub name: String,
    /// All of its id. A runtime that has none identifies its containers by name.
    pub id: String,
    /// The image that it was made from, as its engine calls it.
    pub image: Option<String>,
    /// What runs it.
    pub runtime: Runtime,
    /// How it is known.
    pub known_by: KnownBy,
    /// `running`, `paused`, `exited`, …, in the words of its engine.
    pub state: String,
    /// Its first process, while it runs.
    pub pid: Option<u32>,
    /// The network namespace that its processes are in, while it runs and if this user may look at it.
    pub namespace: Option<Namespace>,
    /// Whether it has no network namespace of its own, but that of its host.
    pub host_network: bool,
    /// The networks of its engine that it is on, by name.
    pub networks: Vec<String>,
    /// Its addresses on them.
    pub addresses: Vec<IpAddr>,
    endpoints: Vec<Endpoint>,
    /// Its control group.
    cgroup: Option<String>,
}

/// Where a container is on a network of its engine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Endpoint {
    network: String,
    addresses: Vec<IpAddr>,
    /// In small letters.
    mac: Option<String>,
}

/// What runs a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Runtime {
    /// Docker Engine.
    Docker,
    /// Podman.
    Podman,
    /// containerd: Kubernetes, nerdctl.
    Containerd,
    /// CRI-O: Kubernetes.
    CriO,
    /// LXC, LXD, Incus and what libvirt makes of it.
    Lxc,
    /// `systemd-nspawn`.
    Nspawn,
    /// A network namespace made by `ip netns`.
    Netns,
    /// Something that control groups do not name.
    Unknown,
}

impl Runtime {
    /// Its name in rows.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Podman => "podman",
            Self::Containerd => "containerd",
            Self::CriO => "cri-o",
            Self::Lxc => "lxc",
            Self::Nspawn => "systemd-nspawn",
            Self::Netns => "netns",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How a container is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KnownBy {
    /// The engine at this socket tells of it.
    Engine(Arc<Path>),
    /// The control group of its processes tells of it.
    Cgroup,
    /// Its network namespace has a name.
    Namespace,
}

impl Container {
    /// How many digits of an id engines show.
    const SHORT: usize = 12;

    /// The processes that its control group has, by number.
    #[must_use]
    pub fn processes(&self) -> Vec<u32> {
        let all = procfs::process::all_processes().into_iter().flatten().flatten();
        let is_inside = |process: &procfs::process::Process| {
            process
                .cgroups()
                .is_ok_and(|groups| cgroup::of_process(&groups.0).iter().any(|member| member.id == self.id))
        };
        all.filter(is_inside).filter_map(|process| u32::try_from(process.pid()).ok()).collect()
    }

    /// Its id as engines show it.
    #[must_use]
    pub fn short_id(&self) -> &str {
        short(&self.id)
    }

    /// Whether it has processes, as far as its engine says.
    #[must_use]
    pub fn runs(&self) -> bool {
        has_processes(&self.state)
    }

    /// Its network namespace.
    ///
    /// # Errors
    ///
    /// [`HostError::System`] if it does not run, [`HostError::Gone`] if it ended meanwhile, [`HostError::Permission`] if its
    /// namespace may not be looked at.
    pub fn network_namespace(&self) -> Result<&Namespace, HostError> {
        if let Some(namespace) = &self.namespace {
            return Ok(namespace);
        }
        let doing = || format!("look into the container {}", self.name);
        let without = |why: String| HostError::System { doing: doing(), cause: io::Error::other(why) };
        if !self.runs() {
            return Err(without(format!("it does not run ({})", self.state)));
        }
        let Some(pid) = self.pid else {
            let why =
                "its processes are not those of this host: it begins or ends just now, or runs in a virtual machine";
            return Err(without(why.to_owned()));
        };
        match Namespace::of_process(pid).map_err(|error| all_that_is_needed(error, doing)) {
            Err(error @ HostError::Permission { .. }) => Err(error),
            Ok(_) | Err(_) => Err(self.gone()),
        }
    }

    /// Whether it still is what it was when it was looked at.
    fn lives(&self) -> bool {
        let namespace = self.namespace.as_ref().map(Namespace::id);
        self.pid.is_none_or(|pid| NamespaceId::of_process(pid).ok() == namespace)
    }

    fn gone(&self) -> HostError {
        HostError::Gone { what: "container", name: self.name.clone() }
    }
}

/// What it takes to look into the network namespaces of others: one to find them, one to enter them.
const PRIVILEGES: &str = "CAP_SYS_ADMIN and CAP_SYS_PTRACE";

/// A lack of permission with everything that is needed: whoever gives one privilege takes the one that was given before.
fn all_that_is_needed(error: HostError, doing: impl Fn() -> String) -> HostError {
    match error {
        HostError::Permission { .. } => HostError::permission(doing(), PRIVILEGES),
        other => other,
    }
}

/// Whether a container in this state has processes.
fn has_processes(state: &str) -> bool {
    matches!(state, "running" | "paused" | "restarting" | "stopping")
}

/// An id as engines show it.
fn short(id: &str) -> &str {
    id.get(..Container::SHORT).filter(|_| id.len() == 64).unwrap_or(id)
}

crate::record! {
    /// A container.
    impl Record for Container as "container" {
        /// What it is called. Where only its control group tells of it, its short id.
        name: Text, main => |container| container.name.as_str();
        /// All of its id; its name where the runtime has no ids.
        id: Text => |container| container.id.as_str();
        /// The image that it was made from, where its engine tells.
        image: Text, main => |container| container.image.as_deref();
        /// What runs it: `docker`, `podman`, `containerd`, `cri-o`, `lxc`, `systemd-nspawn`, `netns` for a network
        /// namespace made by `ip netns`, or `unknown`.
        runtime: Text, main => |container| container.runtime.name();
        /// How it is known: `engine` (its API), `cgroup` (the control group of its processes) or `namespace` (the name of
        /// its network namespace).
        known_by: Text => |container| match container.known_by {
            KnownBy::Engine(_) => "engine",
            KnownBy::Cgroup => "cgroup",
            KnownBy::Namespace => "namespace",
        };
        /// `running`, `paused`, `exited`, …, in the words of its engine.
        state: Text, main => |container| container.state.as_str();
        /// Its first process, while it runs.
        pid: Integer, main => |container| container.pid;
        /// Its network namespace: the name that `ip netns` gave it, or `net:[NUMBER]`.
        netns: Text => |container| container.namespace.as_ref().map(ToString::to_string);
        /// Whether it has no network namespace of its own, but that of its host.
        host_network: Bool => |container| container.host_network;
        /// The networks of its engine that it is on, where its engine tells.
        networks: List, main => |container| {
            matches!(container.known_by, KnownBy::Engine(_)).then(|| container.networks.iter().map(String::as_str).collect::<Vec<_>>())
        };
        /// Its addresses.
        addresses: List, main => |container| container.addresses.clone();
    }
}
