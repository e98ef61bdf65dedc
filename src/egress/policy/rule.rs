//! A rule: what it allows or denies, and under which conditions.

use std::fmt;

use ipnetwork::IpNetwork;

use super::host::Hosts;
use super::network::written;
use super::observed::{Attempt, Observed, Query};
use super::port::{Ports, Protocol};
use super::word::Pattern;

/// What a rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// It may be reached.
    Allow,
    /// It must not be reached, even if another rule allows it.
    Deny,
}

impl Action {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }
}

/// A rule of a policy, and where it stands. It is shown as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    pub(super) action: Action,
    pub(super) conditions: Conditions,
    pub(super) place: String,
}

/// All of them have to hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Conditions {
    pub(super) network: Option<IpNetwork>,
    pub(super) host: Option<Hosts>,
    pub(super) query: Option<Hosts>,
    pub(super) ports: Option<Ports>,
    pub(super) protocol: Option<Protocol>,
    pub(super) process: Option<Pattern>,
    pub(super) container: Option<Pattern>,
}

impl Rule {
    /// What it does.
    #[must_use]
    pub const fn action(&self) -> Action {
        self.action
    }

    /// Where it stands: `egress.rules:3`, or `allow[2]` for the second of a list.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Whether it speaks of what was observed.
    #[must_use]
    pub fn matches(&self, observed: &Observed) -> bool {
        match observed {
            Observed::Attempt(attempt) => self.conditions.match_attempt(attempt),
            Observed::Query(query) => self.conditions.match_query(query, self.action),
        }
    }
}

impl Conditions {
    fn match_attempt(&self, attempt: &Attempt) -> bool {
        let named = |hosts: &Hosts| attempt.names.iter().any(|name| hosts.contain(name));
        self.query.is_none()
            && self.network.is_none_or(|network| network.contains(attempt.address))
            && self.ports.is_none_or(|ports| attempt.port.is_some_and(|port| ports.contain(port)))
            && self.protocol.is_none_or(|protocol| attempt.protocol == Some(protocol))
            && is_whom(self.process.as_ref(), attempt.process.as_deref(), false)
            && is_whom(self.container.as_ref(), attempt.container.as_deref(), false)
            // Names take the longest to compare.
            && self.host.as_ref().is_none_or(named)
    }

    /// Whoever may connect to a host may ask for its name: what a rule says of the connection is no matter yet. What it
    /// denies of a connection, it does not deny of the question. A row that does not know who asked accuses nobody.
    fn match_query(&self, query: &Query, action: Action) -> bool {
        let of_connection = self.network.is_some() || self.ports.is_some() || self.protocol.is_some();
        let hosts = self.query.as_ref().or(self.host.as_ref());
        let allows = action == Action::Allow && hosts.is_some();
        hosts.is_none_or(|hosts| hosts.contain(&query.name))
            && (allows || !of_connection)
            && is_whom(self.process.as_ref(), query.process.as_deref(), allows)
            && is_whom(self.container.as_ref(), query.container.as_deref(), allows)
    }
}

fn is_whom(pattern: Option<&Pattern>, known: Option<&str>, unless_known: bool) -> bool {
    let Some(pattern) = pattern else { return true };
    known.map_or(unless_known, |known| pattern.matches(known))
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Conditions { network, host, query, ports, protocol, process, container } = &self.conditions;
        f.write_str(self.action.name())?;
        if let Some(network) = network {
            write!(f, " cidr {}", written(*network))?;
        }
        if let Some(hosts) = host {
            write!(f, " host {hosts}")?;
        }
        if let Some(hosts) = query {
            write!(f, " query {hosts}")?;
        }
        match (ports, protocol) {
            (Some(ports), Some(protocol)) => write!(f, " port {ports}/{protocol}")?,
            (Some(ports), None) => write!(f, " port {ports}")?,
            (None, Some(protocol)) => write!(f, " protocol {protocol}")?,
            (None, None) => {}
        }
        if let Some(process) = process {
            write!(f, " process {process}")?;
        }
        if let Some(container) = container {
            write!(f, " container {container}")?;
        }
        Ok(())
    }
}
