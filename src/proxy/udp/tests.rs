use std::cell::Cell;
use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::socket::{setsockopt, sockopt};
use rustix::process::{Resource, getrlimit, setrlimit};
use serde_json::{Value, json};
use socket2::SockRef;
use tempfile::TempDir;

use super::{Datagrams, Table};
use crate::proxy::balance::{Pool, Target};
use crate::proxy::config::App;
use crate::proxy::journal::{Journal, Notices};
use crate::proxy::record::Connection;
use crate::proxy::relay::Which;
use crate::proxy::service::{Counters, Service, Shared};

/// Longer than anything here takes.
pub(super) const LONG: Duration = Duration::from_secs(5);

/// Answers each datagram with its name before it.
pub(super) struct Echo {
    pub(super) address: SocketAddr,
    thread: Option<JoinHandle<()>>,
}

impl Echo {
    pub(super) fn new(name: &'static str, address: &str) -> Self {
        let socket = UdpSocket::bind(address).unwrap();
        let address = socket.local_addr().unwrap();
        let thread = thread::spawn(move || {
            let mut buffer = vec![0; 65_535];
            loop {
                let (length, from) = socket.recv_from(&mut buffer).unwrap();
                if &buffer[..length] == b"end" {
                    return;
                }
                let answer = [name.as_bytes(), &buffer[..length]].concat();
                socket.send_to(&answer, from).unwrap();
            }
        });
        Self { address, thread: Some(thread) }
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        client(if self.address.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" }).send_to(b"end", self.address).unwrap();
        self.thread.take().unwrap().join().unwrap();
    }
}

/// A proxy with one app.
struct Stage {
    shared: Arc<Shared>,
    service: Arc<Service>,
    sockets: Vec<Arc<OwnedFd>>,
    ports: Vec<u16>,
    datagrams: Datagrams,
    log: Logged,
    news: Notices,
}

impl Stage {
    /// Sockets that are bound to these, and targets; `change` is made to the app.
    fn new(bound: &[&str], targets: &[SocketAddr], change: impl FnOnce(&mut App)) -> Self {
        let (shared, log, news) = shared();
        let sockets: Vec<_> = bound.iter().map(|bound| listener(bound)).collect();
        let ports = sockets.iter().map(|socket| socket.local_addr().unwrap().port()).collect();
        let sockets = sockets.into_iter().map(|socket| Arc::new(OwnedFd::from(socket))).collect();
        let service = service(targets, change);
        let datagrams = Datagrams::start(&shared).unwrap();
        let stage = Self { shared, service, sockets, ports, datagrams, log, news };
        stage.datagrams.serve(&stage.service, &stage.sockets);
        stage
    }

    fn connections(&self) -> Vec<Connection> {
        self.datagrams.connections()
    }

    /// Waits for the end of an association, and gives what the log says of it.
    fn ended(&self) -> Value {
        let begin = Instant::now();
        loop {
            let lines = self.log.lines();
            if let Some(line) = lines.get(self.log.seen.get()) {
                self.log.seen.set(self.log.seen.get() + 1);
                return serde_json::from_str(line).unwrap();
            }
            assert!(begin.elapsed() < LONG, "an association should end");
            thread::park_timeout(Duration::from_millis(1));
        }
    }

    /// Holds the thread up until what this gives is dropped.
    fn hold(&self) -> Sender<()> {
        let (is_held, held) = channel::<()>();
        let (until, end) = channel();
        self.later(move |_| {
            drop(is_held);
            let _ = end.recv();
        });
        assert!(held.recv().is_err());
        until
    }

    /// Has the thread do something, and does not wait for it.
    fn later(&self, work: impl FnOnce(&mut Table) + Send + 'static) {
        self.datagrams.requests.as_ref().unwrap().send(Box::new(work));
    }

    /// How many answers a client gets, and how many datagrams are dropped, when these are so many together.
    fn answered_and_dropped(&self, client: &UdpSocket, all: u64) -> (u64, u64) {
        let begin = Instant::now();
        client.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        let mut answered = 0;
        loop {
            answered += client.recv(&mut [0; 16]).map_or(0, |_| 1);
            let dropped = self.count(|it| &it.dropped);
            if answered + dropped >= all {
                return (answered, dropped);
            }
            assert!(begin.elapsed() < LONG, "{answered} answered and {dropped} dropped of {all}");
        }
    }

    fn news(&self) -> Vec<String> {
        std::iter::from_fn(|| self.news.next()).map(|notice| format!("{notice:?}")).collect()
    }

    fn count(&self, counter: impl Fn(&Counters) -> &AtomicU64) -> u64 {
        counter(&self.service.counters).load(Ordering::Relaxed)
    }
}

/// The log of a proxy.
pub(super) struct Logged {
    folder: TempDir,
    /// Lines that were read.
    seen: Cell<usize>,
}

impl Logged {
    fn path(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn lines(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.path()).unwrap();
        text.split_inclusive('\n').filter(|line| line.ends_with('\n')).map(str::to_owned).collect()
    }
}

/// What workers share, what they log, and what they tell.
pub(super) fn shared() -> (Arc<Shared>, Logged, Notices) {
    let log = Logged { folder: tempfile::tempdir().unwrap(), seen: Cell::new(0) };
    let (journal, news) = Journal::new(Some(&log.path())).unwrap();
    (Arc::new(Shared { journal, ..Shared::sample() }), log, news)
}

pub(super) fn service(targets: &[SocketAddr], change: impl FnOnce(&mut App)) -> Arc<Service> {
    let target = |(id, at): (usize, &SocketAddr)| Arc::new(Target::new(id as u64, "t", at.ip(), Some(at.port())));
    let mut app = App::sample("web", &[1], &[]);
    change(&mut app);
    let pool = Arc::new(Pool::new(targets.iter().enumerate().map(target).collect()));
    Arc::new(Service { app, pool, counters: Arc::default() })
}

/// A socket as a dispatcher makes it.
pub(super) fn listener(bound: &str) -> UdpSocket {
    let socket = UdpSocket::bind(bound).unwrap();
    setsockopt(&socket.as_fd(), sockopt::Ipv4OrigDstAddr, &true).unwrap();
    if bound.starts_with('[') {
        setsockopt(&socket.as_fd(), sockopt::Ipv6OrigDstAddr, &true).unwrap();
    }
    socket
}

pub(super) fn client(bound: &str) -> UdpSocket {
    let socket = UdpSocket::bind(bound).unwrap();
    socket.set_read_timeout(Some(LONG)).unwrap();
    socket
}

/// Waits for a datagram: what it says, and from whom.
fn next(client: &UdpSocket) -> (String, SocketAddr) {
    let mut buffer = [0; 1024];
    let (length, from) = client.recv_from(&mut buffer).unwrap();
    (String::from_utf8(buffer[..length].to_vec()).unwrap(), from)
}

fn talk(client: &UdpSocket, text: &str, to: SocketAddr) -> String {
    client.send_to(text.as_bytes(), to).unwrap();
    let (answer, from) = next(client);
    assert_eq!(from, to, "the answer comes from whom the client meant");
    answer
}

/// Sends more than a buffer has room for.
fn burst(socket: &UdpSocket, to: SocketAddr) {
    for _ in 0..1000 {
        socket.send_to(b"x", to).unwrap();
    }
}

/// Where nobody listens.
pub(super) fn nobody() -> SocketAddr {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

pub(super) fn at(host: &str, port: u16) -> SocketAddr {
    format!("{host}:{port}").parse().unwrap()
}

#[test]
fn clients_are_answered_from_the_address_and_port_that_they_meant() {
    let echo = Echo::new("a ", "127.0.0.1:0");
    let stage = Stage::new(&["0.0.0.0:0", "127.0.0.4:0"], &[echo.address], |_| {});
    let clients = [client("127.0.0.1:0"), client("127.0.0.1:0")];
    for (at_client, client) in clients.iter().enumerate() {
        let meant = [at("127.0.0.2", stage.ports[0]), at("127.0.0.3", stage.ports[0]), at("127.0.0.4", stage.ports[1])];
        for (at_meant, meant) in meant.into_iter().enumerate() {
            for _ in 0..2 {
                let text = format!("{at_client}{at_meant}");
                assert_eq!(talk(client, &text, meant), format!("a {text}"));
            }
        }
    }
    let mut connections = stage.connections();
    connections.sort_by_key(|it| (it.client.port() != clients[0].local_addr().unwrap().port(), it.meant));
    assert_eq!(connections.len(), 6);
    let first = &connections[0];
    assert_eq!((first.client, first.meant), (clients[0].local_addr().unwrap(), connections[3].meant));
    assert_eq!((&*first.app, first.protocol, first.state, first.end), ("web", "udp", "open", None));
    assert_eq!((first.target_address, first.tries), (Some(echo.address), 1));
    assert_eq!((first.bytes_to_target, first.bytes_to_client), (4, 8));
    assert_eq!((stage.count(|it| &it.accepted), stage.count(|it| &it.dropped)), (6, 0));
}

#[test]
fn clients_of_ipv6_and_of_ipv4_reach_one_socket() {
    let echo = Echo::new("six ", "[::1]:0");
    let stage = Stage::new(&["[::]:0"], &[echo.address], |_| {});
    let (v6, v4) = (client("[::1]:0"), client("127.0.0.1:0"));
    assert_eq!(talk(&v6, "a", at("[::1]", stage.ports[0])), "six a");
    assert_eq!(talk(&v4, "b", at("127.0.0.2", stage.ports[0])), "six b");
    let mut seen: Vec<_> = stage.connections().iter().map(|it| (it.client, it.meant)).collect();
    seen.sort();
    let expected = [
        (v4.local_addr().unwrap(), at("127.0.0.2", stage.ports[0])),
        (v6.local_addr().unwrap(), at("[::1]", stage.ports[0])),
    ];
    assert_eq!(seen, expected);
}

#[test]
fn each_association_gets_the_next_target_and_keeps_it() {
    let echoes = ["a", "b", "c"].map(|name| Echo::new(name, "127.0.0.1:0"));
    let stage = Stage::new(&["127.0.0.1:0"], &echoes.each_ref().map(|echo| echo.address), |_| {});
    let clients = [(); 6].map(|()| client("127.0.0.1:0"));
    for _ in 0..2 {
        let answers = clients.each_ref().map(|client| talk(client, "", at("127.0.0.1", stage.ports[0])));
        assert_eq!(answers, ["a", "b", "c", "a", "b", "c"]);
    }
}

#[test]
fn empty_datagrams_and_the_largest_arrive() {
    let echo = Echo::new("", "127.0.0.1:0");
    let stage = Stage::new(&["127.0.0.1:0"], &[echo.address], |_| {});
    let (client, meant) = (client("127.0.0.1:0"), at("127.0.0.1", stage.ports[0]));
    assert_eq!(talk(&client, "", meant), "");
    let large: Vec<u8> = (0..65_507_u32).map(|at| (at % 251) as u8).collect();
    client.send_to(&large, meant).unwrap();
    let mut buffer = vec![0; 65_535];
    let (length, _) = client.recv_from(&mut buffer).unwrap();
    assert_eq!(buffer[..length], large);
}

#[test]
fn a_datagram_that_a_target_refuses_goes_to_the_next() {
    let echo = Echo::new("b ", "127.0.0.1:0");
    let stage = Stage::new(&["127.0.0.1:0"], &[nobody(), echo.address], |_| {});
    assert_eq!(talk(&client("127.0.0.1:0"), "x", at("127.0.0.1", stage.ports[0])), "b x");
    let connections = stage.connections();
    assert_eq!((connections[0].tries, connections[0].target_address), (2, Some(echo.address)));
    assert_eq!((stage.count(|it| &it.retried), stage.count(|it| &it.failed)), (1, 0));
}

#[test]
fn an_association_that_all_targets_refuse_ends() {
    let stage = Stage::new(&["127.0.0.1:0"], &[nobody(), nobody()], |_| {});
    client("127.0.0.1:0").send_to(b"x", at("127.0.0.1", stage.ports[0])).unwrap();
    let ended = stage.ended();
    assert_eq!((&ended["end"], &ended["state"], &ended["tries"]), (&json!("refused"), &json!("ended"), &json!(2)));
    assert_eq!((stage.count(|it| &it.accepted), stage.count(|it| &it.failed)), (1, 1));
    assert_eq!(stage.shared.open.present(), 0);
}

#[test]
fn a_client_whose_target_went_away_gets_another() {
    let (a, b) = (Echo::new("a", "127.0.0.1:0"), Echo::new("b", "127.0.0.1:0"));
    let stage = Stage::new(&["127.0.0.1:0"], &[a.address, b.address], |_| {});
    let (client, meant) = (client("127.0.0.1:0"), at("127.0.0.1", stage.ports[0]));
    assert_eq!(talk(&client, "", meant), "a");
    drop(a);
    client.send_to(b"lost", meant).unwrap();
    assert_eq!(stage.ended()["end"], "refused");
    assert_eq!(talk(&client, "", meant), "b");
}

#[test]
fn an_association_ends_after_its_time_of_silence() {
    let echo = Echo::new("", "127.0.0.1:0");
    let stage = Stage::new(&["127.0.0.1:0"], &[echo.address], |app| {
        app.timeouts.udp = Duration::from_millis(80);
    });
    talk(&client("127.0.0.1:0"), "hello", at("127.0.0.1", stage.ports[0]));
    let ended = stage.ended();
    let moved = (&ended["end"], &ended["bytes_to_target"], &ended["bytes_to_client"]);
    assert_eq!(moved, (&json!("idle"), &json!(5), &json!(5)));
    assert!((0.08..1.0).contains(&ended["duration"].as_f64().unwrap()), "{ended}");
    assert_eq!(stage.connections().len(), 0);
    assert_eq!(open_towards(echo.address), 0);
}

#[test]
fn associations_with_one_target_are_ended() {
    let echoes = ["a", "b"].map(|name| Echo::new(name, "127.0.0.1:0"));
    let stage = Stage::new(&["127.0.0.1:0"], &echoes.each_ref().map(|echo| echo.address), |_| {});
    let clients = [(); 4].map(|()| client("127.0.0.1:0"));
    for client in &clients {
        talk(client, "", at("127.0.0.1", stage.ports[0]));
    }
    stage.datagrams.end(&Which::Target(1), "drained");
    assert_eq!(stage.ended()["end"], "drained");
    let targets: Vec<_> = stage.connections().iter().map(|it| it.target.as_ref().unwrap().id()).collect();
    assert_eq!(targets, [0, 0]);
    assert_eq!(stage.service.pool.candidates(Duration::ZERO).iter().map(|it| it.open()).collect::<Vec<_>>(), [2, 0]);
}

#[test]
fn clients_beyond_the_limit_are_dropped_which_is_said_once() {
    let echo = Echo::new("", "127.0.0.1:0");
    let stage = Stage::new(&["127.0.0.1:0"], &[echo.address], |app| app.connections = Some(1));
    let meant = at("127.0.0.1", stage.ports[0]);
    let (first, second) = (client("127.0.0.1:0"), client("127.0.0.1:0"));
    talk(&first, "in", meant);
    for _ in 0..2 {
        second.send_to(b"out", meant).unwrap();
    }
    // Datagrams to one socket are taken in their order.
    talk(&first, "in", meant);
    assert_eq!(stage.count(|it| &it.limited), 2);
    let said =
        "app web has as many connections and associations as there may be; datagrams of further clients are dropped";
    assert_eq!(stage.news(), [format!("News({said:?})")]);
    stage.datagrams.end(&Which::All, "stopped");
    assert_eq!(talk(&second, "now", meant), "now");
}

const LOSES: &str = r#"News("app web loses datagrams: they come faster than they can be passed on, or are damaged")"#;

#[test]
fn what_clients_sent_and_nobody_could_read_is_counted_once() {
    let echo = Echo::new("", "127.0.0.1:0");
    let stage = Stage::new(&["127.0.0.1:0"], &[echo.address], |app| app.timeouts.udp = Duration::from_secs(2));
    // Less than the others have: whatever it takes they do.
    SockRef::from(&stage.sockets[0]).set_recv_buffer_size(1 << 15).unwrap();
    let (client, meant) = (client("127.0.0.1:0"), at("127.0.0.1", stage.ports[0]));
    let mut dropped = 0;
    for round in 1..=2 {
        let held = stage.hold();
        burst(&client, meant);
        drop(held);
        let (answered, all_dropped) = stage.answered_and_dropped(&client, 1000 + dropped);
        assert_eq!(answered + all_dropped, 1000 + dropped);
        assert!(answered > 0 && all_dropped > dropped, "{answered} answered, {dropped}, then {all_dropped} dropped");
        dropped = all_dropped;
        // An app that is configured anew has the same socket, also if nobody answers through it.
        stage.datagrams.end(&Which::All, "stopped");
        stage.datagrams.serve(&stage.service, &stage.sockets);
        assert_eq!(stage.news(), [LOSES], "in round {round}");
    }
    stage.datagrams.forget("web");
    assert_eq!(stage.count(|it| &it.dropped), dropped);
}

#[test]
fn what_a_target_sent_and_nobody_could_read_is_counted_also_when_it_ends() {
    let target = client("127.0.0.1:0");
    let stage = Stage::new(&["127.0.0.1:0"], &[target.local_addr().unwrap()], |_| {});
    let client = client("127.0.0.1:0");
    client.send_to(b"?", at("127.0.0.1", stage.ports[0])).unwrap();
    let (_, proxy) = next(&target);
    for _ in 0..2 {
        let before = stage.count(|it| &it.dropped);
        let held = stage.hold();
        burst(&target, proxy);
        drop(held);
        let (answered, dropped) = stage.answered_and_dropped(&client, 1000 + before);
        assert_eq!(answered + dropped, 1000 + before);
        assert!(answered > 0 && dropped > before, "{answered} answered, {before}, then {dropped} dropped");
    }
    assert_eq!(stage.news(), [LOSES]);
    // Nobody looks before the end.
    let (before, held) = (stage.count(|it| &it.dropped), stage.hold());
    burst(&target, proxy);
    stage.later(|table| table.end(&Which::All, "stopped"));
    drop(held);
    assert_eq!(stage.connections().len(), 0);
    assert!(stage.count(|it| &it.dropped) > before);
}

#[test]
fn associations_go_on_when_their_app_is_configured_anew_or_is_no_more() {
    let (old, new) = (Echo::new("old", "127.0.0.1:0"), Echo::new("new", "127.0.0.1:0"));
    let stage = Stage::new(&["127.0.0.1:0"], &[old.address], |_| {});
    let meant = at("127.0.0.1", stage.ports[0]);
    let (before, after) = (client("127.0.0.1:0"), client("127.0.0.1:0"));
    assert_eq!(talk(&before, "", meant), "old");
    stage.datagrams.serve(&service(&[new.address], |_| {}), &stage.sockets);
    assert_eq!(talk(&after, "", meant), "new");
    stage.datagrams.forget("web");
    let late = client("127.0.0.1:0");
    late.send_to(b"nobody takes it", meant).unwrap();
    assert_eq!((talk(&before, "", meant), talk(&after, "", meant)), ("old".into(), "new".into()));
    assert_eq!(stage.connections().len(), 2);
    assert_eq!(Arc::strong_count(&stage.sockets[0]), 2, "the socket is heard while somebody answers through it");
    stage.datagrams.end(&Which::All, "stopped");
    assert_eq!(Arc::strong_count(&stage.sockets[0]), 1);
}

#[test]
fn ten_thousand_associations_live_beside_each_other_and_leave_nothing() {
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(u64::MAX).min(1 << 16);
    if limit.current.is_some_and(|current| current < most) {
        setrlimit(Resource::Nofile, rustix::process::Rlimit { current: Some(most), ..limit }).unwrap();
    }
    let echo = Echo::new("", "127.0.0.1:0");
    let stage = Stage::new(&["0.0.0.0:0"], &[echo.address], |_| {});
    let clients: Vec<_> = (0..100).map(|_| client("127.0.0.1:0")).collect();
    for client in &clients {
        let mut expected = BTreeMap::new();
        for host in 1..=100 {
            let meant = at(&format!("127.0.0.{host}"), stage.ports[0]);
            client.send_to(host.to_string().as_bytes(), meant).unwrap();
            expected.insert(meant, host.to_string());
        }
        let answers: BTreeMap<_, _> = (0..100).map(|_| next(client)).map(|(text, from)| (from, text)).collect();
        assert_eq!(answers, expected);
    }
    assert_eq!((stage.connections().len(), open_towards(echo.address)), (10_000, 10_000));
    let Stage { datagrams, sockets, shared, log, service, .. } = stage;
    drop((datagrams, service));
    assert_eq!((open_towards(echo.address), Arc::strong_count(&sockets[0])), (0, 1));
    assert_eq!(shared.open.present(), 0);
    // Everything is written when nobody can tell more.
    drop(shared);
    assert_eq!(log.lines().len(), 10_000);
}

/// Sockets that are connected to an address of IPv4.
fn open_towards(address: SocketAddr) -> usize {
    let peer = format!("0100007F:{:04X}", address.port());
    let sockets = std::fs::read_to_string("/proc/self/net/udp").unwrap();
    sockets.lines().filter(|line| line.split_whitespace().nth(2) == Some(&peer)).count()
}
