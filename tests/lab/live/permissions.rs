//! What a user may do.

use std::path::Path;
use std::process::Command;

use super::wire::{Listening, Wire};
use super::{PACKETS, incident};
use crate::program::{NETSCRIPT, run};
use crate::support::{needs, succeed, tool};

/// netscript at the far end, for a user without any privilege.
fn as_nobody(wire: &Wire, program: &Path) -> Command {
    let mut command = wire.far.command("setpriv");
    command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"]).arg(program).current_dir("/");
    command
}

#[test]
fn without_the_capability_the_line_that_gives_it_is_named() {
    needs!("setpriv", "setcap", "tcpreplay");
    let wire = Wire::new();
    wire.folder.make_public();
    let copy = wire.folder.path("netscript");
    std::fs::copy(NETSCRIPT, &copy).unwrap();
    let options = ["eval", "-i", "eth0", "-c", &PACKETS.to_string(), "capture().count()"];
    let refused = run(as_nobody(&wire, &copy).args(options));
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(3), ""));
    let (message, remedy) = refused.stderr.split_once("; run as root, or once: ").expect(&refused.stderr);
    assert!(message.ends_with("no permission to capture on eth0: this needs CAP_NET_RAW"), "{message}");

    // The line is good as it stands.
    let (program, arguments) = remedy.lines().next().unwrap().split_once(' ').unwrap();
    succeed(Command::new(tool(program)).args(arguments.split(' ')));
    let listening = Listening::begin(as_nobody(&wire, &copy).args(options));
    wire.send("eth0", &incident(), 1);
    let ended = listening.ended();
    assert_eq!((ended.code, ended.stdout.trim()), (Some(0), &*PACKETS.to_string()), "{}", ended.stderr);
}
