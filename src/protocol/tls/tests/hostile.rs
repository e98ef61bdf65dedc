//! Lengths that lie, and hellos without an end.

use super::*;
use crate::protocol::tls::hello::{ClientHello, ServerHello};

#[test]
fn a_hello_that_ends_anywhere_is_malformed_and_nothing_else() {
    for (hello, is_client) in [(client_hello(), true), (server_hello_1_2(), false), (server_hello_1_3(), false)] {
        let body = &hello[4..];
        let is_read = |body: &[u8]| match is_client {
            true => ClientHello::parse(body).is_some(),
            false => ServerHello::parse(body).is_some(),
        };
        assert!(is_read(body) && !is_read(&[body, &[0]].concat()));
        // Before TLS 1.2 a hello may end where extensions would begin.
        let whole: Vec<_> = (0..body.len()).filter(|&length| is_read(&body[..length])).collect();
        assert_eq!(whole, [if is_client { 2 + 32 + 33 + 8 + 2 } else { 2 + 32 + 33 + 3 }]);
    }
}

#[test]
fn every_byte_may_lie() {
    for hello in [client_hello(), server_hello_1_3()] {
        for place in 0..hello.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut changed = hello.clone();
                changed[place] = value;
                let outcome = run(&[client(record(22, &changed)), server(record(22, server_hello_1_3()))]);
                assert!(outcome.rows.len() <= 1 && outcome.loss.tls_unread <= 2);
            }
        }
    }
}

#[test]
fn a_malformed_hello_is_told_and_counted() {
    let mut hello = client_hello();
    let last = hello.len() - 41;
    hello[last] = 0xff;
    let outcome = run_every_way(&[client(record(22, hello)), server(alert(2, 50))]);
    assert_eq!(
        brief(&outcome.rows[0]),
        "- - fatal: decode_error server - no-client-hello, no-server-hello, malformed partial"
    );
    assert_eq!(outcome.loss, Loss { tls_unread: 1, ..Loss::default() });
}

#[test]
fn a_record_that_is_none_ends_what_is_read() {
    let hello = record(22, client_hello());
    let outcome =
        run_every_way(&[client([&hello[..], b"\x99garbage"].concat()), server(record(22, server_hello_1_3()))]);
    assert_eq!(brief(&outcome.rows[0]), "www.example TLS 1.3 - - false malformed complete");
    assert_eq!(outcome.loss, Loss::default(), "both hellos were read");
    let outcome = run_every_way(&[client(&hello), server([record(22, &server_hello_1_3()[..9]), vec![0; 9]].concat())]);
    assert_eq!(brief(&outcome.rows[0]), "www.example - - - - no-server-hello, malformed partial");
    assert_eq!(outcome.loss.tls_unread, 1);
}

#[test]
fn both_sides_as_clients_are_malformed() {
    let outcome = run_every_way(&[client(record(22, client_hello())), server(record(22, client_hello()))]);
    assert_eq!(brief(&outcome.rows[0]), "www.example - - - - no-server-hello, malformed partial");
}

#[test]
fn a_hello_longer_than_allowed_is_cut() {
    let hello = client_hello();
    let limits = Limits { tls_hello_bytes: hello.len() - 5, ..Limits::default() };
    let steps = [client(record(22, &hello)), server(record(22, server_hello_1_3()))];
    let outcome = run_cut(&steps, &limits, |_, length| vec![length]);
    assert_eq!(brief(&outcome.rows[0]), "- TLS 1.3 - - false no-client-hello, cut partial");
    assert_eq!(outcome.loss, Loss { tls_unread: 1, ..Loss::default() });
    let limits = Limits { tls_hello_bytes: hello.len() - 4, ..Limits::default() };
    let outcome = run_cut(&steps, &limits, |_, length| vec![length]);
    assert_eq!(brief(&outcome.rows[0]), "www.example TLS 1.3 - - false complete");
}

#[test]
fn a_certificate_that_says_it_is_huge_takes_no_memory() {
    let certificate = [&[11][..], &[0xff; 3], &[1; 100]].concat();
    let steps = [client(record(22, client_hello())), server(record(22, [server_hello_1_2(), certificate].concat()))];
    assert_eq!(brief_of(&steps), "www.example TLS 1.2 - - false complete");
}
