//! Answers in, names of addresses out.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::names::{Names, Scope, answer};
use super::{ANSWER, QUERY, address, at, cname, datagram, dns, record};
use crate::flow::{Event, Flow, FlowId, Interest, Observer, Table};
use crate::limits::Limits;
use crate::packet::{Decoder, LinkType, RawPacket};
use crate::protocol::dns::{DnsQuery, Tracker};

const OWN: &str = "192.0.2.1:40000";
const RESOLVER: &str = "192.0.2.53:53";

struct Queries(Tracker, Vec<DnsQuery>);

impl Observer for Queries {
    fn event(&mut self, id: FlowId, flow: &Flow, event: Event<'_>) -> Interest {
        self.0.event(id, flow, event, &mut self.1)
    }
}

/// What these datagrams say, the first sent by the client, a millisecond after the other.
fn queries(messages: &[Vec<u8>]) -> Vec<DnsQuery> {
    let limits = Limits::default();
    let (mut decoder, mut table) = (Decoder::new(&limits), Table::new(&limits));
    let mut queries = Queries(Tracker::new(&limits), Vec::new());
    for (number, message) in (0..).zip(messages) {
        let (from, to) = if number == 0 { (OWN, RESOLVER) } else { (RESOLVER, OWN) };
        let bytes = datagram(from, to, message);
        let length = u32::try_from(bytes.len()).unwrap();
        let raw = RawPacket { time: at(number), length, link: LinkType::RAW, interface: 0, bytes: &bytes };
        table.ingest(&decoder.decode(&raw), at(number), length, &mut queries);
    }
    while table.finish(usize::MAX, &mut queries) {}
    queries.1
}

/// A question for this name, and an answer with these records one millisecond later.
fn asked(name: &str, records: &[Vec<u8>]) -> DnsQuery {
    queries(&[dns(1, QUERY, name, &[]), dns(1, ANSWER, name, records)]).remove(0)
}

/// The names and the addresses of an answer.
fn said(name: &str, records: &[Vec<u8>]) -> String {
    let (names, addresses) = answer(&asked(name, records));
    let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
    format!("{}: {}", names.join(", "), addresses.join(", "))
}

const HOST: Scope = None;

fn known(names: &Names, scope: &Scope, address: &str, time: i64) -> Vec<String> {
    names.of(scope, address.parse().unwrap(), at(time)).iter().map(ToString::to_string).collect()
}

#[test]
fn a_name_is_what_was_asked_for_and_its_aliases_in_their_order() {
    let chain = [cname("www.a.example", "b.example"), cname("b.example", "c.example")];
    let all = [&chain[..], &[address("c.example", "203.0.113.9"), address("c.example", "2001:db8::9")]].concat();
    let expected = "www.a.example, b.example, c.example: 203.0.113.9, 2001:db8::9";
    assert_eq!(said("www.a.example", &all), expected);
    // Nothing says that they have to come in that order.
    let backwards: Vec<_> = all.iter().rev().cloned().collect();
    let expected = "www.a.example, b.example, c.example: 2001:db8::9, 203.0.113.9";
    assert_eq!(said("www.a.example", &backwards), expected);
}

#[test]
fn upper_and_lower_case_are_the_same() {
    let records = [cname("wWw.A.example", "Edge.Cdn.example"), address("eDGE.cdn.example", "203.0.113.9")];
    assert_eq!(said("WWW.a.EXAMPLE", &records), "www.a.example, edge.cdn.example: 203.0.113.9");
}

#[test]
fn circles_of_aliases_end() {
    let circle = [cname("a.example", "b.example"), cname("b.example", "a.example"), cname("b.example", "b.example")];
    let all = [&circle[..], &[address("b.example", "203.0.113.9")]].concat();
    assert_eq!(said("a.example", &all), "a.example, b.example: 203.0.113.9");
}

#[test]
fn a_long_chain_in_the_worst_order_takes_no_time() {
    let name = |number: usize| format!("n{number}.example");
    // As many as fit into a datagram.
    let count = 1_500;
    let mut records: Vec<_> = (0..count).map(|number| cname(&name(number), &name(number + 1))).rev().collect();
    records.push(address(&name(count), "203.0.113.9"));
    let query = asked(&name(0), &records);
    let begun = Instant::now();
    let (names, addresses) = answer(&query);
    assert_eq!((names.len(), addresses.len()), (count + 1, 1));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    // What there is no room for is counted.
    let mut names = Names::default();
    names.learn(&HOST, &query);
    let kept: Vec<_> = (0..32).map(name).collect();
    assert_eq!((known(&names, &HOST, "203.0.113.9", 1), names.forgotten()), (kept, 1_501 - 32));
}

#[test]
fn addresses_of_names_that_nobody_asked_for_are_not_taken() {
    let records = [
        address("bank.example", "203.0.113.66"),
        address("a.example", "203.0.113.9"),
        cname("bank.example", "a.example"),
        cname("elsewhere.example", "bank.example"),
    ];
    assert_eq!(said("a.example", &records), "a.example: 203.0.113.9");
    // Nor are those beside the answer.
    let mut message = dns(1, ANSWER, "a.example", &[address("a.example", "203.0.113.9")]);
    message[11] = 1;
    message.extend(address("a.example", "203.0.113.66"));
    let query = queries(&[dns(1, QUERY, "a.example", &[]), message]).remove(0);
    assert_eq!(answer(&query).1, ["203.0.113.9".parse::<IpAddr>().unwrap()]);
}

#[test]
fn ipv4_in_ipv6_is_ipv4() {
    assert_eq!(said("a.example", &[address("a.example", "::ffff:203.0.113.9")]), "a.example: 203.0.113.9");
}

#[test]
fn records_of_other_types_say_no_address() {
    assert_eq!(said("a.example", &[record("a.example", 16, b"\x0b203.0.113.9")]), "a.example: ");
}

#[test]
fn a_name_is_known_from_its_answer_on() {
    let mut names = Names::default();
    names.learn(&HOST, &asked("a.example", &[address("a.example", "203.0.113.9")]));
    assert!(known(&names, &HOST, "203.0.113.9", 0).is_empty());
    assert_eq!(known(&names, &HOST, "203.0.113.9", 1), ["a.example"]);
    assert!(known(&names, &HOST, "203.0.113.8", 1).is_empty());
}

#[test]
fn a_question_without_an_answer_names_nothing() {
    let mut names = Names::default();
    let query = queries(&[dns(1, QUERY, "a.example", &[address("a.example", "203.0.113.9")])]).remove(0);
    names.learn(&HOST, &query);
    assert!(known(&names, &HOST, "203.0.113.9", 1_000_000).is_empty());
}

#[test]
fn the_first_name_of_an_address_stays_the_first() {
    let mut names = Names::default();
    for name in ["a.example", "b.example", "a.example"] {
        names.learn(&HOST, &asked(name, &[address(name, "203.0.113.9")]));
    }
    assert_eq!(known(&names, &HOST, "203.0.113.9", 1), ["a.example", "b.example"]);
}

#[test]
fn what_one_container_was_told_is_not_known_to_others() {
    let mut names = Names::default();
    let scope = |id: &str| -> Scope { Some(Arc::from(id)) };
    names.learn(&scope("0a1b"), &asked("a.example", &[address("a.example", "203.0.113.9")]));
    assert_eq!(known(&names, &scope("0a1b"), "203.0.113.9", 1), ["a.example"]);
    assert!(known(&names, &scope("ffee"), "203.0.113.9", 1).is_empty());
    assert!(known(&names, &HOST, "203.0.113.9", 1).is_empty());
}

#[test]
fn an_address_has_so_many_names_and_the_rest_is_counted() {
    let mut names = Names::default();
    for number in 0..40 {
        let name = format!("n{number}.example");
        names.learn(&HOST, &asked(&name, &[address(&name, "203.0.113.9")]));
    }
    assert_eq!(known(&names, &HOST, "203.0.113.9", 1).len(), 32);
    assert_eq!(names.forgotten(), 8);
}

#[test]
fn so_many_addresses_have_names_and_the_rest_is_counted() {
    let mut names = Names::default();
    // Sixty-six answers of a thousand addresses each are more than there is room for.
    for thousand in 0..66_u8 {
        let records: Vec<_> = (0..1_000_u16)
            .map(|number| address("a.example", &format!("10.{thousand}.{}.{}", number >> 8, number & 0xff)))
            .collect();
        names.learn(&HOST, &asked("a.example", &records));
    }
    assert_eq!(names.forgotten(), 66_000 - 65_536);
    assert_eq!(known(&names, &HOST, "10.0.0.0", 1), ["a.example"]);
    assert!(known(&names, &HOST, "10.65.3.231", 1).is_empty());
    // Those that are there may have more names.
    names.learn(&HOST, &asked("b.example", &[address("b.example", "10.0.0.0")]));
    assert_eq!(known(&names, &HOST, "10.0.0.0", 1), ["a.example", "b.example"]);
}
