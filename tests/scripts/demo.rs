//! The capture that ships with the project.

use std::path::{Path, PathBuf};

use crate::support::incident::incident;
use crate::support::program::Folder;
use crate::support::transcript::is_blessed;

fn committed() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("demo/incident.pcap")
}

#[test]
fn the_committed_capture_is_what_its_story_makes() {
    let made = incident().pcap();
    if is_blessed() {
        std::fs::write(committed(), &made).unwrap();
    }
    let committed = std::fs::read(committed()).unwrap();
    assert!(committed == made, "demo/incident.pcap differs; NETSCRIPT_BLESS=1 writes it anew");
}

#[test]
fn it_is_small_and_names_nobody() {
    let incident = incident();
    assert!((200..=400).contains(&incident.len()), "{} packets", incident.len());
    assert!(incident.pcap().len() < 150_000, "{} bytes", incident.pcap().len());
    // The ranges that RFC 5737 and RFC 3849 set aside for documentation.
    let documentation = ["192.0.2.", "198.51.100.", "203.0.113.", "2001:db8:"];
    let folder = Folder::with("incident.pcap", incident.pcap());
    let fields = "tshark -r incident.pcap -T fields -e ip.src -e ip.dst -e ipv6.src -e ipv6.dst -e http.x_forwarded_for 2>/dev/null";
    let addresses = folder.tool("sh", ["-c", &format!("{fields} | tr '\\t' '\\n' | tr -d ' ' | tr , '\\n' | sort -u")]);
    assert!(addresses.lines().count() > 8, "{addresses}");
    for address in addresses.lines().filter(|line| !line.is_empty()) {
        assert!(documentation.iter().any(|range| address.starts_with(range)), "{address}");
    }
}

#[test]
fn tshark_finds_nothing_wrong_with_it() {
    let folder = Folder::with("incident.pcap", incident().pcap());
    folder.write("incident.pcapng", incident().pcapng());
    for file in ["incident.pcap", "incident.pcapng"] {
        let checked = ["-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE"];
        let wrong = "ip.checksum.status == 0 || tcp.checksum.status == 0 || tcp.analysis.flags || _ws.expert.severity >= 6291456";
        let found = folder.tool("tshark", [&["-r", file][..], &checked, &["-Y", wrong]].concat());
        assert_eq!(found, "", "{file}");
        let all = folder.tool("tshark", ["-r", file, "-T", "fields", "-e", "frame.number"]);
        assert_eq!(all.lines().count(), incident().len());
    }
}
