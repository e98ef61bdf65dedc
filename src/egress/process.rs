//! The processes that are watched: what they are called, and where they come from.

use std::collections::HashMap;
use std::sync::Arc;

use super::event::{Event, Reason, What};
use crate::host::container::id_in_group;
use crate::record::secret::command_line;

/// A process of the command, as it was when it did something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: u32,
    /// Its `comm`.
    pub(super) name: Arc<str>,
    /// Its command line, secrets masked.
    pub(super) command: Arc<str>,
    /// Who made it, the nearest first: `make (4711)`.
    pub(super) parents: Arc<[Arc<str>]>,
    /// The identifier of the container that it runs in.
    pub(super) container: Option<Arc<str>>,
    pub(super) reason: Reason,
}

/// How many generations are kept.
const GENERATIONS: usize = 16;

/// Those that live, by number.
#[derive(Debug, Default)]
pub(super) struct Processes {
    known: HashMap<u32, Arc<Process>>,
    show_secrets: bool,
}

impl Processes {
    pub(super) fn new(show_secrets: bool) -> Self {
        Self { known: HashMap::new(), show_secrets }
    }

    /// Adds one that was there before.
    pub(super) fn add(&mut self, pid: u32, name: &str, command: &str, container: Option<&str>, reason: Reason) {
        let container = container.map(Arc::from);
        let process = Process { command: command.into(), container, ..stranger(pid, name, reason) };
        self.known.insert(pid, Arc::new(process));
    }

    /// Takes in what happened to a process; gives it, if a program was begun in it.
    pub(super) fn take(&mut self, event: &Event) -> Option<Arc<Process>> {
        match &event.what {
            What::Forked { parent } => {
                let child = self.forked(event, *parent);
                self.known.insert(event.pid, Arc::new(child));
                None
            }
            What::Executed { arguments, groups } => {
                let known = self.get(event);
                let container = groups.iter().find_map(|group| id_in_group(group)).map(Arc::from);
                let process = Arc::new(Process {
                    name: event.name.as_str().into(),
                    command: self.line(arguments).into(),
                    container: container.or_else(|| known.container.clone()),
                    ..(*known).clone()
                });
                self.known.insert(event.pid, Arc::clone(&process));
                Some(process)
            }
            What::Exited => {
                self.known.remove(&event.pid);
                None
            }
            What::Asked(_) | What::Socket(_) => None,
        }
    }

    fn forked(&self, event: &Event, parent: u32) -> Process {
        let (pid, reason) = (event.pid, event.reason);
        let Some(maker) = self.known.get(&parent) else {
            // The command itself, which netscript made.
            return stranger(pid, &event.name, reason);
        };
        let made_by = Arc::from(format!("{} ({})", maker.name, maker.pid));
        let parents = std::iter::once(made_by).chain(maker.parents.iter().cloned()).take(GENERATIONS).collect();
        Process { pid, parents, reason, ..(**maker).clone() }
    }

    /// The process of an event. One of which nothing was told is known by its name.
    pub(super) fn get(&self, event: &Event) -> Arc<Process> {
        self.numbered(event.pid).unwrap_or_else(|| Arc::new(stranger(event.pid, &event.name, event.reason)))
    }

    /// The process with that number, while it lives.
    pub(super) fn numbered(&self, pid: u32) -> Option<Arc<Process>> {
        self.known.get(&pid).cloned()
    }

    /// Those that live and descend from the command.
    pub(super) fn of_command(&self) -> impl Iterator<Item = &Arc<Process>> {
        self.known.values().filter(|process| process.reason.has(Reason::COMMAND))
    }

    /// Those that live in a container.
    pub(super) fn in_containers(&self) -> impl Iterator<Item = &str> {
        self.known.values().filter_map(|process| process.container.as_deref())
    }

    fn line(&self, arguments: &[u8]) -> String {
        let arguments = arguments.strip_suffix(b"\0").unwrap_or(arguments).split(|byte| *byte == 0);
        let arguments: Vec<_> = arguments.map(String::from_utf8_lossy).collect();
        command_line(&arguments, self.show_secrets)
    }
}

/// A process of which no more is known.
pub(super) fn stranger(pid: u32, name: &str, reason: Reason) -> Process {
    Process { pid, name: name.into(), command: Arc::default(), parents: Arc::default(), container: None, reason }
}
