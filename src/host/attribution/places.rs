//! Which network namespace has which address, and which containers have which namespace.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use crate::host::{Containers, Namespace, links};

/// The addresses of this host and of everything on it, at one moment.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// The inode numbers of namespaces, by address.
    namespaces: HashMap<IpAddr, Vec<u64>>,
    /// Names, by the inode number of a namespace.
    containers: HashMap<u64, Vec<Arc<str>>>,
}

impl Places {
    /// Looks at every namespace. One that cannot be looked at has no addresses.
    pub(super) fn read(namespaces: &[Namespace], containers: &Containers) -> Self {
        let mut places = Self::default();
        for namespace in namespaces {
            let inode = namespace.id().inode;
            for (address, _) in links(namespace, &[]).unwrap_or_default().iter().flat_map(|link| &link.addresses) {
                places.add(*address, inode);
            }
            let names: Vec<_> =
                containers.of_namespace(namespace.id()).iter().map(|it| it.name.as_str().into()).collect();
            if !names.is_empty() {
                places.containers.insert(inode, names);
            }
        }
        places
    }

    /// An address of a namespace, however it is known.
    pub(super) fn add(&mut self, address: IpAddr, namespace: u64) {
        let known = self.namespaces.entry(address).or_default();
        if !known.contains(&namespace) {
            known.push(namespace);
        }
    }

    /// The namespaces that have an address.
    pub(super) fn of(&self, address: IpAddr) -> &[u64] {
        self.namespaces.get(&address).map_or(&[], Vec::as_slice)
    }

    /// The containers that have a namespace for their own.
    pub(super) fn containers(&self, namespace: u64) -> &[Arc<str>] {
        self.containers.get(&namespace).map_or(&[], Vec::as_slice)
    }

    /// A container, for tests.
    #[cfg(test)]
    pub(super) fn name(&mut self, namespace: u64, container: &str) {
        self.containers.entry(namespace).or_default().push(container.into());
    }
}
