//! A watch over a command, or over processes that run: a source of attempts, and of the packets of those who make them.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::attempt::Attempt;
use super::attempts::Open;
use super::canary::Canary;
use super::command::{Exit, Running};
use super::enforcement::{Enforcement, MOST_RULES};
use super::engines::Engines;
use super::event::Reason;
use super::hook::{Hook, Settings};
use super::introductions::{self, Introductions, Parties};
use super::policy::Filter;
use super::process::Processes;
use super::watcher::Watcher;
use crate::capture::{Arrival, Cancel, CaptureError, Interface, PacketSource, Progress};
use crate::flow::Attributor;
use crate::host::container::{Container, EngineSockets};
use crate::host::{BpfError, HostError, Process, may_watch};
use crate::limits::{Limits, Loss};
use crate::packet::{LinkType, RawPacket};
use crate::record::{Row, Time};

/// Whom to watch, and how.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Who is watched.
    pub target: Target,
    /// Which of their packets are wanted, besides what they try.
    pub packets: Packets,
    /// Whether TCP connections over loopback are told, too.
    pub loopback: bool,
    /// When to stop, if they go on until then; a command is told to end.
    pub duration: Option<Duration>,
    /// How long what a command leaves behind is watched after its end.
    pub linger: Duration,
    /// The engines that may begin containers for it.
    pub engines: EngineSockets,
    /// What they may reach, if what they may not is to be refused: at most 1024 entries.
    pub enforce: Option<Filter>,
    /// Whether secrets in command lines are shown.
    pub show_secrets: bool,
    /// How much is kept.
    pub limits: Limits,
}

/// Which packets a watch gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Packets {
    /// None at all.
    #[default]
    None,
    /// Those that say who somebody is: questions about names and their answers, and how TLS and QUIC connections begin.
    Introductions,
    /// All.
    All,
}

/// Who is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A command that is begun, and what descends from it.
    Command(Vec<String>),
    /// Processes that run, and what descends from them.
    Processes {
        /// Their numbers.
        pids: Vec<u32>,
        /// Those that make more of them: what they make counts, too.
        makers: Vec<u32>,
        /// The identifier and the name of their container, if it is one.
        container: Option<(String, String)>,
    },
}

/// What is known at the end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Conclusion {
    /// How the command ended; nothing if it goes on, or if there is none.
    pub exit: Option<Exit>,
    /// Why something may have happened unseen.
    pub unseen: Vec<String>,
    /// What of the command still runs: `make (4711)`, `container web`.
    pub survivors: Vec<String>,
}

/// Why nothing can be watched.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// There is nothing to begin.
    #[error("there is no command to watch")]
    NoCommand,
    /// The command cannot be begun.
    #[error("cannot run `{program}`: {}", reason(.cause))]
    Command {
        /// Its program.
        program: String,
        /// Why not.
        cause: io::Error,
    },
    /// This process may not put programs into the kernel.
    #[error("no permission to watch what a command does: this needs {CAPABILITIES}; run as root")]
    Permission,
    /// The kernel does not take the programs.
    #[error("this kernel cannot tell what a command does: {0}")]
    Kernel(#[from] BpfError),
    /// There are too many rules to be enforced.
    #[error("{0} rules cannot be enforced; the kernel takes {MOST_RULES}, those for what is inside among them")]
    Rules(usize),
    /// There is no thread to be had.
    #[error("cannot watch: {0}")]
    System(#[from] io::Error),
}

const CAPABILITIES: &str = "CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN";

fn reason(cause: &io::Error) -> String {
    match cause.kind() {
        io::ErrorKind::NotFound => "there is no such program".to_owned(),
        io::ErrorKind::PermissionDenied => "it may not be executed".to_owned(),
        _ => cause.to_string(),
    }
}

/// A packet of somebody who is watched, from its IP header on.
pub(super) struct Packet {
    pub(super) time: Time,
    pub(super) length: u32,
    pub(super) bytes: Vec<u8>,
}

/// What the thread and the source share.
#[derive(Default)]
pub(super) struct Shared {
    told: Mutex<Told>,
    changed: Condvar,
    pub(super) stopped: AtomicBool,
}

#[derive(Default)]
struct Told {
    rows: Vec<Row>,
    packets: VecDeque<Packet>,
    loss: Loss,
    bytes: u64,
    conclusion: Option<Conclusion>,
}

impl Shared {
    fn told(&self) -> MutexGuard<'_, Told> {
        // Nothing is half done in there that a panic elsewhere could leave.
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn row(&self, attempt: Attempt, most: usize) {
        let mut told = self.told();
        if told.rows.len() < most {
            told.rows.push(Arc::new(attempt));
        } else {
            told.loss.rows += 1;
        }
        self.changed.notify_all();
    }

    /// An attempt could not be kept.
    pub(super) fn lose(&self) {
        self.told().loss.rows += 1;
    }

    pub(super) fn packet(&self, packet: Packet) {
        /// What waits for whoever reads packets, at most.
        const MOST: usize = 65_536;
        let mut told = self.told();
        told.bytes += u64::from(packet.length);
        if told.packets.len() < MOST {
            told.packets.push_back(packet);
        } else {
            told.loss.dropped += 1;
        }
        self.changed.notify_all();
    }

    pub(super) fn end(&self, conclusion: Conclusion, loss: Loss) {
        let mut told = self.told();
        told.loss += &loss;
        told.conclusion = Some(conclusion);
        self.changed.notify_all();
    }
}

/// A watch that goes on. Nothing of it outlives the process, however that ends; the command does.
pub struct Watch {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    parties: Arc<Parties>,
    interfaces: [Interface; 1],
    current: Option<Packet>,
}

/// What is known of a watch when it is over.
#[derive(Clone)]
pub struct Report(Arc<Shared>);

impl Report {
    pub(super) fn of(shared: &Arc<Shared>) -> Self {
        Self(Arc::clone(shared))
    }

    /// What is known at the end; nothing before.
    #[must_use]
    pub fn conclusion(&self) -> Option<Conclusion> {
        self.0.told().conclusion.clone()
    }
}

impl Watch {
    /// Begins to watch, and begins the command.
    ///
    /// # Errors
    ///
    /// [`WatchError::Permission`] and [`WatchError::Kernel`] where nothing can be watched, and the command is not begun;
    /// [`WatchError::Command`] where it cannot be.
    pub fn start(spec: Spec, cancel: &Cancel) -> Result<Self, WatchError> {
        if !may_watch() {
            return Err(WatchError::Permission);
        }
        if let Some(rules) =
            spec.enforce.as_ref().map(|filter| filter.entries().len()).filter(|rules| *rules > MOST_RULES)
        {
            return Err(WatchError::Rules(rules));
        }
        let mut hook = Hook::attach()?;
        let engines = Engines::find(&spec.engines);
        for (number, service) in (0..).zip(&engines.services) {
            hook.watch_service(service.path(), number)?;
        }
        for pid in &engines.pids {
            hook.watch(*pid, Reason::ENGINE)?;
        }
        let settings =
            Settings { packets: spec.packets == Packets::All, loopback: spec.loopback, ..Settings::default() };
        let enforcement = spec.enforce.clone().map(|filter| Enforcement::begin(filter, &mut hook)).transpose()?;
        let settings = enforcement.as_ref().map_or(settings, |enforcement| enforcement.settings(settings));
        hook.set(settings)?;
        let shared = Arc::<Shared>::default();
        let mut watcher = Watcher {
            events: VecDeque::new(),
            packets: VecDeque::new(),
            processes: Processes::new(spec.show_secrets),
            engines,
            command: None,
            cancel: cancel.clone(),
            shared: Arc::clone(&shared),
            open: Open::default(),
            introductions: Introductions::new(&spec.limits),
            held: Vec::new(),
            enforcement,
            canary: Canary::default(),
            hook,
            spec,
        };
        watcher.sing()?;
        watcher.begin(settings)?;
        let parties = watcher.introductions.parties();
        let name = watcher.spec.target.name();
        let interfaces = [Interface { name: Some(name), link: LinkType::RAW, snaplen: 0 }];
        let thread = std::thread::Builder::new().name("watch".into()).spawn(move || watcher.run())?;
        Ok(Self { shared, thread: Some(thread), parties, interfaces, current: None })
    }

    /// Says which process has a conversation of which the watch gives packets.
    #[must_use]
    pub fn attributor(&self) -> Box<dyn Attributor> {
        Box::new(introductions::Attributor(Arc::clone(&self.parties)))
    }

    /// Where the end of it is told.
    #[must_use]
    pub fn report(&self) -> Report {
        Report::of(&self.shared)
    }
}

impl Target {
    /// A process that runs, and those that descend from it by now.
    ///
    /// # Errors
    ///
    /// [`HostError::Unknown`] if there is none.
    pub fn process(pid: u32) -> Result<Self, HostError> {
        let pids = descendants([pid]);
        if pids.is_empty() {
            return Err(HostError::unknown("process", &pid.to_string(), []));
        }
        Ok(Self::Processes { pids, makers: Vec::new(), container: None })
    }

    /// The processes of a container that runs, and what its engine begins in it later.
    ///
    /// # Errors
    ///
    /// [`HostError::Gone`] if it does not run.
    pub fn container(container: &Container) -> Result<Self, HostError> {
        let pids = container.processes();
        if pids.is_empty() {
            return Err(HostError::Gone { what: "container", name: container.name.clone() });
        }
        let parents = pids.iter().filter_map(|pid| parent(*pid)).filter(|parent| !pids.contains(parent) && *parent > 1);
        let makers = parents.collect();
        Ok(Self::Processes { pids, makers, container: Some((container.id.clone(), container.name.clone())) })
    }

    /// A name for it, in a word.
    fn name(&self) -> String {
        match self {
            Self::Command(arguments) => {
                arguments.first().map_or("command", |program| program.rsplit('/').next().unwrap_or(program)).to_owned()
            }
            Self::Processes { container: Some((_, name)), .. } => name.clone(),
            Self::Processes { pids, .. } => pids.first().map_or_else(String::new, u32::to_string),
        }
    }
}

fn parent(pid: u32) -> Option<u32> {
    let process = procfs::process::Process::new(i32::try_from(pid).ok()?).ok()?;
    u32::try_from(process.stat().ok()?.ppid).ok()
}

/// Those of these processes that live, and all that descend from them.
pub(super) fn descendants(of: impl IntoIterator<Item = u32>) -> Vec<u32> {
    let processes = procfs::process::all_processes().into_iter().flatten().flatten();
    let parents: Vec<(u32, u32)> = processes
        .filter_map(|process| {
            let stat = process.stat().ok().filter(|stat| stat.state != 'Z')?;
            Some((u32::try_from(stat.pid).ok()?, u32::try_from(stat.ppid).ok()?))
        })
        .collect();
    let of: Vec<u32> = of.into_iter().collect();
    let mut found: Vec<u32> = parents.iter().map(|(own, _)| *own).filter(|own| of.contains(own)).collect();
    let mut at = 0;
    while let Some(parent) = found.get(at).copied() {
        let children = parents.iter().filter(|(own, of)| *of == parent && !found.contains(own)).map(|(own, _)| *own);
        found.extend(children.collect::<Vec<_>>());
        at += 1;
    }
    found
}

impl Watcher {
    /// Begins the command, or watches who runs already.
    fn begin(&mut self, settings: Settings) -> Result<(), WatchError> {
        match self.spec.target.clone() {
            Target::Command(arguments) => {
                let spawner = rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs();
                self.hook.set(Settings { spawner, ..settings })?;
                let running = Running::begin(&arguments);
                self.hook.set(settings)?;
                self.command = Some(running?);
            }
            Target::Processes { pids, makers, container } => {
                if let Some((id, name)) = &container {
                    self.engines.target(id, name);
                }
                let id = container.as_ref().map(|(id, _)| id.as_str());
                for pid in pids {
                    self.hook.watch(pid, Reason::COMMAND)?;
                    if let Some(process) = Process::read(pid, self.spec.show_secrets) {
                        self.processes.add(pid, &process.name, &process.command, id, Reason::COMMAND);
                    }
                }
                for maker in makers {
                    self.hook.watch(maker, Reason::ENGINE)?;
                }
            }
        }
        Ok(())
    }
}

/// What a source has before its first packet and behind its last.
pub(super) const fn no_packet() -> RawPacket<'static> {
    RawPacket { time: Time::MIN, length: 0, link: LinkType::RAW, interface: 0, bytes: &[] }
}

impl PacketSource for Watch {
    fn advance(&mut self) -> Result<bool, CaptureError> {
        loop {
            match self.poll(true)? {
                Arrival::Packet => return Ok(true),
                Arrival::End => return Ok(false),
                Arrival::Nothing(_) => {}
            }
        }
    }

    fn poll(&mut self, wait: bool) -> Result<Arrival, CaptureError> {
        /// How long it waits before it says that nothing has arrived.
        const MOMENT: Duration = Duration::from_millis(100);
        let mut told = self.shared.told();
        if wait && told.packets.is_empty() && told.rows.is_empty() && told.conclusion.is_none() {
            let waited = self.shared.changed.wait_timeout(told, MOMENT).unwrap_or_else(PoisonError::into_inner);
            told = waited.0;
        }
        self.current = told.packets.pop_front();
        Ok(match &self.current {
            Some(_) => Arrival::Packet,
            None if told.conclusion.is_some() => Arrival::End,
            None => Arrival::Nothing(crate::clock::now()),
        })
    }

    fn packet(&self) -> RawPacket<'_> {
        let none = no_packet();
        match &self.current {
            Some(packet) => RawPacket { time: packet.time, length: packet.length, bytes: &packet.bytes, ..none },
            None => none,
        }
    }

    fn interfaces(&self) -> &[Interface] {
        &self.interfaces
    }

    fn progress(&self) -> Progress {
        Progress { bytes: self.shared.told().bytes, total: None }
    }

    fn stop(&mut self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
    }

    fn take_rows(&mut self) -> Vec<Row> {
        std::mem::take(&mut self.shared.told().rows)
    }

    fn loss(&mut self) -> Loss {
        self.shared.told().loss.clone()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop();
        if let Some(thread) = self.thread.take() {
            // If it panicked, it said so.
            let _ = thread.join();
        }
    }
}
