//! DNS, against tshark and Zeek.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use netscript::limits::Limits;
use netscript::protocol::dns::{Queries, type_name};
use netscript::record::{Row, Value};

use crate::rows::{
    Cells, Difference, Differences, captures, cell_endpoint, cell_nanos, endpoint, nanos, number, rows, text,
};
use crate::truth;

fn queries(file: &str) -> Vec<Row> {
    rows(file, Queries::new(&Limits::default()))
}

fn list(row: &Row, field: &str) -> Vec<String> {
    match row.get(field) {
        Some(Value::List(items)) => items.iter().map(ToString::to_string).collect(),
        other => panic!("{field} is {other:?}"),
    }
}

/// The records of a row: section, name, type and data.
fn records(row: &Row) -> Vec<[String; 4]> {
    let Some(Value::List(records)) = row.get("records") else { panic!("{row:?}") };
    let field = |record: &Value<'_>, name| match record {
        Value::Record(record) => text(record, name),
        other => panic!("{other:?}"),
    };
    records.iter().map(|record| ["section", "name", "type", "data"].map(|name| field(record, name))).collect()
}

/// Names and types that a row asks for.
fn questions(row: &Row) -> Vec<(String, String)> {
    let Some(Value::List(questions)) = row.get("questions") else { panic!("{row:?}") };
    if questions.is_empty() {
        return [(text(row, "name"), text(row, "type"))].into_iter().filter(|(name, _)| !name.is_empty()).collect();
    }
    let of = |question: &Value<'_>, field: &str| match question {
        Value::Map(fields) => fields.iter().find(|(name, _)| name == field).unwrap().1.to_string(),
        other => panic!("{other:?}"),
    };
    questions.iter().map(|question| (of(question, "name"), of(question, "type"))).collect()
}

/// A message as a table has it: when it was captured, identifier, and whether it answers.
type Place = (i64, String, bool);

/// The messages that tshark lists, each with all of its lines.
fn messages(table: &[Cells], file: &str) -> BTreeMap<u64, Vec<Cells>> {
    let mut messages = BTreeMap::<_, Vec<_>>::new();
    for cells in table.iter().filter(|cells| cells["file"] == file) {
        messages.entry(cells["frame"].parse().unwrap()).or_default().push(cells.clone());
    }
    messages
}

/// Between whom a message is, client first.
fn ends(cells: &Cells) -> [SocketAddr; 2] {
    let (src, dst) = (cell_endpoint(cells, "src", "sport"), cell_endpoint(cells, "dst", "dport"));
    if cells["is_response"] == "1" { [dst, src] } else { [src, dst] }
}

fn place(cells: &Cells) -> Place {
    let id = u16::from_str_radix(cells["id"].trim_start_matches("0x"), 16).unwrap();
    (cell_nanos(cells, "time_epoch"), id.to_string(), cells["is_response"] == "1")
}

/// Where the messages of a row are.
fn places(row: &Row) -> Vec<Place> {
    let place = |field, is_response| (nanos(row, field), text(row, "id"), is_response);
    let has_query = !text(row, "latency").is_empty() || text(row, "rcode").is_empty();
    let query = has_query.then(|| place("time", false));
    // A query that was sent again ends with the last time if nobody answered.
    let again = (text(row, "rcode").is_empty() && number(row, "retries") > 0).then(|| place("end", false));
    let answer = (!text(row, "rcode").is_empty()).then(|| place("end", true));
    query.into_iter().chain(again).chain(answer).collect()
}

const AGAIN: &str = "the client asks again; that is counted in `retries` of the row that it belongs to";
const MESSAGES: &[Difference] = &[
    ("15-ipv6-fragmented-dns.pcap: 5 txtpadding_3230.n1.netalyzr.icsi.berkeley.edu only there", 1, AGAIN),
    ("20-DnsPackets.pcap: 179 www.ikachocolate.com only there", 1, AGAIN),
    ("20-DnsPackets.pcap: 180 www.hugovictor.com only there", 1, AGAIN),
    ("20-DnsPackets.pcap: 209 www.hugovictor.com only there", 1, AGAIN),
    ("20-DnsPackets.pcap: 290 cdn-careers.sstatic.net only there", 1, AGAIN),
];

#[test]
fn messages_are_those_of_tshark() {
    let mut differences = Differences::default();
    let table = truth("dns.tsv");
    let mut same = 0;
    for file in captures() {
        let rows = queries(&file);
        let mut ours: BTreeSet<(Place, [SocketAddr; 2])> = rows
            .iter()
            .flat_map(|row| {
                places(row).into_iter().map(|place| (place, ["client", "server"].map(|end| endpoint(row, end))))
            })
            .collect();
        for lines in messages(&table, &file).values() {
            if ours.remove(&(place(&lines[0]), ends(&lines[0]))) {
                same += 1;
            } else {
                differences.add(format!("{file}: {} {} only there", lines[0]["frame"], lines[0]["qname"]));
            }
        }
        ours.iter().for_each(|((time, id, _), _)| differences.add(format!("{file}: {time} {id} only here")));
    }
    assert!(same > 490, "only {same}");
    differences.assert(MESSAGES);
}

/// What the table has of records: the data of these types.
fn data(row: &Row) -> String {
    const TYPES: [&str; 6] = ["A", "AAAA", "CNAME", "NS", "PTR", "TXT"];
    let shown = records(row).into_iter().filter(|[_, _, kind, _]| TYPES.contains(&kind.as_str()));
    // Several texts of one record stand in quotes, each.
    shown.map(|[_, _, _, data]| data.trim_matches('"').replace("\" \"", "|")).collect::<Vec<_>>().join("|")
}

#[test]
fn questions_and_answers_are_those_of_tshark() {
    let mut differences = Differences::default();
    let table = truth("dns.tsv");
    let mut same = 0;
    for file in captures() {
        let rows = queries(&file);
        for lines in messages(&table, &file).values() {
            let first = &lines[0];
            let is_there =
                |row: &&Row| places(row).contains(&place(first)) && endpoint(row, "client") == ends(first)[0];
            let Some(row) = rows.iter().find(is_there) else { continue };
            let asked = |cells: &&Cells| !cells["qname"].is_empty();
            let name =
                |cells: &Cells| (cells["qname"].clone(), type_name(cells["qtype"].parse().unwrap()).into_owned());
            let theirs: Vec<_> = lines.iter().filter(asked).map(name).collect();
            let frame = format!("{file} {}", first["frame"]);
            differences.compare(
                &format!("{frame} questions"),
                &format!("{:?}", questions(row)),
                &format!("{theirs:?}"),
            );
            let is_answered = !text(row, "rcode").is_empty();
            if first["is_response"] == "1" {
                let rcode = if first["rcode"] == "3" { "NXDOMAIN" } else { "NOERROR" };
                differences.compare(&format!("{frame} rcode"), &text(row, "rcode"), rcode);
            }
            // Of a query with an answer the records are those of the answer.
            if is_answered == (first["is_response"] == "1") {
                differences.compare(&format!("{frame} records"), &data(row), &first["answers"]);
                same += usize::from(data(row) == first["answers"]);
            }
        }
    }
    assert!(same > 270, "only {same}");
    differences.assert(&[]);
}

const OF_THE_QUERY: &str =
    "where an answer has no records, Zeek leaves the flags of the query; tshark has those that are here";
const NETBIOS: &str = "NetBIOS names have messages of the same form, and are not DNS";
const ZEEK: &[Difference] = &[
    (
        "10-wikipedia.pcap mdns answers: 0 0 22 gemini.local, not gemini.local",
        4,
        "an SRV record; Zeek shows nothing of it but the name",
    ),
    (
        "10-wikipedia.pcap mdns query: , not gemini._sftp-ssh._tcp.local",
        4,
        "the message does not ask; Zeek takes the name of its first record",
    ),
    ("10-wikipedia.pcap udp AA: T, not F", 8, OF_THE_QUERY),
    ("10-wikipedia.pcap udp RA: T, not F", 16, OF_THE_QUERY),
    ("10-wikipedia.pcap: BRWC0CB383D1F42 NIMLOC 141.142.220.226:137 only there", 14, NETBIOS),
    ("10-wikipedia.pcap: WORKGROUP NIMLOC 141.142.220.238:56641 only there", 2, NETBIOS),
    (
        "15-ipv6-fragmented-dns.pcap: txtpadding_3230.n1.netalyzr.icsi.berkeley.edu TXT \
         [2001:470:1f11:81f:d138:5f55:6d4:1fe2]:51851 only there",
        1,
        AGAIN,
    ),
];

/// Answers as Zeek shows them, without the lengths that it puts before texts.
fn answers(shown: &str) -> String {
    let length = regex::Regex::new("TXT [0-9]+ ").unwrap();
    length.replace_all(shown, "").into_owned()
}

#[test]
fn queries_are_those_of_zeek() {
    let mut differences = Differences::default();
    let table = truth("zeek_dns.tsv");
    let mut compared = 0;
    for file in captures() {
        let rows = queries(&file);
        for theirs in table.iter().filter(|cells| cells["file"] == file) {
            let client = cell_endpoint(theirs, "id.orig_h", "id.orig_p");
            // Zeek has who speaks first where ours has who asks.
            let is_there = |row: &&Row| {
                ["client", "server"].iter().any(|end| endpoint(row, end) == client)
                    && text(row, "id") == theirs["trans_id"]
                    && (theirs["rcode_name"] == "-") == text(row, "rcode").is_empty()
            };
            let Some(row) = rows.iter().find(is_there) else {
                differences.add(format!("{file}: {} {} {} only there", theirs["query"], theirs["qtype_name"], client));
                continue;
            };
            let flags = list(row, "flags");
            let flag = |name: &str| if flags.iter().any(|flag| flag == name) { "T" } else { "F" }.to_owned();
            for (column, value) in [
                ("query", text(row, "name").to_ascii_lowercase()),
                ("qtype_name", text(row, "type")),
                ("rcode_name", text(row, "rcode")),
                ("AA", flag("aa")),
                ("TC", flag("tc")),
                ("RD", flag("rd")),
                ("RA", flag("ra")),
                ("answers", list(row, "answers").join(",").replace('"', "")),
            ] {
                let theirs = if theirs[column] == "-" { String::new() } else { answers(&theirs[column]) };
                differences.compare(&format!("{file} {} {column}", text(row, "protocol")), &value, &theirs);
                compared += 1;
            }
        }
    }
    assert!(compared > 300, "only {compared}");
    differences.assert(ZEEK);
}
