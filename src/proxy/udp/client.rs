//! Sockets towards clients.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::Arc;

use nix::libc::{in_addr, in_pktinfo, in6_addr, in6_pktinfo, sockaddr_in, sockaddr_in6};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn, SockaddrIn6, SockaddrStorage, getsockname, recvmsg,
    sendmsg,
};
use socket2::{Domain, Socket, Type};

use super::losses::Losses;

/// A socket on which clients are heard and answered. It is open while an app is served on it or associations answer
/// through it.
#[derive(Debug)]
pub(super) struct ClientSocket {
    pub(super) socket: Arc<OwnedFd>,
    /// What it is bound to.
    pub(super) local: SocketAddr,
    /// Whether it is one of IPv6, on which clients of IPv4 have mapped addresses.
    is_v6: bool,
    /// Whose datagrams come here. None: nobody's any more, or it is there for answers.
    pub(super) app: Option<Arc<str>>,
    /// Associations that answer through it.
    pub(super) users: usize,
    losses: Losses,
}

/// What a datagram says of itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Heard {
    pub(super) client: SocketAddr,
    pub(super) meant: SocketAddr,
    pub(super) length: usize,
}

/// Room for one datagram, used for all.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) datagram: Box<[u8]>,
    control: Vec<u8>,
}

impl Room {
    pub(super) fn new() -> Self {
        // What sockets are asked to tell of a datagram is where it went; they may be asked for more.
        let control = nix::cmsg_space!(sockaddr_in, sockaddr_in6, in_pktinfo, in6_pktinfo);
        Self { datagram: vec![0; usize::from(u16::MAX)].into(), control }
    }
}

impl ClientSocket {
    /// One that an app is served on.
    pub(super) fn of_app(socket: &Arc<OwnedFd>, app: &Arc<str>) -> io::Result<Self> {
        let local = standard(&getsockname::<SockaddrStorage>(socket.as_raw_fd())?)?;
        let is_v6 = local.is_ipv6();
        let (socket, local, app) = (socket.clone(), canonical(local), Some(app.clone()));
        Ok(Self { socket, local, is_v6, app, users: 0, losses: Losses::default() })
    }

    /// One that answers from this address and port. The kernel's part comes before it when datagrams are brought to
    /// sockets.
    pub(super) fn bound_to(meant: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(meant), Type::DGRAM.nonblocking(), None)?;
        socket.set_reuse_address(true)?;
        // What clients mean may be no address of this host, only be routed to it; being transparent takes a privilege.
        if meant.is_ipv6() {
            socket.set_only_v6(true)?;
            let _ = socket.set_freebind_v6(true);
            let _ = socket.set_ip_transparent_v6(true);
        } else {
            let _ = socket.set_freebind_v4(true);
            let _ = socket.set_ip_transparent_v4(true);
        }
        socket.bind(&meant.into())?;
        let (socket, is_v6) = (Arc::new(socket.into()), meant.is_ipv6());
        Ok(Self { socket, local: meant, is_v6, app: None, users: 0, losses: Losses::default() })
    }

    /// The next datagram, if there is one.
    pub(super) fn receive(&self, room: &mut Room) -> io::Result<Heard> {
        let mut slices = [IoSliceMut::new(&mut room.datagram)];
        let control = Some(&mut room.control[..]);
        let message =
            recvmsg::<SockaddrStorage>(self.socket.as_raw_fd(), &mut slices, control, MsgFlags::MSG_DONTWAIT)?;
        let client = message.address.as_ref().ok_or(io::ErrorKind::InvalidData)?;
        let told = message.cmsgs().ok().and_then(|mut messages| {
            messages.find_map(|message| match message {
                ControlMessageOwned::Ipv4OrigDstAddr(meant) => Some(SocketAddr::from(SockaddrIn::from(meant))),
                ControlMessageOwned::Ipv6OrigDstAddr(meant) => Some(SocketAddr::from(SockaddrIn6::from(meant))),
                _ => None,
            })
        });
        let meant = told.map_or(self.local, canonical);
        Ok(Heard { client: canonical(standard(client)?), meant, length: message.bytes })
    }

    /// Datagrams that could not be read since this was asked before.
    pub(super) fn lost(&mut self) -> u64 {
        self.losses.take(&self.socket)
    }

    /// Sends a datagram from whom a client meant.
    pub(super) fn answer(&self, bytes: &[u8], meant: SocketAddr, client: SocketAddr) -> io::Result<()> {
        let client = match client {
            SocketAddr::V4(client) if self.is_v6 => {
                SocketAddrV6::new(client.ip().to_ipv6_mapped(), client.port(), 0, 0).into()
            }
            client => client,
        };
        let fd = self.socket.as_raw_fd();
        let send = |source: &[ControlMessage<'_>]| {
            let address = SockaddrStorage::from(client);
            sendmsg(fd, &[IoSlice::new(bytes)], source, MsgFlags::MSG_DONTWAIT, Some(&address)).map(drop)
        };
        let sent = match meant {
            _ if self.local.ip() == meant.ip() => send(&[]),
            SocketAddr::V4(meant) => send(&[ControlMessage::Ipv4PacketInfo(&source_v4(*meant.ip()))]),
            SocketAddr::V6(meant) => send(&[ControlMessage::Ipv6PacketInfo(&source_v6(*meant.ip(), meant.scope_id()))]),
        };
        Ok(sent?)
    }
}

fn source_v4(address: Ipv4Addr) -> in_pktinfo {
    let any = in_addr { s_addr: 0 };
    in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: in_addr { s_addr: u32::from_ne_bytes(address.octets()) }, ipi_addr: any }
}

fn source_v6(address: Ipv6Addr, interface: u32) -> in6_pktinfo {
    in6_pktinfo { ipi6_addr: in6_addr { s6_addr: address.octets() }, ipi6_ifindex: interface as _ }
}

fn standard(address: &SockaddrStorage) -> io::Result<SocketAddr> {
    let v4 = address.as_sockaddr_in().map(|address| SocketAddr::from(*address));
    let v6 = || address.as_sockaddr_in6().map(|address| SocketAddr::from(*address));
    v4.or_else(v6).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// An address by which the same client is always the same: without mapping, and without a label of its flow.
fn canonical(address: SocketAddr) -> SocketAddr {
    match (address.ip().to_canonical(), address) {
        (IpAddr::V6(ip), SocketAddr::V6(address)) => {
            SocketAddrV6::new(ip, address.port(), 0, address.scope_id()).into()
        }
        (ip, address) => (ip, address.port()).into(),
    }
}
