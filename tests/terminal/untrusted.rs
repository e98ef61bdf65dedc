//! What comes from the network does not steer the terminal.

use crate::screen::{TAB, repl};
use crate::{pcap, segment};

/// Clears the screen, sets the title, turns text red.
const ESCAPES: &str = "\x1b[2J\x1b]0;owned\x07\x1b[31mred";

#[track_caller]
fn assert_harmless(bytes: &[u8]) {
    for escape in ["\x1b[2J", "\x1b]0;", "\x07\x1b", "\x1b[31mred", "\u{9b}"] {
        assert!(!bytes.windows(escape.len()).any(|window| window == escape.as_bytes()), "{escape:?}");
    }
}

#[test]
fn values_of_packets_cannot_emit_escapes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hostile.pcap");
    let request = format!("GET /\u{9b}31mred HTTP/1.1\r\nHost: host\r\nUser-Agent: {ESCAPES}\r\n\r\n");
    std::fs::write(&file, pcap([segment(request.as_bytes())])).unwrap();
    let (mut terminal, _state) = repl(&["-r", file.to_str().unwrap()]);
    terminal.ask("http_requests()");
    assert!(terminal.lines().join("").contains("/\\u{9b}31mred"), "{:?}", terminal.lines());
    for question in [
        "http_requests().first()",
        "http_requests().first().user_agent",
        "print(http_requests().first().user_agent)",
        "http_requests().count_by(\"user_agent\").chart()",
        "throw http_requests().first().user_agent",
        "finding(\"x\", #{ title: http_requests().first().user_agent })",
        "inconclusive(http_requests().first().user_agent)",
        "capture().first().payload",
    ] {
        terminal.ask(question);
        assert!(terminal.lines().join("").contains("\\x1b[31mred"), "{question}: {:?}", terminal.lines());
    }
    assert_harmless(&terminal.bytes());
}

#[test]
fn names_of_fields_cannot_emit_escapes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hostile.ndjson");
    let name = serde_json::to_string(ESCAPES).unwrap();
    std::fs::write(&file, format!("{{\"good\":1,{name}:2}}\n")).unwrap();
    let (mut terminal, _state) = repl(&[]);
    terminal.ask(&format!("let row = rows(\"{}\").first(); row", file.display()));
    terminal.press("row.");
    terminal.press(TAB);
    terminal.wait_for("> row.good");
    assert_harmless(&terminal.bytes());
}
