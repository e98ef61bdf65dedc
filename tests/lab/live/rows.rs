//! The same packets give the same rows, live and from a file.

use std::path::Path;

use serde_json::Value;

use super::wire::Wire;
use super::{PACKETS, incident};
use crate::program::{Ended, Folder};
use crate::support::needs;

/// What is another matter when packets are sent again.
const OF_THE_MOMENT: &[&str] = &["time", "start", "end", "duration", "handshake_rtt", "latency", "interface"];

/// What is known only while packets are captured: whose they are, on this host.
const OF_THIS_HOST: &[&str] = &["process", "pid", "container", "attribution", "server_process", "server_container"];

/// Takes these fields away, wherever they are.
fn without(row: &mut Value, names: &[&[&str]]) {
    match row {
        Value::Object(fields) => {
            fields.retain(|name, _| !names.iter().any(|names| names.contains(&name.as_str())));
            fields.values_mut().for_each(|value| without(value, names));
        }
        Value::Array(values) => values.iter_mut().for_each(|value| without(value, names)),
        _ => {}
    }
}

/// Its rows without these fields, in some order: they come when they are complete, which is a matter of time.
fn rows_without(ended: &Ended, names: &[&[&str]]) -> Vec<String> {
    let mut rows: Vec<Value> = ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    rows.iter_mut().for_each(|row| without(row, names));
    let mut rows: Vec<_> = rows.iter().map(ToString::to_string).collect();
    rows.sort();
    rows
}

/// Replays a file and holds what is seen live against what the file gives, and against what was written meanwhile.
fn live_rows_are_those_of(file: &Path, packets: u32, expression: &str) {
    let wire = Wire::new();
    let count = packets.to_string();
    let options = ["eval", "--json", "-i", "eth0", "-c", &count, "-w", "seen.pcapng", expression];
    let listening = wire.listen(&options);
    wire.send("eth0", file, 1);
    let live = listening.ended();
    let of_file = |path: &str| Folder::netscript(&wire.folder, ["eval", "--json", "-r", path, expression]);
    let original = of_file(file.to_str().unwrap());
    assert_eq!(live.code, original.code, "{}{}", live.stderr, original.stderr);
    let timeless = [OF_THE_MOMENT, OF_THIS_HOST];
    assert_eq!(rows_without(&live, &timeless), rows_without(&original, &timeless), "{expression}");
    // Written down and read again, it is the same, times included.
    let recorded = of_file("seen.pcapng");
    assert_eq!(rows_without(&recorded, &[OF_THIS_HOST]), rows_without(&live, &[OF_THIS_HOST]), "{expression}");
}

#[test]
fn flows_are_the_same_live_and_from_a_file() {
    needs!("tcpreplay");
    live_rows_are_those_of(&incident(), PACKETS, "flows()");
}

#[test]
fn requests_are_the_same_live_and_from_a_file() {
    needs!("tcpreplay");
    live_rows_are_those_of(&incident(), PACKETS, "http_requests()");
}

#[test]
fn packets_are_the_same_live_and_from_a_file() {
    needs!("tcpreplay");
    live_rows_are_those_of(&incident(), PACKETS, "capture()");
}

#[test]
fn a_filter_in_the_kernel_lets_through_what_it_lets_through_of_a_file() {
    needs!("tcpreplay");
    live_rows_are_those_of(&incident(), 10, "capture(\"ip6 and tcp\").map(|p| [p.summary, p.payload])");
}

#[test]
fn captures_of_others_are_the_same_live_and_from_the_file() {
    needs!("tcpreplay");
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures/data");
    // VLAN tags, which the kernel takes out of frames; fragments; the wrong order; IPv6; requests by hundreds.
    for (name, packets) in [
        ("03-methods.pcap", 655),
        ("11-http-qinq-0.pcap", 14),
        ("12-handshake-reorder.pcap", 14),
        ("15-ipv6-fragmented-dns.pcap", 8),
        ("17-frag_http_req.pcap", 11),
        ("21-650HttpResponses.pcap", 682),
    ] {
        for expression in ["capture()", "flows()", "http_requests()"] {
            live_rows_are_those_of(&data.join(name), packets, expression);
        }
    }
}

#[test]
fn the_expired_token_is_found_live_too() {
    needs!("tcpreplay");
    let wire = Wire::new();
    let file = incident();
    let count = PACKETS.to_string();
    let hunt = ["run", "--json", "expired-token-hunt"];
    let options = ["-i", "eth0", "-c", &count, "--evidence", "evidence.pcapng"];
    let listening = wire.listen(&[&hunt[..], &options].concat());
    wire.send("eth0", &file, 1);
    let live = listening.ended();
    assert_eq!(live.code, Some(1), "{}", live.stderr);
    // Each of 14 rejected requests, its acknowledgement, its response.
    let evidence = wire.folder.netscript(["eval", "-q", "-r", "evidence.pcapng", "capture().count()"]);
    assert_eq!(evidence.stdout.trim(), (14 * 3).to_string(), "{}", evidence.stderr);
    let original = wire.folder.netscript([&hunt[..], &["-r", file.to_str().unwrap()]].concat());
    let subjects = |ended: &Ended| -> Vec<Value> {
        let lines = ended.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["record"] == "finding").map(|finding| finding["subject"].clone()).collect()
    };
    assert_eq!(subjects(&live).len(), 1);
    assert_eq!(subjects(&live), subjects(&original));
}
