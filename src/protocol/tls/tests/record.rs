//! The fields of a row.

use super::*;
use crate::protocol::tls::{FLAGS, Transport};
use crate::record::Type;

fn handshake() -> TlsHandshake {
    let certificate = [server_hello_1_2(), message(11, [1; 50])].concat();
    let steps = [client(record(22, client_hello())), server(record(22, certificate)), client(alert(2, 48))];
    run(&steps).rows.remove(0)
}

#[test]
fn every_field_says_what_was_on_the_wire() {
    let row = handshake();
    let fields: Vec<_> =
        TlsHandshake::KIND.fields.iter().map(|f| format!("{}: {}", f.name, field(&row, &f.name))).collect();
    assert_eq!(
        fields,
        [
            "time: 1970-01-01T00:00:00.000000000Z",
            "client: 10.0.0.1",
            "client_port: 40000",
            "server: 10.0.0.2",
            "server_port: 443",
            "transport: tcp",
            "server_name: www.example",
            "version: TLS 1.2",
            "alpn: h2",
            "alpn_offered: h2, http/1.1",
            "ja4: t13d0205h2_c1929292aa6b_7a92526c31dc",
            "ja4_r: t13d0205h2_1301,c02f_000d,002b,0033_0403,0804",
            "alert: fatal: unknown_ca",
            "alert_by: client",
            "versions_offered: TLS 1.3, TLS 1.2",
            "cipher: TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
            "ciphers_offered: TLS_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
            "resumed: false",
            "latency: 1ms",
            "flags: ",
            "complete: true",
            "process: -",
            "pid: -",
            "container: -",
            "attribution: -",
            "server_process: -",
            "server_container: -",
            "flow: 1:UWHKJ/x6OQ1YiVv4rIl0t3yhjg8=",
        ]
    );
}

#[test]
fn every_value_is_of_the_type_that_the_field_declares() {
    let row = handshake();
    for (i, field) in TlsHandshake::KIND.fields.iter().enumerate() {
        let fits = match (row.value(i), field.ty) {
            // Who on this host it belongs to is known only while it is captured.
            (Value::None, _) => (21..27).contains(&i),
            (Value::Bool(_), Type::Bool)
            | (Value::Integer(_), Type::Integer)
            | (Value::Text(_), Type::Text)
            | (Value::Time(_), Type::Time)
            | (Value::Duration(_), Type::Duration)
            | (Value::Address(_), Type::Address)
            | (Value::List(_), Type::List) => true,
            _ => false,
        };
        assert!(fits, "{}", field.name);
    }
}

#[test]
fn programs_ask_it_without_texts() {
    let row = handshake();
    assert_eq!((row.client().port(), row.server().port()), (40_000, 443));
    assert_eq!((row.server_name(), row.transport()), (Some("www.example"), Transport::Tcp));
}

#[test]
fn every_flag_has_a_name_of_its_own_and_a_meaning() {
    for (i, (name, meaning)) in FLAGS.iter().enumerate() {
        assert!(!meaning.trim().is_empty(), "{name}");
        assert!(FLAGS[..i].iter().all(|(other, _)| other != name), "{name}");
    }
}
