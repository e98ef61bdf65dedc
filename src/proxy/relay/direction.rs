//! One direction of a connection: copied, and spliced while much of it comes at once.
//!
//! Copying costs less for small messages, splicing for bulk. Sockets are watched edge-triggered: a direction goes on until
//! one of them has no more, or takes no more.

use std::os::fd::BorrowedFd;

use rustix::io::Errno;
use rustix::net::{SendFlags, Shutdown, send, shutdown, sockopt};
use rustix::pipe::{SpliceFlags, splice};

use super::pipes::{Pipe, Pipes};

/// Bytes that are read at once.
const BUFFER: usize = 64 << 10;

/// Bytes that are moved before others get their turn.
const TURN: usize = 1 << 20;

/// A read of so many bytes is part of something large.
const LARGE: usize = 8 << 10;

/// So many bytes in large pieces, one after the other, are bulk.
const BULK: usize = 256 << 10;

/// So many small pieces in a row are no bulk any more.
const PIECES: u32 = 8;

/// What all directions of a thread use in turn.
#[derive(Debug)]
pub(super) struct Kit {
    buffer: Box<[u8]>,
    pipes: Pipes,
}

impl Kit {
    pub(super) fn new() -> Self {
        Self { buffer: vec![0; BUFFER].into(), pipes: Pipes::default() }
    }
}

/// What goes from one socket to the other.
#[derive(Debug, Default)]
pub(super) struct Direction {
    /// Bytes that were read.
    pub(super) moved: u64,
    end: End,
    way: Way,
    /// What was passed on and may have to be passed on once more.
    kept: Option<Vec<u8>>,
}

/// How far the end of a direction is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum End {
    #[default]
    Open,
    /// It was read, and is to be passed on behind what is left.
    Read,
    /// It was passed on.
    Passed,
}

#[derive(Debug)]
enum Way {
    Copy {
        /// What was read and could not be passed on yet.
        rest: Rest,
        /// Bytes in large pieces, one after the other.
        large: usize,
    },
    Splice {
        pipe: Pipe,
        /// What is in it.
        filled: usize,
        /// Small pieces in a row.
        small: u32,
    },
}

impl Default for Way {
    fn default() -> Self {
        Self::Copy { rest: Rest::default(), large: 0 }
    }
}

/// Bytes that wait to be passed on.
#[derive(Debug, Default)]
struct Rest {
    bytes: Box<[u8]>,
    at: usize,
}

/// Where a direction has stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// Until something comes, or can be passed on.
    Blocked,
    /// Others have their turn; there is more.
    Turn,
    /// Its end was read, and everything before it passed on.
    Ended,
}

/// A socket that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Broken {
    From(Errno),
    To(Errno),
}

impl Direction {
    /// One that has to pass something on before anything else; keeps what it passes on, up to so many bytes.
    pub(super) fn beginning_with(first: Vec<u8>, keep: bool) -> Self {
        let way = Way::Copy { rest: Rest { bytes: first.into(), at: 0 }, large: 0 };
        Self { way, kept: keep.then(Vec::new), ..Self::default() }
    }

    /// Whether something waits until it can be passed on.
    pub(super) fn is_waiting(&self) -> bool {
        match &self.way {
            Way::Copy { rest, .. } => !rest.is_empty(),
            Way::Splice { filled, .. } => *filled > 0,
        }
    }

    /// Whether its end was passed on.
    pub(super) fn is_over(&self) -> bool {
        self.end == End::Passed
    }

    /// Whether its end was read.
    pub(super) fn is_ended(&self) -> bool {
        self.end != End::Open
    }

    /// Keeps nothing more for another target: this one has answered.
    pub(super) fn settle(&mut self) {
        self.kept = None;
    }

    /// Whether everything that was read can be passed on once more, to another.
    pub(super) fn can_begin_again(&self) -> bool {
        self.moved == 0 || self.kept.is_some()
    }

    /// Passes everything on once more, behind `first`.
    pub(super) fn begin_again(&mut self, mut first: Vec<u8>) {
        first.extend(self.kept.iter().flatten());
        self.way = Way::Copy { rest: Rest { bytes: first.into(), at: 0 }, large: 0 };
        if self.end == End::Passed {
            self.end = End::Read;
        }
    }

    /// Moves what can be moved. `all`: its begin has ended or failed, so that no further event tells of what is left.
    pub(super) fn pump(
        &mut self,
        from: BorrowedFd<'_>,
        to: BorrowedFd<'_>,
        kit: &mut Kit,
        all: bool,
    ) -> Result<Stop, Broken> {
        let mut turn = 0;
        loop {
            let step = match &mut self.way {
                Way::Copy { rest, large } => {
                    if !rest.is_empty() && !rest.pass(to)? {
                        return Ok(Stop::Blocked);
                    }
                    if self.end != End::Open {
                        return Ok(Stop::Ended);
                    }
                    let read = match rustix::io::read(from, &mut *kit.buffer) {
                        Err(Errno::INTR) => continue,
                        Err(error) => {
                            if all {
                                // What was held back for its end goes without it.
                                let _ = sockopt::set_tcp_nodelay(to, true);
                            }
                            return if error == Errno::AGAIN { Ok(Stop::Blocked) } else { Err(Broken::From(error)) };
                        }
                        Ok(read) => read,
                    };
                    if read == 0 {
                        self.end = End::Read;
                        continue;
                    }
                    let bytes = &kit.buffer[..read];
                    self.moved += read as u64;
                    keep(&mut self.kept, bytes);
                    // Its end goes with it, if that is what comes next.
                    let passed = pass(to, bytes, if all { SendFlags::MORE } else { SendFlags::empty() })?;
                    if passed < read {
                        *rest = Rest { bytes: bytes[passed..].into(), at: 0 };
                    } else if read < BUFFER && !all {
                        *large = if read < LARGE { 0 } else { *large + read };
                        if *large < BULK {
                            // The socket is empty; an event tells when it is not.
                            return Ok(Stop::Blocked);
                        }
                    } else {
                        *large += read;
                    }
                    if *large >= BULK && rest.is_empty() {
                        match kit.pipes.take() {
                            Some(pipe) => self.way = Way::Splice { pipe, filled: 0, small: 0 },
                            None => *large = 0,
                        }
                    }
                    read
                }
                Way::Splice { pipe, filled, small } => {
                    while *filled > 0 {
                        match splice(&pipe.read, None, to, None, *filled, FLAGS) {
                            Err(Errno::AGAIN) => return Ok(Stop::Blocked),
                            Err(Errno::INTR) => {}
                            Err(error) => return Err(Broken::To(error)),
                            Ok(passed) => *filled -= passed,
                        }
                    }
                    if self.end != End::Open || *small >= PIECES {
                        if let Way::Splice { pipe, .. } = std::mem::take(&mut self.way) {
                            kit.pipes.give(pipe);
                        }
                        continue;
                    }
                    // With an empty pipe it is the socket that has nothing.
                    let read = match splice(from, None, &pipe.write, None, TURN, FLAGS) {
                        Err(Errno::AGAIN) => return Ok(Stop::Blocked),
                        Err(Errno::INTR) => continue,
                        other => other.map_err(Broken::From)?,
                    };
                    if read == 0 {
                        self.end = End::Read;
                        continue;
                    }
                    *small = if read < LARGE / 2 { *small + 1 } else { 0 };
                    *filled = read;
                    self.moved += read as u64;
                    read
                }
            };
            turn += step;
            if turn >= TURN {
                return Ok(Stop::Turn);
            }
        }
    }

    /// Passes its end on, to a socket that is not about to be closed as a whole.
    pub(super) fn pass_end(&mut self, to: Option<BorrowedFd<'_>>) -> Result<(), Broken> {
        self.end = End::Passed;
        match to.map_or(Ok(()), |to| shutdown(to, Shutdown::Write)) {
            // It has gone meanwhile; the other direction tells.
            Ok(()) | Err(Errno::NOTCONN) => Ok(()),
            Err(error) => Err(Broken::To(error)),
        }
    }

    /// Gives the pipe back, if it is empty.
    pub(super) fn leave(&mut self, kit: &mut Kit) {
        if let Way::Splice { pipe, filled: 0, .. } = std::mem::take(&mut self.way) {
            kit.pipes.give(pipe);
        }
    }
}

const FLAGS: SpliceFlags = SpliceFlags::MOVE.union(SpliceFlags::NONBLOCK);

/// What is kept to be sent once more, at most. A request is rarely larger.
const KEPT: usize = 16 << 10;

/// Keeps bytes, or nothing at all once they are too many.
fn keep(kept: &mut Option<Vec<u8>>, bytes: &[u8]) {
    if let Some(known) = kept {
        if known.len() + bytes.len() > KEPT {
            *kept = None;
        } else {
            known.extend_from_slice(bytes);
        }
    }
}

impl Rest {
    fn is_empty(&self) -> bool {
        self.at == self.bytes.len()
    }

    /// Passes it on; whether all of it.
    fn pass(&mut self, to: BorrowedFd<'_>) -> Result<bool, Broken> {
        self.at += pass(to, &self.bytes[self.at..], SendFlags::empty())?;
        let all = self.is_empty();
        if all {
            *self = Self::default();
        }
        Ok(all)
    }
}

/// Passes bytes on, as many as the socket takes.
fn pass(to: BorrowedFd<'_>, bytes: &[u8], flags: SendFlags) -> Result<usize, Broken> {
    let mut passed = 0;
    while passed < bytes.len() {
        // A socket whose other end is gone is an error, and no signal.
        match send(to, &bytes[passed..], flags | SendFlags::NOSIGNAL) {
            Ok(sent) => passed += sent,
            Err(Errno::AGAIN) => break,
            Err(Errno::INTR) => {}
            Err(error) => return Err(Broken::To(error)),
        }
    }
    Ok(passed)
}
