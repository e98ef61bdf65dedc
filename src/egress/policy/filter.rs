//! A policy in a form that can be enforced where there is no time to think: without reasons, one entry after the other.

use std::net::IpAddr;

use ipnetwork::IpNetwork;

use super::host::Hosts;
use super::inside;
use super::judge::{Policy, RESOLVER_PORTS};
use super::port::{Ports, Protocol};
use super::rule::{Action, Rule};
use super::word::Piece;

/// What may be reached: what an entry denies may not, what one allows may, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    entries: Vec<Entry>,
}

/// All conditions have to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it does.
    pub action: Action,
    /// Where the address has to be.
    pub network: Option<IpNetwork>,
    /// The first and the last port.
    pub ports: Option<(u16, u16)>,
    /// The number of the protocol in the header of IP.
    pub protocol: Option<u8>,
    /// How the name of the process begins, and whether it ends there.
    pub process: Option<(String, bool)>,
    hosts: Option<Hosts>,
}

/// The kernel has no more of the name of a process, in bytes.
const COMM: usize = 15;

impl Entry {
    fn allow() -> Self {
        Self { action: Action::Allow, network: None, ports: None, protocol: None, process: None, hosts: None }
    }

    /// Whether it holds only for addresses that go by certain names.
    #[must_use]
    pub const fn is_named(&self) -> bool {
        self.hosts.is_some()
    }

    /// How names end that it is for, as DNS has them on the wire, in small letters; and whether a label has to come before.
    /// None if they are not told by their ends, or by any name.
    #[must_use]
    pub fn suffix(&self) -> Option<(Vec<u8>, bool)> {
        self.hosts.as_ref()?.suffix()
    }

    /// Whether an address that goes by one of these names is one of its.
    #[must_use]
    pub fn has_name<'a>(&self, mut names: impl Iterator<Item = &'a str>) -> bool {
        self.hosts.as_ref().is_some_and(|hosts| names.any(|name| hosts.contain(name)))
    }
}

impl Filter {
    /// Its entries; their order does not matter.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }
}

impl Policy {
    /// The policy as a filter.
    ///
    /// # Errors
    ///
    /// Which rule needs more than a filter can tell.
    pub fn filter(&self) -> Result<Filter, String> {
        // Who may ask for a name says nothing of connections.
        let rules = self.rules().iter().filter(|rule| rule.conditions.query.is_none());
        let mut entries = rules.map(entry).collect::<Result<Vec<_>, _>>()?;
        let networks = inside::networks().chain(self.inside().iter().copied());
        entries.extend(networks.map(|network| Entry { network: Some(network), ..Entry::allow() }));
        for resolver in self.resolvers() {
            entries.extend(RESOLVER_PORTS.iter().flat_map(|port| name_server(*resolver, *port)));
        }
        Ok(Filter { entries })
    }
}

fn name_server(address: IpAddr, port: u16) -> [Entry; 2] {
    [Protocol::UDP, Protocol::TCP].map(|protocol| Entry {
        network: Some(address.into()),
        ports: Some((port, port)),
        protocol: Some(protocol.number()),
        ..Entry::allow()
    })
}

fn entry(rule: &Rule) -> Result<Entry, String> {
    let conditions = &rule.conditions;
    let cannot = |why: &str| format!("{} cannot be enforced: {why}: {rule}", rule.place());
    if conditions.container.is_some() {
        return Err(cannot("the kernel does not know the names of containers"));
    }
    let process = match &conditions.process {
        None => None,
        Some(pattern) => {
            let (pieces, is_whole) = match pattern.pieces() {
                [begin @ .., Piece::Any] => (begin, false),
                whole => (whole, true),
            };
            let letter = |piece: &Piece| if let Piece::Char(letter) = piece { Some(*letter) } else { None };
            let begin: Option<String> = pieces.iter().map(letter).collect();
            let begin = begin.ok_or_else(|| cannot("the name of a process may have a `*` only at its end"))?;
            let end = begin.floor_char_boundary(COMM);
            Some((begin[..end].to_owned(), is_whole && end == begin.len()))
        }
    };
    Ok(Entry {
        action: rule.action(),
        network: conditions.network,
        ports: conditions.ports.map(Ports::ends),
        protocol: conditions.protocol.map(Protocol::number),
        process,
        hosts: conditions.host.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::egress::policy::rules_of_file;

    fn filter(rules: &str) -> Result<Filter, String> {
        Policy::new(rules_of_file("rules", rules.as_bytes(), 1 << 20).unwrap()).filter()
    }

    #[test]
    fn rules_become_entries_before_what_is_inside() {
        let filter =
            filter("allow cidr 203.0.113.0/24 port 443/tcp process apt*\ndeny host *.example\nallow query x.example")
                .unwrap();
        let [first, second, third, ..] = filter.entries() else { panic!("{filter:?}") };
        assert_eq!((first.action, first.ports, first.protocol), (Action::Allow, Some((443, 443)), Some(6)));
        assert_eq!(first.network, "203.0.113.0/24".parse().ok());
        assert_eq!(first.process, Some(("apt".to_owned(), false)));
        assert_eq!(second.action, Action::Deny);
        assert!(second.has_name(["a.example"].into_iter()) && !second.has_name(["example"].into_iter()));
        assert!(third.network.is_some() && third.action == Action::Allow, "what is only asked for is no connection");
    }

    #[test]
    fn name_servers_are_reached_at_their_ports_only() {
        let policy = Policy::new(Vec::new()).with_resolvers(&["203.0.113.53".parse().unwrap()]);
        let filter = policy.filter().unwrap();
        let servers = filter.entries().iter().filter(|entry| entry.network == "203.0.113.53".parse().ok());
        let ports: Vec<_> = servers.map(|entry| (entry.ports, entry.protocol)).collect();
        let expected = [(53, 17), (53, 6), (853, 17), (853, 6)];
        assert_eq!(ports, expected.map(|(port, protocol)| (Some((port, port)), Some(protocol))));
    }

    #[test]
    fn a_long_name_of_a_process_is_what_the_kernel_has_of_it() {
        let filter = filter("allow process a-very-long-name-indeed").unwrap();
        assert_eq!(filter.entries()[0].process, Some(("a-very-long-nam".to_owned(), false)));
    }

    #[test]
    fn what_the_kernel_cannot_tell_is_said_with_its_place() {
        for (rules, why) in [
            (
                "allow container web",
                "rules:1 cannot be enforced: the kernel does not know the names of containers: allow container web",
            ),
            (
                "\nallow process *sh",
                "rules:2 cannot be enforced: the name of a process may have a `*` only at its end: allow process *sh",
            ),
        ] {
            assert_eq!(filter(rules).unwrap_err(), why);
        }
    }
}
