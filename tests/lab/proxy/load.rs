//! Many clients: slow ones, short ones, silent ones, too many of them; and what they leave behind.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use netscript::host::Namespace;
use rustix::process::Signal;
use socket2::SockRef;

use super::rig::{Host, connect};
use crate::support::{self, Netns, Running, Server, needs, until};

/// An app that nobody checks, so that only its clients take descriptors.
const APP: &str = r#"[#{ name: "a", ports: ["5000-5019"], check: false, targets: ["127.0.0.1:9001"] }]"#;

const MIB: usize = 1 << 20;

/// Somebody who does this with each connection, with all of them at the same time.
pub(super) fn each(
    host: &Host,
    address: &str,
    answer: impl Fn(TcpStream) -> std::io::Result<()> + Send + Sync + 'static,
) -> Server {
    let answer = Arc::new(answer);
    host.server(address, move |client| {
        let answer = answer.clone();
        // Clients leave as they like.
        thread::spawn(move || drop(answer(client)));
    })
}

/// Sends everything back, to the end.
pub(super) fn echo(mut client: TcpStream) -> std::io::Result<()> {
    std::io::copy(&mut client.try_clone()?, &mut client)?;
    client.shutdown(Shutdown::Write)
}

/// Sends a byte, which comes back.
pub(super) fn exchange(stream: &mut TcpStream) -> std::io::Result<()> {
    let mut answer = [0];
    stream.write_all(b"x")?;
    stream.read_exact(&mut answer)?;
    if answer == *b"x" { Ok(()) } else { Err(ErrorKind::InvalidData.into()) }
}

/// How many descriptors a process has.
fn descriptors(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

/// Memory of a process in bytes, by its name in proc_pid_status(5).
fn memory(pid: u32, name: &str) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<usize>().unwrap() << 10
}

/// Waits until a process has so many descriptors again.
#[track_caller]
fn closes_all_but(proxy: &Running, before: usize) {
    until(&format!("{before} descriptors"), || (descriptors(proxy.pid()) == before).then_some(()));
}

/// Does this on four threads on the host.
fn on_four_threads(host: &Host, work: impl Fn(usize) + Sync) {
    host.inside(|| {
        thread::scope(|scope| {
            (0..4).for_each(|n| {
                drop(scope.spawn({
                    let work = &work;
                    move || work(n)
                }))
            })
        })
    });
}

/// What a large answer has: pieces of one byte each.
const PIECES: usize = 1024;

fn piece(number: usize) -> Vec<u8> {
    vec![number as u8; 64 << 10]
}

#[test]
fn slow_readers_stop_those_who_write_to_them_and_take_no_memory() {
    needs!("unshare");
    const SLOW: usize = 20;
    let host = Host::new();
    let sent = Arc::<AtomicUsize>::default();
    let count = sent.clone();
    let _target = each(&host, "127.0.0.1:9001", move |mut client| {
        let mut asked = [0];
        client.read_exact(&mut asked)?;
        if asked == *b"x" {
            return client.write_all(&asked);
        }
        for number in 0..PIECES {
            client.write_all(&piece(number))?;
            count.fetch_add(64 << 10, Ordering::Relaxed);
        }
        Ok(())
    });
    let proxy = host.proxy(APP);
    host.inside(|| exchange(&mut connect("127.0.0.1:5001").unwrap()).unwrap());
    let before = memory(proxy.pid(), "VmHWM");
    let ask = || {
        let mut client = connect("127.0.0.1:5000").unwrap();
        client.write_all(b"*").unwrap();
        client
    };
    let mut slow: Vec<_> = host.inside(|| (0..SLOW).map(|_| ask()).collect());
    let (mut second, mut seen, mut quiet) = (Instant::now(), 0, 0);
    until("their targets to stop", || {
        // Others are served all the time.
        host.inside(|| exchange(&mut connect("127.0.0.1:5001").unwrap()).unwrap());
        if second.elapsed() >= Duration::from_secs(1) {
            slow.iter_mut().for_each(|client| client.read_exact(&mut [0; 1024]).unwrap());
            let now = sent.load(Ordering::Relaxed);
            quiet = if now == seen { quiet + 1 } else { 0 };
            (second, seen) = (Instant::now(), now);
        }
        (quiet == 2).then_some(())
    });
    assert!(sent.load(Ordering::Relaxed) < SLOW * 32 * MIB, "{} MiB", sent.load(Ordering::Relaxed) / MIB);
    let grown = memory(proxy.pid(), "VmHWM") - before;
    assert!(grown < 8 * MIB, "{grown} bytes");
    // Whoever reads on gets everything.
    let mut last = host.inside(ask);
    let mut read = vec![0; 64 << 10];
    for number in 0..PIECES {
        last.read_exact(&mut read).unwrap();
        assert!(read == piece(number), "piece {number}");
    }
    assert_eq!(last.read(&mut read).unwrap(), 0);
}

#[test]
fn what_half_closed_connections_sent_comes_back_and_they_leave_nothing() {
    needs!("unshare");
    let host = Host::new();
    let _target = each(&host, "127.0.0.1:9001", echo);
    let proxy = host.proxy(APP);
    let before = descriptors(proxy.pid());
    on_four_threads(&host, |thread| {
        for number in 0..250 {
            let number = thread * 250 + number;
            let mut client = connect(&format!("127.0.0.1:{}", 5000 + number % 20)).unwrap();
            let sent: Vec<u8> = (0..number * 7919 % 100_003).map(|at| (at * 31 + number) as u8).collect();
            client.write_all(&sent).unwrap();
            client.shutdown(Shutdown::Write).unwrap();
            let mut read = Vec::new();
            client.read_to_end(&mut read).unwrap();
            assert!(read == sent, "{} of {} bytes came back", read.len(), sent.len());
        }
    });
    closes_all_but(&proxy, before);
    let log = host.logged(1000);
    assert!(log.len() == 1000 && log.iter().all(|line| line["end"] == "client closed"), "{:?}", log.last());
}

#[test]
fn a_hundred_thousand_short_connections_leave_nothing() {
    needs!("unshare");
    let host = Host::new();
    let answer = |mut client: TcpStream| drop(client.read_exact(&mut [0]).and_then(|()| client.write_all(b"answer")));
    let _targets = ["127.0.0.1:9001", "127.0.0.1:9002"].map(|address| host.server(address, answer));
    let proxy = host.proxy(&APP.replace("9001\"", "9001\", \"127.0.0.1:9002\""));
    let before = descriptors(proxy.pid());
    let ask = |thread: usize, connections: usize| {
        for number in 0..connections {
            let mut client = connect(&format!("127.0.0.1:{}", 5000 + (thread + 4 * number) % 20)).unwrap();
            client.write_all(b"?").unwrap();
            let mut read = Vec::new();
            client.read_to_end(&mut read).unwrap();
            assert_eq!(read, b"answer");
        }
    };
    on_four_threads(&host, |thread| ask(thread, 250));
    until("their end", || (host.metric(r#"netscript_proxy_connections{app="a"}"#)? == 0.0).then_some(()));
    let memory_before = memory(proxy.pid(), "VmRSS");
    on_four_threads(&host, |thread| ask(thread, 24_750));
    closes_all_but(&proxy, before);
    assert_eq!(host.metric(r#"netscript_proxy_accepted_total{app="a"}"#), Some(100_000.0));
    assert_eq!(host.metric(r#"netscript_proxy_failed_total{app="a"}"#), Some(0.0));
    let grown = memory(proxy.pid(), "VmRSS").saturating_sub(memory_before);
    assert!(grown < 4 * MIB, "{grown} bytes");
}

/// Somebody who sends each datagram back.
pub(super) fn udp_echo(host: &Host, address: &str) {
    let socket = host.inside(|| UdpSocket::bind(address).unwrap());
    // It ends when the socket has nothing to say any more.
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    thread::spawn(move || {
        let mut datagram = [0; 2048];
        while let Ok((length, client)) = socket.recv_from(&mut datagram) {
            drop(socket.send_to(&datagram[..length], client));
        }
    });
}

#[test]
fn clients_of_another_host_are_answered_from_where_they_asked_over_udp_and_tcp() {
    needs!("unshare");
    let host = Host::new();
    let there = Netns::new();
    support::connect((&host.netns, "in", "192.0.2.1/24"), (&there, "out", "192.0.2.9/24"));
    host.netns.ip("address add 192.0.2.2/24 dev in");
    for (netns, interface, address) in [(&host.netns, "in", "1"), (&host.netns, "in", "2"), (&there, "out", "9")] {
        netns.ip(&format!("address add 2001:db8::{address}/64 dev {interface} nodad"));
    }
    udp_echo(&host, "127.0.0.1:9001");
    udp_echo(&host, "[::1]:9001");
    let _target = each(&host, "[::1]:9001", echo);
    let both = r#"[#{ name: "a", ports: [5001, "5200-5202", 5300], protocol: "both", check: false,
        targets: ["127.0.0.1:9001", "[::1]:9001"], balance: "round-robin" }]"#;
    let _proxy = host.proxy(both);
    Namespace::named(there.name())
        .unwrap()
        .enter(|| {
            let clients = ["0.0.0.0:0", "[::]:0"].map(|any| UdpSocket::bind(any).unwrap());
            clients.iter().for_each(|client| client.set_read_timeout(Some(Duration::from_secs(20))).unwrap());
            for address in ["192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2"] {
                let address: IpAddr = address.parse().unwrap();
                for port in [5001, 5200, 5201, 5202, 5300] {
                    let (meant, client) = (SocketAddr::new(address, port), &clients[usize::from(address.is_ipv6())]);
                    for said in [format!("first to {meant}"), format!("second to {meant}")] {
                        client.send_to(said.as_bytes(), meant).unwrap();
                        let mut answer = [0; 2048];
                        let (length, from) = client.recv_from(&mut answer).unwrap();
                        assert_eq!((&answer[..length], from), (said.as_bytes(), meant));
                    }
                    // Its target with an IPv4 address refuses TCP, and the next one serves.
                    exchange(&mut connect(&meant.to_string()).unwrap()).unwrap();
                }
            }
        })
        .unwrap();
    let tcp: Vec<_> = host.logged(20).into_iter().filter(|line| line["protocol"] == "tcp").collect();
    let meant = |line: &serde_json::Value| (line["address"].clone(), line["port"].clone(), line["client"].clone());
    let last = ("2001:db8::2".into(), 5300.into(), "2001:db8::9".into());
    assert!(tcp.len() == 20 && tcp.iter().any(|line| meant(line) == last), "{tcp:?}");
}

#[test]
fn ten_thousand_associations_are_answered_and_end_when_they_are_silent() {
    needs!("unshare");
    const PORTS: u16 = 20;
    let host = Host::new();
    udp_echo(&host, "127.0.0.1:9001");
    let app = r#"protocol: "udp", udp_timeout: "6s", targets"#;
    let proxy = host.proxy(&APP.replace("targets", app));
    let before = descriptors(proxy.pid());
    let sockets = 10_000 / usize::from(PORTS);
    let clients: Vec<_> = host.inside(|| (0..sockets).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect());
    for client in &clients {
        client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        for port in 5000..5000 + PORTS {
            let said = [client.local_addr().unwrap().port().to_be_bytes(), port.to_be_bytes()].concat();
            client.send_to(&said, ("127.0.0.1", port)).unwrap();
            let mut answer = [0; 16];
            let (length, from) = client.recv_from(&mut answer).unwrap();
            assert_eq!((&answer[..length], from), (&said[..], ([127, 0, 0, 1], port).into()));
        }
    }
    let all = (sockets * usize::from(PORTS)) as f64;
    assert_eq!(host.metric(r#"netscript_proxy_connections{app="a"}"#), Some(all));
    // One for each port from which they are answered, but for the one that the app is bound to.
    assert!(descriptors(proxy.pid()) >= before + all as usize);
    closes_all_but(&proxy, before);
    let log = host.logged(all as usize);
    assert!(log.iter().all(|line| line["end"] == "idle"), "{:?}", log.last());
}

#[test]
fn five_thousand_silent_connections_are_listed_and_go_on_and_leave_nothing() {
    needs!("unshare");
    const COUNT: usize = 5000;
    let host = Host::new();
    let accepted = Arc::<Mutex<Vec<TcpStream>>>::default();
    let keep = accepted.clone();
    let listener = host.inside(|| TcpListener::bind("127.0.0.1:9001").unwrap());
    // All of them may have to wait.
    SockRef::from(&listener).listen(COUNT as i32).unwrap();
    let _target = Server::new(listener, move |client| keep.lock().unwrap().push(client));
    let list = r#"debug("ready"); let all = [];
        while all.len() < 5000 {
            sleep("10ms");
            all = apps.connections().filter(|it| it.state == "open" && it.bytes == 0);
        }
        debug(`listed ${all.distinct(|it| [it.client_port, it.port]).count()}`);
        apps.serve();"#;
    let mut proxy = host.script(APP, list);
    let (before, memory_before) = (descriptors(proxy.pid()), memory(proxy.pid(), "VmRSS"));
    let address = |number: usize| format!("127.0.0.1:{}", 5000 + number % 20);
    let mut clients: Vec<_> = host.inside(|| (0..COUNT).map(|number| connect(&address(number)).unwrap()).collect());
    let listed = proxy.says("listed");
    assert!(listed.ends_with("\"listed 5000\""), "{listed}");
    let grown = memory(proxy.pid(), "VmRSS") - memory_before;
    // What is in the kernel comes on top, and so does the list.
    assert!(grown < COUNT * 4096, "{grown} bytes");
    let mut servers = std::mem::take(&mut *accepted.lock().unwrap());
    assert_eq!(servers.len(), COUNT);
    let mut byte = [0];
    clients.iter_mut().for_each(|client| client.write_all(b"?").unwrap());
    servers.iter_mut().for_each(|server| server.read_exact(&mut byte).unwrap());
    servers.iter_mut().for_each(|server| server.write_all(b"!").unwrap());
    for client in &mut clients {
        client.read_exact(&mut byte).unwrap();
        assert_eq!(byte, *b"!");
    }
    drop((clients, servers));
    closes_all_but(&proxy, before);
}

#[test]
fn clients_behind_a_limit_wait_and_are_served_when_others_leave() {
    needs!("unshare");
    let app = |name: &str, port: u16, more: &str| {
        format!(r#"#{{ name: "{name}", ports: [{port}], check: false, targets: ["127.0.0.1:9001"], {more} }}"#)
    };
    let of_app = "netscript: app a has as many connections as there may be; further clients wait";
    let of_all = "netscript: all apps together have as many connections as there may be; further clients of app a wait";
    for (more, options, expected) in [("connections: 3", "", of_app), ("", "connections: 3,", of_all)] {
        let host = Host::new();
        let _target = each(&host, "127.0.0.1:9001", echo);
        let apps = format!("[{}, {}]", app("a", 5000, more), app("b", 6000, ""));
        let script = format!(
            r#"let apps = proxy({apps}, #{{ {options} metrics: "127.0.0.1:9100" }});
            apps.start(); debug("ready"); apps.serve();"#
        );
        let mut proxy = Running::spawn(host.netscript().args(["eval", "--allow=serve", &script]));
        proxy.says("ready");
        let limited = || host.metric(r#"netscript_proxy_limited_total{app="a"}"#).unwrap();
        let mut clients: Vec<_> = host.inside(|| (0..3).map(|_| connect("127.0.0.1:5000").unwrap()).collect());
        clients.iter_mut().for_each(|client| exchange(client).unwrap());
        assert_eq!(limited(), 0.0, "as many as may be are not too many");
        let mut waiting: Vec<_> = host.inside(|| (0..2).map(|_| connect("127.0.0.1:5000").unwrap()).collect());
        for client in &mut waiting {
            client.write_all(b"x").unwrap();
        }
        until("the limit", || (limited() == 1.0).then_some(()));
        for client in &mut waiting {
            client.set_nonblocking(true).unwrap();
            assert_eq!(client.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
            client.set_nonblocking(false).unwrap();
        }
        if options.is_empty() {
            exchange(&mut host.inside(|| connect("127.0.0.1:6000")).unwrap()).unwrap();
        }
        for (count, client) in (1..).zip(&mut waiting) {
            until("the next one to wait", || (limited() == f64::from(count)).then_some(()));
            clients.pop();
            let mut answer = [0];
            client.read_exact(&mut answer).unwrap();
            assert_eq!(answer, *b"x");
        }
        assert_eq!(limited(), 2.0);
        proxy.signal(Signal::TERM);
        proxy.signal(Signal::TERM);
        let ended = proxy.ended();
        let told: Vec<_> = ended.stderr.lines().filter(|line| line.contains("further clients")).collect();
        assert_eq!(told, [expected], "{ended:?}");
    }
}
