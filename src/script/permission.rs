//! What a script may do.

use std::fmt;
use std::str::FromStr;

/// Something that a script needs and whoever runs it grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Permission {
    /// Read packets, live or from files.
    Capture,
    /// Connect to and trace other hosts.
    Probe,
    /// Read interfaces, sockets, processes and containers of this host.
    Host,
    /// Start programs.
    Exec,
    /// Change something: stop a container.
    Act,
    /// Listen and serve: a status page, a proxy.
    Serve,
    /// Write files other than those named on the command line.
    Write,
}

impl Permission {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Capture, Self::Probe, Self::Host, Self::Exec, Self::Act, Self::Serve, Self::Write];

    /// What the command line grants without being asked.
    pub const COMMAND_LINE: [Self; 3] = [Self::Capture, Self::Probe, Self::Host];

    /// Its name in `@needs` and `--allow`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Capture => "capture",
            Self::Probe => "probe",
            Self::Host => "host",
            Self::Exec => "exec",
            Self::Act => "act",
            Self::Serve => "serve",
            Self::Write => "write",
        }
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text that is not a permission.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a permission; there are capture, probe, host, exec, act, serve and write")]
pub struct UnknownPermission(String);

impl FromStr for Permission {
    type Err = UnknownPermission;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|p| p.name() == text).ok_or_else(|| UnknownPermission(text.to_owned()))
    }
}
