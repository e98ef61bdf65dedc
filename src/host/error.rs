//! What can go wrong when this host is asked about itself.

use std::io;

use crate::nearest::suggestion;

/// What went wrong, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// There is no such thing.
    #[error("there is no {what} `{name}`{hint}")]
    Unknown {
        /// `interface`, `container`, `network namespace`, `process`.
        what: &'static str,
        /// What was asked for.
        name: String,
        /// `; did you mean …?`, or the names that there are, or nothing.
        hint: String,
    },
    /// Several things have that name, or a name that begins so.
    #[error("the {what} `{name}` is not unique; it could be {}", candidates.join(" or "))]
    Ambiguous {
        /// As in [`Unknown`](Self::Unknown).
        what: &'static str,
        /// What was asked for.
        name: String,
        /// What it could mean.
        candidates: Vec<String>,
    },
    /// It went away while it was looked at.
    #[error("the {what} `{name}` went away meanwhile")]
    Gone {
        /// As in [`Unknown`](Self::Unknown).
        what: &'static str,
        /// What was asked for.
        name: String,
    },
    /// A privilege is missing.
    #[error("no permission to {doing}: this needs {capability}; {remedy}")]
    Permission {
        /// `enter the network namespace of container web`.
        doing: String,
        /// `CAP_SYS_ADMIN`.
        capability: &'static str,
        /// What to do, with the exact command.
        remedy: String,
    },
    /// A container engine does not answer as it should.
    #[error("the container engine at {socket} {trouble}")]
    Engine {
        /// The socket of its API.
        socket: String,
        /// `did not answer within 2 s`.
        trouble: String,
    },
    /// The system refused.
    #[error("cannot {doing}: {cause}")]
    System {
        /// What was attempted, on what.
        doing: String,
        /// Why not.
        cause: io::Error,
    },
}

impl HostError {
    /// There is no such thing among these.
    #[must_use]
    pub fn unknown<'a>(what: &'static str, name: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        Self::Unknown { what, name: name.to_owned(), hint: suggestion(name, known) }
    }

    /// A privilege is missing; the remedy names the command that gives it to this program.
    #[must_use]
    pub fn permission(doing: impl Into<String>, capability: &'static str) -> Self {
        let program =
            std::env::current_exe().map_or_else(|_| "netscript".to_owned(), |path| path.display().to_string());
        let remedy = format!(
            "run as root, or once: setcap {}+ep {program}",
            capability.to_ascii_lowercase().replace(" and ", ",")
        );
        Self::Permission { doing: doing.into(), capability, remedy }
    }

    /// Whether something could not be observed (exit code 3) and not asked for wrongly (exit code 2).
    #[must_use]
    pub fn could_not_observe(&self) -> bool {
        match self {
            Self::Unknown { .. } | Self::Ambiguous { .. } => false,
            // It is there, and is something else.
            Self::System { cause, .. } => cause.kind() != io::ErrorKind::InvalidInput,
            _ => true,
        }
    }
}
