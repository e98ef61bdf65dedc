//! How a live capture ends, and what it leaves.

use super::wire::Wire;
use super::{PACKETS, incident};
use crate::support::needs;

const FOREVER: [&str; 3] = ["eval", "--duration", "forever"];

#[test]
fn an_interface_that_goes_down_ends_with_a_note_and_the_others_go_on() {
    needs!("tcpreplay");
    let wire = Wire::new();
    wire.add("eth1");
    let count = (2 * PACKETS).to_string();
    let arguments = ["-i", "eth0", "-i", "eth1", "-c", &count, "capture().count()"];
    let mut listening = wire.listen(&[&FOREVER[..], &arguments].concat());
    wire.send("eth0", &incident(), 1);
    wire.far.ip("link set eth0 down");
    listening.says("capturing on eth0 ended: it went down");
    wire.send("eth1", &incident(), 1);
    let ended = listening.ended();
    assert_eq!((ended.code, ended.stdout.trim()), (Some(3), &*count), "{}", ended.stderr);
}

#[test]
fn an_interface_that_is_deleted_ends_the_capture_with_a_note() {
    needs!("tcpreplay");
    let wire = Wire::new();
    let script = format!("let n = 0; for packet in capture() {{ n += 1; if n == {PACKETS} {{ debug(\"all\"); }} }} n");
    let mut listening = wire.listen(&[&FOREVER[..], &["-i", "eth0", &script]].concat());
    wire.send("eth0", &incident(), 1);
    // What it has not read yet goes with the interface.
    listening.says("all");
    wire.far.ip("link delete eth0");
    // Nobody stops it: there is nothing left to wait for. But it was to see more.
    let ended = listening.ended();
    assert_eq!((ended.code, ended.stdout.trim()), (Some(3), &*PACKETS.to_string()), "{}", ended.stderr);
    assert!(ended.stderr.contains("capturing on eth0 ended: "), "{}", ended.stderr);
}

#[test]
fn a_capture_ends_after_its_duration_and_summarises_where_nothing_was_seen() {
    needs!();
    let wire = Wire::new();
    let ended = wire.listen(&["eval", "-i", "eth0", "--duration", "300ms", "capture().count()"]).ended();
    assert_eq!((ended.code, ended.stdout.trim()), (Some(0), "0"), "{}", ended.stderr);
    assert!(ended.stderr.ends_with("0 packets captured, 0 received, 0 dropped\n"), "{}", ended.stderr);
}

#[test]
fn a_capture_that_is_killed_leaves_nothing_behind() {
    needs!();
    let wire = Wire::new();
    let promiscuity = || {
        let details = wire.far.ip("-details link show eth0");
        details.split("promiscuity ").nth(1).unwrap().split(' ').next().unwrap().to_owned()
    };
    // Every packet socket of the namespace, behind a line of titles.
    let sockets = || {
        let table = crate::support::succeed(wire.far.command("cat").arg("/proc/net/packet"));
        table.lines().count() - 1
    };
    let listening = wire.listen(&[&FOREVER[..], &["-i", "eth0", "capture().count()"]].concat());
    assert_eq!((promiscuity().as_str(), sockets()), ("1", 1));
    listening.killed();
    assert_eq!((promiscuity().as_str(), sockets()), ("0", 0));
    let polite = wire.listen(&[&FOREVER[..], &["-p", "-i", "eth0", "capture().count()"]].concat());
    assert_eq!((promiscuity().as_str(), sockets()), ("0", 1));
    polite.killed();
}
