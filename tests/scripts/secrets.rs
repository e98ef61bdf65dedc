//! Credentials reach no output, whatever is printed and in whatever format.

use std::time::Duration;

use crate::support::capture::http::{get, json, jwt, post, response};
use crate::support::capture::{Capture, Conversation};
use crate::support::program::Folder;

const TOKEN: &str = "opaque-bearer-token-51c0ffee";
const BASIC: &str = "am9lOm9wZW4tc2VzYW1l";
const PASSWORD: &str = "open-sesame";
const KEY: &str = "key-0123456789abcdef";
const COOKIE: &str = "s3cr3t-session-cookie";
const NEW_COOKIE: &str = "fresh-session-cookie-77";
const QUERY: &str = "token-in-a-query-4242";
const FORM: &str = "correct-horse-battery";
const ANSWER: &str = "token-in-an-answer-9001";

/// Clients that show every kind of credential, and are turned away; one is given a token.
fn capture() -> Capture {
    let mut talk = Conversation::new("192.0.2.10:50000", "198.51.100.5:8000");
    talk.handshake();
    let think = Duration::from_millis(1);
    let jwt = format!("Bearer {}", signed());
    let no = json("401 Unauthorized", "{}");
    for (field, value) in [
        ("Authorization", format!("Bearer {TOKEN}")),
        ("Authorization", jwt),
        ("Authorization", format!("Basic {BASIC}")),
        ("X-Api-Key", KEY.to_owned()),
        ("Cookie", format!("theme=dark; session={COOKIE}")),
    ] {
        talk.exchange(&get("/api/items", &[("Host", "api.example"), (field, &value)]), think, &no);
    }
    let referer = format!("http://api.example/start?access_token={QUERY}");
    let target = format!("/api/items?access_token={QUERY}&page=2");
    talk.exchange(&get(&target, &[("Host", "api.example"), ("Referer", &referer)]), think, &no);
    let login = format!(r#"{{"user":"joe","password":"{FORM}"}}"#);
    let cookie = format!("session={NEW_COOKIE}; HttpOnly");
    let fields = [("Content-Type", "application/json"), ("Set-Cookie", cookie.as_str())];
    let answer = response("200 OK", &fields, format!(r#"{{"access_token":"{ANSWER}"}}"#).as_bytes());
    talk.exchange(&post("/login", &[("Host", "api.example")], &login), think, &answer);
    // A token that is cut off by the end of the segment, and goes on in the next one.
    let split = get("/api/items", &[("Host", "api.example"), ("Authorization", &format!("Bearer {TOKEN}"))]);
    let middle = split.len() - 24;
    talk.client_sends_in(&[&split[..middle], &split[middle..]]);
    talk.server_sends(&no);
    talk.close();
    Capture::new().with(talk)
}

fn signed() -> String {
    jwt(r#"{"iss":"https://id.example","sub":"importer","exp":1791773880}"#)
}

/// What must not be printed: the secrets and large parts of them.
fn secrets() -> Vec<String> {
    let jwt = signed();
    let parts = jwt.split('.').map(str::to_owned);
    let texts = [TOKEN, BASIC, PASSWORD, KEY, COOKIE, NEW_COOKIE, QUERY, FORM, ANSWER].map(str::to_owned);
    // The last four characters may be shown.
    let shortened: Vec<String> = texts.iter().map(|text| text[..text.len() - 4].to_owned()).collect();
    let beginnings: Vec<String> = texts.iter().map(|text| text[text.len() - 8..].to_owned()).collect();
    parts.chain(shortened).chain(beginnings).collect()
}

const ROWS: &str = "http_requests()";

/// Scripts that print as much as they can.
const SCRIPTS: &[&str] = &[
    ROWS,
    "capture()",
    "capture().table([\"summary\", \"payload\"])",
    "http_requests().table([\"url\", \"query\", \"request_headers\", \"response_headers\", \"request_body\", \"response_body\"])",
    "for r in http_requests() { print(r); print(r.request_headers); print(r.response_body ?? \"\"); print(r.credential); }",
    "for r in http_requests() { print(r.to_debug()); print(r.request_headers.to_debug()); }",
    "for p in capture() { print(p); print(p.payload ?? \"\"); print(p.summary); }",
    "http_requests().count_by(|r| [r.credential.masked, r.url, r.request_headers[\"authorization\"]])",
    "http_requests().group_by(\"credential.fingerprint\")",
    "http_requests().map(|r| r.request_headers)",
    "finding(\"x\", #{ title: `${http_requests().first()}`, evidence: http_requests().to_array() }) // response_body",
    "throw http_requests().first().credential",
    "throw `${http_requests().to_array()}`",
    "http_requests().first().request_headers.to_json()",
];

/// A text with the characters that its markup writes as numbers.
fn unescaped(text: &str) -> String {
    let mut parts = text.split("&#");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once(';').and_then(|(number, rest)| Some((char::from_u32(number.parse().ok()?)?, rest))) {
            Some((character, rest)) => {
                plain.push(character);
                plain += rest;
            }
            None => plain += part,
        }
    }
    plain
}

const FORMATS: [&str; 6] = ["table", "json", "csv", "md", "html", "junit"];

#[test]
fn secrets_are_in_no_output_of_any_format() {
    let folder = Folder::with("capture.pcap", capture().pcap());
    let secrets = secrets();
    // Gives whether anything was masked.
    let check = |output: &str, of: &str| {
        let output = unescaped(output);
        for secret in &secrets {
            assert!(!output.contains(secret.as_str()), "{of} shows {secret}:\n{output}");
        }
        output.contains("****")
    };
    for format in FORMATS {
        let hunt = folder.netscript(["run", "expired-token-hunt", "-r", "capture.pcap", "-o", format]);
        assert_eq!(hunt.code, Some(1), "{}", hunt.stderr);
        check(&[hunt.stdout, hunt.stderr].concat(), &format!("expired-token-hunt as {format}"));
    }
    for script in SCRIPTS {
        let mut masked = false;
        for format in FORMATS {
            let eval = folder.netscript(["eval", "-r", "capture.pcap", "-o", format, script]);
            masked |= check(&[eval.stdout, eval.stderr].concat(), &format!("`{script}` as {format}"));
        }
        assert!(masked, "`{script}` shows nothing that could have been masked");
    }
    for report in ["report.html", "report.md", "report.csv", "report.json", "report.xml", "report.txt"] {
        let all = "http_requests().table(); capture().table([\"payload\"]); \
                   finding(\"x\", #{ evidence: http_requests().to_array() }) // with request_body";
        let eval = folder.netscript(["eval", "-r", "capture.pcap", "--report", report, all]);
        assert_eq!(eval.code, Some(1), "{}", eval.stderr);
        let masked = check(&String::from_utf8_lossy(&folder.read(report)), report);
        assert!(masked || report == "report.xml", "{report} shows nothing that could have been masked");
    }
}

#[test]
fn whoever_asks_for_secrets_sees_them() {
    let folder = Folder::with("capture.pcap", capture().pcap());
    let all = folder.netscript(["eval", "--json", "--show-secrets", "-r", "capture.pcap", ROWS]);
    assert_eq!(all.code, Some(0), "{}", all.stderr);
    for secret in [TOKEN, BASIC, KEY, COOKIE, NEW_COOKIE, QUERY, FORM, ANSWER, &signed()] {
        assert!(all.stdout.contains(secret), "{secret} is masked:\n{}", all.stdout);
    }
}

#[test]
fn the_same_secret_has_the_same_fingerprint_shown_or_masked() {
    let folder = Folder::with("capture.pcap", capture().pcap());
    let count = "http_requests().count_by([\"credential.fingerprint\"])";
    let masked = folder.netscript(["eval", "-q", "-r", "capture.pcap", count]);
    let shown = folder.netscript(["eval", "-q", "--show-secrets", "-r", "capture.pcap", count]);
    assert_eq!(masked.stdout, shown.stdout);
    // The opaque token came twice, and the login showed nothing.
    assert_eq!(masked.stdout.lines().count(), 1 + 7, "{}", masked.stdout);
}
