//! TLS handshakes, against tshark and Zeek, and fingerprints that were published for the same clients.

use std::collections::BTreeSet;

use netscript::limits::Limits;
use netscript::protocol::tls::Handshakes;
use netscript::record::{Row, Value};

use crate::rows::{Difference, Differences, captures, cell_endpoint, cell_nanos, endpoint, nanos, rows, text};
use crate::truth;

fn handshakes(file: &str) -> Vec<Row> {
    rows(file, Handshakes::new(&Limits::default()))
}

/// A list with bars in between, as the tables write it.
fn barred(row: &Row, field: &str) -> String {
    match row.get(field) {
        Some(Value::List(items)) => items.iter().map(ToString::to_string).collect::<Vec<_>>().join("|"),
        other => panic!("{field} is {other:?}"),
    }
}

const CLIENT_HELLOS: &[Difference] = &[(
    "27-tls-split-client-hello.pcap 10.1.17.215:49927 time: 1000, not 0",
    1,
    "tshark gives the time of the segment that completes it, and here it begins in the one before",
)];

#[test]
fn client_hellos_are_those_of_tshark() {
    let mut differences = Differences::default();
    let table = truth("tls_sni.tsv");
    assert_eq!(table.len(), 13);
    for file in captures() {
        let mut ours = handshakes(&file);
        for theirs in table.iter().filter(|theirs| theirs["file"] == file) {
            let (client, server) = (cell_endpoint(theirs, "src", "sport"), cell_endpoint(theirs, "dst", "dport"));
            let place = format!("{file} {client}");
            let is_it = |row: &Row| (endpoint(row, "client"), endpoint(row, "server")) == (client, server);
            let Some(found) = ours.iter().position(is_it) else {
                differences.add(format!("{place}: only there"));
                continue;
            };
            let row = ours.swap_remove(found);
            differences.compare(&format!("{place} name"), &text(&row, "server_name"), &theirs["sni"]);
            differences.compare(&format!("{place} alpn"), &barred(&row, "alpn_offered"), &theirs["alpn"]);
            let later = cell_nanos(theirs, "time_epoch") - nanos(&row, "time");
            differences.compare(&format!("{place} time"), &later.to_string(), "0");
        }
        ours.iter().for_each(|row| differences.add(format!("{file} {}: only here", endpoint(row, "client"))));
    }
    differences.assert(CLIENT_HELLOS);
}

#[test]
fn what_servers_chose_is_what_zeek_says() {
    let mut differences = Differences::default();
    let table = truth("zeek_ssl.tsv");
    assert_eq!(table.len(), 24);
    let files: BTreeSet<_> = table.iter().map(|theirs| &theirs["file"]).collect();
    for file in files {
        let ours = handshakes(file);
        for theirs in table.iter().filter(|theirs| theirs["file"] == *file) {
            let client = cell_endpoint(theirs, "id.orig_h", "id.orig_p");
            let row = ours.iter().find(|row| endpoint(row, "client") == client).expect("Zeek lists it");
            assert_eq!(endpoint(row, "server"), cell_endpoint(theirs, "id.resp_h", "id.resp_p"));
            let version = theirs["version"].replace("TLSv1", "TLS 1.");
            let resumed = if theirs["resumed"] == "T" { "true" } else { "false" };
            let or_nothing = |cell: &str| theirs[cell].trim_matches('-').to_owned();
            for (field, theirs) in [
                ("version", version),
                ("cipher", theirs["cipher"].clone()),
                ("server_name", or_nothing("server_name")),
                ("alpn", or_nothing("next_protocol")),
                ("resumed", resumed.to_owned()),
                // All of these were established.
                ("complete", "true".to_owned()),
            ] {
                differences.compare(&format!("{file} {client} {field}"), &text(row, field), &theirs);
            }
        }
    }
    differences.assert(&[]);
}

#[test]
fn a_browser_has_the_fingerprint_that_is_published_for_it() {
    let row = &handshakes("27-tls-split-client-hello.pcap")[0];
    assert_eq!(text(row, "ja4"), "t13d1516h2_8daaf6152771_02713d6af862");
    assert_eq!([text(row, "version"), text(row, "flags")], ["TLS 1.3", "ech"]);
}
