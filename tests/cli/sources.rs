//! Where packets come from.

use super::folder;
use crate::support::incident::incident;

const COUNTS: &str = "let c = capture(); let f = c.flows(); let h = c.http_requests(); \
                      print(`${c.count()} ${f.count()} ${h.count()}`)";

#[test]
fn a_file_gives_the_same_rows_plain_compressed_and_through_a_pipe() {
    let folder = folder();
    folder.write("incident.pcapng", incident().pcapng());
    for line in [
        "gzip -k incident.pcap incident.pcapng",
        "zstd -q incident.pcap incident.pcapng",
        // Members and frames may follow each other.
        "(head -c 30000 incident.pcap | gzip; tail -c +30001 incident.pcap | gzip) > two.gz",
        "(head -c 30000 incident.pcap | zstd -q; tail -c +30001 incident.pcap | zstd -q) > two.zst",
    ] {
        assert_eq!(folder.shell(line).code, Some(0), "{line}");
    }
    for file in [
        "incident.pcap",
        "incident.pcap.gz",
        "incident.pcap.zst",
        "incident.pcapng",
        "incident.pcapng.gz",
        "incident.pcapng.zst",
        "two.gz",
        "two.zst",
    ] {
        for command in [
            format!("netscript eval -q -r {file} '{COUNTS}'"),
            format!("cat {file} | netscript eval -q -r - '{COUNTS}'"),
        ] {
            let ended = folder.shell(&command);
            assert_eq!((ended.stdout.as_str(), ended.code), ("344 13 68\n", Some(0)), "{command}: {}", ended.stderr);
        }
    }
}

#[test]
fn filters_mean_what_they_mean_to_tcpdump() {
    let folder = folder();
    for (option, script) in [
        ("", "tcp port 38600"),
        ("", "tcp[13] & 2 != 0"),
        ("", "ip6"),
        ("", "not host 198.51.100.10 and not ip6"),
        ("tcp[tcpflags] & (tcp-syn|tcp-fin) != 0", ""),
        // Both hold, whatever operators are in them.
        ("host 192.0.2.31 or ip6", "src port 8000 or src port 49820"),
        ("", "greater 300"),
        ("", "net 192.0.2.0/24"),
        ("udp", ""),
    ] {
        let both: Vec<String> =
            [option, script].iter().filter(|filter| !filter.is_empty()).map(|filter| format!("({filter})")).collect();
        let expected = folder.tool("tcpdump", ["-nqr", "incident.pcap", &both.join(" and ")]).lines().count();
        let ended = folder.netscript([
            "eval",
            "-q",
            "-r",
            "incident.pcap",
            "-f",
            option,
            &format!("capture(\"{script}\").count()"),
        ]);
        assert_eq!(ended.stdout, format!("{expected}\n"), "-f '{option}' and '{script}': {}", ended.stderr);
    }
}

#[test]
fn a_filter_that_can_match_nothing_is_an_error_as_it_is_for_tcpdump() {
    let folder = folder();
    // Bytes of a TCP header are looked for in IPv4 only.
    let filter = "ip6 and tcp[13] & 2 != 0";
    let tcpdump = folder.shell(&format!("tcpdump -nr incident.pcap '{filter}'"));
    assert!(tcpdump.stderr.contains("expression rejects all packets"), "{}", tcpdump.stderr);
    let ended = folder.netscript(["eval", "-q", "-r", "incident.pcap", "-f", filter, "capture().count()"]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("expression rejects all packets"), "{}", ended.stderr);
}

#[test]
fn standard_input_is_read_once_for_all_streams_of_a_capture() {
    let folder = folder();
    let twice = folder.shell("cat incident.pcap | netscript eval -q -r - 'capture().count() + flows().count()'");
    assert_eq!(twice.code, Some(2));
    assert!(twice.stderr.contains("standard input can be read once"), "{}", twice.stderr);
}

#[test]
fn a_script_may_open_other_files_than_the_one_of_the_run() {
    let folder = folder();
    folder.write("other.pcapng", incident().pcapng());
    let script = "print(open(\"other.pcapng\").count()); print(open(\"other.pcapng\", \"ip6\").flows().count())";
    let ended = folder.netscript(["eval", "-q", script]);
    assert_eq!((ended.stdout.as_str(), ended.code), ("344\n1\n", Some(0)), "{}", ended.stderr);
}

#[test]
fn rows_written_as_ndjson_are_read_back_with_the_same_counts() {
    let folder = folder();
    for (noun, key) in [
        ("capture", "[\"src\", \"tcp_flags\"]"),
        ("flows", "[\"client\", \"state\", \"bytes\", \"duration\"]"),
        ("http_requests", "[\"origin\", \"status\", \"latency\", \"credential.fingerprint\"]"),
    ] {
        let written = folder.shell(&format!("netscript eval --json -q -r incident.pcap '{noun}()' > rows.ndjson"));
        assert_eq!(written.code, Some(0), "{}", written.stderr);
        let direct = format!("{noun}().count_by({key})");
        let direct = folder.netscript(["eval", "--json", "-q", "-r", "incident.pcap", &direct]);
        assert!(direct.stdout.lines().count() > 2, "{}", direct.stderr);
        for reread in
            [format!("open(\"rows.ndjson\").count_by({key})"), format!("rows(\"rows.ndjson\").count_by({key})")]
        {
            let reread = folder.netscript(["eval", "--json", "-q", &reread]);
            assert_eq!((reread.stdout, reread.code), (direct.stdout.clone(), Some(0)), "{noun}: {}", reread.stderr);
        }
        let again = folder.shell("netscript eval --json -q 'rows(\"rows.ndjson\")' | cmp - rows.ndjson");
        assert_eq!(again.code, Some(0), "{noun} is not what it was: {}{}", again.stdout, again.stderr);
    }
    // Times and durations are such again.
    let script = "let r = rows(\"rows.ndjson\").first(); r.latency > \"1ms\" && r.time - duration(\"1s\") < r.time";
    assert_eq!(folder.netscript(["eval", "-q", script]).stdout, "true\n");
}
