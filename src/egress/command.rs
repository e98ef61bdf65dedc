//! The command: begun, waited for, told to end.

use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::WatchError;

/// How the command ended: its exit code, or the number of the signal that ended it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Exit {
    /// Its exit code, if it ended by itself.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
}

/// A command that runs. Its input, output and errors are those of netscript.
pub(super) struct Running {
    child: Child,
    ended: Option<Exit>,
    asked_to_end: bool,
}

impl Running {
    /// Begins a command. Whoever calls this watches what its own thread makes.
    pub(super) fn begin(arguments: &[String]) -> Result<Self, WatchError> {
        let [program, arguments @ ..] = arguments else { return Err(WatchError::NoCommand) };
        let begun = Command::new(program).args(arguments).spawn();
        let child = begun.map_err(|cause| WatchError::Command { program: program.clone(), cause })?;
        Ok(Self { child, ended: None, asked_to_end: false })
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it did.
    pub(super) fn ended(&mut self) -> io::Result<Option<Exit>> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait()?.map(exit);
        }
        Ok(self.ended)
    }

    /// Asks it to end, once.
    pub(super) fn end(&mut self, signal: Signal) {
        if self.ended.is_none() && !std::mem::replace(&mut self.asked_to_end, true) {
            // It may just have ended.
            let _ = kill_process(Pid::from_child(&self.child), signal);
        }
    }
}

fn exit(status: ExitStatus) -> Exit {
    Exit { code: status.code(), signal: status.signal() }
}

/// How long a command has to end that was told to.
const PATIENCE: Duration = Duration::from_secs(10);

/// How near a watch is to its end: whether the command has ended, and whether somebody stopped the watch before.
#[derive(Debug, Default)]
pub(super) struct Course {
    stopped: Option<Instant>,
    ended: Option<Instant>,
}

impl Course {
    /// Notes that the watch is to stop. Whether that is new: then the command is told to end.
    pub(super) fn stop(&mut self, now: Instant) -> bool {
        let is_new = self.stopped.is_none();
        self.stopped.get_or_insert(now);
        is_new
    }

    /// Notes that the command has ended.
    pub(super) fn end(&mut self, now: Instant) {
        self.ended.get_or_insert(now);
    }

    pub(super) const fn has_ended(&self) -> bool {
        self.ended.is_some()
    }

    /// Whether the watch is over. What a command leaves behind is watched for as long as `linger` says.
    pub(super) fn is_over(
        &self,
        now: Instant,
        has_command: bool,
        has_rest: impl FnOnce() -> bool,
        linger: Duration,
    ) -> bool {
        match (self.stopped, self.ended) {
            // Whoever runs on was asked to end, too, or is none of ours.
            (Some(_), Some(_)) => true,
            (Some(stopped), None) => !has_command || now - stopped > PATIENCE,
            (None, Some(ended)) => !has_rest() || now - ended > linger,
            (None, None) => false,
        }
    }
}
