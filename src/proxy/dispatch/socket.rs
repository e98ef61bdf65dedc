//! The sockets that clients are brought to.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::socket::{setsockopt, sockopt};
use rustix::net::sockopt::set_socket_recv_buffer_size_force;
use socket2::{Domain, SockRef, Socket, TcpKeepalive, Type};

use super::table::Protocol;
use crate::proxy::error::ProxyError;

/// Connections that may wait to be accepted. The kernel takes no more than `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// Datagrams come in bursts, and those of an app come to one socket.
const RECEIVE_BUFFER: usize = 4 << 20;

/// How long the kernel can wait before it asks whether the other end is still there.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(32767);

/// How often it asks.
const PROBES: u32 = 3;

/// A socket that is open for an app.
#[derive(Debug, Clone)]
pub(super) struct Open {
    pub(super) socket: Arc<OwnedFd>,
    /// What it was opened for; none: every address.
    pub(super) address: Option<IpAddr>,
    /// Where it is bound.
    pub(super) port: u16,
    /// What the kernel calls it.
    pub(super) cookie: u64,
}

impl Open {
    /// Binds a socket; port 0 is any that is free. Of every address: for IPv4 and, if the host has it, IPv6.
    pub(super) fn bind(protocol: Protocol, address: Option<IpAddr>, port: u16) -> io::Result<Self> {
        let address = address.map(|address| address.to_canonical());
        let kind = if protocol == Protocol::Tcp { Type::STREAM } else { Type::DGRAM };
        let any = |ip: IpAddr| Socket::new(Domain::for_address((ip, port).into()), kind.nonblocking().cloexec(), None);
        let (socket, ip) = match address {
            Some(ip) => (any(ip)?, ip),
            None => match any(Ipv6Addr::UNSPECIFIED.into()) {
                Ok(socket) => (socket, Ipv6Addr::UNSPECIFIED.into()),
                Err(_) => (any(Ipv4Addr::UNSPECIFIED.into())?, Ipv4Addr::UNSPECIFIED.into()),
            },
        };
        if ip.is_ipv6() {
            socket.set_only_v6(address.is_some())?;
        }
        // Connections of a proxy that has just ended do not keep the port.
        socket.set_reuse_address(true)?;
        match protocol {
            // What is accepted is as its listener.
            Protocol::Tcp => socket.set_tcp_nodelay(true)?,
            Protocol::Udp => tell_whom_was_meant(&socket, ip.is_ipv6())?,
        }
        socket.bind(&SocketAddr::from((ip, port)).into())?;
        if protocol == Protocol::Tcp {
            socket.listen(BACKLOG)?;
        }
        let bound = socket.local_addr()?.as_socket().map_or(port, |bound| bound.port());
        Ok(Self { cookie: socket.cookie()?, socket: Arc::new(socket.into()), address, port: bound })
    }

    /// Sets what connections have from their listener.
    pub(super) fn set_keepalive(&self, keepalive: Option<Duration>) {
        let socket = SockRef::from(&*self.socket);
        // Of an open TCP socket the kernel takes whatever is within these bounds.
        let _ = match keepalive.map(|silence| silence.clamp(SHORTEST, LONGEST)) {
            None => socket.set_keepalive(false),
            Some(silence) => {
                let interval = (silence / PROBES).max(SHORTEST);
                let parameters = TcpKeepalive::new().with_time(silence).with_interval(interval);
                socket.set_tcp_keepalive(&parameters.with_retries(PROBES))
            }
        };
    }
}

/// Has the address and port that a datagram was sent to delivered with it.
fn tell_whom_was_meant(socket: &Socket, six: bool) -> io::Result<()> {
    setsockopt(socket, sockopt::Ipv4OrigDstAddr, &true)?;
    if six {
        setsockopt(socket, sockopt::Ipv6OrigDstAddr, &true)?;
    }
    // More than an administrator allows to everybody needs a privilege.
    if set_socket_recv_buffer_size_force(socket, RECEIVE_BUFFER).is_err() {
        socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    }
    Ok(())
}

/// Why an app cannot listen.
pub(super) fn cannot_listen(app: &str, port: impl ToString, cause: io::Error) -> ProxyError {
    ProxyError::Listen { app: app.to_owned(), port: port.to_string(), cause }
}
