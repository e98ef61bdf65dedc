//! Messages that lie.

use super::*;

/// What a message from the server gives, with what could not be read.
fn told(message: &[u8]) -> (Vec<String>, u64) {
    let (told, loss) = Scene::new().server(message).outcome();
    (told, loss.dns_malformed)
}

#[test]
fn a_name_in_a_circle_is_no_name() {
    let circle = [header(7, ANSWER, [1, 0, 0, 0]), vec![0xc0, 12, 0, 1, 0, 1]].concat();
    assert_eq!(told(&circle), (Vec::new(), 1));
    let mut bytes = answer(7, "db.example", 9);
    let at = bytes.len() - 16;
    bytes[at + 1] = u8::try_from(at).unwrap();
    assert_eq!(told(&bytes), (vec!["7 db.example A NOERROR [] - rd, ra, malformed".to_owned()], 1));
}

#[test]
fn counts_that_promise_more_than_there_is_give_what_there_is() {
    let mut bytes = answer(7, "db.example", 9);
    bytes[7] = 9;
    let expected = "7 db.example A NOERROR [203.0.113.9] - rd, ra, malformed";
    assert_eq!(told(&bytes), (vec![expected.to_owned()], 1));
    bytes[4..12].fill(0xff);
    assert_eq!(told(&bytes), (vec!["7 db.example A NOERROR [] - rd, ra, malformed".to_owned()], 1));
}

#[test]
fn counts_that_promise_less_leave_something_behind() {
    let mut bytes = answer(7, "db.example", 9);
    bytes[7] = 0;
    assert_eq!(told(&bytes), (vec!["7 db.example A NOERROR [] - rd, ra, trailing".to_owned()], 0));
}

#[test]
fn data_that_is_not_as_its_type_has_it_is_shown_as_it_is() {
    let bytes = [header(7, ANSWER, [1, 1, 0, 0]), question("db.example", A), record(A, 60, &[1, 2, 3])].concat();
    let expected = r"7 db.example A NOERROR [\# 3 010203] - rd, ra, malformed";
    assert_eq!(told(&bytes), (vec![expected.to_owned()], 1));
}

#[test]
fn an_answer_that_the_server_cut_may_end_anywhere() {
    let mut bytes = answer(7, "db.example", 9);
    bytes[2] |= 2;
    bytes.truncate(bytes.len() - 3);
    assert_eq!(told(&bytes), (vec!["7 db.example A NOERROR [] - tc, rd, ra".to_owned()], 0));
}

#[test]
fn datagrams_that_were_not_captured_whole_are_counted_as_such() {
    let bytes = answer(7, "db.example", 9);
    for (captured, expected) in [
        (bytes.len() - 1, vec!["7 db.example A NOERROR [] - rd, ra, cut"]),
        (28, vec!["7 db.example A NOERROR [] - rd, ra, cut"]),
        (27, vec![]),
        (5, vec![]),
    ] {
        let (told, loss) = Scene::new().cut([SERVER, CLIENT], &bytes, captured).outcome();
        assert_eq!(
            (told, loss),
            (expected.iter().map(ToString::to_string).collect(), Loss { cut_packets: 1, ..Loss::ZERO })
        );
    }
}

#[test]
fn any_byte_may_be_wrong() {
    let message = [answer(7, "db.example", 9), record(41, 0x8000, b"\0\x0a\0\x02ab")].concat();
    for at in 0..message.len() {
        for byte in 0..=255 {
            let mut bytes = message.clone();
            bytes[at] = byte;
            let scene = Scene::new().client(ask(7, "db.example")).server(&bytes);
            for row in &scene.observer.told {
                serde_json::to_string(row as &dyn Record).unwrap();
            }
            scene.outcome();
        }
    }
}
