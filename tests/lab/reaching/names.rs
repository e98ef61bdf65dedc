//! Names: who asks for them, and which address goes by which.

use std::process::Command;

use serde_json::json;

use super::Client;
use crate::support::{Running, needs, succeed, tool};

#[test]
fn to_ask_for_a_name_is_found_with_who_asked() {
    needs!("cc", "nft", "dnsmasq", "python3");
    let checked = Client::new().check("python3 -c 'import socket; socket.gethostbyname(\"www.example\")'");
    checked.found(&["python3 asked for the name www.example (A): NOERROR"]);
    let finding = checked.records("finding")[0];
    assert_eq!((&finding["id"], &finding["subject"]), (&json!("egress-query"), &json!("www.example")));
    assert_eq!(finding["evidence"][0]["server"], "203.0.113.53");
}

#[test]
fn a_name_that_does_not_exist_is_found_all_the_same() {
    needs!("cc", "nft", "dnsmasq");
    let checked = Client::new().check("getent ahostsv4 secret.tunnel.example; true");
    checked.found(&["getent asked for the name secret.tunnel.example (A): NXDOMAIN"]);
}

#[test]
fn to_ask_over_tcp_is_found() {
    needs!("cc", "nft", "dnsmasq");
    let client = Client::new();
    // Has the C library ask over TCP.
    let checked = client.check("RES_OPTIONS=use-vc getent ahostsv4 www.example >addresses");
    checked.found(&["getent asked for the name www.example (A): NOERROR"]);
    let rows = client.attempts("RES_OPTIONS=use-vc getent ahostsv4 www.example >addresses");
    let ways: Vec<_> =
        rows.iter().map(|row| (&row["protocol"], &row["address"], &row["port"], &row["result"])).collect();
    assert_eq!(ways, [(&json!("tcp"), &json!("203.0.113.53"), &json!(53), &json!("connected"))]);
}

#[test]
fn a_connection_goes_by_the_name_that_was_asked_for_and_its_alias() {
    needs!("cc", "nft", "dnsmasq", "curl");
    let rows = Client::new().attempts("curl -4 -so page http://www.example/; curl -6 -so page http://www.example/");
    let of = |address: &str| rows.iter().filter(|row| row["address"] == address).collect::<Vec<_>>();
    for address in ["203.0.113.1", "2001:db8:1::1"] {
        let [row] = of(address)[..] else { panic!("{rows:?}") };
        assert_eq!((&row["name"], &row["names"]), (&json!("www.example"), &json!(["www.example", "cdn.example"])));
        assert_eq!((&row["process"], &row["port"], &row["result"]), (&json!("curl"), &json!(80), &json!("connected")));
    }
}

#[test]
fn one_finding_tells_of_a_name_and_of_the_connection_to_it() {
    needs!("cc", "nft", "dnsmasq", "curl");
    let checked = Client::new().check("curl -4 -so page http://www.example/");
    checked.found(&["curl reached www.example (203.0.113.1) 80/tcp: connected"]);
}

#[test]
fn the_name_that_tls_asks_for_is_known() {
    needs!("cc", "nft", "dnsmasq", "curl", "openssl");
    let client = Client::new();
    let (key, certificate) = (client.folder.path("key"), client.folder.path("certificate"));
    let mut request = Command::new(tool("openssl"));
    request.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"]);
    request.args(["-subj", "/CN=www.example", "-batch", "-keyout"]).arg(&key).arg("-out").arg(&certificate);
    succeed(&mut request);
    let mut server = client.internet.command("openssl");
    server.args(["s_server", "-quiet", "-www", "-accept", "443", "-key"]).arg(&key).arg("-cert").arg(&certificate);
    let mut server = Running::spawn(&mut server);
    server.listens(443);
    let checked = client.check(
        "curl -4 -kso page https://www.example/
        curl -kso page --resolve hidden.example:443:203.0.113.2 https://hidden.example/",
    );
    checked.found(&[
        "curl reached www.example (203.0.113.1) 443/tcp: connected",
        "curl reached hidden.example (203.0.113.2) 443/tcp: connected",
    ]);
    let named = |title| &checked.evidence(title)["server_names"];
    assert_eq!(*named("curl reached www.example (203.0.113.1) 443/tcp: connected"), json!(["www.example"]));
    assert_eq!(*named("curl reached hidden.example (203.0.113.2) 443/tcp: connected"), json!(["hidden.example"]));
}

#[test]
fn a_name_is_allowed_at_whatever_address_it_is_now_and_only_to_those_who_asked_for_it() {
    needs!("cc", "nft", "dnsmasq", "curl");
    let client = Client::new();
    // Each time the name server gives another address.
    let line = format!(
        "for i in 11 12 13 14; do
            echo 203.0.113.$i moving.example >{hosts}
            kill -HUP {resolver}
            until getent ahostsv4 moving.example | grep -q '^203.0.113.'$i' '; do :; done
            curl -so page -w '%{{remote_ip}}\\n' http://moving.example/ >>addresses || exit 9
        done
        $REACH tcp 203.0.113.15 80",
        hosts = client.internet.hosts(),
        resolver = client.internet.resolver(),
    );
    let checked = client.check_with(&["--allow=*.example:80"], &line);
    checked.found(&["reach reached 203.0.113.15 80/tcp: connected"]);
    assert_eq!(client.folder.read("addresses"), b"203.0.113.11\n203.0.113.12\n203.0.113.13\n203.0.113.14\n");
    let allowed = checked.lines.iter().find(|line| line["record"] == "count").unwrap();
    assert_eq!((&allowed["destination"], &allowed["service"]), (&json!("moving.example"), &json!("80/tcp")));
    assert_eq!((&allowed["who"], &allowed["count"]), (&json!("curl"), &json!(4)));
}
