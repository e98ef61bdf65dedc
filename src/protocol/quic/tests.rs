//! The published packets, and connections made of packets like them.

use super::keys::{End, Keys};
use super::packets::Version;
use super::{Connection, Event};
use crate::flow::Side::{self, Originator, Responder};

fn hex(digits: &str) -> Vec<u8> {
    let digits: Vec<_> = digits.chars().filter_map(|digit| digit.to_digit(16)).collect();
    digits.chunks(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect()
}

/// The connection ID of the examples in RFC 9001 and RFC 9369.
const ID: [u8; 8] = [0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08];

/// What the client of these examples sends, without padding: one CRYPTO frame (RFC 9001, appendix A.2).
const CLIENT_FRAME: &str = "060040f1010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e86804fe3a47f06a2b69484c \
     00000413011302010000c000000010000e00000b6578616d706c652e636f6dff01000100000a00080006001d0017001800100007000504 \
     616c706e000500050100000000003300260024001d00209370b2c9caa47fbabaf4559fedba753de171fa71f50f1ce15d43e994ec74d748 \
     002b0003020304000d0010000e0403050306030203080408050806002d00020101001c00024001003900320408ffffffffffffffff0504 \
     8000ffff07048000ffff0801100104800075300901100f088394c8f03e51570806048000ffff";

/// What their server sends: an ACK and a CRYPTO frame (RFC 9001, appendix A.3).
const SERVER_FRAMES: &str = "02000000000600405a020000560303eefce7f7b37ba1d1632e96677825ddf73988cfc79825df566dc5430b9a \
     045a1200130100002e00330024001d00209d3c940d89690b84d08a60993c144eca684d1081287c834d5311bcf32bb9da1a002b00020304";

/// The packets of the servers (RFC 9001, appendix A.3; RFC 9369, appendix A.3).
const SERVER_PACKETS: [&str; 2] = [
    "cf000000010008f067a5502a4262b5004075c0d95a482cd0991cd25b0aac406a5816b6394100f37a1c69797554780bb38cc5a99f5ede4cf7 \
     3c3ec2493a1839b3dbcba3f6ea46c5b7684df3548e7ddeb9c3bf9c73cc3f3bded74b562bfb19fb84022f8ef4cdd93795d77d06edbb7aaf2f \
     58891850abbdca3d20398c276456cbc42158407dd074ee",
    "dc6b3343cf0008f067a5502a4262b5004075d92faaf16f05d8a4398c47089698baeea26b91eb761d9b89237bbf87263017915358230035f7 \
     fd3945d88965cf17f9af6e16886c61bfc703106fbaf3cb4cfa52382dd16a393e42757507698075b2c984c707f0a0812d8cd5a6881eaf21ce \
     da98f4bd23f6fe1a3e2c43edd9ce7ca84bed8521e2e140",
];

/// A datagram with an Initial packet for that connection ID, filled up to the size that clients send.
pub(crate) fn client_initial(id: &[u8], number: u8, frames: &[u8]) -> Vec<u8> {
    let mut padded = frames.to_vec();
    padded.resize(1162.max(frames.len()), 0);
    initial(&Keys::new(Version::V1, id, End::Client), id, number, &padded)
}

/// An Initial packet of the server of a client that chose that connection ID.
pub(crate) fn server_initial(id: &[u8], number: u8, frames: &[u8]) -> Vec<u8> {
    initial(&Keys::new(Version::V1, id, End::Server), b"", number, frames)
}

fn initial(keys: &Keys, destination: &[u8], number: u8, frames: &[u8]) -> Vec<u8> {
    let length = (4 + frames.len() + 16) as u16 | 0x4000;
    let header = [&[0xc3, 0, 0, 0, 1, destination.len() as u8], destination, &[0, 0], &length.to_be_bytes()].concat();
    keys.seal(&[&header[..], &[0, 0, 0, number]].concat(), number.into(), frames)
}

/// A CRYPTO frame with these bytes at that place.
pub(crate) fn crypto(place: u16, bytes: &[u8]) -> Vec<u8> {
    let (place, length) = (place | 0x4000, bytes.len() as u16 | 0x4000);
    [&[6], &place.to_be_bytes()[..], &length.to_be_bytes(), bytes].concat()
}

/// What a connection tells of datagrams: handshake bytes of both sides, and the rest in short.
fn told(datagrams: &[(Side, Vec<u8>)]) -> ([Vec<u8>; 2], Vec<String>) {
    let (mut connection, mut bytes, mut events) = (Connection::default(), <[Vec<u8>; 2]>::default(), Vec::new());
    for (from, datagram) in datagrams {
        connection.datagram(*from, datagram, 4096, &mut |event| match event {
            Event::Crypto(side, part) => bytes[side.index()].extend_from_slice(part),
            event => events.push(format!("{event:?}")),
        });
    }
    (bytes, events)
}

#[test]
fn packets_of_clients_are_sealed_as_published() {
    for (version, header, beginning, tag) in [
        (
            Version::V1,
            "c300000001088394c8f03e5157080000449e00000002",
            "c000000001088394c8f03e5157080000449e7b9aec34d1b1c98dd7689fb8ec11d242b123dc9bd8bab936b47d92ec356c0bab7df5",
            "e221af44860018ab0856972e194cd934",
        ),
        (
            Version::V2,
            "d36b3343cf088394c8f03e5157080000449e00000002",
            "d76b3343cf088394c8f03e5157080000449ea0c95e82ffe67b6abcdb4298b485dd04de806071bf03dceebfa162e75d6c96058bdb",
            "a18b2faa745b6fe189cf772a9f84cbfc",
        ),
    ] {
        let mut frames = hex(CLIENT_FRAME);
        frames.resize(1162, 0);
        let packet = Keys::new(version, &ID, End::Client).seal(&hex(header), 2, &frames);
        assert!(packet.starts_with(&hex(beginning)) && packet.ends_with(&hex(tag)), "{version:?}");
        let (bytes, events) = told(&[(Originator, packet)]);
        assert_eq!(bytes, [hex(CLIENT_FRAME)[4..].to_vec(), Vec::new()]);
        assert!(events.is_empty(), "{events:?}");
    }
}

#[test]
fn packets_of_servers_are_opened_as_published() {
    for (version, packet) in Version::ALL.into_iter().zip(SERVER_PACKETS) {
        let header = ["c300000001088394c8f03e5157080000449e00000002", "d36b3343cf088394c8f03e5157080000449e00000002"];
        let header = hex(header[version as usize]);
        let mut frames = hex(CLIENT_FRAME);
        frames.resize(1162, 0);
        let client = Keys::new(version, &ID, End::Client).seal(&header, 2, &frames);
        // Whoever the flow table takes for the client.
        for side in Side::BOTH {
            let (bytes, events) = told(&[(side, client.clone()), (side.other(), hex(packet))]);
            assert_eq!(bytes[side.other().index()], hex(SERVER_FRAMES)[9..], "{version:?}");
            assert!(events.is_empty(), "{events:?}");
        }
    }
}

#[test]
fn a_server_may_answer_in_the_other_version() {
    let client = client_initial(&ID, 0, &crypto(0, b"hello"));
    let (bytes, _) = told(&[(Originator, client), (Responder, hex(SERVER_PACKETS[1]))]);
    assert_eq!(bytes, [b"hello".to_vec(), hex(SERVER_FRAMES)[9..].to_vec()]);
}

#[test]
fn frames_are_put_in_order_across_packets_and_datagrams() {
    let late = [crypto(6, b"ghi"), vec![1, 0, 0], crypto(3, b"def")].concat();
    let coalesced = [client_initial(&ID, 1, &crypto(9, b"jk")), client_initial(&ID, 2, &crypto(0, b"abc"))].concat();
    let (bytes, events) = told(&[(Originator, client_initial(&ID, 0, &late)), (Originator, coalesced)]);
    assert_eq!((bytes[0].as_slice(), events.is_empty()), (&b"abcdefghijk"[..], true));
}

#[test]
fn a_client_begins_anew_with_the_connection_id_of_a_retry() {
    let retry = hex("f0 00000001 00 08 f067a5502a4262b5 746f6b656e 04a265ba2eff4d829058fb3f0f2496ba");
    let other = hex("f067a5502a4262b5");
    let (bytes, events) = told(&[
        (Originator, client_initial(&ID, 0, &crypto(0, b"hello"))),
        (Responder, retry),
        (Originator, client_initial(&other, 1, &crypto(0, b"hello"))),
        (Responder, server_initial(&other, 0, &crypto(0, b"answer"))),
    ]);
    assert_eq!(bytes, [b"hellohello".to_vec(), b"answer".to_vec()]);
    assert_eq!(events, ["Retry", "Restart"]);
}

#[test]
fn packets_whose_keys_are_not_known_are_told() {
    let server = server_initial(&ID, 0, &crypto(0, b"answer"));
    assert_eq!(told(&[(Responder, server.clone())]).1, ["Locked"]);
    let mut changed = client_initial(&ID, 0, &crypto(0, b"hello"));
    changed[40] ^= 1;
    assert_eq!(told(&[(Originator, changed)]), (<[Vec<u8>; 2]>::default(), vec!["Locked".to_owned()]));
    let whole = client_initial(&ID, 0, &crypto(0, b"hello"));
    assert_eq!(told(&[(Originator, whole[..1199].to_vec())]).1, ["Incomplete"]);
}

#[test]
fn what_ends_the_initial_packets_is_told() {
    let client = (Originator, client_initial(&ID, 0, &crypto(0, b"hello")));
    let close = [&[2, 0, 0, 0, 0][..], &hex("1c 4128 06 03 6e6f21")].concat();
    assert_eq!(told(&[client.clone(), (Responder, server_initial(&ID, 0, &close))]).1, ["Close(Responder, 296)"]);
    let negotiation = hex("80 00000000 00 08 8394c8f03e515708 6b3343cf");
    assert_eq!(told(&[client.clone(), (Responder, negotiation)]).1, ["VersionNegotiation"]);
    let filled = [client.1.clone(), vec![0; 50]].concat();
    assert!(told(&[(Originator, filled)]).1.is_empty(), "zeros behind a packet fill the datagram");
    for later in [hex("e0 00000001 00 00 01 ff"), hex("40 0102030405")] {
        assert_eq!(told(&[client.clone(), (Originator, later.clone())]).1, ["Established"]);
        assert!(told(&[client.clone(), (Responder, later)]).1.is_empty(), "the client may have missed the answer");
    }
}

#[test]
fn other_datagrams_are_not_quic() {
    for datagram in ["", "16", "40 0102030405", "80 60 1234 00000001 00000002", "c0 00000002 00 00", "c0 00000001 15"] {
        assert!(!Connection::default().datagram(Originator, &hex(datagram), 4096, &mut |_| ()), "{datagram}");
    }
    let mut unknown = hex("c0 0a1a2a3a 00 00");
    unknown.resize(1200, 0);
    assert!(Connection::default().datagram(Originator, &unknown, 4096, &mut |_| ()), "another version may follow");
}

#[test]
fn frames_that_lie_about_their_length_are_left_alone() {
    for frames in ["06 00 4fff 01", "06 ffffffffffffffff 01 00", "02 00 00 ffffffffffffffff 00 00", "1c", "7fff"] {
        let (bytes, events) = told(&[(Originator, client_initial(&ID, 0, &hex(frames)))]);
        assert_eq!(bytes, <[Vec<u8>; 2]>::default(), "{frames}");
        assert!(events.iter().all(|event| event == "TooMuch(Originator)" || event == "Close(Originator, 0)"));
    }
}
