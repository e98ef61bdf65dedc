//! Sockets of others, whom nobody takes a port away from.

use std::collections::HashSet;
use std::io;
use std::net::IpAddr;

use super::socket::cannot_listen;
use super::table::Protocol;
use crate::host::{HostError, Namespace, Process, Socket, SocketOwners, SocketReader, Which};
use crate::proxy::config::{App, Ports};
use crate::proxy::error::ProxyError;

/// What waits for others in this network namespace, and is not of this proxy.
#[derive(Debug, Default)]
pub(super) struct Others(Vec<Socket>);

impl Others {
    /// Looks at them; `own` are the cookies of the sockets of the proxy.
    pub(super) fn read(namespace: &Namespace, own: &HashSet<u64>) -> Result<Self, HostError> {
        let mut sockets = Vec::new();
        SocketReader::open(namespace)?.read(Which::Listening, &mut sockets)?;
        sockets.retain(|socket| !own.contains(&socket.cookie));
        // Those that answer for an app by UDP are its own, too.
        if sockets.iter().any(|socket| protocol(socket) == Protocol::Udp) {
            let inodes = inodes_of_this_process();
            sockets.retain(|socket| protocol(socket) == Protocol::Tcp || !inodes.contains(&socket.inode));
        }
        Ok(Self(sockets))
    }

    /// Refuses a port that an app names and that another one has, unless it was that of an app already: the other one came
    /// later then, and got nothing so far.
    pub(super) fn let_have(
        &self,
        apps: &[App],
        was: impl Fn(Protocol, Option<IpAddr>, u16) -> bool,
    ) -> Result<(), ProxyError> {
        for app in apps {
            for ports in app.ports.iter().filter(|ports| !ports.is_all()) {
                for socket in self.within(app, ports) {
                    let Some(place) = shared(socket, ports.address) else { continue };
                    let port = socket.local.port();
                    if !was(protocol(socket), place, port) {
                        let port = Ports { first: port, last: port, ..*ports };
                        return Err(cannot_listen(&app.name, port, in_use(socket)));
                    }
                }
            }
        }
        Ok(())
    }

    /// The ports that others have where an app has all.
    pub(super) fn among_all(&self, app: &App) -> Vec<(Protocol, Option<IpAddr>, u16)> {
        let all = app.ports.iter().filter(|ports| ports.is_all());
        all.flat_map(|ports| {
            let place = |socket| Some((protocol(socket), shared(socket, ports.address)?, socket.local.port()));
            self.within(app, ports).filter_map(place)
        })
        .collect()
    }

    /// Those with one of these ports, of a protocol that the app takes.
    fn within<'a>(&'a self, app: &'a App, ports: &'a Ports) -> impl Iterator<Item = &'a Socket> {
        self.0.iter().filter(|socket| {
            let takes = if protocol(socket) == Protocol::Tcp { app.tcp } else { app.udp };
            takes && (ports.first..=ports.last).contains(&socket.local.port())
        })
    }
}

fn protocol(socket: &Socket) -> Protocol {
    if socket.protocol == Protocol::Tcp.number() { Protocol::Tcp } else { Protocol::Udp }
}

/// The addresses that both have, a socket and an app (none: every address of the host): one, or every one.
fn shared(socket: &Socket, app: Option<IpAddr>) -> Option<Option<IpAddr>> {
    let local = socket.local.ip();
    match app.map(|address| address.to_canonical()) {
        None if local.is_unspecified() => Some(None),
        None => Some(Some(local)),
        Some(address) => {
            let has_every = local.is_unspecified()
                && (local.is_ipv6() == address.is_ipv6() || local.is_ipv6() && !socket.ipv6_only);
            (has_every || local == address).then_some(Some(address))
        }
    }
}

fn in_use(socket: &Socket) -> io::Error {
    let owner = SocketOwners::read().ok().and_then(|owners| owners.of(socket.inode).next());
    let process = owner.and_then(|pid| Process::read(pid, false));
    let who = process
        .map_or_else(|| "another process".to_owned(), |process| format!("{} (process {})", process.name, process.pid));
    io::Error::new(io::ErrorKind::AddrInUse, format!("it is in use by {who}"))
}

/// The sockets that this process has open.
fn inodes_of_this_process() -> HashSet<u32> {
    let files = std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let inode = |target: std::path::PathBuf| target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok();
    files.filter_map(|file| std::fs::read_link(file.path()).ok().and_then(inode)).collect()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn others() -> (Namespace, Others) {
        let here = Namespace::current().unwrap();
        let others = Others::read(&here, &HashSet::new()).unwrap();
        (here, others)
    }

    fn app(ports: Ports) -> App {
        App { ports: vec![ports], ..App::sample("web", &[], &[]) }
    }

    #[test]
    fn a_port_that_somebody_has_is_his_and_he_is_named() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (_, others) = others();
        let own = Process::read(std::process::id(), true).unwrap();
        let expected =
            format!("app web cannot listen on port {port}: it is in use by {} (process {})", own.name, own.pid);
        let refused = others.let_have(&[app(Ports::of(port))], |_, _, _| false).unwrap_err();
        assert_eq!(refused.to_string(), expected);
        // Of another address it is free, and what was the app's stays so.
        let elsewhere = Ports { address: Some([127, 0, 0, 2].into()), ..Ports::of(port) };
        others.let_have(&[app(elsewhere)], |_, _, _| false).unwrap();
        others.let_have(&[app(Ports::of(port))], |_, _, _| true).unwrap();
    }

    #[test]
    fn who_has_all_ports_leaves_those_that_somebody_has() {
        let (one, six) = (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("[::]:0").unwrap());
        let [one, six] = [one, six].map(|listener| (listener.local_addr().unwrap().port(), listener)).map(|it| it);
        let (_, others) = others();
        let local = Some([127, 0, 0, 1].into());
        let all = |address| app(Ports { address, first: 1, last: u16::MAX });
        let left = others.among_all(&all(None));
        assert!(left.contains(&(Protocol::Tcp, local, one.0)) && left.contains(&(Protocol::Tcp, None, six.0)));
        let left = others.among_all(&all(local));
        assert!(left.contains(&(Protocol::Tcp, local, one.0)) && left.contains(&(Protocol::Tcp, local, six.0)));
        let left = others.among_all(&all(Some([127, 0, 0, 2].into())));
        assert!(!left.iter().any(|(_, _, port)| *port == one.0));
    }
}
