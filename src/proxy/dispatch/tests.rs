//! The kernel's part, in network namespaces of their own. These need root, as the lab does, and are counted as it is.

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::thread::{UnshareFlags, unshare_unsafe};
use socket2::SockRef;

use super::*;
use crate::proxy::config::Ports;

/// Runs a test in a network namespace of its own, with a BPF file system that nobody else has.
fn inside(test: impl FnOnce() + Send) {
    if !rustix::process::geteuid().is_root() {
        let required = std::env::var_os("NETSCRIPT_LAB").is_some_and(|lab| lab == "required");
        assert!(!required, "the lab is required, and it needs root");
        writeln!(std::io::stderr(), "skipped: {}: it needs root", module_path!()).unwrap();
        return;
    }
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            // SAFETY: the thread ends with the test, and opened nothing before.
            unsafe { unshare_unsafe(UnshareFlags::NEWNET | UnshareFlags::NEWNS) }.unwrap();
            let prepare = "mount --make-rprivate / && mount -t bpf bpf /sys/fs/bpf && ip link set lo up \
                && ip address add 192.0.2.1/32 dev lo && ip address add 192.0.2.2/32 dev lo \
                && ip address add 2001:db8::1/128 dev lo nodad";
            assert!(Command::new("sh").args(["-c", prepare]).status().unwrap().success());
            test();
        });
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
}

fn start() -> Dispatch {
    Dispatch::start(Means::Kernel, Arc::new(|| "{}".to_owned())).unwrap()
}

fn app(name: &str, ports: &[&str]) -> App {
    let parse = |text: &&str| {
        let (address, ports) = text.rsplit_once(' ').map_or((None, *text), |(address, ports)| (Some(address), ports));
        let (first, last) = match ports {
            "*" => (1, u16::MAX),
            ports => {
                let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
                (first.parse().unwrap(), last.parse().unwrap())
            }
        };
        Ports { address: address.map(|address| address.parse().unwrap()), first, last }
    };
    App { ports: ports.iter().map(parse).collect(), ..App::sample(name, &[], &[]) }
}

fn connect(address: &str) -> std::io::Result<TcpStream> {
    TcpStream::connect_timeout(&address.parse().unwrap(), Duration::from_secs(5))
}

/// Whom the next who was brought here meant; none if nobody was.
fn meant(sockets: &Sockets) -> Option<SocketAddr> {
    let (accepted, _) = accepted(&sockets.tcp[0]).ok()?;
    let meant = accepted.local_addr().unwrap().as_socket().unwrap();
    Some((meant.ip().to_canonical(), meant.port()).into())
}

/// The next client. On a busy machine it comes a moment after it was told that it is connected.
fn accepted(listener: &OwnedFd) -> std::io::Result<(socket2::Socket, socket2::SockAddr)> {
    const PATIENCE: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };
    poll(&mut [PollFd::new(listener, PollFlags::IN)], Some(&PATIENCE))?;
    SockRef::from(listener).accept()
}

/// Connects, and tells whom the app takes it to have meant.
fn reached(sockets: &Sockets, address: &str) -> bool {
    connect(address).is_ok() && meant(sockets) == Some(address.parse().unwrap())
}

fn is_refused(address: &str) -> bool {
    connect(address).is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused)
}

#[test]
fn every_port_leads_to_the_one_socket_of_its_app() {
    inside(|| {
        let mut dispatch = start();
        let apps = [
            app("single", &["5001", "5200"]),
            app("range", &["6000-6999"]),
            app("address", &["192.0.2.1 6500", "192.0.2.1 7000-7010"]),
            app("all", &["192.0.2.2 *"]),
        ];
        let sockets = dispatch.apply(&apps).unwrap();
        assert_eq!(sockets.iter().map(|sockets| sockets.tcp.len()).collect::<Vec<_>>(), [1, 1, 1, 1]);
        for (app, address) in [
            (0, "127.0.0.1:5001"),
            (0, "[::1]:5200"),
            (0, "192.0.2.1:5200"),
            (1, "127.0.0.1:6000"),
            (1, "[2001:db8::1]:6999"),
            (1, "127.0.0.1:6500"),
            (2, "192.0.2.1:6500"),
            (2, "192.0.2.1:7010"),
            (3, "192.0.2.2:1"),
            (3, "192.0.2.2:5001"),
            (3, "192.0.2.2:65535"),
        ] {
            assert!(reached(&sockets[app], address), "{address}");
        }
        for nowhere in ["127.0.0.1:5002", "127.0.0.1:7000", "192.0.2.1:7011", "[::1]:5999"] {
            assert!(is_refused(nowhere), "{nowhere}");
        }
        assert_eq!(dispatch.verdicts(), Some(Verdicts { dispatched: 11, missed: 4, no_socket: 0, refused: 0 }));
    });
}

#[test]
fn where_a_socket_is_bound_only_its_app_comes_in() {
    inside(|| {
        let mut dispatch = start();
        // Bound to every address, as it has ports of two.
        let sockets = dispatch.apply(&[app("two", &["192.0.2.1 5001", "2001:db8::1 5001"])]).unwrap();
        assert!(reached(&sockets[0], "192.0.2.1:5001") && reached(&sockets[0], "[2001:db8::1]:5001"));
        assert!(is_refused("127.0.0.1:5001") && is_refused("[::1]:5001"));
        assert_eq!(dispatch.verdicts().unwrap().refused, 2);
        // Once it is closed, whoever comes then.
        dispatch.close();
        assert!(is_refused("192.0.2.1:5001") && is_refused("127.0.0.1:5001"));
        drop((dispatch, sockets));
        let _other = std::net::TcpListener::bind("127.0.0.1:5001").unwrap();
        connect("127.0.0.1:5001").unwrap();
    });
}

#[test]
fn a_datagram_tells_whom_it_was_sent_to() {
    inside(|| {
        let mut dispatch = start();
        let app = App { tcp: false, udp: true, ..app("dns", &["5300", "5353"]) };
        let sockets = dispatch.apply(&[app]).unwrap();
        assert!(sockets[0].tcp.is_empty());
        for (from, to) in [("127.0.0.1:0", "127.0.0.1:5353"), ("[::1]:0", "[::1]:5353"), ("[::1]:0", "[::1]:5300")] {
            let client = UdpSocket::bind(from).unwrap();
            client.send_to(b"?", to).unwrap();
            let mut space = nix::cmsg_space!(nix::libc::sockaddr_in6, nix::libc::sockaddr_in6);
            let mut buffer = [0; 16];
            let mut vectors = [std::io::IoSliceMut::new(&mut buffer)];
            let fd = sockets[0].udp[0].as_raw_fd();
            let message = recvmsg::<SockaddrStorage>(fd, &mut vectors, Some(&mut space), MsgFlags::empty()).unwrap();
            let meant = message.cmsgs().unwrap().find_map(|control| match control {
                ControlMessageOwned::Ipv4OrigDstAddr(address) => {
                    Some(SocketAddr::from((address.sin_addr.s_addr.to_ne_bytes(), u16::from_be(address.sin_port))))
                }
                ControlMessageOwned::Ipv6OrigDstAddr(address) if to.starts_with('[') => {
                    Some(SocketAddr::from((address.sin6_addr.s6_addr, u16::from_be(address.sin6_port))))
                }
                _ => None,
            });
            assert_eq!(meant, Some(to.parse().unwrap()));
        }
    });
}

#[test]
fn what_is_accepted_is_as_the_app_wants_it() {
    inside(|| {
        let mut dispatch = start();
        let mut app = App { keepalive: Some(Duration::from_secs(30)), ..app("web", &["5001"]) };
        let sockets = dispatch.apply(std::slice::from_ref(&app)).unwrap();
        let accept = || {
            let _client = connect("127.0.0.1:5001").unwrap();
            accepted(&sockets[0].tcp[0]).unwrap().0
        };
        let accepted = accept();
        assert!(accepted.tcp_nodelay().unwrap() && accepted.keepalive().unwrap());
        let times = (accepted.tcp_keepalive_time().unwrap(), accepted.tcp_keepalive_interval().unwrap());
        assert_eq!(times, (Duration::from_secs(30), Duration::from_secs(10)));
        app.keepalive = None;
        dispatch.apply(&[app]).unwrap();
        assert!(!accept().keepalive().unwrap());
    });
}

#[test]
fn without_ipv6_there_is_ipv4() {
    inside(|| {
        let off = "for name in all default lo; do echo 1 >/proc/sys/net/ipv6/conf/$name/disable_ipv6; done";
        assert!(Command::new("sh").args(["-c", off]).status().unwrap().success());
        let mut dispatch = start();
        let sockets = dispatch.apply(&[app("web", &["5001", "5200"])]).unwrap();
        assert!(connect("[::1]:5200").is_err() && reached(&sockets[0], "127.0.0.1:5200"));
    });
}

#[test]
fn who_listens_already_keeps_his_port() {
    inside(|| {
        let _other = std::net::TcpListener::bind("127.0.0.1:22").unwrap();
        let mut dispatch = start();
        let refused = dispatch.apply(&[app("web", &["80"]), app("shell", &["20-30"])]).unwrap_err().to_string();
        let name = std::fs::read_to_string("/proc/self/comm").unwrap();
        let holder = format!("{} (process {})", name.trim_end(), std::process::id());
        assert_eq!(refused, format!("app shell cannot listen on port 22: it is in use by {holder}"));
        assert!(is_refused("127.0.0.1:80"));
        let sockets = dispatch.apply(&[app("all", &["*"])]).unwrap();
        assert!(reached(&sockets[0], "127.0.0.1:23") && reached(&sockets[0], "192.0.2.1:22"));
        connect("127.0.0.1:22").unwrap();
        assert_eq!(meant(&sockets[0]), None);
    });
}

#[test]
fn what_stays_in_a_reload_is_never_gone() {
    inside(|| {
        let mut dispatch = start();
        let first = dispatch.apply(&[app("a", &["5001", "6000-6999"]), app("b", &["7001"])]).unwrap();
        let over = std::sync::atomic::AtomicBool::new(false);
        let tries = std::thread::scope(|scope| {
            let clients = scope.spawn(|| {
                let mut tries = 0;
                while !over.load(std::sync::atomic::Ordering::Relaxed) || tries < 200 {
                    connect("127.0.0.1:6500").unwrap();
                    assert!(meant(&first[0]).is_some());
                    tries += 1;
                }
                tries
            });
            // So many others change that whoever is gone for a moment is seen to be gone.
            let others = |first| {
                let range = |number: u8| Ports { address: Some([10, 0, 0, number].into()), first, last: 65534 };
                App { ports: (1..=100).map(range).collect(), ..app("others", &[]) }
            };
            for round in 0..20 {
                let ports: &[&str] = if round % 2 == 0 { &["6500", "6600-7000"] } else { &["5001", "6000-6999"] };
                let sockets = dispatch.apply(&[app("a", ports), others(1 + round % 2)]).unwrap();
                assert!(Arc::ptr_eq(&sockets[0].tcp[0], &first[0].tcp[0]));
            }
            // It cannot be bound: everything is as it was.
            let bad = [app("a", &["6500"]), app("d", &["203.0.113.1 9001"])];
            let refused = dispatch.apply(&bad).unwrap_err().to_string();
            let expected = "app d cannot listen on port 9001: Cannot assign requested address (os error 99)";
            assert_eq!(refused, expected);
            over.store(true, std::sync::atomic::Ordering::Relaxed);
            clients.join().unwrap()
        });
        assert!(tries >= 200);
        assert!(reached(&first[0], "127.0.0.1:5001"));
        drop(first);
        // The port of an app that is gone is free for another.
        let sockets = dispatch.apply(&[app("e", &["7001", "5001"])]).unwrap();
        assert!(reached(&sockets[0], "127.0.0.1:7001") && reached(&sockets[0], "127.0.0.1:5001"));
        assert!(is_refused("127.0.0.1:6500"));
    });
}

#[test]
fn what_the_kernel_has_no_room_for_changes_nothing() {
    inside(|| {
        let mut dispatch = start();
        let before = dispatch.apply(&[app("a", &["5001", "5200"])]).unwrap();
        // Each range is 30 entries of 262144.
        let range =
            |number: u32| Ports { address: Some((0x0a00_0000 + number).to_be_bytes().into()), first: 1, last: 65534 };
        let large = App { ports: (0..9000).map(range).collect(), ..app("b", &[]) };
        let refused = dispatch.apply(&[app("a", &["5001", "5300"]), large]).unwrap_err().to_string();
        let full = "cannot tell the kernel which ports lead where: No space left on device (os error 28)";
        assert_eq!(refused, full);
        assert!(reached(&before[0], "127.0.0.1:5200") && is_refused("127.0.0.1:5300"));
        let after = dispatch.apply(&[app("a", &["5001", "5300"])]).unwrap();
        assert!(reached(&after[0], "127.0.0.1:5300") && is_refused("127.0.0.1:5200"));
    });
}

#[test]
fn what_came_before_the_end_may_still_be_taken() {
    inside(|| {
        let mut dispatch = start();
        let sockets = dispatch.apply(&[app("web", &["5001", "5200"])]).unwrap();
        let _early = connect("127.0.0.1:5200").unwrap();
        dispatch.close();
        assert!(is_refused("127.0.0.1:5200") && is_refused("127.0.0.1:5001"));
        assert_eq!(meant(&sockets[0]), Some("127.0.0.1:5200".parse().unwrap()));
    });
}

#[test]
fn one_at_a_time_and_nothing_is_left() {
    inside(|| {
        let namespace = Namespace::current().unwrap();
        let folder = Path::new("/sys/fs/bpf/netscript").join(format!("proxy-{}", namespace.id().inode));
        let dispatch = start();
        let mut pins: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|pin| pin.unwrap().file_name()).collect();
        pins.sort();
        assert_eq!(pins, ["counters", "dispatch", "link", "ports", "sockets"]);
        let second = Dispatch::start(Means::Bind, Arc::new(String::new)).err().unwrap();
        assert!(matches!(second, ProxyError::Running { pid } if pid == std::process::id()), "{second}");
        let seen = presence().unwrap();
        assert_eq!(seen.pinned, Pinned::Running(folder.clone()));
        let running = Running { pid: Some(std::process::id()), status: Some(serde_json::json!({})) };
        assert_eq!(seen.running, Some(running));
        let running = vec![(folder.clone(), std::process::id())];
        assert_eq!(clean().unwrap(), Cleaned { running, ..Cleaned::default() });
        assert!(folder.exists() && dispatch.news().is_none());
        drop(dispatch);
        assert!(!Path::new("/sys/fs/bpf/netscript").exists());
        let seen = presence().unwrap();
        assert_eq!((seen.running, seen.pinned), (None, Pinned::Nothing));
        assert_eq!(clean().unwrap(), Cleaned::default());
    });
}

/// What is left of a proxy in this network namespace that was killed.
fn leave_behind() -> std::path::PathBuf {
    let namespace = Namespace::current().unwrap();
    let folders = Folders::of(namespace.id().inode);
    let place = folders.place.clone();
    let (_, pins, stale) = Pins::make(folders, Hook::attach(&namespace).unwrap()).unwrap();
    assert!(!stale);
    std::mem::forget(pins);
    place
}

#[test]
fn what_was_left_behind_is_taken_over_or_removed() {
    inside(|| {
        let place = leave_behind();
        assert_eq!(presence().unwrap().pinned, Pinned::Stale(place.clone()));
        let mut dispatch = start();
        assert_eq!(dispatch.news(), Some("took over what a proxy left behind that was killed"));
        let sockets = dispatch.apply(&[app("web", &["5001", "5200"])]).unwrap();
        assert!(reached(&sockets[0], "127.0.0.1:5200"));
        let names = || std::fs::read_dir("/sys/fs/bpf/netscript").unwrap().count();
        assert_eq!(names(), 1);
        drop(dispatch);
        assert!(!place.exists());

        leave_behind();
        let dispatch = Dispatch::start(Means::Bind, Arc::new(String::new)).unwrap();
        assert!(dispatch.news().is_some() && dispatch.reason().is_none() && !place.exists());
        drop(dispatch);

        leave_behind();
        assert_eq!(clean().unwrap(), Cleaned { removed: vec![place.clone()], ..Cleaned::default() });
        assert!(!place.exists());
    });
}

#[test]
fn what_is_of_others_is_told_and_stays() {
    inside(|| {
        let namespace = Namespace::current().unwrap();
        let place = Folders::of(namespace.id().inode).place;
        std::fs::create_dir_all(place.join("theirs")).unwrap();
        let refused = Dispatch::start(Means::Best, Arc::new(String::new)).err().unwrap().to_string();
        let what = "`theirs` in it is something else";
        assert_eq!(
            refused,
            format!("{} is not of a proxy: {what}; look at it, and remove or rename it", place.display())
        );
        let expected = Pinned::Foreign { path: place.clone(), what: what.to_owned() };
        assert_eq!(presence().unwrap().pinned, expected);
        let cleaned = Cleaned { foreign: vec![(place.clone(), what.to_owned())], ..Cleaned::default() };
        assert_eq!(clean().unwrap(), cleaned);
        std::fs::remove_dir(place.join("theirs")).unwrap();
        std::fs::remove_dir(&place).unwrap();

        // A map of somebody else under the name of one of ours.
        let before = leave_behind();
        std::fs::remove_file(before.join("ports")).unwrap();
        let theirs = aya::maps::Array::<_, u64>::create(1, 0).unwrap();
        theirs.pin(before.join("ports")).unwrap();
        let what = "`ports` in it is something else".to_owned();
        assert_eq!(presence().unwrap().pinned, Pinned::Foreign { path: before, what });
    });
}

#[test]
fn each_port_has_its_socket_where_the_kernel_does_not_help() {
    inside(|| {
        let mut dispatch = Dispatch::start(Means::Bind, Arc::new(String::new)).unwrap();
        assert_eq!((dispatch.verdicts(), dispatch.reason()), (None, None));
        let first = dispatch.apply(&[app("a", &["5001", "5100-5102"])]).unwrap();
        assert_eq!(first[0].tcp.len(), 4);
        let moved = dispatch.apply(&[app("b", &["5102"]), app("a", &["5001"])]).unwrap();
        assert!(Arc::ptr_eq(&moved[0].tcp[0], &first[0].tcp[3]));
        drop(first);
        assert!(reached(&moved[0], "[::1]:5102") && reached(&moved[1], "127.0.0.1:5001"));
        assert!(is_refused("127.0.0.1:5101"));
        for (ports, expected) in [
            ("*", "app c cannot listen on port *: all ports of an address need the kernel's help"),
            (
                "1000-3000",
                "app c cannot listen on port 1000-3000: without the kernel's help there are 1024 ports at most",
            ),
        ] {
            assert_eq!(dispatch.apply(&[app("c", &[ports])]).unwrap_err().to_string(), expected);
        }
        assert!(reached(&moved[1], "127.0.0.1:5001"));
    });
}
