//! The containers of this host at one moment.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use procfs::process::Process;

use super::api::Described;
use super::cgroup;
use super::engines::{Engine, Engines, Told, Trouble};
use super::process::{Group, Processes};
use super::{Container, EngineSockets, KnownBy, Runtime, has_processes, short};
use crate::host::{HostError, Namespace, NamespaceId, links};

/// Which containers to look for, and where.
#[derive(Debug, Clone)]
pub struct Query {
    /// Those that do not run, too.
    pub all: bool,
    /// The engines to ask.
    pub sockets: EngineSockets,
}

impl Default for Query {
    /// Those that run, of the engines that the environment names or that are where engines usually are.
    fn default() -> Self {
        Self { all: false, sockets: EngineSockets::from_environment() }
    }
}

/// The containers of this host at one moment. What changes later is seen by reading anew.
#[derive(Debug, Clone, Default)]
pub struct Containers {
    list: Vec<Container>,
    troubles: Vec<Trouble>,
    notes: Vec<String>,
    /// The places in the list, by control group.
    by_cgroup: HashMap<String, usize>,
}

impl Containers {
    /// Looks for containers. What cannot be asked is left out and [noted](Self::notes). Takes two seconds at most for
    /// engines that do not answer.
    #[must_use]
    pub fn read(query: &Query) -> Self {
        let (mut engines, mut told) = Engines::ask(&query.sockets, query.all);
        // After the list: a container of the list that has no process by now has ended.
        let processes = Processes::read();
        let groups = processes.by_id();
        told.extend(engines.describe(&unlisted(&told, &groups)));
        // Of these the list and the processes do not say the same: they begin or end just now.
        let unclear = |(_, it): &&Told| has_processes(&it.state) != groups.contains_key(it.id.as_str());
        let now = engines.now(&told.iter().filter(unclear).cloned().collect::<Vec<_>>());

        let mut containers = Self::default();
        let mut known = HashSet::new();
        for (engine, mut described) in told {
            let mut pid = None;
            match now.get(&described.id) {
                Some(None) => continue,
                Some(Some(now)) => (described.state, pid) = (now.state.clone(), now.pid),
                None => {}
            }
            let runs = has_processes(&described.state);
            let found = match groups.get(described.id.as_str()).filter(|_| runs) {
                Some((path, group)) => Found::group(path, group, &processes),
                None => Found::pid(pid, &described),
            };
            if known.insert(described.id.clone()) && (query.all || runs) {
                containers.list.push(of_engine(engine, described, found));
            }
        }
        for (id, (path, group)) in groups {
            if !known.contains(id) {
                containers.list.push(of_group(group, Found::group(path, group, &processes)));
            }
        }
        containers.add_named(&processes);
        containers.troubles = engines.into_troubles();
        containers.notes = containers.troubles.iter().map(|trouble| trouble.to_error().to_string()).collect();
        containers.add_addresses();
        containers.list.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
        let places = containers.list.iter().enumerate();
        containers.by_cgroup = places.filter_map(|(at, container)| Some((container.cgroup.clone()?, at))).collect();
        containers
    }

    /// Namespaces with a name, unless one is that of the host, or a container that is known already has it for its own; that
    /// one learns the name.
    fn add_named(&mut self, processes: &Processes) {
        let mut known: HashSet<NamespaceId> = self.own_namespaces().map(|(id, _)| id).collect();
        // Whoever runs netscript inside of one has it for a host.
        known.extend(Namespace::current().map(|current| current.id()));
        known.extend(host_namespace());
        for name in Namespace::names() {
            let Ok(namespace) = Namespace::named(&name) else { continue };
            for held in self.list.iter_mut().filter_map(|container| container.namespace.as_mut()) {
                if held.id() == namespace.id() {
                    *held = namespace.clone();
                }
            }
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
                endpoints: Vec::new(),
                cgroup: None,
            });
        }
    }

    fn own_namespaces(&self) -> impl Iterator<Item = (NamespaceId, &Container)> {
        let own = self.list.iter().filter(|container| !container.host_network);
        own.filter_map(|container| Some((container.namespace.as_ref()?.id(), container)))
    }

    /// The addresses of containers whose engine does not tell them. One whose namespace cannot be entered has none.
    fn add_addresses(&mut self) {
        let mut known: HashMap<NamespaceId, Vec<IpAddr>> = HashMap::new();
        for container in &mut self.list {
            let own =
                container.namespace.as_ref().filter(|_| !container.host_network && container.endpoints.is_empty());
            if let Some(namespace) = own {
                let addresses = known.entry(namespace.id()).or_insert_with(|| addresses_in(namespace));
                container.addresses.clone_from(addresses);
            }
        }
    }

    /// Why containers may be missing, or what is not known of them: engines that did not answer as they should.
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
            // An engine that does not answer may know it.
            [] if !self.troubles.is_empty() => Err(self.troubles[0].to_error()),
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

    /// The containers that have this network namespace: several where they share it, as those of a pod do, and then the
    /// one that it was made for comes first. None for the namespace of the host, also if containers use it.
    #[must_use]
    pub fn of_namespace(&self, namespace: NamespaceId) -> Vec<&Container> {
        let sharing = self.own_namespaces().filter(|(id, _)| *id == namespace);
        let mut sharing: Vec<&Container> = sharing.map(|(_, container)| container).collect();
        sharing.sort_by_key(|container| container.endpoints.is_empty());
        sharing
    }
}

/// The containers that processes run in and that engines have not told of: those that began meanwhile.
fn unlisted(told: &[Told], groups: &HashMap<&str, (&str, &Group)>) -> Vec<String> {
    let known: HashSet<&str> = told.iter().map(|(_, described)| described.id.as_str()).collect();
    let of_engine = |runtime| matches!(runtime, Runtime::Docker | Runtime::Podman | Runtime::Unknown);
    let unknown = groups.iter().filter(|(id, (_, group))| of_engine(group.runtime) && !known.contains(*id));
    unknown.map(|(id, _)| (*id).to_owned()).collect()
}

/// What the system shows of a container.
#[derive(Default)]
struct Found {
    pid: Option<u32>,
    namespace: Option<Namespace>,
    /// Whether the namespace seems to be that of its host.
    host_network: bool,
    cgroup: Option<String>,
}

impl Found {
    fn group(path: &str, group: &Group, processes: &Processes) -> Self {
        let in_host = group.namespace.as_ref().is_some_and(|own| is_of_host(own.id(), group, processes));
        let begins = in_host && group.is_runtime;
        Self {
            pid: Some(group.first.pid),
            namespace: group.namespace.clone().filter(|_| !begins),
            host_network: in_host && !begins,
            cgroup: Some(path.to_owned()),
        }
    }

    /// A process that no control group shows to be in a container: of one without a control group of its own, or one that an
    /// engine counts elsewhere, in a virtual machine. The namespace tells.
    fn pid(pid: Option<u32>, described: &Described) -> Self {
        let namespace = pid.and_then(|pid| Namespace::of_process(pid).ok());
        let in_host = namespace.as_ref().is_some_and(|namespace| Some(namespace.id()) == host_namespace());
        if in_host && described.network_mode != "host" {
            return Self::default();
        }
        Self { pid: pid.filter(|_| namespace.is_some()), namespace, host_network: in_host, cgroup: None }
    }
}

fn of_engine(engine: Engine, described: Described, mut found: Found) -> Container {
    let mode = described.network_mode.as_str();
    let may_share = mode.is_empty() || mode.starts_with("container:") || mode.starts_with("ns:");
    let host_network = mode == "host" || may_share && found.host_network;
    if found.host_network && !host_network {
        // It begins just now: its process is still where its engine is.
        found.namespace = None;
    }
    Container {
        name: described.name,
        id: described.id,
        image: described.image,
        runtime: engine.runtime,
        known_by: KnownBy::Engine(engine.socket),
        state: described.state,
        pid: found.pid,
        namespace: found.namespace,
        host_network,
        networks: described.endpoints.iter().map(|endpoint| endpoint.network.clone()).collect(),
        addresses: described.endpoints.iter().flat_map(|endpoint| endpoint.addresses.clone()).collect(),
        endpoints: described.endpoints,
        cgroup: found.cgroup,
    }
}

/// A container that only its control group tells of.
fn of_group(group: &Group, found: Found) -> Container {
    Container {
        name: short(&group.id).to_owned(),
        id: group.id.clone(),
        image: None,
        runtime: group.runtime,
        known_by: KnownBy::Cgroup,
        state: "running".into(),
        pid: found.pid,
        namespace: found.namespace,
        host_network: found.host_network,
        networks: Vec::new(),
        addresses: Vec::new(),
        endpoints: Vec::new(),
        cgroup: found.cgroup,
    }
}

/// The addresses that others reach a namespace at.
fn addresses_in(namespace: &Namespace) -> Vec<IpAddr> {
    let is_local = |address: &IpAddr| match address {
        IpAddr::V4(address) => address.is_loopback(),
        IpAddr::V6(address) => address.is_loopback() || address.is_unicast_link_local(),
    };
    let links = links(namespace, &[]).unwrap_or_default();
    links.iter().flat_map(|link| &link.addresses).map(|(address, _)| *address).filter(|it| !is_local(it)).collect()
}

/// Whether a container uses the namespace of its host: somebody was in it before who is in no container. Somebody who came
/// later is a visitor, with nsenter(1) for one.
fn is_of_host(namespace: NamespaceId, group: &Group, processes: &Processes) -> bool {
    Some(namespace) == host_namespace()
        || processes.outside.get(&namespace).is_some_and(|outside| *outside < group.first)
}

/// The namespace of the host: that of its first process, or of the first thread of the kernel; where neither may be looked
/// at, that of this process.
fn host_namespace() -> Option<NamespaceId> {
    let of_init = [1, 2].into_iter().find_map(|pid| NamespaceId::of_process(pid).ok());
    of_init.or_else(|| Namespace::current().ok().map(|namespace| namespace.id()))
}
