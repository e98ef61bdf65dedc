//! The associations, and the sockets of both their sides.

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::super::balance::Failure;
use super::super::config::Ports;
use super::super::failure::failure;
use super::super::record::Connection;
use super::super::relay::Which;
use super::super::service::{Service, Shared};
use super::association::{Association, Unreached, word};
use super::client::Room;
use super::clients::ClientSockets;
use super::kept::Kept;
use super::poll::{Poll, Ready};

/// Datagrams that are taken of one socket before it is the turn of the next.
const BATCH: usize = 32;

/// Descriptors of an association: the socket to its target. Those of clients are shared.
const DESCRIPTORS: usize = 1;

/// How often silence, and what was lost, are looked for: an eighth of the silence that ends an association, within these.
const OFTEN: Duration = Duration::from_millis(10);
const SELDOM: Duration = Duration::from_secs(1);

/// Everything that the thread has.
#[derive(Debug)]
pub(super) struct Table {
    shared: Arc<Shared>,
    poll: Arc<Poll>,
    apps: HashMap<Arc<str>, Arc<Service>>,
    clients: ClientSockets,
    /// The number of the last association.
    last: u64,
    associations: HashMap<u64, Association>,
    /// By client, and whom it means.
    pairs: HashMap<(SocketAddr, SocketAddr), u64>,
    kept: Kept,
    /// What was said already.
    said: HashSet<(Arc<str>, Matter)>,
    /// When silence, and what was lost, were looked for.
    swept: Duration,
    /// When they are looked for again.
    sweep: Duration,
}

/// What is said once, until the app is configured anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Matter {
    Limit,
    Lack,
    Hearing,
    Answering,
    Loss,
}

impl Table {
    /// A table of nothing, of sockets that are waited for with this.
    pub(super) fn new(shared: &Arc<Shared>, poll: &Arc<Poll>) -> Self {
        Self {
            shared: shared.clone(),
            poll: poll.clone(),
            apps: HashMap::new(),
            clients: ClientSockets::new(poll),
            last: 0,
            associations: HashMap::new(),
            pairs: HashMap::new(),
            kept: Kept::default(),
            said: HashSet::new(),
            swept: Duration::ZERO,
            sweep: Duration::MAX,
        }
    }

    pub(super) fn serve(&mut self, service: &Arc<Service>, sockets: &[Arc<OwnedFd>]) {
        let app: Arc<str> = service.app.name.as_str().into();
        self.said.retain(|(of, _)| *of != app);
        let lost = self.clients.forget(&app, sockets);
        self.lose(service, lost);
        for socket in sockets {
            if let Err(error) = self.clients.serve(socket, &app) {
                self.say(&app, Matter::Hearing, || format!("does not hear datagrams: {error}"));
            }
        }
        self.apps.insert(app, service.clone());
    }

    pub(super) fn forget(&mut self, app: &str) {
        let lost = self.clients.forget(app, &[]);
        if let Some(service) = self.apps.remove(app) {
            self.lose(&service, lost);
        }
        self.said.retain(|(of, _)| **of != *app);
    }

    pub(super) fn connections(&self) -> Vec<Connection> {
        let now = self.shared.now();
        self.associations.values().map(|association| association.connection(now, None)).collect()
    }

    pub(super) fn end(&mut self, which: &Which, why: &'static str) {
        let is_meant = |association: &Association| match which {
            Which::All => true,
            Which::Target(id) => association.upstream.as_ref().is_some_and(|upstream| upstream.target.id() == *id),
        };
        let ids: Vec<u64> = self.associations.iter().filter(|(_, it)| is_meant(it)).map(|(&id, _)| id).collect();
        for id in ids {
            self.end_one(id, why);
        }
    }

    /// Passes on what clients sent to a socket.
    pub(super) fn hear(&mut self, id: u64, room: &mut Room) {
        for _ in 0..BATCH {
            let Some(socket) = self.clients.get(id) else { return };
            let Ok(heard) = socket.receive(room) else { return };
            let bytes = &room.datagram[..heard.length];
            match self.pairs.get(&(heard.client, heard.meant)) {
                Some(&association) => self.pass(association, id, bytes),
                None => self.begin(id, heard.client, heard.meant, bytes),
            }
        }
    }

    /// Passes on what a target sent.
    pub(super) fn answer(&mut self, id: u64, room: &mut Room) {
        let now = self.shared.now();
        for _ in 0..BATCH {
            let Some(association) = self.associations.get_mut(&id) else { return };
            let Some(upstream) = &association.upstream else { return };
            let length = match io::Read::read(&mut &upstream.socket, &mut room.datagram) {
                Ok(length) => length,
                Err(error) => {
                    let failure = failure(&error, upstream.address);
                    if failure != Failure::Local {
                        self.failed(id, failure, None);
                    }
                    return;
                }
            };
            association.last = now;
            if !association.answered {
                association.answered = true;
                association.service.pool.succeeded(&upstream.target, now);
                self.kept.take(id);
            }
            let answers = self.answering(id);
            let Some(association) = self.associations.get_mut(&id) else { return };
            let bytes = &room.datagram[..length];
            let answered = answers
                .and_then(|socket| self.clients.get(socket))
                .is_some_and(|socket| socket.answer(bytes, association.meant, association.client).is_ok());
            if answered {
                association.answered_with(length);
            } else {
                association.dropped();
            }
        }
    }

    /// Ends associations in which nobody has said anything for their time, and counts what was lost, if it is time to
    /// look.
    pub(super) fn sweep(&mut self) {
        let now = self.shared.now();
        if now < self.sweep {
            return;
        }
        self.kept.sweep(now);
        self.clients.sweep(now);
        self.count_losses();
        self.swept = now;
        let is_silent = |it: &Association| now.saturating_sub(it.last) >= it.service.app.timeouts.udp;
        let silent: Vec<u64> = self.associations.iter().filter(|(_, it)| is_silent(it)).map(|(&id, _)| id).collect();
        for id in silent {
            self.end_one(id, "idle");
        }
        let pauses = self.associations.values().map(|it| pause(&it.service));
        self.sweep = pauses.min().map_or(Duration::MAX, |pause| now + pause);
    }

    /// How long nothing has to be done but what epoll tells; none: however long.
    pub(super) fn patience(&self) -> Option<Duration> {
        (self.sweep != Duration::MAX).then(|| self.sweep.saturating_sub(self.shared.now()))
    }

    /// Passes a datagram on that came to a socket.
    fn pass(&mut self, id: u64, socket: u64, bytes: &[u8]) {
        let Some(association) = self.associations.get_mut(&id) else { return };
        association.last = self.shared.now();
        if let Err(failure) = association.send(bytes) {
            self.failed(id, failure, Some((socket, bytes)));
        }
    }

    /// Takes a client with its first datagram.
    fn begin(&mut self, socket: u64, client: SocketAddr, meant: SocketAddr, bytes: &[u8]) {
        let Some(heard_on) = self.clients.get(socket) else { return };
        // A socket that is there for answers may hear clients that no app has now.
        let Some(service) = heard_on.app.as_ref().map_or_else(|| self.app_at(meant), |app| self.apps.get(app)).cloned()
        else {
            return;
        };
        let is_bound_to_it = heard_on.local.port() == meant.port();
        let now = self.shared.now();
        self.sweep = self.sweep.min(now + pause(&service));
        let Some(place) = self.shared.admit(&service, DESCRIPTORS) else {
            service.counters.limited.fetch_add(1, Ordering::Relaxed);
            self.say(&service.app.name, Matter::Limit, || {
                "has as many connections and associations as there may be; datagrams of further clients are dropped"
                    .into()
            });
            return;
        };
        place.take();
        let mut association = Association::new(&service, client, meant, now);
        let sought = association.seek(&self.shared, "no target", &[bytes]);
        self.last += 1;
        let id = self.last;
        self.associations.insert(id, association);
        self.pairs.insert((client, meant), id);
        if is_bound_to_it {
            self.answer_through(id, socket);
        }
        self.settle(id, sought, bytes);
    }

    /// Goes on after a target was looked for, to which this is the first datagram.
    fn settle(&mut self, id: u64, sought: Result<(), Unreached>, first: &[u8]) {
        match sought.and_then(|()| self.watch_target(id)) {
            Ok(()) => self.kept.keep(id, self.shared.now(), first),
            Err(unreached) => self.unreached(id, unreached),
        }
    }

    /// The app that has an address and port, by its configuration.
    fn app_at(&self, meant: SocketAddr) -> Option<&Arc<Service>> {
        let has = |ports: &Ports| {
            ports.address.is_none_or(|address| address.to_canonical() == meant.ip())
                && (ports.first..=ports.last).contains(&meant.port())
        };
        self.apps.values().find(|service| service.app.ports.iter().any(has))
    }

    fn watch_target(&self, id: u64) -> Result<(), Unreached> {
        let Some(upstream) = self.associations.get(&id).and_then(|it| it.upstream.as_ref()) else { return Ok(()) };
        self.poll.add(&upstream.socket, Ready::Target(id)).map_err(|lack| Unreached { why: "local", lack: Some(lack) })
    }

    /// Goes on without the target of an association, which failed. A datagram that it did not get is `at_hand`, with the
    /// socket that it came to.
    fn failed(&mut self, id: u64, failure: Failure, at_hand: Option<(u64, &[u8])>) {
        let Some(association) = self.associations.get_mut(&id) else { return };
        if let Some(upstream) = &association.upstream {
            association.service.pool.failed(&upstream.target, failure, self.shared.now());
        }
        let kept = self.kept.take(id);
        let datagrams: Vec<&[u8]> = kept.as_deref().into_iter().chain(at_hand.map(|(_, bytes)| bytes)).collect();
        if association.answered || datagrams.is_empty() {
            let (client, meant) = (association.client, association.meant);
            self.end_one(id, word(failure));
            // What was said to the target is lost with it; what was not begins anew.
            if let Some((socket, bytes)) = at_hand {
                self.begin(socket, client, meant, bytes);
            }
            return;
        }
        let sought = association.seek(&self.shared, word(failure), &datagrams);
        self.settle(id, sought, datagrams[0]);
    }

    /// Ends the association of a client that got no target.
    fn unreached(&mut self, id: u64, unreached: Unreached) {
        let Some(service) = self.associations.get(&id).map(|association| association.service.clone()) else { return };
        service.counters.failed.fetch_add(1, Ordering::Relaxed);
        if let Some(lack) = unreached.lack {
            self.say(&service.app.name, Matter::Lack, || format!("cannot try to reach targets: {lack}"));
        }
        self.end_one(id, unreached.why);
    }

    /// The socket through which an association answers.
    fn answering(&mut self, id: u64) -> Option<u64> {
        let association = self.associations.get(&id)?;
        if association.answers.is_some() {
            return association.answers;
        }
        let (meant, service) = (association.meant, association.service.clone());
        match self.clients.bound_to(meant, self.shared.now())? {
            Ok(socket) => {
                self.answer_through(id, socket);
                Some(socket)
            }
            Err(error) => {
                self.say(&service.app.name, Matter::Answering, || {
                    format!("cannot answer from {meant}: {error}; clients that mean it get no answers")
                });
                None
            }
        }
    }

    fn answer_through(&mut self, id: u64, socket: u64) {
        if let Some(association) = self.associations.get_mut(&id) {
            association.answers = Some(socket);
            self.clients.begin(socket);
        }
    }

    /// Counts what sockets lost that hear clients, or targets that said something since it was looked for.
    fn count_losses(&mut self) {
        for (id, lost) in self.clients.lost() {
            let Some(socket) = self.clients.get(id) else { continue };
            let service = socket.app.as_ref().map_or_else(|| self.app_at(socket.local), |app| self.apps.get(app));
            if let Some(service) = service.cloned() {
                self.lose(&service, lost);
            }
        }
        // What was lost had no room beside what was heard later.
        let may_have_lost = self.associations.values_mut().filter(|it| it.last >= self.swept);
        let lost = may_have_lost.map(|it| (it.lost(), &it.service)).filter(|&(lost, _)| lost > 0);
        let lost: Vec<_> = lost.map(|(lost, service)| (service.clone(), lost)).collect();
        for (service, lost) in lost {
            self.lose(&service, lost);
        }
    }

    /// Counts datagrams that could not be read.
    fn lose(&mut self, service: &Service, lost: u64) {
        if lost > 0 {
            service.counters.dropped.fetch_add(lost, Ordering::Relaxed);
            self.say(&service.app.name, Matter::Loss, || {
                "loses datagrams: they come faster than they can be passed on, or are damaged".into()
            });
        }
    }

    fn end_one(&mut self, id: u64, why: &'static str) {
        let Some(mut association) = self.associations.remove(&id) else { return };
        self.pairs.remove(&(association.client, association.meant));
        self.kept.take(id);
        let mut lost = association.lost();
        if let Some(socket) = association.answers {
            lost += self.clients.end(socket);
        }
        self.lose(&association.service, lost);
        self.shared.ended(&association.service, DESCRIPTORS);
        if self.shared.journal.is_logging() {
            self.shared.journal.ended(association.connection(self.shared.now(), Some(why)));
        }
    }

    fn say(&mut self, app: &str, matter: Matter, what: impl FnOnce() -> String) {
        if self.said.insert((app.into(), matter)) {
            self.shared.journal.news(format!("app {app} {}", what()));
        }
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        self.end(&Which::All, "stopped");
    }
}

/// How long it takes until silence is looked for again.
fn pause(service: &Service) -> Duration {
    (service.app.timeouts.udp / 8).clamp(OFTEN, SELDOM)
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::super::tests::{Echo, LONG, at, client, listener, nobody, service, shared};
    use super::*;
    use crate::proxy::journal::Notices;

    /// A table whose app is heard on a socket that is bound to no port that clients mean.
    fn table(service: &Arc<Service>) -> (Table, Notices) {
        let (shared, _, news) = shared();
        let mut table = Table::new(&shared, &Arc::new(Poll::new().unwrap()));
        table.serve(service, &[Arc::new(listener("127.0.0.1:0").into())]);
        (table, news)
    }

    /// Hears a client as the kernel's part brings it: on the socket of the app, whomever it meant. Its target answers.
    fn hear(table: &mut Table, client: &UdpSocket, meant: SocketAddr) {
        let client = client.local_addr().unwrap();
        table.begin(1, client, meant, b"hello");
        let id = table.pairs[&(client, meant)];
        while !table.associations[&id].answered {
            step(table);
        }
    }

    /// Does what is to do when something is ready.
    fn step(table: &mut Table) {
        let mut room = Room::new();
        let poll = table.poll.clone();
        for ready in poll.wait(Some(LONG)) {
            match ready {
                Ready::Requests => {}
                Ready::Client(id) => table.hear(id, &mut room),
                Ready::Target(id) => table.answer(id, &mut room),
            }
        }
    }

    fn receive(client: &UdpSocket) -> (Vec<u8>, SocketAddr) {
        let mut buffer = [0; 100];
        let (length, from) = client.recv_from(&mut buffer).unwrap();
        (buffer[..length].to_vec(), from)
    }

    #[test]
    fn answers_come_from_a_port_that_no_app_is_heard_on() {
        let echo = Echo::new("", "127.0.0.1:0");
        let meant = at("127.0.0.2", nobody().port());
        let (mut table, _news) = table(&service(&[echo.address], |_| {}));
        let clients = [client("127.0.0.1:0"), client("127.0.0.1:0")];
        for client in &clients {
            hear(&mut table, client, meant);
            assert_eq!(receive(client), (b"hello".to_vec(), meant));
        }
        // Where the kernel brings datagrams to that socket, they are not lost.
        clients[0].send_to(b"again", meant).unwrap();
        step(&mut table);
        step(&mut table);
        assert_eq!(receive(&clients[0]), (b"again".to_vec(), meant));
        assert_eq!(table.associations.len(), 2);
        // It is open until the last of the two ends.
        let ids: Vec<u64> = table.associations.keys().copied().collect();
        table.end_one(ids[0], "");
        assert!(UdpSocket::bind(meant).is_err());
        table.end_one(ids[1], "");
        UdpSocket::bind(meant).unwrap();
    }

    #[test]
    fn a_socket_for_answers_hears_new_clients_only_of_ports_that_an_app_has() {
        let echo = Echo::new("", "127.0.0.1:0");
        let (of_app, of_none) = (nobody(), nobody());
        let (mut table, _news) = table(&service(&[echo.address], |app| app.ports = vec![Ports::of(of_app.port())]));
        let known = client("127.0.0.1:0");
        for (meant, accepted) in [(of_app, 2), (of_none, 3)] {
            hear(&mut table, &known, meant);
            client("127.0.0.1:0").send_to(b"new", meant).unwrap();
            let bound = table.clients.bound_to(meant, Duration::ZERO).unwrap().unwrap();
            table.hear(bound, &mut Room::new());
            assert_eq!(table.associations.len(), accepted);
        }
    }

    #[test]
    fn that_a_client_cannot_be_answered_is_said_once_and_counted() {
        let echo = Echo::new("", "127.0.0.1:0");
        let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
        let meant = taken.local_addr().unwrap();
        let service = service(&[echo.address], |_| {});
        let (mut table, news) = table(&service);
        for _ in 0..2 {
            hear(&mut table, &client("127.0.0.1:0"), meant);
        }
        assert_eq!(service.counters.dropped.load(Ordering::Relaxed), 2);
        let news: Vec<_> = std::iter::from_fn(|| news.next()).map(|notice| format!("{notice:?}")).collect();
        let said = format!(
            "app web cannot answer from {meant}: Address already in use (os error 98); clients that mean it get no answers"
        );
        assert_eq!(news, [format!("News({said:?})")]);
    }

    #[test]
    fn a_flood_of_a_client_or_of_a_target_leaves_others_their_turn() {
        let target = client("127.0.0.1:0");
        let (mut table, _news) = table(&service(&[target.local_addr().unwrap()], |_| {}));
        let meant = table.clients.get(1).unwrap().local;
        let client = client("127.0.0.1:0");
        for _ in 0..100 {
            client.send_to(b"x", meant).unwrap();
        }
        table.hear(1, &mut Room::new());
        let (_, proxy) = receive(&target);
        for _ in 0..100 {
            target.send_to(b"x", proxy).unwrap();
        }
        table.answer(1, &mut Room::new());
        let moved = &table.connections()[0];
        assert_eq!((moved.bytes_to_target, moved.bytes_to_client), (BATCH as u64, BATCH as u64));
    }

    #[test]
    fn a_port_that_a_socket_to_a_target_got_can_be_answered_from() {
        let echo = Echo::new("", "127.0.0.1:0");
        let (mut table, _news) = table(&service(&[echo.address], |_| {}));
        let (first, second) = (client("127.0.0.1:0"), client("127.0.0.1:0"));
        hear(&mut table, &first, nobody());
        let upstream = table.associations.values().next().unwrap().upstream.as_ref().unwrap();
        let meant = upstream.socket.local_addr().unwrap().as_socket().unwrap();
        hear(&mut table, &second, meant);
        assert_eq!(receive(&second), (b"hello".to_vec(), meant));
        // The socket to the target hears its target only.
        second.send_to(b"more", meant).unwrap();
        step(&mut table);
        step(&mut table);
        assert_eq!(receive(&second), (b"more".to_vec(), meant));
    }

    #[test]
    fn an_association_takes_less_than_a_kilobyte() {
        // What maps hold of it, which may be full by seven sixteenths after they grew, and what it points to.
        let held = size_of::<((SocketAddr, SocketAddr), u64)>() + size_of::<(u64, Association)>() + 2;
        assert!(held * 16 / 7 + 4 * size_of::<u64>() < 1024, "{held}");
    }
}
