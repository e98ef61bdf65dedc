//! Containers that the command has an engine begin.
//!
//! They do not descend from it. What an engine begins while nobody but the command talks to it is the command's; where others
//! talk to it, too, it is not certain, and said.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::host::container::{Containers, EngineSockets, KnownBy, Query};
use crate::host::local::{Node, has_clients};

/// Programs that begin containers, or look after those that run.
const PROGRAMS: [&str; 7] =
    ["dockerd", "containerd", "containerd-shim", "containerd-shim-runc-v2", "buildkitd", "podman", "crio"];

/// Local sockets over which names are looked up out of sight.
const RESOLVERS: [&str; 3] = ["/run/nscd/socket", "/var/run/nscd/socket", "/run/systemd/resolve/io.systemd.Resolve"];

/// A local socket that is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Service {
    Engine(PathBuf),
    Resolver(&'static str),
}

/// The engines of this host, and what is known of who talks to them.
#[derive(Debug)]
pub(super) struct Engines {
    pub(super) services: Vec<Service>,
    /// Their processes.
    pub(super) pids: Vec<u32>,
    query: Query,
    /// The identifiers of containers that were there before.
    before: HashSet<String>,
    /// Where those listen that the command talked to.
    asked_by_command: HashSet<PathBuf>,
    asked_resolver: Option<&'static str>,
    /// Others who talked to an engine.
    others: Vec<String>,
    known: Arc<Mutex<HashMap<Arc<str>, Known>>>,
    lookups: Vec<JoinHandle<()>>,
    seen: HashSet<Arc<str>>,
    /// The container that is watched, if it is one.
    target: Option<String>,
}

/// What engines said of a container when a program began to run in it.
#[derive(Debug, Default)]
struct Known {
    name: Option<Arc<str>>,
    /// Where the engine listens that has it.
    engine: Option<PathBuf>,
}

impl Engines {
    /// Looks for engines and for the containers that there are.
    pub(super) fn find(sockets: &EngineSockets) -> Self {
        let paths = sockets.named.iter().chain(&sockets.usual).map(|path| path.to_path_buf());
        let mut engines: Vec<PathBuf> =
            paths.filter_map(|path| fs::canonicalize(path).ok()).filter(|path| path.exists()).collect();
        engines.sort();
        engines.dedup();
        let query = Query { all: true, sockets: sockets.clone() };
        let pids = if engines.is_empty() { Vec::new() } else { pids() };
        let others = engines.iter().filter(|path| keeps_clients(path));
        let others = others.map(|path| format!("somebody was connected to {} before", path.display())).collect();
        let before = if engines.is_empty() { Containers::default() } else { Containers::read(&query) };
        let resolvers = RESOLVERS.into_iter().filter(|path| Path::new(path).exists()).map(Service::Resolver);
        Self {
            others,
            services: engines.into_iter().map(Service::Engine).chain(resolvers).collect(),
            pids,
            before: before.iter().map(|container| container.id.clone()).collect(),
            query,
            asked_by_command: HashSet::new(),
            asked_resolver: None,
            known: Arc::default(),
            lookups: Vec::new(),
            seen: HashSet::new(),
            target: None,
        }
    }

    /// This container is watched: whatever runs in it is meant.
    pub(super) fn target(&mut self, id: &str, name: &str) {
        self.known().entry(id.into()).or_default().name = Some(name.into());
        self.target = Some(id.to_owned());
    }

    /// Whether a process in this container is meant, whoever began it.
    pub(super) fn is_target(&self, container: Option<&Arc<str>>) -> bool {
        container.is_some_and(|id| self.target.as_deref() == Some(&**id))
    }

    /// Somebody connected to the service with that number.
    pub(super) fn asked(&mut self, service: u64, is_command: bool, name: &str, pid: u32) {
        let service = usize::try_from(service).ok().and_then(|number| self.services.get(number));
        match service {
            Some(Service::Engine(path)) if is_command => {
                self.asked_by_command.insert(path.clone());
            }
            Some(Service::Engine(path)) => {
                let other = format!("{name} ({pid}) talked to {}, too", path.display());
                if self.others.len() < 8 && !self.others.contains(&other) {
                    self.others.push(other);
                }
            }
            Some(Service::Resolver(path)) if is_command => self.asked_resolver = Some(path),
            Some(Service::Resolver(_)) | None => {}
        }
    }

    /// A program runs in a container: asks, aside, what it is called and whose it is, while it is there to be asked for.
    pub(super) fn saw(&mut self, id: &Arc<str>) {
        if !self.seen.insert(Arc::clone(id)) {
            return;
        }
        let (known, query, id) = (Arc::clone(&self.known), self.query.clone(), Arc::clone(id));
        let look = move || {
            let containers = Containers::read(&query);
            let container = containers.iter().find(|container| container.id == *id);
            let engine = container.and_then(|container| match &container.known_by {
                KnownBy::Engine(socket) => fs::canonicalize(socket).ok(),
                KnownBy::Cgroup | KnownBy::Namespace => None,
            });
            let name = container.map(|container| container.name.as_str().into());
            known.lock().unwrap_or_else(PoisonError::into_inner).insert(id, Known { name, engine });
        };
        // Without a thread the container is called by its number.
        self.lookups.extend(std::thread::Builder::new().name("containers".into()).spawn(look));
    }

    /// Waits for what engines say of all containers.
    pub(super) fn finish(&mut self) {
        for lookup in self.lookups.drain(..) {
            // If it panicked, it said so.
            let _ = lookup.join();
        }
    }

    /// What a container is called: by its engine, else by the beginning of its identifier.
    pub(super) fn name(&self, id: &Arc<str>) -> Arc<str> {
        const SHORT: usize = 12;
        let name = self.known().get(id).and_then(|known| known.name.clone());
        name.unwrap_or_else(|| id.get(..SHORT).unwrap_or(id).into())
    }

    /// Why a container, or an engine itself, may do something that is not for the command; none if it is certain that it is.
    pub(super) fn doubt(&self, container: Option<&Arc<str>>) -> Option<String> {
        match container {
            _ if !self.are_asked() => Some("the command did not talk to an engine".to_owned()),
            None => Some("it is what an engine does by itself, for the command or not".to_owned()),
            Some(id) if self.before.contains(&**id) => Some("the container was there before the command".to_owned()),
            Some(id) if !self.is_of_asked(id) => {
                Some("no engine that the command talked to knows the container".to_owned())
            }
            Some(_) => self.others.first().cloned(),
        }
    }

    /// Whether a container belongs to an engine that the command talked to.
    fn is_of_asked(&self, id: &str) -> bool {
        let known = self.known();
        let engine = known.get(id).and_then(|known| known.engine.as_ref());
        engine.is_some_and(|engine| self.asked_by_command.contains(engine))
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Arc<str>, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the command talked to an engine.
    pub(super) fn are_asked(&self) -> bool {
        !self.asked_by_command.is_empty()
    }

    /// Whether the command may have had a container begun: as long as it is not known whose it is, it may.
    pub(super) fn may_be_for_command(&self, id: &str) -> bool {
        let is_known = self.known().contains_key(id);
        self.are_asked() && !self.before.contains(id) && (!is_known || self.is_of_asked(id))
    }

    /// The service that looked up names for the command out of sight, if one did.
    pub(super) const fn resolver(&self) -> Option<&'static str> {
        self.asked_resolver
    }
}

/// The processes of engines.
fn pids() -> Vec<u32> {
    let processes = procfs::process::all_processes().into_iter().flatten().flatten();
    let is_engine =
        |name: &str| PROGRAMS.iter().any(|program| program.starts_with(name) && name.len() >= program.len().min(15));
    let engines = processes.filter(|process| process.stat().is_ok_and(|stat| is_engine(&stat.comm)));
    engines.filter_map(|process| u32::try_from(process.pid()).ok()).collect()
}

/// Whether somebody stays connected to a local socket, or may be: those who have just left are still there for a moment.
fn keeps_clients(socket: &Path) -> bool {
    const MOMENT: Duration = Duration::from_millis(50);
    const LOOKS: usize = 4;
    let Ok(node) = Node::of(socket) else { return false };
    (0..LOOKS).all(|look| {
        if look > 0 {
            std::thread::sleep(MOMENT);
        }
        has_clients(node).unwrap_or(true)
    })
}

impl Service {
    /// Where it listens.
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Engine(path) => path,
            Self::Resolver(path) => Path::new(path),
        }
    }
}
