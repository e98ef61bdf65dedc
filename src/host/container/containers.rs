//! The containers of this host at one moment.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use procfs::process::Process;

use super::cgroup;
use super::process::{Group, Processes};
use super::{Container, KnownBy, Runtime, short};
use crate::host::{HostError, Namespace, NamespaceId};

/// Which containers to look for, and where.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// Those that do not run, too.
    pub all: bool,
}

/// The containers of this host at one moment. What changes later is seen by reading anew.
#[derive(Debug, Clone, Default)]
pub struct Containers {
    list: Vec<Container>,
    notes: Vec<String>,
    /// The places in the list, by control group.
    by_cgroup: HashMap<String, usize>,
}

impl Containers {
    /// Looks for containers. What cannot be asked is left out and [noted](Self::notes).
    #[must_use]
    pub fn read(_query: &Query) -> Self {
        let mut containers = Self::default();
        let processes = Processes::read();
        for (path, group) in &processes.groups {
            containers.list.push(of_group(path, group, &processes));
        }
        containers.add_named(&processes);
        containers.list.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
        let places = containers.list.iter().enumerate();
        containers.by_cgroup = places.filter_map(|(at, container)| Some((container.cgroup.clone()?, at))).collect();
        containers
    }

    /// Namespaces with a name, unless a container that is known already has it for its own.
    fn add_named(&mut self, processes: &Processes) {
        let mut known: HashSet<NamespaceId> = self.own_namespaces().map(|(id, _)| id).collect();
        known.extend(host_namespace());
        for name in Namespace::names() {
            let Ok(namespace) = Namespace::named(&name) else { continue };
            if !known.insert(namespace.id()) {
                continue;
            }
            self.list.push(Container {
                id: name.clone(),
                name,
                image: None,
                runtime: Runtime::Netns,
                known_by: KnownBy::Namespace,
                state: "running".into(),
                pid: processes.outside.get(&namespace.id()).map(|first| first.pid),
                namespace: Some(namespace),
                host_network: false,
                networks: Vec::new(),
                addresses: Vec::new(),
                cgroup: None,
            });
        }
    }

    fn own_namespaces(&self) -> impl Iterator<Item = (NamespaceId, &Container)> {
        let own = self.list.iter().filter(|container| !container.host_network);
        own.filter_map(|container| Some((container.namespace.as_ref()?.id(), container)))
    }

    /// Why containers may be missing, or something about them: engines that did not answer as they should.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The containers, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Container> {
        self.list.iter()
    }

    /// The container with that name, that id, or the only one whose id begins so.
    ///
    /// # Errors
    ///
    /// [`HostError::Unknown`] with the nearest name, [`HostError::Ambiguous`] with those that it could be.
    pub fn find(&self, name: &str) -> Result<&Container, HostError> {
        let name = name.strip_prefix('/').unwrap_or(name);
        let named = self.matching(|container| container.name == name || container.id == name);
        let found = if named.is_empty() && !name.is_empty() {
            self.matching(|container| container.id.starts_with(name))
        } else {
            named
        };
        match found.as_slice() {
            [one] => Ok(one),
            [] => {
                let known = self.list.iter().map(|container| container.name.as_str());
                Err(HostError::unknown("container", name, known))
            }
            several => {
                let described = |container: &&Container| {
                    format!("{} ({} {})", container.name, container.runtime, container.short_id())
                };
                let candidates = several.iter().map(described).collect();
                Err(HostError::Ambiguous { what: "container", name: name.to_owned(), candidates })
            }
        }
    }

    fn matching(&self, is: impl Fn(&Container) -> bool) -> Vec<&Container> {
        self.list.iter().filter(|container| is(container)).collect()
    }

    /// The container that a process runs in: by its control group, and where that tells of none by its network namespace.
    /// Nothing if it runs in none, or ended.
    #[must_use]
    pub fn of_process(&self, pid: u32) -> Option<&Container> {
        let process = Process::new(i32::try_from(pid).ok()?).ok()?;
        let cgroups = process.cgroups().ok()?;
        let by_cgroup =
            cgroup::of_process(&cgroups.0).iter().find_map(|member| self.list.get(*self.by_cgroup.get(member.path)?));
        by_cgroup.or_else(|| {
            let namespace = NamespaceId::of_process(pid).ok()?;
            process.is_alive().then(|| self.of_namespace(namespace).first().copied()).flatten()
        })
    }

    /// The containers that have this network namespace: several where they share it, as those of a pod do. None for the
    /// namespace of the host, also if containers use it.
    #[must_use]
    pub fn of_namespace(&self, namespace: NamespaceId) -> Vec<&Container> {
        self.own_namespaces().filter(|(id, _)| *id == namespace).map(|(_, container)| container).collect()
    }

    /// The container with this address. None if several have it: networks of different engines may use the same.
    #[must_use]
    pub fn of_address(&self, address: IpAddr) -> Option<&Container> {
        let found = self.matching(|container| container.addresses.contains(&address));
        match found.as_slice() {
            [one] => Some(one),
            _ => None,
        }
    }
}

/// A container that only its control group tells of.
fn of_group(path: &str, group: &Group, processes: &Processes) -> Container {
    Container {
        name: short(&group.id).to_owned(),
        id: group.id.clone(),
        image: None,
        runtime: group.runtime,
        known_by: KnownBy::Cgroup,
        state: "running".into(),
        pid: Some(group.first.pid),
        host_network: group.namespace.as_ref().is_some_and(|own| is_of_host(own.id(), group, processes)),
        namespace: group.namespace.clone(),
        networks: Vec::new(),
        addresses: Vec::new(),
        cgroup: Some(path.to_owned()),
    }
}

/// Whether a container uses the namespace of its host: somebody was in it before who is in no container. Somebody who came
/// later is a visitor, with nsenter(1) for one.
fn is_of_host(namespace: NamespaceId, group: &Group, processes: &Processes) -> bool {
    Some(namespace) == host_namespace()
        || processes.outside.get(&namespace).is_some_and(|outside| *outside < group.first)
}

/// The namespace of the first process, or of this one where that may not be looked at.
fn host_namespace() -> Option<NamespaceId> {
    let of_init = NamespaceId::of_process(1).ok();
    of_init.or_else(|| Namespace::current().ok().map(|namespace| namespace.id()))
}
