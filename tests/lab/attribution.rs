//! Who is behind a conversation: real programs talk, and those are named that did, or nobody.

use std::collections::{HashMap, VecDeque};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use netscript::flow::{Attributor as _, Found, Owner, Owners, Ownership};
use netscript::host::container::{EngineSockets, Query};
use netscript::host::{Attribution, Method, Namespace, NamespaceId};
use netscript::record::Time;

use crate::support::{Engine, Image, Netns, Running, connect, needs, succeed, until};

const TCP: u8 = 6;
const UDP: u8 = 17;

/// Nobody is asked for containers but the kernel.
fn no_engines() -> Query {
    Query { all: false, sockets: EngineSockets::default() }
}

fn start(captured: &[&Netns], method: Method) -> Attribution {
    let captured: Vec<NamespaceId> = captured.iter().map(|netns| namespace(netns).id()).collect();
    let attribution = Attribution::start(&captured, no_engines(), method).unwrap();
    assert_eq!(attribution.shortcoming().is_none(), method == Method::Best);
    attribution
}

fn namespace(netns: &Netns) -> Namespace {
    Namespace::named(netns.name()).unwrap()
}

fn inside<T: Send>(netns: &Netns, work: impl FnOnce() -> std::io::Result<T> + Send) -> T {
    namespace(netns).enter(work).unwrap().unwrap()
}

fn now() -> Time {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    Time::from_nanos(i64::try_from(since.as_nanos()).unwrap())
}

/// Two hosts with a cable between them: 192.0.2.1 and 192.0.2.2.
fn two_hosts() -> (Netns, Netns) {
    let (client, server) = (Netns::new(), Netns::new());
    connect((&client, "eth0", "192.0.2.1/24"), (&server, "eth0", "192.0.2.2/24"));
    (client, server)
}

/// A conversation, as a capture would know it.
#[derive(Debug, Clone, Copy)]
struct Conversation {
    client: SocketAddr,
    server: SocketAddr,
    start: Time,
}

impl Conversation {
    fn of(stream: &TcpStream) -> Self {
        Self { client: stream.peer_addr().unwrap(), server: stream.local_addr().unwrap(), start: now() }
    }

    fn owners(&self, protocol: u8, attribution: &mut Attribution) -> Owners {
        attribution.owners(protocol, self.client, self.server, self.start, now())
    }
}

/// Asks while a conversation lasts until both processes are known: without a hook, lists are read only now and then.
fn both(conversation: &Conversation, protocol: u8, attribution: &mut Attribution) -> (Owner, Owner) {
    let has_process = |ownership: &Ownership| matches!(ownership, Ownership::Known(owner) if owner.process.is_some());
    until("both processes to be known", || {
        let owners = conversation.owners(protocol, attribution);
        let are_known = has_process(&owners.client) && has_process(&owners.server);
        are_known.then(|| (known(&owners.client).clone(), known(&owners.server).clone()))
    })
}

#[track_caller]
fn known(ownership: &Ownership) -> &Owner {
    let Ownership::Known(owner) = ownership else { panic!("{ownership:?}") };
    owner
}

fn name(owner: &Owner) -> &str {
    owner.process.as_deref().unwrap_or_default()
}

/// Answers one request, and asks in the middle of it, as a capture does, who is talking.
fn answer(mut stream: TcpStream, attribution: &mut Attribution) -> (Conversation, Owners) {
    let conversation = Conversation::of(&stream);
    let mut request = [0; 4096];
    assert!(stream.read(&mut request).unwrap() > 0);
    let owners = conversation.owners(TCP, attribution);
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok").unwrap();
    (conversation, owners)
}

/// Requests of curl(1), one process and one connection for each: prints the process and its port.
const CURLS: &str = r#"
i=0; while [ $i -lt $COUNT ]; do
    sh -c 'printf "%s " $$; exec curl -s -o /dev/null -w "%{local_port}\n" "$URL"'
    i=$((i+1))
done"#;

fn curls(netns: &Netns, url: &str, count: usize) -> Running {
    Running::spawn(netns.command("sh").args(["-c", CURLS]).env("URL", url).env("COUNT", count.to_string()))
}

/// The processes behind each port, as they said themselves, one after the other: ports are used again.
fn processes(printed: &str) -> HashMap<u16, VecDeque<u32>> {
    let mut processes: HashMap<u16, VecDeque<u32>> = HashMap::new();
    for (pid, port) in printed.lines().map(|line| line.split_once(' ').unwrap()) {
        processes.entry(port.parse().unwrap()).or_default().push_back(pid.parse().unwrap());
    }
    processes
}

/// Answers that many requests from two clients, and says how many owners were named: while they talked, and when all was
/// over. None may be wrong.
fn short_connections(method: Method, count: usize) -> [usize; 2] {
    let (one, other, server) = (Netns::new(), Netns::new(), Netns::new());
    connect((&one, "eth0", "192.0.2.1/24"), (&server, "one", "192.0.2.2/24"));
    connect((&other, "eth0", "198.51.100.1/24"), (&server, "other", "198.51.100.2/24"));
    let listener = inside(&server, || TcpListener::bind("0.0.0.0:8000"));
    let mut attribution = start(&[&server], method);
    let clients = [
        (&one, "192.0.2.1", curls(&one, "http://192.0.2.2:8000/", count / 2)),
        (&other, "198.51.100.1", curls(&other, "http://198.51.100.2:8000/", count / 2)),
    ];
    let asked: Vec<_> = (0..count / 2 * 2).map(|_| answer(listener.accept().unwrap().0, &mut attribution)).collect();
    let mut named = [0, 0];
    for (netns, address, running) in clients {
        let mut processes = processes(&running.ended().stdout);
        let address: IpAddr = address.parse().unwrap();
        for (conversation, owners) in asked.iter().filter(|(conversation, _)| conversation.client.ip() == address) {
            let pid = processes.get_mut(&conversation.client.port()).and_then(VecDeque::pop_front).unwrap();
            let later = conversation.owners(TCP, &mut attribution);
            for (named, owners) in named.iter_mut().zip([owners, &later]) {
                match &owners.client {
                    // Without a hook it may be only an address that is known.
                    Ownership::Known(owner) if owner.pid.is_none() => {
                        assert_eq!((owner.container.as_deref(), owner.found), (Some(netns.name()), Found::Address));
                    }
                    Ownership::Known(owner) => {
                        let is = (owner.pid, name(owner), owner.container.as_deref());
                        assert_eq!(is, (Some(pid), "curl", Some(netns.name())), "{conversation:?} {owners:?}");
                        *named += 1;
                    }
                    Ownership::Unknown(_) => {}
                    Ownership::Elsewhere => panic!("{conversation:?}"),
                }
                if let Ownership::Known(owner) = &owners.server {
                    assert!(owner.pid.is_none_or(|pid| pid == std::process::id()), "{owner:?}");
                }
            }
        }
    }
    named
}

#[test]
fn of_a_thousand_short_connections_every_client_is_named_and_none_wrong() {
    needs!("curl");
    let [meanwhile, afterwards] = short_connections(Method::Best, 1000);
    assert!(meanwhile >= 990 && afterwards >= 990, "{meanwhile} while they talked, {afterwards} afterwards");
}

#[test]
fn without_a_hook_no_client_is_named_wrong() {
    needs!("curl");
    short_connections(Method::Lists, 100);
}

#[test]
fn connections_from_before_are_known() {
    needs!();
    for method in [Method::Best, Method::Lists] {
        let (client, server) = two_hosts();
        let listener = inside(&server, || TcpListener::bind("192.0.2.2:8000"));
        let near = inside(&client, || TcpStream::connect("192.0.2.2:8000"));
        let (far, _) = listener.accept().unwrap();
        let mut attribution = start(&[&client], method);
        let owners = Conversation::of(&far).owners(TCP, &mut attribution);
        for owner in [known(&owners.client), known(&owners.server)] {
            assert_eq!((owner.pid, owner.found), (Some(std::process::id()), Found::Socket), "{method:?}");
        }
        // Whoever asks at the end asks after the socket is gone.
        let conversation = Conversation::of(&far);
        drop(near);
        assert_eq!(known(&conversation.owners(TCP, &mut attribution).client).pid, Some(std::process::id()));
    }
}

#[test]
fn a_connection_that_nobody_answers_is_known_before_it_fails() {
    needs!("curl");
    let (client, server) = two_hosts();
    server.ip("link set lo down");
    // Nobody has this address, and packets for it are dropped.
    client.ip("neighbour add 192.0.2.9 lladdr 02:00:00:00:00:09 dev eth0");
    let mut attribution = start(&[&client], Method::Best);
    let curl = Running::spawn(client.command("curl").args(["--local-port", "40000", "http://192.0.2.9/"]));
    let conversation = Conversation {
        client: "192.0.2.1:40000".parse().unwrap(),
        server: "192.0.2.9:80".parse().unwrap(),
        start: now(),
    };
    until("curl to connect", || {
        let owners = conversation.owners(TCP, &mut attribution);
        assert_eq!(owners.server, Ownership::Elsewhere);
        let Ownership::Known(owner) = owners.client else { return None };
        (owner.pid == Some(curl.pid())).then_some(())
    });
}

#[test]
fn ipv6_is_known_as_ipv4_is() {
    needs!("curl");
    for method in [Method::Best, Method::Lists] {
        let (client, server) = (Netns::new(), Netns::new());
        connect((&client, "eth0", "2001:db8::1/64"), (&server, "eth0", "2001:db8::2/64"));
        let listener = inside(&server, || TcpListener::bind("[::]:8000"));
        let mut attribution = start(&[&client], method);
        let curl = Running::spawn(client.command("curl").args(["-s", "http://[2001:db8::2]:8000/"]));
        let stream = listener.accept().unwrap().0;
        let (near, far) = both(&Conversation::of(&stream), TCP, &mut attribution);
        assert_eq!((near.pid, far.pid), (Some(curl.pid()), Some(std::process::id())), "{method:?}");
        answer(stream, &mut attribution);
        assert_eq!(curl.ended().stdout, "ok");
    }
}

#[test]
fn udp_is_known_with_a_peer_and_without() {
    needs!();
    for method in [Method::Best, Method::Lists] {
        let (client, server) = two_hosts();
        let waits = inside(&server, || UdpSocket::bind("0.0.0.0:5353"));
        let mut attribution = start(&[&client], method);
        let connected = inside(&client, || {
            let socket = UdpSocket::bind("0.0.0.0:0")?;
            socket.connect("192.0.2.2:5353")?;
            socket.send(b"connected")?;
            Ok(socket)
        });
        let unconnected = inside(&client, || {
            let socket = UdpSocket::bind("0.0.0.0:0")?;
            socket.send_to(b"unconnected", "192.0.2.2:5353")?;
            Ok(socket)
        });
        for _ in [&connected, &unconnected] {
            let (_, peer) = waits.recv_from(&mut [0; 100]).unwrap();
            let conversation = Conversation { client: peer, server: "192.0.2.2:5353".parse().unwrap(), start: now() };
            let (near, far) = both(&conversation, UDP, &mut attribution);
            // It has sockets in these namespaces, and does not run there itself.
            for owner in [near, far] {
                assert_eq!((owner.pid, owner.container), (Some(std::process::id()), None), "{method:?}");
            }
        }
    }
}

#[test]
fn of_short_datagram_senders_every_one_is_named() {
    needs!("busybox");
    let (client, server) = two_hosts();
    let waits = inside(&server, || UdpSocket::bind("192.0.2.2:53"));
    waits.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut attribution = start(&[&server], Method::Best);
    const LOOKUPS: &str =
        "i=0; while [ $i -lt 20 ]; do timeout 0.2 busybox nslookup a.test 192.0.2.2; i=$((i+1)); done";
    let lookups = Running::spawn(client.command("sh").args(["-c", LOOKUPS]));
    for _ in 0..20 {
        let (_, peer) = waits.recv_from(&mut [0; 500]).unwrap();
        let conversation = Conversation { client: peer, server: waits.local_addr().unwrap(), start: now() };
        let owners = conversation.owners(UDP, &mut attribution);
        let (owner, server) = (known(&owners.client), known(&owners.server));
        assert_eq!((name(owner), owner.found), ("busybox", Found::Hook));
        assert_eq!(server.pid, Some(std::process::id()));
    }
    lookups.ended();
}

/// A server that gives each connection to a child.
const FORKS: &str = "
import os, socket, sys
listener = socket.create_server(('192.0.2.2', 8000))
while True:
    connection, _ = listener.accept()
    if os.fork() == 0:
        connection.recv(100)
        connection.send(str(os.getpid()).encode())
        os._exit(0)
    connection.close()
";

#[test]
fn the_process_that_answers_is_named_and_not_the_one_that_listens() {
    needs!("python3");
    let (client, server) = two_hosts();
    let mut attribution = start(&[&client], Method::Best);
    let mut listens = Running::spawn(server.command("python3").args(["-c", FORKS]));
    listens.listens(8000);
    for _ in 0..3 {
        let mut stream = inside(&client, || TcpStream::connect("192.0.2.2:8000"));
        let conversation =
            Conversation { client: stream.local_addr().unwrap(), server: stream.peer_addr().unwrap(), start: now() };
        let owners = until("the connection to be accepted", || {
            let owners = conversation.owners(TCP, &mut attribution);
            matches!(owners.server, Ownership::Known(_)).then_some(owners)
        });
        let listener = known(&owners.server);
        assert_eq!((listener.pid, listener.found), (Some(listens.pid()), Found::Listener));
        stream.write_all(b"who?").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let owners = conversation.owners(TCP, &mut attribution);
        assert_eq!(known(&owners.client).pid, Some(std::process::id()));
        assert_eq!(known(&owners.server).pid, Some(answer.parse().unwrap()));
    }
}

#[test]
fn where_two_namespaces_have_the_same_endpoints_the_captured_one_decides_or_nobody() {
    needs!("curl");
    for method in [Method::Best, Method::Lists] {
        let pairs = [two_hosts(), two_hosts()];
        let listeners = pairs.each_ref().map(|(_, server)| inside(server, || TcpListener::bind("192.0.2.2:8000")));
        let mut of_one = start(&[&pairs[0].0], method);
        let mut of_nobody = start(&[], method);
        let request = ["-s", "--local-port", "40000", "http://192.0.2.2:8000/"];
        let curls = pairs.each_ref().map(|(client, _)| Running::spawn(client.command("curl").args(request)));
        let [first, second] = listeners.map(|listener| listener.accept().unwrap().0);
        let conversation = Conversation::of(&second);
        until("the client to be known", || match conversation.owners(TCP, &mut of_one).client {
            Ownership::Known(owner) if owner.pid.is_some() => {
                assert_eq!(owner.pid, Some(curls[0].pid()), "{method:?}");
                Some(())
            }
            _ => None,
        });
        let owners = conversation.owners(TCP, &mut of_nobody);
        assert!(matches!(&owners.client, Ownership::Unknown(why) if why.contains("several")), "{method:?} {owners:?}");
        drop((first, second));
    }
}

#[test]
fn endpoints_that_are_used_again_belong_to_whoever_had_them_then() {
    needs!("curl");
    let (client, server) = two_hosts();
    let listener = inside(&server, || TcpListener::bind("192.0.2.2:8000"));
    let mut attribution = start(&[&client], Method::Best);
    let request = ["-s", "--local-port", "40000", "http://192.0.2.2:8000/"];
    let talks: Vec<_> = (0..3)
        .map(|_| {
            let curl = Running::spawn(client.command("curl").args(request));
            let pid = curl.pid();
            let stream = listener.accept().unwrap().0;
            // A reset leaves nobody waiting for late packets: the port is free at once.
            let socket = rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO));
            socket.unwrap();
            let (conversation, _) = answer(stream, &mut attribution);
            curl.ended();
            (conversation, pid)
        })
        .collect();
    for (conversation, pid) in talks {
        let owners =
            attribution.owners(TCP, conversation.client, conversation.server, conversation.start, conversation.start);
        assert_eq!(known(&owners.client).pid, Some(pid));
    }
}

#[test]
fn containers_are_named_also_those_that_are_gone_at_once() {
    needs!("dockerd", "docker", "iptables", "busybox");
    let engine = Engine::docker();
    let lasting = engine.run(Image::Busybox, "lasting", &[], &["sleep", "1000"]);
    let gateway = "198.51.100.1:8000";
    let listener = inside(&engine.host, || TcpListener::bind(gateway));
    let sockets = EngineSockets { named: vec![engine.socket().into()], ..EngineSockets::default() };
    let captured = [namespace(&engine.host).id()];
    let mut attribution = Attribution::start(&captured, Query { all: false, sockets }, Method::Best).unwrap();
    let url = format!("http://{gateway}/");
    let address: IpAddr = lasting.address("bridge").parse().unwrap();
    std::thread::scope(|scope| {
        let requests = scope.spawn(|| {
            let loop_of_20 = format!("for i in $(seq 20); do wget -qO- {url}; done");
            assert_eq!(lasting.exec(&["sh", "-c", &loop_of_20]), "ok".repeat(20));
            for at in 0..3 {
                let name = format!("short-{at}");
                let run = ["run", "--rm", "--name", &name, "lab/busybox", "wget", "-qO-", &url];
                assert_eq!(engine.client(&run), "ok");
            }
        });
        for at in 0..23 {
            let (conversation, owners) = answer(listener.accept().unwrap().0, &mut attribution);
            let owner = known(&owners.client);
            let expected = if at < 20 { "lasting".to_owned() } else { format!("short-{}", at - 20) };
            assert_eq!((name(owner), owner.container.as_deref()), ("wget", Some(expected.as_str())));
            assert!(at >= 20 || conversation.client.ip() == address);
        }
        requests.join().unwrap();
    });
}

#[test]
fn what_is_forwarded_to_a_container_belongs_to_the_container() {
    needs!("dockerd", "docker", "iptables", "busybox");
    let engine = Engine::docker();
    succeed(engine.host.command("busybox").args(["sysctl", "-w", "net.ipv4.ip_forward=1"]));
    let web = engine.run(Image::Busybox, "web", &["--publish", "8080:80"], &["busybox", "httpd", "-f", "-p", "80"]);
    let client = Netns::new();
    connect((&client, "eth0", "192.0.2.1/24"), (&engine.host, "eth0", "192.0.2.2/24"));
    let sockets = EngineSockets { named: vec![engine.socket().into()], ..EngineSockets::default() };
    let captured = [namespace(&engine.host).id()];
    let mut attribution = Attribution::start(&captured, Query { all: false, sockets }, Method::Best).unwrap();
    let mut stream = inside(&client, || TcpStream::connect("192.0.2.2:8080"));
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    stream.read_to_end(&mut Vec::new()).unwrap();
    // What a capture on both sides of the host shows of one connection: before its destination was translated, and after.
    let outside =
        Conversation { client: stream.local_addr().unwrap(), server: stream.peer_addr().unwrap(), start: now() };
    let behind = Conversation { server: format!("{}:80", web.address("bridge")).parse().unwrap(), ..outside };
    let (outside, behind) = (outside.owners(TCP, &mut attribution), behind.owners(TCP, &mut attribution));
    for client in [&outside.client, &behind.client] {
        assert_eq!(known(client).pid, Some(std::process::id()));
    }
    let server = known(&behind.server);
    assert_eq!((name(server), server.container.as_deref(), server.found), ("busybox", Some("web"), Found::Hook));
    // docker-proxy listens there, and has nothing to do with it.
    assert!(matches!(outside.server, Ownership::Unknown(_)), "{:?}", outside.server);
}

#[test]
fn nothing_stays_in_the_kernel_when_it_is_killed() {
    const BE_KILLED: &str = "NSLAB_WATCH";
    needs!();
    if std::env::var_os(BE_KILLED).is_some() {
        let _attribution = start(&[], Method::Best);
        eprintln!("nslab-watching");
        loop {
            std::thread::park();
        }
    }
    let test = std::thread::current().name().unwrap().to_owned();
    let mut itself = Command::new(std::env::current_exe().unwrap());
    itself.args(["--exact", &test, "--nocapture"]).env(BE_KILLED, "1").stdout(Stdio::null()).stderr(Stdio::piped());
    let mut process = itself.spawn().unwrap();
    let mut lines = BufReader::new(process.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line == "nslab-watching"));
    let programs = programs_of(process.id());
    assert!(programs.len() > 5 && programs.iter().all(|program| is_loaded(*program)), "{programs:?}");
    process.kill().unwrap();
    process.wait().unwrap();
    until("the programs to be unloaded", || (!programs.iter().any(|program| is_loaded(*program))).then_some(()));
}

/// The BPF programs that a process has open, by number.
fn programs_of(pid: u32) -> Vec<u32> {
    let folder = format!("/proc/{pid}/fdinfo");
    let files = std::fs::read_dir(Path::new(&folder)).unwrap();
    let texts = files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap_or_default());
    texts.filter_map(|text| text.lines().find_map(|line| line.strip_prefix("prog_id:")?.trim().parse().ok())).collect()
}

fn is_loaded(program: u32) -> bool {
    aya::programs::loaded_programs().flatten().any(|loaded| loaded.id() == program)
}
