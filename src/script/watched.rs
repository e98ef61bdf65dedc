//! What a run watches when it listens on no interface and reads no file: a command, or processes that run.

use super::context::Context;
use super::error::{ErrorKind, host_error, thrown};
use super::live::Place;
use crate::egress::policy::Filter;
use crate::egress::{Conclusion, Packets, Report, Spec, Target, Watch, WatchError};
use crate::host::container::{Containers, EngineSockets, Query};
use crate::record::Duration;
use crate::report::CommandEnd;
use rhai::EvalAltResult;

/// Whom to watch, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    /// Who is watched.
    pub subject: Subject,
    /// When to stop; a command is told to end then.
    pub duration: Option<Duration>,
    /// How long what a command leaves behind is watched after its end.
    pub linger: Duration,
    /// What may be reached, if everything else is to be refused.
    pub enforce: Option<Filter>,
    /// Whether it may go on behind that, and nothing is said of it.
    pub leave: bool,
}

/// Who is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A command that is begun.
    Command(Vec<String>),
    /// A container or a process that runs.
    Place(Place),
}

impl Watched {
    /// How long a command is waited for whose main process has ended, if nobody says so.
    pub(crate) const LINGER: Duration = Duration::from_secs(10);

    /// Begins to watch. `packets` says which packets are wanted.
    pub(super) fn start(&self, packets: Packets, context: &Context) -> Result<Watch, Box<EvalAltResult>> {
        let span = |duration: Duration| std::time::Duration::from_nanos(duration.as_nanos().unsigned_abs());
        let spec = Spec {
            target: self.subject.target()?,
            packets,
            duration: self.duration.map(span),
            linger: span(self.linger),
            engines: EngineSockets::from_environment(),
            enforce: self.enforce.clone(),
            show_secrets: context.options.show_secrets,
            limits: context.options.limits.clone(),
        };
        context.ledger.borrow_mut().listened |= packets == Packets::All;
        Watch::start(spec, &context.cancel).map_err(|error| watch_error(&error))
    }

    /// Takes down what is known at the end of a watch.
    pub(super) fn conclude(&self, report: &Report, context: &Context) {
        let Some(Conclusion { exit, unseen, survivors }) = report.conclusion() else { return };
        if let Subject::Command(command) = &self.subject {
            let exit = exit.unwrap_or_default();
            context.command_ended(CommandEnd::new(command, exit.code, exit.signal, context.options.show_secrets));
            if !survivors.is_empty() {
                let left =
                    format!("of the command there still runs, and is not watched any more: {}", survivors.join(", "));
                if self.leave { (context.announce.borrow_mut())(&left) } else { context.note(&left) }
            }
        }
        unseen.iter().for_each(|why| context.note(why));
    }
}

impl Subject {
    fn target(&self) -> Result<Target, Box<EvalAltResult>> {
        let place = match self {
            Self::Command(command) => return Ok(Target::Command(command.clone())),
            Self::Place(place) => place,
        };
        let found = match place {
            Place::Process(pid) => Target::process(*pid),
            Place::Container(name) => {
                let containers = Containers::read(&Query { all: true, ..Query::default() });
                containers.find(name).and_then(Target::container)
            }
            Place::Namespace(_) => {
                let message = "a network namespace is no process; listen in it instead: --netns with attempts()";
                return Err(thrown(ErrorKind::Usage, message));
            }
        };
        found.map_err(|error| host_error(&error))
    }
}

impl std::fmt::Display for Watched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.subject {
            Subject::Command(command) => f.write_str(&crate::record::secret::command_line(command, false)),
            Subject::Place(place) => place.fmt(f),
        }
    }
}

/// Why nothing can be watched, as scripts see it.
fn watch_error(error: &WatchError) -> Box<EvalAltResult> {
    let kind = match error {
        WatchError::NoCommand | WatchError::Command { .. } | WatchError::Rules(_) => ErrorKind::Usage,
        WatchError::Permission | WatchError::Kernel(_) | WatchError::System(_) => ErrorKind::Observation,
    };
    thrown(kind, error.to_string())
}
