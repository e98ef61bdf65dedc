//! Traces: the way to a host, hop by hop, with a verdict that says where it is blocked.
//!
//! [`Strategy`] decides when which probe is sent and when a trace is over, [`conclude`] what it means; both are pure.
//! Probers send: through ordinary sockets, which need no privilege, or half-open through raw ones.

mod answer;
mod compare;
mod connect;
mod error;
mod message;
mod names;
mod networks;
mod path;
mod plan;
mod prober;
mod record;
mod run;
mod signature;
mod strategy;
#[cfg(test)]
mod tests;
mod verdict;

use std::fmt;

pub use answer::{Answer, Icmp, Label, Meaning, Reply, Translation};
pub use compare::Comparison;
pub use connect::{Attempt, connect};
pub use error::TraceError;
pub use message::{Message, Quote, labels_behind};
pub use names::{Resolution, resolve, resolvers};
pub use networks::{Network, Networks};
pub use path::{Path, Sent};
pub use plan::{Plan, PlanError};
pub use record::{Hop, Trace};
pub use run::{Family, Method, Names, Request, trace};
pub use signature::{Flow, Signature};
pub use strategy::{Probe, Step, Strategy};
pub use verdict::{Conclusion, Verdict, conclude};

/// What probes are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// TCP: SYN.
    Tcp,
    /// UDP datagrams.
    Udp,
    /// ICMP echo requests.
    Icmp,
}

impl Protocol {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Tcp, Self::Udp, Self::Icmp];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Icmp => "icmp",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
