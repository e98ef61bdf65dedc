//! The lab itself: it is what it says, and leaves nothing behind.

use std::io::{BufRead as _, BufReader};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::program::run;
use crate::support::{Engine, Image, Netns, Rates, Running, connect, needs, slow_web_server, succeed, until};

#[test]
fn namespaces_that_are_connected_reach_each_other_and_nobody_else() {
    needs!("busybox");
    let (one, other) = (Netns::new(), Netns::new());
    connect((&one, "eth0", "192.0.2.1/24"), (&other, "eth0", "192.0.2.2/24"));
    succeed(one.command("busybox").args(["ping", "-c1", "192.0.2.2"]));
    let outside = run(one.command("busybox").args(["ping", "-c1", "198.51.100.1"]));
    assert!(outside.stderr.contains("Network is unreachable"), "{outside:?}");
}

#[test]
fn a_test_that_fails_leaves_nothing_behind() {
    needs!("busybox");
    let (mut name, mut pid) = (String::new(), 0);
    let failed = catch_unwind(AssertUnwindSafe(|| {
        let netns = Netns::new();
        let mut server = Running::spawn(netns.command("busybox").args(["httpd", "-f", "-p", "8000"]));
        server.listens(8000);
        (name, pid) = (netns.name().to_owned(), server.pid());
        assert!(is_there(&name) && runs(pid));
        panic!("on purpose");
    }));
    assert!(failed.is_err());
    assert!(!is_there(&name) && !runs(pid), "{name} or process {pid} is still there");
}

#[test]
fn a_process_that_is_killed_leaves_nothing_behind() {
    const BE_KILLED: &str = "NSLAB_BE_KILLED";
    needs!("dockerd", "docker", "iptables", "busybox");
    if std::env::var_os(BE_KILLED).is_some() {
        let engine = Engine::docker();
        let _container = engine.run(Image::Busybox, "asleep", &[], &["sleep", "1000"]);
        eprintln!("{}", engine.host.name());
        loop {
            std::thread::park();
        }
    }
    let test = std::thread::current().name().unwrap().to_owned();
    let mut itself = Command::new(std::env::current_exe().unwrap());
    itself.args(["--exact", &test, "--nocapture"]).env(BE_KILLED, "1").stdout(Stdio::null()).stderr(Stdio::piped());
    let mut process = itself.spawn().unwrap();
    let mut lines = BufReader::new(process.stderr.take().unwrap()).lines().map(Result::unwrap);
    let name = lines.find(|line| line.starts_with("nslab-")).unwrap();
    assert!(is_there(&name));
    process.kill().unwrap();
    process.wait().unwrap();
    until("the engine to end", || (!is_there(&name)).then_some(()));
}

#[test]
fn containers_talk_and_leave_nothing_behind() {
    needs!("dockerd", "docker", "iptables", "busybox");
    containers_talk(Engine::docker());
}

#[test]
fn containers_of_podman_talk_and_leave_nothing_behind() {
    needs!("podman", "docker", "iptables", "busybox");
    containers_talk(Engine::podman());
}

fn containers_talk(engine: Engine) {
    let network = engine.network("shop");
    let options = ["--network", "shop"];
    let server = slow_web_server(&engine, "web", &options, 8000);
    let address = format!("{}:8000", server.address("shop"));
    let rates = Rates::new();
    rates.set("visitor", 100);
    let visitor = rates.sender(&engine, Image::Scratch, "visitor", &options, &address);
    let client = engine.run(Image::Busybox, "client", &options, &["sleep", "1000"]);
    assert_eq!(client.exec(&["wget", "-qO-", &format!("http://{address}/")]), "ok");
    // Each request was a connection of its own.
    until("requests", || (time_wait(server.pid()) > 20).then_some(()));

    let socket = engine.socket();
    let (name, pid, cgroup) = (engine.host.name().to_owned(), visitor.pid(), cgroup(&visitor.id()));
    assert!(is_there(&name) && runs(pid) && socket.exists() && cgroup.is_some());
    drop((network, server, visitor, client));
    drop(engine);
    assert!(!is_there(&name) && !runs(pid) && !socket.exists() && !cgroup.unwrap().exists());
}

/// Whether there is a network namespace of that name.
fn is_there(name: &str) -> bool {
    Path::new("/run/netns").join(name).exists()
}

fn runs(pid: u32) -> bool {
    Path::new("/proc").join(pid.to_string()).exists()
}

/// Where the processes of a container are accounted for.
fn cgroup(container: &str) -> Option<std::path::PathBuf> {
    let found =
        succeed(Command::new("find").args(["/sys/fs/cgroup", "-type", "d", "-name", &format!("*{container}*")]));
    found.lines().next().map(Into::into)
}

/// How many connections of a process' network namespace the own side has closed.
fn time_wait(pid: u32) -> usize {
    let table = std::fs::read_to_string(format!("/proc/{pid}/net/tcp")).unwrap();
    table.lines().filter(|line| line.split_whitespace().nth(3) == Some("06")).count()
}
