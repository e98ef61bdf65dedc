//! Checks of listeners on this host, and lookups that answer as they are told.

use std::io::Read as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::*;
use crate::proxy::balance::Tell;
use crate::proxy::config::{App, Check};

/// How long anything is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// A pool, and the changes that it tells.
fn pool(app: &App) -> (Arc<Pool>, Receiver<String>) {
    let (sender, receiver) = mpsc::channel();
    let tell = Tell::new(move |change| drop(sender.send(change.to_string())));
    (Arc::new(Pool::of(app, tell, Duration::ZERO)), receiver)
}

/// An app with checks that come quickly.
fn app(targets: &[SocketAddr]) -> App {
    let names: Vec<String> = targets.iter().map(ToString::to_string).collect();
    let mut app = App::sample("x", &[80], &names.iter().map(String::as_str).collect::<Vec<_>>());
    let interval = Duration::from_millis(20);
    app.check = Some(Check { interval, timeout: PATIENCE, rise: 1, fall: 1, jitter: 50, port: None });
    app
}

fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    socket2::SockRef::from(&listener).set_read_timeout(Some(PATIENCE)).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// A listener that is not reached: its queue is full.
fn silent() -> (socket2::Socket, TcpStream, SocketAddr) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let queued = TcpStream::connect(address).unwrap();
    (socket, queued, address)
}

fn states(pool: &Pool) -> String {
    pool.states(Duration::ZERO).iter().map(|status| status.state.name()).collect::<Vec<_>>().join(" ")
}

/// Waits until the targets of a pool are so.
fn await_states(pool: &Pool, expected: &str) {
    let begin = Instant::now();
    while states(pool) != expected {
        assert!(begin.elapsed() < PATIENCE, "{} instead of {expected}", states(pool));
        thread::yield_now();
    }
}

/// A control whose lookups end as the function says, which is told how many there were before, and when to stop.
fn control(lookup: impl Fn(&str, usize, BorrowedFd<'_>) -> Found + Send + Sync + 'static) -> Control {
    let stop = Bell::new().unwrap();
    let (cancel, count) = (stop.clone(), AtomicUsize::new(0));
    let lookup = move |name: &str| lookup(name, count.fetch_add(1, Ordering::Relaxed), cancel.as_fd());
    Control::with(Instant::now(), stop, Arc::new(lookup)).unwrap()
}

#[test]
fn targets_are_up_while_somebody_listens() {
    // No connection begins at this address, so that nobody else takes the port.
    let [there, gone] = [(); 2].map(|()| TcpListener::bind("127.0.7.1:0").unwrap());
    let [first, second] = [&there, &gone].map(|listener| listener.local_addr().unwrap());
    drop(gone);
    let (pool, told) = pool(&app(&[first, second]));
    let control = Control::start(Instant::now()).unwrap();
    control.watch(vec![pool.clone()]);
    let refused = format!("target {second} of app x is down: connection refused");
    assert_eq!(told.recv_timeout(PATIENCE), Ok(refused));
    await_states(&pool, "up down");
    let back = TcpListener::bind(second).unwrap();
    assert_eq!(told.recv_timeout(PATIENCE), Ok(format!("target {second} of app x is up again")));
    drop(there);
    assert_eq!(told.recv_timeout(PATIENCE), Ok(format!("target {first} of app x is down: connection refused")));
    drop(back);
}

#[test]
fn a_check_says_nothing_and_ends_in_order() {
    let (listener, address) = listener();
    let (pool, _told) = pool(&app(&[address]));
    let control = Control::start(Instant::now()).unwrap();
    control.watch(vec![pool]);
    let mut bytes = Vec::new();
    for _ in 0..3 {
        listener.accept().unwrap().0.read_to_end(&mut bytes).unwrap();
    }
    assert!(bytes.is_empty(), "{bytes:?}");
}

#[test]
fn who_does_not_answer_is_down() {
    let (_socket, _queued, address) = silent();
    let mut app = app(&[address]);
    app.check = app.check.map(|check| Check { timeout: check.interval, ..check });
    let (pool, told) = pool(&app);
    let control = Control::start(Instant::now()).unwrap();
    control.watch(vec![pool]);
    assert_eq!(told.recv_timeout(PATIENCE), Ok(format!("target {address} of app x is down: no answer in time")));
}

#[test]
fn only_what_is_watched_is_checked() {
    let (one, first) = listener();
    let (two, second) = listener();
    let control = Control::start(Instant::now()).unwrap();
    let (before, _told) = pool(&app(&[first]));
    control.watch(vec![before.clone()]);
    one.accept().unwrap();
    // After a reload the pool has another target, and checks begin at once.
    before.reload(&app(&[second]), Duration::ZERO);
    control.watch(vec![before.clone()]);
    two.accept().unwrap();
    await_states(&before, "up");
    one.set_nonblocking(true).unwrap();
    while one.accept().is_ok() {}
    for _ in 0..5 {
        two.accept().unwrap();
    }
    assert!(one.accept().is_err());
}

#[test]
fn names_are_resolved_before_anything_begins_and_by_the_hosts_file() {
    let (listener, address) = listener();
    let mut app = app(&[]);
    app.targets = App::sample("", &[], &[&format!("localhost:{}", address.port())]).targets;
    let (pool, _told) = pool(&app);
    let control = Control::start(Instant::now()).unwrap();
    control.watch(vec![pool.clone()]);
    let targets: Vec<_> = pool.states(Duration::ZERO).into_iter().filter_map(|status| status.target).collect();
    assert!(targets.iter().any(|target| target.socket_address(0) == address), "{targets:?}");
    listener.accept().unwrap();
}

#[test]
fn names_are_asked_for_once_for_all_and_again_when_their_time_is_over() {
    let control = control(|name, before, _| {
        let again = Duration::from_millis(20);
        let result = match before {
            0 => Err("no such name".to_owned()),
            1..5 => Ok(vec![[127, 0, 0, 1].into()]),
            _ => Ok(vec![[127, 0, 0, 1].into(), [127, 0, 0, 2].into()]),
        };
        assert_eq!(name, "a.example");
        Found { result, again }
    });
    let named = App::sample("x", &[80], &["a.example:1"]);
    let ((one, told), (two, _)) = (pool(&named), pool(&named));
    control.watch(vec![one.clone(), two.clone()]);
    assert_eq!(told.recv_timeout(PATIENCE), Ok("target a.example:1 of app x has no address: no such name".to_owned()));
    assert_eq!(told.recv_timeout(PATIENCE), Ok("target a.example:1 of app x has an address again".to_owned()));
    await_states(&one, "unchecked unchecked");
    await_states(&two, "unchecked unchecked");
}

#[test]
fn new_addresses_of_a_name_are_checked() {
    let (listener, address) = listener();
    let mut app = app(&[]);
    app.targets = App::sample("", &[], &[&format!("a.example:{}", address.port())]).targets;
    let (pool, told) = pool(&app);
    let control = control(|_, before, _| {
        let last = if before == 0 { 77 } else { 1 };
        Found { result: Ok(vec![[127, 0, 0, last].into()]), again: Duration::from_millis(100) }
    });
    control.watch(vec![pool.clone()]);
    let port = address.port();
    let refused = format!("target a.example:{port} (127.0.0.77) of app x is down: connection refused");
    assert_eq!(told.recv_timeout(PATIENCE), Ok(refused));
    listener.accept().unwrap();
    await_states(&pool, "up");
}

#[test]
fn nobody_waits_long_for_names_nor_for_the_end() {
    let (_socket, _queued, address) = silent();
    let mut app = app(&[address]);
    app.targets.extend(App::sample("", &[], &["a.example:1"]).targets);
    app.check =
        Some(Check { timeout: Duration::from_secs(600), interval: Duration::from_secs(600), ..Check::default() });
    let (pool, _told) = pool(&app);
    let control = control(|_, _, stop| {
        let patience = Timespec { tv_sec: 600, tv_nsec: 0 };
        poll(&mut [PollFd::new(&stop, PollFlags::IN)], Some(&patience)).unwrap();
        Found { result: Err("no answer".to_owned()), again: PATIENCE }
    });
    let begin = Instant::now();
    control.watch(vec![pool.clone()]);
    assert_eq!(states(&pool), "unchecked unresolved");
    drop(control);
    assert!(begin.elapsed() < PATIENCE);
}
