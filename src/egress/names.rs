//! Which address goes by which name: what the answers said that a process got to its own questions.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use crate::protocol::dns::{Data, DnsQuery, Section};
use crate::record::Time;

/// Addresses that names are kept for.
const MOST_ADDRESSES: usize = 65_536;

/// Names that are kept for an address.
const MOST_NAMES: usize = 32;

/// Who got an answer: processes in this container, or none on the host itself. What others asked for says nothing.
pub(super) type Scope = Option<Arc<str>>;

/// A name, and since when it is known.
type Known = (Time, Arc<str>);

/// Names by address, with the times from which they are known.
#[derive(Debug, Default)]
pub(super) struct Names {
    known: HashMap<(Scope, IpAddr), Vec<Known>>,
    /// Names that there was no room for.
    forgotten: u64,
}

impl Names {
    /// Learns from an answer.
    pub(super) fn learn(&mut self, scope: &Scope, query: &DnsQuery) {
        let Some(time) = query.answered() else { return };
        let (names, addresses) = answer(query);
        // Behind so many aliases nothing is added, however long somebody makes the chain.
        let (names, rest) = names.split_at(names.len().min(MOST_NAMES));
        let names: Vec<Arc<str>> = names.iter().map(|name| name.as_str().into()).collect();
        for address in addresses {
            let key = (scope.clone(), address);
            if self.known.len() >= MOST_ADDRESSES && !self.known.contains_key(&key) {
                self.forgotten += 1;
                continue;
            }
            self.forgotten += rest.len() as u64;
            let known = self.known.entry(key).or_default();
            for name in &names {
                if known.iter().any(|(_, other)| other == name) {
                    continue;
                }
                if known.len() < MOST_NAMES {
                    known.push((time, Arc::clone(name)));
                } else {
                    self.forgotten += 1;
                }
            }
        }
    }

    /// The names that an address was known by at a time, the first that was learned first.
    pub(super) fn of(&self, scope: &Scope, address: IpAddr, time: Time) -> Vec<Arc<str>> {
        let known = self.known.get(&(scope.clone(), address)).map(Vec::as_slice).unwrap_or_default();
        known.iter().filter(|(since, _)| *since <= time).map(|(_, name)| Arc::clone(name)).collect()
    }

    /// Names that there was no room for.
    pub(super) const fn forgotten(&self) -> u64 {
        self.forgotten
    }
}

/// The name that was asked for with its aliases, and their addresses. What an answer says of other names nobody asked.
pub(super) fn answer(query: &DnsQuery) -> (Vec<String>, Vec<IpAddr>) {
    let records: Vec<_> = query.records().filter(|record| record.section == Section::Answer).collect();
    // Aliases stand before what they lead to, but nothing forbids another order.
    let mut aliases: HashMap<_, Vec<_>> = HashMap::new();
    for record in &records {
        if let Data::Cname(alias) = &record.data {
            aliases.entry(&record.name).or_default().push(alias);
        }
    }
    let asked = query.name();
    let mut chain: Vec<_> = asked.iter().collect();
    let mut known: HashSet<_> = asked.iter().collect();
    let mut next = 0;
    while let Some(name) = chain.get(next) {
        next += 1;
        let aliases = aliases.remove(name).unwrap_or_default();
        chain.extend(aliases.into_iter().filter(|alias| known.insert(alias)));
    }
    let addresses =
        records.iter().filter(|record| known.contains(&record.name)).filter_map(|record| match record.data {
            Data::A(address) => Some(address.into()),
            Data::Aaaa(address) => Some(IpAddr::from(address).to_canonical()),
            _ => None,
        });
    let addresses = addresses.collect();
    (chain.iter().map(|name| name.to_string().to_ascii_lowercase()).collect(), addresses)
}
