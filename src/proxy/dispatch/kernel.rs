//! One socket for each app, to which the kernel brings what clients mean.

use std::collections::HashSet;
use std::net::IpAddr;

use super::Sockets;
use super::hook::Hook;
use super::others::Others;
use super::pins::Pins;
use super::socket::{Open, cannot_listen};
use super::table::{Action, Protocol, Table};
use super::{Verdicts, cannot};
use crate::host::Namespace;
use crate::host::bpf::{BpfError, innermost};
use crate::proxy::config::App;
use crate::proxy::error::ProxyError;

/// How many sockets the kernel's map has room for.
const MOST: u32 = 1 << 13;

pub(super) struct Kernel {
    // In this order they go: the pins hold what the hook holds.
    _pins: Option<Pins>,
    hook: Hook,
    namespace: Namespace,
    slots: Vec<Slot>,
    table: Table,
}

/// A socket of an app, and its place in the kernel's map.
#[derive(Debug, Clone)]
struct Slot {
    app: String,
    protocol: Protocol,
    place: u32,
    open: Open,
}

impl Kernel {
    pub(super) fn new(hook: Hook, pins: Option<Pins>, namespace: Namespace) -> Self {
        Self { _pins: pins, hook, namespace, slots: Vec::new(), table: Table::default() }
    }

    pub(super) fn apply(&mut self, apps: &[App]) -> Result<Vec<Sockets>, ProxyError> {
        let own: HashSet<u64> = self.slots.iter().map(|slot| slot.open.cookie).collect();
        let others = Others::read(&self.namespace, &own).map_err(|error| cannot("see who listens here", error))?;
        others.let_have(apps, |protocol, address, port| {
            matches!(self.table.lookup(protocol, address, port), Some(Action::Dispatch(_)))
        })?;
        let slots = self.slots_for(apps)?;
        let table = table(apps, &slots, &others);
        let is_new = |slot: &&Slot| !self.slots.iter().any(|kept| kept.place == slot.place);
        let places: Vec<_> = slots.iter().filter(is_new).map(|slot| slot.place).collect();
        let changed = (slots.iter().filter(is_new))
            .try_for_each(|slot| self.hook.set_socket(slot.place, &slot.open.socket))
            .and_then(|()| self.hook.change(&self.table, &table));
        if let Err(error) = changed {
            // What was there before fits.
            let _ = self.hook.change(&table, &self.table);
            places.into_iter().for_each(|place| self.hook.clear_socket(place));
            return Err(full(&error));
        }
        for gone in self.slots.iter().filter(|slot| !slots.iter().any(|kept| kept.place == slot.place)) {
            self.hook.clear_socket(gone.place);
        }
        (self.slots, self.table) = (slots, table);
        for app in apps {
            for slot in self.slots.iter().filter(|slot| slot.app == app.name && slot.protocol == Protocol::Tcp) {
                slot.open.set_keepalive(app.keepalive);
            }
        }
        Ok(apps.iter().map(|app| self.sockets_of(app)).collect())
    }

    pub(super) fn close(&mut self) {
        let mut closed = Table::default();
        guard(&mut closed, &self.slots);
        // It has as much room as what it replaces.
        let _ = self.hook.change(&self.table, &closed);
        self.table = closed;
    }

    pub(super) fn verdicts(&self) -> Verdicts {
        self.hook.verdicts()
    }

    fn sockets_of(&self, app: &App) -> Sockets {
        let of = |protocol| {
            let slots = self.slots.iter().filter(|slot| slot.app == app.name && slot.protocol == protocol);
            slots.map(|slot| slot.open.socket.clone()).collect()
        };
        Sockets { app: app.name.clone(), tcp: of(Protocol::Tcp), udp: of(Protocol::Udp) }
    }

    /// The sockets of these apps: those that there are, as far as they fit, and new ones.
    fn slots_for(&self, apps: &[App]) -> Result<Vec<Slot>, ProxyError> {
        let mut slots: Vec<Slot> = Vec::new();
        for app in apps {
            let protocols = [(Protocol::Tcp, app.tcp), (Protocol::Udp, app.udp)];
            for (protocol, _) in protocols.into_iter().filter(|(_, taken)| *taken) {
                let fits = |slot: &&Slot| {
                    slot.app == app.name && slot.protocol == protocol && slot.open.address == address(app)
                };
                let slot = match self.slots.iter().find(fits) {
                    Some(slot) => slot.clone(),
                    None => Slot {
                        app: app.name.clone(),
                        protocol,
                        // What goes away keeps its place until nothing leads there any more.
                        place: (0..MOST)
                            .find(|place| !self.slots.iter().chain(&slots).any(|slot| slot.place == *place))
                            .ok_or_else(|| cannot("serve so many apps", "there are 8192 sockets at most"))?,
                        open: self.open(app, protocol, &slots)?,
                    },
                };
                slots.push(slot);
            }
        }
        Ok(slots)
    }

    /// A socket that is bound to the first port of the app, which is where people look for it. If a socket of another app
    /// has that port, any other does as well.
    fn open(&self, app: &App, protocol: Protocol, new: &[Slot]) -> Result<Open, ProxyError> {
        let port = port(app);
        let has_it = |slot: &Slot| slot.protocol == protocol && slot.open.port == port;
        let port = if self.slots.iter().chain(new).any(has_it) { 0 } else { port };
        Open::bind(protocol, address(app), port).map_err(|cause| cannot_listen(&app.name, port, cause))
    }
}

/// The address of an app, if all its ports are of one.
fn address(app: &App) -> Option<IpAddr> {
    let of = |ports: &crate::proxy::config::Ports| ports.address.map(|address| address.to_canonical());
    let first = app.ports.first().and_then(of)?;
    app.ports.iter().all(|ports| of(ports) == Some(first)).then_some(first)
}

/// Where its socket is bound; 0: anywhere, where it has all ports.
fn port(app: &App) -> u16 {
    app.ports.first().filter(|ports| !ports.is_all()).map_or(0, |ports| ports.first)
}

/// What leads where.
fn table(apps: &[App], slots: &[Slot], others: &Others) -> Table {
    let mut table = Table::default();
    let places = |app: &App| {
        let of_app = |slot: &&Slot| slot.app == app.name;
        slots.iter().filter(of_app).map(|slot| (slot.protocol, slot.place)).collect::<Vec<_>>()
    };
    for all in [true, false] {
        for app in apps {
            for ports in app.ports.iter().filter(|ports| ports.is_all() == all) {
                places(app).into_iter().for_each(|(protocol, place)| table.dispatch(protocol, ports, place));
            }
        }
        // Behind all ports, before those that are named.
        for (protocol, address, port) in apps.iter().filter(|_| all).flat_map(|app| others.among_all(app)) {
            table.pass(protocol, address, port);
        }
    }
    guard(&mut table, slots);
    table
}

/// Keeps those out who would come in only because a socket has to be bound somewhere.
fn guard(table: &mut Table, slots: &[Slot]) {
    for Slot { protocol, place, open, .. } in slots {
        table.guard(*protocol, open.address, open.port, *place);
    }
}

fn full(error: &BpfError) -> ProxyError {
    cannot("tell the kernel which ports lead where", innermost(error))
}
