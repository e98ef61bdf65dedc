//! The fields of a row.

use super::*;
use crate::flow::{Attributor, Found, Owner, Owners, Ownership};
use crate::protocol::dns::{Data, Section};

/// An answer with an alias, a record of each section, and EDNS.
fn rich() -> DnsQuery {
    let query =
        [header(7, QUERY, [1, 0, 0, 1]), question("www.example", A), vec![0, 0, 41, 4, 208, 0, 0, 0x80, 0, 0, 0]];
    let alias = record(5, 300, &[3, b'c', b'd', b'n', 0xc0, 16]);
    let address = [wire("cdn.example"), record(A, 60, &[203, 0, 113, 9])[2..].to_vec()].concat();
    let server = record(2, 900, &wire("ns.example"));
    let edns = vec![0, 0, 41, 4, 208, 1, 0, 0x80, 0, 0, 0];
    let response = [header(7, 0x85b0, [1, 2, 1, 1]), question("www.example", A), alias, address, server, edns].concat();
    Scene::new().client(query.concat()).at(25).server(response).only()
}

#[test]
fn every_field_shows_what_was_sent() {
    let row = rich();
    let shown: Vec<_> = DnsQuery::KIND.fields.iter().map(|x| format!("{}: {}", x.name, field(&row, &x.name))).collect();
    let expected = [
        "time: 1970-01-01T00:00:00.000000000Z",
        "end: 1970-01-01T00:00:00.025000000Z",
        "client: 192.0.2.1",
        "client_port: 40000",
        "server: 192.0.2.53",
        "server_port: 53",
        "protocol: udp",
        "id: 7",
        "opcode: QUERY",
        "name: www.example",
        "type: A",
        "class: IN",
        "questions: ",
        "rcode: BADVERS",
        "answers: cdn.example, 203.0.113.9",
        "records: answer www.example CNAME 300 cdn.example, answer cdn.example A 60 203.0.113.9, \
         authority www.example NS 900 ns.example, additional . OPT udp 1232",
        "addresses: 203.0.113.9",
        "aliases: cdn.example",
        "ttl: 60",
        "latency: 25ms",
        "retries: 0",
        "flags: aa, rd, ra, ad, cd, do",
        "complete: true",
        "process: -",
        "pid: -",
        "container: -",
        "attribution: -",
        "server_process: -",
        "server_container: -",
        "flow: 1:8uhG6bwfUhcPxBohcqJWKZOCqNM=",
    ];
    assert_eq!(shown, expected);
}

#[test]
fn programs_get_records_as_what_they_are() {
    let row = rich();
    assert_eq!([row.client(), row.server()].map(|end| end.to_string()), [CLIENT, SERVER]);
    assert_eq!(
        (row.name().unwrap().to_string(), row.query_type(), row.rcode()),
        ("www.example".to_owned(), Some(A), Some(16))
    );
    assert_eq!(row.answered(), Some(Time::from_nanos(25_000_000)));
    let records: Vec<_> = row.records().filter(|record| record.section == Section::Answer).collect();
    assert!(matches!(&records[0].data, Data::Cname(name) if name.to_string() == "cdn.example"));
    assert_eq!(records[1].data, Data::A([203, 0, 113, 9].into()));
    assert_eq!(row.addresses().collect::<Vec<_>>(), [std::net::IpAddr::from([203, 0, 113, 9])]);
    assert_eq!(row.aliases().collect::<Vec<_>>(), [records[1].name.clone()]);
}

#[test]
fn an_update_shows_what_it_changes_and_nothing_is_called_malformed() {
    let zone = [wire("example"), vec![0, 6, 0, 1]].concat();
    let absent = [wire("a.example"), vec![0, 16, 0, 255, 0, 0, 0, 0, 0, 0]].concat();
    let query = [header(7, 0x2800, [1, 0, 1, 0]), zone.clone(), absent].concat();
    let row = Scene::new().client(query).server([header(7, 0xa805, [1, 0, 0, 0]), zone].concat()).only();
    assert_eq!([field(&row, "opcode"), brief(&row)], ["UPDATE", "7 example SOA REFUSED [] 1ms "]);
    let unanswered = Scene::new().client([header(7, 0x2000, [1, 0, 0, 0]), question("example", 6)].concat()).only();
    assert_eq!(field(&unanswered, "opcode"), "NOTIFY");
}

/// A host that has both ends.
#[derive(Debug)]
struct Host;

impl Attributor for Host {
    fn owners(&mut self, _: u8, client: SocketAddr, server: SocketAddr, _: Time, _: Time) -> Owners {
        let owner = |end: SocketAddr| match end.to_string().as_str() {
            CLIENT => Ownership::Known(named("curl", 17)),
            "192.0.2.53:41000" => Ownership::Known(named("dnsmasq", 18)),
            _ => Ownership::Elsewhere,
        };
        Owners { client: owner(client), server: owner(server) }
    }

    fn notes(&self) -> Vec<String> {
        Vec::new()
    }
}

fn named(process: &str, pid: u32) -> std::sync::Arc<Owner> {
    let (pid, process) = (Some(pid), Some(process.into()));
    std::sync::Arc::new(Owner { pid, process, container: None, found: Found::Socket })
}

#[test]
fn the_client_has_its_process_whoever_was_captured_first() {
    let ends = ["192.0.2.53:41000", CLIENT];
    for has_query in [true, false] {
        let mut scene = Scene::new();
        scene.table.attribute_by(Box::new(Host));
        if has_query {
            scene = scene.udp([CLIENT, ends[0]], ask(7, "db.example"));
        }
        let row = scene.udp(ends, answer(7, "db.example", 9)).only();
        let shown = ["process", "pid", "attribution", "server_process"].map(|name| field(&row, name));
        assert_eq!(shown, ["curl", "17", "socket", "dnsmasq"], "with a query: {has_query}");
        assert!(row.kind().fields[row.kind().index("process").unwrap()].main, "a table shows it");
    }
}
