//! Bad input: a clear message, the rows until then, exit code 2 or 3; no panic, no hang, and memory within its limit.

mod cut;
mod hostile;
mod unusable;

use crate::support::capture::http::{get, json};
use crate::support::capture::{Capture, Conversation, Datagrams};

/// A small capture of everything: TCP with HTTP, UDP, a VLAN, IPv6.
fn small() -> Capture {
    let mut web = Conversation::new("192.0.2.10:50000", "198.51.100.5:80");
    web.handshake();
    web.client_sends(&get("/", &[("Host", "a.example")]));
    web.server_sends(&json("200 OK", "{}"));
    let mut dns = Datagrams::new("[2001:db8::1]:5353", "[2001:db8::53]:53");
    dns.client_sends(b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x07example\x00\x00\x01\x00\x01");
    let mut tagged = Conversation::new("192.0.2.11:50000", "198.51.100.5:80").vlan(7);
    tagged.client_sends(b"GET /cut HTTP/1.1\r\nHost: a.exa");
    Capture::new().with(web).with(dns).with(tagged)
}
