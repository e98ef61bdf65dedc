//! The command: begun, waited for, told to end.

use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, ExitStatus};

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
