//! Conversations and what TCP carries, against tshark, Zeek and Arkime.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use md5::{Digest as _, Md5};
use netscript::capture::{Cancel, CaptureFile, FilterSet, Pipeline, Stage, Until};
use netscript::flow::{Analyzer, Event, Flow, FlowId, Flows, Interest, Side};
use netscript::limits::{Limits, Loss};
use netscript::record::{Row, Value};

use crate::{capture, truth};

type Cells = std::collections::HashMap<String, String>;

/// The rows that an analyzer makes of a capture, as far as that can be read.
pub(crate) fn rows(name: &str, analyzer: impl Analyzer + 'static) -> Vec<Row> {
    let Ok(file) = CaptureFile::open(&capture(name), &Cancel::new().unwrap()) else { return Vec::new() };
    let stages = vec![Stage::Conversations(Box::new(analyzer))];
    let mut pipeline =
        Pipeline::new(Box::new(file), FilterSet::new(String::new()), Until::default(), stages, &Limits::default());
    let mut rows = Vec::new();
    while pipeline.advance().unwrap() {
        rows.extend(pipeline.take_rows(0));
    }
    rows.extend(pipeline.take_rows(0));
    rows
}

fn number(row: &Row, field: &str) -> i64 {
    match row.get(field) {
        Some(Value::Integer(number)) => number,
        other => panic!("{field} is {other:?}"),
    }
}

fn text(row: &Row, field: &str) -> String {
    row.get(field).map(|value| value.to_string()).unwrap_or_default()
}

fn nanos(row: &Row, field: &str) -> i64 {
    match row.get(field) {
        Some(Value::Time(time)) => time.as_nanos(),
        other => panic!("{field} is {other:?}"),
    }
}

fn endpoint(row: &Row, side: &str) -> SocketAddr {
    let Some(Value::Address(address)) = row.get(side) else { panic!("{side} of {row:?}") };
    SocketAddr::new(address, number(row, &format!("{side}_port")).try_into().unwrap())
}

/// Nanoseconds of a decimal number of seconds.
fn parse_nanos(seconds: &str) -> i64 {
    let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
    whole.parse::<i64>().unwrap() * 1_000_000_000 + format!("{fraction:0<9}").parse::<i64>().unwrap()
}

fn captures() -> Vec<String> {
    truth("files.tsv").iter().map(|row| row["file"].clone()).collect()
}

#[test]
fn explore_flows() {
    let truth = truth("flows.tsv");
    let mut out = String::new();
    for file in captures() {
        let rows = rows(&file, Flows);
        let mut used = vec![false; rows.len()];
        for t in truth.iter().filter(|t| t["file"] == file) {
            let a = SocketAddr::new(t["a_ip"].parse::<IpAddr>().unwrap(), t["a_port"].parse().unwrap());
            let b = SocketAddr::new(t["b_ip"].parse::<IpAddr>().unwrap(), t["b_port"].parse().unwrap());
            let (first, last) = (parse_nanos(&t["first_ts"]), parse_nanos(&t["last_ts"]));
            let mut ours = BTreeMap::<&str, i64>::new();
            let mut n = 0;
            let mut state = String::new();
            for (row, used) in rows.iter().zip(&mut used) {
                if text(row, "protocol") != t["proto"] {
                    continue;
                }
                let (client, server) = (endpoint(row, "client"), endpoint(row, "server"));
                if ![(a, b), (b, a)].contains(&(client, server))
                    || nanos(row, "start") < first
                    || nanos(row, "start") > last
                {
                    continue;
                }
                n += 1;
                *used = true;
                write!(state, "{} {} {}", text(row, "conn_state"), text(row, "state"), text(row, "role_known"))
                    .unwrap();
                let (ab, ba) = if client == a { ("to_server", "to_client") } else { ("to_client", "to_server") };
                for (name, field) in [
                    ("frames_ab", format!("packets_{ab}")),
                    ("frames_ba", format!("packets_{ba}")),
                    ("bytes_ab", format!("bytes_{ab}")),
                    ("bytes_ba", format!("bytes_{ba}")),
                    ("payload_ab", format!("payload_{ab}")),
                    ("payload_ba", format!("payload_{ba}")),
                ] {
                    *ours.entry(name).or_default() += number(row, &field);
                }
                let f = ours.entry("first").or_insert(i64::MAX);
                *f = (*f).min(nanos(row, "start"));
                let f = ours.entry("last").or_insert(i64::MIN);
                *f = (*f).max(nanos(row, "end"));
            }
            let mut theirs = BTreeMap::new();
            for name in ["frames_ab", "frames_ba", "bytes_ab", "bytes_ba", "payload_ab", "payload_ba"] {
                theirs.insert(name, t[name].parse::<i64>().unwrap_or(-1));
            }
            theirs.insert("first", first);
            theirs.insert("last", last);
            if t["proto"] == "udp" {
                theirs.remove("payload_ab");
                theirs.remove("payload_ba");
                ours.remove("payload_ab");
                ours.remove("payload_ba");
            }
            if n != 1 || ours != theirs {
                let d: Vec<_> = theirs
                    .iter()
                    .filter(|(k, v)| ours.get(*k) != Some(*v))
                    .map(|(k, v)| format!("{k} {:?}!={v}", ours.get(k)))
                    .collect();
                writeln!(out, "{file} {} {} {a} {b} n={n} {d:?}", t["proto"], t["stream"]).unwrap();
            }
            if t["proto"] == "tcp" {
                println!(
                    "{file} {} {state} comp={} {} {}",
                    t["stream"], t["completeness"], t["flags_ab"], t["flags_ba"]
                );
            }
        }
        for (row, used) in rows.iter().zip(used) {
            if !used && ["tcp", "udp"].contains(&&*text(row, "protocol")) {
                writeln!(out, "{file} EXTRA {} {}", row.summary(), text(row, "start")).unwrap();
            }
        }
    }
    println!("{out}");
}

#[derive(Default)]
struct Collect {
    open: BTreeMap<usize, [(Vec<u8>, u64, u64); 2]>,
    done: std::sync::Arc<std::sync::Mutex<Vec<(SocketAddr, SocketAddr, i64, [(Vec<u8>, u64, u64); 2])>>>,
}

impl Analyzer for Collect {
    fn event(&mut self, id: FlowId, flow: &Flow, event: Event<'_>, _: &mut Vec<Row>) -> Interest {
        let sides = self.open.entry(id.index()).or_default();
        match event {
            Event::Data(side, bytes, _) => sides[side.index()].0.extend(bytes),
            Event::Gap(side, n, _) => {
                sides[side.index()].1 += 1;
                sides[side.index()].2 += n;
            }
            Event::Closed(_) => {
                let sides = self.open.remove(&id.index()).unwrap();
                if flow.protocol() == 6 {
                    let start = match netscript::record::Record::get(flow, "start") {
                        Some(Value::Time(t)) => t.as_nanos(),
                        _ => 0,
                    };
                    self.done.lock().unwrap().push((
                        flow.endpoint(Side::Originator),
                        flow.endpoint(Side::Responder),
                        start,
                        sides,
                    ));
                }
            }
            _ => {}
        }
        Interest::Payload
    }
    fn loss(&self) -> Loss {
        Loss::default()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[test]
fn explore_streams() {
    let truth: Vec<Cells> = truth("tcp_streams.tsv");
    let mut out = String::new();
    let mut same = 0;
    for file in captures() {
        let collect = Collect::default();
        let done = collect.done.clone();
        rows(&file, collect);
        let mut done = std::mem::take(&mut *done.lock().unwrap());
        done.sort_by_key(|d| d.2);
        for t in truth.iter().filter(|t| t["file"] == file) {
            let (a, b): (SocketAddr, SocketAddr) = (t["a"].parse().unwrap(), t["b"].parse().unwrap());
            let Some(i) = done
                .iter()
                .position(|d| [(a, b), (b, a)].contains(&(d.0, d.1)) && (!d.3[0].0.is_empty() || !d.3[1].0.is_empty()))
            else {
                writeln!(out, "{file} {} {a} {b} MISSING", t["tcp_stream"]).unwrap();
                continue;
            };
            let (orig, _, _, mut sides) = done.remove(i);
            if orig != a {
                sides.swap(0, 1);
            }
            for (dir, (bytes, gaps, gapbytes)) in ["ab", "ba"].into_iter().zip(sides) {
                let md5 = if bytes.is_empty() { String::new() } else { hex(&Md5::digest(&bytes)) };
                let ours = format!("{} {md5} {gaps} {gapbytes}", bytes.len());
                let theirs = format!(
                    "{} {} {} {}",
                    t[&format!("len_{dir}")],
                    t[&format!("md5_{dir}")],
                    t[&format!("gaps_{dir}")],
                    t[&format!("gapbytes_{dir}")]
                );
                if ours != theirs {
                    writeln!(out, "{file} {} {dir} ours {ours} theirs {theirs}", t["tcp_stream"]).unwrap();
                } else {
                    same += 1;
                }
            }
        }
        for d in done {
            if !d.3[0].0.is_empty() || !d.3[1].0.is_empty() {
                writeln!(out, "{file} EXTRA {} {} {}", d.0, d.1, d.3[0].0.len() + d.3[1].0.len()).unwrap();
            }
        }
    }
    println!("same {same}\n{out}");
}

#[test]
fn explore_analysis() {
    for t in truth("tcp_analysis.tsv") {
        let rows = rows(&t["file"], Flows);
        let sum = |f: &str| rows.iter().map(|r| number(r, f)).sum::<i64>();
        println!(
            "{} retr {}/{} ooo {}/{} lost {}/{} (acked unseen {}) zw {}/{} reused {}",
            t["file"],
            sum("retransmissions"),
            t["tcp_retransmissions"],
            sum("out_of_order"),
            t["tcp_out_of_order"],
            sum("lost_bytes"),
            t["tcp_lost_segments"],
            t["tcp_acked_unseen"],
            sum("zero_windows"),
            t["zero_window"],
            t["tcp_ports_reused"]
        );
    }
}

#[test]
fn explore_zeek() {
    for t in truth("zeek_conn.tsv") {
        let rows = rows(&t["file"], Flows);
        let d = |s: &str| t[s].clone();
        let found: Vec<_> = rows
            .iter()
            .filter(|r| {
                text(r, "protocol").trim_end_matches('6') == d("proto")
                    && (text(r, "client") == d("id.orig_h")
                        && text(r, "server") == d("id.resp_h")
                        && (text(r, "client_port").is_empty()
                            || text(r, "client_port") == d("id.orig_p") && text(r, "server_port") == d("id.resp_p"))
                        || text(r, "server") == d("id.orig_h")
                            && text(r, "client") == d("id.resp_h")
                            && (text(r, "client_port").is_empty()
                                || text(r, "server_port") == d("id.orig_p")
                                    && text(r, "client_port") == d("id.resp_p")))
            })
            .collect();
        if found.len() != 1 {
            println!("{} {} {} {} {}", d("file"), d("btest"), d("id.orig_h"), d("id.resp_h"), found.len());
        }
        for r in found {
            let same = text(r, "client") == d("id.orig_h") && text(r, "client_port") == d("id.orig_p");
            let ours = format!(
                "{} {}/{} p {}/{}",
                text(r, "conn_state"),
                text(r, "payload_to_server"),
                text(r, "payload_to_client"),
                text(r, "packets_to_server"),
                text(r, "packets_to_client")
            );
            let theirs = format!(
                "{} {}/{} p {}/{}",
                d("conn_state"),
                d("orig_bytes"),
                d("resp_bytes"),
                d("orig_pkts"),
                d("resp_pkts")
            );
            if ours != theirs {
                println!(
                    "{} {} {}:{} {} same={same} ours {ours} theirs {theirs} {} missed {}",
                    d("file"),
                    d("btest"),
                    d("id.orig_h"),
                    d("id.orig_p"),
                    d("proto"),
                    d("history"),
                    d("missed_bytes")
                );
            }
        }
    }
}
