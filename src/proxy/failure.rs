//! What an error of a socket says of the target that it leads to.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use rustix::io::Errno;

use super::balance::Failure;

/// Whose fault it is that a target was not reached. A target is never blamed for what this host lacks.
pub(super) fn failure(error: &io::Error, target: SocketAddr) -> Failure {
    match Errno::from_io_error(error) {
        Some(Errno::CONNREFUSED) => Failure::Refused,
        Some(Errno::CONNRESET | Errno::PIPE | Errno::CONNABORTED) => Failure::Reset,
        Some(Errno::TIMEDOUT) => Failure::Timeout,
        // Datagrams also: too long ones, and those that cannot be sent just now.
        Some(
            Errno::MFILE
            | Errno::NFILE
            | Errno::NOBUFS
            | Errno::NOMEM
            | Errno::ADDRINUSE
            | Errno::AGAIN
            | Errno::INTR
            | Errno::MSGSIZE,
        ) => Failure::Local,
        // No port is left, or this host has no address to reach it from.
        Some(Errno::ADDRNOTAVAIL) if has_way(target) => Failure::Local,
        _ => Failure::Unreachable,
    }
}

/// Whether this host knows a way to an address. Nothing is sent.
fn has_way(address: SocketAddr) -> bool {
    let local = match address {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    };
    UdpSocket::bind(local).and_then(|socket| socket.connect(address)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_of_this_host_are_told_from_those_of_the_target() {
        let host = SocketAddr::from(([127, 0, 0, 1], 1));
        let of = |errno: Errno| failure(&errno.into(), host);
        assert_eq!(of(Errno::CONNREFUSED), Failure::Refused);
        assert_eq!(of(Errno::HOSTUNREACH), Failure::Unreachable);
        assert_eq!(of(Errno::MFILE), Failure::Local);
        // There is a way to this host itself: its ports must have run out.
        assert_eq!(of(Errno::ADDRNOTAVAIL), Failure::Local);
        let nowhere = SocketAddr::from((Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 1), 1));
        assert!(has_way(host));
        if !has_way(nowhere) {
            assert_eq!(failure(&Errno::ADDRNOTAVAIL.into(), nowhere), Failure::Unreachable);
        }
    }
}
