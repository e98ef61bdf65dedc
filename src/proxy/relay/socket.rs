//! What a relay asks of the system for its sockets.

use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::sockopt;
use rustix::net::{
    AddressFamily, SocketAddrAny, SocketFlags, SocketType, acceptfrom_with, connect, getpeername, getsockname, ipproto,
    socket_with,
};

/// A client that connected.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) socket: OwnedFd,
    pub(super) client: SocketAddr,
}

/// Takes the next client of a listener. What is set on the listener holds for its clients: no Nagle, keepalive.
pub(super) fn accept(listener: impl AsFd) -> Result<Accepted, Errno> {
    let (socket, client) = acceptfrom_with(listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK)?;
    let client = client.and_then(standard).ok_or(Errno::AFNOSUPPORT)?;
    Ok(Accepted { socket, client })
}

/// Whom a client meant: where its socket is, whichever listener took it.
pub(super) fn meant(client: impl AsFd) -> Result<SocketAddr, Errno> {
    standard(getsockname(client)?).ok_or(Errno::AFNOSUPPORT)
}

/// Whether a client waits at a listener.
pub(super) fn has_client(listener: impl AsFd) -> bool {
    poll(&mut [PollFd::new(&listener, PollFlags::IN)], Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
}

/// As the standard library has it; an IPv4 address in the clothes of IPv6 is one of IPv4.
fn standard(address: SocketAddrAny) -> Option<SocketAddr> {
    let address = SocketAddr::try_from(address).ok()?;
    Some((address.ip().to_canonical(), address.port()).into())
}

/// Begins to connect.
pub(super) fn begin(target: SocketAddr, keepalive: Option<Duration>) -> Result<OwnedFd, Errno> {
    let family = if target.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, SocketType::STREAM, flags, Some(ipproto::TCP))?;
    sockopt::set_tcp_nodelay(&socket, true)?;
    if let Some(silence) = keepalive {
        sockopt::set_socket_keepalive(&socket, true)?;
        sockopt::set_tcp_keepidle(&socket, silence)?;
        sockopt::set_tcp_keepintvl(&socket, silence)?;
    }
    match connect(&socket, &target) {
        Ok(()) | Err(Errno::INPROGRESS | Errno::INTR) => Ok(socket),
        Err(error) => Err(error),
    }
}

/// What became of connecting.
pub(super) fn connected(socket: impl AsFd) -> Result<(), Errno> {
    sockopt::socket_error(socket)?
}

/// Whether connecting is over, and has not failed.
pub(super) fn is_connected(socket: impl AsFd) -> bool {
    getpeername(socket).is_ok()
}

/// Closes a socket so that the other end learns that something went wrong.
pub(super) fn reset(socket: OwnedFd) {
    // Where it cannot be had, it is closed in the ordinary way.
    let _ = sockopt::set_socket_linger(&socket, Some(Duration::ZERO));
    drop(socket);
}
