//! What is HTTP, and who is the client.

use super::*;

#[test]
fn the_client_is_who_sends_requests() {
    // The originator as the flow table sees it is the server here.
    let steps = [
        Step::Data(Side::Responder, b"GET /a HTTP/1.1\r\n\r\n".to_vec()),
        Step::Data(Side::Originator, response(200, "").into()),
    ];
    for (scenario, flags) in
        [(Scenario::new(steps.clone()), ""), (Scenario::new(steps).mid_stream(), " pairing-assumed")]
    {
        let outcome = scenario.run();
        assert_eq!(outcome.rows.iter().map(brief).collect::<Vec<_>>(), [format!("GET /a 200 0/0 complete{flags}")]);
        assert_eq!(field(&outcome.rows[0], "client"), "10.0.0.2");
        assert_eq!(field(&outcome.rows[0], "server_port"), "40000");
    }
    let outcome = Scenario::new([Step::Data(Side::Originator, response(200, "").into())]).mid_stream().run();
    assert_eq!(field(&outcome.rows[0], "client"), "10.0.0.2", "a status line tells the server");
}

#[test]
fn other_protocols_are_given_up_soon() {
    for (from_client, from_server) in [
        (&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..], &b"\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03"[..]),
        (b"SSH-2.0-OpenSSH_9.2\r\n", b"SSH-2.0-OpenSSH_9.3\r\n"),
        (b"EHLO example\r\n", b"220 mail ESMTP\r\n"),
        (b"OPTIONS rtsp://a RTSP/1.0\r\n\r\n", b"RTSP/1.0 200 OK\r\n\r\n"),
        (b"GET /old\r\n", b"<html>"),
    ] {
        let more = [&[0xff][..], &[0x17; 1000]].concat();
        let steps = [server(from_server), client(from_client)].into_iter();
        let outcome = Scenario::new(steps.chain((0..5).map(|_| server(&more)))).run_every_way();
        assert!(outcome.done && outcome.rows.is_empty());
        assert_eq!(outcome.loss, Loss::default(), "bytes of other protocols are no loss");
    }
}

#[test]
fn words_without_an_end_are_given_up() {
    let outcome =
        Scenario::new((0..100).map(|_| client("GET /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa".repeat(20)))).run();
    assert!(outcome.done && outcome.rows.is_empty());
}

#[test]
fn http_2_is_given_up_at_its_preface() {
    let outcome = Scenario::new([client("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")]).run_every_way();
    assert!(outcome.done && outcome.rows.is_empty());
}

#[test]
fn both_sides_ended_without_a_message_is_the_end() {
    assert!(Scenario::new([client("hello"), client_end(), server_end()]).run_every_way().done);
    assert!(!Scenario::new([client("hello"), client_end()]).run_every_way().done);
}

#[test]
fn http_inside_of_another_protocol_is_found() {
    let steps = [
        client(b"\x05\x01\x00"),
        server(b"\x05\x00"),
        client(b"\x05\x01\x00\x01\x0a\x00\x00\x01\x00\x50"),
        server(b"\x05\x00\x00\x01\x0a\x00\x00\x01\x9c\x40"),
        client("GET /a HTTP/1.1\r\n\r\n"),
        server(response(200, "")),
    ];
    let outcome = Scenario::new(steps).run();
    assert_eq!(
        outcome.rows.iter().map(brief).collect::<Vec<_>>(),
        ["GET /a 200 0/0 complete resynchronised, pairing-assumed"]
    );
    assert_eq!(outcome.loss.http_skipped_bytes, 25);
}

#[test]
fn bytes_before_the_first_request_may_be_a_request_that_is_answered() {
    let steps = [
        client("\u{1}malformed\r\n\r\n"),
        client("GET /a HTTP/1.1\r\n\r\n"),
        server(response(400, "")),
        server(response(200, "")),
    ];
    let rows: Vec<_> = Scenario::new(steps).run().rows.iter().map(brief).collect();
    let expected = [
        "GET /a - 0/- partial resynchronised, pairing-uncertain",
        "- - 400 -/0 partial pairing-uncertain",
        "- - 200 -/0 partial",
    ];
    assert_eq!(rows, expected);
}

#[test]
fn a_server_that_ended_before_the_first_request_answers_nothing() {
    let outcome = Scenario::new([server_end(), client("GET /a HTTP/1.1\r\n\r\n")]).run_every_way();
    assert_eq!(outcome.rows.iter().map(brief).collect::<Vec<_>>(), ["GET /a - 0/- partial"]);
    assert_eq!(outcome.before_close, 1);
}

#[test]
fn a_capture_that_begins_inside_a_body_goes_on_with_the_next_message() {
    let steps = [
        server("rest of a body that says HTTP/1.1 500 in its text\r\n"),
        server("HTTP/1.1 500 is how a line of text may begin\r\n(or so)"),
        client("rest of an upload\r\n\r\n"),
        client("GET /a HTTP/1.1\r\n\r\n"),
        server(response(200, "a")),
    ];
    let outcome = Scenario::new(steps).mid_stream().run();
    assert_eq!(
        outcome.rows.iter().map(brief).collect::<Vec<_>>(),
        ["GET /a 200 0/1 complete resynchronised, pairing-assumed"]
    );
    assert!(outcome.loss.http_skipped_bytes > 0);
}

#[test]
fn in_the_middle_of_a_connection_a_split_start_line_is_found() {
    let steps =
        [client("GET /a HT"), client("TP/1.1\r\nHost: h\r\n\r\n"), server("HTT"), server("P/1.1 204 No\r\n\r\n")];
    let outcome = Scenario::new(steps).mid_stream().run();
    assert_eq!(outcome.rows.iter().map(brief).collect::<Vec<_>>(), ["GET /a 204 0/0 complete pairing-assumed"]);
    assert_eq!(outcome.loss, Loss::default());
}

#[test]
fn a_word_at_the_end_of_a_segment_does_not_swallow_the_next_message() {
    let steps = [server("HTTP/1.1"), server(response(200, "")), client("word"), client("GET /a HTTP/1.1\r\n\r\n")];
    let outcome = Scenario::new(steps).mid_stream().run();
    let expected = ["- - 200 -/0 partial resynchronised", "GET /a - 0/- partial resynchronised"];
    assert_eq!(outcome.rows.iter().map(brief).collect::<Vec<_>>(), expected);
    assert_eq!(outcome.loss.http_skipped_bytes, 12);
}

#[test]
fn the_middle_of_an_unknown_connection_is_never_given_up() {
    let steps = (0..100).map(|_| client([0xff; 1400])).chain([client("GET /a HTTP/1.1\r\n\r\n")]);
    let outcome = Scenario::new(steps).mid_stream().run();
    assert_eq!(outcome.rows.iter().map(brief).collect::<Vec<_>>(), ["GET /a - 0/- partial resynchronised"]);
    assert_eq!(outcome.loss.http_skipped_bytes, 140_000);
}
