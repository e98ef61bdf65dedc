//! HTTP exchanges, against tshark, h11 (over the streams that tshark and tcpflow give), Zeek and Suricata.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use md5::Md5;
use netscript::limits::Limits;
use netscript::protocol::http1::{Exchanges, Settings};
use netscript::record::{Row, Value};
use sha2::{Digest, Sha256};

use crate::rows::{Cells, Difference, Differences, captures, cell_endpoint, endpoint, hex, number, rows, text};
use crate::truth;

/// A request or a response.
#[derive(Debug, Clone)]
struct Message {
    is_request: bool,
    /// Method or status.
    what: String,
    /// What the request is for, or what the response is called.
    about: String,
    /// Length of the body as sent.
    length: i64,
    /// The body without its codings.
    body: Vec<u8>,
    /// Whether its exchange has both a request and a response.
    is_paired: bool,
    /// Whether both were captured to their ends.
    is_complete: bool,
    flags: String,
}

/// The messages of each connection of a capture, by client and server, in the order of their rows.
type Messages = BTreeMap<(SocketAddr, SocketAddr), Vec<Message>>;

fn exchanges(file: &str) -> Vec<Row> {
    rows(
        file,
        Exchanges::new(Settings { limits: Limits::default(), bodies: true, credentials: false, show_secrets: true }),
    )
}

fn messages(file: &str) -> Messages {
    let mut messages = Messages::new();
    for row in &exchanges(file) {
        let connection = messages.entry((endpoint(row, "client"), endpoint(row, "server"))).or_default();
        let message = |is_request, what, about| Message {
            is_request,
            what,
            about,
            length: 0,
            body: Vec::new(),
            is_paired: !text(row, "method").is_empty() && !text(row, "status").is_empty(),
            is_complete: text(row, "complete") == "true",
            flags: text(row, "flags"),
        };
        if !text(row, "method").is_empty() {
            connection.push(Message {
                length: number(row, "request_bytes"),
                body: bytes(row, "request_body"),
                ..message(true, text(row, "method"), target(row))
            });
        }
        let Some(Value::List(interim)) = row.get("informational") else { panic!("{row:?}") };
        connection.extend(interim.iter().map(|status| message(false, status.to_string(), String::new())));
        if !text(row, "status").is_empty() {
            connection.push(Message {
                length: number(row, "response_bytes"),
                body: bytes(row, "response_body"),
                ..message(false, text(row, "status"), text(row, "reason"))
            });
        }
    }
    messages
}

/// The target of a request as it was sent.
fn target(row: &Row) -> String {
    match (text(row, "method").as_str(), text(row, "query").as_str()) {
        ("CONNECT", _) => text(row, "host"),
        (_, "") => text(row, "path"),
        (_, query) => format!("{}?{query}", text(row, "path")),
    }
}

fn bytes(row: &Row, field: &str) -> Vec<u8> {
    match row.get(field) {
        Some(Value::Bytes(bytes)) => bytes.into_owned(),
        Some(Value::Text(text)) => text.into_owned().into_bytes(),
        Some(Value::None) => Vec::new(),
        other => panic!("{field} is {other:?}"),
    }
}

/// The hash of a body, as the tables have it: nothing for one that is empty.
fn hash<D: Digest>(body: &[u8]) -> String {
    if body.is_empty() { String::new() } else { hex(&D::digest(body)) }
}

const COUNTS: &[Difference] = &[(
    "03-methods.pcap requests: 17, not 26",
    1,
    "a line without a version, such as `GET /HTTP/1.1`, is no request line (RFC 9112, section 3); Zeek takes it for \
     HTTP/0.9. All 9 that are well formed are there, and 8 that servers accept",
)];

#[test]
fn there_are_as_many_requests_and_responses_as_the_tools_agree_on() {
    let mut differences = Differences::default();
    let table = truth("http_expected.tsv");
    assert_eq!(table.len(), 23);
    for theirs in &table {
        let messages = messages(&theirs["file"]);
        for (name, is_request) in [("requests", true), ("responses", false)] {
            let ours = messages.values().flatten().filter(|message| message.is_request == is_request).count();
            let bound = |end| theirs[&format!("{name}_{end}")].parse::<usize>().unwrap();
            assert!((bound("min")..=bound("max")).contains(&ours), "{} {name}: {ours}", theirs["file"]);
            differences.compare(&format!("{} {name}", theirs["file"]), &ours.to_string(), &theirs[name]);
        }
    }
    for file in captures().iter().filter(|file| table.iter().all(|theirs| theirs["file"] != **file)) {
        assert!(exchanges(file).is_empty(), "{file}: there is no HTTP in it");
    }
    differences.assert(COUNTS);
}

/// The messages of a table, by client and server.
fn listed(
    table: &[Cells],
    file: &str,
    source_is_client: bool,
    columns: [&str; 2],
) -> BTreeMap<(SocketAddr, SocketAddr), Vec<[String; 2]>> {
    let mut listed = BTreeMap::<_, Vec<_>>::new();
    for cells in table.iter().filter(|cells| cells["file"] == file) {
        let (src, dst) = (cell_endpoint(cells, "src", "sport"), cell_endpoint(cells, "dst", "dport"));
        let connection = if source_is_client { (src, dst) } else { (dst, src) };
        listed.entry(connection).or_default().push(columns.map(|column| cells[column].clone()));
    }
    listed
}

/// What tshark lists of a capture, held against what is there. What it lists is the beginning of that, at least.
fn compare_lists(table: &str, is_request: bool, columns: [&str; 2]) -> Differences {
    let mut differences = Differences::default();
    let table = truth(table);
    for file in captures() {
        let theirs = listed(&table, &file, is_request, columns);
        let ours = messages(&file);
        for connection in ours.keys().chain(theirs.keys()).collect::<BTreeSet<_>>() {
            let ours = ours.get(connection).into_iter().flatten().filter(|message| message.is_request == is_request);
            let mut ours = ours.map(|message| [&message.what, &message.about]);
            for theirs in theirs.get(connection).into_iter().flatten() {
                match ours.next() {
                    // The phrase of an interim response is not kept.
                    Some([what, about]) if *what == theirs[0] && (*about == theirs[1] || what == "100") => {}
                    Some(other) => differences.add(format!("{file}: {other:?}, not {theirs:?}")),
                    None => differences.add(format!("{file}: {} {} only there", theirs[0], theirs[1])),
                }
            }
            ours.for_each(|[what, _]| differences.add(format!("{file}: {what} only here")));
        }
    }
    differences
}

const NO_REQUEST: &str = "a line without a version is no request line (RFC 9112, section 3)";
const NO_PATH: &str = "a CONNECT for a path; what is shown of CONNECT is the host";
const REQUESTS: &[Difference] = &[
    (r#"03-methods.pcap: ["CONNECT", "www.google.com"], not ["CONNECT", "/"]"#, 2, NO_PATH),
    ("03-methods.pcap: OPTIONS HTTP/1.1 only there", 1, "a line without a target is no request line either"),
    ("03-methods.pcap: OPTIONS  only there", 1, NO_REQUEST),
    ("03-methods.pcap: GET /HTTP/1.1 only there", 1, NO_REQUEST),
    ("03-methods.pcap: CCM_POST /HTTP/1.1 only there", 1, NO_REQUEST),
    ("03-methods.pcap: CONNECT /HTTP/1.1 only there", 1, NO_REQUEST),
    ("03-methods.pcap: TRACE /HTTP/1.1 only there", 1, NO_REQUEST),
    ("03-methods.pcap: DELETE /HTTP/1.1 only there", 1, NO_REQUEST),
    ("03-methods.pcap: PUT /HTTP/1.1 only there", 1, NO_REQUEST),
    ("03-methods.pcap: POST /HTTP/1.1 only there", 1, NO_REQUEST),
    ("03-methods.pcap: HEAD /HTTP/1.1 only there", 1, NO_REQUEST),
    ("07-query-method.pcap: QUERY only here", 1, "tshark does not know this method"),
    ("05-zeek-image-post-1080-8000-x.pcap: POST only here", 1, "tshark takes port 1080 for SOCKS"),
];

#[test]
fn requests_are_those_of_tshark_in_their_order() {
    compare_lists("http_requests.tsv", true, ["method", "uri"]).assert(REQUESTS);
}

const AFTER_A_GAP: &str = "tshark drops what comes after the first lost segment of a connection";
const RESPONSES: &[Difference] = &[
    ("05-zeek-image-post-1080-8000-x.pcap: 200 only here", 1, "tshark takes port 1080 for SOCKS"),
    ("09-bro.org.pcap: 200 only here", 6, AFTER_A_GAP),
    ("19-raw_ip.pcap: 200 only here", 1, "the capture ends in its body"),
    ("25-http-gap-simple.pcap: 200 only here", 2, AFTER_A_GAP),
    ("40-http-packets.pcap: 200 only here", 46, AFTER_A_GAP),
    ("40-http-packets.pcap: 404 only here", 2, AFTER_A_GAP),
    ("21-650HttpResponses.pcap: 200 only here", 379, AFTER_A_GAP),
    ("21-650HttpResponses.pcap: 206 only here", 15, AFTER_A_GAP),
    ("21-650HttpResponses.pcap: 301 only here", 1, AFTER_A_GAP),
    ("21-650HttpResponses.pcap: 302 only here", 11, AFTER_A_GAP),
    ("21-650HttpResponses.pcap: 304 only here", 7, AFTER_A_GAP),
    ("21-650HttpResponses.pcap: 404 only here", 1, AFTER_A_GAP),
];

#[test]
fn responses_are_those_of_tshark_in_their_order() {
    compare_lists("http_responses.tsv", false, ["status", "phrase"]).assert(RESPONSES);
}

const NOT_DECODED: &str = "the request is compressed, and the table has no decoded bodies of requests";
const TUNNEL: &str =
    "what follows the answer to CONNECT is no body but what the tunnel carries; h11 did not see the CONNECT";
const OF_HEAD: &str = "a response of the same length as its successor says, and nothing after it but that: it answered HEAD, \
                       but no request was captured, and h11 takes the next response for its body";
const BODIES: &[Difference] = &[
    ("03-methods.pcap response: complete true, not false", 1, "it answers HEAD: h11 could not read the request line"),
    ("04-http-body-match.pcap request: body of 2 bytes, not 22", 2, NOT_DECODED),
    ("04-http-body-match.pcap request: body of 4 bytes, not 24", 1, NOT_DECODED),
    ("06-connect-with-smtp.pcap response: body of 0 bytes, not 184", 1, TUNNEL),
    ("06-connect-with-smtp.pcap response: length 0, not 184", 1, TUNNEL),
    ("21-650HttpResponses.pcap response: body of 0 bytes, not 689", 1, OF_HEAD),
    ("21-650HttpResponses.pcap response: length 0, not 689", 1, OF_HEAD),
    (
        "21-650HttpResponses.pcap response: gap true, not false",
        76,
        "the stream that h11 was given ends at the gap, so that the body is cut off there",
    ),
    ("23-eth-ipv4-tcp-http-ooo.pcap response: gap false, not true", 1, "tshark drops what was captured late"),
    ("23-eth-ipv4-tcp-http-ooo.pcap response: complete true, not false", 1, "the same"),
];

#[test]
fn bodies_are_those_of_h11() {
    let mut differences = Differences::default();
    let table = truth("http_bodies.tsv");
    let mut same = 0;
    for file in captures() {
        let ours = messages(&file);
        for theirs in table.iter().filter(|cells| cells["file"] == file) {
            let (a, b): (SocketAddr, SocketAddr) = (theirs["a"].parse().unwrap(), theirs["b"].parse().unwrap());
            let is_request = theirs["kind"] == "request";
            let connection = ours.get(&if is_request { (a, b) } else { (b, a) }).into_iter().flatten();
            let mut of_kind = connection.filter(|message| message.is_request == is_request);
            let place = format!("{file} {}", theirs["kind"]);
            let message = of_kind.nth(theirs["n"].parse::<usize>().unwrap() - 1).expect("the message is there");
            let found = compare_body(message, theirs);
            same += usize::from(found.is_empty());
            found.into_iter().for_each(|what| differences.add(format!("{place}: {what}")));
        }
    }
    assert!(same > 400, "only {same}");
    differences.assert(BODIES);
}

/// What differs between a message and what h11 says of it.
fn compare_body(message: &Message, theirs: &Cells) -> Vec<String> {
    let mut found = Vec::new();
    assert_eq!(message.what, theirs["method_or_status"]);
    let has_gap = message.flags.contains(if message.is_request { "gap-in-request" } else { "gap-in-response" });
    if has_gap != (theirs["gap"] == "1") {
        found.push(format!("gap {has_gap}, not {}", !has_gap));
    }
    // All requests of the table are complete, so that an exchange is as complete as its response.
    let is_complete = message.is_paired && theirs["complete"] == "1" && theirs["gap"] == "0";
    if !message.is_request && message.is_complete != is_complete && message.what != "100" {
        found.push(format!("complete {}, not {}", message.is_complete, !message.is_complete));
    }
    if theirs["gap"] == "0" {
        if message.length.to_string() != theirs["body_len"] {
            found.push(format!("length {}, not {}", message.length, theirs["body_len"]));
        }
        let decoded = if theirs["decoded_sha256"].is_empty() { "body_sha256" } else { "decoded_sha256" };
        if hash::<Sha256>(&message.body) != theirs[decoded] {
            found.push(format!("body of {} bytes, not {}", message.body.len(), theirs["body_len"]));
        }
    }
    found
}

const NO_TARGET: &str = "a line without a target is no request line (RFC 9112, section 3)";
const ZEEK: &[Difference] = &[
    ("03-methods.pcap: HTTP/0.9 only there", 8, "a line without a version is no request line (RFC 9112, section 3)"),
    ("03-methods.pcap method: , not OPTIONS", 1, NO_TARGET),
    ("03-methods.pcap host: , not www.google.com", 1, NO_TARGET),
    ("03-methods.pcap uri: , not (empty)", 1, NO_TARGET),
    ("03-methods.pcap uri: www.google.com, not /", 2, NO_PATH),
    (
        "06-connect-with-smtp.pcap uri: mailin03.sul.t-online.de:25, not mailin03.sul.t-online.de:25 /",
        1,
        "the request line has a blank too many; what CONNECT is for is a host and a port",
    ),
];

#[test]
fn exchanges_are_those_of_zeek() {
    let mut differences = Differences::default();
    let table = truth("zeek_http.tsv");
    let mut compared = 0;
    for file in captures() {
        let ours = exchanges(&file);
        for theirs in table.iter().filter(|cells| cells["file"] == file) {
            if theirs["version"] == "0.9" {
                differences.add(format!("{file}: HTTP/0.9 only there"));
                continue;
            }
            let row = exchange_of(&ours, theirs).unwrap_or_else(|| panic!("{file}: no {theirs:?}"));
            for (column, value) in [
                ("method", text(row, "method")),
                ("host", text(row, "host")),
                ("uri", target(row)),
                ("status_code", text(row, "status")),
                ("status_msg", text(row, "reason")),
                // Zeek measures bodies without their codings.
                ("request_body_len", bytes(row, "request_body").len().to_string()),
                ("response_body_len", bytes(row, "response_body").len().to_string()),
            ] {
                if !["", "-"].contains(&theirs[column].as_str()) {
                    differences.compare(&format!("{file} {column}"), &value, &theirs[column]);
                    compared += 1;
                }
            }
        }
    }
    assert!(compared > 700, "only {compared} values compared");
    differences.assert(ZEEK);
}

/// The exchange that Zeek has a row for: it numbers them within their connection.
fn exchange_of<'a>(ours: &'a [Row], theirs: &Cells) -> Option<&'a Row> {
    if theirs["id.orig_h"].is_empty() {
        // Some of its tests leave the endpoints out.
        return ours
            .iter()
            .find(|row| (text(row, "method"), target(row)) == (theirs["method"].clone(), theirs["uri"].clone()));
    }
    // Another hides addresses.
    let ports = ["id.orig_p", "id.resp_p"].map(|column| theirs[column].as_str());
    let of_connection = |row: &&Row| ["client_port", "server_port"].map(|field| text(row, field)) == ports;
    ours.iter().filter(of_connection).nth(theirs["trans_depth"].parse::<usize>().unwrap() - 1)
}

const OBJECTS: &[Difference] = &[
    ("03-methods.pcap: only there", 17, "what is no request line, tshark exports as a file"),
    ("06-connect-with-smtp.pcap: only there", 1, "what a tunnel carries is no body"),
    ("07-query-method.pcap: only there", 1, "tshark does not know this method, and exports the request as a file"),
    ("21-650HttpResponses.pcap: only there", 1, OF_HEAD),
];

#[test]
fn bodies_are_the_objects_that_tshark_exports() {
    let mut differences = Differences::default();
    let table = truth("http_objects_tshark.tsv");
    let mut same = 0;
    for file in captures() {
        let bodies: BTreeSet<_> = messages(&file).into_values().flatten().map(|m| hash::<Sha256>(&m.body)).collect();
        for theirs in table.iter().filter(|cells| cells["file"] == file && cells["len"] != "0") {
            if bodies.contains(&theirs["sha256_body"]) {
                same += 1;
            } else {
                differences.add(format!("{file}: only there"));
            }
        }
    }
    assert!(same > 100, "only {same}");
    differences.assert(OBJECTS);
}

#[test]
fn suricata_expects_what_is_there() {
    let facts = truth("suricata.tsv");
    // One of the tests is of what Suricata does as an intrusion prevention system, where it drops what follows a gap.
    let facts = facts.iter().filter(|cells| !cells["args"].contains("--simulate-ips"));
    let mut checked = 0;
    for fact in facts {
        let expected: BTreeMap<String, serde_json::Value> = serde_json::from_str(&fact["match_json"]).unwrap();
        let ours = exchanges(&fact["file"]);
        let matches = |row: &&Row| {
            expected.iter().all(|(key, value)| match key.as_str() {
                "event_type" => value == "http" || !bytes(row, "response_body").is_empty(),
                "http.status" => *value == number(row, "status"),
                "http.url" => *value == target(row),
                "fileinfo.md5" => *value == hash::<Md5>(&bytes(row, "response_body")),
                "fileinfo.gaps" => *value == text(row, "flags").contains("gap-in-response-body"),
                "fileinfo.state" => (*value == "CLOSED") == (text(row, "complete") == "true"),
                // Suricata counts what is missing, too, and the line end that two of the bodies have beyond their length.
                "fileinfo.size" => true,
                other => panic!("{other}"),
            })
        };
        assert_eq!(ours.iter().filter(matches).count().to_string(), fact["count"], "{fact:?}");
        checked += 1;
    }
    assert!(checked > 5, "only {checked}");
}
