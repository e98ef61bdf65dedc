//! What can go wrong before there is a verdict.

use std::io;
use std::net::IpAddr;

use super::plan::PlanError;
use crate::host::HostError;

/// What went wrong, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The plan cannot be carried out.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The host has no address.
    #[error("cannot find the address of {host}: {why}")]
    UnknownHost {
        /// What was asked for.
        host: String,
        /// Why not.
        why: String,
    },
    /// It is the address of a group, or of nobody.
    #[error("{0} is not the address of a host")]
    NoHost(IpAddr),
    /// The host has no address of that family.
    #[error("{host} has no {family} address; it has {address}")]
    Family {
        /// What was asked for.
        host: String,
        /// `IPv4` or `IPv6`.
        family: &'static str,
        /// An address that it has.
        address: IpAddr,
    },
    /// This host knows no way to the target.
    #[error("there is no route from here to {address}: {cause}")]
    NoRoute {
        /// The target.
        address: IpAddr,
        /// What the system says.
        cause: io::Error,
    },
    /// The source address is not one of this host.
    #[error("{0} is not an address of this host, or not of the family of the target")]
    Source(IpAddr),
    /// There is no such interface or namespace, or it may not be used.
    #[error(transparent)]
    Host(#[from] HostError),
    /// A file of autonomous systems is none.
    #[error("cannot use {path} as a file of autonomous systems: {why}")]
    Networks {
        /// The file.
        path: String,
        /// Why not.
        why: String,
    },
    /// The protocol and the prober do not belong together.
    #[error("a {0} prober is for TCP only")]
    Prober(&'static str),
    /// Somebody asked to stop.
    #[error("stopped")]
    Stopped,
    /// The system refused.
    #[error("cannot {doing}: {cause}")]
    System {
        /// What was attempted, on what.
        doing: String,
        /// Why not.
        cause: io::Error,
    },
}

impl TraceError {
    /// Whether something could not be observed (exit code 3) and not asked for wrongly (exit code 2).
    #[must_use]
    pub fn could_not_observe(&self) -> bool {
        match self {
            Self::Plan(_)
            | Self::Networks { .. }
            | Self::Source(_)
            | Self::Prober(_)
            | Self::NoHost(_)
            | Self::Family { .. } => false,
            Self::Host(error) => error.could_not_observe(),
            Self::UnknownHost { .. } | Self::NoRoute { .. } | Self::Stopped | Self::System { .. } => true,
        }
    }
}
