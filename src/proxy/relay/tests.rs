//! Real sockets on loopback: clients and targets of the test's own.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use socket2::SockRef;

use super::{Which, Workers};
use crate::proxy::balance::{Pool, Target};
use crate::proxy::config::{App, Replay};
use crate::proxy::service::{Counters, Service, Shared};

/// What has not happened by then does not happen.
const PATIENCE: Duration = Duration::from_secs(10);

/// A proxy with one app.
struct Rig {
    workers: Workers,
    shared: Arc<Shared>,
    service: Arc<Service>,
    address: SocketAddr,
    socket: Arc<OwnedFd>,
}

impl Rig {
    fn new(targets: &[SocketAddr]) -> Self {
        Self::of(targets, |_| {})
    }

    fn of(targets: &[SocketAddr], change: impl FnOnce(&mut App)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let names: Vec<String> = targets.iter().map(ToString::to_string).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut app = App::sample("web", &[address.port()], &names);
        change(&mut app);
        let shared = Arc::new(Shared::sample());
        let workers = Workers::start(2, &shared).unwrap();
        let pool = Arc::new(Pool::sample(targets));
        let service = Arc::new(Service { app, pool, counters: Arc::new(Counters::default()) });
        let socket = Arc::new(OwnedFd::from(listener));
        workers.serve(&service, std::slice::from_ref(&socket));
        Self { workers, shared, service, address, socket }
    }

    fn connect(&self) -> TcpStream {
        let client = TcpStream::connect(self.address).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client.set_write_timeout(Some(PATIENCE)).unwrap();
        client
    }

    /// Waits until no connection is left.
    fn drains(&self) {
        until("no connection", || self.shared.open.present() == 0);
    }
}

fn until(what: &str, mut is: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is() {
        assert!(begin.elapsed() < PATIENCE, "waited for {what}");
        thread::park_timeout(Duration::from_millis(1));
    }
}

/// A server that does something with each of its clients, until it goes out of scope.
struct Server {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn new(serve: impl Fn(TcpStream) + Clone + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = stop.clone();
        let accept = move || {
            while let Ok((client, _)) = listener.accept() {
                if stopping.load(Ordering::Relaxed) {
                    break;
                }
                let serve = serve.clone();
                thread::spawn(move || serve(client));
            }
        };
        Self { address, stop, thread: Some(thread::spawn(accept)) }
    }

    /// Says its name to each client, and closes.
    fn named(name: &'static str) -> Self {
        Self::new(move |mut client| drop(client.write_all(name.as_bytes())))
    }

    /// Sends everything back, and ends behind its client.
    fn echo() -> Self {
        Self::new(|client| {
            let _ = io::copy(&mut &client, &mut &client);
            let _ = client.shutdown(Shutdown::Write);
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        drop(TcpStream::connect(self.address));
        drop(self.thread.take().map(JoinHandle::join));
    }
}

/// An address where nobody listens.
fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Bytes that never repeat soon.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..length).map(next).collect()
}

fn all_of(mut client: &TcpStream) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    client.read_to_end(&mut bytes).map(|_| bytes)
}

fn reset(client: TcpStream) {
    SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
}

#[test]
fn each_target_has_its_turn() {
    let servers = ["one", "two", "three"].map(Server::named);
    let rig = Rig::new(&servers.each_ref().map(|server| server.address));
    let names: Vec<_> = (0..7).map(|_| String::from_utf8(all_of(&rig.connect()).unwrap()).unwrap()).collect();
    assert_eq!(names, ["one", "two", "three", "one", "two", "three", "one"]);
}

#[test]
fn either_side_can_end_first_and_the_other_still_sends() {
    let server = Server::echo();
    let rig = Rig::new(&[server.address]);
    let sent = noise(3 << 20);
    let client = rig.connect();
    thread::scope(|scope| {
        scope.spawn(|| {
            (&client).write_all(&sent).unwrap();
            client.shutdown(Shutdown::Write).unwrap();
        });
        assert!(all_of(&client).unwrap() == sent);
    });
    rig.drains();
    let server = Server::new(|mut client| {
        client.write_all(b"bye").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        // It is told what comes behind its own end.
        let mut rest = String::new();
        client.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "and so on");
    });
    let rig = Rig::new(&[server.address]);
    let client = rig.connect();
    assert_eq!(all_of(&client).unwrap(), b"bye");
    (&client).write_all(b"and so on").unwrap();
    drop(client);
    rig.drains();
}

#[test]
fn bulk_is_spliced_and_small_messages_come_through_before_and_behind_it() {
    let server = Server::echo();
    let rig = Rig::new(&[server.address]);
    let client = rig.connect();
    let bulk = noise(16 << 20);
    for round in 0..2 {
        for small in 0..100_u32 {
            (&client).write_all(&small.to_be_bytes()).unwrap();
            let mut back = [0; 4];
            (&client).read_exact(&mut back).unwrap();
            assert_eq!(u32::from_be_bytes(back), small, "round {round}");
        }
        thread::scope(|scope| {
            scope.spawn(|| (&client).write_all(&bulk).unwrap());
            let mut back = vec![0; bulk.len()];
            (&client).read_exact(&mut back).unwrap();
            assert!(back == bulk, "round {round}");
        });
    }
}

#[test]
fn whoever_does_not_read_stops_whoever_writes_and_loses_nothing() {
    let (sender, sent) = channel();
    let bytes = Arc::new(noise(64 << 20));
    let all = bytes.clone();
    let server = Server::new(move |mut client| {
        let mut written = 0;
        client.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
        while written < all.len() {
            match client.write(&all[written..]) {
                Ok(count) => written += count,
                // Nobody has taken anything for a while.
                Err(error) if error.kind() == ErrorKind::WouldBlock => sender.send(written).unwrap(),
                Err(error) => panic!("{error}"),
            }
        }
        sender.send(written).unwrap();
    });
    let rig = Rig::new(&[server.address]);
    let client = rig.connect();
    let stalled: usize = sent.recv_timeout(PATIENCE).unwrap();
    assert!(stalled < bytes.len(), "the kernel's buffers cannot take {} bytes", bytes.len());
    assert!(all_of(&client).unwrap() == *bytes);
}

#[test]
fn a_target_that_refuses_or_resets_is_not_noticed_while_another_one_serves() {
    let server = Server::named("served");
    let resets = Server::new(reset);
    let rig = Rig::new(&[nobody(), resets.address, server.address]);
    for _ in 0..10 {
        assert_eq!(all_of(&rig.connect()).unwrap(), b"served");
    }
    rig.drains();
    assert!(rig.service.counters.retried.load(Ordering::Relaxed) >= 10);
    assert_eq!(rig.service.counters.failed.load(Ordering::Relaxed), 0);
}

#[test]
fn threads_share_the_connections() {
    let server = Server::echo();
    let rig = Rig::new(&[server.address]);
    let clients: Vec<_> = (0..32).map(|_| rig.connect()).collect();
    until("all of them", || rig.shared.open.present() == clients.len());
    let loads = rig.workers.crew.loads();
    assert!(loads.iter().sum::<usize>() == clients.len() && loads.iter().all(|load| *load >= 13), "{loads:?}");
    for mut client in &clients {
        client.write_all(b"x").unwrap();
        client.read_exact(&mut [0]).unwrap();
    }
    drop(clients);
    rig.drains();
    assert_eq!(rig.workers.crew.loads(), [0, 0]);
}

#[test]
fn clients_are_reset_when_no_target_is_left() {
    let rig = Rig::new(&[nobody(), nobody()]);
    // Maybe before it is seen that they were connected.
    let answer = TcpStream::connect(rig.address).and_then(|client| all_of(&client));
    assert_eq!(answer.unwrap_err().kind(), ErrorKind::ConnectionReset);
    rig.drains();
    assert_eq!(rig.service.counters.failed.load(Ordering::Relaxed), 1);
}

#[test]
fn a_reset_behind_some_bytes_reaches_the_client_behind_these_bytes() {
    let server = Server::new(|mut client| {
        client.write_all(b"ten bytes!").unwrap();
        // They are taken before the reset comes.
        let _ = client.read(&mut [0]);
        reset(client);
    });
    let rig = Rig::new(&[server.address]);
    let mut client = rig.connect();
    let mut bytes = [0; 10];
    client.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"ten bytes!");
    client.write_all(b"x").unwrap();
    assert_eq!(client.read(&mut bytes).unwrap_err().kind(), ErrorKind::ConnectionReset);
    rig.drains();
}

#[test]
fn bytes_are_not_lost_when_a_reset_comes_with_them() {
    let server = Server::new(|mut client| {
        let _ = client.read(&mut [0]);
        client.write_all(b"ten bytes!").unwrap();
        reset(client);
    });
    let rig = Rig::new(&[server.address]);
    for _ in 0..200 {
        let mut client = rig.connect();
        client.write_all(b"x").unwrap();
        let mut bytes = [0; 10];
        client.read_exact(&mut bytes).unwrap();
        assert_eq!(client.read(&mut bytes).unwrap_err().kind(), ErrorKind::ConnectionReset);
    }
}

#[test]
fn a_client_that_resets_resets_its_target() {
    let (sender, ends) = channel();
    let server = Server::new(move |mut client| {
        client.write_all(b"x").unwrap();
        sender.send(client.read(&mut [0]).map_err(|error| error.kind())).unwrap();
    });
    let rig = Rig::new(&[server.address]);
    let mut client = rig.connect();
    client.read_exact(&mut [0]).unwrap();
    reset(client);
    assert_eq!(ends.recv_timeout(PATIENCE).unwrap(), Err(ErrorKind::ConnectionReset));
    rig.drains();
}

/// A server that takes the requests of its first two clients and does not answer, then answers everybody.
fn forgetful(end: fn(TcpStream)) -> (Server, Receiver<()>) {
    let (sender, requests) = channel();
    let forgotten = Arc::new(AtomicUsize::new(2));
    let server = Server::new(move |mut client| {
        let mut request = [0; 7];
        client.read_exact(&mut request).unwrap();
        assert_eq!(&request, b"request");
        sender.send(()).unwrap();
        if forgotten.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
            end(client);
        } else {
            client.write_all(b"answer").unwrap();
        }
    });
    (server, requests)
}

#[test]
fn what_a_target_took_and_did_not_answer_is_sent_once_more_only_where_it_may_be() {
    let half = |client: TcpStream| {
        let _ = client.shutdown(Shutdown::Write);
        // Until the other end is closed, too.
        let _ = (&client).read(&mut [0]);
    };
    for (replay, end, expected) in [
        (Replay::Never, reset as fn(TcpStream), Err(ErrorKind::ConnectionReset)),
        (Replay::Never, drop, Ok(&b""[..])),
        (Replay::Reset, reset, Ok(b"answer")),
        (Replay::Reset, drop, Ok(b"")),
        (Replay::Unanswered, reset, Ok(b"answer")),
        (Replay::Unanswered, drop, Ok(b"answer")),
        (Replay::Unanswered, half, Ok(b"answer")),
    ] {
        let (server, requests) = forgetful(end);
        // Each target is tried once.
        let rig = Rig::of(&[server.address; 3], |app| app.replay = replay);
        let mut client = rig.connect();
        client.write_all(b"request").unwrap();
        let answer = all_of(&client).map_err(|error| error.kind());
        assert_eq!(answer.as_deref(), expected.as_ref().map(|bytes| *bytes), "{replay:?}");
        drop(client);
        rig.drains();
        drop(rig);
        drop(server);
        let times = if expected == Ok(b"answer") { 3 } else { 1 };
        assert_eq!(requests.iter().count(), times, "{replay:?}");
    }
}

#[test]
fn a_target_that_ends_what_it_was_not_asked_on_is_no_end_for_the_client_where_another_one_may_answer() {
    let hasty = Server::new(drop);
    let patient = Server::echo();
    let other = Server::named("answer");
    for (replay, first, is_over, expected) in [
        (Replay::Reset, hasty.address, false, &b""[..]),
        (Replay::Unanswered, hasty.address, false, b"answer"),
        // Nothing will be asked any more.
        (Replay::Unanswered, patient.address, true, b""),
    ] {
        let rig = Rig::of(&[first, other.address], |app| app.replay = replay);
        let client = rig.connect();
        if is_over {
            client.shutdown(Shutdown::Write).unwrap();
        }
        assert_eq!(all_of(&client).unwrap(), expected, "{replay:?}");
        drop(client);
        rig.drains();
        let states = rig.service.pool.states(Duration::ZERO);
        let failed = states.iter().filter_map(|state| state.target.as_ref()).map(|target| target.failed());
        assert_eq!(failed.sum::<u64>(), 0, "{replay:?}");
    }
}

#[test]
fn silent_connections_end_sooner_when_one_side_has_ended() {
    let silent = Server::new(|mut client| {
        let mut rest = Vec::new();
        let _ = client.read_to_end(&mut rest);
        // Until it is closed.
        let _ = client.set_read_timeout(Some(PATIENCE));
        while client.take_error().unwrap().is_none() {
            thread::park_timeout(Duration::from_millis(5));
        }
    });
    let rig = Rig::of(&[silent.address], |app| {
        app.timeouts.linger = Duration::from_millis(40);
        app.timeouts.idle = Duration::from_millis(400);
    });
    let (half, whole) = (rig.connect(), rig.connect());
    until("two connections", || rig.shared.open.present() == 2);
    half.shutdown(Shutdown::Write).unwrap();
    until("the end of one", || rig.shared.open.present() == 1);
    assert_eq!(rig.workers.connections()[0].client, whole.local_addr().unwrap());
    assert_eq!(all_of(&half).unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(all_of(&whole).unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[test]
fn further_clients_wait_until_one_has_left() {
    let server = Server::echo();
    let rig = Rig::of(&[server.address], |app| app.connections = Some(1));
    let mut clients = [rig.connect(), rig.connect()];
    let is_served = |mut client: &TcpStream| {
        client.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        client.write_all(b"x").and_then(|()| client.read_exact(&mut [0])).is_ok()
    };
    let served = clients.each_ref().map(is_served);
    assert_eq!(served.iter().filter(|served| **served).count(), 1);
    clients.sort_by_key(|client| !is_served(client));
    let [first, second] = clients;
    let limited = || rig.service.counters.limited.load(Ordering::Relaxed);
    until("the second to wait", || limited() == 1);
    drop(first);
    until("the second", || is_served(&second));
    assert_eq!(limited(), 1, "it is counted once, and with it alone nobody waits");
}

#[test]
fn a_listener_that_is_left_is_closed_when_that_has_been_waited_for() {
    for _ in 0..100 {
        let rig = Rig::new(&[]);
        rig.workers.forget("web");
        rig.workers.settle();
        assert_eq!(Arc::strong_count(&rig.socket), 1);
    }
}

#[test]
fn who_waits_at_a_listener_that_is_left_is_still_served() {
    let server = Server::echo();
    let rig = Rig::new(&[server.address]);
    let before = rig.connect();
    // Twice makes no difference.
    rig.workers.forget("web");
    rig.workers.forget("web");
    (&before).write_all(b"x").unwrap();
    (&before).read_exact(&mut [0]).unwrap();
    until("the workers to leave", || Arc::strong_count(&rig.socket) == 1);
    // Nobody accepts it any more.
    let behind = rig.connect();
    behind.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    (&behind).write_all(b"x").unwrap();
    assert_eq!((&behind).read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
    rig.workers.serve(&rig.service, std::slice::from_ref(&rig.socket));
    behind.set_read_timeout(Some(PATIENCE)).unwrap();
    (&behind).read_exact(&mut [0]).unwrap();
}

#[test]
fn connections_are_told_and_those_to_a_target_can_be_ended() {
    let servers = [Server::echo(), Server::echo()];
    let rig = Rig::new(&servers.each_ref().map(|server| server.address));
    let clients = [rig.connect(), rig.connect()];
    for mut client in &clients {
        client.write_all(b"hello").unwrap();
        client.read_exact(&mut [0; 5]).unwrap();
    }
    let told = rig.workers.connections();
    let of = |client: &TcpStream| told.iter().find(|row| row.client == client.local_addr().unwrap()).unwrap();
    let first = of(&clients[0]);
    assert_eq!((first.meant, first.target_address), (rig.address, Some(servers[0].address)));
    assert_eq!((first.bytes_to_target, first.bytes_to_client, first.tries, first.state), (5, 5, 1, "open"));
    let target: &Arc<Target> = first.target.as_ref().unwrap();
    rig.workers.end(&Which::Target(target.id()), "drained");
    assert_eq!(all_of(&clients[0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    (&clients[1]).write_all(b"x").unwrap();
    (&clients[1]).read_exact(&mut [0]).unwrap();
    assert_eq!(rig.workers.connections().len(), 1);
}

#[test]
fn targets_are_told_the_client_before_anything_else() {
    let server = Server::echo();
    let rig = Rig::of(&[nobody(), server.address], |app| app.proxy_protocol = true);
    let client = rig.connect();
    (&client).write_all(b"hello").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let header = super::header::proxy_header(client.local_addr().unwrap(), rig.address);
    assert_eq!(all_of(&client).unwrap(), [&header[..], b"hello"].concat());
}
