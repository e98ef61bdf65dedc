//! A socket for each port of each app, where the kernel cannot bring several to one.

use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;

use super::Sockets;
use super::others::Others;
use super::socket::{Open, cannot_listen};
use super::table::Protocol;
use crate::host::Namespace;
use crate::proxy::config::{App, Ports};
use crate::proxy::error::ProxyError;

/// How many ports there can be: each costs a descriptor.
const MOST: usize = 1024;

pub(super) struct Bound {
    namespace: Namespace,
    open: BTreeMap<Key, Open>,
}

type Key = (Protocol, Option<IpAddr>, u16);

impl Bound {
    pub(super) const fn new(namespace: Namespace) -> Self {
        Self { namespace, open: BTreeMap::new() }
    }

    pub(super) fn apply(&mut self, apps: &[App]) -> Result<Vec<Sockets>, ProxyError> {
        let wanted: Vec<_> = apps.iter().map(|app| Ok((app, keys(app)?))).collect::<Result<_, ProxyError>>()?;
        let mut left = MOST;
        for (app, keys) in &wanted {
            left = left.checked_sub(keys.len()).ok_or_else(|| {
                let cause = format!("without the kernel's help there are {MOST} ports at most");
                cannot_listen(&app.name, ports(app), std::io::Error::other(cause))
            })?;
        }
        let own: HashSet<u64> = self.open.values().map(|open| open.cookie).collect();
        // Who has a port is told by whom it is refused, where the sockets of others cannot be listed.
        Others::read(&self.namespace, &own).unwrap_or_default().let_have(apps, |_, _, _| false)?;
        let mut open = BTreeMap::new();
        for (app, keys) in &wanted {
            for key @ (protocol, address, port) in keys {
                let failed = |cause| {
                    let port = Ports { address: *address, first: *port, last: *port };
                    cannot_listen(&app.name, port, cause)
                };
                let socket = match self.open.get(key) {
                    Some(socket) => socket.clone(),
                    None => Open::bind(*protocol, *address, *port).map_err(failed)?,
                };
                open.insert(*key, socket);
            }
        }
        self.open = open;
        for (app, keys) in &wanted {
            let tcp = keys.iter().filter(|key| key.0 == Protocol::Tcp).filter_map(|key| self.open.get(key));
            tcp.for_each(|open| open.set_keepalive(app.keepalive));
        }
        Ok(wanted.into_iter().map(|(app, keys)| self.sockets_of(app, &keys)).collect())
    }

    pub(super) fn close(&mut self) {
        self.open.clear();
    }

    fn sockets_of(&self, app: &App, keys: &[Key]) -> Sockets {
        let of = |protocol| {
            let open = keys.iter().filter(|key| key.0 == protocol).filter_map(|key| self.open.get(key));
            open.map(|open| open.socket.clone()).collect()
        };
        Sockets { app: app.name.clone(), tcp: of(Protocol::Tcp), udp: of(Protocol::Udp) }
    }
}

/// Each port of an app, once.
fn keys(app: &App) -> Result<Vec<Key>, ProxyError> {
    let mut keys = Vec::new();
    for ports in &app.ports {
        if ports.is_all() {
            let cause = std::io::Error::other("all ports of an address need the kernel's help");
            return Err(cannot_listen(&app.name, ports, cause));
        }
        for (protocol, _) in
            [(Protocol::Tcp, app.tcp), (Protocol::Udp, app.udp)].into_iter().filter(|(_, taken)| *taken)
        {
            let address = ports.address.map(|address| address.to_canonical());
            keys.extend((ports.first..=ports.last).map(|port| (protocol, address, port)));
        }
    }
    keys.sort_unstable();
    keys.dedup();
    Ok(keys)
}

/// The ports of an app, as the configuration has them.
fn ports(app: &App) -> String {
    app.ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
