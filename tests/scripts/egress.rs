//! `egress-check` over captures. What it says is in `cases-egress/`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::support::capture::dns::{Has, answer, nobody, question};
use crate::support::capture::http::{get, response};
use crate::support::capture::tls::client_hello;
use crate::support::capture::{Capture, Conversation, Datagrams};
use crate::support::program::Folder;
use crate::support::transcript;

const BUILD: &str = "10.0.0.7";
const RESOLVER: &str = "10.0.0.53:53";
const SECOND: Duration = Duration::from_secs(1);

fn cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts/cases-egress")
}

/// Runs a case on this capture, and beside it files that it may name.
fn check_with(case: &str, capture: &Capture, files: &[(&str, &[u8])]) {
    let folder = Folder::with("capture.pcap", capture.pcap());
    for (name, content) in files {
        folder.write(name, content);
    }
    transcript::check(&cases().join(case).with_extension("txt"), &folder);
}

fn check(case: &str, capture: &Capture) {
    check_with(case, capture, &[]);
}

/// The build asks for a name and gets this answer.
fn lookup(port: u16, id: u16, name: &str, records: &[(&str, Has<'_>)]) -> Datagrams {
    let mut dns = Datagrams::new(&format!("{BUILD}:{port}"), RESOLVER);
    dns.client_sends(&question(id, name));
    dns.server_sends(&answer(id, name, records));
    dns
}

/// The build is connected, a second after its captures begin.
fn connect(port: u16, server: &str) -> Conversation {
    let mut talk = Conversation::new(&format!("{BUILD}:{port}"), server);
    talk.at(SECOND);
    talk.handshake();
    talk
}

/// A fetch over HTTP.
fn fetch(port: u16, server: &str, host: &str) -> Conversation {
    let mut talk = connect(port, server);
    let body = response("200 OK", &[], b"package");
    talk.exchange(&get("/simple", &[("Host", host)]), Duration::from_millis(2), &body);
    talk.close();
    talk
}

/// A handshake of TLS up to the hello of the client, which asks for this name.
fn greet(port: u16, server: &str, name: &str) -> Conversation {
    let mut talk = connect(port, server);
    talk.client_sends(&client_hello(name));
    talk.close();
    talk
}

/// A build that asks for a name with an alias, and fetches from its address.
fn build() -> Capture {
    let records = [
        ("pypi.example", Has::Alias("pypi.map.cdn.example")),
        ("pypi.map.cdn.example", Has::Address("203.0.113.9")),
        ("pypi.map.cdn.example", Has::Address("203.0.113.10")),
    ];
    let lookup = lookup(40_000, 1, "pypi.example", &records);
    let fetches = [(50_000, "203.0.113.9:80"), (50_001, "203.0.113.9:80"), (50_002, "203.0.113.10:80")];
    let capture = Capture::new().with(lookup);
    fetches.iter().fold(capture, |capture, (port, server)| capture.with(fetch(*port, server, "pypi.example")))
}

/// What stays at home: a private network, the resolver, this host.
fn at_home(capture: Capture) -> Capture {
    let mut mail = Conversation::new("127.0.0.1:50100", "127.0.0.1:25");
    mail.handshake();
    mail.close();
    let mut local = Datagrams::new("10.0.0.7:40100", RESOLVER);
    local.client_sends(&question(9, "db.internal"));
    local.server_sends(&answer(9, "db.internal", &[("db.internal", Has::Address("10.0.0.20"))]));
    capture.with(mail).with(local).with(fetch(50_101, "10.0.0.20:8000", "db.internal"))
}

#[test]
fn every_case_is_run() {
    let source = include_str!("egress.rs");
    for file in std::fs::read_dir(cases()).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let is_run = ["check", "check_with"].iter().any(|check| source.contains(&format!("{check}(\"{name}\",")));
        assert!(is_run, "nothing runs {}", path.display());
    }
}

#[test]
fn what_a_build_fetches_goes_by_the_name_that_it_asked_for() {
    check("build", &build());
}

#[test]
fn every_format_says_the_same() {
    check("formats", &build());
}

#[test]
fn the_name_that_tls_asks_for_is_told_where_nobody_saw_the_answer_of_dns() {
    check("tls", &Capture::new().with(greet(50_000, "203.0.113.9:443", "registry.example")));
}

#[test]
fn who_is_refused_or_hears_nothing_has_tried() {
    let mut refused = Conversation::new("10.0.0.7:50000", "203.0.113.9:5432");
    refused.knock();
    refused.reset();
    let mut silent = Conversation::new("10.0.0.7:50001", "203.0.113.10:5432");
    silent.knock();
    check("tried", &Capture::new().with(refused).with(silent));
}

#[test]
fn datagrams_and_pings_reach_out_too() {
    let mut answered = Datagrams::new("10.0.0.7:40000", "203.0.113.123:123");
    answered.client_sends(b"what time is it");
    answered.server_sends(b"late");
    let mut sent = Datagrams::new("10.0.0.7:40001", "203.0.113.14:514");
    sent.client_sends(b"<13>a line of a log");
    let mut ping = Datagrams::new("10.0.0.7:0", "203.0.113.9:0");
    ping.ping();
    check("datagrams", &Capture::new().with(answered).with(sent).with(ping));
}

#[test]
fn to_ask_for_an_outside_name_counts_by_itself() {
    let mut nowhere = Datagrams::new("10.0.0.7:40001", RESOLVER);
    nowhere.client_sends(&question(2, "secret-0042.leak.example"));
    nowhere.server_sends(&nobody(2, "secret-0042.leak.example"));
    let mut silent = Datagrams::new("10.0.0.7:40002", RESOLVER);
    silent.client_sends(&question(3, "silent.example"));
    let known = lookup(40_000, 1, "a.example", &[("a.example", Has::Address("203.0.113.9"))]);
    check("queries", &Capture::new().with(known).with(nowhere).with(silent));
}

#[test]
fn who_stays_at_home_is_clean() {
    let mut group = Datagrams::new("10.0.0.7:5353", "224.0.0.251:5353");
    group.client_sends(&question(0, "printer.local"));
    check("inside", &at_home(Capture::new()).with(group));
}

#[test]
fn an_inside_name_may_lead_outside() {
    let lookup = lookup(40_000, 1, "cache.internal", &[("cache.internal", Has::Address("203.0.113.9"))]);
    check("inside-name", &Capture::new().with(lookup).with(fetch(50_000, "203.0.113.9:80", "cache.internal")));
}

#[test]
fn of_a_connection_that_was_open_before_the_capture_began_its_server_is_told() {
    let mut talk = Conversation::new("10.0.0.7:50000", "203.0.113.9:80");
    talk.exchange(&get("/simple", &[("Host", "pypi.example")]), SECOND, &response("200 OK", &[], b"package"));
    talk.close();
    check("late-start", &Capture::new().with(talk));
}

#[test]
fn nobody_is_accused_where_it_may_have_been_the_other_one() {
    let mut talk = Conversation::new("10.0.0.7:45000", "203.0.113.9:52000");
    talk.client_sends(b"what either end may say");
    talk.close();
    check("either", &Capture::new().with(talk));
    // Whoever is seen first does not settle it.
    let mut talk = Conversation::new("10.0.0.7:45000", "203.0.113.9:52000");
    talk.server_sends(b"what either end may say");
    talk.close();
    check("either-way", &Capture::new().with(talk));
}

#[test]
fn parameters_and_rules_say_what_may_be_reached() {
    let rules = "allow host pypi.example port 80/tcp\nallow host debian.example\ndeny cidr 10.0.0.20\n";
    check_with("rules", &at_home(build()), &[("egress.rules", rules.as_bytes())]);
}

#[test]
fn what_is_learned_is_allowed_the_next_time_and_nothing_else() {
    let more = greet(50_200, "203.0.113.99:443", "new.example");
    let asked = lookup(40_200, 7, "only-asked.example", &[("only-asked.example", Has::Address("203.0.113.77"))]);
    let larger = build().with(more).with(asked).pcap();
    check_with("learn", &build(), &[("larger.pcap", &larger)]);
}

#[test]
fn a_broken_file_of_rules_is_an_error_with_its_lines() {
    let rules = "allow hots a.example\nallow cidr 10.0.0.0/8\nallow port https\n";
    check_with("broken-rules", &build(), &[("broken.rules", rules.as_bytes())]);
}

#[test]
fn nothing_that_was_seen_is_not_clean() {
    check("no-packets", &Capture::new());
}

#[test]
fn a_capture_that_is_cut_off_leaves_it_open() {
    let whole = at_home(Capture::new()).pcap();
    check_with("cut-off", &Capture::new(), &[("cut.pcap", &whole[..whole.len() - 10])]);
}
