//! `netscript run noisy-container`: who floods the web server.
//!
//! Part of the lab, but on its own: cargo runs the tests of one file after those of another, and the busiest listener of
//! this host has to be the one of these tests.

#[path = "../support/program.rs"]
#[expect(dead_code, reason = "only some ways to run the program are needed")]
mod program;
#[path = "../lab/support/mod.rs"]
#[expect(dead_code, unused_imports, reason = "only some parts of the lab are needed")]
mod support;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use netscript::script::Library;
use serde_json::Value;

use crate::program::{Ended, Folder, run};
use crate::support::traffic::program;
use crate::support::{Container, Engine, Image, Rates, Running, by_words, needs, shown, slow_web_server, until};

const SENDERS: [&str; 5] = ["http-sender1", "http-sender2", "http-sender3", "http-sender4", "http-sender5"];

/// The network that all of them are on.
const SHOP: [&str; 2] = ["--network", "shop"];

/// No other traffic meanwhile: the time that a test may take is measured.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A slow web server and those who send requests to it, each in a container of its own.
struct Shop<'a> {
    engine: &'a Engine,
    folder: Folder,
    rates: Rates,
    server: Container<'a>,
    senders: Vec<Container<'a>>,
    _alone: MutexGuard<'static, ()>,
}

impl<'a> Shop<'a> {
    /// One in which the senders send that many requests a second.
    fn open(engine: &'a Engine, rates: [u32; 5]) -> Self {
        let alone = alone();
        engine.network("shop");
        let server = slow_web_server(engine, "web", &SHOP, 3000);
        let mut shop =
            Self { engine, folder: Folder::new(), rates: Rates::new(), server, senders: Vec::new(), _alone: alone };
        shop.set(rates);
        shop.senders = SENDERS.map(|name| shop.sender(Image::Busybox, name, &SHOP)).into();
        shop
    }

    fn sender(&self, image: Image, name: &str, options: &[&str]) -> Container<'a> {
        self.rates.sender(self.engine, image, name, options, &format!("{}:3000", self.server.address("shop")))
    }

    fn set(&self, rates: [u32; 5]) {
        for (name, rate) in SENDERS.iter().zip(rates) {
            self.rates.set(name, rate);
        }
    }

    /// Runs the script with these arguments, and gives what it says of it all.
    fn run(&self, arguments: &[&str]) -> Answer {
        let begin = Instant::now();
        let ended = self.engine.netscript(&self.folder, &[&["run", "--json", "noisy-container"], arguments].concat());
        Answer::of(ended, begin.elapsed())
    }

    fn run_on_port_3000(&self) -> Answer {
        self.run(&["--", "--port=3000", "--duration=2s"])
    }
}

/// What a run says.
#[derive(Debug)]
struct Answer {
    code: Option<i32>,
    findings: Vec<Value>,
    verdict: Value,
    text: String,
    stderr: String,
    took: Duration,
}

impl Answer {
    fn of(ended: Ended, took: Duration) -> Self {
        let lines: Vec<Value> = ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let of_type = |name: &str| lines.iter().filter(|line| line["record"] == name).cloned().collect::<Vec<_>>();
        let texts =
            of_type("text").iter().filter_map(|line| line["text"].as_str().map(str::to_owned)).collect::<Vec<_>>();
        let verdict = of_type("verdict").pop().unwrap_or_default();
        Self {
            code: ended.code,
            findings: of_type("finding"),
            verdict,
            text: texts.join("\n"),
            stderr: ended.stderr,
            took,
        }
    }

    /// Exactly this one is noisy.
    #[track_caller]
    fn accuses(&self, name: &str) {
        let subjects: Vec<_> = self.findings.iter().map(|finding| finding["subject"].as_str().unwrap()).collect();
        assert_eq!((self.code, subjects.as_slice()), (Some(1), &[name][..]), "{self:#?}");
        assert_eq!(self.findings[0]["id"], "noisy-container");
    }

    /// Nobody is noisy, and the reason says this.
    #[track_caller]
    fn acquits(&self, reason: &str) {
        assert_eq!(
            (self.code, self.findings.len(), &self.verdict["verdict"]),
            (Some(0), 0, &"clean".into()),
            "{self:#?}"
        );
        assert!(self.verdict["reasons"].to_string().contains(reason), "{self:#?}");
    }

    /// It cannot be told, and the reason says this.
    #[track_caller]
    fn is_inconclusive(&self, reason: &str) {
        assert_eq!((self.code, self.findings.len()), (Some(3), 0), "{self:#?}");
        assert!(self.verdict["reasons"].to_string().contains(reason), "{self:#?}");
    }
}

/// The rates in another order every time, always in the same orders.
fn shuffled(turn: u32) -> [u32; 5] {
    let mut rates = [50, 50, 60, 80, 400];
    let mut state = turn.wrapping_mul(2_654_435_761).wrapping_add(1);
    for last in (1..rates.len()).rev() {
        // Numerical Recipes' generator; its high bits are the random ones.
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        rates.swap(last, (state >> 16) as usize % (last + 1));
    }
    rates
}

#[test]
fn the_noisy_container_is_named_in_every_order_and_the_server_never() {
    needs!("dockerd", "docker", "iptables", "busybox");
    let engine = Engine::docker();
    let shop = Shop::open(&engine, [0; 5]);
    for turn in 0..20 {
        let rates = shuffled(turn);
        shop.set(rates);
        let noisy = SENDERS[rates.iter().position(|&rate| rate == 400).unwrap()];
        // Every other time it has to find the port by itself.
        let answer = if turn % 2 == 0 { shop.run(&["--", "--port=3000"]) } else { shop.run(&[]) };
        answer.accuses(noisy);
        assert!(answer.took < Duration::from_secs(10), "it took {:?}", answer.took);
    }
}

#[test]
fn the_chain_from_the_container_to_the_bridge_is_shown() {
    needs!("dockerd", "docker", "iptables", "busybox");
    let engine = Engine::docker();
    let shop = Shop::open(&engine, [50, 50, 400, 60, 80]);
    // A stopped one is in nobody's way.
    drop(shop.sender(Image::Busybox, "http-sender0", &SHOP));
    let stopped = shop.sender(Image::Busybox, "http-sender-old", &SHOP);
    engine.client(&["stop", "--time", "0", &stopped.name]);

    let answer = shop.run_on_port_3000();
    answer.accuses("http-sender3");
    let suspect = &shop.senders[2];
    // As a person would have found it: what the container sees of its interface, and the host of the other end.
    let inside = suspect.exec(&["cat", "/sys/class/net/eth0/ifindex", "/sys/class/net/eth0/iflink"]);
    let (ifindex, iflink) = inside.split_once('\n').unwrap();
    let links = engine.host.ip("-oneline link");
    let veth = links.lines().find_map(|line| line.strip_prefix(&format!("{iflink}: "))).unwrap();
    let (name, veth) = veth.split_once('@').unwrap();
    let bridge = veth.split_once("master ").unwrap().1.split(' ').next().unwrap();
    let chain = format!(
        "http-sender3 is process {}; its eth0 (index {ifindex}) is {name} (index {iflink}) on this host, on bridge {bridge}",
        suspect.pid()
    );
    assert!(answer.text.contains(&chain), "{}\n{chain}", answer.text);
    assert!(answer.text.ends_with("\nTo stop it: docker stop http-sender3"), "{}", answer.text);
}

#[test]
fn a_container_is_stopped_only_where_that_is_asked_for_and_allowed() {
    needs!("dockerd", "docker", "iptables", "busybox");
    let engine = Engine::docker();
    let shop = Shop::open(&engine, [50, 400, 50, 60, 80]);
    let refused = shop.run(&["--", "--port=3000", "--stop"]);
    assert_eq!((refused.code, refused.findings.len()), (Some(2), 0));
    assert!(refused.stderr.contains("needs the permission `act`") && !refused.stderr.contains("listening"));
    assert_eq!(shop.senders[1].inspect("{{.State.Status}}"), "running");

    let stopped = shop.run(&["--allow", "act", "--", "--port=3000", "--stop", "--duration=1s"]);
    stopped.accuses("http-sender2");
    assert!(stopped.text.ends_with("\nhttp-sender2 is exited now"), "{}", stopped.text);
    assert_eq!(shop.senders[1].inspect("{{.State.Status}}"), "exited");
    shop.run_on_port_3000().acquits("none of 4 clients of web port 3000 stands out");
}

#[test]
fn a_container_without_anything_but_its_program_is_named() {
    needs!("dockerd", "docker", "iptables", "busybox");
    let engine = Engine::docker();
    let shop = Shop::open(&engine, [50, 50, 60, 80, 0]);
    shop.rates.set("bare", 400);
    let _bare = shop.sender(Image::Scratch, "bare", &SHOP);
    shop.run_on_port_3000().accuses("bare");
}

#[test]
fn a_container_on_two_networks_is_one_suspect() {
    needs!("dockerd", "docker", "iptables", "busybox");
    let engine = Engine::docker();
    let shop = Shop::open(&engine, [50, 50, 60, 80, 0]);
    engine.network("office");
    engine.client(&["network", "connect", "office", "web"]);
    // Half of it over each network: neither half alone would stand out.
    shop.rates.set("both", 110);
    let both = shop.sender(Image::Busybox, "both", &SHOP);
    engine.client(&["network", "connect", "office", "both"]);
    let office = format!("{}:3000", shop.server.address("office"));
    engine.client(&["exec", "--detach", "both", "/traffic", "send", &office, "/rates/both"]);
    let answer = shop.run_on_port_3000();
    answer.accuses("both");
    assert_eq!(answer.text.matches("both is process").count(), 2, "{}", answer.text);
    drop(both);
}

#[test]
fn a_suspect_that_restarts_meanwhile_is_named_as_it_is_afterwards() {
    needs!("dockerd", "docker", "iptables", "busybox");
    let engine = Engine::docker();
    let shop = Shop::open(&engine, [50, 50, 60, 80, 400]);
    let suspect = &shop.senders[4];
    let before = suspect.pid();
    let answer = std::thread::scope(|scope| {
        let answer = scope.spawn(|| shop.run_on_port_3000());
        // While it is being watched.
        until("the capture", || (packet_sockets(shop.server.pid()) > 0).then_some(()));
        engine.client(&["restart", "--time", "0", "http-sender5"]);
        answer.join().unwrap()
    });
    answer.accuses("http-sender5");
    let after = suspect.pid();
    assert_ne!(before, after);
    assert!(answer.text.contains(&format!("http-sender5 is process {after}; ")), "{}", answer.text);
}

/// How many sockets in the network of a process see packets.
fn packet_sockets(pid: u32) -> usize {
    std::fs::read_to_string(format!("/proc/{pid}/net/packet")).unwrap().lines().count() - 1
}

#[test]
fn nobody_is_accused_where_nobody_stands_out() {
    needs!("dockerd", "docker", "iptables", "busybox");
    let engine = Engine::docker();
    let shop = Shop::open(&engine, [50, 50, 60, 80, 70]);
    shop.run_on_port_3000().acquits("none of 5 clients of web port 3000 stands out");
    shop.run(&[]).acquits("none of 5 clients of web port 3000 stands out");
    // Somebody has to be the first: one alone, and two of which neither says much.
    shop.set([400, 0, 0, 0, 0]);
    shop.run_on_port_3000().acquits("none of 1 clients of web port 3000 stands out");
    shop.set([2, 0, 0, 0, 0]);
    shop.run_on_port_3000().acquits("none of 1 clients");
    shop.set([0; 5]);
    shop.run_on_port_3000().acquits("nobody sends anything to port 3000");
}

#[test]
fn too_little_traffic_a_stranger_and_a_port_without_listener_are_inconclusive() {
    needs!("dockerd", "docker", "iptables", "busybox");
    let engine = Engine::docker();
    let shop = Shop::open(&engine, [1, 1, 1, 1, 12]);
    shop.run_on_port_3000().is_inconclusive("too few to accuse it");
    shop.run(&["--", "--port=3001"]).is_inconclusive("nothing listens on port 3001");
    // The host itself, which is no container.
    shop.set([50, 50, 60, 80, 50]);
    shop.rates.set("host", 400);
    let server = format!("{}:3000", shop.server.address("shop"));
    let mut traffic = engine.host.command(program().to_str().unwrap());
    let _host = Running::spawn(traffic.args(["send", &server]).arg(shop.rates.file("host")));
    shop.run_on_port_3000().is_inconclusive("and is no container of this host");
}

#[test]
fn containers_are_named_by_their_short_ids_where_no_engine_answers() {
    needs!("dockerd", "docker", "iptables", "busybox");
    let engine = Engine::docker();
    let shop = Shop::open(&engine, [50, 50, 60, 400, 80]);
    let mut netscript = engine.host.netscript_command(&shop.folder);
    netscript.env("DOCKER_HOST", "unix:///nonexistent/docker.sock");
    let begin = Instant::now();
    let ended = run(netscript.args(["run", "--json", "noisy-container", "--", "--port=3000"]));
    let answer = Answer::of(ended, begin.elapsed());
    answer.accuses(&shop.senders[3].id()[..12]);
}

#[test]
fn a_container_of_podman_is_named() {
    needs!("podman", "docker", "iptables", "busybox");
    let engine = Engine::podman();
    let shop = Shop::open(&engine, [50, 50, 60, 400, 80]);
    let answer = shop.run_on_port_3000();
    answer.accuses("http-sender4");
    assert!(answer.text.ends_with("\nTo stop it: podman stop http-sender4"), "{}", answer.text);
}

#[test]
fn the_readme_shows_what_is_printed_and_the_examples_of_the_header_run() {
    needs!("dockerd", "docker", "iptables", "busybox");
    let engine = Engine::docker();
    let shop = Shop::open(&engine, [50, 60, 55, 400, 80]);
    let shown = shown("README.md", "sudo netscript run noisy-container");
    let ended = engine.netscript(&shop.folder, &["run", "noisy-container"]);
    // Where it listens depends on what else there is.
    let (listening, summary) = ended.stderr.split_once('\n').unwrap();
    assert!(listening.contains("web:any"), "{listening}");
    let (_, shown) = shown.split_once('\n').unwrap();
    assert_eq!(by_words(&(ended.stdout + summary), without_numbers), by_words(shown, without_numbers));

    let script = Library::new(Vec::new()).find("noisy-container").unwrap();
    assert!(!script.header.examples.is_empty());
    for example in &script.header.examples {
        let arguments: Vec<_> = example.split(' ').skip(1).collect();
        let ended = engine.netscript(&shop.folder, &arguments);
        assert_eq!(ended.code, Some(1), "{example}: {}", ended.stderr);
    }
}

/// A word, unless it is a number or a name that is one: those are all alike.
fn without_numbers(word: &str) -> String {
    let prefix = ["veth", "br-"].into_iter().find(|prefix| {
        let digits = word.trim_end_matches(',').strip_prefix(prefix).unwrap_or_default();
        digits.len() >= 7 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
    });
    let is_number = |c: char| c.is_ascii_digit() || c == '.' || c == ',';
    match prefix {
        Some(prefix) => format!("{prefix}…"),
        None if word.trim_matches(['(', ')', ';']).chars().all(is_number) => "…".to_owned(),
        None => word.to_owned(),
    }
}
