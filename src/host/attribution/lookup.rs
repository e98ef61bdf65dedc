//! From an end of a conversation to its owner: the rules. Pure; what is not certain is unknown, with the reason.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::flow::{Found, Owner, Ownership};
use crate::record::Time;

use super::home::Residence;
use super::index::{Endpoints, Entry, Index, Match, Span};
use super::places::Places;

/// An end of a conversation.
#[derive(Debug, Clone, Copy)]
pub(super) struct End {
    pub protocol: u8,
    pub local: SocketAddr,
    pub remote: SocketAddr,
    /// Whether it opened the conversation, as far as packets tell.
    pub is_client: bool,
    pub span: Span,
}

/// What is known of this host.
#[derive(Debug)]
pub(super) struct Knowledge<'a> {
    pub index: &'a Index,
    pub places: &'a Places,
    /// The inode number of the network namespace of the host itself.
    pub host: u64,
    /// Those that packets are captured in.
    pub captured: &'a [u64],
    /// Since when nothing happened to any socket that is not known; none if it never was so.
    pub complete_since: Option<Time>,
    /// Why something may be missing nevertheless.
    pub missing: Option<&'static str>,
}

/// What was found out about an end.
#[derive(Debug)]
pub(super) enum Finding {
    /// The answer.
    Is(Ownership),
    /// A process that is known, and nobody has looked yet where it runs.
    NotLookedUp,
}

impl Finding {
    /// Whether a newer list of sockets may say more.
    pub(super) fn may_be_better(&self) -> bool {
        match self {
            Self::Is(Ownership::Known(owner)) => owner.found == Found::Address,
            Self::Is(Ownership::Unknown(_)) => true,
            Self::Is(Ownership::Elsewhere) | Self::NotLookedUp => false,
        }
    }
}

const TCP: u8 = 6;
const UDP: u8 = 17;

const SEVERAL: &str = "several processes have these endpoints, in different network namespaces or one after the other";
const INVISIBLE: &str = "a socket has these endpoints, and its process may not be looked at";
const NO_SOCKET: &str = "no socket on this host has these endpoints";
const NO_PORT: &str = "only TCP and UDP have sockets to look for";
const FORWARDED: &str = "who listens there did not accept it; it may have been forwarded";
const LOOPBACK: &str = "every network namespace has this address, and none has such a socket that is captured in";

/// Who listen where the kernel forwards connections before they reach them.
const STAND_INS: [&str; 2] = ["docker-proxy", "kube-proxy"];

impl Knowledge<'_> {
    /// Who has this end.
    pub(super) fn owner(&self, end: &End) -> Finding {
        if end.protocol != TCP && end.protocol != UDP {
            return self.by_address(end.local.ip(), NO_PORT);
        }
        let endpoints = Endpoints { protocol: end.protocol, local: end.local, remote: Some(end.remote) };
        match self.at(&endpoints, end.span) {
            // A connection that was accepted, and not used yet by anybody.
            Match::One(entry) if entry.process.is_none() => match self.without_peer(end) {
                Match::One(waiting) if waiting.namespace == entry.namespace => {
                    return of_entry(waiting, Found::Listener);
                }
                _ => return unknown(INVISIBLE),
            },
            Match::One(entry) => return of_entry(entry, entry.found),
            Match::Several => return unknown(SEVERAL),
            Match::None => {}
        }
        match self.without_peer(end) {
            Match::One(entry) => return self.of_waiting(end, entry),
            Match::Several => return unknown(SEVERAL),
            Match::None => {}
        }
        if end.is_client
            && let Match::One(entry) = self.with_other_peer(end)
        {
            return of_entry(entry, entry.found);
        }
        self.by_address(end.local.ip(), NO_SOCKET)
    }

    /// The sockets with both endpoints. Where several namespaces have some, those decide that packets are captured in.
    fn at(&self, endpoints: &Endpoints, span: Span) -> Match<'_> {
        if endpoints.local.ip().is_loopback() && !self.captured.is_empty() {
            return self.index.at(endpoints, span, |namespace| self.captured.contains(&namespace));
        }
        match self.index.at(endpoints, span, |_| true) {
            Match::Several => match self.index.at(endpoints, span, |namespace| self.captured.contains(&namespace)) {
                Match::One(entry) => Match::One(entry),
                _ => Match::Several,
            },
            found => found,
        }
    }

    /// Who listens there, or is bound there without a peer: to that address, or else to any.
    fn without_peer(&self, end: &End) -> Match<'_> {
        let address = end.local.ip();
        let mut has_it = self.places.of(address);
        if address.is_loopback() {
            has_it = self.captured;
        }
        let any_6 = IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED);
        let any = if address.is_ipv4() { IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED) } else { any_6 };
        for bound in [address, any, any_6] {
            let local = SocketAddr::new(bound, end.local.port());
            let endpoints = Endpoints { protocol: end.protocol, local, remote: None };
            // A socket that is bound to an address has it, also if that address is new.
            let is_asked = |namespace| has_it.contains(&namespace) || bound == address && !address.is_loopback();
            match self.index.at(&endpoints, end.span, is_asked) {
                Match::None => {}
                Match::Several => {
                    let captured = self.index.at(&endpoints, end.span, |namespace| self.captured.contains(&namespace));
                    return if let Match::One(entry) = captured { Match::One(entry) } else { Match::Several };
                }
                one => return one,
            }
        }
        Match::None
    }

    /// Whoever waits there has the conversation, unless it was forwarded to somebody else before it arrived.
    fn of_waiting(&self, end: &End, entry: &Entry) -> Finding {
        if end.protocol == UDP {
            return of_entry(entry, entry.found);
        }
        let is_stand_in = entry.process.as_ref().is_some_and(|process| STAND_INS.contains(&process.name.as_ref()));
        // A connection that was accepted while the kernel told everything would have been found.
        let was_seen = self.complete_since.is_some_and(|since| since <= end.span.start) && self.missing.is_none();
        if is_stand_in || entry.namespace == self.host && was_seen {
            return unknown(FORWARDED);
        }
        of_entry(entry, Found::Listener)
    }

    /// A socket with this own endpoint and another peer: the peer's address was translated on the way (a published port).
    fn with_other_peer(&self, end: &End) -> Match<'_> {
        let address = end.local.ip();
        let owners = self.places.of(address);
        let is_on_host = |address| !self.places.of(address).is_empty();
        self.index.from(end.protocol, end.local, end.span, |namespace, peer| {
            // On the host itself such a port may also be one that the kernel lent to a connection of a container on its
            // way out. Then it leads away from here.
            owners.contains(&namespace) && (namespace != self.host || is_on_host(peer) && is_on_host(end.remote.ip()))
        })
    }

    /// What an address alone says.
    fn by_address(&self, address: IpAddr, reason: &'static str) -> Finding {
        let reason = self.missing.unwrap_or(reason);
        if address.is_loopback() {
            return unknown(if reason == NO_SOCKET { LOOPBACK } else { reason });
        }
        let namespaces = self.places.of(address);
        let narrowed: Vec<u64> = namespaces.iter().copied().filter(|it| self.captured.contains(it)).collect();
        let namespaces = if namespaces.len() > 1 && narrowed.len() == 1 { &narrowed } else { namespaces };
        match namespaces {
            [] => Finding::Is(Ownership::Elsewhere),
            [one] => match self.places.containers(*one) {
                [container] => Finding::Is(Ownership::Known(Arc::new(Owner {
                    pid: None,
                    process: None,
                    container: Some(Arc::clone(container)),
                    found: Found::Address,
                }))),
                [] => unknown(reason),
                several => unknown(format!("{reason}; the address is that of the containers {}", several.join(", "))),
            },
            _ => unknown(format!("{reason}; several network namespaces have this address")),
        }
    }
}

fn unknown(reason: impl Into<Cow<'static, str>>) -> Finding {
    Finding::Is(Ownership::Unknown(reason.into()))
}

fn of_entry(entry: &Entry, found: Found) -> Finding {
    let Some(process) = &entry.process else { return unknown(INVISIBLE) };
    let container = match process.home.residence() {
        None => return Finding::NotLookedUp,
        Some(Residence::Host) => None,
        Some(Residence::Container(name)) => Some(Arc::clone(name)),
        Some(Residence::Gone) => {
            return unknown(format!("{} ({}) ended before its container was looked up", process.name, process.pid));
        }
    };
    let (pid, process) = (Some(process.pid), Some(Arc::clone(&process.name)));
    Finding::Is(Ownership::Known(Arc::new(Owner { pid, process, container, found })))
}
