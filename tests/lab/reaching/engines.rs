//! Containers that a command has an engine begin, and those that run already.

use std::process::Command;

use super::{CHECK, Checked};
use crate::program::{Folder, run};
use crate::support::{Engine, Image, Internet, Running, needs, succeed, tool, until};

/// A host with Docker Engine, whose containers have a way to an internet.
struct Host {
    internet: Internet,
    engine: Engine,
    folder: Folder,
}

impl Host {
    fn new() -> Self {
        let engine = Engine::docker();
        succeed(engine.host.command("sh").args(["-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"]));
        engine.import(Image::Busybox);
        Self { internet: Internet::new(&engine.host), engine, folder: Folder::new() }
    }

    fn netscript(&self, arguments: &[&str]) -> Command {
        let mut netscript = self.internet.netscript_command(&self.engine.host, &self.folder);
        netscript.env("DOCKER_HOST", format!("unix://{}", self.engine.socket().display())).args(arguments);
        netscript
    }

    /// Checks a line of shell.
    fn check(&self, line: &str) -> Checked {
        Checked::new(run(&mut self.netscript(&[&CHECK[..], &["sh", "-c", line]].concat())))
    }

    /// Checks what runs already, for a moment.
    fn check_place(&self, place: &[&str]) -> Checked {
        let arguments = [&["run", "egress-check", "--json", "--duration=1s"], place].concat();
        Checked::new(run(&mut self.netscript(&arguments)))
    }
}

/// Asks a web server again and again.
const ASK: &str = "while :; do /bin/wget -qO- http://203.0.113.1/ >/dev/null; done";

#[test]
fn a_process_that_runs_is_watched_from_now_on() {
    needs!("cc", "nft", "dnsmasq", "curl");
    let client = super::Client::new();
    let ask = "while :; do curl -so /dev/null http://203.0.113.1/; done";
    let asking = Running::spawn(client.host.command("sh").args(["-c", ask]));
    let others = Running::spawn(client.host.command("sh").args(["-c", &ask.replace("113.1", "113.2")]));
    let pid = asking.pid().to_string();
    let mut check = client.netscript(&["run", "egress-check", "--json", "--duration=500ms", "--pid", &pid]);
    let checked = Checked::new(run(&mut check));
    drop((asking, others));
    let titles = checked.titles();
    assert_eq!((checked.ended.code, titles.len()), (Some(1), 1), "{:?}", checked.ended);
    let [before, after] = ["curl reached 203.0.113.1 80/tcp, ", " times: connected"];
    assert!(titles[0].starts_with(before) && titles[0].ends_with(after), "{titles:?}");
}

#[test]
fn a_container_that_runs_is_watched_by_its_name() {
    needs!("dockerd", "docker", "iptables", "busybox", "nft", "dnsmasq");
    let host = Host::new();
    let _web = host.engine.run(Image::Busybox, "web", &["--stop-signal", "KILL"], &["sh", "-c", ASK]);
    let _other = host.engine.run(Image::Busybox, "other", &["--stop-signal", "KILL"], &["sh", "-c", ASK]);
    let checked = host.check_place(&["--container", "web"]);
    let titles = checked.titles();
    assert_eq!((checked.ended.code, titles.len()), (Some(1), 1), "{:?}", checked.ended);
    let [before, after] = ["wget in container web reached 203.0.113.1 80/tcp, ", " times: connected"];
    assert!(titles[0].starts_with(before) && titles[0].ends_with(after), "{titles:?}");
}

#[test]
fn what_its_engine_begins_in_a_container_counts_as_its_own() {
    needs!("dockerd", "docker", "iptables", "busybox", "nft", "dnsmasq");
    let host = Host::new();
    let _web = host.engine.run(Image::Busybox, "web", &["--stop-signal", "KILL"], &["sleep", "1000"]);
    let docker = format!("docker exec web sh -c '{ASK}'");
    let mut client = Command::new("sh");
    client.args(["-c", &format!("while :; do timeout 1 {docker}; done")]);
    let exec = Running::spawn(client.env("DOCKER_HOST", format!("unix://{}", host.engine.socket().display())));
    let checked = host.check_place(&["--container", "web"]);
    drop(exec);
    let titles = checked.titles();
    assert_eq!((checked.ended.code, titles.len()), (Some(1), 1), "{:?}", checked.ended);
    assert!(titles[0].starts_with("wget in container web reached 203.0.113.1 80/tcp"), "{titles:?}");
}

#[test]
fn a_container_that_the_command_begins_is_its_own() {
    needs!("dockerd", "docker", "iptables", "busybox", "nft", "dnsmasq");
    let host = Host::new();
    let line = "docker run --rm --name build --dns 203.0.113.53 lab/busybox wget -qO- http://www.example/ >page";
    let checked = host.check(line);
    assert_eq!(
        checked.titles(),
        ["wget in container build reached www.example (203.0.113.1) 80/tcp: connected"],
        "{:?}",
        checked.ended
    );
}

#[test]
fn what_an_image_is_built_with_is_of_the_command() {
    needs!("dockerd", "docker", "iptables", "busybox", "nft", "dnsmasq");
    let host = Host::new();
    host.folder.write("Dockerfile", "FROM lab/busybox\nRUN /bin/wget -qO- http://203.0.113.1/\n");
    let checked = host.check("DOCKER_BUILDKIT=0 docker build --quiet . >image 2>log");
    let titles = checked.titles();
    assert_eq!((checked.ended.code, titles.len()), (Some(1), 1), "{:?}", checked.ended);
    assert!(
        titles[0].starts_with("wget in container ") && titles[0].ends_with(" reached 203.0.113.1 80/tcp: connected")
    );
}

#[test]
fn what_an_engine_does_by_itself_accuses_nobody() {
    needs!("dockerd", "docker", "iptables", "busybox", "nft", "dnsmasq");
    let host = Host::new();
    let pull = "docker pull --quiet 203.0.113.2:81/app >log 2>&1";
    let checked = host.check(&format!("{pull}; true"));
    assert_eq!((checked.titles(), checked.ended.code), (vec![], Some(3)), "{:?}", checked.ended);
    let (verdict, reasons) = checked.concluded();
    let why =
        "whether that was for the command is unknown: it is what an engine does by itself, for the command or not";
    let is_pull =
        |reason: &&str| reason.starts_with("dockerd tried to reach 203.0.113.2 81/tcp") && reason.ends_with(why);
    assert!(verdict == "inconclusive" && reasons.iter().any(is_pull), "{reasons:?}");
    // Another one has it do that, and the command does nothing.
    let mut other = Command::new("sh");
    other.args(["-c", &format!("while :; do {pull}; done")]).current_dir(host.folder.path(""));
    let other = Running::spawn(other.env("DOCKER_HOST", format!("unix://{}", host.engine.socket().display())));
    let log = || std::fs::read_to_string(host.folder.path("log")).unwrap_or_default();
    until("the engine to be asked", || log().contains("203.0.113.2").then_some(()));
    host.check("true").is_clean();
    drop(other);
}

#[test]
fn where_others_talk_to_the_engine_too_it_is_not_certain_whose_a_container_is() {
    needs!("dockerd", "docker", "iptables", "busybox", "nft", "dnsmasq");
    let host = Host::new();
    let mut other = Command::new(tool("docker"));
    other.env("DOCKER_HOST", format!("unix://{}", host.engine.socket().display()));
    let line = "echo running >&2; until [ -e go ]; do :; done
        docker run --rm --name build lab/busybox wget -qO- http://203.0.113.1/ >page";
    let mut running = Running::spawn(&mut host.netscript(&[&CHECK[..], &["sh", "-c", line]].concat()));
    running.says("running");
    succeed(other.arg("ps"));
    host.folder.write("go", "");
    let checked = Checked::new(running.ended());
    assert_eq!((checked.titles(), checked.ended.code), (vec![], Some(3)), "{:?}", checked.ended);
    // Containers of other engines of this machine are told of, too.
    let (verdict, reasons) = checked.concluded();
    let of_build: Vec<_> = reasons.iter().filter(|reason| reason.starts_with("wget in container build ")).collect();
    let begin = "wget in container build reached 203.0.113.1 80/tcp: connected; \
                 whether that was for the command is unknown: docker (";
    assert_eq!((verdict, of_build.len()), ("inconclusive", 1), "{reasons:?}");
    assert!(of_build[0].starts_with(begin) && of_build[0].contains(") talked to "), "{reasons:?}");
}
