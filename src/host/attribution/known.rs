//! All that is known by now, from hooks and lists.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::record::Time;

use super::event::{Doer, Event, Kind};
use super::home::{Home, Homes, HostNamespaces, Key};
use super::index::{Change, Endpoints, Index, Listed, Process, What};
use super::lookup::Knowledge;
use super::places::Places;
use super::survey::{Holder, Survey, Surveyed};
use crate::flow::Found;

/// How many sockets are remembered, open and closed: some 30 MB.
const SOCKETS: usize = 1 << 17;

/// How many namespaces are remembered to have been seen.
const NAMESPACES: usize = 1 << 16;

/// What is known by now.
#[derive(Debug)]
pub(super) struct Known {
    index: Index,
    homes: Homes,
    places: Places,
    host: HostNamespaces,
    captured: Vec<u64>,
    /// Those that something was told of.
    seen: HashSet<u64>,
    /// How many namespaces were seen first, and how many of them had been when places were looked at.
    arrivals: u64,
    arrivals_looked_at: Option<u64>,
    complete_since: Option<Time>,
    lost: u64,
    /// When sockets were listed the last time.
    listed: Option<Time>,
}

impl Known {
    pub(super) fn new(host: HostNamespaces, captured: Vec<u64>, complete_since: Option<Time>) -> Self {
        Self {
            index: Index::new(SOCKETS),
            homes: Homes::new(host),
            places: Places::default(),
            host,
            captured,
            seen: HashSet::new(),
            arrivals: 0,
            arrivals_looked_at: None,
            complete_since,
            lost: 0,
            listed: None,
        }
    }

    /// The namespaces of the host itself.
    pub(super) const fn host(&self) -> HostNamespaces {
        self.host
    }

    /// For questions.
    pub(super) fn knowledge(&self) -> Knowledge<'_> {
        Knowledge {
            index: &self.index,
            places: &self.places,
            host: self.host.network(),
            captured: &self.captured,
            complete_since: self.complete_since,
            missing: match (self.lost, self.index.forgotten()) {
                (0, 0) => None,
                (0, _) => Some("there were more sockets than are remembered"),
                _ => Some("the kernel told more than there was room for"),
            },
        }
    }

    /// How many events the kernel could not tell so far, and how many sockets had to be forgotten.
    pub(super) const fn losses(&self) -> (u64, u64) {
        (self.lost, self.index.forgotten())
    }

    pub(super) const fn set_lost(&mut self, lost: u64) {
        self.lost = lost;
    }

    /// Takes what a hook tells.
    pub(super) fn take(&mut self, event: &Event, time: Time) {
        let process = event.process.as_ref().map(|doer| self.process(doer));
        if self.seen.len() >= NAMESPACES {
            self.seen.clear();
        }
        self.arrivals += u64::from(self.seen.insert(event.namespace));
        let what = match (event.kind, process) {
            (Kind::Bound | Kind::Accepted, process) => What::Begins(process, Found::Listener),
            (Kind::Opened, process) => What::Begins(process, Found::Hook),
            (Kind::Used, Some(process)) => What::IsUsedBy(process),
            (Kind::Used, None) => return,
            (Kind::Closed, _) => What::Ends,
        };
        let address = event.local.ip();
        if !matches!(what, What::Ends) && !address.is_unspecified() && !address.is_loopback() {
            self.places.add(address, event.namespace);
        }
        let endpoints = Endpoints { protocol: event.protocol, local: event.local, remote: event.remote };
        self.index.apply(Change { time, cookie: event.cookie, namespace: event.namespace, endpoints, what });
    }

    fn process(&mut self, doer: &Doer) -> Arc<Process> {
        let lasts = doer.network != 0 && doer.mounts != 0;
        let key = if lasts { Key::Namespaces(doer.network, doer.mounts) } else { Key::Process(doer.pid) };
        let home = self.homes.of(key, doer.network_inode, doer.mounts_inode, doer.pid);
        let name = doer.name.split(|byte| *byte == 0).next().unwrap_or_default();
        Arc::new(Process { pid: doer.pid, name: String::from_utf8_lossy(name).into(), home })
    }

    /// The sockets that are open as far as is known, and whether their processes are known.
    pub(super) fn open(&self) -> HashMap<u64, bool> {
        self.index.open()
    }

    /// Takes a list that was begun at a time, unless a newer one was taken. Whether there was something new.
    pub(super) fn take_survey(&mut self, survey: Survey, begun: Time) -> bool {
        if self.listed.is_some_and(|listed| listed >= begun) {
            return false;
        }
        let mut before = self.index.open();
        let mut is_new = false;
        let mut processes: HashMap<u32, Arc<Process>> = HashMap::new();
        for Surveyed { cookie, namespace, endpoints, found, holder } in survey.sockets {
            is_new |= before.remove(&cookie).is_none();
            let process =
                holder.map(|holder| Arc::clone(processes.entry(holder.pid).or_insert_with(|| self.holder(&holder))));
            // It may be as old as the last list.
            self.index.list(Listed { cookie, namespace, endpoints, process, found, since: self.listed });
        }
        for cookie in before.keys() {
            self.index.end(*cookie, begun);
        }
        self.index.expire(begun);
        self.listed = Some(begun);
        is_new || !before.is_empty()
    }

    fn holder(&mut self, holder: &Holder) -> Arc<Process> {
        let home = self.homes.of(Key::Process(holder.pid), holder.network, holder.mounts, holder.pid);
        Arc::new(Process { pid: holder.pid, name: holder.name.as_str().into(), home })
    }

    /// Whether a namespace was seen first after places were looked at.
    pub(super) fn are_places_old(&self) -> bool {
        self.arrivals_looked_at != Some(self.arrivals)
    }

    /// How many namespaces were seen so far.
    pub(super) const fn arrivals(&self) -> u64 {
        self.arrivals
    }

    /// Takes what was found of places when that many namespaces had been seen.
    pub(super) fn take_places(&mut self, places: Places, arrivals: u64) {
        self.places = places;
        self.arrivals_looked_at = Some(arrivals);
    }

    /// Takes the homes that nobody has looked at.
    pub(super) fn take_unresolved(&mut self) -> Vec<Arc<Home>> {
        self.homes.take_unresolved()
    }
}
