//! Programs that might escape whoever watches them.

use super::{Client, text};
use crate::support::{Group, Netns, needs, reach, tool};

#[test]
fn the_first_thing_that_a_program_does_is_seen() {
    needs!("cc", "nft", "dnsmasq");
    let client = Client::new();
    let checked = client.check_command(&[], &[reach(), "tcp", "203.0.113.1", "80"]);
    checked.found(&["reach reached 203.0.113.1 80/tcp: connected"]);
    let parents = &checked.evidence("reach reached 203.0.113.1 80/tcp: connected")["parents"];
    assert_eq!(*parents, serde_json::json!([]));
}

#[test]
fn a_daemon_is_known_with_those_it_descends_from_after_they_have_gone() {
    needs!("cc", "nft", "dnsmasq");
    let checked = Client::new().check("$REACH daemon 203.0.113.1 80; true");
    checked.found(&["reach reached 203.0.113.1 80/tcp: connected"]);
    let parents = &checked.evidence("reach reached 203.0.113.1 80/tcp: connected")["parents"];
    let parents = parents.as_array().unwrap().iter().map(text);
    let names: Vec<_> = parents.map(|parent| parent.split_once(' ').unwrap().0).collect();
    assert_eq!(names, ["reach", "reach", "sh"]);
}

#[test]
fn a_session_of_its_own_hides_nobody() {
    needs!("cc", "nft", "dnsmasq");
    let checked = Client::new().check(
        "setsid --fork $REACH tcp 203.0.113.1 80
        nohup $REACH tcp 203.0.113.2 80 >log 2>&1 &
        exit 0",
    );
    checked.found(&["reach reached 203.0.113.1 80/tcp: connected", "reach reached 203.0.113.2 80/tcp: connected"]);
}

#[test]
fn another_control_group_hides_nobody() {
    needs!("cc", "nft", "dnsmasq");
    let (client, group) = (Client::new(), Group::new());
    let line = format!(
        "echo 0 >{}/cgroup.procs
        cat /proc/self/cgroup >group
        $REACH tcp 203.0.113.1 80
        $REACH udp 203.0.113.1 7
        $REACH raw 203.0.113.1",
        group.path().display()
    );
    client.check(&line).found(&[
        "reach reached 203.0.113.1 80/tcp: connected",
        "reach tried to reach 203.0.113.1 7/udp: sent",
        "reach reached 203.0.113.1 icmp: answered",
    ]);
    let left = String::from_utf8(client.folder.read("group")).unwrap();
    assert!(left.lines().any(|line| line == format!("0::/{}", group.name())), "{left}");
}

#[test]
fn another_network_namespace_hides_nobody() {
    needs!("cc", "nft", "dnsmasq");
    let (client, other) = (Client::new(), Netns::new());
    let line = format!(
        "unshare --net $REACH tcp 203.0.113.1 80
        unshare --net $REACH udp 203.0.113.1 7
        nsenter --net={} $REACH tcp 203.0.113.2 80",
        other.path()
    );
    client.check(&line).found(&[
        "reach tried to reach 203.0.113.1 80/tcp: unreachable",
        "reach tried to reach 203.0.113.1 7/udp: unreachable",
        "reach tried to reach 203.0.113.2 80/tcp: unreachable",
    ]);
}

#[test]
fn another_user_hides_nobody() {
    needs!("cc", "nft", "dnsmasq", "setpriv", "curl");
    let client = Client::new();
    let line = format!(
        "{} --reuid=65534 --regid=65534 --clear-groups {} -so page http://203.0.113.1/; true",
        tool("setpriv"),
        tool("curl")
    );
    client.check(&line).found(&["curl reached 203.0.113.1 80/tcp: connected"]);
}
