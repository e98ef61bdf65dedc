//! Two hosts and a wire between them, on which there is nothing but what a test sends.

use std::path::Path;
use std::process::Command;

use rustix::process::Signal;

use crate::program::{Ended, Folder};
use crate::support::{Netns, Running, succeed, until};

pub(super) struct Wire {
    near: Netns,
    /// Where netscript listens, on `eth0`.
    pub(super) far: Netns,
    pub(super) folder: Folder,
}

impl Wire {
    pub(super) fn new() -> Self {
        let wire = Self { near: Netns::new().without_ipv6(), far: Netns::new().without_ipv6(), folder: Folder::new() };
        wire.add("eth0");
        wire
    }

    /// Another interface, of that name at both ends. It takes packets of any length.
    pub(super) fn add(&self, name: &str) {
        self.near
            .ip(&format!("link add {name} mtu 65535 type veth peer name {name} mtu 65535 netns {}", self.far.name()));
        for end in [&self.near, &self.far] {
            end.ip(&format!("link set {name} up"));
        }
        let is_up = || self.far.ip(&format!("link show {name}")).contains("state UP").then_some(());
        until(&format!("{name} to be up"), is_up);
    }

    /// Sends the packets of a file that often, as fast as it goes.
    pub(super) fn send(&self, interface: &str, file: &Path, times: u32) {
        let times = times.to_string();
        let options = ["--quiet", "--topspeed", "--preload-pcap", "--loop", &times, "--intf1", interface];
        let sent = succeed(self.near.command("tcpreplay").args(options).arg(file));
        assert!(sent.contains("Failed packets:            0"), "{sent}");
    }

    /// netscript at the far end.
    pub(super) fn netscript(&self) -> Command {
        self.far.netscript_command(&self.folder)
    }

    /// Begins to listen at the far end.
    #[track_caller]
    pub(super) fn listen(&self, arguments: &[&str]) -> Listening {
        Listening::begin(self.netscript().args(arguments))
    }
}

/// netscript, listening.
pub(super) struct Listening {
    running: Running,
    /// What it says that it listens on.
    pub(super) banner: String,
}

impl Listening {
    #[track_caller]
    pub(super) fn begin(netscript: &mut Command) -> Self {
        let mut running = Running::spawn(netscript);
        let banner = running.says("listening on");
        Self { running, banner }
    }

    /// Waits until it says that.
    #[track_caller]
    pub(super) fn says(&mut self, text: &str) -> String {
        self.running.says(text)
    }

    /// Waits for its end.
    pub(super) fn ended(self) -> Ended {
        self.running.ended()
    }

    /// Presses Ctrl-C.
    pub(super) fn interrupted(self) -> Ended {
        self.running.signal(Signal::INT);
        self.running.ended()
    }

    /// Kills it, without a chance to clean up.
    pub(super) fn killed(self) {
        self.running.signal(Signal::KILL);
        self.running.ended();
    }
}
