//! The structures of `bpf/egress.bpf.c`, byte by byte.

use super::super::event::{Copied, Event, Happening, How, Reason, Step, What};
use super::end;

/// The numbers of a `struct event`; what is not named is 0.
#[derive(Clone, Copy, Default)]
struct Raw {
    bytes: [u64; 2],
    kind: u32,
    parent: u32,
    error: u32,
    ports: [u16; 2],
    protocol: u16,
    family: u8,
    how: u8,
    address: [u8; 16],
    local: [u8; 16],
}

const CURL: &[u8; 16] = b"curl\0the rest is";

fn bytes(raw: Raw) -> Vec<u8> {
    let mut bytes: Vec<u8> =
        [1_000, 42, raw.bytes[0], raw.bytes[1]].iter().flat_map(|n: &u64| n.to_ne_bytes()).collect();
    bytes.extend([raw.kind, 4711, raw.parent, raw.error].iter().flat_map(|n| n.to_ne_bytes()));
    bytes.extend([raw.ports[0], raw.ports[1], raw.protocol].iter().flat_map(|n| n.to_ne_bytes()));
    bytes.extend([raw.family, raw.how, 3]);
    bytes.extend([0xff; 7]);
    bytes.extend(raw.address);
    bytes.extend(raw.local);
    bytes.extend(CURL);
    assert_eq!(bytes.len(), 112);
    bytes
}

fn v4(address: [u8; 4]) -> [u8; 16] {
    let mut bytes = [0xee; 16];
    bytes[..4].copy_from_slice(&address);
    bytes
}

const TCP: Raw = Raw {
    bytes: [7, 9],
    kind: 4,
    parent: 0,
    error: 0,
    ports: [443, 50_000],
    protocol: 6,
    family: 2,
    how: 1,
    address: [203, 0, 113, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    local: [192, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
};

fn what(raw: Raw) -> Option<What> {
    Event::parse(&bytes(raw)).map(|event| event.what)
}

fn step(raw: Raw) -> Step {
    match what(raw) {
        Some(What::Socket(happening)) => happening.step,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_field_of_an_event_is_where_the_kernel_side_puts_it() {
    let happening = Happening {
        cookie: 42,
        step: Step::Begun(How::Connect),
        protocol: 6,
        peer: end("203.0.113.9:443"),
        local: Some(end("192.0.2.1:50000")),
        error: 0,
        bytes: [7, 9],
    };
    let event =
        Event { time: 1_000, pid: 4711, reason: Reason(3), name: "curl".to_owned(), what: What::Socket(happening) };
    assert_eq!(Event::parse(&bytes(TCP)), Some(event));
    assert!(Reason(3).has(Reason::COMMAND) && Reason(3).has(Reason::ENGINE) && !Reason(1).has(Reason::ENGINE));
}

#[test]
fn every_kind_of_event_is_known() {
    assert_eq!(what(Raw { kind: 1, parent: 4000, ..TCP }), Some(What::Forked { parent: 4000 }));
    assert_eq!(what(Raw { kind: 3, ..TCP }), Some(What::Exited));
    assert_eq!(what(Raw { kind: 9, ..TCP }), Some(What::Asked(42)));
    let hows = [How::Connect, How::Send, How::Packet, How::PacketSocket];
    for (number, how) in (1..).zip(hows) {
        assert_eq!(step(Raw { kind: 4, how: number, ..TCP }), Step::Begun(how));
        assert_eq!(step(Raw { kind: 7, how: number, ..TCP }), Step::Refused(how));
    }
    assert_eq!(step(Raw { kind: 5, ..TCP }), Step::Connected);
    assert_eq!(step(Raw { kind: 6, ..TCP }), Step::Failed);
    assert_eq!(step(Raw { kind: 8, how: 0, ..TCP }), Step::Closed { used: false });
    assert_eq!(step(Raw { kind: 8, how: 1, ..TCP }), Step::Closed { used: true });
    assert_eq!(step(Raw { kind: 10, ..TCP }), Step::Dropped);
}

#[test]
fn what_is_neither_event_nor_way_to_notice_one_is_refused() {
    for kind in [0, 11, u32::MAX] {
        assert_eq!(what(Raw { kind, ..TCP }), None, "{kind}");
    }
    for how in [0, 5, 255] {
        assert_eq!(what(Raw { how, ..TCP }), None, "{how}");
        assert_eq!(what(Raw { kind: 7, how, ..TCP }), None, "{how}");
    }
}

#[test]
fn ends_are_of_both_families_and_the_own_one_may_be_unknown() {
    let ends = |raw| match what(raw) {
        Some(What::Socket(Happening { peer, local, .. })) => (peer, local),
        other => panic!("{other:?}"),
    };
    let six = |last| [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last];
    let raw = Raw { family: 10, address: six(9), local: six(1), ..TCP };
    assert_eq!(ends(raw), (end("[2001:db8::9]:443"), Some(end("[2001:db8::1]:50000"))));
    // A socket for both families says IPv4 so; it is IPv4 all the same.
    let mapped = |address: [u8; 4]| std::net::Ipv4Addr::from(address).to_ipv6_mapped().octets();
    let raw = Raw { family: 10, address: mapped([203, 0, 113, 9]), local: mapped([192, 0, 2, 1]), ..TCP };
    assert_eq!(ends(raw), (end("203.0.113.9:443"), Some(end("192.0.2.1:50000"))));
    // What stands behind an IPv4 address means nothing.
    let raw = Raw { address: v4([203, 0, 113, 9]), ports: [443, 0], ..TCP };
    assert_eq!(ends(raw), (end("203.0.113.9:443"), None));
}

/// A `struct execution` with these arguments.
fn execution(length: u32, arguments: &[u8], groups: [[&str; 2]; 2]) -> Vec<u8> {
    let fixed = |text: &[u8], size| {
        let mut field = text.to_vec();
        field.resize(size, 0);
        field
    };
    let mut bytes = bytes(Raw { kind: 2, ..TCP });
    bytes.extend([length, 0].iter().flat_map(|n| n.to_ne_bytes()));
    bytes.extend(fixed(arguments, 512));
    for name in groups.as_flattened() {
        bytes.extend(fixed(name.as_bytes(), 80));
    }
    assert_eq!(bytes.len(), 112 + 8 + 512 + 320);
    bytes
}

#[test]
fn a_program_comes_with_its_arguments_and_its_control_groups() {
    let groups = [["docker-0a1b.scope", "system.slice"], ["0a1b", "docker"]];
    let event = Event::parse(&execution(8, b"curl\0-v\0what was there before", groups)).unwrap();
    assert_eq!((event.name.as_str(), event.pid), ("curl", 4711));
    let groups = ["/system.slice/docker-0a1b.scope".to_owned(), "/docker/0a1b".to_owned()];
    assert_eq!(event.what, What::Executed { arguments: b"curl\0-v\0".to_vec(), groups });
}

#[test]
fn arguments_are_as_long_as_their_field_at_most() {
    let none = [["", ""]; 2];
    let arguments = |length| match Event::parse(&execution(length, &[b'x'; 512], none)).map(|event| event.what) {
        Some(What::Executed { arguments, .. }) => Some(arguments.len()),
        _ => None,
    };
    assert_eq!((arguments(0), arguments(512)), (Some(0), Some(512)));
    assert_eq!((arguments(513), arguments(u32::MAX)), (None, None));
}

/// A `struct packet` with these bytes behind it.
fn packet(captured: u32, kind: u32, bytes: &[u8]) -> Vec<u8> {
    let times = [5_u64, 42].iter().flat_map(|n| n.to_ne_bytes());
    let numbers = [4711, 1500, captured, kind].into_iter().flat_map(u32::to_ne_bytes);
    times.chain(numbers).chain(bytes.iter().copied()).collect()
}

#[test]
fn a_packet_is_what_was_copied_of_it_and_not_what_its_room_holds_besides() {
    let copied = |kind| Copied::parse(&packet(3, kind, b"abcdef")).unwrap();
    let incoming = Copied {
        time: 5,
        cookie: 42,
        pid: 4711,
        length: 1500,
        is_outgoing: false,
        is_answer: false,
        bytes: b"abc".to_vec(),
    };
    assert_eq!(copied(0), incoming);
    assert_eq!(copied(1), Copied { is_outgoing: true, ..incoming.clone() });
    assert_eq!(copied(2), Copied { is_answer: true, ..incoming });
    assert_eq!(Copied::parse(&packet(7, 0, b"abcdef")), None);
    assert_eq!(Copied::parse(&packet(u32::MAX, 0, b"abcdef")), None);
}

#[test]
fn whatever_is_cut_is_refused() {
    let execution = execution(8, b"curl\0-v\0", [["a", "b"], ["c", "d"]]);
    for whole in [bytes(TCP), bytes(Raw { kind: 1, ..TCP }), execution] {
        assert!(Event::parse(&whole).is_some());
        for length in 0..whole.len() {
            assert_eq!(Event::parse(&whole[..length]), None, "{length} of {} bytes", whole.len());
        }
    }
    let whole = packet(6, 1, b"abcdef");
    assert!(Copied::parse(&whole).is_some());
    for length in 0..whole.len() {
        assert_eq!(Copied::parse(&whole[..length]), None, "{length} of {} bytes", whole.len());
    }
}
