//! DNS over TCP.

use super::*;
use crate::packet::TcpFlags;

/// A message behind its length.
fn framed(message: &[u8]) -> Vec<u8> {
    [&u16::try_from(message.len()).unwrap().to_be_bytes(), message].concat()
}

/// A connection to a port of the server, with its handshake.
fn connection(server: &str) -> Scene {
    let scene = Scene::new().segment([CLIENT, server], TcpFlags::SYN, 0, b"");
    scene.segment([server, CLIENT], TcpFlags::SYN | TcpFlags::ACK, 0, b"")
}

/// Sends bytes that begin at that place of the stream.
fn send(scene: Scene, ends: [&str; 2], offset: usize, bytes: &[u8]) -> Scene {
    scene.segment(ends, TcpFlags::ACK, 1 + u32::try_from(offset).unwrap(), bytes)
}

const THERE: [&str; 2] = [CLIENT, SERVER];
const BACK: [&str; 2] = [SERVER, CLIENT];

#[test]
fn messages_are_the_same_however_the_stream_is_split() {
    let asked = [framed(&ask(7, "a.example")), framed(&ask(8, "b.example"))].concat();
    let answered = [framed(&answer(8, "b.example", 2)), framed(&answer(7, "a.example", 1))].concat();
    for length in [1, 2, 3, 13, 28, asked.len(), answered.len()] {
        let mut scene = connection(SERVER);
        for (ends, bytes) in [(THERE, &asked), (BACK, &answered)] {
            for (place, piece) in bytes.chunks(length).enumerate() {
                scene = send(scene.at(0), ends, place * length, piece);
            }
        }
        assert_eq!(
            scene.told(),
            ["8 b.example A NOERROR [203.0.113.2] 0s rd, ra", "7 a.example A NOERROR [203.0.113.1] 0s rd, ra"],
            "in pieces of {length}"
        );
    }
}

#[test]
fn behind_a_gap_within_a_message_reading_goes_on_with_the_next() {
    let long =
        framed(&[header(7, ANSWER, [1, 1, 0, 0]), question("a.example", TXT), record(TXT, 60, &[b'x'; 200])].concat());
    let next = framed(&answer(8, "b.example", 2));
    let bytes = [long.clone(), next].concat();
    for end in [150, long.len()] {
        let scene = send(connection(SERVER), BACK, 0, &bytes[..100]);
        let (told, loss) = send(scene, BACK, end, &bytes[end..]).outcome();
        let expected = ["7 a.example TXT NOERROR [] - rd, ra, cut", "8 b.example A NOERROR [203.0.113.2] - rd, ra"];
        assert_eq!(told, expected);
        assert_eq!(loss, Loss { gaps: 1, gap_bytes: end as u64 - 100, ..Loss::ZERO });
    }
}

#[test]
fn behind_a_gap_that_hides_where_messages_begin_a_segment_that_begins_with_one_tells() {
    let first = framed(&answer(7, "a.example", 1));
    let middle = framed(&answer(8, "b.example", 2));
    let last = framed(&answer(9, "c.example", 3));
    let at = first.len() + middle.len();
    let scene = send(connection(SERVER), BACK, 0, &first);
    let scene = send(scene, BACK, at - 5, &middle[middle.len() - 5..]);
    let (told, loss) = send(scene, BACK, at, &last).outcome();
    let expected = ["7 a.example A NOERROR [203.0.113.1] - rd, ra", "9 c.example A NOERROR [203.0.113.3] - rd, ra"];
    assert_eq!(told, expected);
    assert_eq!(loss, Loss { gaps: 1, gap_bytes: middle.len() as u64 - 5, dns_malformed: 1, ..Loss::ZERO });
}

#[test]
fn a_connection_that_was_captured_late_is_read_from_its_next_message_on() {
    let scene = Scene::new().segment(THERE, TcpFlags::ACK, 500, b"the rest of a message");
    let (told, loss) = scene.segment(THERE, TcpFlags::ACK, 521, &framed(&ask(7, "a.example"))).outcome();
    assert_eq!(told, ["7 a.example A - [] - rd, open"]);
    assert_eq!(loss, Loss { dns_malformed: 1, ..Loss::ZERO });
}

#[test]
fn empty_messages_are_counted_and_reading_goes_on() {
    let bytes = [&[0, 0, 0, 3, 1, 2, 3], &framed(&ask(7, "a.example"))[..]].concat();
    let (told, loss) = send(connection(SERVER), THERE, 0, &bytes).outcome();
    assert_eq!(told, ["7 a.example A - [] - rd, open"]);
    assert_eq!(loss, Loss { dns_malformed: 2, ..Loss::ZERO });
}

#[test]
fn a_connection_that_ends_without_an_answer_says_so_at_once() {
    let scene = send(connection(SERVER), THERE, 0, &framed(&ask(7, "a.example")));
    let scene = scene.segment(BACK, TcpFlags::RST | TcpFlags::ACK, 1, b"");
    assert_eq!(scene.told(), ["7 a.example A - [] - rd, no-answer"]);
}

#[test]
fn a_message_that_the_end_cuts_is_told_as_far_as_it_is_there() {
    let bytes = framed(&answer(7, "a.example", 1));
    let told = send(connection(SERVER), BACK, 0, &bytes[..bytes.len() - 1]).told();
    assert_eq!(told, ["7 a.example A NOERROR [] - rd, ra, cut"]);
}

#[test]
fn a_zone_is_one_query_however_many_messages_it_takes() {
    let zone = |bits, count| [header(7, bits, [1, count, 0, 0]), question("example", 252)].concat();
    let record = record(A, 60, &[203, 0, 113, 9]);
    let bare = [header(7, ANSWER, [0, 1, 0, 0]), wire("example"), record[2..].to_vec()].concat();
    let bytes = [framed(&[zone(ANSWER, 1), record].concat()), framed(&bare)].concat();
    let scene = send(connection(SERVER), THERE, 0, &framed(&zone(0, 0)));
    let told = send(scene, BACK, 0, &bytes).told();
    assert_eq!(told, ["7 example AXFR NOERROR [203.0.113.9] 1ms rd, ra, transfer"]);
}

#[test]
fn other_ports_are_read_if_they_begin_with_a_message() {
    let server = "192.0.2.53:8600";
    let message = framed(&ask(7, "a.example"));
    let scene = send(connection(server), [CLIENT, server], 0, &message[..20]);
    let told = send(scene, [CLIENT, server], 20, &message[20..]).told();
    assert_eq!(told, ["7 a.example A - [] - rd, open"]);
}
