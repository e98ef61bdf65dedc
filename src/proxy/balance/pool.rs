//! The targets of an app.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::health::{Health, Step};
use super::turns::Turns;
use super::{Change, Failure, State, Status, Target, Tell};
use crate::proxy::config::{App, Balance, Check, TargetSpec};

/// The targets of an app, how they are, and whose turn it is. Times are since the proxy began.
#[derive(Debug)]
pub struct Pool {
    app: Arc<str>,
    tell: Tell,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    app: App,
    /// What is known of the names among the hosts.
    names: HashMap<String, Name>,
    /// In the order of the configuration.
    members: Vec<Member>,
    turns: Turns,
    /// Targets that get no more connections, and since when.
    drained: HashMap<String, Duration>,
}

/// What is known of a name.
#[derive(Debug, Default)]
struct Name {
    addresses: Vec<IpAddr>,
    /// Why it has none, and since when that is so.
    failure: Option<String>,
    since: Duration,
}

/// One address of a target.
#[derive(Debug)]
struct Member {
    target: Arc<Target>,
    /// Which target of the configuration.
    spec: usize,
    weight: u32,
    health: Health,
    /// Since when it gets no more connections.
    drained: Option<Duration>,
}

/// What is to be checked, and how.
#[derive(Debug, Clone)]
pub struct Checked {
    /// How.
    pub check: Check,
    /// Which targets, and where.
    pub targets: Vec<(u64, SocketAddr)>,
}

impl Pool {
    /// The targets of an app. Names have no addresses before they were [resolved](Self::resolved).
    #[must_use]
    pub fn of(app: &App, tell: Tell, now: Duration) -> Self {
        let mut inner = Inner {
            app: app.clone(),
            names: HashMap::new(),
            members: Vec::new(),
            turns: Turns::default(),
            drained: HashMap::new(),
        };
        inner.arrange(now);
        Self { app: app.name.as_str().into(), tell, inner: Mutex::new(inner) }
    }

    /// Goes on with other settings and targets. What stays keeps its connections, its counters and its state; what was
    /// drained is drained no longer.
    pub fn reload(&self, app: &App, now: Duration) {
        let mut inner = self.inner();
        inner.app = app.clone();
        inner.drained.clear();
        let hosts: HashSet<&str> = app.targets.iter().map(|spec| spec.host.as_str()).collect();
        inner.names.retain(|name, _| hosts.contains(name.as_str()));
        inner.arrange(now);
    }

    /// The names that have to be resolved, each once.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let inner = self.inner();
        let mut seen = HashSet::new();
        let hosts = inner.app.targets.iter().map(|spec| spec.host.as_str());
        hosts.filter(|host| host.parse::<IpAddr>().is_err() && seen.insert(*host)).map(str::to_owned).collect()
    }

    /// Which addresses a name has now, or why none. A name that had some keeps them when it cannot be resolved for
    /// once.
    pub fn resolved(&self, name: &str, result: Result<Vec<IpAddr>, String>, now: Duration) {
        let mut inner = self.inner();
        if !inner.app.targets.iter().any(|spec| spec.host == name) {
            return;
        }
        let known = inner.names.entry(name.to_owned()).or_default();
        let (had, failed) = (!known.addresses.is_empty(), known.failure.is_some());
        // A name that stands for no host (a blocked one is 0.0.0.0) has no address.
        let hosts = |addresses: Vec<IpAddr>| {
            let hosts = addresses.into_iter().map(|address| address.to_canonical());
            hosts.filter(|address| !address.is_unspecified() && !address.is_multicast()).collect::<Vec<_>>()
        };
        let result = result.map(hosts).and_then(|addresses| {
            if addresses.is_empty() { Err("its addresses are those of no host".to_owned()) } else { Ok(addresses) }
        });
        match result {
            Ok(mut addresses) => {
                // Name servers give them in another order each time.
                addresses.sort_unstable();
                addresses.dedup();
                let is_same = known.addresses == addresses;
                *known = Name { addresses, failure: None, since: now };
                if !is_same {
                    inner.arrange(now);
                }
                if failed {
                    self.tell_of_name(&inner.app, name, (State::Unresolved, State::Unchecked), None);
                }
            }
            Err(_) if had => {}
            Err(why) => {
                let since = if failed { known.since } else { now };
                *known = Name { addresses: Vec::new(), failure: Some(why.clone()), since };
                if !failed {
                    self.tell_of_name(&inner.app, name, (State::Unchecked, State::Unresolved), Some(&why));
                }
            }
        }
    }

    /// Whose turn it is, of those that are up and whose ids are not among those that were `tried`.
    #[must_use]
    pub fn pick(&self, tried: &[u64], now: Duration) -> Option<Arc<Target>> {
        let mut inner = self.inner();
        self.settle(&mut inner, now);
        let inner = &mut *inner;
        for (place, member) in inner.members.iter().enumerate() {
            let share = if member.is_usable(&inner.app, now) { member.health.share(&inner.app, now) } else { 0 };
            let weight = i64::from(member.weight) * share;
            inner.turns.enter(place, weight, tried.contains(&member.target.id()));
        }
        let place = match inner.app.balance {
            Balance::RoundRobin | Balance::Script => inner.turns.next_by_weight(),
            Balance::LeastConnections => {
                let loads: Vec<usize> = inner.members.iter().map(|member| member.target.open()).collect();
                inner.turns.next_by_load(&loads)
            }
        }?;
        let member = &mut inner.members[place];
        member.health.picked(&inner.app, now);
        Some(member.target.clone())
    }

    /// Those that are up, for whoever picks by himself.
    #[must_use]
    pub fn candidates(&self, now: Duration) -> Vec<Arc<Target>> {
        let mut inner = self.inner();
        self.settle(&mut inner, now);
        inner.usable(now).map(|member| member.target.clone()).collect()
    }

    /// A connection to it was made and not reset before a byte came. Each connection is told of once: so, or as one
    /// that [failed](Self::failed).
    pub fn succeeded(&self, target: &Target, now: Duration) {
        self.change(target.id(), now, |health, app, _| health.succeeded(app, now));
    }

    /// A connection to it could not be made, or was reset before a byte came. The last one that is up is not ejected.
    pub fn failed(&self, target: &Target, failure: Failure, now: Duration) {
        if failure != Failure::Local {
            target.fail();
        }
        self.change(target.id(), now, |health, app, may_go| health.failed(app, failure, may_go, now));
    }

    /// A check is over: how long connecting took, or why that could not be.
    pub fn checked(&self, id: u64, result: Result<Duration, Failure>, now: Duration) {
        self.change(id, now, |health, app, _| health.checked(app, result, now));
    }

    /// What is to be checked; none: nothing. Where neither target nor check has a port, the first one of the app is
    /// checked.
    #[must_use]
    pub fn to_check(&self) -> Option<Checked> {
        let inner = self.inner();
        let check = inner.app.check.clone()?;
        let first = inner.app.ports.first().map_or(0, |ports| ports.first);
        let address = |target: &Target| {
            let mut address = target.socket_address(first);
            address.set_port(check.port.unwrap_or(address.port()));
            address
        };
        let targets = inner.members.iter().map(|member| (member.target.id(), address(&member.target))).collect();
        Some(Checked { check, targets })
    }

    /// Sends no more connections to a target until the next [`reload`](Self::reload). Gives its addresses; none if
    /// there is no such target.
    #[must_use]
    pub fn drain(&self, name: &str, now: Duration) -> Option<Vec<Arc<Target>>> {
        let mut inner = self.inner();
        inner.app.targets.iter().find(|spec| spec.to_string() == name)?;
        inner.drained.entry(name.to_owned()).or_insert(now);
        let members = inner.members.iter_mut().filter(|member| member.target.name() == name);
        let drain = |member: &mut Member| {
            if member.drained.is_none() {
                self.tell_of(member, (member.health.state(), State::Draining));
                member.drained = Some(now);
            }
            member.target.clone()
        };
        Some(members.map(drain).collect())
    }

    /// How all of them are, in the order of the configuration.
    #[must_use]
    pub fn states(&self, now: Duration) -> Vec<Status> {
        let mut inner = self.inner();
        self.settle(&mut inner, now);
        let mut states = Vec::new();
        let mut members = inner.members.iter().peekable();
        for (place, spec) in inner.app.targets.iter().enumerate() {
            let of_spec = std::iter::from_fn(|| members.next_if(|member| member.spec == place));
            states.extend(of_spec.map(Member::status));
            if inner.addresses(spec).is_empty() {
                let name = inner.names.get(&spec.host);
                let why = name.and_then(|name| name.failure.clone());
                states.push(Status {
                    name: spec.to_string(),
                    target: None,
                    port: spec.port,
                    state: State::Unresolved,
                    since: name.map_or(Duration::ZERO, |name| name.since),
                    reason: Some(why.unwrap_or_else(|| "not looked up yet".to_owned())),
                    weight: spec.weight,
                    latency: None,
                });
            }
        }
        states
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what is known of the health of a target, unless it is no more. Told is, too, whether it may go: whether
    /// another one is up.
    fn change(&self, id: u64, now: Duration, change: impl FnOnce(&mut Health, &App, bool) -> Option<Step>) {
        let mut inner = self.inner();
        let may_go = inner.app.outlier.is_some() && inner.usable(now).any(|member| member.target.id() != id);
        let Inner { app, members, .. } = &mut *inner;
        let Some(member) = members.iter_mut().find(|member| member.target.id() == id) else { return };
        if let Some(step) = change(&mut member.health, app, may_go) {
            self.tell_of(member, step);
        }
    }

    /// Lets time have its effect.
    fn settle(&self, inner: &mut Inner, now: Duration) {
        for member in &mut inner.members {
            if let Some(step) = member.health.settle(now) {
                self.tell_of(member, step);
            }
        }
    }

    fn tell_of(&self, member: &Member, (from, to): Step) {
        // That everything is as it should be is no news; nor is how somebody is who was sent away.
        if (from, to) == (State::Unchecked, State::Up) || member.drained.is_some() {
            return;
        }
        self.tell.tell(Change {
            app: self.app.clone(),
            target: member.target.name().to_owned(),
            address: Some(member.target.address()),
            from,
            to,
            why: (to != State::Draining).then(|| member.health.reason().map(str::to_owned)).flatten(),
        });
    }

    /// Tells of all targets with a name.
    fn tell_of_name(&self, app: &App, name: &str, (from, to): Step, why: Option<&str>) {
        for spec in app.targets.iter().filter(|spec| spec.host == name) {
            self.tell.tell(Change {
                app: self.app.clone(),
                target: spec.to_string(),
                address: None,
                from,
                to,
                why: why.map(str::to_owned),
            });
        }
    }
}

impl Inner {
    fn addresses(&self, spec: &TargetSpec) -> Vec<IpAddr> {
        spec.host.parse().map_or_else(
            |_| self.names.get(&spec.host).map_or_else(Vec::new, |name| name.addresses.clone()),
            |address| vec![address],
        )
    }

    /// Makes the members what the configuration and the names say. Those that stay are the same as before.
    fn arrange(&mut self, now: Duration) {
        let key = |target: &Target| (target.name().to_owned(), target.address(), target.port());
        let before = std::mem::take(&mut self.members).into_iter().enumerate();
        let mut before: HashMap<_, _> = before.map(|(place, member)| (key(&member.target), (place, member))).collect();
        let mut seen = HashSet::new();
        let mut places = Vec::new();
        for (spec, of) in self.app.targets.iter().enumerate() {
            let name = of.to_string();
            for address in self.addresses(of) {
                // Several names of one address are one target.
                if !seen.insert((address, of.port)) {
                    continue;
                }
                let stays = before.remove(&(name.clone(), address, of.port));
                places.push(stays.as_ref().map(|(place, _)| *place));
                let (target, health) = stays.map_or_else(
                    || (Arc::new(Target::new(Target::next_id(), &name, address, of.port)), Health::new(now)),
                    |(_, member)| (member.target, member.health),
                );
                let drained = self.drained.get(&name).copied();
                self.members.push(Member { target, spec, weight: of.weight, health, drained });
            }
        }
        self.turns.rearrange(&places);
    }

    fn usable(&self, now: Duration) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(move |member| member.is_usable(&self.app, now))
    }
}

impl Member {
    fn is_usable(&self, app: &App, now: Duration) -> bool {
        self.drained.is_none() && self.health.is_usable(app, now)
    }

    fn status(&self) -> Status {
        let health = &self.health;
        Status {
            name: self.target.name().to_owned(),
            target: Some(self.target.clone()),
            port: self.target.port(),
            state: if self.drained.is_some() { State::Draining } else { health.state() },
            since: self.drained.unwrap_or(health.since()),
            reason: self.drained.map_or_else(|| health.reason().map(str::to_owned), |_| Some("drained".to_owned())),
            weight: self.weight,
            latency: health.latency(),
        }
    }
}

#[cfg(test)]
impl Pool {
    /// A pool of these, which are always up.
    #[must_use]
    pub(crate) fn new(targets: Vec<Arc<Target>>) -> Self {
        let mut app = App::sample("sample", &[1], &[]);
        app.passive.fall = 0;
        let pool = Self::of(&app, Tell::new(drop), Duration::ZERO);
        let mut inner = pool.inner();
        inner.turns.rearrange(&vec![None; targets.len()]);
        let member = |target| Member { target, spec: 0, weight: 1, health: Health::new(Duration::ZERO), drained: None };
        inner.members = targets.into_iter().map(member).collect();
        drop(inner);
        pool
    }
}

#[cfg(test)]
impl Pool {
    /// One of targets with these addresses.
    pub(crate) fn sample(addresses: &[std::net::SocketAddr]) -> Self {
        let target = |(id, address): (usize, &std::net::SocketAddr)| {
            Arc::new(Target::new(id as u64, &address.to_string(), address.ip(), Some(address.port())))
        };
        Self::new(addresses.iter().enumerate().map(target).collect())
    }
}
