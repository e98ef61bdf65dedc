//! Captures that somebody made to use up memory or time.
//!
//! Memory is bounded by `--max-memory` and a constant: the program itself, its buffers, and rows on their way.

use std::io::Write;

use crate::support::capture::http::{get, response};
use crate::support::capture::{Capture, Conversation, little};
use crate::support::program::{Ended, Folder};

const MIB: u64 = 1 << 20;

/// What the program may need besides what `--max-memory` allows.
const CONSTANT: u64 = 48 * MIB;

/// Runs a script on a capture that comes through a pipe.
fn run(script: &str, capture: impl FnOnce(&mut dyn Write) -> std::io::Result<()> + Send) -> Ended {
    let ended = Folder::new().netscript_reading(["eval", "-r", "-", "--max-memory", "64MiB", script], capture);
    assert!(ended.peak < 64 * MIB + CONSTANT, "{} MiB: {}", ended.peak / MIB, ended.stderr);
    ended
}

/// Writes the header of a classic file.
fn begin(file: &mut dyn Write) -> std::io::Result<()> {
    file.write_all(&little(&[0xa1b2_c3d4, 0x0004_0002, 0, 0, 0x0004_0000, 1]))
}

/// The packets of a conversation as records of a classic file, for changing them.
fn records(conversation: Conversation) -> Vec<u8> {
    Capture::new().with(conversation).pcap().split_off(24)
}

/// Place of the source address in the record of an IPv4 packet.
const SOURCE: usize = 16 + 14 + 12;

#[test]
fn a_million_connections_that_are_never_completed() {
    let mut syn = Conversation::new("192.0.2.1:1000", "198.51.100.5:80");
    syn.handshake();
    let syn = records(syn)[..16 + 58].to_vec();
    let ended = run("flows().count()", move |file| {
        begin(file)?;
        let mut syn = syn;
        let mut file = std::io::BufWriter::new(file);
        for client in 0..1_000_000_u32 {
            syn[SOURCE..SOURCE + 4].copy_from_slice(&client.to_be_bytes());
            file.write_all(&syn)?;
        }
        file.flush()
    });
    // Each of them is told, when it leaves the table at the latest, and that it had to is told, too.
    assert_eq!((ended.stdout.as_str(), ended.code), ("1000000\n", Some(3)), "{}", ended.stderr);
    assert!(ended.stderr.contains(" given up while still open (limit)"), "{}", ended.stderr);
}

#[test]
fn segments_that_wait_for_one_that_never_comes() {
    let mut talk = Conversation::new("192.0.2.1:1000", "198.51.100.5:80");
    talk.client_sends(b"GET / HTTP/1.1\r\n");
    talk.client_sends(&[b'x'; 1]).without(0);
    talk.client_sends(&[b'x'; 1400]);
    let talk = records(talk);
    let ended = run("http_requests().count()", move |file| {
        begin(file)?;
        let mut file = std::io::BufWriter::new(file);
        for client in 0..150_000_u32 {
            let mut talk = talk.clone();
            let mut at = 0;
            while at < talk.len() {
                let from_client = talk[at + SOURCE] == 192;
                let place = at + SOURCE + if from_client { 0 } else { 4 };
                talk[place..place + 4].copy_from_slice(&(client + (10 << 24)).to_be_bytes());
                at += 16 + u32::from_le_bytes(talk[at + 8..at + 12].try_into().unwrap()) as usize;
            }
            file.write_all(&talk)?;
        }
        file.flush()
    });
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
}

#[test]
fn fragments_whose_rest_never_comes() {
    let mut talk = Conversation::new("192.0.2.1:1000", "198.51.100.5:80");
    // With the TCP header in front of it a multiple of eight bytes, as every fragment but the last has.
    talk.client_sends(&[b'x'; 1404]);
    let mut fragment = records(talk)[..16 + 54 + 1404].to_vec();
    // More fragments follow.
    fragment[16 + 14 + 6] = 0x20;
    let ended = run("capture().filter(|p| p.protocol == \"tcp\").count()", move |file| {
        begin(file)?;
        let mut file = std::io::BufWriter::new(file);
        for client in 0..200_000_u32 {
            fragment[SOURCE..SOURCE + 4].copy_from_slice(&client.to_be_bytes());
            file.write_all(&fragment)?;
        }
        file.flush()
    });
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert!(ended.stderr.contains(" with fragments missing or left out"), "{}", ended.stderr);
}

/// A conversation with one exchange.
fn exchange(request: &[u8], response: &[u8]) -> Capture {
    let mut talk = Conversation::new("192.0.2.1:1000", "198.51.100.5:80").segment_size(60_000);
    talk.handshake();
    talk.client_sends(request);
    talk.server_sends(response);
    talk.close();
    Capture::new().with(talk)
}

/// Zeros as deflate (RFC 1951) has them shortest: a block of fixed codes in which each 13 bits repeat 258 of them.
fn deflated_zeros(bytes: usize) -> Vec<u8> {
    let mut bits: Vec<bool> = Vec::new();
    let mut push = |code: u32, length: u32| bits.extend((0..length).rev().map(|bit| code >> bit & 1 == 1));
    // The last block, of fixed codes (bits of numbers come lowest first); a literal 0; length 258 at distance 1; the end.
    push(0b1_10, 3);
    push(0b0011_0000, 8);
    (0..bytes / 258).for_each(|_| push(0b1100_0101 << 5, 13));
    push(0, 7);
    bits.chunks(8).map(|bits| bits.iter().rev().fold(0, |byte, bit| byte << 1 | u8::from(*bit))).collect()
}

#[test]
fn a_body_that_decompresses_to_a_gigabyte_is_kept_up_to_a_limit() {
    let header = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    // 1 MiB as sent is kept: that is 162 MiB of zeros.
    let bomb = [&header[..], &deflated_zeros(160 << 20)].concat();
    let inner = bomb.clone();
    for (codings, body) in [("gzip", bomb), ("gzip, gzip", gzip_stored(&inner))] {
        let answer = response("200 OK", &[("Content-Encoding", codings)], &body);
        let file = exchange(&get("/", &[("Host", "a")]), &answer).pcap();
        let script = "let r = http_requests().first(); print(r.response_body.len()); print(r.flags); r.response_bytes";
        let ended = run(script, move |to| to.write_all(&file));
        let [length, flags, sent] = ended.stdout.lines().collect::<Vec<_>>()[..] else { panic!("{ended:?}") };
        assert_eq!(length.parse::<usize>().unwrap(), 8 << 20, "{codings}");
        assert_eq!(sent.parse::<usize>().unwrap(), body.len(), "{codings}");
        assert_eq!(flags, r#"["body-limit", "decoded-limit"]"#, "{codings}");
        assert_eq!(ended.code, Some(3), "{codings}: {}", ended.stderr);
        assert!(ended.stderr.contains("1 HTTP message not kept whole (limit)"), "{codings}: {}", ended.stderr);
    }
}

fn gzip_stored(bytes: &[u8]) -> Vec<u8> {
    crate::support::capture::http::gzip(bytes)
}

#[test]
fn messages_that_never_end() {
    let endless = |beginning: &[u8], piece: &[u8], megabytes: usize| {
        [beginning, &piece.repeat(megabytes * MIB as usize / piece.len())].concat()
    };
    let ok = response("200 OK", &[], b"");
    for (name, request, answer) in [
        ("a header field", endless(b"GET / HTTP/1.1\r\nX: ", b"x", 40), ok.clone()),
        ("header fields", endless(b"GET / HTTP/1.1\r\n", b"X: y\r\n", 40), ok.clone()),
        ("a request line", endless(b"GET /", b"x", 40), ok.clone()),
        ("requests", endless(b"", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 20), ok.clone()),
        ("responses", get("/", &[]), endless(b"", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 20)),
        ("interim responses", get("/", &[]), endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n", 20)),
        ("a body until the end", get("/", &[]), endless(b"HTTP/1.1 200 OK\r\n\r\n", b"x", 40)),
        ("chunks", get("/", &[]), endless(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n", 20)),
        ("a chunk size", get("/", &[]), endless(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0", 20)),
        (
            "trailers",
            get("/", &[]),
            endless(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n", 20),
        ),
        ("codings", get("/", &[]), endless(b"HTTP/1.1 200 OK\r\nContent-Encoding: ", b"gzip, ", 1)),
        ("proxies", endless(b"GET / HTTP/1.1\r\nX-Forwarded-For: ", b"192.0.2.1, ", 1), ok.clone()),
        ("cookies", endless(b"GET / HTTP/1.1\r\nCookie: ", b"a=b; ", 1), ok.clone()),
        ("nothing but line ends", endless(b"", b"\r\n", 20), ok),
    ] {
        let file = exchange(&request, &answer).pcap();
        // Bodies are kept, and every field of the first rows is read.
        let script = "let n = 0; for r in http_requests() { n += 1; if n < 1000 { r.to_debug(); r.response_body; } }";
        let ended = run(script, move |to| to.write_all(&file));
        assert!(matches!(ended.code, Some(0 | 3)) && !ended.stderr.contains("error"), "{name}: {ended:?}");
    }
}

#[test]
fn keys_without_end() {
    let mut syn = Conversation::new("192.0.2.1:1000", "198.51.100.5:80");
    syn.handshake();
    let syn = records(syn)[..16 + 58].to_vec();
    for script in [
        "capture().count_by(\"src\").len() > 0",
        "capture().group_by(\"src\").len() > 0",
        "capture().distinct(\"src\").count() > 0",
        "capture().to_array().len() > 0",
        "capture().sort_by(\"src\").len() > 0",
        "let a = []; for p in capture() { a.push(p); } a.len() > 0",
        "let m = #{}; for p in capture() { m[p.src] = p; } m.len() > 0",
    ] {
        let syn = syn.clone();
        let ended = run(script, move |file| {
            begin(file)?;
            let mut syn = syn;
            let mut file = std::io::BufWriter::new(file);
            for client in 0..400_000_u32 {
                syn[SOURCE..SOURCE + 4].copy_from_slice(&client.to_be_bytes());
                file.write_all(&syn)?;
            }
            file.flush()
        });
        assert_eq!(ended.code, Some(3), "{script}: {}{}", ended.stdout, ended.stderr);
    }
}
