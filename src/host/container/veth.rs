//! The pairs of virtual interfaces that connect containers, and the container behind an interface.

use std::net::IpAddr;

use super::{Container, Containers, Endpoint, PRIVILEGES, Runtime, all_that_is_needed};
use crate::host::{HostError, Link, Namespace, NamespaceId, links, sees_all_namespaces};

/// A pair of virtual interfaces: one end in a container, the other outside.
#[derive(Debug, Clone)]
pub struct Veth {
    /// The name of the container.
    pub container: String,
    /// The end in the container: `eth0`.
    pub container_interface: String,
    /// Its index there, which is what `iflink` of the other end says.
    pub container_index: u32,
    /// The other end: `veth62fe590`.
    pub host_interface: String,
    /// Its index, which is what `iflink` of the end in the container says.
    pub index: u32,
    /// The bridge that the other end is a port of.
    pub bridge: Option<String>,
    /// The network of the engine that the pair belongs to.
    pub network: Option<String>,
    /// The addresses of the end in the container.
    pub addresses: Vec<IpAddr>,
    /// Its hardware address.
    pub mac: Option<String>,
    /// The namespace of the other end, where it can be captured.
    pub namespace: Namespace,
}

/// The pairs of a container, or why there are none.
#[derive(Debug, Clone)]
pub struct Veths {
    /// By the index of the end in the container.
    pub pairs: Vec<Veth>,
    /// Why there are none, in a sentence.
    pub reason: Option<String>,
}

crate::record! {
    /// A pair of virtual interfaces: one end in a container, the other on its host.
    impl Record for Veth as "veth" {
        /// The name of the container.
        container: Text, main => |veth| veth.container.as_str();
        /// The name of the end in the container.
        container_interface: Text, main => |veth| veth.container_interface.as_str();
        /// The index of the end in the container.
        container_index: Integer => |veth| veth.container_index;
        /// The name of the end on the host.
        host_interface: Text, main => |veth| veth.host_interface.as_str();
        /// The index of the end on the host: what `/sys/class/net/eth0/iflink` says in the container.
        index: Integer, main => |veth| veth.index;
        /// The bridge that the end on the host is a port of.
        bridge: Text, main => |veth| veth.bridge.as_deref();
        /// The network of the engine that the pair belongs to, where its engine tells.
        network: Text, main => |veth| veth.network.as_deref();
        /// The address of the end in the container; of several the first, IPv4 before IPv6.
        address: Address, main => |veth| veth.addresses.first().copied();
        /// All addresses of the end in the container.
        addresses: List => |veth| veth.addresses.clone();
        /// The hardware address of the end in the container.
        mac: Text => |veth| veth.mac.as_deref();
        /// The network namespace of the end on the host: the name that `ip netns` gave it, or `net:[NUMBER]`.
        netns: Text => |veth| veth.namespace.to_string();
    }
}

impl Containers {
    /// Every pair that leads from a container to its host. The ends are matched by index and namespace, each as the other
    /// says.
    ///
    /// # Errors
    ///
    /// [`HostError::Gone`] if the container ends meanwhile, [`HostError::Permission`] if its namespace may not be looked at.
    pub fn veths_of(&self, container: &Container) -> Result<Veths, HostError> {
        let none = |reason: String| Ok(Veths { pairs: Vec::new(), reason: Some(reason) });
        let name = &container.name;
        let doing = || format!("look at the interfaces of the container {name}");
        if container.host_network {
            return none(format!("{name} uses the network of its host and has no interfaces of its own"));
        }
        if !container.runs() {
            return none(format!("{name} does not run ({})", container.state));
        }
        let namespace = container.network_namespace()?;
        let known = Namespace::all()?;
        let inside = links(namespace, &known).map_err(|error| all_that_is_needed(error, doing))?;
        let mut pairs = Vec::new();
        for (at, group) in grouped_by_peer(&inside, namespace.id()) {
            // A named namespace is the host of containers whose pairs lead into it.
            let of_others = self.of_namespace(at).iter().any(|other| other.runtime != Runtime::Netns);
            let Some(outside) = known.iter().find(|other| other.id() == at) else { continue };
            if container.runtime == Runtime::Netns && of_others {
                continue;
            }
            let others = links(outside, &known).map_err(|error| all_that_is_needed(error, doing))?;
            let endpoints = self.endpoints_in(namespace.id());
            pairs.extend(group.into_iter().filter_map(|link| {
                pair(link, namespace.id(), &others).map(|end| veth(container, link, end, &others, &endpoints, outside))
            }));
        }
        if !container.lives() {
            return Err(container.gone());
        }
        pairs.sort_by_key(|veth| veth.container_index);
        let reason = pairs.is_empty().then(|| why_none(name, &inside));
        Ok(Veths { pairs, reason })
    }

    /// The container that an interface belongs to: the other end of its pair, or its own namespace. An interface of the own
    /// namespace comes before those of others with the same name. None if it belongs to none.
    ///
    /// # Errors
    ///
    /// [`HostError::Unknown`] with the nearest name, [`HostError::Ambiguous`] if containers have interfaces of that name,
    /// [`HostError::Permission`] if the other end of a pair may not be looked at.
    pub fn of_interface(&self, name: &str) -> Result<Option<&Container>, HostError> {
        let known = Namespace::all()?;
        let mut names = Vec::new();
        let mut found: Vec<&Container> = Vec::new();
        let (mut exists, mut refused) = (false, None);
        for (at, namespace) in known.iter().enumerate() {
            let links = match links(namespace, &known) {
                Ok(links) => links,
                Err(error) => {
                    refused = Some(all_that_is_needed(error, || format!("look for {name} in every network namespace")));
                    continue;
                }
            };
            if let Some(link) = links.iter().find(|link| link.name == name) {
                let container = self.of_link(link, namespace)?;
                if at == 0 {
                    return Ok(container);
                }
                exists = true;
                found.extend(container.filter(|new| !found.iter().any(|known| known.id == new.id)));
            }
            names.extend(links.into_iter().map(|link| link.name));
        }
        match found.as_slice() {
            [] if !exists => {
                // It may be where nobody could look.
                let unknown = || HostError::unknown("interface", name, names.iter().map(String::as_str));
                Err(refused.unwrap_or_else(unknown))
            }
            [] => Ok(None),
            [one] => Ok(Some(one)),
            several => {
                let candidates = several.iter().map(|container| format!("that of {}", container.name)).collect();
                Err(HostError::Ambiguous { what: "interface", name: name.to_owned(), candidates })
            }
        }
    }

    /// The container that an interface of a namespace belongs to.
    ///
    /// # Errors
    ///
    /// [`HostError::Permission`] if it is one end of a pair and the other may not be looked at.
    pub fn of_link(&self, link: &Link, namespace: &Namespace) -> Result<Option<&Container>, HostError> {
        let first = |id: NamespaceId| self.of_namespace(id).first().copied();
        let own = first(namespace.id());
        // The end in a container is the container's, wherever the other end is.
        if own.is_some_and(|container| container.runtime != Runtime::Netns) {
            return Ok(own);
        }
        match link.peer.filter(|_| link.kind == "veth").map(|peer| peer.namespace) {
            Some(Some(peer)) => Ok(first(peer).or(own)),
            Some(None) if !sees_all_namespaces() => {
                Err(HostError::permission(format!("look for the other end of {}", link.name), PRIVILEGES))
            }
            Some(None) | None => Ok(own),
        }
    }

    /// What engines say of the networks of a namespace, whichever of its containers they say it of.
    fn endpoints_in(&self, namespace: NamespaceId) -> Vec<&Endpoint> {
        self.of_namespace(namespace).iter().flat_map(|container| &container.endpoints).collect()
    }
}

/// The veth interfaces of a namespace whose other ends are in another one, by that.
fn grouped_by_peer(links: &[Link], own: NamespaceId) -> Vec<(NamespaceId, Vec<&Link>)> {
    let mut groups: Vec<(NamespaceId, Vec<&Link>)> = Vec::new();
    for link in links.iter().filter(|link| link.kind == "veth") {
        let Some(at) = link.peer.and_then(|peer| peer.namespace).filter(|at| *at != own) else { continue };
        match groups.iter_mut().find(|(known, _)| *known == at) {
            Some((_, group)) => group.push(link),
            None => groups.push((at, vec![link])),
        }
    }
    groups
}

/// The other end of a pair, if both say so: it may have been replaced since the first was looked at.
fn pair<'a>(link: &Link, own: NamespaceId, others: &'a [Link]) -> Option<&'a Link> {
    let index = link.peer?.index;
    let mut others = others.iter().filter(|other| other.index == index && other.kind == "veth");
    others.find(|other| other.peer.is_some_and(|peer| peer.index == link.index && peer.namespace == Some(own)))
}

fn veth(
    container: &Container,
    inside: &Link,
    outside: &Link,
    others: &[Link],
    endpoints: &[&Endpoint],
    namespace: &Namespace,
) -> Veth {
    let mut addresses: Vec<IpAddr> = inside.addresses.iter().map(|(address, _)| *address).collect();
    addresses.sort_by_key(IpAddr::is_ipv6);
    let on_this = |endpoint: &&&Endpoint| {
        endpoint.mac.is_some() && endpoint.mac == inside.mac
            || endpoint.addresses.iter().any(|it| addresses.contains(it))
    };
    let bridge = outside.master.and_then(|index| others.iter().find(|other| other.index == index));
    Veth {
        container: container.name.clone(),
        container_interface: inside.name.clone(),
        container_index: inside.index,
        host_interface: outside.name.clone(),
        index: outside.index,
        bridge: bridge.map(|bridge| bridge.name.clone()),
        network: endpoints.iter().find(on_this).map(|endpoint| endpoint.network.clone()),
        addresses,
        mac: inside.mac.clone(),
        namespace: namespace.clone(),
    }
}

fn why_none(name: &str, inside: &[Link]) -> String {
    let others: Vec<String> = inside
        .iter()
        .filter(|link| link.kind != "loopback")
        .map(|link| format!("{} ({})", link.name, link.kind))
        .collect();
    if others.is_empty() {
        return format!("{name} has no interface but loopback");
    }
    format!("{name} has no veth pair that leads to its host; it has {}", others.join(", "))
}
