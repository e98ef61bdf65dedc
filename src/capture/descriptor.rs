//! Bytes from a file descriptor, with a way to stop waiting for them.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Advice, FileType, Mode, OFlags, fadvise, fstat};
use rustix::io::Errno;

use super::{Cancel, CaptureError, Progress};

/// The name that stands for standard input, as it does for tcpdump and tshark.
const STDIN: &str = "-";

/// A file, pipe or device that is read from where it stands to its end.
#[derive(Debug)]
pub(super) struct Descriptor {
    file: File,
    /// Whether a read may wait for another process, so that it has to be watched together with the request to stop.
    waits: bool,
    cancel: Cancel,
    /// What was read ahead and is delivered again, last byte first.
    returned: Vec<u8>,
    progress: Progress,
}

/// Why a read ended, when it is neither the input's nor the system's fault.
#[derive(Debug, thiserror::Error)]
#[error("stopped")]
struct Stopped;

/// Whether this error of a read is the answer to a request to stop.
pub(super) fn is_stop(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<Stopped>())
}

/// A file name as messages show it: what would move a terminal's cursor is replaced.
pub(super) fn shown(path: &Path) -> String {
    path.to_string_lossy().chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

impl Descriptor {
    /// Opens a file by name, or standard input for `-`. Gives the name for messages, too.
    pub(super) fn open(path: &Path, cancel: &Cancel) -> Result<(Self, String), CaptureError> {
        let (fd, name) = if path.as_os_str() == STDIN {
            let name = "standard input".to_owned();
            (rustix::stdio::stdin().try_clone_to_owned(), name)
        } else {
            // Without waiting: a FIFO that nobody writes to yet is waited for in `read`, where waiting can be stopped.
            let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
            (rustix::fs::open(path, flags, Mode::empty()).map_err(io::Error::from), shown(path))
        };
        match fd {
            Ok(fd) => Self::new(fd, &name, cancel).map(|descriptor| (descriptor, name)),
            Err(cause) => Err(CaptureError::Open { name, cause }),
        }
    }

    /// Reads on from an open descriptor.
    pub(super) fn new(fd: OwnedFd, name: &str, cancel: &Cancel) -> Result<Self, CaptureError> {
        let refuse =
            |what: &str| CaptureError::Input { name: name.to_owned(), reason: format!("{what}; give a capture file") };
        let stat = fstat(&fd).map_err(|errno| CaptureError::Open { name: name.to_owned(), cause: errno.into() })?;
        let mut total = None;
        let mut waits = true;
        let file = File::from(fd);
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => return Err(refuse("it is a directory")),
            FileType::CharacterDevice if rustix::termios::isatty(&file) => return Err(refuse("it is a terminal")),
            FileType::RegularFile => {
                waits = false;
                let start = rustix::fs::tell(&file).unwrap_or(0);
                total = Some(u64::try_from(stat.st_size).unwrap_or(0).saturating_sub(start));
                // Both are only hints: read further ahead, and let our own writer notice that this file is in use.
                let _ = fadvise(&file, 0, None, Advice::Sequential);
                let _ = file.try_lock_shared();
            }
            _ => {}
        }
        let progress = Progress { bytes: 0, total };
        Ok(Self { file, waits, cancel: cancel.clone(), returned: Vec::new(), progress })
    }

    /// Delivers these bytes again before everything else.
    pub(super) fn unread(&mut self, bytes: &[u8]) {
        self.returned.extend(bytes.iter().rev());
    }

    /// Bytes read and bytes there are.
    pub(super) const fn progress(&self) -> Progress {
        self.progress
    }

    /// Waits until there is something to read, or somebody asks to stop.
    fn wait(&self) -> rustix::io::Result<()> {
        let mut watched = [
            PollFd::from_borrowed_fd(self.file.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(self.cancel.as_fd(), PollFlags::IN),
        ];
        poll(&mut watched, None).map(drop)
    }
}

impl Read for Descriptor {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if !self.returned.is_empty() {
            let count = out.len().min(self.returned.len());
            let rest = self.returned.len() - count;
            for (to, from) in out.iter_mut().zip(self.returned.drain(rest..).rev()) {
                *to = from;
            }
            return Ok(count);
        }
        loop {
            if self.waits {
                match self.wait() {
                    Ok(()) | Err(Errno::INTR) => {}
                    Err(errno) => return Err(errno.into()),
                }
            }
            if self.cancel.is_requested() {
                return Err(io::Error::other(Stopped));
            }
            match rustix::io::read(&self.file, &mut *out) {
                Ok(count) => {
                    self.progress.bytes += count as u64;
                    return Ok(count);
                }
                // Waiting may end early: a signal, or another reader of the same pipe was faster.
                Err(Errno::INTR | Errno::AGAIN) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}
