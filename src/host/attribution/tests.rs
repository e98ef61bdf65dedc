//! The rules, with sockets that are made up.

use std::sync::Arc;

use super::event::{Event, Kind};
use super::home::{Home, Residence};
use super::index::{Change, Endpoints, Index, Listed, Process, Span, What};
use super::lookup::{End, Finding, Knowledge};
use super::places::Places;
use crate::flow::{Found, Ownership};
use crate::record::Time;

const TCP: u8 = 6;
const UDP: u8 = 17;

/// Namespaces: that of the host, and those of the containers `web` and `client`.
const HOST: u64 = 1;
const WEB: u64 = 2;
const CLIENT: u64 = 3;

/// A host with 192.0.2.1, and two containers with 198.51.100.2 and 198.51.100.3.
struct World {
    index: Index,
    places: Places,
    captured: Vec<u64>,
    complete_since: Option<Time>,
    missing: Option<&'static str>,
    cookies: u64,
}

fn at(seconds: i64) -> Time {
    Time::from_nanos(seconds * 1_000_000_000)
}

fn process(pid: u32, name: &str, residence: Residence) -> Arc<Process> {
    Arc::new(Process { pid, name: name.into(), home: Home::known(residence) })
}

fn on_host(pid: u32, name: &str) -> Option<Arc<Process>> {
    Some(process(pid, name, Residence::Host))
}

fn endpoints(protocol: u8, local: &str, remote: Option<&str>) -> Endpoints {
    Endpoints { protocol, local: local.parse().unwrap(), remote: remote.map(|remote| remote.parse().unwrap()) }
}

impl World {
    fn new() -> Self {
        let mut places = Places::default();
        for (address, namespace) in [("192.0.2.1", HOST), ("198.51.100.2", WEB), ("198.51.100.3", CLIENT)] {
            places.add(address.parse().unwrap(), namespace);
        }
        places.name(WEB, "web");
        places.name(CLIENT, "client");
        let (index, captured) = (Index::new(1000), vec![HOST]);
        Self { index, places, captured, complete_since: Some(at(0)), missing: None, cookies: 0 }
    }

    /// A socket that begins at a time, and what it is called.
    fn begins(&mut self, time: i64, namespace: u64, it: Endpoints, process: Option<Arc<Process>>, found: Found) -> u64 {
        self.cookies += 1;
        let what = What::Begins(process, found);
        self.index.apply(Change { time: at(time), cookie: self.cookies, namespace, endpoints: it, what });
        self.cookies
    }

    fn connects(&mut self, time: i64, namespace: u64, local: &str, remote: &str, pid: u32) -> u64 {
        self.begins(time, namespace, endpoints(TCP, local, Some(remote)), on_host(pid, "curl"), Found::Hook)
    }

    fn listens(&mut self, time: i64, namespace: u64, local: &str, pid: u32, name: &str) -> u64 {
        self.begins(time, namespace, endpoints(TCP, local, None), on_host(pid, name), Found::Listener)
    }

    fn owner(&self, end: End) -> Ownership {
        let Self { index, places, captured, complete_since, missing, .. } = self;
        let (complete_since, missing) = (*complete_since, *missing);
        let knowledge = Knowledge { index, places, host: HOST, captured, complete_since, missing };
        match knowledge.owner(&end) {
            Finding::Is(ownership) => ownership,
            Finding::NotLookedUp => panic!("all homes are known"),
        }
    }

    /// What is said of both ends of a conversation: `Hook 7`, `Address web`, `elsewhere`, or the reason.
    fn asked(&self, protocol: u8, client: &str, server: &str, (start, end): (i64, i64)) -> [String; 2] {
        let (client, server, span) =
            (client.parse().unwrap(), server.parse().unwrap(), Span { start: at(start), end: at(end) });
        [(client, server, true), (server, client, false)].map(|(local, remote, is_client)| {
            match self.owner(End { protocol, local, remote, is_client, span }) {
                Ownership::Known(owner) => {
                    let pid = owner.pid.map(|pid| format!(" {pid}")).unwrap_or_default();
                    let container = owner.container.as_deref().map(|it| format!(" {it}")).unwrap_or_default();
                    format!("{:?}{pid}{container}", owner.found)
                }
                Ownership::Unknown(why) => why.into_owned(),
                Ownership::Elsewhere => "elsewhere".into(),
            }
        })
    }
}

const SEVERAL: &str = "several processes have these endpoints, in different network namespaces or one after the other";

#[test]
fn both_ends_of_a_connection_are_found_and_what_is_not_here_is_elsewhere() {
    let mut world = World::new();
    world.connects(10, HOST, "192.0.2.1:40000", "203.0.113.5:443", 7);
    assert_eq!(world.asked(TCP, "192.0.2.1:40000", "203.0.113.5:443", (10, 11)), ["Hook 7", "elsewhere"]);
    // And as whoever came late to it has the sides.
    assert_eq!(world.asked(TCP, "203.0.113.5:443", "192.0.2.1:40000", (10, 11)), ["elsewhere", "Hook 7"]);
}

#[test]
fn endpoints_that_are_used_again_belong_to_each_in_its_time() {
    let mut world = World::new();
    for (pid, time) in [(7, 10), (8, 20), (9, 30)] {
        let cookie = world.connects(time, HOST, "192.0.2.1:40000", "203.0.113.5:443", pid);
        if pid != 8 {
            // The end of one of them is not told: it ends when the next one begins.
            world.index.end(cookie, at(time + 5));
        }
    }
    let asked = |span| world.asked(TCP, "192.0.2.1:40000", "203.0.113.5:443", span)[0].clone();
    assert_eq!([asked((10, 15)), asked((20, 29)), asked((31, 35))], ["Hook 7", "Hook 8", "Hook 9"]);
    // In the moment when it changes hands it may be either's.
    assert_eq!(asked((30, 35)), SEVERAL);
    // Late packets belong to whoever had it when the conversation began.
    assert_eq!(asked((14, 40)), "Hook 7");
    let between = asked((17, 18));
    assert_eq!(between, "no socket on this host has these endpoints");
}

#[test]
fn sockets_of_a_server_begin_after_the_first_packet() {
    let mut world = World::new();
    let former = endpoints(TCP, "198.51.100.2:80", Some("203.0.113.5:5000"));
    let cookie = world.begins(10, WEB, former, on_host(7, "old"), Found::Hook);
    world.index.end(cookie, at(12));
    world.begins(21, WEB, former, on_host(8, "new"), Found::Hook);
    assert_eq!(world.asked(TCP, "203.0.113.5:5000", "198.51.100.2:80", (20, 22))[1], "Hook 8");
    world.listens(5, WEB, "0.0.0.0:80", 9, "new");
    assert_eq!(world.asked(TCP, "203.0.113.5:5000", "198.51.100.2:80", (15, 16))[1], "Listener 9");
}

#[test]
fn two_processes_at_the_same_time_make_it_unknown_unless_one_is_where_packets_are_captured() {
    let mut world = World::new();
    world.connects(10, CLIENT, "192.0.2.7:40000", "192.0.2.8:80", 7);
    world.connects(10, WEB, "192.0.2.7:40000", "192.0.2.8:80", 8);
    let asked = |world: &World| world.asked(TCP, "192.0.2.7:40000", "192.0.2.8:80", (10, 11))[0].clone();
    assert_eq!(asked(&world), SEVERAL);
    world.captured = vec![WEB];
    assert_eq!(asked(&world), "Hook 8");
    world.captured = vec![WEB, CLIENT];
    assert_eq!(asked(&world), SEVERAL);
}

#[test]
fn loopback_is_that_of_the_namespaces_that_are_captured_in() {
    let mut world = World::new();
    world.connects(10, CLIENT, "127.0.0.1:40000", "127.0.0.1:80", 7);
    world.listens(5, CLIENT, "127.0.0.1:80", 8, "inside");
    let [client, server] = world.asked(TCP, "127.0.0.1:40000", "127.0.0.1:80", (10, 11));
    let nobody = "every network namespace has this address, and none has such a socket that is captured in";
    assert_eq!([client.as_str(), server.as_str()], [nobody, nobody]);
    world.captured = vec![CLIENT];
    assert_eq!(world.asked(TCP, "127.0.0.1:40000", "127.0.0.1:80", (10, 11)), ["Hook 7", "Listener 8"]);
}

#[test]
fn whoever_listens_is_named_where_a_connection_cannot_have_been_forwarded() {
    let mut world = World::new();
    world.listens(5, WEB, "[::]:80", 8, "nginx");
    world.listens(5, HOST, "0.0.0.0:8080", 9, "server");
    assert_eq!(world.asked(TCP, "203.0.113.5:5000", "198.51.100.2:80", (10, 11))[1], "Listener 8");
    let forwarded = "who listens there did not accept it; it may have been forwarded";
    assert_eq!(world.asked(TCP, "203.0.113.5:5000", "192.0.2.1:8080", (10, 11))[1], forwarded);
    // Before the hook, it may have been accepted unseen.
    world.complete_since = Some(at(20));
    assert_eq!(world.asked(TCP, "203.0.113.5:5000", "192.0.2.1:8080", (10, 11))[1], "Listener 9");
    world.listens(6, HOST, "0.0.0.0:8081", 10, "docker-proxy");
    assert_eq!(world.asked(TCP, "203.0.113.5:5000", "192.0.2.1:8081", (10, 11))[1], forwarded);
}

#[test]
fn a_listener_on_any_address_is_one_on_those_of_its_namespace() {
    let mut world = World::new();
    world.listens(5, WEB, "0.0.0.0:80", 8, "nginx");
    world.listens(5, CLIENT, "0.0.0.0:80", 9, "other");
    assert_eq!(world.asked(TCP, "203.0.113.5:5000", "198.51.100.2:80", (10, 11))[1], "Listener 8");
    assert_eq!(world.asked(TCP, "203.0.113.5:5000", "198.51.100.3:80", (10, 11))[1], "Listener 9");
}

#[test]
fn an_accepted_connection_is_the_listeners_until_somebody_uses_it() {
    let mut world = World::new();
    let connection = endpoints(TCP, "198.51.100.2:80", Some("203.0.113.5:5000"));
    let cookie = world.begins(11, WEB, connection, None, Found::Listener);
    let asked = |world: &World| world.asked(TCP, "203.0.113.5:5000", "198.51.100.2:80", (10, 12))[1].clone();
    assert_eq!(asked(&world), "a socket has these endpoints, and its process may not be looked at");
    world.listens(5, WEB, "0.0.0.0:80", 8, "master");
    assert_eq!(asked(&world), "Listener 8");
    let what = What::IsUsedBy(process(9, "worker", Residence::Container("web".into())));
    world.index.apply(Change { time: at(12), cookie, namespace: WEB, endpoints: connection, what });
    assert_eq!(asked(&world), "Hook 9 web");
}

#[test]
fn a_client_is_found_behind_a_translated_destination_but_not_behind_a_borrowed_port() {
    let mut world = World::new();
    // To a published port of the host, which leads to the container.
    world.connects(10, CLIENT, "198.51.100.3:40000", "192.0.2.1:8080", 7);
    world.connects(10, HOST, "192.0.2.1:40001", "192.0.2.1:8080", 8);
    assert_eq!(world.asked(TCP, "198.51.100.3:40000", "198.51.100.2:80", (10, 11))[0], "Hook 7");
    assert_eq!(world.asked(TCP, "192.0.2.1:40001", "198.51.100.2:80", (10, 11))[0], "Hook 8");
    // A container on its way out has been given a port that a process of the host has for another connection.
    world.connects(10, HOST, "192.0.2.1:40002", "203.0.113.5:443", 9);
    let unknown = "no socket on this host has these endpoints";
    assert_eq!(world.asked(TCP, "192.0.2.1:40002", "203.0.113.9:443", (10, 11)), [unknown, "elsewhere"]);
}

#[test]
fn udp_without_a_peer_is_found_by_its_own_endpoint() {
    let mut world = World::new();
    let cookie = world.begins(10, CLIENT, endpoints(UDP, "0.0.0.0:5000", None), on_host(7, "dig"), Found::Listener);
    world.begins(5, WEB, endpoints(UDP, "198.51.100.2:53", None), on_host(8, "dns"), Found::Listener);
    let asked = |world: &World| world.asked(UDP, "198.51.100.3:5000", "198.51.100.2:53", (10, 11));
    assert_eq!(asked(&world), ["Listener 7", "Listener 8"]);
    // It gets a peer: the same socket is not bound without one any more.
    let (endpoints, what) =
        (endpoints(UDP, "198.51.100.3:5000", Some("203.0.113.5:53")), What::Begins(on_host(7, "dig"), Found::Hook));
    world.index.apply(Change { time: at(10), cookie, namespace: CLIENT, endpoints, what });
    assert_eq!(world.asked(UDP, "198.51.100.3:5000", "203.0.113.5:53", (10, 11))[0], "Hook 7");
    // Two servers on one port, of which either may have answered.
    world.begins(6, WEB, self::endpoints(UDP, "198.51.100.2:53", None), on_host(9, "other"), Found::Listener);
    assert_eq!(asked(&world)[1], SEVERAL);
}

#[test]
fn without_a_socket_the_address_tells_the_container() {
    let mut world = World::new();
    let asked = |world: &World| world.asked(TCP, "192.0.2.1:1", "198.51.100.2:2", (10, 11));
    assert_eq!(asked(&world), ["no socket on this host has these endpoints", "Address web"]);
    assert_eq!(
        world.asked(1, "192.0.2.1:0", "198.51.100.2:0", (10, 11)),
        ["only TCP and UDP have sockets to look for", "Address web"]
    );
    world.missing = Some("something was lost");
    assert_eq!(asked(&world)[0], "something was lost");
    world.places.name(WEB, "sidecar");
    assert_eq!(asked(&world)[1], "something was lost; the address is that of the containers web, sidecar");
    world.places.add("198.51.100.2".parse().unwrap(), CLIENT);
    assert_eq!(asked(&world)[1], "something was lost; several network namespaces have this address");
}

#[test]
fn a_process_of_a_container_that_is_gone_is_not_said_to_be_the_hosts() {
    let mut world = World::new();
    let connection = endpoints(TCP, "198.51.100.3:40000", Some("198.51.100.2:80"));
    world.begins(10, CLIENT, connection, Some(process(7, "curl", Residence::Gone)), Found::Hook);
    let asked = world.asked(TCP, "198.51.100.3:40000", "198.51.100.2:80", (10, 11));
    assert_eq!(asked[0], "curl (7) ended before its container was looked up");
}

#[test]
fn sockets_in_a_list_are_known_from_when_they_may_have_begun() {
    let mut world = World::new();
    let it = endpoints(TCP, "192.0.2.1:40000", Some("203.0.113.5:443"));
    let listed = |cookie, pid, since| Listed {
        cookie,
        namespace: HOST,
        endpoints: it,
        process: on_host(pid, "curl"),
        found: Found::Socket,
        since,
    };
    world.index.list(listed(1, 7, None));
    world.index.end(1, at(20));
    world.index.list(listed(2, 8, Some(at(10))));
    let asked = |span| world.asked(TCP, "192.0.2.1:40000", "203.0.113.5:443", span)[0].clone();
    assert_eq!([asked((5, 9)), asked((21, 22))], ["Socket 7", "Socket 8"]);
    // Between two lists it may have been either.
    assert_eq!(asked((15, 16)), SEVERAL);
}

#[test]
fn what_is_over_is_forgotten_in_time_and_the_oldest_when_there_is_too_much() {
    let mut world = World::new();
    let asked = |world: &World, span| world.asked(TCP, "192.0.2.1:40000", "203.0.113.5:443", span)[0].clone();
    let cookie = world.connects(10, HOST, "192.0.2.1:40000", "203.0.113.5:443", 7);
    world.index.end(cookie, at(11));
    world.index.expire(at(251));
    assert_eq!(asked(&world, (10, 11)), "Hook 7");
    world.index.expire(at(252));
    assert_eq!(asked(&world, (10, 11)), "no socket on this host has these endpoints");
    world.connects(300, HOST, "192.0.2.1:40000", "203.0.113.5:443", 8);
    for peer in 0..1000 {
        assert_eq!(asked(&world, (300, 301)), "Hook 8");
        assert_eq!(world.index.forgotten(), 0);
        world.connects(301, HOST, "192.0.2.1:50000", &format!("203.0.113.9:{}", peer + 1), 9);
    }
    assert_eq!(world.index.forgotten(), 1);
    assert_eq!(asked(&world, (300, 301)), "no socket on this host has these endpoints");
}

#[test]
fn what_is_open_stays_while_there_is_something_that_is_over() {
    let mut world = World::new();
    world.connects(300, HOST, "192.0.2.1:40000", "203.0.113.5:443", 8);
    for peer in 0..2000 {
        let cookie = world.connects(301, HOST, "192.0.2.1:50000", &format!("203.0.113.9:{}", peer + 1), 9);
        world.index.end(cookie, at(302));
    }
    assert_eq!(world.index.forgotten(), 1001);
    assert_eq!(world.asked(TCP, "192.0.2.1:40000", "203.0.113.5:443", (300, 301))[0], "Hook 8");
}

#[test]
fn what_the_kernel_writes_is_read() {
    let mut bytes = Vec::new();
    bytes.extend(5u64.to_ne_bytes());
    bytes.extend(6u64.to_ne_bytes());
    bytes.extend(4_026_531_840_u32.to_ne_bytes());
    bytes.extend(80u16.to_ne_bytes());
    bytes.extend(0u16.to_ne_bytes());
    bytes.extend([[0; 10].as_slice(), &[0xff, 0xff, 192, 0, 2, 1], &[0; 16]].concat());
    bytes.extend([1, 6, 10, 0, 0, 0, 0, 0]);
    bytes.extend([7u64.to_ne_bytes(), 8u64.to_ne_bytes()].concat());
    bytes.extend([9u32, 10, 11, 0].map(u32::to_ne_bytes).concat());
    bytes.extend(b"curl\0\0\0\0\0\0\0\0\0\0\0\0");
    let event = Event::parse(&bytes).unwrap();
    assert_eq!((event.time, event.cookie, event.namespace, event.kind), (5, 6, 4_026_531_840, Kind::Bound));
    assert_eq!((event.protocol, event.local, event.remote), (TCP, "192.0.2.1:80".parse().unwrap(), None));
    let doer = event.process.unwrap();
    assert_eq!((doer.network, doer.mounts, doer.network_inode, doer.mounts_inode, doer.pid), (7, 8, 9, 10, 11));
    assert_eq!(Event::parse(&bytes[..bytes.len() - 1]), None);
    assert_eq!(Event::parse(&[bytes.as_slice(), &[0]].concat()), None);
}
