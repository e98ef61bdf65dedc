//! TLS over QUIC.

use super::*;
use crate::protocol::quic::tests::{client_initial, crypto, server_initial};

const ID: [u8; 8] = [1, 2, 3, 4, 5, 6, 7, 8];

fn to_server(number: u8, frames: &[u8]) -> Step {
    Step::Datagram(Originator, client_initial(&ID, number, frames))
}

fn to_client(frames: &[u8]) -> Step {
    Step::Datagram(Responder, server_initial(&ID, 0, frames))
}

#[test]
fn hellos_are_put_together_across_datagrams() {
    let (hello, answer) = (client_hello(), server_hello_1_3());
    let steps = [
        to_server(1, &crypto(90, &hello[90..])),
        to_server(0, &crypto(0, &hello[..90])),
        to_client(&crypto(0, &answer)),
        Step::Datagram(Originator, vec![0x40; 50]),
    ];
    let outcome = run(&steps);
    assert_eq!(brief(&outcome.rows[0]), "www.example TLS 1.3 - - false complete");
    assert_eq!((outcome.steps, outcome.loss), (3, Loss::default()));
    assert_eq!(
        ["transport", "time", "latency", "ja4", "flow"].map(|name| field(&outcome.rows[0], name)),
        [
            "quic",
            "1970-01-01T00:00:00.000000000Z",
            "1ms",
            "q13d0205h2_c1929292aa6b_7a92526c31dc",
            "1:/de0Jz1Dn+QtPDA1v9AIEPHvKBQ="
        ]
    );
}

#[test]
fn a_hello_is_read_from_its_beginning_where_the_client_begins_anew() {
    let (hello, other) = (client_hello(), [9; 8]);
    let retry = [&[0xf0, 0, 0, 0, 1, 0, 8][..], &other, &[0x74; 5], &[0; 16]].concat();
    let steps = [
        to_server(0, &crypto(0, &hello[..90])),
        Step::Datagram(Responder, retry),
        Step::Datagram(Originator, client_initial(&other, 1, &crypto(0, &hello))),
        Step::Datagram(Responder, server_initial(&other, 0, &crypto(0, &server_hello_1_3()))),
    ];
    assert_eq!(brief(&run(&steps).rows[0]), "www.example TLS 1.3 - - false quic-retry complete");
}

#[test]
fn an_error_of_tls_is_an_alert() {
    let hello = to_server(0, &crypto(0, &client_hello()));
    let close = [0x1c, 0x41, 0x78, 6, 0];
    assert_eq!(
        brief(&run(&[hello.clone(), to_client(&close)]).rows[0]),
        "www.example - fatal: no_application_protocol server - no-server-hello partial"
    );
    let refused = [0x1c, 2, 0, 0];
    assert_eq!(
        brief(&run(&[hello, to_client(&refused)]).rows[0]),
        "www.example - - - - no-server-hello partial",
        "others are none"
    );
}

#[test]
fn what_cannot_be_read_is_counted() {
    let (hello, datagram) = (client_hello(), client_initial(&ID, 0, &crypto(0, &client_hello())));
    let unread = |tls_unread| Loss { tls_unread, ..Loss::default() };
    let hole = run(&[to_server(0, &crypto(90, &hello[90..])), Step::Datagram(Originator, vec![0x40; 50])]);
    assert_eq!(brief(&hole.rows[0]), "- - - - - no-client-hello, no-server-hello, gap partial");
    assert_eq!(hole.loss, unread(1));
    let late = run(&[to_client(&crypto(0, &server_hello_1_3())), Step::Datagram(Originator, vec![0x40; 50])]);
    assert_eq!((late.rows.len(), late.loss), (0, unread(1)), "its keys are those of a packet before");
    let cut = run(&[Step::Cut(Originator, datagram, 96), Step::Datagram(Originator, vec![0x40; 50])]);
    assert_eq!((cut.rows.len(), cut.loss), (0, Loss { cut_packets: 1, ..Loss::default() }));
}

#[test]
fn other_datagrams_are_let_go_at_the_first_one() {
    for datagram in [&b"\x12\x34\x01\x00\x00\x01"[..], b"", b"\x40\x01\x02", b"\xc0\x00\x00\x00\x01\x00"] {
        let outcome = run(&[Step::Datagram(Originator, datagram.to_vec()), to_server(0, &crypto(0, &client_hello()))]);
        assert_eq!((outcome.rows.len(), outcome.steps, outcome.loss), (0, 1, Loss::default()), "{datagram:?}");
    }
}

#[test]
fn a_hello_longer_than_allowed_is_cut() {
    let hello = client_hello();
    let limits = Limits { tls_hello_bytes: hello.len() - 1, ..Limits::default() };
    let outcome =
        run_cut(&[to_server(0, &crypto(0, &hello)), to_server(1, &crypto(0, &hello))], &limits, |_, _| vec![]);
    assert_eq!(brief(&outcome.rows[0]), "- - - - - no-client-hello, no-server-hello, cut partial");
    assert_eq!(outcome.loss.tls_unread, 1);
}
