//! Without hooks in the kernel: packets tell what they can, and a clean verdict is none.

use super::Client;
use crate::support::needs;

const MISSES: &str = "without hooks in the kernel (they were not asked for) only packets were seen: not what was stopped \
                      before it became one, nor what short processes and other network namespaces sent";

#[test]
fn packets_tell_of_whom_the_command_reached() {
    needs!("cc", "nft", "dnsmasq", "curl", "python3");
    let client = Client::new();
    // Somebody else on this host.
    let mut other = client.host.command("sh");
    let mut other = crate::support::Running::spawn(other.args([
        "-c",
        "echo begun >&2; while curl -so /dev/null http://203.0.113.4/; do read -t 0.02 x </dev/zero; done",
    ]));
    other.says("begun");
    let script = r#"
import socket, time
address = socket.gethostbyname("www.example")
s = socket.create_connection((address, 80))
# Long enough for lists of sockets, if it comes to that.
s.sendall(b"GET / HTTP/1.0\r\n\r\n")
while s.recv(4096): pass
"#;
    client.folder.write("fetch.py", script);
    let checked = client.check_with(&["--by=capture"], "python3 fetch.py");
    assert_eq!(
        checked.titles(),
        ["python3 reached www.example (203.0.113.1) 80/tcp: connected"],
        "{:?}",
        checked.ended
    );
    // Of the others, who come and go faster than they can be looked up, it is not certain; nobody is accused of them.
    assert_eq!((checked.ended.code, checked.concluded().1.contains(&MISSES)), (Some(1), true), "{:?}", checked.ended);
}

#[test]
fn what_never_became_a_packet_is_missed_and_that_is_said() {
    needs!("cc", "nft", "dnsmasq");
    let client = Client::new();
    for line in ["true", "$REACH tcp 192.0.2.9 80"] {
        let checked = client.check_with(&["--by=capture"], line);
        assert_eq!((checked.ended.code, checked.titles()), (Some(3), vec![]), "{:?}", checked.ended);
        assert_eq!(checked.concluded(), ("inconclusive", vec![MISSES]), "{line}");
    }
}

#[test]
fn unwatched_a_command_runs_only_if_somebody_says_so() {
    needs!("cc", "nft", "dnsmasq");
    let client = Client::new();
    let checked = client.check_with(&["--by=nothing"], "$REACH tcp 203.0.113.1 80; touch ran; exit 5");
    let unwatched = "nothing of what the command did was watched";
    let failed = "the command failed: exit code 5";
    assert_eq!((checked.ended.code, checked.concluded()), (Some(3), ("inconclusive", vec![unwatched, failed])));
    assert!(client.folder.has("ran"));
}
