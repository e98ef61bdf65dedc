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

use crate::host::container::{Containers, EngineSockets, KnownBy, Query, created};
use crate::host::local::{Node, has_clients};
use crate::record::Time;

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
    /// When it began.
    begun: Time,
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
            begun: crate::clock::now(),
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
        self.seen.insert(id.into());
        self.known().insert(id.into(), Known { name: Some(name.into()), engine: None });
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

    /// Waits for what engines say of all containers, and asks them for those that have gone meanwhile.
    pub(super) fn finish(&mut self) {
        for lookup in self.lookups.drain(..) {
            // If it panicked, it said so.
            let _ = lookup.join();
        }
        if self.seen.iter().all(|id| self.known().get(id).is_some_and(|known| known.engine.is_some())) {
            return;
        }
        for engine in &self.asked_by_command {
            // One that does not answer leaves open what it began.
            let Ok(created) = created(engine, self.begun, crate::clock::now()) else { continue };
            for (id, name) in created {
                let known = Known { name: Some(name.into()), engine: Some(engine.clone()) };
                self.known().insert(id.into(), known);
            }
        }
    }

    /// What a container is called: by its engine, else by the beginning of its identifier.
    pub(super) fn name(&self, id: &Arc<str>) -> Arc<str> {
        const SHORT: usize = 12;
        let name = self.known().get(id).and_then(|known| known.name.clone());
        name.unwrap_or_else(|| id.get(..SHORT).unwrap_or(id).into())
    }

    /// Why a container of an engine that the command talked to, or such an engine itself, may do something that is not for the
    /// command; none if it is certain that it is.
    pub(super) fn doubt(&self, container: Option<&Arc<str>>) -> Option<String> {
        match container {
            None => Some("it is what an engine does by itself, for the command or not".to_owned()),
            Some(id) if self.before.contains(&**id) => Some("the container was there before the command".to_owned()),
            Some(id) if self.engine_of(id).is_none() => {
                Some("no engine that the command talked to knows the container".to_owned())
            }
            Some(_) => self.others.first().cloned(),
        }
    }

    /// Where the engine listens that has a container, if that is known.
    fn engine_of(&self, id: &str) -> Option<PathBuf> {
        self.known().get(id).and_then(|known| known.engine.clone())
    }

    /// Whether it is certain that the command had nothing to do with a container: it is that of an engine that it did not
    /// talk to.
    pub(super) fn is_of_others(&self, container: Option<&Arc<str>>) -> bool {
        let engine = container.and_then(|id| self.engine_of(id));
        !self.are_asked() || engine.is_some_and(|engine| !self.asked_by_command.contains(&engine))
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
        !self.before.contains(id) && !self.is_of_others(Some(&id.into()))
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

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "0a1b2c3d4e5f60718293a4b5c6d7e8f900112233445566778899aabbccddeeff";
    const OLD: &str = "ffeeddccbbaa99887766554433221100f9e8d7c6b5a493827160f5e4d3c2b1a0";
    const ENGINE: u64 = 0;
    const RESOLVER: u64 = 1;

    /// An engine and a resolver, and a container that was there before.
    fn engines() -> Engines {
        Engines {
            services: vec![Service::Engine("/run/docker.sock".into()), Service::Resolver(RESOLVERS[0])],
            pids: vec![20],
            query: Query::default(),
            begun: Time::MIN,
            before: HashSet::from([OLD.to_owned()]),
            asked_by_command: HashSet::new(),
            asked_resolver: None,
            others: Vec::new(),
            known: Arc::default(),
            lookups: Vec::new(),
            seen: HashSet::new(),
            target: None,
        }
    }

    fn asked(by: &[(u64, bool)]) -> Engines {
        let mut engines = engines();
        engines.known().insert(OWN.into(), Known { name: None, engine: Some("/run/docker.sock".into()) });
        for &(service, is_command) in by {
            engines.asked(service, is_command, "docker", 4711);
        }
        engines
    }

    fn doubt(engines: &Engines, container: Option<&str>) -> String {
        engines.doubt(container.map(Arc::from).as_ref()).unwrap_or_else(|| "none".to_owned())
    }

    #[test]
    fn only_what_an_engine_began_for_the_command_alone_is_the_commands() {
        let alone = asked(&[(ENGINE, true)]);
        assert!(alone.are_asked());
        assert_eq!(doubt(&alone, Some(OWN)), "none");
        assert_eq!(doubt(&alone, Some(OLD)), "the container was there before the command");
        assert_eq!(doubt(&alone, None), "it is what an engine does by itself, for the command or not");
        let shared = asked(&[(ENGINE, false), (ENGINE, true)]);
        assert_eq!(doubt(&shared, Some(OWN)), "docker (4711) talked to /run/docker.sock, too");
        assert_eq!(doubt(&shared, Some(OLD)), "the container was there before the command");
    }

    #[test]
    fn a_command_that_asked_no_engine_began_no_container() {
        for engines in [engines(), asked(&[(ENGINE, false)]), asked(&[(RESOLVER, true)]), asked(&[(7, true)])] {
            assert!(!engines.are_asked());
            for container in [Some(OWN), Some(OLD), None] {
                assert!(engines.is_of_others(container.map(Arc::from).as_ref()));
            }
        }
    }

    #[test]
    fn whoever_was_connected_before_leaves_it_open() {
        let mut engines = asked(&[(ENGINE, true)]);
        engines.others.push("somebody was connected to /run/docker.sock before".to_owned());
        engines.asked(ENGINE, false, "docker", 4711);
        assert_eq!(doubt(&engines, Some(OWN)), "somebody was connected to /run/docker.sock before");
    }

    #[test]
    fn others_are_named_once_and_only_so_many() {
        let mut engines = engines();
        for pid in (0..100).chain(0..100) {
            engines.asked(ENGINE, false, "ctr", pid);
        }
        assert_eq!(engines.others.len(), 8);
        assert_eq!(engines.others[7], "ctr (7) talked to /run/docker.sock, too");
    }

    #[test]
    fn a_resolver_is_told_only_if_the_command_asked_it() {
        assert_eq!(asked(&[(RESOLVER, false), (ENGINE, true)]).resolver(), None);
        assert_eq!(asked(&[(RESOLVER, true)]).resolver(), Some(RESOLVERS[0]));
    }

    #[test]
    fn a_container_without_a_name_goes_by_the_beginning_of_its_number() {
        let engines = engines();
        engines.known().insert(OWN.into(), Known { name: Some("web".into()), engine: None });
        assert_eq!(&*engines.name(&OWN.into()), "web");
        assert_eq!(&*engines.name(&OLD.into()), "ffeeddccbbaa");
        assert_eq!(&*engines.name(&"lxc".into()), "lxc");
    }

    #[test]
    fn a_container_of_another_engine_is_not_the_commands() {
        let engines = asked(&[(ENGINE, true)]);
        assert!(engines.may_be_for_command(OWN) && !engines.may_be_for_command(OLD));
        engines.known().insert(OWN.into(), Known { name: None, engine: Some("/run/other.sock".into()) });
        assert!(!engines.may_be_for_command(OWN) && engines.is_of_others(Some(&OWN.into())));
        engines.known().clear();
        assert!(!engines.is_of_others(Some(&OWN.into())));
        assert_eq!(doubt(&engines, Some(OWN)), "no engine that the command talked to knows the container");
    }

    #[test]
    fn whatever_runs_in_the_container_that_is_watched_is_meant() {
        let mut engines = engines();
        engines.target(OWN, "web");
        assert!(engines.is_target(Some(&OWN.into())));
        assert!(!engines.is_target(Some(&OLD.into())) && !engines.is_target(None));
        assert_eq!(&*engines.name(&OWN.into()), "web");
    }
}
