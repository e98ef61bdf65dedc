//! What is kept of bodies, and what is told of what is not.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

const GET: &str = "GET /a HTTP/1.1\r\n\r\n";

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn chunked(data: &[u8], size: usize) -> Vec<u8> {
    let chunks =
        data.chunks(size).flat_map(|chunk| [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat());
    chunks.chain(*b"0\r\n\r\n").collect()
}

fn with_body(fields: &str, body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n").as_bytes(), body].concat()
}

#[test]
fn chunked_bodies_have_extensions_and_trailers() {
    let steps = [
        client("POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nDigest: d\r\n\r\n"),
        server(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\
             ETag: \"e\"\r\nX-Auth-Token: 0123456789abcdef\r\n\r\n",
        ),
    ];
    let outcome = Scenario::new(steps).run_every_way();
    let row = &outcome.rows[0];
    assert_eq!(brief(row), "POST /a 200 3/11 complete");
    assert_eq!((field(row, "request_body"), field(row, "response_body")), ("abc".to_owned(), "hello world".to_owned()));
    assert_eq!(field(row, "trailers"), "digest: d, etag: \"e\", x-auth-token: ****cdef");
}

#[test]
fn codings_are_undone_in_the_order_in_which_they_were_applied() {
    let body = gzip(&gzip(b"netscript"));
    for (fields, sent) in [
        ("Content-Encoding: gzip, x-gzip\r\nTransfer-Encoding: chunked", chunked(&body, 7)),
        ("Content-Encoding: gzip\r\nTransfer-Encoding: gzip, chunked", chunked(&body, 50)),
        ("Content-Encoding: gzip\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked", chunked(&body, 1000)),
    ] {
        let outcome = Scenario::new([client(GET), server(with_body(fields, &sent))]).run_every_way();
        assert_eq!(brief(&outcome.rows[0]), format!("GET /a 200 0/{} complete", body.len()));
        assert_eq!(field(&outcome.rows[0], "response_body"), "netscript");
    }
}

#[test]
fn without_being_asked_for_bodies_are_only_measured() {
    let steps = [client(GET), server(with_body("Content-Encoding: gzip\r\nContent-Length: 5", b"hello"))];
    let outcome = Scenario::new(steps).with(|settings| settings.bodies = false).run_every_way();
    assert_eq!(brief(&outcome.rows[0]), "GET /a 200 0/5 complete");
    assert_eq!(
        (field(&outcome.rows[0], "request_body"), field(&outcome.rows[0], "response_body")),
        ("-".into(), "-".into())
    );
}

#[test]
fn a_body_over_the_limit_is_kept_up_to_it_and_counted() {
    let steps = [client(GET), server(response(200, "0123456789")), client(GET), server(response(200, "01234567"))];
    let outcome = Scenario::new(steps).with(|settings| settings.limits.http_body_bytes = 8).run_every_way();
    let expected = ["GET /a 200 0/10 complete body-limit", "GET /a 200 0/8 complete"];
    assert_eq!(outcome.rows.iter().map(brief).collect::<Vec<_>>(), expected);
    assert!(outcome.rows.iter().all(|row| field(row, "response_body") == "01234567"));
    assert_eq!(outcome.loss.http_cut, 1);
}

#[test]
fn a_bomb_is_kept_up_to_the_limit_and_counted() {
    let bomb = gzip(&vec![b'x'; 1 << 20]);
    let fields = format!("Content-Encoding: gzip\r\nContent-Length: {}", bomb.len());
    let scenario = Scenario::new([client(GET), server(with_body(&fields, &bomb))]);
    let outcome = scenario.with(|settings| settings.limits.http_decoded_bytes = 1000).run();
    assert_eq!(brief(&outcome.rows[0]), format!("GET /a 200 0/{} complete decoded-limit", bomb.len()));
    assert_eq!(field(&outcome.rows[0], "response_body"), "x".repeat(1000));
    assert_eq!(outcome.loss.http_cut, 1);
}

#[test]
fn a_body_that_is_not_what_its_coding_says_stays_as_it_was_sent() {
    for (fields, flag) in [("Content-Encoding: gzip", "bad-encoding"), ("Content-Encoding: magic", "unknown-encoding")]
    {
        let steps = [client(GET), server(with_body(&format!("{fields}\r\nContent-Length: 5"), b"hello"))];
        let outcome = Scenario::new(steps).run_every_way();
        assert_eq!(brief(&outcome.rows[0]), format!("GET /a 200 0/5 complete {flag}"));
        assert_eq!(field(&outcome.rows[0], "response_body"), "hello");
    }
}

#[test]
fn a_body_with_a_gap_is_kept_up_to_the_gap() {
    let steps = [
        client("POST /a HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc"),
        client_gap(4),
        client("hij"),
        server("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\n01"),
        server_gap(5),
        server("789\r\n2\r\nxy\r\n0\r\n\r\n"),
        client(GET),
        server(response(204, "")),
    ];
    let outcome = Scenario::new(steps).run_every_way();
    let expected = ["POST /a 200 6/7 partial gap-in-request-body, gap-in-response-body", "GET /a 204 0/0 complete"];
    assert_eq!(outcome.rows.iter().map(brief).collect::<Vec<_>>(), expected);
    assert_eq!(
        (field(&outcome.rows[0], "request_body"), field(&outcome.rows[0], "response_body")),
        ("abc".into(), "01".into())
    );
}

#[test]
fn what_is_there_of_a_coded_body_with_a_gap_is_decoded() {
    let text: String = (0..2000).map(|i: u32| format!("{} ", i.wrapping_mul(2_654_435_761))).collect();
    let body = gzip(text.as_bytes());
    let fields = format!("Content-Encoding: gzip\r\nContent-Length: {}", body.len());
    let sent = with_body(&fields, &body);
    let steps = [client(GET), server(&sent[..sent.len() - 100]), server_gap(100)];
    let outcome = Scenario::new(steps).run();
    let shown = field(&outcome.rows[0], "response_body");
    assert!(shown.len() > 1000 && text.starts_with(&shown));
    assert_eq!(field(&outcome.rows[0], "flags"), "gap-in-response-body");
}

#[test]
fn chunks_that_make_no_sense_end_the_message() {
    let steps = [
        client(GET),
        server("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nnonsense"),
        client(GET),
        server(response(201, "")),
    ];
    let outcome = Scenario::new(steps).run();
    let expected = ["GET /a 200 0/3 partial bad-chunk", "GET /a 201 0/0 complete resynchronised, pairing-assumed"];
    assert_eq!(outcome.rows.iter().map(brief).collect::<Vec<_>>(), expected);
    assert_eq!(field(&outcome.rows[0], "response_body"), "abc");
    assert_eq!(outcome.loss.http_skipped_bytes, 8);
}

#[test]
fn trailers_over_the_limit_are_cut_and_counted() {
    let trailers = format!("0\r\nX: {}\r\n\r\n", "x".repeat(200));
    let steps = [client(GET), server(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{trailers}"))];
    let outcome = Scenario::new(steps).with(|settings| settings.limits.http_head_bytes = 100).run();
    assert_eq!(brief(&outcome.rows[0]), "GET /a 200 0/0 partial cut-head");
    assert_eq!(outcome.loss.http_cut, 1);
}

#[test]
fn secrets_in_bodies_are_masked() {
    let body = "Title\r\n\r\npassword=hunter2&x=1";
    let steps = [
        client(format!("POST /a HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}", body.len())),
        server(response(200, "{\"access_token\":\"abcdefghijklmnop\"}")),
    ];
    let outcome = Scenario::new(steps.clone()).run_every_way();
    assert_eq!(field(&outcome.rows[0], "request_body"), "Title\r\n\r\npassword=****&x=1");
    assert_eq!(field(&outcome.rows[0], "response_body"), "{\"access_token\":\"****mnop\"}");
    let shown = Scenario::new(steps).with(|settings| settings.show_secrets = true).run();
    assert_eq!(field(&shown.rows[0], "request_body"), body);
}
