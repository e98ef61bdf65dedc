//! Pipes through which bytes are spliced.

use std::os::fd::OwnedFd;

use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};

/// What a pipe holds if the system allows it, which is what everybody may have: the more is moved at once, the less often
/// somebody has to be woken.
const SIZE: usize = 1 << 20;

/// Empty pipes that are kept for the next one who needs one.
const KEPT: usize = 32;

/// A pipe.
#[derive(Debug)]
pub(super) struct Pipe {
    pub(super) read: OwnedFd,
    pub(super) write: OwnedFd,
}

/// Pipes that nobody uses.
#[derive(Debug, Default)]
pub(super) struct Pipes(Vec<Pipe>);

impl Pipes {
    /// An empty pipe; none if the system has none left.
    pub(super) fn take(&mut self) -> Option<Pipe> {
        self.0.pop().or_else(|| {
            let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).ok()?;
            // Whoever may not have a larger one has the usual one.
            let _ = fcntl_setpipe_size(&write, SIZE);
            Some(Pipe { read, write })
        })
    }

    /// Takes an empty pipe back.
    pub(super) fn give(&mut self, pipe: Pipe) {
        if self.0.len() < KEPT {
            self.0.push(pipe);
        }
    }
}
