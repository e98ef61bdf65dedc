//! Rules that one run learns, and others are held to.

use rustix::process::Signal;

use super::{Checked, Client};
use crate::program::run;
use crate::support::{Running, needs, until};

const BUILD: &str = "
    $REACH tcp 203.0.113.1 80
    $REACH udp 2001:db8:1::1 7
    curl -4 -so page http://www.example/
    getent ahostsv4 cdn.example >addresses";

#[test]
fn what_is_learned_is_allowed_and_only_what_is_new_is_found() {
    needs!("cc", "nft", "dnsmasq", "curl");
    let client = Client::new();
    client.check_with(&["--learn=egress.rules"], BUILD).is_clean();
    let rules = String::from_utf8(client.folder.read("egress.rules")).unwrap();
    let rules: Vec<_> = rules.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(
        rules,
        [
            "allow cidr 2001:db8:1::1 port 7/udp process reach",
            "allow cidr 203.0.113.1 port 80/tcp process reach",
            "allow host www.example port 80/tcp process curl",
            "allow query cdn.example",
        ]
    );
    client.check_with(&["--rules=egress.rules"], BUILD).is_clean();
    let more = "
        $REACH udp 203.0.113.2 7
        curl -so page http://203.0.113.4/
        getent ahostsv4 secret.example; true";
    client.check_with(&["--rules=egress.rules"], &[BUILD, more].concat()).found(&[
        "reach tried to reach 203.0.113.2 7/udp: sent",
        "curl reached 203.0.113.4 80/tcp: connected",
        "getent asked for the name secret.example (A): NXDOMAIN",
    ]);
}

#[test]
fn what_is_denied_is_found_though_it_is_inside_or_allowed() {
    needs!("cc", "nft", "dnsmasq");
    let parameters = ["--allow=203.0.113.0/24", "--deny=203.0.113.2,10.1.0.0/16"];
    let line = "for host in 203.0.113.1 203.0.113.2 10.1.0.1 192.168.7.1; do $REACH tcp $host 80; done";
    Client::new().check_with(&parameters, line).found(&[
        "reach reached 203.0.113.2 80/tcp: connected; the rules say: deny cidr 203.0.113.2 (deny[1])",
        "reach reached 10.1.0.1 80/tcp: connected; the rules say: deny cidr 10.1.0.0/16 (deny[2])",
    ]);
}

#[test]
fn rules_hold_for_a_capture_of_the_same_command() {
    needs!("cc", "nft", "dnsmasq", "curl", "tcpdump");
    let client = Client::new();
    client.folder.write("egress.rules", "allow host www.example port 80\nallow host *.example port 443\n");
    let mut tcpdump = client.host.command("tcpdump");
    tcpdump.args(["-i", "eth0", "-U", "--immediate-mode", "-w"]).arg(client.folder.path("build.pcap"));
    let mut tcpdump = Running::spawn(&mut tcpdump);
    tcpdump.says("listening on");
    // The datagram is answered by an error, and before the first of IPv6 neighbours are looked for.
    let line = "
        curl -4 -so page http://www.example/
        $REACH udp 203.0.113.2 9999
        $REACH udp 2001:db8:1::1 7
        $REACH tcp 203.0.113.2 81";
    let live = client.check_with(&["--rules=egress.rules"], line);
    live.found(&[
        "reach tried to reach 203.0.113.2 81/tcp: refused",
        "reach tried to reach 203.0.113.2 9999/udp: sent",
        "reach tried to reach 2001:db8:1::1 7/udp: sent",
    ]);
    // Its last packet, a reset, has arrived when the capture is as long as it gets.
    until("the reset", || {
        let capture =
            run(&mut client.netscript(&["eval", "-q", "-r", "build.pcap", "flows().sum_by(\"state\", \"resets\")"]));
        capture.stdout.contains("reset").then_some(())
    });
    tcpdump.signal(Signal::INT);
    tcpdump.ended();
    let mut check =
        client.netscript(&["run", "egress-check", "--json", "-r", "build.pcap", "--", "--rules=egress.rules"]);
    let captured = Checked::new(run(&mut check));
    captured.found(&[
        "192.0.2.253 tried to reach 203.0.113.2 81/tcp: refused",
        "192.0.2.253 tried to reach 203.0.113.2 9999/udp: sent",
        "2001:db8::1 tried to reach 2001:db8:1::1 7/udp: sent",
    ]);
}
