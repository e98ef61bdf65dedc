//! What rules do not allow is refused in the kernel, and what they allow goes through.

use super::Client;
use crate::support::needs;

#[test]
fn what_no_rule_allows_is_refused_however_it_is_tried() {
    needs!("cc", "nft", "dnsmasq", "curl", "ping");
    let client = Client::new();
    let checked = client.check_with(
        &["--enforce"],
        "$REACH tcp 203.0.113.1 80
        $REACH uring 203.0.113.1 81
        $REACH udp 203.0.113.1 7
        $REACH connected 203.0.113.1 8
        $REACH raw 203.0.113.1
        $REACH tcp 2001:db8:1::1 80
        curl -s http://203.0.113.1/ || echo refused >told
        $REACH tcp 10.1.0.1 80
        $REACH udp 127.0.0.1 7",
    );
    checked.found(&[
        "reach tried to reach 203.0.113.1 80/tcp: blocked",
        "reach tried to reach 203.0.113.1 81/tcp: blocked",
        "reach tried to reach 203.0.113.1 7/udp: blocked",
        "reach tried to reach 203.0.113.1 8/udp: blocked",
        "reach tried to reach 203.0.113.1 icmp: blocked",
        "reach tried to reach 2001:db8:1::1 80/tcp: blocked",
        "curl tried to reach 203.0.113.1 80/tcp: blocked",
    ]);
    assert_eq!(client.folder.read("told"), b"refused\n");
    // Nothing of it left.
    for title in ["reach tried to reach 203.0.113.1 7/udp: blocked", "reach tried to reach 203.0.113.1 icmp: blocked"] {
        assert_eq!(checked.evidence(title)["bytes_out"], 0);
    }
}

#[test]
fn who_asks_for_an_allowed_name_may_connect_at_once_again_and_again() {
    needs!("cc", "nft", "dnsmasq", "curl");
    let client = Client::new();
    // The first connection follows its answer without a moment between.
    for _ in 0..20 {
        client
            .check_with(&["--enforce", "--allow=*.example:80/tcp"], "curl -4 -so page http://www.example/")
            .is_clean();
    }
    // By the address alone, or at another port, it may not.
    client
        .check_with(
            &["--enforce", "--allow=*.example:80/tcp"],
            "$REACH tcp 203.0.113.1 80; curl -4 -so page http://www.example/; $REACH tcp 203.0.113.1 81",
        )
        .found(&[
            "reach tried to reach 203.0.113.1 80/tcp: blocked",
            "reach tried to reach www.example (203.0.113.1) 81/tcp: blocked",
        ]);
}

#[test]
fn rules_are_for_the_processes_and_ports_that_they_name() {
    needs!("cc", "nft", "dnsmasq", "curl");
    let client = Client::new();
    client.folder.write(
        "egress.rules",
        "allow cidr 203.0.113.0/24 port 80/tcp process cur*\ndeny cidr 203.0.113.2\nallow cidr 203.0.113.0/24 protocol udp\n",
    );
    client
        .check_with(
            &["--enforce", "--rules=egress.rules"],
            "curl -so page http://203.0.113.1/; $REACH tcp 203.0.113.1 80; $REACH udp 203.0.113.1 7; $REACH udp 203.0.113.2 7",
        )
        .found(&[
            "reach tried to reach 203.0.113.1 80/tcp: blocked",
            "reach tried to reach 203.0.113.2 7/udp: blocked, which is denied: deny cidr 203.0.113.2 (egress.rules:2)",
        ]);
}

#[test]
fn to_look_up_ones_own_address_is_no_attempt_though_it_connects() {
    needs!("cc", "nft", "dnsmasq", "python3");
    // As libraries do that sort addresses: a datagram socket is connected, and never used.
    let ask = r#"python3 -c 'import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect(("203.0.113.1", 80))
print(s.getsockname()[0])' >own"#;
    let client = Client::new();
    client.check_with(&["--enforce"], ask).is_clean();
    client.check(ask).is_clean();
    assert!(!client.folder.read("own").is_empty());
}

#[test]
fn a_rule_that_the_kernel_cannot_hold_is_a_mistake_before_anything_runs() {
    needs!("cc", "nft", "dnsmasq");
    let client = Client::new();
    client.folder.write("egress.rules", "\nallow container web\n");
    let checked = client.check_with(&["--enforce", "--rules=egress.rules"], "touch ran");
    let why =
        "egress.rules:2 cannot be enforced: the kernel does not know the names of containers: allow container web";
    assert_eq!((checked.ended.code, checked.concluded()), (Some(2), ("error", vec![why])));
    assert!(!client.folder.has("ran"));
}
