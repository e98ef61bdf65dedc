//! The TCP and UDP sockets of network namespaces, as the kernel lists them (sock_diag(7)).

use std::io;
use std::net::{IpAddr, SocketAddr};

use netlink_packet_sock_diag::SockDiagMessage;
use netlink_packet_sock_diag::constants::{AF_INET, AF_INET6, IPPROTO_TCP, IPPROTO_UDP};
use netlink_packet_sock_diag::inet::nlas::Nla;
use netlink_packet_sock_diag::inet::{ExtensionFlags, InetRequest, InetResponse, SocketId, StateFlags};
use netlink_sys::protocols::NETLINK_SOCK_DIAG;

use super::netlink::Netlink;
use super::{HostError, Namespace, NamespaceId};
use crate::record::Duration;

/// A TCP or UDP socket at one moment.
///
/// IPv4 addresses of IPv6 sockets (`::ffff:192.0.2.1`) are those that packets have: `192.0.2.1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Socket {
    /// Where it is.
    pub namespace: NamespaceId,
    /// IP protocol number: 6 or 17.
    pub protocol: u8,
    /// What it does.
    pub state: SocketState,
    /// Its own address; `0.0.0.0` or `::` for any.
    pub local: SocketAddr,
    /// Who it speaks with; none where it listens, or is bound without a peer.
    pub remote: Option<SocketAddr>,
    /// The index of the interface that it is bound to.
    pub interface: Option<u32>,
    /// Whether an IPv6 socket takes no IPv4.
    pub ipv6_only: bool,
    /// What `/proc/PID/fd` calls it; 0 if no process has it open (any more, or yet).
    pub inode: u32,
    /// What the kernel calls it (`SO_COOKIE` of socket(7)): never used for another one.
    pub cookie: u64,
    /// The user that made it.
    pub uid: u32,
    /// Bytes that its process has not read; where it listens, connections that it has not accepted.
    pub recv_queue: u32,
    /// Bytes that the other end has not acknowledged; where it listens, how many connections may wait.
    pub send_queue: u32,
    /// TCP's smoothed round-trip time (RFC 6298), where it was asked for.
    pub rtt: Option<Duration>,
}

/// What a socket does. UDP knows [`Established`](Self::Established), which has a peer, and
/// [`Unconnected`](Self::Unconnected).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SocketState {
    /// Connected.
    Established,
    /// Has asked for a connection.
    SynSent,
    /// Was asked for a connection.
    SynReceived,
    /// Closed here, not acknowledged.
    FinWait1,
    /// Closed here, and not there.
    FinWait2,
    /// Closed on both sides, and waiting for late packets.
    TimeWait,
    /// Without a peer.
    Unconnected,
    /// Closed there, and not here.
    CloseWait,
    /// Closed there and here, not acknowledged.
    LastAck,
    /// Listening.
    Listening,
    /// Closed on both sides at once, not acknowledged.
    Closing,
}

impl SocketState {
    /// The state with this number (`include/net/tcp_states.h`).
    const fn of(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Established,
            2 => Self::SynSent,
            // 12 is a request that the kernel keeps apart.
            3 | 12 => Self::SynReceived,
            4 => Self::FinWait1,
            5 => Self::FinWait2,
            6 => Self::TimeWait,
            7 => Self::Unconnected,
            8 => Self::CloseWait,
            9 => Self::LastAck,
            10 => Self::Listening,
            11 => Self::Closing,
            _ => return None,
        })
    }

    /// Its name, as `ss state NAME` takes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Established => "established",
            Self::SynSent => "syn-sent",
            Self::SynReceived => "syn-recv",
            Self::FinWait1 => "fin-wait-1",
            Self::FinWait2 => "fin-wait-2",
            Self::TimeWait => "time-wait",
            Self::Unconnected => "unconnected",
            Self::CloseWait => "close-wait",
            Self::LastAck => "last-ack",
            Self::Listening => "listening",
            Self::Closing => "closing",
        }
    }
}

/// Which sockets to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// Those that wait for others: TCP that listens, UDP without a peer. The kernel need not look at connections for it.
    Listening,
    /// Those with a peer, with their round-trip times: each costs the kernel a lock.
    Connected,
    /// All, without round-trip times.
    All,
}

impl Which {
    fn request(self, family: u8, protocol: u8) -> SockDiagMessage {
        // Asked for more than LISTEN, the kernel goes through the table of all connections.
        let waiting = if protocol == IPPROTO_TCP { StateFlags::LISTEN } else { StateFlags::CLOSE };
        SockDiagMessage::InetRequest(InetRequest {
            family,
            protocol,
            extensions: if self == Self::Connected { ExtensionFlags::INFO } else { ExtensionFlags::empty() },
            states: match self {
                Self::Listening => waiting,
                Self::Connected => StateFlags::all() - StateFlags::LISTEN - StateFlags::CLOSE,
                Self::All => StateFlags::all(),
            },
            socket_id: if family == AF_INET { SocketId::new_v4() } else { SocketId::new_v6() },
        })
    }
}

/// Lists the sockets of one namespace, as often as wanted: it stays there, and enters it only once.
pub struct SocketReader {
    namespace: Namespace,
    kernel: Netlink,
}

impl SocketReader {
    /// A reader of the sockets in a namespace.
    ///
    /// # Errors
    ///
    /// Those of [`Namespace::enter`], and [`HostError::System`] if the kernel does not answer.
    pub fn open(namespace: &Namespace) -> Result<Self, HostError> {
        let kernel = namespace.enter(|| Netlink::open(NETLINK_SOCK_DIAG))?.map_err(|cause| failed(namespace, cause))?;
        Ok(Self { namespace: namespace.clone(), kernel })
    }

    /// Adds its sockets, as they are now.
    ///
    /// # Errors
    ///
    /// [`HostError::System`] if the kernel does not answer.
    pub fn read(&mut self, which: Which, sockets: &mut Vec<Socket>) -> Result<(), HostError> {
        let id = self.namespace.id();
        for protocol in [IPPROTO_TCP, IPPROTO_UDP] {
            for family in [AF_INET, AF_INET6] {
                let read = self.kernel.list(&which.request(family, protocol), |answer| match answer {
                    SockDiagMessage::InetResponse(response) => socket(id, protocol, &response),
                    _ => None,
                });
                sockets.append(&mut read.map_err(|cause| failed(&self.namespace, cause))?);
            }
        }
        Ok(())
    }
}

fn failed(namespace: &Namespace, cause: io::Error) -> HostError {
    HostError::System { doing: format!("list the sockets of {namespace}"), cause }
}

/// The sockets of several namespaces at one moment.
#[derive(Debug, Default)]
pub struct SocketTable {
    /// The sockets, by namespace.
    pub sockets: Vec<Socket>,
    /// Why those of some namespaces are missing.
    pub missing: Vec<HostError>,
}

impl SocketTable {
    /// Lists the sockets of these namespaces.
    #[must_use]
    pub fn read(namespaces: &[Namespace], which: Which) -> Self {
        let mut table = Self::default();
        for namespace in namespaces {
            let read = SocketReader::open(namespace).and_then(|mut reader| reader.read(which, &mut table.sockets));
            table.missing.extend(read.err());
        }
        table
    }
}

/// A socket, if it is in a state that is known.
fn socket(namespace: NamespaceId, protocol: u8, response: &InetResponse) -> Option<Socket> {
    let header = &response.header;
    let id = &header.socket_id;
    let end = |address: IpAddr, port| SocketAddr::new(address.to_canonical(), port);
    let state = SocketState::of(header.state)?;
    let has_peer = !matches!(state, SocketState::Listening | SocketState::Unconnected);
    let attribute = |of: fn(&Nla) -> Option<bool>| response.nlas.iter().find_map(of);
    Some(Socket {
        namespace,
        protocol,
        state,
        local: end(id.source_address, id.source_port),
        remote: has_peer.then(|| end(id.destination_address, id.destination_port)),
        interface: (id.interface_id > 0).then_some(id.interface_id),
        ipv6_only: attribute(|nla| if let Nla::SkV6Only(only) = nla { Some(*only) } else { None }).unwrap_or_default(),
        inode: header.inode,
        cookie: cookie(id.cookie),
        uid: header.uid,
        recv_queue: header.recv_queue,
        send_queue: header.send_queue,
        rtt: response.nlas.iter().find_map(|nla| if let Nla::TcpInfo(info) = nla { rtt(info) } else { None }),
    })
}

/// The kernel writes two halves, the lower one first.
fn cookie([a, b, c, d, e, f, g, h]: [u8; 8]) -> u64 {
    u64::from(u32::from_ne_bytes([e, f, g, h])) << 32 | u64::from(u32::from_ne_bytes([a, b, c, d]))
}

/// The round-trip time in `struct tcp_info` of `include/uapi/linux/tcp.h`, which is longer with each kernel and keeps what
/// it begins with. None before it was measured.
fn rtt(info: &[u8]) -> Option<Duration> {
    let micros = u32::from_ne_bytes(*info.get(68..)?.first_chunk()?);
    (micros > 0).then(|| Duration::from_nanos(i64::from(micros) * 1000))
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv6Addr, TcpListener, TcpStream, UdpSocket};

    use super::super::SocketOwners;
    use super::*;

    fn here(which: Which) -> Vec<Socket> {
        let table = SocketTable::read(&[Namespace::current().unwrap()], which);
        assert!(table.missing.is_empty(), "{:?}", table.missing);
        table.sockets
    }

    fn at(sockets: &[Socket], local: SocketAddr) -> Vec<&Socket> {
        sockets.iter().filter(|socket| socket.local == local).collect()
    }

    #[test]
    fn what_listens_is_found_with_its_process_and_its_queue() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let waiting = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let sockets = here(Which::Listening);
        let found = at(&sockets, listener.local_addr().unwrap());
        let [socket] = found[..] else { panic!("{found:?}") };
        assert_eq!((socket.protocol, socket.state, socket.remote), (6, SocketState::Listening, None));
        assert_eq!(socket.recv_queue, 1, "one connection waits to be accepted");
        assert!(SocketOwners::read().unwrap().of(socket.inode).any(|pid| pid == std::process::id()));
        assert!(at(&sockets, waiting.local_addr().unwrap()).is_empty());
    }

    #[test]
    fn ends_of_connections_are_found_also_before_they_are_accepted() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let sockets = here(Which::Connected);
        let [ours] = at(&sockets, client.local_addr().unwrap())[..] else { panic!("{sockets:?}") };
        assert_eq!((ours.remote, ours.state), (client.peer_addr().ok(), SocketState::Established));
        assert!(ours.inode > 0 && ours.rtt.is_some_and(|rtt| rtt.as_nanos() > 0));
        let [theirs] = at(&sockets, listener.local_addr().unwrap())[..] else { panic!("{sockets:?}") };
        assert_eq!((theirs.remote, theirs.inode), (client.local_addr().ok(), 0));
    }

    #[test]
    fn udp_listens_until_it_has_a_peer() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.connect(server.local_addr().unwrap()).unwrap();
        let (listening, connected) = (here(Which::Listening), here(Which::Connected));
        let (server, client) = (server.local_addr().unwrap(), client.local_addr().unwrap());
        assert_eq!(at(&listening, server)[0].state, SocketState::Unconnected);
        assert!(at(&listening, client).is_empty() && at(&connected, server).is_empty());
        assert_eq!(at(&connected, client)[0].remote, Some(server));
    }

    #[test]
    fn ipv4_on_an_ipv6_socket_has_the_addresses_of_its_packets() {
        let listener = TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let client = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let sockets = here(Which::All);
        let listening = at(&sockets, listener.local_addr().unwrap());
        assert!(!listening[0].ipv6_only && listening[0].rtt.is_none());
        assert_eq!(at(&sockets, ([127, 0, 0, 1], port).into())[0].remote, client.local_addr().ok());
    }

    #[test]
    fn a_time_that_was_not_measured_or_not_told_is_none() {
        let mut info = [0; 72];
        assert_eq!(rtt(&info), None);
        info[68..].copy_from_slice(&1500u32.to_ne_bytes());
        assert_eq!(rtt(&info), Some(Duration::from_nanos(1_500_000)));
        assert_eq!(rtt(&info[..71]), None);
    }
}
