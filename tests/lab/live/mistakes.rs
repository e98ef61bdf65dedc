//! What is wrong with a request to listen, and what is said of it.

use super::wire::Wire;
use crate::support::{Running, needs};

#[test]
fn what_is_not_there_is_told_with_the_nearest_name() {
    needs!("busybox");
    let wire = Wire::new();
    let (far, inhabitant) =
        (wire.far.name(), Running::spawn(wire.far.command("busybox").args(["sleep", "1000"])).pid().to_string());
    let misspelt = &*format!("{far}x");
    for (arguments, code, said) in [
        (&["-i", "eht0"][..], 2, "there is no interface `eht0`; did you mean `eth0`?"),
        (&["--netns", misspelt], 2, &format!("there is no network namespace `{misspelt}`; did you mean `")),
        (&["--netns", "/etc/passwd"], 2, "open the network namespace /etc/passwd: it is not a network namespace"),
        (&["--container", "no-such-thing"], 2, "there is no container `no-such-thing`"),
        (&["--pid", "4194305"], 2, "there is no process `4194305`"),
        (&["-i", "eth0", "-r", "a.pcap"], 2, "cannot be used with"),
        (&["-i", "eth0", "-f", "tcp prot 80"], 2, "filter `tcp prot 80`: can't parse filter expression: syntax error"),
        (&["-i", "lo", "-C", "1"], 2, "--write"),
        (&["-i", "eth0", "-w", "no/such/folder.pcapng"], 2, "cannot write `no/such/folder.pcapng`"),
    ] {
        let ended = wire.far.netscript(&wire.folder, &[&["eval"], arguments, &["capture().count()"]].concat());
        assert!(ended.stderr.contains(said), "{arguments:?}: {}", ended.stderr);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(code), ""), "{arguments:?}: {}", ended.stderr);
    }
    drop(inhabitant);
}

#[test]
fn an_interface_that_is_down_is_told_with_what_brings_it_up() {
    needs!();
    let wire = Wire::new();
    wire.far.ip("link set eth0 down");
    let ended = wire.far.netscript(&wire.folder, &["eval", "-i", "eth0", "capture().count()"]);
    assert!(ended.stderr.contains("cannot capture on eth0: it is down; bring it up with: ip link set eth0 up"));
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
}

#[test]
fn a_script_that_listens_does_not_read_the_file_of_the_run() {
    needs!();
    let wire = Wire::new();
    let capture = super::incident();
    let arguments = ["eval", "-r", capture.to_str().unwrap(), "capture(\"\", #{ interface: \"eth0\" }).count()"];
    let ended = wire.far.netscript(&wire.folder, &arguments);
    assert!(ended.stderr.contains("capture() names what to listen on, but this run reads a file"), "{}", ended.stderr);
    assert_eq!(ended.code, Some(2));
}
