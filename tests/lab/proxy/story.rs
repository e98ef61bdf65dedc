//! The story: three apps with four ports each, and three who serve them.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use netscript::host::Namespace;
use rustix::process::Signal;

use super::rig::{Host, ask};
use crate::support::{Netns, Running, connect, needs, succeed, until};

const PORTS: [[u16; 4]; 3] = [[5001, 5200, 5300, 5400], [6001, 6200, 6300, 6400], [7001, 7200, 7300, 7400]];

/// Those who serve, and where.
const TARGETS: [(&str, &str); 3] = [("T1", "127.0.0.1:9001"), ("T2", "127.0.0.1:9002"), ("T3", "127.0.0.1:9003")];

/// The configuration as people have it; one of its targets is nowhere.
const APPS: &str = r#"{"Apps":[
    {"Name":"five-thousand","Ports":[5001,5200,5300,5400],
     "Targets":["127.0.0.1:9001","nowhere.example:9009","127.0.0.1:9002","127.0.0.1:9003"]},
    {"Name":"six-thousand","Ports":[6001,6200,6300,6400],
     "Targets":["127.0.0.1:9001","127.0.0.1:9002","127.0.0.1:9003"]},
    {"Name":"seven-thousand","Ports":[7001,7200,7300,7400],
     "Targets":["127.0.0.1:9001","127.0.0.1:9002","127.0.0.1:9003"]}
]}"#;

struct Story {
    host: Host,
    targets: Vec<Running>,
}

impl Story {
    fn new() -> Self {
        let host = Host::new();
        host.folder.write("apps.json", APPS);
        let targets = TARGETS.map(|(name, address)| host.target(name, address)).into();
        Self { host, targets }
    }

    /// Serves the apps of the configuration.
    fn proxy(&self) -> Running {
        self.host.proxy(&format!("{:?}", self.host.folder.path("apps.json")))
    }
}

#[test]
fn twelve_ports_lead_to_each_target_in_turn_and_one_that_is_nowhere_is_left_out() {
    needs!("unshare", "curl", "ss", "python3");
    let story = Story::new();
    let names = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/programs/names.py");
    let host = &story.host;
    let _names = Running::spawn(host.netns.command("python3").args([names, "other.example=127.0.0.1"]));
    until("the name server", || succeed(host.netns.command("ss").arg("-Hlun")).contains(":53 ").then_some(()));
    let mut proxy = story.proxy();
    // The first target of an app is the first one of the file, whatever port a client comes to.
    for ports in PORTS {
        for (turn, port) in ports.into_iter().cycle().take(8).enumerate() {
            let curl = host.netns.command("curl").args(["-sS", &format!("http://127.0.0.1:{port}/{port}")]).output();
            let expected = format!("{} /{port}\n", TARGETS[turn % 3].0);
            assert_eq!(String::from_utf8(curl.unwrap().stdout).unwrap(), expected, "the {turn}th on {port}");
        }
    }
    let told = proxy.says("nowhere");
    assert_eq!(told, "netscript: target nowhere.example:9009 of app five-thousand has no address: no such name");
    let sockets = succeed(host.netns.command("ss").args(["-Hltn", "sport < 9000"]));
    let mut listening: Vec<_> = sockets.lines().filter_map(|line| line.split_whitespace().nth(3)).collect();
    listening.sort_unstable();
    assert_eq!(listening, ["*:5001", "*:6001", "*:7001"]);
}

#[test]
fn a_scan_finds_the_ports_of_the_apps_and_no_others_from_inside_and_from_outside() {
    needs!("unshare", "nmap");
    let story = Story::new();
    let outside = Netns::new();
    connect((&story.host.netns, "eth0", "192.0.2.1/24"), (&outside, "eth0", "192.0.2.2/24"));
    let _proxy = story.proxy();
    let apps = PORTS.as_flattened().iter().map(u16::to_string);
    let others = ["9001", "9002", "9003", "9100"].map(str::to_owned);
    assert_eq!(scan(story.host.netns.command("nmap"), "127.0.0.1"), apps.clone().chain(others).collect::<Vec<_>>());
    assert_eq!(scan(outside.command("nmap"), "192.0.2.1"), apps.collect::<Vec<_>>());
}

/// The ports that are open, of all that there are.
fn scan(mut nmap: Command, address: &str) -> Vec<String> {
    let found = succeed(nmap.args(["-sT", "-n", "-Pn", "-T5", "-p-", "-oG", "-", address]));
    let ports = found.lines().find_map(|line| line.split_once("Ports: ")).unwrap().1;
    let open = ports.split(", ").filter_map(|port| port.split_once("/open/"));
    open.map(|(port, _)| port.to_owned()).collect()
}

/// Those who ask at the same time.
const CLIENTS: usize = 16;

/// What became of requests: how many each target answered, and which were answered wrongly or not at all.
#[derive(Default)]
struct Served {
    by: BTreeMap<String, usize>,
    failed: Vec<String>,
    wrong: Vec<String>,
}

/// One app on all ports. Targets are looked at often, so that one that comes back is soon in use.
fn app(replay: &str) -> String {
    let (ports, targets) = (PORTS.as_flattened(), TARGETS.map(|(_, address)| address));
    let check = r#"#{ interval: "200ms" }"#;
    format!(r#"[#{{ name: "a", ports: {ports:?}, targets: {targets:?}, check: {check}, replay: "{replay}" }}]"#)
}

impl Story {
    /// Has clients send so many requests, each on a connection of its own, to one port after the other. Meanwhile one of
    /// those who serve is killed so often, and each time brought back, with another name.
    fn served_under_fire(&mut self, requests: usize, kills: usize) -> Served {
        let Self { host, targets } = self;
        let (begun, namespace) = (AtomicUsize::new(0), Namespace::named(host.netns.name()).unwrap());
        thread::scope(|scope| {
            let client = || namespace.enter(|| client(&begun, requests)).unwrap();
            let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(client)).collect();
            let (name, address) = TARGETS[1];
            let steps = 2 * kills + 1;
            // In small parts: all of it takes a slow machine longer than anything else here.
            let part = requests / steps / 10;
            let at = |step: usize| {
                for parts in (step - 1) * 10 + 1..=step * 10 {
                    until("requests", || (begun.load(Ordering::Relaxed) >= parts * part).then_some(()));
                }
            };
            for kill in 0..kills {
                at(2 * kill + 1);
                let killed = targets.remove(1);
                killed.signal(Signal::KILL);
                killed.ended();
                at(2 * kill + 2);
                targets.insert(1, host.target(&format!("{name} again"), address));
            }
            clients.into_iter().map(|client| client.join().unwrap()).reduce(Served::and).unwrap()
        })
    }
}

fn client(begun: &AtomicUsize, requests: usize) -> Served {
    let (ports, mut served) = (PORTS.as_flattened(), Served::default());
    loop {
        let number = begun.fetch_add(1, Ordering::Relaxed);
        if number >= requests {
            return served;
        }
        match ask(&format!("127.0.0.1:{}", ports[number % ports.len()]), &format!("/{number}")) {
            Err(error) => served.failed.push(format!("{number}: {error}")),
            Ok(answer) => match answer.strip_suffix(&format!(" /{number}\n")) {
                Some(name) => *served.by.entry(name.to_owned()).or_default() += 1,
                None => served.wrong.push(answer),
            },
        }
    }
}

impl Served {
    fn and(mut self, other: Self) -> Self {
        other.by.into_iter().for_each(|(name, count)| *self.by.entry(name).or_default() += count);
        self.failed.extend(other.failed);
        self.wrong.extend(other.wrong);
        self
    }
}

#[test]
fn nobody_notices_that_a_target_is_killed_and_brought_back_under_load() {
    needs!("unshare");
    const REQUESTS: usize = 100_000;
    let mut story = Story::new();
    let _proxy = story.host.proxy(&app("unanswered"));
    let Served { by, failed, wrong } = story.served_under_fire(REQUESTS, 1);
    assert_eq!((failed, wrong), (vec![], vec![]));
    assert_eq!(by.values().sum::<usize>(), REQUESTS);
    assert_eq!(by.keys().collect::<Vec<_>>(), ["T1", "T2", "T2 again", "T3"]);
    // A third of what was asked behind its return, nearly: it takes two checks.
    assert!(by["T2 again"] > REQUESTS / 3 / 3 / 2, "{by:?}");
}

#[test]
fn without_replay_those_requests_fail_that_were_with_a_target_when_it_was_killed() {
    needs!("unshare");
    const REQUESTS: usize = 30_000;
    const KILLS: usize = 3;
    let mut story = Story::new();
    let _proxy = story.host.proxy(&app("never"));
    let Served { by, failed, wrong } = story.served_under_fire(REQUESTS, KILLS);
    assert_eq!((by.values().sum::<usize>() + failed.len(), wrong), (REQUESTS, vec![]));
    assert!(failed.len() <= KILLS * CLIENTS, "{failed:?}");
    let log = story.host.logged(REQUESTS);
    let unanswered: Vec<_> = log.iter().filter(|connection| connection["bytes_to_client"] == 0).collect();
    assert_eq!(unanswered.len(), failed.len(), "{unanswered:?}");
    for connection in unanswered {
        assert_eq!((&connection["target"], &connection["tries"]), (&"127.0.0.1:9002".into(), &1.into()));
        let end = &connection["end"];
        assert!(*end == "target reset" || *end == "target closed", "{connection}");
    }
}
