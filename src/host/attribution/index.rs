//! Which process had which socket when: what was told of sockets, by their endpoints, with the times for which it was true.
//! Pure: it is told everything, times included.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::flow::Found;
use crate::record::{Duration, Time};

use super::home::Home;

/// A process that had a socket.
#[derive(Debug)]
pub(super) struct Process {
    pub pid: u32,
    /// Its `comm` when it was seen with the socket.
    pub name: Arc<str>,
    /// Where it runs.
    pub home: Arc<Home>,
}

/// What a socket is bound to. Sockets in different network namespaces may have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Endpoints {
    pub protocol: u8,
    pub local: SocketAddr,
    /// None if it listens, or has no peer.
    pub remote: Option<SocketAddr>,
}

/// What is known of a socket.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// What the kernel calls it; never used again.
    cookie: u64,
    /// The inode number of its network namespace.
    pub namespace: u64,
    /// None if nobody was seen with it.
    pub process: Option<Arc<Process>>,
    pub found: Found,
    /// None: before anybody looked.
    opened: Option<Time>,
    closed: Option<Time>,
}

/// What happened to a socket.
#[derive(Debug)]
pub(super) struct Change {
    pub time: Time,
    pub cookie: u64,
    pub namespace: u64,
    pub endpoints: Endpoints,
    pub what: What,
}

/// A socket in a list of those that are open.
#[derive(Debug)]
pub(super) struct Listed {
    pub cookie: u64,
    pub namespace: u64,
    pub endpoints: Endpoints,
    /// None if its process may not be looked at.
    pub process: Option<Arc<Process>>,
    pub found: Found,
    /// Since when it may be open; none if that was before anybody looked.
    pub since: Option<Time>,
}

/// What can happen to a socket.
#[derive(Debug)]
pub(super) enum What {
    /// It came into being: for this process, unless a packet made it.
    Begins(Option<Arc<Process>>, Found),
    /// This process uses it.
    IsUsedBy(Arc<Process>),
    /// It is gone.
    Ends,
}

/// The times of a conversation, as its packets tell them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub start: Time,
    pub end: Time,
}

/// What the sockets with some endpoints say.
#[derive(Debug)]
pub(super) enum Match<'a> {
    /// There is none.
    None,
    /// There is one, or all are of one process.
    One(&'a Entry),
    /// Several processes had some.
    Several,
}

/// How long a socket is remembered after it closed. Conversations may be asked about when they have been idle for some
/// minutes.
const KEPT: Duration = Duration::from_secs(240);

/// How much the times of packets and those of sockets may differ: both are taken from the same clock, in different places.
const TOLERANCE: Duration = Duration::from_nanos(2_000_000);

/// How many sockets with the same own endpoint are looked at before it counts as shared.
const LOOKED_AT: usize = 64;

/// Sockets by their endpoints.
#[derive(Debug)]
pub(super) struct Index {
    sockets: BTreeMap<Endpoints, Vec<Entry>>,
    by_cookie: HashMap<u64, Endpoints>,
    /// What can be forgotten, in the order of time.
    closed: VecDeque<(Time, Endpoints)>,
    /// All, in the order of arrival.
    arrived: VecDeque<Endpoints>,
    entries: usize,
    most: usize,
    forgotten: u64,
}

impl Index {
    /// An index of that many sockets at most.
    pub(super) fn new(most: usize) -> Self {
        Self {
            sockets: BTreeMap::new(),
            by_cookie: HashMap::new(),
            closed: VecDeque::new(),
            arrived: VecDeque::new(),
            entries: 0,
            most,
            forgotten: 0,
        }
    }

    /// How many sockets were forgotten early because there were too many.
    pub(super) const fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// Takes a socket from a list, unless it is known already.
    pub(super) fn list(&mut self, listed: Listed) {
        let Listed { cookie, namespace, endpoints, process, found, since } = listed;
        match self.open_mut(cookie) {
            Some(entry) if entry.process.is_none() => entry.process = process,
            Some(_) => {}
            None => self.insert(endpoints, Entry { cookie, namespace, process, found, opened: since, closed: None }),
        }
    }

    /// The sockets that are open as far as is known, and whether their processes are known.
    pub(super) fn open(&self) -> HashMap<u64, bool> {
        let is_known = |endpoints, cookie| {
            let mut entries = self.sockets.get(endpoints).into_iter().flatten();
            entries.any(|entry| entry.cookie == cookie && entry.process.is_some())
        };
        self.by_cookie.iter().map(|(cookie, endpoints)| (*cookie, is_known(endpoints, *cookie))).collect()
    }

    /// Takes what happened to a socket.
    pub(super) fn apply(&mut self, change: Change) {
        let Change { time, cookie, namespace, endpoints, what } = change;
        // One that is connected anew, or after it was bound, has its former endpoints no longer.
        let is_over = matches!(what, What::Ends) || self.by_cookie.get(&cookie).is_some_and(|it| *it != endpoints);
        if is_over {
            self.end(cookie, time);
        }
        let known = self.open_mut(cookie);
        match (what, known) {
            (What::Ends, _) => {}
            (What::Begins(None, _), Some(_)) => {}
            (What::Begins(process, found), Some(entry)) => (entry.process, entry.found) = (process, found),
            (What::IsUsedBy(process), Some(entry)) => (entry.process, entry.found) = (Some(process), Found::Hook),
            (What::Begins(process, found), None) => {
                self.end_former(&endpoints, namespace, time);
                self.insert(endpoints, Entry { cookie, namespace, process, found, opened: Some(time), closed: None });
            }
            (What::IsUsedBy(process), None) => {
                // A connection that nobody saw begin is older than the hook. Others begin with their first packet.
                let opened = (endpoints.remote.is_none() || is_over).then_some(time);
                let (process, found) = (Some(process), Found::Hook);
                self.insert(endpoints, Entry { cookie, namespace, process, found, opened, closed: None });
            }
        }
        self.expire(time);
    }

    /// Two open sockets of one namespace with the same peer cannot be: the end of the first was not told.
    fn end_former(&mut self, endpoints: &Endpoints, namespace: u64, time: Time) {
        let entries = self.sockets.get(endpoints).filter(|_| endpoints.remote.is_some()).into_iter().flatten();
        let is_former = |entry: &&Entry| entry.namespace == namespace && entry.closed.is_none();
        let former: Vec<u64> = entries.filter(is_former).map(|entry| entry.cookie).collect();
        for cookie in former {
            self.end(cookie, time);
        }
    }

    fn open_mut(&mut self, cookie: u64) -> Option<&mut Entry> {
        let entries = self.sockets.get_mut(self.by_cookie.get(&cookie)?)?;
        entries.iter_mut().find(|entry| entry.cookie == cookie && entry.closed.is_none())
    }

    /// A socket is gone.
    pub(super) fn end(&mut self, cookie: u64, time: Time) {
        if let Some(entry) = self.open_mut(cookie) {
            entry.closed = Some(time);
        }
        if let Some(endpoints) = self.by_cookie.remove(&cookie) {
            self.closed.push_back((time, endpoints));
        }
    }

    fn insert(&mut self, endpoints: Endpoints, entry: Entry) {
        if self.entries >= self.most {
            self.forget_oldest();
        }
        self.by_cookie.insert(entry.cookie, endpoints);
        self.sockets.entry(endpoints).or_default().push(entry);
        self.arrived.push_back(endpoints);
        self.entries += 1;
    }

    /// Forgets what closed long ago.
    pub(super) fn expire(&mut self, now: Time) {
        while let Some((time, endpoints)) = self.closed.front().copied()
            && now - time > KEPT
        {
            self.closed.pop_front();
            self.remove(&endpoints, |entry| entry.closed == Some(time));
        }
        // What was forgotten is still in the order of arrival.
        if self.arrived.len() > 2 * self.entries + 64 {
            let sockets = &self.sockets;
            self.arrived.retain(|endpoints| sockets.contains_key(endpoints));
        }
    }

    /// What closed first goes first, and of what is open whatever came first.
    fn forget_oldest(&mut self) {
        let before = self.entries;
        while self.entries == before
            && let Some((time, endpoints)) = self.closed.pop_front()
        {
            self.remove(&endpoints, |entry| entry.closed == Some(time));
        }
        while self.entries == before
            && let Some(endpoints) = self.arrived.pop_front()
        {
            let mut first = true;
            self.remove(&endpoints, |_| std::mem::take(&mut first));
        }
        self.forgotten += 1;
    }

    fn remove(&mut self, endpoints: &Endpoints, mut is: impl FnMut(&Entry) -> bool) {
        let Some(entries) = self.sockets.get_mut(endpoints) else { return };
        let before = entries.len();
        entries.retain(|entry| {
            let goes = is(entry);
            if goes && entry.closed.is_none() {
                self.by_cookie.remove(&entry.cookie);
            }
            !goes
        });
        self.entries -= before - entries.len();
        if entries.is_empty() {
            self.sockets.remove(endpoints);
        }
    }

    /// The sockets with these endpoints that a conversation can be of, in the namespaces that are asked for.
    pub(super) fn at(&self, endpoints: &Endpoints, span: Span, is_asked: impl Fn(u64) -> bool) -> Match<'_> {
        let entries = self.sockets.get(endpoints).into_iter().flatten();
        best(entries.filter(|entry| is_asked(entry.namespace)), span)
    }

    /// The sockets with this own endpoint, whatever their peer, that a conversation can be of.
    pub(super) fn from(
        &self,
        protocol: u8,
        local: SocketAddr,
        span: Span,
        is_asked: impl Fn(u64, IpAddr) -> bool,
    ) -> Match<'_> {
        let begin = Endpoints { protocol, local, remote: None };
        let with_it = self.sockets.range(begin..).take_while(|(it, _)| (it.protocol, it.local) == (protocol, local));
        let mut found = Match::None;
        for (looked_at, (endpoints, entries)) in with_it.enumerate() {
            let Some(remote) = endpoints.remote else { continue };
            let asked = entries.iter().filter(|entry| is_asked(entry.namespace, remote.ip()));
            found = match (found, best(asked, span)) {
                (found, Match::None) => found,
                (Match::None, one) => one,
                (Match::One(a), Match::One(b)) if is_same(a, b) => Match::One(a),
                _ => return Match::Several,
            };
            if looked_at > LOOKED_AT {
                return Match::Several;
            }
        }
        found
    }
}

/// What sockets with the same endpoints say of a conversation: in each namespace the one that was open when it began, or
/// else the first that was opened while it lasted, as those of servers are.
fn best<'a>(entries: impl Iterator<Item = &'a Entry>, span: Span) -> Match<'a> {
    let mut of_namespaces: Vec<(u64, Vec<&Entry>, Vec<&Entry>)> = Vec::new();
    for entry in entries {
        let is_over = entry.closed.is_some_and(|closed| closed + TOLERANCE < span.start);
        let began_before = entry.opened.is_none_or(|opened| opened <= span.start + TOLERANCE);
        let began_meanwhile = entry.opened.is_some_and(|opened| opened <= span.end + TOLERANCE);
        if is_over || !(began_before || began_meanwhile) {
            continue;
        }
        let at = of_namespaces.iter().position(|(namespace, ..)| *namespace == entry.namespace).unwrap_or_else(|| {
            of_namespaces.push((entry.namespace, Vec::new(), Vec::new()));
            of_namespaces.len() - 1
        });
        let (_, before, meanwhile) = &mut of_namespaces[at];
        if began_before { before } else { meanwhile }.push(entry);
    }
    let mut found: Option<&Entry> = None;
    for (_, before, meanwhile) in of_namespaces {
        for entry in if before.is_empty() { meanwhile } else { before } {
            match found {
                Some(other) if !is_same(other, entry) => return Match::Several,
                Some(_) => {}
                None => found = Some(entry),
            }
        }
    }
    found.map_or(Match::None, Match::One)
}

/// Whether two sockets are those of one process.
fn is_same(a: &Entry, b: &Entry) -> bool {
    let pid = |entry: &Entry| entry.process.as_ref().map(|process| process.pid);
    pid(a) == pid(b)
}
