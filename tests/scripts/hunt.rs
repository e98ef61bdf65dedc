//! `expired-token-hunt` over captures in which something is difficult. What it says is in `cases/`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::support::capture::http::{get, json, jwt, post, response};
use crate::support::capture::{Capture, Conversation, Datagrams};
use crate::support::program::Folder;
use crate::support::transcript;

const SERVICE: &str = "198.51.100.5:8000";
const THINK: Duration = Duration::from_millis(2);

fn cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts/cases")
}

/// Runs a case on this capture.
fn hunt(case: &str, capture: &Capture) {
    let folder = Folder::with("capture.pcap", capture.pcap());
    transcript::check(&cases().join(case).with_extension("txt"), &folder);
}

/// A conversation with the service after its handshake.
fn talk(client: &str) -> Conversation {
    let mut talk = Conversation::new(client, SERVICE);
    talk.handshake();
    talk
}

/// A bearer token that expired an hour before the captures begin.
fn expired() -> String {
    format!("Bearer {}", jwt(r#"{"iss":"https://id.example","sub":"importer","exp":1791773880}"#))
}

/// A request to the service with this value of Authorization.
fn request(path: &str, authorization: &str) -> Vec<u8> {
    get(path, &[("Host", "api.example"), ("User-Agent", "importer/1.0"), ("Authorization", authorization)])
}

fn rejected() -> Vec<u8> {
    json("401 Unauthorized", r#"{"error":"expired"}"#)
}

fn accepted() -> Vec<u8> {
    json("200 OK", r#"{"ok":true}"#)
}

#[test]
fn every_case_is_run() {
    let source = include_str!("hunt.rs");
    for file in std::fs::read_dir(cases()).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        assert!(source.contains(&format!("hunt(\"{name}\",")), "nothing runs {}", path.display());
    }
}

#[test]
fn a_token_is_found_whose_header_is_split_over_two_segments() {
    let request = request("/api/items", &expired());
    let middle = request.len() - 60;
    let mut talk = talk("192.0.2.10:50000");
    talk.client_sends_in(&[&request[..middle], &request[middle..]]);
    talk.server_sends(&rejected());
    talk.close();
    hunt("split-header", &Capture::new().with(talk));
}

#[test]
fn segments_that_are_reversed_repeated_and_overlapping_give_the_same_requests() {
    let mut talk = talk("192.0.2.10:50000").segment_size(40);
    talk.client_sends(&request("/api/reversed", &expired())).reversed().repeated();
    talk.server_sends(&rejected()).reversed();
    // The client sends the first half, then everything from its 20th byte on.
    let request = request("/api/overlapping", &expired());
    talk.client_sends_in(&[&request[..100]]);
    talk.client_sends_again(80, &request[20..]);
    talk.server_sends(&rejected()).repeated();
    talk.close();
    hunt("disorder", &Capture::new().with(talk));
}

#[test]
fn of_three_pipelined_requests_the_rejected_one_is_found() {
    let mut talk = talk("192.0.2.10:50000");
    let requests = [
        request("/api/first", "Bearer good-token-of-today"),
        request("/api/second", &expired()),
        request("/api/third", "Bearer good-token-of-today"),
    ];
    talk.client_sends(&requests.concat());
    talk.server_sends(&[accepted(), rejected(), accepted()].concat());
    talk.close();
    hunt("pipelined", &Capture::new().with(talk));
}

#[test]
fn behind_a_proxy_the_client_that_it_names_is_blamed() {
    let mut talk = talk("198.51.100.2:40000");
    let through = |field: &str, value: &str, authorization: &str| {
        get("/api/items", &[("Host", "api.example"), (field, value), ("Authorization", authorization)])
    };
    talk.exchange(&through("X-Forwarded-For", "203.0.113.5", &expired()), THINK, &rejected());
    talk.exchange(&through("X-Forwarded-For", "203.0.113.6", "Bearer good-token-of-today"), THINK, &accepted());
    let forwarded = r#"for="[2001:db8::7]:4711";proto=https, for=198.51.100.2"#;
    talk.exchange(&through("Forwarded", forwarded, &expired()), THINK, &rejected());
    talk.exchange(&through("X-Forwarded-For", "203.0.113.5, 198.51.100.99", &expired()), THINK, &rejected());
    talk.close();
    hunt("proxy", &Capture::new().with(talk));
}

#[test]
fn without_the_responses_nothing_can_be_said() {
    let mut talk = talk("192.0.2.10:50000");
    for path in ["/api/1", "/api/2", "/api/3"] {
        talk.exchange(&request(path, &expired()), THINK, &rejected());
    }
    talk.close();
    hunt("no-responses", &Capture::new().with(talk.without_server()));
}

#[test]
fn a_gap_inside_a_header_is_never_filled_with_a_guess() {
    let request = request("/api/items", &expired());
    let mut talk = talk("192.0.2.10:50000");
    talk.client_sends_in(&[&request[..80], &request[80..140], &request[140..]]).without(1);
    talk.server_sends(&rejected());
    talk.exchange(&get("/api/open", &[("Host", "api.example")]), THINK, &accepted());
    talk.close();
    hunt("gap", &Capture::new().with(talk));
}

#[test]
fn a_finding_beside_a_gap_stays_a_finding() {
    let lost = request("/api/lost", &expired());
    let mut broken = talk("192.0.2.11:50000");
    broken.client_sends_in(&[&lost[..100], &lost[100..]]).without(0);
    broken.server_sends(&rejected());
    let mut whole = talk("192.0.2.10:50000");
    whole.exchange(&request("/api/items", &expired()), THINK, &rejected());
    hunt("finding-and-gap", &Capture::new().with(broken).with(whole));
}

#[test]
fn a_clean_capture_is_clean() {
    let mut talk = talk("192.0.2.10:50000");
    for path in ["/api/1", "/api/2"] {
        talk.exchange(&request(path, "Bearer good-token-of-today"), THINK, &accepted());
    }
    talk.exchange(&get("/", &[("Host", "api.example")]), THINK, &response("404 Not Found", &[], b""));
    // Who shows nothing is asked for a credential, and that is no trouble.
    talk.exchange(&get("/api/1", &[("Host", "api.example")]), THINK, &rejected());
    talk.close();
    hunt("clean", &Capture::new().with(talk));
}

#[test]
fn a_capture_without_http_says_nothing_about_credentials() {
    let mut dns = Datagrams::new("192.0.2.10:5353", "198.51.100.53:53");
    dns.client_sends(b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03api\x07example\x00\x00\x01\x00\x01");
    dns.server_sends(b"\x12\x34\x81\x83\x00\x01\x00\x00\x00\x00\x00\x00\x03api\x07example\x00\x00\x01\x00\x01");
    let mut mail = Conversation::new("192.0.2.10:50001", "198.51.100.25:25");
    mail.handshake();
    mail.server_sends(b"220 mail.example ESMTP\r\n");
    mail.client_sends(b"EHLO client.example\r\n");
    mail.close();
    hunt("no-http", &Capture::new().with(dns).with(mail));
}

#[test]
fn a_capture_without_packets_says_nothing() {
    hunt("no-packets", &Capture::new());
}

#[test]
fn it_is_told_whether_the_same_client_also_used_an_accepted_credential() {
    let mut both = talk("192.0.2.10:50000");
    both.exchange(&request("/api/items", &expired()), THINK, &rejected());
    both.exchange(&request("/api/items", "Bearer good-token-of-today"), THINK, &accepted());
    let mut other = talk("192.0.2.11:50000");
    other.exchange(&request("/api/items", "Bearer token-of-somebody-else"), THINK, &accepted());
    hunt("also-accepted", &Capture::new().with(both).with(other));
}

#[test]
fn passwords_keys_and_cookies_are_credentials_too() {
    let mut talk = talk("192.0.2.10:50000");
    let with = |field: &str, value: &str| get("/api/items", &[("Host", "api.example"), (field, value)]);
    talk.exchange(&with("Authorization", "Basic am9lOm9wZW4tc2VzYW1l"), THINK, &rejected());
    talk.exchange(&with("X-Api-Key", "key-0123456789abcdef"), THINK, &response("403 Forbidden", &[], b""));
    talk.exchange(&with("Cookie", "theme=dark; session=s3cr3t-session-cookie"), THINK, &rejected());
    let digest = r#"Digest username="joe", realm="api", nonce="abc", uri="/api/items", response="00ff""#;
    talk.exchange(&with("Authorization", digest), THINK, &rejected());
    talk.exchange(&get("/api/items?access_token=token-in-a-query", &[("Host", "api.example")]), THINK, &rejected());
    talk.close();
    hunt("schemes", &Capture::new().with(talk));
}

#[test]
fn parameters_choose_what_is_looked_at() {
    let mut service = talk("192.0.2.10:50000");
    service.exchange(&request("/api/items", &expired()), THINK, &rejected());
    service.exchange(&request("/admin", &expired()), THINK, &json("407 Proxy Authentication Required", "{}"));
    let mut elsewhere = Conversation::new("192.0.2.10:50001", "198.51.100.6:9000");
    elsewhere.handshake();
    elsewhere.exchange(&request("/other", &expired()), THINK, &json("403 Forbidden", "{}"));
    hunt("parameters", &Capture::new().with(service).with(elsewhere));
}

#[test]
fn a_capture_that_begins_in_the_middle_of_a_connection_is_read_from_the_next_message_on() {
    let mut talk = Conversation::new("192.0.2.10:50000", SERVICE);
    talk.server_sends(b"\"end\":\"of something\"}");
    talk.exchange(&request("/api/items", &expired()), THINK, &rejected());
    talk.reset();
    hunt("middle", &Capture::new().with(talk));
}

#[test]
fn vlans_and_ipv6_make_no_difference() {
    let mut talk = Conversation::new("[2001:db8::10]:50000", "[2001:db8::5]:8000").vlan(42);
    talk.handshake();
    let body = r#"{"name":"x"}"#;
    talk.exchange(
        &post("/api/items", &[("Host", "api.example"), ("Authorization", &expired())], body),
        THINK,
        &rejected(),
    );
    talk.close();
    hunt("vlan-ipv6", &Capture::new().with(talk));
}

#[test]
fn connections_that_run_at_the_same_time_are_told_apart() {
    let mut capture = Capture::new();
    for client in 1..=6 {
        let mut talk = talk(&format!("192.0.2.{client}:50000"));
        for turn in 0..3 {
            let (token, answer) = if client == 4 {
                (expired(), rejected())
            } else {
                (format!("Bearer token-of-client-{client}"), accepted())
            };
            talk.exchange(&request(&format!("/api/{turn}"), &token), THINK, &answer);
        }
        capture = capture.with(talk);
    }
    hunt("interleaved", &capture);
}

#[test]
fn too_many_requests_without_response_leave_it_open() {
    let mut talk = talk("192.0.2.10:50000");
    for turn in 0..9 {
        talk.exchange(&get(&format!("/api/{turn}"), &[("Host", "api.example")]), THINK, &accepted());
    }
    talk.client_sends(&get("/api/last", &[("Host", "api.example")]));
    hunt("unanswered", &Capture::new().with(talk));
}

#[test]
fn a_rejection_whose_request_was_not_seen_leaves_it_open() {
    // The request came before the capture began, and every request in it is fine.
    let mut talk = Conversation::new("192.0.2.10:50000", SERVICE);
    talk.server_sends(&rejected());
    for turn in 0..3 {
        talk.exchange(&request(&format!("/api/{turn}"), "Bearer good-token-of-today"), THINK, &accepted());
    }
    hunt("late-start", &Capture::new().with(talk));
}

#[test]
fn without_the_requests_nothing_can_be_said() {
    let mut talk = talk("192.0.2.10:50000");
    for path in ["/api/1", "/api/2", "/api/3"] {
        talk.exchange(&request(path, &expired()), THINK, &rejected());
    }
    hunt("no-requests", &Capture::new().with(talk.without_client()));
}

#[test]
fn packets_that_were_not_captured_whole_leave_it_open() {
    let mut talk = talk("192.0.2.10:50000");
    talk.exchange(&request("/api/items", &expired()), THINK, &rejected());
    talk.exchange(&request("/api/items", "Bearer good-token-of-today"), THINK, &accepted());
    talk.close();
    hunt("snaplen", &Capture::new().with(talk).snaplen(128));
}
