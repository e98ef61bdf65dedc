//! Network namespaces and the cables between them.

use std::process::{Command, id};
use std::sync::atomic::{AtomicU32, Ordering};

use super::leash::Leash;
use super::{succeed, tool};
use crate::program::{Ended, Folder, NETSCRIPT, run};

/// A network namespace of its own, its loopback interface up, without a way out. At the end it is deleted, and what
/// still runs inside is killed.
pub(crate) struct Netns {
    name: String,
    _leash: Leash,
}

/// The last of a namespace.
const END: &str = "for pid in $($IP netns pids $NAME); do kill -9 $pid; done; $IP netns del $NAME";

impl Netns {
    pub(crate) fn new() -> Self {
        Self::housing("", "", &[])
    }

    /// One in which something lives that shell begins and, before the namespace goes, ends. It knows the namespace as
    /// `$NAME`.
    pub(super) fn housing(begin: &str, end: &str, variables: &[(&str, &str)]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("nslab-{}-{}", id(), COUNT.fetch_add(1, Ordering::Relaxed));
        succeed(Command::new(tool("ip")).args(["netns", "add", &name]));
        let ip = tool("ip");
        succeed(Command::new(tool("ip")).args(["-n", &name, "link", "set", "lo", "up"]));
        let end = format!("{end}\n{END}");
        let variables = [variables, &[("IP", &ip), ("NAME", &name)]].concat();
        Self { _leash: Leash::new(begin, &end, &variables), name }
    }

    /// Turns IPv6 off: its interfaces send nothing by themselves.
    pub(crate) fn without_ipv6(self) -> Self {
        let off = "for name in all default; do echo 1 >/proc/sys/net/ipv6/conf/$name/disable_ipv6; done";
        succeed(self.command("sh").args(["-c", off]));
        self
    }

    /// What `ip netns` calls it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// What `nsenter --net` takes.
    pub(crate) fn path(&self) -> String {
        format!("/run/netns/{}", self.name)
    }

    /// Runs `ip` inside with arguments without spaces in them, and gives what it prints.
    #[track_caller]
    pub(crate) fn ip(&self, arguments: &str) -> String {
        succeed(Command::new(tool("ip")).args(["-n", &self.name]).args(arguments.split_whitespace()))
    }

    /// Applies rules of nft(8).
    #[track_caller]
    pub(crate) fn nft(&self, rules: &str) {
        succeed(self.command("nft").arg(rules));
    }

    /// A program to be run inside.
    pub(crate) fn command(&self, program: &str) -> Command {
        self.inside(Command::new(tool("nsenter")), &tool(program))
    }

    /// Runs netscript inside, in that folder, and without any of the environment.
    pub(crate) fn netscript(&self, folder: &Folder, arguments: &[&str]) -> Ended {
        run(self.netscript_command(folder).args(arguments))
    }

    /// netscript, to be run inside.
    pub(crate) fn netscript_command(&self, folder: &Folder) -> Command {
        self.inside(folder.command(tool("nsenter")), NETSCRIPT)
    }

    // Not `ip netns exec`, which hides /sys/fs/cgroup.
    pub(super) fn inside(&self, mut nsenter: Command, program: &str) -> Command {
        nsenter.arg(format!("--net={}", self.path())).args(["--", program]);
        nsenter
    }
}

/// Connects two namespaces with a pair of virtual interfaces, each `(namespace, interface, address/prefix)`, and brings
/// both up.
#[track_caller]
pub(crate) fn connect(one: (&Netns, &str, &str), other: (&Netns, &str, &str)) {
    let peer = format!("peer name {} netns {}", other.1, other.0.name);
    one.0.ip(&format!("link add {} type veth {peer}", one.1));
    for (netns, interface, address) in [one, other] {
        // Without duplicate address detection, which takes a second or two.
        let nodad = if address.contains(':') { "nodad" } else { "" };
        netns.ip(&format!("address add {address} dev {interface} {nodad}"));
        netns.ip(&format!("link set {interface} up"));
    }
}
