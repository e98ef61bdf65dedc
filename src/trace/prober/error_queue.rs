//! The error queue of a socket: ICMP messages about what it sent, without any privilege (`IP_RECVERR` of ip(7),
//! `IPV6_RECVERR` of ipv6(7)).

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsRawFd as _;

use nix::errno::Errno;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt};
use socket2::Socket;

use super::super::answer::{Answer, Icmp, Label, Reply};
use super::super::message::labels_behind;

/// Asks for ICMP messages about what a socket sends.
pub(super) fn listen(socket: &Socket, v6: bool) -> io::Result<()> {
    if v6 { setsockopt(socket, sockopt::Ipv6RecvErr, &true) } else { setsockopt(socket, sockopt::Ipv4RecvErr, &true) }?;
    Ok(())
}

/// The next ICMP message from the network, if there is one; what the own host says of itself is passed over.
pub(super) fn next(socket: &Socket) -> io::Result<Option<Reply>> {
    // The quoted packet without its IP header, with extensions; routers send up to 576 bytes (RFC 1812), IPv6 1280.
    let mut bytes = [0; 1280];
    let mut control = [0; 256];
    loop {
        let mut slices = [IoSliceMut::new(&mut bytes)];
        let received = recvmsg::<SockaddrStorage>(
            socket.as_raw_fd(),
            &mut slices,
            Some(&mut control),
            MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT,
        );
        let message = match received {
            Ok(message) => message,
            Err(Errno::EAGAIN) => return Ok(None),
            Err(Errno::EINTR) => continue,
            Err(error) => return Err(error.into()),
        };
        let length = message.bytes;
        let said = message.cmsgs()?.find_map(|control| {
            // What the socket's own host says has another origin, and no address.
            let (error, from, v6): (_, IpAddr, _) = match control {
                ControlMessageOwned::Ipv4RecvErr(error, Some(from)) => {
                    (error, Ipv4Addr::from(from.sin_addr.s_addr.to_ne_bytes()).into(), false)
                }
                ControlMessageOwned::Ipv6RecvErr(error, Some(from)) => {
                    (error, Ipv6Addr::from(from.sin6_addr.s6_addr).into(), true)
                }
                _ => return None,
            };
            let origin = if v6 { ORIGIN_ICMP6 } else { ORIGIN_ICMP };
            (error.ee_origin == origin).then_some((Icmp { v6, kind: error.ee_type, code: error.ee_code }, from))
        });
        if let Some((icmp, from)) = said {
            let labels: Vec<Label> = bytes.get(..length).map(|quote| labels_behind(quote, icmp.v6)).unwrap_or_default();
            return Ok(Some(Reply { from, answer: Answer::Icmp(icmp), translation: None, labels }));
        }
    }
}

/// `SO_EE_ORIGIN_ICMP` of linux/errqueue.h.
const ORIGIN_ICMP: u8 = 2;
/// `SO_EE_ORIGIN_ICMP6` of linux/errqueue.h.
const ORIGIN_ICMP6: u8 = 3;
