//! What a run watches when it listens on no interface and reads no file: a command, or processes that run.

use super::context::Context;
use super::error::{ErrorKind, host_error, pipeline_error, thrown};
use super::live::Place;
use crate::capture::{Listen, LiveCapture, PacketSource};
use crate::egress::policy::Filter;
use crate::egress::{Conclusion, Packets, Report, Spec, Target, Unhooked, Watch, WatchError};
use crate::flow::{Analyzer, Attributor};
use crate::host::container::{Containers, EngineSockets, Query};
use crate::host::{Attribution, Method, Namespace, may_capture};
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
    /// By what means.
    pub means: Means,
    /// Whether TCP connections over loopback are told, too.
    pub loopback: bool,
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

/// How to watch a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Means {
    /// By hooks in the kernel, and where they cannot be had by capturing packets.
    #[default]
    Best,
    /// By hooks in the kernel.
    Hooks,
    /// By capturing packets.
    Capture,
    /// Not at all: it runs, and nothing is known of it.
    Nothing,
}

impl Means {
    /// All of them, by name.
    pub(crate) const ALL: [(&'static str, Self); 4] =
        [("best", Self::Best), ("hooks", Self::Hooks), ("capture", Self::Capture), ("nothing", Self::Nothing)];
}

/// A watch that has begun.
pub(super) struct Begun {
    pub(super) source: Box<dyn PacketSource>,
    /// Where its end is told.
    pub(super) report: Report,
    pub(super) attributor: Option<Box<dyn Attributor>>,
    /// What makes attempts out of packets, if the source does not tell them.
    pub(super) attempts: Option<Box<dyn Analyzer>>,
}

impl Watched {
    /// How long a command is waited for whose main process has ended, if nobody says so.
    pub(crate) const LINGER: Duration = Duration::from_secs(10);

    /// Begins to watch. `packets` says which packets are wanted.
    pub(super) fn start(&self, packets: Packets, context: &Context) -> Result<Begun, Box<EvalAltResult>> {
        let hooked = match self.means {
            Means::Best | Means::Hooks => self.hooked(self.subject.target()?, packets, context),
            Means::Capture | Means::Nothing => return self.unhooked("they were not asked for".to_owned(), context),
        };
        match (hooked, &self.subject) {
            (Err(error @ (WatchError::Kernel(_) | WatchError::Permission)), Subject::Command(_))
                if self.means == Means::Best && self.enforce.is_none() && may_capture() =>
            {
                self.unhooked(error.to_string(), context)
            }
            (hooked, _) => hooked.map_err(|error| watch_error(&error)),
        }
    }

    fn hooked(&self, target: Target, packets: Packets, context: &Context) -> Result<Begun, WatchError> {
        let spec = Spec {
            target,
            packets,
            loopback: self.loopback,
            duration: self.duration.map(span),
            linger: span(self.linger),
            engines: EngineSockets::from_environment(),
            enforce: self.enforce.clone(),
            show_secrets: context.options.show_secrets,
            limits: context.options.limits.clone(),
        };
        let watch = Watch::start(spec, &context.cancel)?;
        context.ledger.borrow_mut().listened |= packets == Packets::All;
        let attributor = (packets > Packets::None).then(|| watch.attributor());
        Ok(Begun { report: watch.report(), source: Box::new(watch), attributor, attempts: None })
    }

    /// Watches a command without hooks in the kernel.
    fn unhooked(&self, why: String, context: &Context) -> Result<Begun, Box<EvalAltResult>> {
        let Subject::Command(command) = &self.subject else {
            return Err(thrown(ErrorKind::Usage, "only a command can be watched without hooks in the kernel"));
        };
        let (mut capture, mut attributor): (_, Option<Box<dyn Attributor>>) = (None, None);
        if self.means != Means::Nothing {
            let here = Namespace::current().map(|namespace| namespace.id()).map_err(|error| host_error(&error))?;
            let attribution = Attribution::start(&[here], Query::default(), Method::Best);
            attributor = Some(Box::new(attribution.map_err(|error| host_error(&error))?));
            let listen = [Listen { interface: "any".to_owned(), place: None }];
            let opened = LiveCapture::open(&listen, "", None, &context.options.live, &context.cancel);
            capture = Some(opened.map_err(|error| pipeline_error(&error))?);
            context.ledger.borrow_mut().listened = true;
        }
        let times = (span(self.linger), self.duration.map(span));
        let begun =
            Unhooked::begin(command, capture, times, &context.cancel, why).map_err(|error| watch_error(&error))?;
        let attempts = Box::new(begun.attempts(&context.options.limits));
        Ok(Begun { report: begun.report(), source: Box::new(begun), attributor, attempts: Some(attempts) })
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

fn span(duration: Duration) -> std::time::Duration {
    std::time::Duration::from_nanos(u64::try_from(duration.as_nanos()).unwrap_or_default())
}

/// Why nothing can be watched, as scripts see it.
fn watch_error(error: &WatchError) -> Box<EvalAltResult> {
    let kind = match error {
        WatchError::NoCommand | WatchError::Command { .. } | WatchError::Rules(_) => ErrorKind::Usage,
        WatchError::Permission | WatchError::Kernel(_) | WatchError::System(_) => ErrorKind::Observation,
    };
    thrown(kind, error.to_string())
}
