//! What can go wrong with a source or a sink of packets.

use std::io;

use crate::host::HostError;

/// What went wrong, on what, and what to do about it.
///
/// Offsets count the bytes of the capture itself: of the decompressed data, where the file is compressed.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The operating system did not let us open it.
    #[error("cannot open `{name}`: {}", explain_open(cause))]
    Open {
        /// The file, as the user named it.
        name: String,
        /// Why not.
        cause: io::Error,
    },
    /// It can be opened, but no packets can come from it: a directory, an empty file, a picture, an unknown version.
    #[error("cannot read `{name}`: {reason}")]
    Input {
        /// The file, as the user named it.
        name: String,
        /// Why not, and what to give instead.
        reason: String,
    },
    /// The operating system failed while reading.
    #[error("cannot read on in `{name}` after byte {offset}: {cause}")]
    Read {
        /// The file, as the user named it.
        name: String,
        /// How much was read before.
        offset: u64,
        /// Why.
        cause: io::Error,
    },
    /// It ends in the middle of something.
    #[error("`{name}` is cut short: it ends at byte {offset}, inside {inside}")]
    Truncated {
        /// The file, as the user named it.
        name: String,
        /// Where it ends.
        offset: u64,
        /// What is incomplete: `a packet record that begins at byte 240`, `the gzip data`.
        inside: String,
    },
    /// It says something impossible.
    #[error("`{name}` is corrupt at byte {offset}: {reason}")]
    Corrupt {
        /// The file, as the user named it.
        name: String,
        /// Where the record or block with the impossible value begins.
        offset: u64,
        /// What is impossible.
        reason: String,
    },
    /// Somebody asked to stop before the end.
    #[error("reading `{name}` was stopped")]
    Cancelled {
        /// The file, as the user named it.
        name: String,
    },
    /// An interface cannot be listened on.
    #[error("cannot capture on {interface}: {reason}")]
    Listen {
        /// Its name, with its place.
        interface: String,
        /// Why not, and what to do.
        reason: String,
    },
    /// What is to be listened on is not there, or may not be reached.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The operating system failed while creating the output, or while writing to it.
    #[error("cannot write `{name}`: {cause}")]
    Write {
        /// The file, as the user named it.
        name: String,
        /// Why.
        cause: io::Error,
    },
    /// These packets cannot go into this output.
    #[error("cannot write `{name}`: {reason}")]
    Output {
        /// The file, as the user named it.
        name: String,
        /// Why not, and what to do instead.
        reason: String,
    },
}

impl CaptureError {
    /// Whether what was read before the error stands, and only the rest is missing: the input is cut, corrupt, or could
    /// not be read on.
    #[must_use]
    pub const fn is_truncation(&self) -> bool {
        matches!(self, Self::Truncated { .. } | Self::Corrupt { .. } | Self::Read { .. })
    }

    /// Whether something could not be observed (exit code 3): a permission is missing, the input is incomplete, reading
    /// was stopped. Everything else is an error of usage or input (exit code 2).
    #[must_use]
    pub fn could_not_observe(&self) -> bool {
        match self {
            Self::Open { cause, .. } => cause.kind() == io::ErrorKind::PermissionDenied,
            Self::Cancelled { .. } | Self::Listen { .. } => true,
            Self::Host(error) => error.could_not_observe(),
            _ => self.is_truncation(),
        }
    }
}

fn explain_open(cause: &io::Error) -> String {
    match cause.kind() {
        io::ErrorKind::NotFound => "there is no such file; check the name".to_owned(),
        io::ErrorKind::PermissionDenied => {
            "no permission to read it; ask its owner for access, or run as a user who has it".to_owned()
        }
        _ => cause.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(kind: io::ErrorKind) -> CaptureError {
        CaptureError::Open { name: "a.pcap".into(), cause: kind.into() }
    }

    #[test]
    fn a_missing_permission_is_told_apart_from_a_missing_file() {
        let missing = open(io::ErrorKind::NotFound);
        assert_eq!(missing.to_string(), "cannot open `a.pcap`: there is no such file; check the name");
        assert!(!missing.could_not_observe());
        let denied = open(io::ErrorKind::PermissionDenied);
        assert_eq!(
            denied.to_string(),
            "cannot open `a.pcap`: no permission to read it; ask its owner for access, or run as a user who has it"
        );
        assert!(denied.could_not_observe());
        assert!(!denied.is_truncation());
    }

    #[test]
    fn incomplete_input_leaves_what_was_read_and_could_not_be_observed() {
        let name = String::from("a.pcap");
        for error in [
            CaptureError::Truncated { name: name.clone(), offset: 30, inside: "a packet record".into() },
            CaptureError::Corrupt { name: name.clone(), offset: 24, reason: "x".into() },
            CaptureError::Read { name: name.clone(), offset: 24, cause: io::ErrorKind::Other.into() },
        ] {
            assert!(error.is_truncation() && error.could_not_observe(), "{error}");
        }
        for error in [
            CaptureError::Input { name: name.clone(), reason: "it is empty".into() },
            CaptureError::Output { name: name.clone(), reason: "x".into() },
            CaptureError::Write { name: name.clone(), cause: io::ErrorKind::StorageFull.into() },
        ] {
            assert!(!error.is_truncation() && !error.could_not_observe(), "{error}");
        }
        let cancelled = CaptureError::Cancelled { name };
        assert!(cancelled.could_not_observe() && !cancelled.is_truncation());
    }
}
