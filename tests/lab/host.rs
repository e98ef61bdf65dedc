//! What this host says of itself, against what `ss` and `ip` say of it.

use std::collections::BTreeSet;
use std::net::{IpAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};

use netscript::host::Namespace;
use serde_json::Value;

use crate::program::{Folder, NETSCRIPT, run};
use crate::support::{Engine, Image, Netns, Running, connect, listeners, needs, succeed, tool, until};

/// A socket, as `ss` shows it and as a row shows it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Shown {
    protocol: String,
    state: String,
    queues: (u64, u64),
    local: (IpAddr, u16),
    /// Whether `::` takes no IPv4.
    ipv6_only: bool,
    interface: Option<String>,
    remote: Option<(IpAddr, u16)>,
    /// Number and name.
    processes: BTreeSet<u64>,
}

impl Shown {
    /// A line of `ss -Hntup`.
    fn in_line(line: &str) -> Self {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (local, interface, dual) = end(fields[4]);
        let (remote, ..) = end(fields[5]);
        let state = match fields[1] {
            "ESTAB" => "established".to_owned(),
            "UNCONN" => "unconnected".to_owned(),
            "LISTEN" => "listening".to_owned(),
            other => other.to_ascii_lowercase(),
        };
        let processes = fields.get(6).into_iter().flat_map(|users| users.split("pid=").skip(1));
        Self {
            protocol: fields[0].to_owned(),
            queues: (fields[2].parse().unwrap(), fields[3].parse().unwrap()),
            ipv6_only: local.unwrap().0.is_ipv6() && !dual,
            local: local.unwrap(),
            interface,
            remote: remote.filter(|_| !["unconnected", "listening"].contains(&state.as_str())),
            state,
            processes: processes.map(|rest| rest.split(',').next().unwrap().parse().unwrap()).collect(),
        }
    }

    /// A row of `listeners()` or `connections()`.
    fn in_row(row: &Value) -> Self {
        let text = |name: &str| row[name].as_str().unwrap().to_owned();
        let end = |address: &str, port: &str| {
            let port = u16::try_from(row[port].as_u64()?).unwrap();
            Some((row[address].as_str()?.parse().unwrap(), port))
        };
        let processes: BTreeSet<u64> =
            row["pids"].as_array().unwrap().iter().map(|pid| pid.as_u64().unwrap()).collect();
        assert_eq!(row["pid"].as_u64(), processes.first().copied(), "{row}");
        assert_eq!(row["note"].is_null(), !processes.is_empty(), "{row}");
        Self {
            protocol: text("protocol"),
            state: text("state"),
            queues: (row["recv_queue"].as_u64().unwrap(), row["send_queue"].as_u64().unwrap()),
            local: end("address", "port").unwrap(),
            // ss tells it of the address `::` only, where it matters.
            ipv6_only: row["ipv6_only"].as_bool().unwrap_or(text("address").contains(':')),
            interface: row["interface"].as_str().map(ToOwned::to_owned),
            remote: end("remote_address", "remote_port"),
            processes,
        }
    }
}

/// An end of a connection: `[fe80::1]%eth0:80`, `*:80`; the interface, and whether it takes both families.
fn end(text: &str) -> (Option<(IpAddr, u16)>, Option<String>, bool) {
    let (address, port) = text.rsplit_once(':').unwrap();
    let (address, interface) = match address.split_once('%') {
        Some((address, interface)) => (address, Some(interface.trim_end_matches(']').to_owned())),
        None => (address, None),
    };
    let plain = address.trim_matches(['[', ']']);
    let address: IpAddr = if plain == "*" { "::" } else { plain }.parse().unwrap();
    // `::ffff:192.0.2.1` is shown as packets have it.
    (port.parse().ok().map(|port| (address.to_canonical(), port)), interface, plain == "*")
}

/// What `ss` shows in a namespace.
fn ss(netns: &Netns, arguments: &[&str]) -> BTreeSet<Shown> {
    let lines = succeed(netns.command("ss").arg("-Hntup").args(arguments));
    lines.lines().map(Shown::in_line).collect()
}

/// The rows of an expression, evaluated outside of all namespaces of the lab.
#[track_caller]
fn rows(expression: &str) -> Vec<Value> {
    let ended = Folder::new().netscript(["eval", "--json", "-q", expression]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{expression}");
    ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Those rows that are of a namespace.
fn of<'a>(rows: &'a [Value], netns: &'a Netns) -> impl Iterator<Item = &'a Value> {
    rows.iter().filter(|row| row["netns"] == netns.name())
}

/// The rows of these namespaces, which have to be the lines that `ss` shows in each.
#[track_caller]
fn as_ss_shows(expression: &str, namespaces: &[&Netns], arguments: &[&str]) -> Vec<Value> {
    let mut attempts = 5;
    loop {
        let mut rows = rows(expression);
        rows.retain(|row| namespaces.iter().any(|netns| row["netns"] == netns.name()));
        let shown = |netns: &&Netns| of(&rows, netns).map(Shown::in_row).collect::<BTreeSet<_>>();
        let shown: Vec<_> = namespaces.iter().map(shown).collect();
        let expected: Vec<_> = namespaces.iter().map(|netns| ss(netns, arguments)).collect();
        attempts -= 1;
        // Programs that other tests begin have the sockets of this process, until they run.
        if shown == expected || attempts == 0 {
            assert_eq!(shown, expected);
            assert!(shown.iter().all(|shown| !shown.is_empty()));
            return rows;
        }
    }
}

/// Does something in a namespace.
fn inside<T: Send>(netns: &Netns, work: impl FnOnce() -> T + Send) -> T {
    Namespace::named(netns.name()).unwrap().enter(work).unwrap()
}

/// Two namespaces with a cable between them.
fn pair() -> (Netns, Netns) {
    let (one, other) = (Netns::new(), Netns::new());
    connect((&one, "eth0", "192.0.2.1/24"), (&other, "eth0", "192.0.2.2/24"));
    one.ip("address add 2001:db8::1/64 dev eth0 nodad");
    other.ip("address add 2001:db8::2/64 dev eth0 nodad");
    (one, other)
}

/// A process that is killed with this value.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn listeners_are_those_that_ss_shows_in_each_namespace() {
    needs!("ss", "busybox", "sleep");
    let (one, other) = pair();
    one.ip("address add fe80::7/64 dev eth0 nodad");
    let sockets = inside(&one, || {
        // For this namespace only.
        let only = |yes: &str| std::fs::write("/proc/sys/net/ipv6/bindv6only", yes).unwrap();
        let both = TcpListener::bind("[::]:8001").unwrap();
        only("1");
        let single = TcpListener::bind("[::]:8002").unwrap();
        only("0");
        let tcp = [both, single, TcpListener::bind("192.0.2.1:8000").unwrap()];
        (tcp, UdpSocket::bind("0.0.0.0:5000").unwrap(), UdpSocket::bind("[2001:db8::1]:5001").unwrap())
    });
    let index = one.ip("-o link show eth0").split(':').next().unwrap().parse().unwrap();
    let address = std::net::SocketAddrV6::new("fe80::7".parse().unwrap(), 8003, 0, index);
    let bound = inside(&one, || TcpListener::bind(address).unwrap());
    let waiting = inside(&other, || [TcpStream::connect("192.0.2.1:8000"), TcpStream::connect("192.0.2.1:8000")]);
    let mut server = Running::spawn(other.command("busybox").args(["httpd", "-f", "-p", "8000"]));
    server.listens(8000);
    // A second process with the same socket.
    let shared = OwnedFd::from(sockets.0[2].try_clone().unwrap());
    let _shared = Killed(Command::new(tool("sleep")).arg("1000").stdin(Stdio::from(shared)).spawn().unwrap());

    let rows = as_ss_shows("listeners()", &[&one, &other], &["-l"]);
    assert!(rows.iter().all(|row| row["container"] == row["netns"]));
    let queue = of(&rows, &one).find(|row| row["port"] == 8000).unwrap();
    assert_eq!((&queue["recv_queue"], queue["pids"].as_array().unwrap().len()), (&2.into(), 2));
    let httpd = of(&rows, &other).find(|row| row["port"] == 8000).unwrap();
    let said = ["process", "command", "user"].map(|field| httpd[field].as_str().unwrap().to_owned());
    assert_eq!((said[0].as_str(), said[2].as_str()), ("busybox", "root"));
    assert!(said[1].ends_with("busybox httpd -f -p 8000"), "{}", said[1]);
    drop((sockets, bound, waiting));
}

#[test]
fn connections_are_those_that_ss_shows_in_each_namespace() {
    needs!("ss");
    let (one, other) = pair();
    let servers = inside(&one, || {
        let udp = UdpSocket::bind("192.0.2.1:5000").unwrap();
        udp.connect("192.0.2.2:5000").unwrap();
        (TcpListener::bind("[::]:8000").unwrap(), udp)
    });
    let clients = inside(&other, || {
        let to = |address| TcpStream::connect(address).unwrap();
        [to("192.0.2.1:8000"), to("[2001:db8::1]:8000"), to("192.0.2.1:8000"), to("192.0.2.1:8000")]
    });
    // One is read, one has something to be read, one is closed, one is not accepted.
    let accepted = [(); 3].map(|()| servers.0.accept().unwrap().0);
    std::io::Write::write_all(&mut &clients[1], b"hello").unwrap();
    clients[2].shutdown(std::net::Shutdown::Write).unwrap();
    until("the end to arrive", || {
        ss(&one, &["state", "connected"]).iter().any(|line| line.state == "close-wait").then_some(())
    });

    let rows = as_ss_shows("connections()", &[&one, &other], &["state", "connected"]);
    assert!(of(&rows, &other).all(|row| row["rtt"].as_f64().unwrap() > 0.0));
    let waiting: Vec<_> = of(&rows, &one).filter(|row| row["pid"].is_null()).map(|row| &row["note"]).collect();
    assert_eq!(waiting, ["no process has accepted it yet"]);
    drop((servers, accepted, clients));
}

#[test]
fn a_connection_that_is_over_has_no_process_and_says_why() {
    needs!();
    let netns = Netns::new();
    inside(&netns, || {
        let listener = TcpListener::bind("127.0.0.1:8000").unwrap();
        let client = TcpStream::connect("127.0.0.1:8000").unwrap();
        let server = listener.accept().unwrap().0;
        drop(client);
        drop(server);
    });
    let name = netns.name();
    let rows = until("the connection to end", || {
        Some(rows(&format!("connections(#{{ netns: \"{name}\" }})"))).filter(|rows| rows.len() == 1)
    });
    assert_eq!((&rows[0]["state"], &rows[0]["pid"]), (&"time-wait".into(), &Value::Null));
    assert_eq!(rows[0]["note"], "the connection is over, and no process has it any more");
}

#[test]
fn interfaces_are_those_that_ip_shows_with_the_other_ends_of_their_pairs() {
    needs!();
    let (one, other) = pair();
    one.ip("link add br0 type bridge");
    one.ip("link add near mtu 1400 type ifb");
    one.ip("link set near master br0 up");
    one.ip("link add here type veth peer name there");
    one.ip("link set eth0 promisc on");

    let shown: Vec<Value> = serde_json::from_str(&one.ip("-j -d address show")).unwrap();
    let rows = rows(&format!("interfaces(#{{ netns: [\"{}\", \"{}\"] }})", one.name(), other.name()));
    let ours: Vec<_> = of(&rows, &one).collect();
    assert_eq!(ours.len(), shown.len());
    for (row, ip) in ours.iter().zip(&shown) {
        assert_eq!((&row["name"], &row["index"]), (&ip["ifname"], &ip["ifindex"]));
        let kind = ip["linkinfo"]["info_kind"].as_str().or(ip["link_type"].as_str()).unwrap();
        assert_eq!((&row["mtu"], row["kind"].as_str()), (&ip["mtu"], Some(kind)), "{ip}");
        let state = ip["operstate"].as_str().unwrap().to_ascii_lowercase();
        assert_eq!(row["state"].as_str().unwrap().replace('-', ""), state, "{ip}");
        assert_eq!((&row["mac"], &row["master"]), (&ip["address"], &ip["master"]));
        assert_eq!(row["promiscuity"], ip["promiscuity"], "{ip}");
        let addresses = ip["addr_info"].as_array().unwrap().iter();
        let addresses: Vec<_> =
            addresses.map(|info| format!("{}/{}", info["local"].as_str().unwrap(), info["prefixlen"])).collect();
        assert_eq!(row["addresses"], Value::from(addresses), "{ip}");
        let mut flags: Vec<_> = ip["flags"].as_array().unwrap().iter().map(|flag| flag.as_str().unwrap()).collect();
        // What `ip` makes of the absence of another, and of the other end.
        flags.retain(|flag| !["NO-CARRIER", "M-DOWN"].contains(flag));
        let said = row["flags"].as_array().unwrap().iter().map(|flag| flag.as_str().unwrap());
        // `running` is the state in other words, and `ip` leaves it out.
        let mut said: Vec<_> =
            said.filter(|flag| *flag != "running").map(|flag| flag.to_ascii_uppercase().replace('-', "_")).collect();
        flags.sort_unstable();
        said.sort_unstable();
        assert_eq!(said, flags, "{ip}");
    }
    let named = |netns, name: &str| of(&rows, netns).find(|row| row["name"] == name).unwrap().clone();
    for (from, to) in [(&one, &other), (&other, &one)] {
        let (near, far) = (named(from, "eth0"), named(to, "eth0"));
        assert_eq!((&near["peer_index"], near["peer_netns"].as_str()), (&far["index"], Some(to.name())));
    }
    let (here, there) = (named(&one, "here"), named(&one, "there"));
    assert_eq!((&here["peer_index"], &here["peer_netns"]), (&there["index"], &Value::Null));
}

#[test]
fn rates_are_what_crossed_the_interface_meanwhile() {
    needs!();
    let (one, other) = pair();
    let all = Namespace::all().unwrap();
    let sender = inside(&one, || UdpSocket::bind("192.0.2.1:0").unwrap());
    let _receiver = inside(&other, || UdpSocket::bind("192.0.2.2:5000").unwrap());
    sender.connect("192.0.2.2:5000").unwrap();
    let read = || {
        let namespaces = [Namespace::named(one.name()).unwrap(), Namespace::named(other.name()).unwrap()];
        netscript::host::interfaces(&namespaces, &all, &<_>::default()).unwrap().rows
    };
    let before = read();
    for _ in 0..1000 {
        sender.send(&[0; 58]).unwrap();
    }
    let rates = netscript::host::rates(&before, read());
    assert_eq!(rates.len(), 4);
    for (netns, direction) in [(&one, "tx"), (&other, "rx")] {
        let rows: Vec<Value> =
            rates.iter().map(|rate| serde_json::to_value(rate as &dyn netscript::record::Record).unwrap()).collect();
        let row = of(&rows, netns).find(|row| row["interface"] == "eth0").unwrap().clone();
        let counted =
            |what: &str| row[format!("{direction}_{what}")].as_f64().unwrap() * row["duration"].as_f64().unwrap();
        // Those that find neighbours and routers come on top.
        assert!((1000.0..1010.0).contains(&counted("pps").round()), "{row}");
        assert!((800_000.0..810_000.0).contains(&counted("bps").round()), "{row}");
    }
}

#[test]
fn who_may_not_see_is_told_which_capability_is_missing() {
    needs!("busybox");
    let netns = Netns::new();
    let mut server = Running::spawn(netns.command("busybox").args(["httpd", "-f", "-p", "8000"]));
    server.listens(8000);
    let folder = Folder::new();
    folder.make_public();
    let mut nobody = folder.command(tool("nsenter"));
    nobody.arg(format!("--net={}", netns.path())).args(["--setuid", "65534", "--setgid", "65534", "--", NETSCRIPT]);
    let ended = run(nobody.args(["eval", "--json", "-q", "listeners(#{ netns: \"/proc/self/ns/net\" })"]));
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    let row: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((&row["port"], &row["pid"], &row["user"]), (&8000.into(), &Value::Null, &"root".into()));
    assert_eq!(row["note"], "no process that this user may look at has it: CAP_SYS_PTRACE is missing");
    let told = "netscript: no permission to see whose sockets 1 of 1 are: this needs CAP_SYS_PTRACE; run as root, or once: \
                setcap cap_sys_ptrace+ep ";
    assert!(ended.stderr.starts_with(told), "{}", ended.stderr);
    let mut elsewhere = folder.command(NETSCRIPT);
    std::os::unix::process::CommandExt::uid(&mut elsewhere, 65534);
    let refused = run(elsewhere.args(["eval", "-q", &format!("interfaces(#{{ netns: \"{}\" }})", netns.name())]));
    assert_eq!(refused.code, Some(3), "{}", refused.stderr);
    let told =
        format!("error: no permission to enter the network namespace {}: this needs CAP_SYS_ADMIN", netns.name());
    assert!(refused.stderr.starts_with(&told), "{}", refused.stderr);
}

#[test]
fn options_that_are_wrong_say_what_would_be_right() {
    needs!();
    let netns = Netns::new();
    let nearest = format!("{}x", netns.name());
    for (expression, message) in [
        (format!("listeners(#{{ netns: \"{nearest}\" }})"), format!("there is no network namespace `{nearest}`")),
        (format!("listeners(#{{ container: \"{nearest}\" }})"), format!("there is no container `{nearest}`")),
        ("listeners(#{ all: true })".into(), "listeners() has no option `all`; there are container, netns, pid".into()),
        ("interfaces(#{ conteiner: \"web\" })".into(), "interfaces() has no option `conteiner`".into()),
        (
            "interfaces(#{ pid: \"web\" })".into(),
            "the option `pid` takes a process identifier, and was given web".into(),
        ),
        ("rates(\"soon\")".into(), "`soon` is not a duration".into()),
    ] {
        let ended = Folder::new().netscript(["eval", "-q", &expression]);
        assert_eq!(ended.code, Some(2), "{expression}: {}", ended.stderr);
        assert!(ended.stderr.contains(&message), "{expression}: {}", ended.stderr);
    }
}

#[test]
fn what_listens_in_a_container_says_which_also_on_the_network_of_the_host() {
    needs!("dockerd", "docker", "iptables", "busybox");
    let engine = Engine::docker();
    let server = |name, options: &[&str], port| {
        let options = [options, &["--stop-signal", "KILL"]].concat();
        let container = engine.run(Image::Busybox, name, &options, &["httpd", "-f", "-p", port]);
        until("the server to listen", || listeners(container.pid()).contains(&port.parse().unwrap()).then_some(()));
        container
    };
    let web = server("web", &[], "3000");
    let hosted = server("hosted", &["--network", "host"], "3001");
    let ended = engine.netscript(&Folder::new(), &["eval", "--json", "-q", "listeners()"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    let rows: Vec<Value> = ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for (container, port) in [(&web, 3000), (&hosted, 3001)] {
        // Port 3000 is a usual one: other tests have servers there, too.
        let row = rows.iter().find(|row| row["pid"] == container.pid()).unwrap();
        assert_eq!((&row["port"], &row["container"]), (&port.into(), &container.name.as_str().into()), "{row}");
        assert_eq!((&row["process"], &row["command"]), (&"httpd".into(), &format!("httpd -f -p {port}").into()));
    }
    let hosted = rows.iter().find(|row| row["pid"] == hosted.pid()).unwrap();
    assert_eq!(hosted["netns"], engine.host.name());
}
