//! The story of the capture that ships with the project, `demo/incident.pcap`.
//!
//! It is 3:58 in the morning. Half an hour ago the tokens of an order service were rotated. The service listens on port
//! 8000; most clients reach it through a proxy, which says in X-Forwarded-For whom it speaks for, and keeps two
//! connections open. One of two instances of a billing export still sends its old token, and is turned away every time.
//! Everybody else is fine: the other instance, a web shop, a phone, a client with IPv6, a batch job with an API key, a
//! report with a password, and the health checks of Kubernetes. One of them asks for something that does not exist,
//! which is no trouble.

use std::time::Duration;

use super::capture::http::{get, gzip, json, jwt, post, response};
use super::capture::{Capture, Conversation};

const SERVICE: &str = "198.51.100.20:8000";
const HOST: (&str, &str) = ("Host", "orders.example:8000");
const MINUTE_AND_A_HALF: u64 = 90;

/// The token that expired at 03:30.
pub(crate) fn old_token() -> String {
    jwt(r#"{"iss":"https://id.example","sub":"billing-export","exp":1791775800}"#)
}

/// A token that is good for a day.
fn new_token(subject: &str) -> String {
    jwt(&format!(r#"{{"iss":"https://id.example","sub":"{subject}","exp":1791862200}}"#))
}

/// The capture.
pub(crate) fn incident() -> Capture {
    let mut capture = Capture::new().with(shop_and_phones()).with(billing()).with(batch()).with(report());
    for (number, second) in (0..MINUTE_AND_A_HALF).step_by(10).enumerate() {
        capture = capture.with(health_check(number, Duration::from_millis(second * 1000 + 700)));
    }
    capture
}

/// A request as the proxy passes it on.
struct Forwarded<'a> {
    from: &'a str,
    agent: &'a str,
    token: &'a str,
}

impl Forwarded<'_> {
    fn get(&self, target: &str) -> Vec<u8> {
        let bearer = format!("Bearer {}", self.token);
        get(target, &[&self.fields(&bearer)[..], &[("Accept-Encoding", "gzip")]].concat())
    }

    fn post(&self, target: &str, body: &str) -> Vec<u8> {
        let bearer = format!("Bearer {}", self.token);
        post(target, &self.fields(&bearer), body)
    }

    fn fields<'a>(&'a self, bearer: &'a str) -> [(&'a str, &'a str); 5] {
        [
            HOST,
            ("User-Agent", self.agent),
            ("Authorization", bearer),
            ("X-Forwarded-For", self.from),
            ("X-Forwarded-Proto", "https"),
        ]
    }
}

/// One connection of the proxy: three clients take turns.
fn shop_and_phones() -> Conversation {
    let tokens = ["shop", "phone-7", "warehouse"].map(new_token);
    let clients = [
        Forwarded { from: "203.0.113.7", agent: "shop/5.2", token: &tokens[0] },
        Forwarded { from: "203.0.113.21, 192.0.2.200", agent: "okhttp/4.12.0", token: &tokens[1] },
        Forwarded { from: "2001:db8:7::15", agent: "warehouse-sync/0.9", token: &tokens[2] },
    ];
    let mut talk = Conversation::new("198.51.100.10:41002", SERVICE);
    talk.handshake();
    for turn in 0..MINUTE_AND_A_HALF / 3 {
        let client = &clients[turn as usize % clients.len()];
        let think = Duration::from_micros(2_300 + turn * turn % 17 * 410);
        talk.at(Duration::from_millis(20 + turn * 3_000 + turn * 7919 % 640));
        match turn {
            9 => talk.exchange(
                &client.get("/api/v1/coupons/AUTUMN"),
                think,
                &json("404 Not Found", r#"{"error":"no such coupon"}"#),
            ),
            _ if turn % 4 == 3 => talk.exchange(
                &client.post("/api/v1/orders", &format!(r#"{{"article":"A-{turn:03}","quantity":{}}}"#, turn % 3 + 1)),
                think,
                &json("201 Created", &format!(r#"{{"order":{}}}"#, 70_400 + turn)),
            ),
            _ => talk.exchange(&client.get(&format!("/api/v1/orders?page={turn}")), think, &orders(turn)),
        }
    }
    talk
}

/// The other connection of the proxy: the two instances of the billing export, of which one has the old token.
fn billing() -> Conversation {
    let (old, new) = (old_token(), new_token("billing-export"));
    let agent = "billing-export/1.8";
    let stale = Forwarded { from: "203.0.113.54", agent, token: &old };
    let fresh = Forwarded { from: "203.0.113.53", agent, token: &new };
    let mut talk = Conversation::new("198.51.100.10:41004", SERVICE);
    talk.at(Duration::from_millis(1_240));
    talk.handshake();
    for turn in 0..MINUTE_AND_A_HALF / 8 {
        let invoices = format!("/api/v1/invoices?after={}", 9_120 + turn);
        talk.at(Duration::from_millis(turn * 8_000 + 1_900));
        talk.exchange(&stale.get(&invoices), Duration::from_micros(740 + turn * 13), &rejected());
        talk.at(Duration::from_millis(turn * 8_000 + 5_200));
        if turn % 3 == 2 {
            talk.exchange(
                &stale.post("/api/v1/exports", r#"{"month":"2026-09"}"#),
                Duration::from_micros(690),
                &rejected(),
            );
        } else {
            talk.exchange(&fresh.get(&invoices), Duration::from_micros(3_100 + turn * 57), &orders(turn));
        }
    }
    talk
}

fn rejected() -> Vec<u8> {
    let challenge = r#"Bearer realm="orders", error="invalid_token", error_description="The token expired""#;
    let fields = [("WWW-Authenticate", challenge), ("Content-Type", "application/json")];
    response("401 Unauthorized", &fields, br#"{"error":"the token expired"}"#)
}

/// A page of JSON, compressed.
fn orders(page: u64) -> Vec<u8> {
    let rows = (0..4).map(|row| format!(r#"{{"order":{},"state":"shipped"}}"#, 70_000 + page * 4 + row));
    let body = format!(r#"{{"page":{page},"rows":[{}]}}"#, rows.collect::<Vec<_>>().join(","));
    let fields = [("Content-Type", "application/json"), ("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding")];
    response("200 OK", &fields, &gzip(body.as_bytes()))
}

/// A client that is not behind the proxy, with a key.
fn batch() -> Conversation {
    let mut talk = Conversation::new("192.0.2.31:52144", SERVICE);
    talk.at(Duration::from_millis(4_000));
    talk.handshake();
    for turn in 0..6 {
        talk.at(Duration::from_millis(4_100 + turn * 14_000));
        let fields = [HOST, ("User-Agent", "batch/2.0"), ("X-Api-Key", "k-8d2f6c01b7e94a53")];
        let body = format!(r#"{{"stock":[{{"article":"A-{:03}","left":{}}}]}}"#, turn * 5, 40 - turn);
        talk.exchange(&post("/api/v1/stock", &fields, &body), Duration::from_millis(6), &json("202 Accepted", "{}"));
    }
    talk.close();
    talk
}

/// A client with a password, over IPv6.
fn report() -> Conversation {
    let mut talk = Conversation::new("[2001:db8:32::9]:49820", "[2001:db8:20::20]:8000");
    talk.at(Duration::from_millis(31_000));
    talk.handshake();
    let fields = [HOST, ("User-Agent", "curl/8.14.1"), ("Authorization", "Basic cmVwb3J0OnR1bGlwLWhhcmJvdXItNDI=")];
    let table: String =
        (1..60).map(|day| format!("{day},{},{}\n", 180 + day * 7 % 40, 9_000 + day * 131 % 900)).collect();
    let answer = response("200 OK", &[("Content-Type", "text/csv")], format!("day,orders,euro\n{table}").as_bytes());
    talk.exchange(&get("/reports/daily.csv", &fields), Duration::from_millis(48), &answer);
    talk.close();
    talk
}

/// Kubernetes asks on a new connection every time.
fn health_check(number: usize, after: Duration) -> Conversation {
    let client = format!("198.51.100.1:{}", 38_600 + number * 2);
    let mut talk = Conversation::new(&client, SERVICE);
    talk.at(after);
    talk.handshake();
    let fields = [HOST, ("User-Agent", "kube-probe/1.31"), ("Accept", "*/*"), ("Connection", "close")];
    let answer = response("200 OK", &[("Content-Type", "text/plain"), ("Connection", "close")], b"ok\n");
    talk.exchange(&get("/healthz", &fields), Duration::from_micros(350), &answer);
    talk.close();
    talk
}
