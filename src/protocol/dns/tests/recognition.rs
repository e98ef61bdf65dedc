//! What is DNS on ports that say nothing, and what is not.

use super::*;

/// What one datagram between these ports gives.
fn seen(ports: [u16; 2], datagram: &[u8]) -> (Vec<String>, Loss) {
    let [from, to] = [format!("192.0.2.1:{}", ports[0]), format!("192.0.2.2:{}", ports[1])];
    Scene::new().udp([&from, &to], datagram).outcome()
}

#[test]
fn an_ordinary_message_is_recognised_on_every_port() {
    for datagram in [ask(7, "db.example"), answer(7, "db.example", 9), refuse(7, "db.example", 2)] {
        assert_eq!(seen([40_000, 41_000], &datagram).0.len(), 1);
    }
}

#[test]
fn other_protocols_are_not_taken_for_dns() {
    let query = ask(7, "db.example");
    let changed = |at: usize, byte: u8| {
        let mut bytes = query.clone();
        bytes[at] = byte;
        bytes
    };
    for (what, datagram) in [
        ("cut off", query[..query.len() - 1].to_vec()),
        ("with more behind it", [&query[..], b"x"].concat()),
        ("operation 3", changed(2, 0x18)),
        ("a bit that has to be zero", changed(3, 0x40)),
        ("a query with an error", changed(3, 3)),
        ("two questions", changed(5, 2)),
        ("a query with answers", changed(7, 1)),
        ("of a class that is none", changed(query.len() - 1, 9)),
        ("a name with other bytes", changed(14, 0xff)),
        ("STUN", b"\x00\x01\x00\x00\x21\x12\xa4\x42abcdefghijkl".to_vec()),
        ("NTP", [&[0x23, 0, 6, 0xec], &[0; 44][..]].concat()),
    ] {
        assert_eq!(seen([40_000, 41_000], &datagram), (Vec::new(), Loss::ZERO), "{what}");
    }
    assert_eq!(seen([137, 137], &query), (Vec::new(), Loss::ZERO), "NetBIOS names");
}

#[test]
fn a_conversation_that_begins_with_something_else_is_not_looked_at_again() {
    let ends = ["192.0.2.1:40000", "192.0.2.2:41000"];
    assert!(Scene::new().udp(ends, b"something else").udp(ends, ask(7, "db.example")).told().is_empty());
}

#[test]
fn what_is_no_dns_on_its_port_is_counted() {
    let (told, loss) = Scene::new().client(b"something else entirely").client(b"").outcome();
    assert_eq!((told, loss), (Vec::new(), Loss { dns_malformed: 1, ..Loss::ZERO }));
}

#[test]
fn a_client_may_have_the_port_of_multicast_dns() {
    let scene = Scene::new().udp(["192.0.2.1:5353", SERVER], ask(7, "a.example"));
    let row = scene.udp([SERVER, "192.0.2.1:5353"], answer(7, "a.example", 9)).only();
    assert_eq!([field(&row, "protocol"), field(&row, "latency")], ["udp", "1ms"]);
}

#[test]
fn a_server_of_ordinary_dns_may_have_the_port_of_multicast_dns() {
    let server = "192.0.2.53:5353";
    let scene = Scene::new().udp([CLIENT, server], ask(7, "a.example"));
    let row = scene.udp([server, CLIENT], answer(7, "a.example", 9)).only();
    assert_eq!([field(&row, "protocol"), field(&row, "flags")], ["udp", "rd, ra"]);
}
