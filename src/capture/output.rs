//! A file that is written without harm to what is already there.

use std::fs::{File, TryLockError};
use std::io::{self, Write};
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags, fstat};

use super::CaptureError;
use super::descriptor::shown;

/// The name that stands for standard output, as it does for tcpdump and tshark.
const STDOUT: &str = "-";

/// A file, pipe or device that captures are written to.
///
/// A new file is readable for its owner only, because captures hold secrets. What a file held before is given up with
/// the first byte that is written, and not at all while this or another process reads it as a
/// [`CaptureFile`](super::CaptureFile). Standard output is written to as it is.
#[derive(Debug)]
pub struct OutputFile {
    file: File,
    /// Whether the old content is still there.
    untouched: bool,
    /// Bytes written.
    size: u64,
}

impl OutputFile {
    /// Opens a file for writing, or standard output for `-`. Gives the name for messages, too.
    ///
    /// # Errors
    ///
    /// [`CaptureError::Write`] if the system does not let us, [`CaptureError::Output`] if the output is a terminal.
    pub(super) fn create(path: &Path) -> Result<(Self, String), CaptureError> {
        let (opened, name) = if path.as_os_str() == STDOUT {
            (Self::stdout(), "standard output".to_owned())
        } else {
            (Self::open(path), shown(path))
        };
        match opened {
            Ok(file) if rustix::termios::isatty(&file.file) => {
                let reason = "it is a terminal; give a file name, or redirect the output".to_owned();
                Err(CaptureError::Output { name, reason })
            }
            Ok(file) => Ok((file, name)),
            Err(cause) => Err(CaptureError::Write { name, cause }),
        }
    }

    /// Bytes written so far.
    pub(super) const fn size(&self) -> u64 {
        self.size
    }

    fn stdout() -> io::Result<Self> {
        let fd = rustix::stdio::stdout().try_clone_to_owned()?;
        Ok(Self { file: File::from(fd), untouched: false, size: 0 })
    }

    fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOCTTY;
        let fd = rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR)?;
        let regular = FileType::from_raw_mode(fstat(&fd)?.st_mode) == FileType::RegularFile;
        Ok(Self { file: File::from(fd), untouched: regular, size: 0 })
    }

    /// Gives up the old content, unless somebody reads it.
    #[cold]
    fn empty(&mut self) -> io::Result<()> {
        match self.file.try_lock() {
            Err(TryLockError::WouldBlock) => {
                let reason = "it is being read or written as a capture; give another name";
                return Err(io::Error::new(io::ErrorKind::ResourceBusy, reason));
            }
            // Not every file system knows locks.
            Ok(()) | Err(TryLockError::Error(_)) => {}
        }
        self.file.set_len(0)?;
        self.untouched = false;
        Ok(())
    }
}

impl Write for OutputFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.untouched {
            self.empty()?;
        }
        let written = self.file.write(bytes)?;
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
