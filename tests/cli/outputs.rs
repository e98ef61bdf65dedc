//! Where results and packets go.

use serde_json::Value;

use super::folder;
use crate::support::incident::incident;
use crate::support::program::{Folder, NETSCRIPT, run};
use crate::support::transcript::diff;

/// What tcpdump says of the packets of a file, bytes included, and what tshark says of them.
fn seen(folder: &Folder, file: &str) -> String {
    let tcpdump = folder.tool("tcpdump", ["-nn", "-tttt", "-vv", "-XX", "--nano", "-r", file]);
    let fields = ["frame.time_epoch", "frame.len", "frame.cap_len", "_ws.col.Protocol", "_ws.col.Info"];
    let fields = fields.iter().flat_map(|field| ["-e", field]);
    let tshark = folder.tool("tshark", ["-r", file, "-T", "fields"].into_iter().chain(fields));
    [tcpdump, tshark].concat()
}

/// Holds one file against another, as other tools see them.
fn assert_same_packets(folder: &Folder, file: &str, expected: &str) {
    let differences = diff(&seen(folder, expected), &seen(folder, file));
    assert!(differences.is_empty(), "{file} differs from {expected}:\n{differences}");
}

#[test]
fn packets_are_written_such_that_tshark_and_tcpdump_read_them_back_identically() {
    let folder = folder();
    folder.write("incident.pcapng", incident().pcapng());
    for from in ["incident.pcap", "incident.pcapng"] {
        for to in ["out.pcapng", "out.pcap"] {
            let ended = folder.netscript(["eval", "-q", "-r", from, "-w", to, "flows().count()"]);
            assert_eq!((ended.stdout.as_str(), ended.code), ("13\n", Some(0)), "{}", ended.stderr);
            assert_same_packets(&folder, to, "incident.pcap");
        }
    }
}

#[test]
fn only_packets_that_the_filters_let_through_are_written() {
    let folder = folder();
    let ended =
        folder.netscript(["eval", "-q", "-r", "incident.pcap", "-f", "ip6", "-w", "out.pcap", "capture().count()"]);
    assert_eq!(ended.stdout, "10\n", "{}", ended.stderr);
    folder.tool("tcpdump", ["-r", "incident.pcap", "-w", "expected.pcap", "ip6"]);
    assert_same_packets(&folder, "out.pcap", "expected.pcap");
}

#[test]
fn packets_on_standard_output_are_not_mixed_with_results() {
    let folder = folder();
    let ended = folder.shell("netscript eval -q -r incident.pcap -w - 'capture().count()' > out.pcapng");
    assert_eq!((ended.stderr.as_str(), ended.code), ("344\n", Some(0)));
    assert_same_packets(&folder, "out.pcapng", "incident.pcap");
}

#[test]
fn the_input_is_never_overwritten() {
    let folder = folder();
    folder.tool("ln", ["-s", "incident.pcap", "link.pcap"]);
    folder.tool("ln", ["incident.pcap", "hard.pcap"]);
    for output in ["incident.pcap", "./incident.pcap", "link.pcap", "hard.pcap"] {
        let ended = folder.netscript(["eval", "-r", "incident.pcap", "-w", output, "capture().count()"]);
        assert_eq!(ended.code, Some(2), "{output}");
        assert!(ended.stderr.contains("it is being read or written as a capture"), "{}", ended.stderr);
        assert!(folder.read("incident.pcap") == incident().pcap(), "{output} overwrote the input");
    }
}

#[test]
fn evidence_is_exactly_the_packets_that_show_the_findings() {
    let folder = folder();
    let ended =
        folder.netscript(["run", "expired-token-hunt", "-q", "-r", "incident.pcap", "--evidence", "evidence.pcapng"]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    // The packets between the first byte of each rejected request and the last of its response: the request, its
    // acknowledgement, the response.
    let fields = ["-T", "fields", "-e", "frame.time_epoch", "-e", "tcp.seq_raw", "-e", "tcp.len"];
    let found = folder.tool("tshark", [&["-r", "evidence.pcapng"][..], &fields].concat());
    let rejected =
        folder.tool("tshark", [&["-r", "incident.pcap", "-Y", "http.response.code == 401"][..], &fields].concat());
    assert_eq!(rejected.lines().count(), 14);
    for packet in rejected.lines() {
        assert!(found.contains(packet), "{packet} is not in\n{found}");
    }
    assert_eq!(found.lines().count(), 14 * 3, "{found}");
}

#[test]
fn a_report_is_written_beside_what_goes_to_standard_output() {
    let folder = folder();
    let alone = folder.netscript(["run", "expired-token-hunt", "-q", "-r", "incident.pcap"]);
    for (report, begins) in [
        ("report.html", "<!doctype html>\n"),
        ("report.md", "## expired-token-hunt\n"),
        ("report.csv", "severity,id,subject,title,evidence\n"),
        ("report.json", "{\"record\":\"finding\",\"id\":\"expired-credential\","),
        ("report.xml", "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"),
        ("report.txt", "HIGH  203.0.113.54 still sends Bearer ****"),
    ] {
        let ended = folder.netscript(["run", "expired-token-hunt", "-q", "-r", "incident.pcap", "--report", report]);
        assert_eq!((ended.code, &ended.stdout), (Some(1), &alone.stdout), "{}", ended.stderr);
        let written = String::from_utf8(folder.read(report)).unwrap();
        assert!(written.starts_with(begins), "{report}: {written}");
        assert!(written.contains("203.0.113.54"), "{report}: {written}");
    }
    assert_eq!(String::from_utf8(folder.read("report.txt")).unwrap(), alone.stdout);
}

#[test]
fn every_format_is_what_its_readers_expect() {
    let folder = folder();
    let output = |format: &str| {
        let ended = folder.netscript(["run", "expired-token-hunt", "-q", "-r", "incident.pcap", "-o", format]);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(1), ""), "{format}");
        ended.stdout
    };
    assert_eq!(
        output("json"),
        folder.netscript(["run", "expired-token-hunt", "-q", "--json", "-r", "incident.pcap"]).stdout
    );
    let finding: Value = serde_json::from_str(output("json").lines().next().unwrap()).unwrap();
    assert_eq!(finding["severity"], "high");
    assert_eq!(finding["evidence"][0]["count"], 14);
    let html = output("html");
    assert!(html.trim_end().ends_with("</html>"), "{html}");
    for outside in ["http://", "https://", "<script", "<link", "<img", "@import", "url("] {
        assert!(!html.contains(outside), "the page is not self-contained: {outside}");
    }
    let junit = output("junit");
    assert!(junit.contains("<testsuites tests=\"1\" failures=\"1\" errors=\"0\">"), "{junit}");
    let csv = output("csv");
    assert!(csv.ends_with("verdict,reasons,captured,received,dropped\nfinding,\"\",344,344,0\n"), "{csv}");
    assert!(output("md").contains("\n**FINDING**: 1 finding\n"));
}

#[test]
fn data_goes_to_standard_output_and_the_summary_to_standard_error() {
    let folder = folder();
    let loud = folder.netscript(["eval", "-r", "incident.pcap", "flows(\"ip6\").count()"]);
    assert_eq!(loud.stdout, "1\n");
    assert_eq!(loud.stderr, "10 packets captured, 344 received, 0 dropped\n");
    let quiet = folder.netscript(["eval", "-q", "-r", "incident.pcap", "flows(\"ip6\").count()"]);
    assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), ("1\n", ""));
}

#[test]
fn output_that_cannot_be_written_is_an_error() {
    let folder = folder();
    folder.tool("ln", ["-s", "/dev/full", "full.html"]);
    for line in [
        "netscript eval '1 + 1' > /dev/full",
        "netscript run expired-token-hunt -q -r incident.pcap > /dev/full",
        "netscript eval -q --json -r incident.pcap 'for i in 0..9 { http_requests().table() }' > /dev/full",
        "netscript run expired-token-hunt -q -r incident.pcap --report full.html",
        "netscript run expired-token-hunt -q -r incident.pcap --report no/such/folder.html",
        "netscript eval -q -r incident.pcap -w /dev/full 'capture().count()'",
        "netscript eval -q -r incident.pcap -w no/such/folder.pcapng 'capture().count()'",
        "netscript list > /dev/full",
        "netscript help > /dev/full",
        "netscript check expired-token-hunt > /dev/full",
    ] {
        let ended = folder.shell(line);
        assert_eq!(ended.code, Some(2), "{line}: {}", ended.stderr);
        assert!(!ended.stderr.is_empty() && !ended.stderr.contains("panicked"), "{line}: {}", ended.stderr);
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let folder = folder();
    for command in [
        "netscript eval -q -r incident.pcap 'for i in 0..20 { capture().table() }'",
        "netscript eval -q --json -r incident.pcap 'for i in 0..20 { http_requests().table() }'",
        "netscript eval -q -r incident.pcap 'loop { print(\"again\") }'",
        "netscript run expired-token-hunt -q -r incident.pcap",
        "netscript eval -q -r incident.pcap -w - 'capture().count()'",
        "netscript help",
        "netscript list",
        "netscript help http_exchange",
        "netscript run --help",
        "netscript check expired-token-hunt expired-token-hunt",
    ] {
        for reader in ["head -1", "true"] {
            let ended = folder.shell(&format!("({command}) 2> errors | {reader}"));
            assert_eq!(ended.code, Some(0));
            let errors = String::from_utf8(folder.read("errors")).unwrap();
            // Results are on standard error where packets are on standard output.
            assert!(
                errors.is_empty() || command.contains("-w -") && errors == "344\n",
                "{command} | {reader}: {errors}"
            );
        }
    }
}

#[test]
fn colours_are_for_terminals_that_want_them() {
    let folder = folder();
    let hunt = "netscript run expired-token-hunt -q -r incident.pcap";
    // script(1) runs a command on a terminal.
    let on_terminal = |prefix: &str, option: &str| {
        let line = format!("script -qec \"{prefix} {hunt} {option}\" /dev/null");
        let ended = run(folder.command("sh").args(["-c", &line]).env("TERM", "xterm"));
        assert!(ended.stdout.contains("203.0.113.54 still sends"), "{}{}", ended.stdout, ended.stderr);
        ended.stdout.contains('\x1b')
    };
    assert!(on_terminal("", ""));
    assert!(!on_terminal("NO_COLOR=1", ""));
    assert!(on_terminal("NO_COLOR=", ""), "an empty NO_COLOR says nothing");
    assert!(on_terminal("NO_COLOR=1", "--color always"));
    assert!(!on_terminal("TERM=dumb", ""));
    assert!(!on_terminal("", "--color never"));
    let piped =
        |option: &str| run(folder.command(NETSCRIPT).args(hunt.split(' ').skip(1)).arg(option)).stdout.contains('\x1b');
    assert!(!piped("--color=auto"));
    assert!(piped("--color=always"));
}
