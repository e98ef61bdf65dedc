//! The remote shell of whoever runs this: showing its packets would make more of them.

use std::net::IpAddr;
use std::{env, fs};

/// The variable that sshd gives its sessions: addresses and ports of client and server.
const VARIABLE: &str = "SSH_CONNECTION";

/// Parents to look at, at most: the shell, sudo, a multiplexer, …
const GENERATIONS: usize = 16;

/// A connection of SSH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteShell {
    client: (IpAddr, u16),
    server: (IpAddr, u16),
}

impl RemoteShell {
    /// The one that this process was started from, if it was. `sudo` takes the variable away, so parents are asked, too.
    #[must_use]
    pub fn own() -> Option<Self> {
        if let Ok(text) = env::var(VARIABLE) {
            return Self::parse(&text);
        }
        let mut pid = std::os::unix::process::parent_id();
        for _ in 0..GENERATIONS {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            let found = environment.split(|&byte| byte == 0).find_map(|variable| {
                let (name, value) = str::from_utf8(variable).ok()?.split_once('=')?;
                (name == VARIABLE).then(|| Self::parse(value)).flatten()
            });
            if found.is_some() {
                return found;
            }
            pid = parent(pid).filter(|&parent| parent > 1)?;
        }
        None
    }

    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_ascii_whitespace();
        let mut end = || {
            // Link-local addresses come with their interface.
            let address = words.next()?.split('%').next()?.parse::<IpAddr>().ok()?;
            Some((address.to_canonical(), words.next()?.parse().ok()?))
        };
        Some(Self { client: end()?, server: end()? })
    }

    /// A filter for its packets.
    #[must_use]
    pub fn filter(&self) -> String {
        let ((client, client_port), (server, server_port)) = (self.client, self.server);
        format!("(tcp and host {client} and host {server} and port {client_port} and port {server_port})")
    }
}

impl std::fmt::Display for RemoteShell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} port {}", self.client.0, self.client.1)
    }
}

fn parent(pid: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_told_by_addresses_and_ports() {
        let shell = RemoteShell::parse("192.0.2.7 50022 198.51.100.1 22").unwrap();
        assert_eq!(shell.filter(), "(tcp and host 192.0.2.7 and host 198.51.100.1 and port 50022 and port 22)");
        let shell = RemoteShell::parse("fe80::1%eth0 50022 ::ffff:198.51.100.1 2222").unwrap();
        assert_eq!(shell.client.0.to_string(), "fe80::1");
        assert_eq!(shell.server.0.to_string(), "198.51.100.1");
        for text in ["", "192.0.2.7", "a b c d", "192.0.2.7 99999 198.51.100.1 22"] {
            assert_eq!(RemoteShell::parse(text), None, "{text:?}");
        }
    }
}
