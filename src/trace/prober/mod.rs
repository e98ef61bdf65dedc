//! Who sends probes and hears the replies.

mod error_queue;
mod raw;
mod sockets;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::BorrowedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::{Domain, SockAddr, Socket, Type};

use super::answer::Reply;
use super::strategy::Probe;

pub(super) use raw::Raw;
pub(super) use sockets::Sockets;

/// Sends probes and hears the replies.
pub(super) trait Prober {
    /// How it is called in reports.
    fn name(&self) -> &'static str;

    /// Where its packets come from.
    fn source(&self) -> Option<IpAddr>;

    /// Sends a probe.
    fn send(&mut self, probe: Probe) -> io::Result<()>;

    /// Waits for replies until there are some, the time is over, or `stop` is readable, which it gives.
    fn receive(
        &mut self,
        timeout: Duration,
        stop: BorrowedFd<'_>,
        replies: &mut Vec<(Probe, Reply)>,
    ) -> io::Result<bool>;
}

/// Where probes go and come from.
#[derive(Debug, Clone)]
pub(super) struct Route {
    pub(super) target: SocketAddr,
    pub(super) source: Option<IpAddr>,
    pub(super) interface: Option<String>,
}

impl Route {
    /// A socket for this way that does not block.
    fn socket(&self, kind: Type, protocol: Option<socket2::Protocol>) -> io::Result<Socket> {
        let socket = Socket::new(Domain::for_address(self.target), kind.nonblocking(), protocol)?;
        if let Some(interface) = &self.interface {
            socket.bind_device(Some(interface.as_bytes()))?;
        }
        if let Some(source) = self.source {
            socket.bind(&SocketAddr::new(source, 0).into())?;
        }
        Ok(socket)
    }

    /// The address that packets on this way come from.
    pub(super) fn source(&self) -> io::Result<IpAddr> {
        let socket = self.socket(Type::DGRAM, None)?;
        // Nothing is sent: this looks the route up. Port 0 cannot be connected to everywhere.
        socket.connect(&SocketAddr::new(self.target.ip(), 9).into())?;
        ip_of(&socket.local_addr()?)
    }

    fn is_v6(&self) -> bool {
        self.target.is_ipv6()
    }
}

fn ip_of(address: &SockAddr) -> io::Result<IpAddr> {
    address.as_socket().map(|address| address.ip()).ok_or_else(|| io::ErrorKind::AddrNotAvailable.into())
}

fn set_ttl(socket: &Socket, v6: bool, ttl: u8) -> io::Result<()> {
    if v6 { socket.set_unicast_hops_v6(ttl.into()) } else { socket.set_ttl_v4(ttl.into()) }
}

/// Waits until something is there to read or the time is over. Gives which descriptors are ready, the one that stops last.
fn wait(descriptors: &[(BorrowedFd<'_>, PollFlags)], timeout: Duration, stop: BorrowedFd<'_>) -> io::Result<Vec<bool>> {
    let stop = (stop, PollFlags::IN);
    let all = descriptors.iter().chain([&stop]);
    let mut fds: Vec<_> = all.map(|&(fd, flags)| PollFd::from_borrowed_fd(fd, flags)).collect();
    let timeout = Timespec {
        tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: timeout.subsec_nanos().into(),
    };
    match poll(&mut fds, Some(&timeout)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(fds.iter().map(|fd| !fd.revents().is_empty()).collect()),
        Err(error) => Err(error.into()),
    }
}
