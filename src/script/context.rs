//! What one run shares: where packets come from, what is granted, what was said, what was lost.

use std::cell::{Cell, OnceCell, RefCell};
use std::path::{Path, PathBuf};
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

use rhai::{AST, Engine, EvalAltResult};
use tempfile::TempPath;

use super::attendants::Attendants;
use super::error::{ErrorKind, thrown};
use super::live::Live;
use super::memory::Memory;
use super::permission::Permission;
use super::plan::Fields;
use super::watched::Watched;
use crate::capture::{Cancel, LiveSettings, Progress, Rotation, Selection, Until};
use crate::limits::{ByteSize, Limits, Loss};
use crate::report::{CommandEnd, Finding, Outcome, Renderer, Verdict, loss};

/// Where a run's packets come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A capture file.
    File(PathBuf),
    /// Standard input.
    Stdin,
    /// Interfaces.
    Live(Live),
    /// A command, or processes that run.
    Watched(Watched),
}

/// What a run is given.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Where packets come from, for scripts that do not open a file by name.
    pub source: Option<Source>,
    /// A filter that every capture of the run has on top of its own.
    pub filter: Option<String>,
    /// How live captures are made.
    pub live: LiveSettings,
    /// When captures end before their source does.
    pub until: Until,
    /// Every packet that is captured is written there, too.
    pub write: Option<PathBuf>,
    /// When to go on in another file there.
    pub rotation: Rotation,
    /// The packets that show the findings are written there.
    pub evidence: Option<PathBuf>,
    /// How much may be kept.
    pub limits: Limits,
    /// How much memory the process may use before rows are no longer kept; none for no bound.
    pub memory: Option<ByteSize>,
    /// What scripts may do.
    pub granted: Vec<Permission>,
    /// A command that they may start without [`Permission::Exec`]: a person gave it on the command line.
    pub granted_command: Option<Vec<String>>,
    /// Files that they may write without [`Permission::Write`]: a person named them on the command line.
    pub granted_files: Vec<String>,
    /// Whether credentials are shown instead of masked.
    pub show_secrets: bool,
}

/// How far a run is, for whoever waits.
#[derive(Debug, Clone, Copy)]
pub struct RunProgress {
    /// How far its source is.
    pub source: Progress,
    /// Packets read from it.
    pub packets: u64,
}

/// A file with what was captured live.
#[derive(Debug)]
pub(crate) enum Recorded {
    /// That of [`Options::write`].
    Kept(PathBuf),
    /// One that goes with this value.
    Temporary(TempPath),
}

impl Recorded {
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::Temporary(path) => path,
        }
    }
}

/// Takes a line of text for a person.
pub(crate) type Announce = Box<dyn FnMut(&str)>;

/// What a run found out, so far.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) findings: Vec<Finding>,
    /// The packets that show them.
    pub(crate) evidence: Selection,
    /// What was checked and is right.
    pub(crate) passed: Vec<String>,
    /// Why the run cannot say "clean".
    pub(crate) inconclusive: Vec<String>,
    /// What is said aside, at the end: why an input ended early.
    pub(crate) notes: Vec<String>,
    /// What was said aside when it happened: that an interface disappeared.
    pub(crate) incidents: Vec<String>,
    pub(crate) captured: u64,
    pub(crate) received: u64,
    pub(crate) loss: Loss,
    /// Whether anything was listened on.
    pub(crate) listened: bool,
    /// How the command ended that was watched; of several the first that failed.
    pub(crate) command: Option<CommandEnd>,
    /// The script said that loss does not matter.
    pub(crate) loss_ignored: bool,
}

/// What everything that runs for a script can reach.
pub(crate) struct Context {
    pub(crate) options: Options,
    pub(crate) cancel: Cancel,
    pub(crate) out: RefCell<Box<dyn Renderer>>,
    pub(crate) ledger: RefCell<Ledger>,
    pub(crate) progress: RefCell<Box<dyn FnMut(RunProgress)>>,
    /// What is said aside while it happens: what is being listened on.
    pub(crate) announce: RefCell<Announce>,
    /// The functions of the script, for closures that run outside of a call.
    pub(crate) functions: RefCell<AST>,
    pub(crate) engine: OnceCell<Weak<Engine>>,
    pub(crate) memory: Memory,
    /// How many streams are being read: an interruption ends them, and not the script.
    pub(crate) reading: Rc<Cell<u32>>,
    /// Whether the script names a field that is costly to keep.
    pub(crate) names_costly_fields: Cell<bool>,
    /// Whether standard input has been opened.
    pub(crate) stdin_used: Cell<bool>,
    /// Whether the file of [`Options::write`] has been opened.
    pub(crate) written: Cell<bool>,
    /// What was captured live, to be read again for evidence.
    pub(crate) recorded: RefCell<Option<Recorded>>,
    /// Whether whoever read the output has seen enough of it.
    pub(crate) unread: Cell<bool>,
    /// The environment variables that the header of the script names.
    pub(crate) environment: RefCell<Vec<String>>,
    /// How long a script that goes in rounds may run on although everything is to stop.
    pub(crate) farewell: Cell<Farewell>,
    /// What goes on beside the script.
    pub(crate) attendants: Attendants,
}

/// The last words of a script: one that runs until somebody stops it concludes behind its last round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Farewell {
    /// The script does not go in rounds: it ends at once.
    #[default]
    None,
    /// It is given [`FAREWELL`].
    Granted,
    /// It has until then.
    Until(Instant),
}

/// Time to conclude in. Platforms kill 10 s after they asked for the end.
const FAREWELL: Duration = Duration::from_secs(2);

impl Context {
    /// Ends with an error unless the permission was granted.
    pub(crate) fn require(&self, permission: Permission, what: &str) -> Result<(), Box<EvalAltResult>> {
        if self.options.granted.contains(&permission) {
            return Ok(());
        }
        Err(thrown(
            ErrorKind::Permission,
            format!("{what} needs the permission `{permission}`, which was not granted; add --allow {permission}"),
        ))
    }

    /// Ends with an error unless this command may be started: because any may, or because a person gave this one.
    pub(crate) fn require_exec(&self, command: &[String], what: &str) -> Result<(), Box<EvalAltResult>> {
        if self.options.granted_command.as_deref() == Some(command) {
            return Ok(());
        }
        self.require(Permission::Exec, what)
    }

    /// Whether a script has to end because everything is to stop.
    pub(crate) fn has_to_end(&self) -> bool {
        if !self.cancel.is_abort() {
            return false;
        }
        match self.farewell.get() {
            Farewell::None => true,
            Farewell::Granted => {
                self.farewell.set(Farewell::Until(Instant::now() + FAREWELL));
                false
            }
            Farewell::Until(end) => Instant::now() >= end,
        }
    }

    /// Tells aside, once, why something could not be seen: a verdict cannot be clean then.
    pub(crate) fn note(&self, note: &str) {
        let notes = &mut self.ledger.borrow_mut().notes;
        if !notes.iter().any(|known| known == note) {
            notes.push(note.to_owned());
        }
    }

    /// Ends with an error unless this file may be written: because any may, or because a person named it.
    pub(crate) fn require_write(&self, path: &str, what: &str) -> Result<(), Box<EvalAltResult>> {
        if self.options.granted_files.iter().any(|granted| granted == path) {
            return Ok(());
        }
        self.require(Permission::Write, what)
    }

    /// Takes down how a command ended that was watched. The first that failed stays, as in a shell that stops there.
    pub(crate) fn command_ended(&self, end: CommandEnd) {
        let known = &mut self.ledger.borrow_mut().command;
        if known.as_ref().is_none_or(|known| known.failure().is_none()) {
            *known = Some(end);
        }
    }

    /// Writes something that the script says.
    pub(crate) fn say(
        &self,
        write: impl FnOnce(&mut dyn Renderer) -> std::io::Result<()>,
    ) -> Result<(), Box<EvalAltResult>> {
        write(self.out.borrow_mut().as_mut()).map_err(|error| {
            let mut kind = ErrorKind::Output;
            if error.kind() == std::io::ErrorKind::BrokenPipe {
                self.leave();
                kind = ErrorKind::Cancelled;
            }
            thrown(kind, format!("the output cannot be written: {error}"))
        })
    }

    /// Stops because whoever read the output has seen enough of it.
    pub(crate) fn leave(&self) {
        self.cancel.abort();
        self.unread.set(true);
    }

    /// Whether one more row may be kept besides those that are; if not, it is counted as lost.
    pub(crate) fn may_keep(&self, kept: usize) -> bool {
        let may = kept < self.options.limits.rows && !self.memory.is_exceeded();
        if !may {
            self.ledger.borrow_mut().loss.rows += 1;
        }
        may
    }

    /// The fields of rows that a script keeps to itself: bodies only if it names them anywhere.
    pub(crate) fn kept_fields(&self) -> Fields {
        if self.names_costly_fields.get() { Fields::All } else { Fields::Light }
    }

    /// What the run concludes.
    pub(crate) fn outcome(&self) -> Outcome {
        let ledger = self.ledger.borrow();
        // What a note says of an input that ended early is more than its counter says.
        let counted = Loss { truncated_inputs: 0, ..ledger.loss.clone() };
        let mut seen = [&ledger.notes[..], &ledger.incidents[..]].concat();
        seen.extend(loss::phrases(&counted));
        let lost = !(ledger.loss_ignored || ledger.loss.is_none() && seen.is_empty());
        let verdict = match () {
            () if !ledger.findings.is_empty() => Verdict::Finding,
            () if lost || !ledger.inconclusive.is_empty() => Verdict::Inconclusive,
            () => Verdict::Clean,
        };
        let mut reasons = match verdict {
            Verdict::Clean => ledger.passed.clone(),
            _ => ledger.inconclusive.clone(),
        };
        reasons.append(&mut seen);
        reasons.extend(ledger.command.as_ref().and_then(CommandEnd::failure));
        Outcome {
            verdict,
            reasons,
            captured: ledger.captured,
            received: ledger.received,
            loss: ledger.loss.clone(),
            command: ledger.command.clone(),
        }
    }
}
