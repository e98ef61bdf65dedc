//! What README and docs/proxy.md show of `netscript run proxy`.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use rustix::process::Signal;

use super::load::each;
use super::rig::{Host, connect};
use crate::support::{Running, by_words, needs, shown, succeed, until};

const COMMAND: &str = "netscript run proxy --allow serve -- --config=apps.json --log=proxy.log";
const SOCKETS: &str = "ss -ltnH 'sport >= 5000 and sport < 7000'";
const PAGE: &str = "docs/proxy.md";

/// What a client sends at a time, and what comes back: 21 bytes together.
const REQUEST: &[u8; 10] = b"question?\n";
const ANSWER: &[u8; 11] = b"an answer.\n";

/// Answers until its client leaves.
fn answer(mut client: TcpStream) -> std::io::Result<()> {
    let mut request = *REQUEST;
    loop {
        client.read_exact(&mut request)?;
        client.write_all(ANSWER)?;
    }
}

/// A connection on which a request was answered.
fn client(host: &Host, port: u16) -> TcpStream {
    let mut client = host.inside(|| connect(&format!("127.0.0.1:{port}")).unwrap());
    client.write_all(REQUEST).unwrap();
    let mut answer = [0; ANSWER.len()];
    client.read_exact(&mut answer).unwrap();
    assert_eq!(answer, *ANSWER);
    client
}

/// What a proxy says of itself, without what depends on the host: how long it runs, and how many connections may be.
fn how_it_is(status: &str) -> String {
    let (_, told) = status.split_once("Since ").unwrap();
    let (since, told) = told.split_once(' ').unwrap();
    assert!(since.ends_with('Z'), "{since}");
    by_words(told, |word| if word.ends_with('.') { word.trim_matches(char::is_numeric) } else { word }.to_owned())
}

/// What ss lists, in no order of its own.
fn listening(sockets: &str) -> BTreeSet<String> {
    by_words(sockets, str::to_owned).lines().map(str::to_owned).collect()
}

#[test]
fn the_pages_show_what_a_proxy_prints() {
    needs!("unshare", "ss");
    // Nobody there answers for names.
    let host = Host::new();
    let _targets = ["127.0.0.1:9001", "127.0.0.1:9002"].map(|address| each(&host, address, answer));
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/proxy.md")).unwrap();
    host.folder.write("apps.json", page.split("```").find_map(|block| block.strip_prefix("json\n")).unwrap());
    let command = format!("cd {} && exec {COMMAND}", host.folder.path("").display());
    let mut proxy = Running::spawn(host.command("sh").args(["-c", &command]));
    proxy.says("bad.target.for.testing:9001");
    let sockets = succeed(host.command("sh").args(["-c", SOCKETS]));
    for port in [5001, 5200, 5300, 6000, 6099] {
        drop(client(&host, port));
    }
    until("the log", || (host.folder.read("proxy.log").split(|byte| *byte == b'\n').count() == 6).then_some(()));
    let last = client(&host, 5400);
    let status = succeed(host.netscript().args(["proxy", "status"]));
    proxy.signal(Signal::INT);
    proxy.says("waiting");
    drop(last);

    let ended = proxy.ended();
    let said: Vec<_> = ended.stderr.split_inclusive('\n').collect();
    let [unresolved, waiting] = said[..] else { panic!("{ended:?}") };
    let (table, results) = ended.stdout.split_once("Targets:\n").unwrap();
    let begin = format!("{table}{unresolved}");
    // A terminal shows the keys that were pressed.
    let printed = format!("{begin}^C\n{waiting}Targets:\n{results}");
    assert_eq!(shown("README.md", &format!("sudo {COMMAND}")), begin);
    assert_eq!(shown(PAGE, &format!("sudo {COMMAND}")), printed);
    assert_eq!(how_it_is(&shown(PAGE, "sudo netscript proxy status")), how_it_is(&status));
    assert_eq!(listening(&shown(PAGE, SOCKETS)), listening(&sockets));
}
