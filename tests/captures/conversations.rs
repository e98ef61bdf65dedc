//! Conversations: who, when, how much, and how they ended, against tshark, Zeek and Arkime.

use std::net::SocketAddr;

use netscript::flow::Flows;
use netscript::record::Row;

use crate::rows::{
    Cells, Difference, Differences, captures, cell_endpoint, cell_nanos, endpoint, flows, is_between, nanos, number,
    rows, text,
};
use crate::truth;

const QUOTED: &str = "tshark counts what an ICMP error quotes as a packet of the conversation, or as one of its own";
const FROM_TSHARK: &[Difference] = &[
    ("24-filestore-5408.pcap tcp 0: frames ab 14, not 16; bytes ab 7258, not 8438", 1, QUOTED),
    ("24-filestore-5408.pcap tcp 2: frames ab 17, not 19; bytes ab 9004, not 10184", 1, QUOTED),
    (
        "24-filestore-5408.pcap tcp 3: frames ab 10, not 11; bytes ab 3794, not 4384; frames ba 8, not 9; \
         bytes ba 4114, not 5488",
        1,
        QUOTED,
    ),
    ("24-filestore-5408.pcap tcp 9: frames ab 10, not 11; bytes ab 3676, not 4266", 1, QUOTED),
    ("24-filestore-5408.pcap tcp 10: frames ba 2, not 3; bytes ba 126, not 1480", 1, QUOTED),
    ("24-filestore-5408.pcap tcp 5: 0 conversations", 1, QUOTED),
    ("24-filestore-5408.pcap tcp 6: 0 conversations", 1, QUOTED),
    ("24-filestore-5408.pcap tcp 7: 0 conversations", 1, QUOTED),
    ("24-filestore-5408.pcap tcp 8: 0 conversations", 1, QUOTED),
    ("24-filestore-5408.pcap tcp 11: 0 conversations", 1, QUOTED),
    ("24-filestore-5408.pcap tcp 12: 0 conversations", 1, QUOTED),
    ("24-filestore-5408.pcap tcp 13: 0 conversations", 1, QUOTED),
    ("24-filestore-5408.pcap udp 1: 0 conversations", 1, QUOTED),
    ("24-filestore-5408.pcap udp 2: 0 conversations", 1, QUOTED),
    ("24-filestore-5408.pcap udp 3: 0 conversations", 1, QUOTED),
    (
        "20-DnsPackets.pcap udp 107: 2 conversations",
        1,
        "the port is used again after 11 minutes without a packet; tshark never ends a UDP conversation",
    ),
    ("39-geneve-many-options.pcap udp 0: 0 conversations", 1, "the conversation is the one in the tunnel"),
    (
        "32-test202.pcapng udp 0: start 0, not 1340954905298858000",
        1,
        "simple packet blocks have no time, which netscript shows as 1970, and tshark not at all",
    ),
];

/// What both say about one direction, with the columns of the table and the fields of the record.
const COUNTS: [(&str, &str, &str); 6] = [
    ("frames ab", "frames_ab", "packets"),
    ("bytes ab", "bytes_ab", "bytes"),
    ("payload ab", "payload_ab", "payload"),
    ("frames ba", "frames_ba", "packets"),
    ("bytes ba", "bytes_ba", "bytes"),
    ("payload ba", "payload_ba", "payload"),
];

#[test]
fn conversations_are_those_of_tshark() {
    let mut differences = Differences::default();
    let table = truth("flows.tsv");
    assert!(table.len() > 700);
    for file in captures() {
        let ours = flows(&file);
        let mut is_told = vec![false; ours.len()];
        for theirs in table.iter().filter(|cells| cells["file"] == file) {
            let place = format!("{file} {} {}", theirs["proto"], theirs["stream"]);
            let (a, b) = ends(theirs);
            let (first, last) = (cell_nanos(theirs, "first_ts"), cell_nanos(theirs, "last_ts"));
            let matches = |row: &Row| {
                text(row, "protocol") == theirs["proto"]
                    && is_between(row, a, b)
                    && nanos(row, "end") >= first
                    && nanos(row, "start") <= last
            };
            let same: Vec<_> = (0..ours.len()).filter(|i| matches(&ours[*i])).collect();
            same.iter().for_each(|i| is_told[*i] = true);
            match same[..] {
                [one] => {
                    let found = compare(&ours[one], theirs, a);
                    if !found.is_empty() {
                        differences.add(format!("{place}: {}", found.join("; ")));
                    }
                }
                _ => differences.add(format!("{place}: {} conversations", same.len())),
            }
        }
        for (row, _) in ours.iter().zip(is_told).filter(|(_, is_told)| !is_told) {
            differences.add(format!("{file}: only here: {}", row.summary()));
        }
    }
    differences.assert(FROM_TSHARK);
}

fn ends(cells: &Cells) -> (SocketAddr, SocketAddr) {
    (cell_endpoint(cells, "a_ip", "a_port"), cell_endpoint(cells, "b_ip", "b_port"))
}

/// What differs between a row and what tshark says of the same conversation, of which `a` is the first.
fn compare(row: &Row, theirs: &Cells, a: SocketAddr) -> Vec<String> {
    let is_client = endpoint(row, "client") == a;
    let mut found = Vec::new();
    for (name, column, field) in COUNTS {
        let direction = if column.ends_with("ab") == is_client { "to_server" } else { "to_client" };
        let ours = number(row, &format!("{field}_{direction}"));
        // The table has no payload of UDP.
        if !theirs[column].is_empty() && ours.to_string() != theirs[column] {
            found.push(format!("{name} {ours}, not {}", theirs[column]));
        }
    }
    for (field, column) in [("start", "first_ts"), ("end", "last_ts")] {
        let (ours, theirs) = (nanos(row, field), cell_nanos(theirs, column));
        if ours != theirs {
            found.push(format!("{field} {ours}, not {theirs}"));
        }
    }
    found
}

#[test]
fn there_are_as_many_conversations_as_tshark_counts() {
    let mut differences = Differences::default();
    for theirs in truth("conversations.tsv") {
        let ours = flows(&theirs["file"]);
        for protocol in ["tcp", "udp"] {
            let rows: Vec<_> = ours.iter().filter(|row| text(row, "protocol") == protocol).collect();
            let sum = |field| rows.iter().map(|row| number(row, field)).sum::<i64>().to_string();
            let place = |what| format!("{} {protocol} {what}", theirs["file"]);
            let column = |what| theirs[&format!("{protocol}_{what}")].as_str();
            differences.compare(&place("conversations"), &rows.len().to_string(), column("conversations"));
            differences.compare(&place("frames"), &sum("packets"), column("frames"));
            differences.compare(&place("bytes"), &sum("bytes"), column("bytes"));
        }
    }
    differences.assert(TOTALS);
}

const TOTALS: &[Difference] = &[
    ("20-DnsPackets.pcap udp conversations: 220, not 219", 1, "see FROM_TSHARK"),
    ("24-filestore-5408.pcap tcp frames: 125, not 142", 1, QUOTED),
    ("24-filestore-5408.pcap tcp bytes: 58989, not 77523", 1, QUOTED),
    ("24-filestore-5408.pcap udp frames: 2, not 5", 1, QUOTED),
    ("24-filestore-5408.pcap udp bytes: 2728, not 6830", 1, QUOTED),
    ("39-geneve-many-options.pcap udp conversations: 0, not 1", 1, "the conversation is the one in the tunnel"),
    ("39-geneve-many-options.pcap udp frames: 0, not 10", 1, "the same"),
    ("39-geneve-many-options.pcap udp bytes: 0, not 2594", 1, "the same"),
];

/// What a side sent, as bits of TCP: FIN, SYN, RST.
fn flags(cells: &Cells, column: &str) -> [bool; 3] {
    let bits = u8::from_str_radix(cells[column].trim_start_matches("0x"), 16).unwrap();
    [1, 2, 4].map(|bit| bits & bit != 0)
}

#[test]
fn who_is_the_client_and_how_it_ended_follow_from_the_flags() {
    let mut compared = 0;
    for file in captures() {
        let ours = flows(&file);
        for theirs in truth("flows.tsv").iter().filter(|cells| cells["file"] == file && cells["proto"] == "tcp") {
            let (a, b) = ends(theirs);
            let Some(row) = ours.iter().find(|row| is_between(row, a, b)) else { continue };
            let ([_, a_syn, _], [_, b_syn, _]) = (flags(theirs, "flags_ab"), flags(theirs, "flags_ba"));
            // tshark has a bit for a SYN without ACK; `a` is who sent first.
            let has_syn = theirs["completeness"].parse::<u8>().unwrap() & 1 != 0;
            let place = format!("{file} {}", theirs["stream"]);
            if a_syn || b_syn {
                let client = if a_syn == has_syn { a } else { b };
                assert_eq!((endpoint(row, "client"), text(row, "role_known")), (client, "syn".to_owned()), "{place}");
            } else {
                assert_ne!(text(row, "role_known"), "syn", "{place}");
            }
            let is_client = endpoint(row, "client") == a;
            let (client, server) = if is_client { ("flags_ab", "flags_ba") } else { ("flags_ba", "flags_ab") };
            let expected = match (flags(theirs, client), flags(theirs, server)) {
                ([true, ..], [true, ..]) => "SF",
                ([_, true, true], [_, true, _]) => "RSTO",
                ([false, true, false], [false, true, false]) => "S1",
                ([false, true, false], [false, false, false]) => "S0",
                ([false, ..], [false, ..]) => "OTH",
                ([false, false, _], [true, ..]) => "SHR",
                other => panic!("{place}: {other:?}"),
            };
            assert_eq!(text(row, "conn_state"), expected, "{place}");
            compared += 1;
        }
    }
    assert!(compared > 400, "only {compared}");
}

const FROM_ZEEK: &[Difference] = &[
    (
        "06-connect-with-smtp.pcap 79.26.245.236:3378 254.228.86.79:8240 payload_to_client: 292, not 223",
        1,
        "69 bytes are sent twice, and payload counts what was on the wire",
    ),
    (
        "13-retransmit-fast009.pcap 10.0.88.85:50368 192.168.0.27:80 payload_to_client: 28073, not 23783",
        1,
        "4290 bytes are sent twice, and payload counts what was on the wire",
    ),
    (
        "39-geneve-many-options.pcap 192.168.33.179:6667 192.168.179.33:6081: 0 conversations",
        1,
        "the conversation is the one in the tunnel",
    ),
];

#[test]
fn states_and_counts_are_those_of_zeek() {
    let mut differences = Differences::default();
    let mut compared = 0;
    for theirs in truth("zeek_conn.tsv") {
        // Some of Zeek's tests write a log without endpoints, and one changes its filter on the way.
        if theirs["id.orig_h"].is_empty() || theirs["btest"] == "core.pcap.dynamic-filter" {
            continue;
        }
        let (a, b) =
            (cell_endpoint(&theirs, "id.orig_h", "id.orig_p"), cell_endpoint(&theirs, "id.resp_h", "id.resp_p"));
        let ours: Vec<_> = flows(&theirs["file"]).into_iter().filter(|row| is_between(row, a, b)).collect();
        let place = format!("{} {a} {b}", theirs["file"]);
        let [row] = &ours[..] else {
            differences.add(format!("{place}: {} conversations", ours.len()));
            continue;
        };
        let (sent, answered) =
            if endpoint(row, "client") == a { ("to_server", "to_client") } else { ("to_client", "to_server") };
        for (column, field) in [
            ("conn_state", "conn_state".to_owned()),
            ("orig_bytes", format!("payload_{sent}")),
            ("resp_bytes", format!("payload_{answered}")),
            ("orig_pkts", format!("packets_{sent}")),
            ("resp_pkts", format!("packets_{answered}")),
        ] {
            // Zeek writes no bytes where there is but one packet.
            if theirs[column] != "-" && !theirs[column].is_empty() {
                differences.compare(&format!("{place} {field}"), &text(row, &field), &theirs[column]);
                compared += 1;
            }
        }
    }
    assert!(compared > 1000, "only {compared} values compared");
    differences.assert(FROM_ZEEK);
}

#[test]
fn sessions_are_those_of_arkime() {
    let table = truth("arkime_sessions.tsv");
    for theirs in &table {
        let ours = rows(&theirs["file"], Flows);
        let column = |name: &str| theirs[name].clone();
        for row in &ours {
            assert_eq!((text(row, "client"), text(row, "server")), (column("src"), column("dst")));
        }
        let counts = ["packets_to_server", "packets_to_client", "bytes_to_server", "bytes_to_client"];
        let columns = ["src_packets", "dst_packets", "src_bytes", "dst_bytes"];
        let sum = |field| ours.iter().map(|row| number(row, field)).sum::<i64>().to_string();
        assert_eq!(counts.map(sum), columns.map(column));
        let start = ours.iter().map(|row| nanos(row, "start")).min().unwrap() / 1_000_000;
        let end = ours.iter().map(|row| nanos(row, "end")).max().unwrap() / 1_000_000;
        assert_eq!([start, end].map(|time| time.to_string()), ["first_ms", "last_ms"].map(column));
        // Arkime puts all pings of two hosts together, and counts the headers of ICMP as data.
        assert_eq!(ours.len(), if theirs["ip_proto"] == "6" { 1 } else { 2 });
        if theirs["ip_proto"] == "6" {
            assert_eq!(["client_port", "server_port"].map(sum), ["sport", "dport"].map(column));
            let payload = ["payload_to_server", "payload_to_client", "resets"].map(sum);
            assert_eq!(payload, ["src_databytes", "dst_databytes", "rst"].map(column));
        }
    }
    assert_eq!(table.len(), 2);
}
