//! TLS behind a dialogue in text.

use super::*;

fn text(steps: &[(Side, &str)]) -> Vec<Step> {
    steps.iter().map(|(from, line)| Step::Data(*from, line.as_bytes().to_vec())).collect()
}

const SMTP: &[(Side, &str)] = &[
    (Responder, "220 mail.example ESMTP\r\n"),
    (Originator, "EHLO example\r\n"),
    (Responder, "250-mail.example\r\n250-STARTTLS\r\n250 8BITMIME\r\n"),
    (Originator, "STARTTLS\r\n"),
    (Responder, "220 2.0.0 Ready\r\n"),
];

#[test]
fn tls_is_found_behind_starttls_and_connect() {
    for dialogue in [
        SMTP,
        &[(Responder, "* OK IMAP4rev2\r\n"), (Originator, "a STARTTLS\r\n"), (Responder, "a OK\r\n")],
        &[(Responder, "+OK\r\n"), (Originator, "STLS\r\n"), (Responder, "+OK\r\n")],
        &[(Responder, "220-FTP\r\n220 \r\n"), (Originator, "AUTH TLS\r\n"), (Responder, "234 \r\n")],
        &[
            (Originator, "CONNECT www.example:443 HTTP/1.1\r\nHost: www.example:443\r\n\r\n"),
            (Responder, "HTTP/1.1 200 Connection established\r\n\r\n"),
        ],
    ] {
        let mut steps = text(dialogue);
        steps.extend([client(record(22, client_hello())), server(record(22, server_hello_1_3()))]);
        assert_eq!(brief_of(&steps), "www.example TLS 1.3 - - false upgraded complete", "{dialogue:?}");
        assert_eq!(field(&run(&steps).rows[0], "latency"), "1ms");
    }
}

#[test]
fn a_dialogue_that_stays_text_is_let_go_after_a_while() {
    let letter = (Originator, "A letter without an end.\r\n");
    let steps = text(&[&SMTP[..3], &[letter; 200]].concat());
    let outcome = run_every_way(&steps);
    assert_eq!((outcome.rows.len(), outcome.loss), (0, Loss::default()));
    // 89 bytes of the dialogue, then 26 in each line.
    assert_eq!(outcome.steps, 3 + (4096 - 89) / 26 + 1);
    let mut steps = text(&SMTP[..3]);
    steps.extend([client(b"\x00\x01binary"), client(record(22, client_hello()))]);
    assert_eq!(run_every_way(&steps).steps, 4);
}

#[test]
fn a_server_of_another_protocol_is_no_dialogue_once_a_client_began_tls() {
    let steps = [client(record(22, client_hello())), server("220 mail.example ESMTP\r\n")];
    assert_eq!(brief_of(&steps), "www.example - - - - no-server-hello, answer-not-tls partial");
}
