//! What is written while packets are captured.

use super::wire::{Listening, Wire};
use super::{PACKETS, incident};
use crate::program::Folder;
use crate::support::{Netns, Running, connect, needs, succeed};

#[test]
fn recorded_packets_say_where_they_were_captured_and_whose_they_are() {
    needs!("curl", "busybox", "tshark");
    let (server, client, folder) = (Netns::new().without_ipv6(), Netns::new().without_ipv6(), Folder::new());
    connect((&server, "eth0", "192.0.2.1/24"), (&client, "eth0", "192.0.2.7/24"));
    let mut web = Running::spawn(server.command("busybox").args(["httpd", "-f", "-p", "8000"]));
    web.listens(8000);
    // From a third namespace, for which both are somewhere else.
    let host = Netns::new();
    let mut netscript = host.netscript_command(&folder);
    let place = ["--netns", server.name(), "-i", "eth0", "--duration", "forever", "-w", "seen.pcapng"];
    let listening = Listening::begin(netscript.arg("eval").args(place).arg("capture(\"tcp\").count()"));
    succeed(client.command("curl").args(["-s", "http://192.0.2.1:8000/"]));
    let ended = listening.interrupted();
    let fields = ["-r", "seen.pcapng", "-T", "fields", "-e", "frame.interface_name", "-e", "frame.comment"];
    let seen = folder.tool("tshark", fields);
    assert_eq!(seen.lines().count().to_string(), ended.stdout.trim(), "{}", ended.stderr);
    let last = seen.lines().last().unwrap();
    let (client_is, server_is) = (format!("in {}", client.name()), format!("in {}", server.name()));
    assert!(last.starts_with(&format!("{}:eth0\tclient curl[", server.name())), "{seen}");
    assert!(last.contains(&client_is) && last.contains("server busybox[") && last.ends_with(&server_is), "{seen}");
}

#[test]
fn files_turn_while_packets_are_captured_and_none_is_lost_between_them() {
    needs!("tcpreplay");
    let wire = Wire::new();
    let count = (40 * PACKETS).to_string();
    let arguments = ["eval", "-i", "eth0", "-c", &count, "-w", "part.pcap", "-C", "1", "capture().count()"];
    let listening = wire.listen(&arguments);
    wire.send("eth0", &incident(), 40);
    assert_eq!(listening.ended().stdout.trim(), count);
    let parts = ["part.pcap", "part.pcap1", "part.pcap2"];
    let held = parts.map(|part| {
        assert!(wire.folder.path(part).metadata().unwrap().len() < 1_100_000, "{part}");
        let counted = wire.folder.netscript(["eval", "-q", "-r", part, "capture().count()"]).stdout;
        counted.trim().parse::<u32>().unwrap()
    });
    assert_eq!(held.iter().sum::<u32>(), 40 * PACKETS);
    assert!(!wire.folder.has("part.pcap3"));
}
