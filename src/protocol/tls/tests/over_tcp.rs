//! TLS over TCP.

use super::*;

/// The random of a HelloRetryRequest.
fn retry() -> [u8; 32] {
    use sha2::{Digest, Sha256};
    Sha256::digest("HelloRetryRequest").into()
}

#[test]
fn tls_1_3_is_told_with_the_server_hello() {
    let steps = [
        client(record(22, client_hello())),
        server([record(22, server_hello_1_3()), change_cipher_spec(), record(23, [0xff; 99])].concat()),
        client([change_cipher_spec(), record(23, [0xee; 99])].concat()),
    ];
    let outcome = run_every_way(&steps);
    assert_eq!(brief(&outcome.rows[0]), "www.example TLS 1.3 - - false complete");
    assert_eq!((outcome.rows.len(), outcome.steps, outcome.loss), (1, 2, Loss::default()));
}

#[test]
fn tls_1_2_is_told_when_both_encrypt() {
    let full = [
        client(record(22, client_hello())),
        server(record(22, [server_hello_1_2(), message(11, [1; 500]), message(12, [2; 99]), message(14, [])].concat())),
        client([record(22, message(16, [3; 66])), change_cipher_spec(), record(22, [0xee; 40])].concat()),
        server([change_cipher_spec(), record(22, [0xff; 40])].concat()),
        client(record(23, [0xdd; 99])),
    ];
    let outcome = run_every_way(&full);
    assert_eq!(brief(&outcome.rows[0]), "www.example TLS 1.2 - - false complete");
    assert_eq!((field(&outcome.rows[0], "alpn"), outcome.rows.len(), outcome.steps), ("h2".to_owned(), 1, 4));
}

#[test]
fn a_session_that_goes_on_is_resumed() {
    let older = [
        client(record(22, client_hello())),
        server([record(22, [server_hello_1_2(), message(4, [5; 99])].concat()), change_cipher_spec()].concat()),
        client(change_cipher_spec()),
    ];
    assert_eq!(brief_of(&older), "www.example TLS 1.2 - - true complete");
    let hello = server_hello_with([9; 32], 0x1301, &[extension(43, [3, 4]), extension(41, [0, 0])]);
    assert_eq!(
        brief_of(&[client(record(22, client_hello())), server(record(22, hello))]),
        "www.example TLS 1.3 - - true complete"
    );
}

#[test]
fn hellos_are_put_together_across_records() {
    let (hello, answer) = (client_hello(), server_hello_1_3());
    for size in [1, 3, 50, hello.len() - 1] {
        let split = |message: &[u8]| message.chunks(size).flat_map(|part| record(22, part)).collect::<Vec<_>>();
        let outcome = run(&[client(split(&hello)), server(split(&answer))]);
        assert_eq!(brief(&outcome.rows[0]), "www.example TLS 1.3 - - false complete", "{size}");
    }
    let split = [client([record(22, &hello[..70]), record(22, &hello[70..])].concat()), server(record(22, answer))];
    assert_eq!(brief_of(&split), "www.example TLS 1.3 - - false complete");
}

#[test]
fn another_client_hello_that_the_server_asks_for_changes_nothing() {
    let request = server_hello_with(retry(), 0x1301, &[extension(43, [3, 4]), extension(51, [0, 23])]);
    let again = client_hello_with(&[0x1301], &[extension(0, vector(2, [&[0][..], &vector(2, "other")].concat()))]);
    // Either side may change ciphers for the sake of boxes in between, or not.
    for change in [change_cipher_spec(), Vec::new()] {
        let steps = [
            client(record(22, client_hello())),
            server([record(22, &request), change.clone()].concat()),
            client([change, record(22, &again)].concat()),
            server(record(22, server_hello_1_3())),
        ];
        let outcome = run_every_way(&steps);
        assert_eq!(brief(&outcome.rows[0]), "www.example TLS 1.3 - - false hello-retry complete");
        assert_eq!(field(&outcome.rows[0], "latency"), "1ms", "the request is the first answer");
    }
}

#[test]
fn alerts_are_told_with_who_sent_them() {
    let hello = client(record(22, client_hello()));
    let certificate = server(record(22, [server_hello_1_2(), message(11, [1; 50]), message(14, [])].concat()));
    for (steps, expected) in [
        (vec![hello.clone(), server(alert(2, 40))], "- fatal: handshake_failure server - no-server-hello partial"),
        (
            vec![hello.clone(), certificate.clone(), client(alert(2, 48))],
            "TLS 1.2 fatal: unknown_ca client false complete",
        ),
        (
            // The server refuses the certificate of a client that has gone on to encrypt.
            vec![hello.clone(), certificate.clone(), client(change_cipher_spec()), server(alert(2, 42))],
            "TLS 1.2 fatal: bad_certificate server false complete",
        ),
        (
            vec![hello.clone(), server([alert(1, 112), record(22, server_hello_1_3())].concat())],
            "TLS 1.3 warning: unrecognized_name server false complete",
        ),
        (
            vec![hello.clone(), server([alert(1, 112), alert(2, 80)].concat())],
            "- fatal: internal_error server - no-server-hello partial",
        ),
        (vec![hello.clone(), client(alert(1, 0))], "- warning: close_notify client - no-server-hello partial"),
        (vec![hello, server(alert(2, 199))], "- fatal: 199 server - no-server-hello partial"),
    ] {
        assert_eq!(brief_of(&steps), format!("www.example {expected}"));
    }
}

#[test]
fn an_encrypted_alert_is_none() {
    let steps = [
        client(record(22, client_hello())),
        server([record(22, server_hello_1_2()), change_cipher_spec()].concat()),
        client([change_cipher_spec(), record(21, [0x55; 26])].concat()),
    ];
    assert_eq!(brief_of(&steps), "www.example TLS 1.2 - - true complete");
}

#[test]
fn the_client_is_who_sends_the_client_hello() {
    let steps = [server(record(22, client_hello())), client(record(22, server_hello_1_3()))];
    let row = &run(&steps).rows[0];
    assert_eq!([field(row, "client"), field(row, "server_port")], ["10.0.0.2", "40000"]);
    // The packets of the answer may come first.
    let steps = [server(record(22, server_hello_1_3())), client(record(22, client_hello()))];
    assert_eq!(brief_of(&steps), "www.example TLS 1.3 - - false complete");
    assert_eq!(field(&run(&steps).rows[0], "latency"), "-");
}

#[test]
fn what_is_not_tls_is_let_go_at_its_first_bytes() {
    for first in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x16\x02\x01\x00\x05\x01",
        b"\x16\x03\x05\x00\x05\x01",
        b"\x16\x03\x01\x00\x00\x01",
        b"\x16\x03\x01\x40\x01\x01",
        b"\x16\x03\x01\x00\x05\x0b",
        b"\x17\x03\x03\x00\x05\x01",
        b"\x80\x2e\x01\x00\x02\x00",
        b"\x80\x2e\x01\x03\x01\x00\x16\x00\x00\x00\x10",
    ] {
        let outcome = run_every_way(&[client(first), server(record(22, server_hello_1_3()))]);
        assert_eq!((outcome.rows.len(), outcome.steps, outcome.loss), (0, 1, Loss::default()), "{first:?}");
    }
}

#[test]
fn a_server_that_does_not_speak_tls_is_told() {
    let steps = [client(record(22, client_hello())), server("HTTP/1.1 400 Bad Request\r\n\r\n"), client("x")];
    let outcome = run_every_way(&steps);
    assert_eq!(brief(&outcome.rows[0]), "www.example - - - - no-server-hello, answer-not-tls partial");
    assert_eq!((outcome.steps, outcome.loss), (2, Loss::default()));
}

#[test]
fn a_conversation_without_an_answer_is_told_at_its_end() {
    let steps = [client(record(22, client_hello())), Step::End(Originator)];
    assert_eq!(brief_of(&steps), "www.example - - - - no-server-hello partial");
    let whole = record(22, client_hello());
    for length in 6..whole.len() {
        let row = &run(&[client(&whole[..length])]).rows[0];
        assert_eq!(brief(row), "- - - - - no-client-hello, no-server-hello partial", "{length}");
    }
    assert!(run(&[client(&whole[..5])]).rows.is_empty(), "that may be anything");
}

#[test]
fn an_answer_alone_is_told_without_guessing_who_asked() {
    let steps = [server(record(22, server_hello_1_2())), client(record(22, message(16, [1; 66])))];
    assert_eq!(brief_of(&steps), "- TLS 1.2 - - - no-client-hello complete".replace("complete", "partial"));
}

#[test]
fn gaps_before_all_is_encrypted_are_counted() {
    let whole = record(22, client_hello());
    let answer = record(22, server_hello_1_3());
    let lost = |gaps, gap_bytes| Loss { gaps, gap_bytes, ..Loss::default() };
    for (steps, expected, loss) in [
        (
            vec![client(&whole[..40]), Step::Gap(Originator, 9), client(&whole[49..]), server(&answer)],
            "- TLS 1.3 - - false no-client-hello, gap partial",
            lost(1, 9),
        ),
        (
            vec![client(&whole), Step::Gap(Responder, 99), server(change_cipher_spec())],
            "www.example - - - - no-server-hello, gap partial",
            lost(1, 99),
        ),
        (
            vec![Step::Gap(Originator, 50), server(&answer)],
            "- TLS 1.3 - - false no-client-hello, gap partial",
            lost(1, 50),
        ),
        (
            // In the certificate, behind which an alert may be.
            vec![client(&whole), server(record(22, server_hello_1_2())), Step::Gap(Responder, 7)],
            "www.example TLS 1.2 - - - gap complete",
            lost(1, 7),
        ),
        (
            // Where all is encrypted nothing is missing.
            vec![
                client(&whole),
                server(record(22, server_hello_1_2())),
                client(change_cipher_spec()),
                Step::Gap(Originator, 7),
                server(change_cipher_spec()),
            ],
            "www.example TLS 1.2 - - true complete",
            Loss::default(),
        ),
    ] {
        let outcome = run_every_way(&steps);
        assert_eq!((brief(&outcome.rows[0]).as_str(), outcome.loss), (expected, loss));
    }
    let foreign = run(&[Step::Gap(Originator, 50), server("220 mail"), client("EHLO")]);
    assert_eq!((foreign.rows.len(), foreign.loss), (0, Loss::default()), "what others miss is no loss of TLS");
}

#[test]
fn a_hello_in_the_form_of_ssl_2_is_read() {
    let specs = [0, 0, 0x2f, 7, 0, 0xc0, 0, 0, 0x0a];
    let body = [&[1, 3, 1][..], &u16s(&[9, 0, 16]), &specs, &[7; 16]].concat();
    let hello = [&(body.len() as u16 | 0x8000).to_be_bytes()[..], &body].concat();
    let steps = [client(hello), server(record(22, server_hello_1_2())), Step::End(Responder)];
    let row = &run_every_way(&steps).rows[0];
    assert_eq!(brief(row), "- TLS 1.2 - - - ssl2-hello complete");
    assert_eq!(
        ["versions_offered", "ciphers_offered", "ja4"].map(|name| field(row, name)),
        ["TLS 1.0", "TLS_RSA_WITH_AES_128_CBC_SHA, TLS_RSA_WITH_3DES_EDE_CBC_SHA", "-"]
    );
}
