//! Where packets come from: interfaces, namespaces, processes, containers.

use super::wire::{Listening, Wire};
use super::{PACKETS, incident};
use crate::program::Folder;
use crate::support::{Engine, Image, Netns, Rates, Running, connect, needs, slow_web_server, succeed};

#[test]
fn any_interface_means_all_of_them_and_tells_which() {
    needs!("tcpreplay");
    let wire = Wire::new();
    wire.add("eth1");
    let by_interface = "capture().count_by(\"interface\")";
    let count = (3 * PACKETS).to_string();
    let listening = wire.listen(&["eval", "--json", "-i", "any", "-c", &count, by_interface]);
    wire.send("eth0", &incident(), 1);
    wire.send("eth1", &incident(), 2);
    let ended = listening.ended();
    let expected = format!(
        "{{\"interface\":\"eth1\",\"count\":{}}}\n{{\"interface\":\"eth0\",\"count\":{PACKETS}}}\n",
        2 * PACKETS
    );
    assert_eq!(ended.stdout, expected, "{}", ended.stderr);
}

#[test]
fn a_namespace_is_captured_in_by_name_by_path_and_by_process() {
    needs!("tcpreplay", "busybox");
    let wire = Wire::new();
    let inhabitant = Running::spawn(wire.far.command("busybox").args(["sleep", "1000"]));
    let (elsewhere, count) = (Netns::new(), PACKETS.to_string());
    for place in [
        ["--netns", wire.far.name()],
        ["--netns", &wire.far.path()],
        ["--netns", &format!("/proc/{}/ns/net", inhabitant.pid())],
        ["--pid", &inhabitant.pid().to_string()],
    ] {
        let mut netscript = elsewhere.netscript_command(&wire.folder);
        netscript.args(["eval", "-i", "eth0", "-c", &count]).args(place).arg("capture().count()");
        let listening = Listening::begin(&mut netscript);
        wire.send("eth0", &incident(), 1);
        let ended = listening.ended();
        assert_eq!((ended.code, ended.stdout.trim()), (Some(0), &*count), "{place:?}: {}", ended.stderr);
    }
}

#[test]
fn a_script_captures_in_several_namespaces_at_once() {
    needs!("tcpreplay");
    let (one, other, elsewhere) = (Wire::new(), Wire::new(), Netns::new());
    let script = format!(
        r#"let from = |netns| capture("", #{{ netns: netns, packets: {PACKETS}, duration: "forever" }}).count();
           [from.call("{}"), from.call("{}"), capture("", #{{ netns: ["{}", "{}"], packets: {} }}).count()]"#,
        one.far.name(),
        other.far.name(),
        one.far.name(),
        other.far.name(),
        2 * PACKETS
    );
    let mut netscript = elsewhere.netscript_command(&one.folder);
    let mut listening = Listening::begin(netscript.args(["eval", "--json", &script]));
    one.send("eth0", &incident(), 1);
    listening.says("listening on");
    other.send("eth0", &incident(), 1);
    listening.says("listening on");
    one.send("eth0", &incident(), 1);
    other.send("eth0", &incident(), 1);
    let ended = listening.ended();
    let counts = [PACKETS, PACKETS, 2 * PACKETS].map(|count| format!("{{\"value\":{count}}}\n"));
    assert_eq!(ended.stdout, counts.concat(), "{}", ended.stderr);
}

#[test]
fn nothing_runs_in_a_container_that_is_captured_in() {
    needs!("dockerd", "docker", "iptables", "busybox");
    let (engine, folder) = (Engine::docker(), Folder::new());
    let rates = Rates::new();
    engine.network("shop");
    let options = ["--network", "shop"];
    let server = slow_web_server(&engine, "web", &options, 8000);
    rates.set("visitor", 50);
    let visitor =
        rates.sender(&engine, Image::Scratch, "visitor", &options, &format!("{}:8000", server.address("shop")));
    for name in ["visitor", &visitor.id(), &visitor.id()[..6]] {
        let only = "tcp[tcpflags] & tcp-syn != 0 and tcp[tcpflags] & tcp-ack == 0";
        let container = ["eval", "--json", "--container", name, "-f", only, "-c", "10", "capture()"];
        let ended = engine.netscript(&folder, &container);
        assert_eq!((ended.code, ended.stdout.lines().count()), (Some(0), 10), "{}", ended.stderr);
        assert!(ended.stdout.lines().all(|row| row.contains("\"interface\":\"visitor:eth0\"")), "{}", ended.stdout);
    }
}

#[test]
fn the_remote_shell_of_whoever_captures_is_left_out() {
    needs!("curl", "busybox");
    let (server, client, folder) = (Netns::new().without_ipv6(), Netns::new().without_ipv6(), Folder::new());
    connect((&server, "eth0", "192.0.2.1/24"), (&client, "eth0", "192.0.2.7/24"));
    let mut shell = Running::spawn(server.command("busybox").args(["httpd", "-f", "-p", "22"]));
    shell.listens(22);
    let by_client_port = "flows().sort_by(\"client_port\").map(|f| f.client_port)";
    let mut netscript = server.netscript_command(&folder);
    netscript.env("SSH_CONNECTION", "192.0.2.7 50022 192.0.2.1 22");
    let listening =
        Listening::begin(netscript.args(["eval", "--json", "-i", "eth0", "--duration", "forever", by_client_port]));
    assert!(
        listening.banner.ends_with("; without the SSH connection from 192.0.2.7 port 50022"),
        "{}",
        listening.banner
    );
    for port in ["50021", "50022", "50023"] {
        succeed(client.command("curl").args(["-s", "--local-port", port, "http://192.0.2.1:22/"]));
    }
    let ended = listening.interrupted();
    assert_eq!(ended.stdout, "{\"value\":50021}\n{\"value\":50023}\n", "{}", ended.stderr);
}
