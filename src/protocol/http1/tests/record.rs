//! The fields of a row.

use super::*;
use crate::record::Type;

const NAMES: [&str; 38] = [
    "time",
    "end",
    "client",
    "client_port",
    "server",
    "server_port",
    "method",
    "host",
    "path",
    "query",
    "url",
    "version",
    "status",
    "reason",
    "latency",
    "informational",
    "request_bytes",
    "response_bytes",
    "request_headers",
    "response_headers",
    "request_body",
    "response_body",
    "trailers",
    "user_agent",
    "content_type",
    "credential",
    "forwarded_for",
    "origin",
    "flags",
    "complete",
    "process",
    "pid",
    "container",
    "attribution",
    "server_process",
    "server_container",
    "flow",
    "",
];

fn exchange() -> HttpExchange {
    let steps = [
        client(
            "PUT /a?b=c HTTP/1.1\r\nHost: Shop.example:8080\r\nUser-Agent: curl/8\r\n\
             X-Forwarded-For: 192.0.2.7, unknown\r\nForwarded: for=\"[2001:db8::1]\"\r\nContent-Length: 5\r\n\r\nhel",
        ),
        client("lo"),
        server("HTTP/1.1 100 Continue\r\n\r\n"),
        server(
            b"HTTP/1.0 201 Very Created\r\nContent-Type: text/plain\r\nX: 1\r\nx: \xe9\r\n\
              Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nE: f\r\n\r\n",
        ),
    ];
    Scenario::new(steps).run().rows.remove(0)
}

#[test]
fn every_field_has_its_name_and_place() {
    let names: Vec<_> = HttpExchange::KIND.fields.iter().map(|field| field.name.as_ref()).collect();
    assert_eq!(names, NAMES[..37]);
    assert_eq!(HttpExchange::KIND.name, "http_exchange");
}

#[test]
fn every_field_says_what_was_on_the_wire() {
    let row = exchange();
    for (name, expected) in NAMES.iter().zip([
        "1970-01-01T00:00:00.000000000Z",
        "1970-01-01T00:00:00.003000000Z",
        "10.0.0.1",
        "40000",
        "10.0.0.2",
        "80",
        "PUT",
        "Shop.example:8080",
        "/a",
        "b=c",
        "http://Shop.example:8080/a?b=c",
        "HTTP/1.1",
        "201",
        "Very Created",
        "2ms",
        "100",
        "5",
        "2",
        "host: Shop.example:8080, user-agent: curl/8, x-forwarded-for: 192.0.2.7, unknown, \
         forwarded: for=\"[2001:db8::1]\", content-length: 5",
        "content-type: text/plain, x: 1, x: base64:6Q==, transfer-encoding: chunked",
        "hello",
        "ok",
        "e: f",
        "curl/8",
        "text/plain",
        "-",
        "192.0.2.7, unknown, 2001:db8::1",
        "192.0.2.7",
        "transfer-encoding-in-http-1.0",
        "true",
        "-",
        "-",
        "-",
        "-",
        "-",
        "-",
        "1:3k1SoWXs/FltHw2aBCgUTgbDQF4=",
    ]) {
        assert_eq!(field(&row, name), expected, "{name}");
    }
}

#[test]
fn every_value_is_of_the_type_that_the_field_declares() {
    let row = exchange();
    for (i, field) in HttpExchange::KIND.fields.iter().enumerate() {
        let fits = match (row.value(i), field.ty) {
            // Who on this host it belongs to is known only while it is captured.
            (Value::None, _) => field.name == "credential" || NAMES[30..36].contains(&field.name.as_ref()),
            (Value::Bool(_), Type::Bool)
            | (Value::Integer(_), Type::Integer)
            | (Value::Text(_), Type::Text)
            | (Value::Bytes(_), Type::Bytes)
            | (Value::Time(_), Type::Time)
            | (Value::Duration(_), Type::Duration)
            | (Value::Address(_), Type::Address)
            | (Value::List(_), Type::List)
            | (Value::Map(_), Type::Map) => true,
            _ => false,
        };
        assert!(fits, "{}", field.name);
    }
}

#[test]
fn what_was_not_seen_has_no_value() {
    let request = &Scenario::new([client("GET /a HTTP/1.0\r\n\r\n")]).run().rows[0];
    for name in [
        "host",
        "query",
        "status",
        "reason",
        "latency",
        "response_bytes",
        "response_headers",
        "user_agent",
        "credential",
    ] {
        assert_eq!(field(request, name), "-", "{name}");
    }
    assert_eq!((field(request, "url"), field(request, "origin")), ("http://10.0.0.2/a".into(), "10.0.0.1".into()));
    let answer = &Scenario::new([server(response(204, ""))]).run().rows[0];
    for name in ["method", "host", "path", "url", "request_bytes", "request_headers", "credential"] {
        assert_eq!(field(answer, name), "-", "{name}");
    }
    assert_eq!((field(answer, "version"), field(answer, "forwarded_for")), ("HTTP/1.1".into(), String::new()));
}

#[test]
fn the_summary_fits_a_line() {
    assert_eq!(exchange().summary(), "1970-01-01T00:00:00.000000000Z 10.0.0.1 PUT /a 201 2ms");
}

#[test]
fn every_flag_has_a_name_of_its_own_and_a_meaning() {
    for (i, (name, meaning)) in super::super::FLAGS.iter().enumerate() {
        assert!(!meaning.trim().is_empty(), "{name}");
        assert!(super::super::FLAGS[..i].iter().all(|(other, _)| other != name), "{name}");
    }
}
