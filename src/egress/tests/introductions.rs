//! Packets of sockets in, names out.

use std::sync::Arc;

use super::super::event::{Copied, Reason};
use super::super::introductions::{Attributor, Introductions};
use super::super::process::{Process, stranger};
use super::{ANSWER, QUERY, address, at, client_hello, cname, datagram, dns, end, process, segment};
use crate::flow::Attributor as _;
use crate::limits::Limits;
use crate::protocol::dns::DnsQuery;

const OWN: &str = "192.0.2.1:40000";
const RESOLVER: &str = "192.0.2.53:53";
const SITE: &str = "203.0.113.9:443";

/// What one process sends and gets, a millisecond after the other.
struct Scene {
    introductions: Introductions,
    process: Arc<Process>,
    cookie: u64,
    time: i64,
    told: Vec<DnsQuery>,
}

impl Scene {
    fn new() -> Self {
        Self::of(process(7, "curl"))
    }

    fn of(process: Arc<Process>) -> Self {
        let introductions = Introductions::new(&Limits::default());
        Self { introductions, process, cookie: 42, time: 0, told: Vec::new() }
    }

    fn packet(mut self, is_outgoing: bool, bytes: Vec<u8>) -> Self {
        let (time, length) = (self.time.unsigned_abs(), u32::try_from(bytes.len()).unwrap());
        let copied = Copied {
            time,
            cookie: self.cookie,
            pid: self.process.pid,
            length,
            is_outgoing,
            is_answer: !is_outgoing,
            bytes,
        };
        self.told.extend(self.introductions.take(&copied, at(self.time), Some(Arc::clone(&self.process))));
        self.time += 1;
        self
    }

    fn sends(self, bytes: Vec<u8>) -> Self {
        self.packet(true, bytes)
    }

    fn gets(self, bytes: Vec<u8>) -> Self {
        self.packet(false, bytes)
    }

    fn names(&self, peer: &str, time: i64) -> Vec<String> {
        let names = self.introductions.names(&self.process.container, end(peer), at(time));
        names.iter().map(ToString::to_string).collect()
    }

    fn server_name(&self) -> Option<String> {
        self.introductions.server_name(self.cookie).map(|name| name.to_string())
    }
}

fn question() -> Vec<u8> {
    dns(1, QUERY, "www.a.example", &[])
}

fn answer() -> Vec<u8> {
    let records = [cname("www.a.example", "edge.cdn.example"), address("edge.cdn.example", "203.0.113.9")];
    dns(1, ANSWER, "www.a.example", &records)
}

#[test]
fn an_answer_over_udp_names_an_address_from_then_on() {
    let scene = Scene::new().sends(datagram(OWN, RESOLVER, &question())).gets(datagram(RESOLVER, OWN, &answer()));
    assert_eq!(scene.names(SITE, 1), ["www.a.example", "edge.cdn.example"]);
    assert!(scene.names(SITE, 0).is_empty(), "the answer came later");
    assert!(scene.names("203.0.113.8:443", 1).is_empty());
    // It is told when it is complete, for the rules of a run.
    assert_eq!(scene.told.iter().map(|query| query.name().unwrap().to_string()).collect::<Vec<_>>(), ["www.a.example"]);
}

#[test]
fn an_answer_over_tcp_or_ipv6_does_so_too() {
    let counted = |message: Vec<u8>| super::vector(2, message);
    let (own, resolver) = ("[2001:db8::1]:40000", "[2001:db8::53]:53");
    let scene = Scene::new()
        .sends(segment(own, resolver, 0x02, 100, b""))
        .gets(segment(resolver, own, 0x12, 500, b""))
        .sends(segment(own, resolver, 0x18, 101, &counted(question())))
        .gets(segment(resolver, own, 0x18, 501, &counted(answer())));
    assert_eq!(scene.names(SITE, 3), ["www.a.example", "edge.cdn.example"]);
}

#[test]
fn the_resolver_that_docker_puts_into_a_container_names_addresses_whatever_its_ports() {
    // What goes to port 53 is sent to another port before it gets there, and what comes back, comes from port 53 again.
    let scene = Scene::new().sends(datagram("127.0.0.1:40000", "127.0.0.11:53", &question())).gets(datagram(
        "127.0.0.11:34567",
        "127.0.0.1:40000",
        &answer(),
    ));
    assert_eq!(scene.names(SITE, 1), ["www.a.example", "edge.cdn.example"]);
    let scene = Scene::new().sends(datagram("127.0.0.1:40000", "127.0.0.11:34567", &question())).gets(datagram(
        "127.0.0.11:53",
        "127.0.0.1:40000",
        &answer(),
    ));
    assert_eq!(scene.names(SITE, 1), ["www.a.example", "edge.cdn.example"]);
}

#[test]
fn what_a_client_asks_for_in_its_hello_is_the_name_of_that_socket() {
    let scene = Scene::new()
        .sends(segment(OWN, SITE, 0x02, 100, b""))
        .gets(segment(SITE, OWN, 0x12, 500, b""))
        .sends(segment(OWN, SITE, 0x18, 101, &client_hello("www.a.example")));
    let mut scene = scene;
    scene.introductions.finish();
    assert_eq!(scene.server_name().as_deref(), Some("www.a.example"));
    assert_eq!(scene.introductions.server_name(43), None);
}

#[test]
fn a_hello_without_the_beginning_of_its_connection_is_known_all_the_same() {
    let mut scene = Scene::new().sends(segment(OWN, SITE, 0x18, 101, &client_hello("www.a.example")));
    scene.introductions.finish();
    assert_eq!(scene.server_name().as_deref(), Some("www.a.example"));
}

#[test]
fn what_a_container_was_told_is_not_known_to_the_host() {
    let inside = Process { container: Some("0a1b".into()), ..stranger(8, "apk", Reason::ENGINE) };
    let scene = Scene::of(Arc::new(inside));
    let scene = scene.sends(datagram(OWN, RESOLVER, &question())).gets(datagram(RESOLVER, OWN, &answer()));
    assert_eq!(scene.names(SITE, 1).len(), 2);
    assert!(scene.introductions.names(&None, end(SITE), at(1)).is_empty());
    assert!(scene.introductions.names(&Some("ffee".into()), end(SITE), at(1)).is_empty());
}

#[test]
fn conversations_belong_to_the_process_of_the_socket_whichever_way_packets_go() {
    let own = |client: &str, server: &str, scene: &Scene| {
        let mut attributor = Attributor(scene.introductions.parties());
        let owners = attributor.owners(17, end(client), end(server), at(0), at(0));
        [owners.client, owners.server].map(|side| side.owner().and_then(|owner| owner.pid))
    };
    let sent = Scene::new().sends(datagram(OWN, RESOLVER, &question()));
    assert_eq!(own(OWN, RESOLVER, &sent), [Some(7), None]);
    let got = Scene::new().gets(datagram(RESOLVER, OWN, &answer()));
    assert_eq!(own(OWN, RESOLVER, &got), [Some(7), None]);
    assert_eq!(own(RESOLVER, OWN, &got), [None, Some(7)]);
    assert_eq!(own("192.0.2.1:40001", RESOLVER, &got), [None, None]);
}

#[test]
fn packets_that_are_none_do_no_harm() {
    let whole = datagram(RESOLVER, OWN, &answer());
    let mut scene = Scene::new();
    for length in 0..whole.len() {
        scene = scene.gets(whole[..length].to_vec());
    }
    let scene = scene.gets(vec![0xff; 600]).gets(super::ip(1, end(OWN), end(SITE), &[8, 0, 0, 0, 0, 1, 0, 1]));
    assert!(scene.server_name().is_none());
}
