//! The ways in which a program can reach for somebody.

use serde_json::json;

use super::Client;
use crate::support::needs;

#[test]
fn tcp_is_found_whatever_comes_of_it() {
    needs!("cc", "nft", "dnsmasq", "curl");
    let checked = Client::new().check(
        "curl -so page http://203.0.113.1/
        $REACH tcp 203.0.113.2 81
        $REACH tcp 203.0.113.3 80
        $REACH tcp 192.0.2.9 80",
    );
    checked.found(&[
        "curl reached 203.0.113.1 80/tcp: connected",
        "reach tried to reach 203.0.113.2 81/tcp: refused",
        "reach tried to reach 203.0.113.3 80/tcp: no answer",
        "reach tried to reach 192.0.2.9 80/tcp: unreachable",
    ]);
}

#[test]
fn a_finding_says_who_it_was_and_what_went_over_the_wire() {
    needs!("cc", "nft", "dnsmasq", "curl");
    let client = Client::new();
    let checked = client.check("echo $$ >pid; curl -so page -H 'User-Agent: x' http://203.0.113.1/");
    let shell = String::from_utf8(client.folder.read("pid")).unwrap();
    checked.found(&["curl reached 203.0.113.1 80/tcp: connected"]);
    let evidence = checked.evidence("curl reached 203.0.113.1 80/tcp: connected");
    assert_eq!(evidence["command"], "curl -so page -H User-Agent: x http://203.0.113.1/");
    assert_eq!(evidence["parents"], json!([format!("sh ({})", shell.trim())]));
    let request = "GET / HTTP/1.1\r\nHost: 203.0.113.1\r\nAccept: */*\r\nUser-Agent: x\r\n\r\n";
    let page = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n";
    assert_eq!((&evidence["bytes_out"], &evidence["bytes_in"]), (&request.len().into(), &page.len().into()));
    assert_eq!(client.folder.read("page"), b"ok\n");
}

#[test]
fn udp_is_found_from_connected_and_unconnected_sockets() {
    needs!("cc", "nft", "dnsmasq");
    let checked = Client::new().check(
        "$REACH udp 203.0.113.1 7
        $REACH connected 203.0.113.2 7
        $REACH udp 2001:db8:1::1 7
        $REACH udp 192.0.2.9 7
        $REACH connected 192.0.2.10 7",
    );
    checked.found(&[
        "reach tried to reach 203.0.113.1 7/udp: sent",
        "reach tried to reach 203.0.113.2 7/udp: sent",
        "reach tried to reach 2001:db8:1::1 7/udp: sent",
        "reach tried to reach 192.0.2.9 7/udp: unreachable",
        "reach tried to reach 192.0.2.10 7/udp: unreachable",
    ]);
    // Whether a datagram arrived that nobody answers is not known.
    let got_through = ["203.0.113.1 7/udp: sent", "192.0.2.9 7/udp: unreachable"]
        .map(|what| &checked.evidence(&format!("reach tried to reach {what}"))["got_through"]);
    assert_eq!(got_through, [&json!(null), &json!(false)]);
}

#[test]
fn ipv6_is_found_as_ipv4_is() {
    needs!("cc", "nft", "dnsmasq");
    let checked = Client::new().check(
        "$REACH tcp 2001:db8:1::1 80
        $REACH tcp 2001:db8:1::2 81
        $REACH tcp 2001:db8:2::9 80
        $REACH tcp ::ffff:203.0.113.4 80",
    );
    checked.found(&[
        "reach reached 2001:db8:1::1 80/tcp: connected",
        "reach tried to reach 2001:db8:1::2 81/tcp: refused",
        "reach tried to reach 2001:db8:2::9 80/tcp: unreachable",
        "reach reached 203.0.113.4 80/tcp: connected",
    ]);
}

#[test]
fn pings_are_found() {
    needs!("cc", "nft", "dnsmasq", "ping");
    // Before it pings, ping asks for a way by means of a UDP socket, and it gives up where there is none.
    let checked = Client::new().check(
        "ping -qc1 203.0.113.1 >log
        ping -qc1 2001:db8:1::1 >log
        ping -qc1 192.0.2.9 2>log
        ping -qc1 2001:db8:2::9 2>log
        true",
    );
    checked.found(&[
        "ping reached 203.0.113.1 icmp: answered",
        "ping reached 2001:db8:1::1 icmp6: answered",
        "ping tried to reach 192.0.2.9 1025/udp: unreachable",
        "ping tried to reach 2001:db8:2::9 1025/udp: unreachable",
    ]);
}

#[test]
fn raw_sockets_are_found() {
    needs!("cc", "nft", "dnsmasq");
    let checked = Client::new().check("$REACH raw 203.0.113.1; $REACH raw 203.0.113.3; $REACH raw 192.0.2.9");
    checked.found(&[
        "reach reached 203.0.113.1 icmp: answered",
        "reach tried to reach 203.0.113.3 icmp: sent",
        "reach tried to reach 192.0.2.9 icmp: unreachable",
    ]);
}

#[test]
fn a_raw_socket_that_heard_of_somebody_before_it_sends_is_found_all_the_same() {
    needs!("cc", "nft", "dnsmasq", "ping", "python3");
    let script = r#"
import socket, subprocess
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
subprocess.run(["ping", "-c1", "203.0.113.6"], stdout=subprocess.DEVNULL)
raw.recv(100)
raw.sendto(bytes([8, 0, 0xf7, 0xff, 0, 0, 0, 0]), ("203.0.113.6", 0))
raw.recv(100)
"#;
    let client = Client::new();
    client.folder.write("listen.py", script);
    client
        .check("python3 listen.py")
        .found(&["ping reached 203.0.113.6 icmp: answered", "python3 reached 203.0.113.6 icmp: answered"]);
}

#[test]
fn packet_sockets_are_found_though_they_go_past_the_network_stack() {
    needs!("cc", "nft", "dnsmasq");
    let client = Client::new();
    let line = "$REACH packet 203.0.113.1; $REACH packet 192.0.2.9";
    client
        .check(line)
        .found(&["reach tried to reach 203.0.113.1 icmp: sent", "reach tried to reach 192.0.2.9 icmp: sent"]);
    let rows = client.attempts(line);
    let noticed: Vec<_> = rows.iter().map(|row| (&row["noticed"], &row["packets_out"])).collect();
    assert_eq!(noticed, vec![(&json!("packet-socket"), &json!(1)); 2]);
}

#[test]
fn io_uring_is_found_though_no_system_call_connects() {
    needs!("cc", "nft", "dnsmasq");
    let checked =
        Client::new().check("$REACH uring 203.0.113.1 80; $REACH uring 203.0.113.2 81; $REACH uring 192.0.2.9 80");
    checked.found(&[
        "reach reached 203.0.113.1 80/tcp: connected",
        "reach tried to reach 203.0.113.2 81/tcp: refused",
        "reach tried to reach 192.0.2.9 80/tcp: not sent",
    ]);
}

#[test]
fn what_a_firewall_of_this_host_stops_is_found_whether_it_says_so_or_not() {
    needs!("cc", "nft", "dnsmasq");
    let client = Client::new();
    let rules = "ip daddr 203.0.113.4 drop; ip daddr 203.0.113.5 meta l4proto tcp reject with tcp reset; \
                 ip daddr 203.0.113.6 reject with icmp type admin-prohibited;";
    client.host.nft(&format!("table inet f {{ chain o {{ type filter hook output priority 0; {rules} }}; }};"));
    let checked = client.check(
        "$REACH tcp 203.0.113.4 80
        $REACH udp 203.0.113.4 7
        $REACH raw 203.0.113.4
        $REACH tcp 203.0.113.5 80
        $REACH tcp 203.0.113.6 80
        $REACH udp 203.0.113.6 7",
    );
    checked.found(&[
        "reach tried to reach 203.0.113.4 80/tcp: dropped",
        "reach tried to reach 203.0.113.4 7/udp: dropped",
        "reach tried to reach 203.0.113.4 icmp: dropped",
        "reach tried to reach 203.0.113.5 80/tcp: dropped",
        "reach tried to reach 203.0.113.6 80/tcp: dropped",
        "reach tried to reach 203.0.113.6 7/udp: dropped",
    ]);
}
