//! A proxy that listens: everything that it has, in the order in which it ends.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::balance::{Pool, Status, Tell};
use super::config::App;
use super::control::Control;
use super::dispatch::{Dispatch, Sockets};
use super::error::ProxyError;
use super::handle::{Core, Settings};
use super::journal::{Journal, Notices};
use super::metrics;
use super::record::{AppStats, Connection, Stats, TargetState};
use super::relay::{DESCRIPTORS, Which, Workers};
use super::service::{Counters, Service, Shared};
use super::tally::Tally;
use super::udp::Datagrams;
use crate::clock;
use crate::record::{Record, Time};
use crate::web::Server;

/// Descriptors that are not for connections: standard streams, listeners, logs, checks, pipes.
const RESERVED: u64 = 256;

/// A proxy that listens.
pub(super) struct Running {
    metrics: Option<Server>,
    dispatch: Dispatch,
    control: Control,
    workers: Workers,
    datagrams: Datagrams,
    /// In the order of the configuration.
    services: Vec<Arc<Service>>,
    /// What wakes those that end connections to drained targets.
    drains: Mutex<Vec<Sender<()>>>,
    shared: Arc<Shared>,
    start: Time,
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("services", &self.services).finish_non_exhaustive()
    }
}

impl Running {
    /// Begins to listen. What answers questions about it looks at `core`.
    pub(super) fn start(apps: &[App], settings: &Settings, core: &Arc<Core>) -> Result<(Self, Notices), ProxyError> {
        let (journal, notices) = Journal::new(settings.log.as_deref())?;
        let shared = Arc::new(Shared {
            begin: Instant::now(),
            most: settings.connections,
            most_descriptors: descriptors(settings.connections, &journal),
            journal,
            open: Tally::default(),
            descriptors: Tally::default(),
            is_exhausted: AtomicBool::new(false),
        });
        let cannot = |cause| ProxyError::System { doing: "begin the threads of a proxy".to_owned(), cause };
        let asked = Arc::downgrade(core);
        let mut dispatch = Dispatch::start(settings.means, Arc::new(move || status(&asked)))?;
        let sockets = dispatch.apply(apps)?;
        let told = [
            dispatch.news().map(str::to_owned),
            dispatch.reason().map(|why| format!("each port is bound by itself: {why}")),
        ];
        told.into_iter().flatten().for_each(|text| shared.journal.news(text));
        let mut this = Self {
            metrics: settings.metrics.map(|address| serve_metrics(address, core)).transpose()?,
            dispatch,
            control: Control::start(shared.begin).map_err(cannot)?,
            workers: Workers::start(settings.threads, &shared).map_err(cannot)?,
            datagrams: Datagrams::start(&shared).map_err(cannot)?,
            services: Vec::new(),
            drains: Mutex::default(),
            shared,
            start: clock::now(),
        };
        this.serve(apps, &sockets);
        Ok((this, notices))
    }

    /// Goes on with other apps.
    pub(super) fn reload(&mut self, apps: &[App]) -> Result<(), ProxyError> {
        let sockets = self.dispatch.apply(apps)?;
        self.serve(apps, &sockets);
        self.workers.settle();
        Ok(())
    }

    fn serve(&mut self, apps: &[App], sockets: &[Sockets]) {
        let mut before = std::mem::take(&mut self.services);
        let now = self.shared.now();
        for app in apps {
            let known = before.iter().position(|service| service.app.name == app.name);
            let (pool, counters) = match known.map(|place| before.swap_remove(place)) {
                Some(service) => {
                    service.pool.reload(app, now);
                    (service.pool.clone(), service.counters.clone())
                }
                None => (Arc::new(Pool::of(app, self.teller(), now)), Arc::new(Counters::default())),
            };
            self.services.push(Arc::new(Service { app: app.clone(), pool, counters }));
        }
        for service in before {
            let name = &service.app.name;
            self.workers.forget(name);
            self.datagrams.forget(name);
        }
        // Whoever comes first finds addresses.
        self.control.watch(self.services.iter().map(|service| service.pool.clone()).collect());
        for service in &self.services {
            let of_app = sockets.iter().find(|sockets| sockets.app == service.app.name);
            self.workers.serve(service, of_app.map_or(&[], |sockets| &sockets.tcp));
            self.datagrams.serve(service, of_app.map_or(&[], |sockets| &sockets.udp));
        }
    }

    fn teller(&self) -> Tell {
        let journal = self.shared.journal.clone();
        Tell::new(move |change| journal.news(change.to_string()))
    }

    /// Takes no more connections. Those that there are go on, but for associations, which have no end of their own.
    pub(super) fn close(&mut self) {
        self.dispatch.close();
        for service in &self.services {
            self.workers.forget(&service.app.name);
            self.datagrams.forget(&service.app.name);
        }
        // From here on no thread hands a connection to another one.
        self.workers.settle();
        self.datagrams.end(&Which::All, "stopped");
    }

    /// Ends at once. Gives how many connections that cut short, and what was done, to the last byte.
    pub(super) fn end(mut self) -> (usize, Stats, Vec<TargetState>) {
        self.close();
        let cut = self.workers.stop();
        (cut, self.stats(), self.targets())
    }

    /// Brings no more connections to a target, and ends those that it has after a time.
    pub(super) fn drain(&self, target: &str, within: Duration, core: &Arc<Core>) -> Result<usize, ProxyError> {
        let now = self.shared.now();
        let drained: Vec<_> = self.services.iter().filter_map(|service| service.pool.drain(target, now)).collect();
        if drained.is_empty() {
            return Err(ProxyError::UnknownTarget(target.to_owned()));
        }
        let targets: Vec<_> = drained.into_iter().flatten().collect();
        let (ended, end) = channel::<()>();
        let ids: Vec<u64> = targets.iter().map(|target| target.id()).collect();
        let core = Arc::downgrade(core);
        let wait = move || {
            // It is over when the proxy is.
            if end.recv_timeout(within) != Err(RecvTimeoutError::Timeout) {
                return;
            }
            if let Some(running) =
                core.upgrade().as_ref().map(|core| core.running()).as_deref().and_then(Option::as_ref)
            {
                for id in ids {
                    running.workers.end(&Which::Target(id), "drained");
                    running.datagrams.end(&Which::Target(id), "drained");
                }
            }
        };
        let spawned = thread::Builder::new().name("proxy-drain".into()).spawn(wait);
        spawned.map_err(|cause| ProxyError::System { doing: format!("wait for the end of {target}"), cause })?;
        self.drains.lock().unwrap_or_else(PoisonError::into_inner).push(ended);
        Ok(targets.iter().map(|target| target.open()).sum())
    }

    pub(super) fn reopen_log(&self) {
        self.shared.journal.reopen_log();
    }

    /// Connections and associations that there are.
    pub(super) fn open(&self) -> usize {
        self.shared.open.present()
    }

    pub(super) fn metrics(&self) -> Option<SocketAddr> {
        self.metrics.as_ref().map(Server::address)
    }

    pub(super) fn connections(&self) -> Vec<Connection> {
        let mut all = self.workers.connections();
        all.append(&mut self.datagrams.connections());
        all.sort_by_key(|connection| connection.start);
        all
    }

    pub(super) fn targets(&self) -> Vec<TargetState> {
        self.services.iter().flat_map(|service| self.states(service)).collect()
    }

    /// Those of one app.
    pub(super) fn targets_of(&self, app: &str) -> Vec<TargetState> {
        let services = self.services.iter().filter(|service| service.app.name == app);
        services.flat_map(|service| self.states(service)).collect()
    }

    fn states(&self, service: &Service) -> Vec<TargetState> {
        let app: Arc<str> = service.app.name.as_str().into();
        let states = service.pool.states(self.shared.now());
        states.into_iter().map(|status| self.state(app.clone(), status)).collect()
    }

    fn state(&self, app: Arc<str>, status: Status) -> TargetState {
        let target = status.target.as_deref();
        let (bytes_to_target, bytes_to_client) = target.map_or((0, 0), |target| target.bytes());
        TargetState {
            id: target.map_or(0, |target| target.id()),
            app,
            address: target.map(|target| IpAddr::to_canonical(&target.address())),
            port: status.port,
            state: status.state.name(),
            since: self.start + status.since.into(),
            reason: status.reason,
            weight: status.weight,
            open: target.map_or(0, |target| target.open()),
            total: target.map_or(0, |target| target.begun()),
            failed: target.map_or(0, |target| target.failed()),
            bytes_to_target,
            bytes_to_client,
            latency: status.latency.map(Into::into),
            target: status.name,
        }
    }

    pub(super) fn stats(&self) -> Stats {
        let targets = self.targets();
        let verdicts = self.dispatch.verdicts();
        let of_app = |service: &Arc<Service>| {
            let count = &service.counters;
            Arc::new(AppStats {
                name: service.app.name.as_str().into(),
                open: count.open.present(),
                accepted: count.accepted.load(Ordering::Relaxed),
                failed: count.failed.load(Ordering::Relaxed),
                retried: count.retried.load(Ordering::Relaxed),
                limited: count.limited.load(Ordering::Relaxed),
                dropped: count.dropped.load(Ordering::Relaxed),
            })
        };
        let apps: Vec<_> = self.services.iter().map(of_app).collect();
        let sum = |of: fn(&AppStats) -> u64| apps.iter().map(|app| of(app)).sum();
        Stats {
            dispatch: if verdicts.is_some() { "kernel" } else { "bind" },
            dispatch_reason: self.dispatch.reason().map(str::to_owned),
            start: self.start,
            open: self.open(),
            most: self.shared.most.unwrap_or(usize::MAX).min(self.shared.most_descriptors / DESCRIPTORS),
            accepted: sum(|app| app.accepted),
            failed: sum(|app| app.failed),
            retried: sum(|app| app.retried),
            limited: sum(|app| app.limited),
            dropped: sum(|app| app.dropped),
            bytes_to_target: targets.iter().map(|target| target.bytes_to_target).sum(),
            bytes_to_client: targets.iter().map(|target| target.bytes_to_client).sum(),
            dispatched: verdicts.map(|verdicts| verdicts.dispatched),
            missed: verdicts.map(|verdicts| verdicts.missed),
            no_socket: verdicts.map(|verdicts| verdicts.no_socket),
            refused: verdicts.map(|verdicts| verdicts.refused),
            apps,
        }
    }
}

/// How many descriptors connections may have, which is told where it is less than what they need. The process gets as many
/// as it may have.
fn descriptors(connections: Option<usize>, journal: &Journal) -> usize {
    let limit = getrlimit(Resource::Nofile);
    // If it may not, there are as many as before.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    let all = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let descriptors = usize::try_from(all.saturating_sub(RESERVED)).unwrap_or(usize::MAX);
    let enough = descriptors / DESCRIPTORS;
    if connections.unwrap_or(FEW) > enough {
        journal.news(format!("the system allows this process {all} descriptors, enough for {enough} connections"));
    }
    descriptors
}

/// So few connections are told of, although nobody asked for more.
const FEW: usize = 4096;

fn serve_metrics(address: SocketAddr, core: &Arc<Core>) -> Result<Server, ProxyError> {
    let asked = Arc::downgrade(core);
    let text = move || look(&asked, |running| metrics::text(&running.stats(), &running.targets())).unwrap_or_default();
    metrics::serve(address, Arc::new(text))
        .map_err(|error| ProxyError::System { doing: format!("serve metrics on {address}"), cause: error.cause })
}

/// What whoever asks for the state of a proxy is told: one JSON object, which is empty while it begins and ends.
fn status(core: &Weak<Core>) -> String {
    let value = |record: &dyn Record| serde_json::to_value(record).unwrap_or_default();
    let all = |running: &Running| {
        let targets: Vec<_> = running.targets().iter().map(|target| value(target)).collect();
        serde_json::json!({ "stats": value(&running.stats()), "targets": targets })
    };
    look(core, all).unwrap_or_else(|| serde_json::json!({})).to_string()
}

/// Looks at a proxy, as long as it listens.
fn look<T>(core: &Weak<Core>, look: impl FnOnce(&Running) -> T) -> Option<T> {
    core.upgrade()?.running().as_ref().map(look)
}
