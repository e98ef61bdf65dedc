//! What a live capture writes down.

use super::wire::{Listening, Wire};
use super::{PACKETS, incident};
use crate::program::Folder;
use crate::support::{Netns, Running, connect, needs, succeed};

/// How many packets a file has, as tshark reads it, and from which interfaces they are.
fn packets(wire: &Wire, file: &str) -> (usize, Vec<String>) {
    let names = wire.folder.tool("tshark", ["-n", "-r", file, "-T", "fields", "-e", "frame.interface_name"]);
    let mut interfaces: Vec<_> = names.lines().map(str::to_owned).collect();
    let packets = interfaces.len();
    interfaces.sort();
    interfaces.dedup();
    (packets, interfaces)
}

#[test]
fn a_recording_names_the_interface_of_every_packet() {
    needs!("tcpreplay", "tshark");
    let wire = Wire::new();
    wire.add("eth1");
    let count = (2 * PACKETS).to_string();
    let options = ["eval", "-i", "eth0", "-i", "eth1", "-c", &count, "-w", "both.pcapng", "capture().count()"];
    let listening = wire.listen(&options);
    wire.send("eth0", &incident(), 1);
    wire.send("eth1", &incident(), 1);
    let ended = listening.ended();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(packets(&wire, "both.pcapng"), (2 * PACKETS as usize, vec!["eth0".into(), "eth1".into()]));
}

#[test]
fn a_recording_that_rotates_loses_nothing() {
    needs!("tcpreplay", "tshark");
    let wire = Wire::new();
    let times = 60;
    let count = (times * PACKETS).to_string();
    // Files of a million bytes each, as tcpdump counts.
    let options = ["eval", "-i", "eth0", "-c", &count, "-w", "part.pcapng", "-C", "1", "capture().count()"];
    let listening = wire.listen(&options);
    wire.send("eth0", &incident(), times);
    let ended = listening.ended();
    assert_eq!((ended.code, ended.stdout.trim()), (Some(0), &*count), "{}", ended.stderr);
    let files = wire.folder.shell("ls part*").stdout;
    assert!(files.lines().count() >= 4, "{files}");
    let total: usize = files.lines().map(|file| packets(&wire, file).0).sum();
    assert_eq!(total.to_string(), count, "{files}");
}

#[test]
fn interfaces_that_can_be_listened_on_are_listed() {
    needs!();
    let wire = Wire::new();
    wire.add("eth1");
    wire.far.ip("link set eth1 down");
    let listed = wire.far.netscript(&wire.folder, &["-D"]);
    assert_eq!(listed.code, Some(0), "{}", listed.stderr);
    let state = |name: &str| {
        let words = listed.stdout.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        words.filter(|words| words.contains(&name)).map(|words| words.contains(&"up")).collect::<Vec<_>>()
    };
    assert_eq!(state("eth0").first(), Some(&true), "{}", listed.stdout);
    assert_eq!(state("eth1").first(), Some(&false), "{}", listed.stdout);
}

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
