//! What leads to the apps, and what becomes of it, whatever becomes of the program.

use std::io::ErrorKind;
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use netscript::host::Namespace;
use rustix::process::Signal;
use serde_json::Value;

use crate::program::{Ended, Folder, NETSCRIPT, run};
use crate::support::{Netns, Running, UNPRIVILEGED, needs, succeed, tool, until};

/// Three apps with four ports each.
const APPS: &str = r#"[
    #{ name: "five", ports: [5001, 5200, 5300, 5400], targets: ["127.0.0.1:9001"] },
    #{ name: "six", ports: [6001, 6200, 6300, 6400], targets: ["127.0.0.1:9001"] },
    #{ name: "seven", ports: [7001, 7200, 7300, 7400], targets: ["127.0.0.1:9001"] },
]"#;

const APP: &str = r#"[#{ name: "a", ports: [5001, 5200], targets: ["127.0.0.1:9001"] }]"#;

/// A host with a network, a BPF file system and a server of its own.
struct Host {
    netns: Netns,
    folder: Folder,
    /// Whoever lives in its mount namespace.
    keeper: Running,
    _server: TcpListener,
}

impl Host {
    fn new() -> Self {
        let netns = Netns::new();
        let mount = "mount -t bpf bpf /sys/fs/bpf && echo mounted >&2 && exec sleep 1000";
        let mut keeper = Running::spawn(netns.command("unshare").args(["--mount", "sh", "-c", mount]));
        keeper.says("mounted");
        let server = inside(&netns, || TcpListener::bind("127.0.0.1:9001").unwrap());
        let folder = Folder::new();
        folder.make_public();
        Self { netns, folder, keeper, _server: server }
    }

    /// A program, to be run on this host, in this of its network namespaces.
    fn command_in(&self, netns: &Netns, program: &str) -> Command {
        let mut command = self.folder.command(tool("nsenter"));
        command.arg(format!("--net={}", netns.path())).arg(format!("--target={}", self.keeper.pid()));
        command.args(["--mount", "--wd=/", "--", program]);
        command
    }

    fn command(&self, program: &str) -> Command {
        self.command_in(&self.netns, program)
    }

    fn netscript(&self, arguments: &[&str]) -> Ended {
        run(self.command(NETSCRIPT).args(arguments))
    }

    /// Begins to serve these apps, and waits until it answers.
    fn proxy(&self, apps: &str) -> Running {
        self.proxy_in(&self.netns, apps)
    }

    fn proxy_in(&self, netns: &Netns, apps: &str) -> Running {
        let proxy = Running::spawn(self.command_in(netns, NETSCRIPT).args(serve(apps)));
        // A port that has no socket of its own: the first one of an app listens earlier.
        until("the proxy", || reaches(netns, "127.0.0.1:5200").then_some(()));
        proxy
    }

    fn reaches(&self, address: &str) -> bool {
        reaches(&self.netns, address)
    }

    fn status(&self) -> Value {
        serde_json::from_str(&self.netscript(&["proxy", "status", "--json"]).stdout).unwrap()
    }

    /// Where the proxy of a network namespace is pinned.
    fn pins(netns: &Netns) -> String {
        format!("/sys/fs/bpf/netscript/proxy-{}", Namespace::named(netns.name()).unwrap().id().inode)
    }

    /// What there is below the folder of pins.
    fn pinned(&self) -> String {
        let find = "find /sys/fs/bpf -mindepth 1 ! -name '*.debug' | sort";
        succeed(self.command("sh").args(["-c", find]))
    }
}

/// The arguments that serve these apps.
fn serve(apps: &str) -> [String; 4] {
    ["eval", "--allow", "serve", &format!("proxy({apps}).serve()")].map(str::to_owned)
}

fn inside<T: Send>(netns: &Netns, work: impl FnOnce() -> T + Send) -> T {
    Namespace::named(netns.name()).unwrap().enter(work).unwrap()
}

/// Whether somebody listens on an address. Whoever is accepted and has no target is reset, maybe before it is seen that
/// he was connected.
fn reaches(netns: &Netns, address: &str) -> bool {
    let address = address.parse().unwrap();
    match inside(netns, || TcpStream::connect_timeout(&address, Duration::from_secs(5))) {
        Ok(_) => true,
        Err(error) => match error.kind() {
            ErrorKind::ConnectionReset => true,
            ErrorKind::ConnectionRefused | ErrorKind::TimedOut => false,
            _ => panic!("{address}: {error}"),
        },
    }
}

#[test]
fn a_scan_finds_exactly_the_ports_of_the_apps_and_a_listener_for_each_app() {
    needs!("unshare", "nmap", "ss");
    let host = Host::new();
    let _proxy = host.proxy(APPS);
    for (version, address) in [("-4", "127.0.0.1"), ("-6", "::1")] {
        let scan = ["-sT", "-n", "-Pn", "-T5", version, "-p1-10000", "-oG", "-", address];
        let scan = scan.into_iter().filter(|option| *option != "-4");
        let found = succeed(host.command(&tool("nmap")).args(scan));
        let ports = found.lines().find_map(|line| line.split_once("Ports: ")).unwrap().1;
        let open = ports.split(", ").filter_map(|port| port.split_once("/open/")).map(|(port, _)| port);
        let expected = ["5001", "5200", "5300", "5400", "6001", "6200", "6300", "6400", "7001", "7200", "7300", "7400"];
        // The server of this test listens, too, for IPv4.
        let server = (version == "-4").then_some("9001");
        assert_eq!(open.collect::<Vec<_>>(), expected.into_iter().chain(server).collect::<Vec<_>>(), "{found}");
    }
    let sockets = succeed(host.command(&tool("ss")).args(["-Hltn", "not sport = 9001"]));
    let mut listening: Vec<_> = sockets.lines().filter_map(|line| line.split_whitespace().nth(3)).collect();
    listening.sort_unstable();
    assert_eq!(listening, ["*:5001", "*:6001", "*:7001"]);
}

#[test]
fn a_proxy_that_ends_leaves_nothing() {
    needs!("unshare");
    let host = Host::new();
    let proxy = host.proxy(APP);
    let pins = Host::pins(&host.netns);
    let status = until("how it is", || Some(host.status()).filter(|status| status["status"]["stats"].is_object()));
    assert_eq!(
        (&status["pid"], &status["pins"], &status["path"]),
        (&proxy.pid().into(), &"running".into(), &pins.clone().into())
    );
    let expected: String =
        ["", "/counters", "/dispatch", "/link", "/ports", "/sockets"].map(|name| format!("{pins}{name}\n")).concat();
    assert_eq!(host.pinned(), format!("/sys/fs/bpf/netscript\n{expected}"));
    proxy.signal(Signal::TERM);
    assert_eq!(proxy.ended().code, Some(0));
    assert_eq!(host.pinned(), "");
    assert!(!host.reaches("127.0.0.1:5001") && !host.reaches("127.0.0.1:5200"));
}

#[test]
fn what_a_killed_proxy_leaves_is_in_nobodys_way_and_the_next_one_takes_it_over() {
    needs!("unshare");
    let host = Host::new();
    let proxy = host.proxy(APP);
    proxy.signal(Signal::KILL);
    proxy.ended();
    assert!(!host.reaches("127.0.0.1:5001") && !host.reaches("[::1]:5200"));
    let pins = Host::pins(&host.netns);
    let told = host.netscript(&["proxy", "status"]);
    let left = format!(
        "One that was killed left {pins} behind: the next one takes it over, and `netscript proxy clean` removes it."
    );
    assert!(told.code == Some(0) && told.stdout.ends_with(&format!("{left}\n")), "{told:?}");
    // Who comes to such a port gets whoever listens there now.
    let other = inside(&host.netns, || TcpListener::bind("127.0.0.1:5200").unwrap());
    assert!(host.reaches("127.0.0.1:5200"));
    drop(other);

    let mut proxy = Running::spawn(host.command(NETSCRIPT).args(serve(APP)));
    proxy.says("took over what a proxy left behind that was killed");
    until("the proxy", || host.reaches("[::1]:5200").then_some(()));
    assert_eq!(host.pinned().lines().filter(|line| line.ends_with("/link")).count(), 1);
    proxy.signal(Signal::TERM);
    assert_eq!(proxy.ended().code, Some(0));
    assert_eq!(host.pinned(), "");
}

#[test]
fn there_is_one_proxy_at_a_time_in_a_namespace_and_one_in_the_next() {
    needs!("unshare");
    let host = Host::new();
    let proxy = host.proxy(APP);
    let second = host.netscript(
        &serve(r#"[#{ name: "b", ports: [8001], targets: ["127.0.0.1:9001"] }]"#).each_ref().map(String::as_str),
    );
    let expected = format!("a proxy runs already in this network namespace: process {}; stop it first", proxy.pid());
    assert!(second.code == Some(3) && second.stderr.contains(&expected), "{second:?}");
    let beside = Netns::new();
    let _third = host.proxy_in(&beside, APP);
    assert!(host.reaches("127.0.0.1:5200") && reaches(&beside, "127.0.0.1:5200"));
}

#[test]
fn a_port_that_somebody_has_is_refused_with_his_name() {
    needs!("unshare", "busybox");
    let host = Host::new();
    let mut server = Running::spawn(host.command(&tool("busybox")).args(["httpd", "-f", "-p", "5200", "-h", "/"]));
    server.listens(5200);
    let refused = host.netscript(&serve(APP).each_ref().map(String::as_str));
    let expected = format!("app a cannot listen on port 5200: it is in use by busybox (process {})", server.pid());
    assert!(refused.code == Some(3) && refused.stderr.contains(&expected), "{refused:?}");
    assert!(!host.reaches("127.0.0.1:5001"));
}

#[test]
fn what_is_pinned_by_others_stays_and_is_told() {
    needs!("unshare");
    let host = Host::new();
    let theirs = format!("{}/theirs", Host::pins(&host.netns));
    succeed(host.command("mkdir").args(["-p", &theirs]));
    let expected = format!("{} is not of a proxy: `theirs` in it is something else", Host::pins(&host.netns));
    let refused = host.netscript(&serve(APP).each_ref().map(String::as_str));
    assert!(refused.code == Some(3) && refused.stderr.contains(&expected), "{refused:?}");
    let cleaned = host.netscript(&["proxy", "clean"]);
    assert!(cleaned.code == Some(2) && cleaned.stderr.contains(&expected), "{cleaned:?}");
    assert!(host.pinned().contains(&theirs));
}

#[test]
fn clean_removes_what_killed_proxies_left_everywhere_and_nothing_else() {
    needs!("unshare");
    let host = Host::new();
    let [gone, deserted, used] = [Netns::new(), Netns::new(), Netns::new()];
    let mut paths = [&host.netns, &gone, &deserted].map(Host::pins);
    for netns in [&host.netns, &gone, &deserted] {
        let proxy = host.proxy_in(netns, APP);
        proxy.signal(Signal::KILL);
        proxy.ended();
    }
    let proxy = host.proxy_in(&used, APP);
    drop(gone);
    let cleaned = host.netscript(&["proxy", "clean"]);
    paths.sort();
    let removed = paths.map(|path| format!("Removed {path}.\n")).concat();
    let left = format!("Left {}: process {} uses it.\n", Host::pins(&used), proxy.pid());
    assert_eq!((cleaned.stdout, cleaned.code), (format!("{removed}{left}"), Some(0)));
    assert!(reaches(&used, "127.0.0.1:5200"));
    proxy.signal(Signal::TERM);
    proxy.ended();
    assert_eq!(host.netscript(&["proxy", "clean"]).stdout, "There is nothing to clean.\n");
    assert_eq!(host.pinned(), "");
}

#[test]
fn who_may_not_reach_into_the_kernel_binds_each_port() {
    needs!("unshare", "setpriv", "ss");
    let host = Host::new();
    let mut unprivileged = host.command(&tool("setpriv"));
    unprivileged.args(UNPRIVILEGED).arg(NETSCRIPT).args(serve(APP)).stdin(Stdio::null());
    let proxy = Running::spawn(&mut unprivileged);
    until("the proxy", || (host.reaches("127.0.0.1:5001") && host.reaches("[::1]:5200")).then_some(()));
    let sockets = succeed(host.command(&tool("ss")).args(["-Hltn", "not sport = 9001"]));
    assert_eq!(sockets.lines().count(), 2, "{sockets}");
    // Root is told how a proxy of others is, and they are not told how one of root is.
    assert_eq!((&host.status()["pid"], &host.status()["pins"]), (&proxy.pid().into(), &"none".into()));
    drop(proxy);
    let proxy = host.proxy(APP);
    let mut unprivileged = host.command(&tool("setpriv"));
    let told = run(unprivileged.args(UNPRIVILEGED).arg(NETSCRIPT).args(["proxy", "status"]));
    let pid = format!("process {}.\n", proxy.pid());
    let end = "What is pinned cannot be looked at: permission denied.\nIt does not tell this user how it is.\n";
    assert!(told.code == Some(0) && told.stdout.ends_with(&format!("{pid}{end}")), "{told:?}");
}
