//! Probes through raw sockets (CAP_NET_RAW): SYNs that never become a connection, and echo requests.
//!
//! The system knows nothing of these SYNs and answers the target's handshake with a reset by itself.

use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd};
use std::time::Duration;

use etherparse::Ipv4HeaderSlice;
use nix::errno::Errno;
use nix::sys::socket::{SockaddrStorage, recvfrom};
use rustix::event::PollFlags;
use socket2::{SockFilter, Socket, Type};

use super::super::Protocol;
use super::super::answer::{Answer, Reply};
use super::super::message::Message;
use super::super::signature::{Flow, Signature};
use super::super::strategy::Probe;
use super::{Prober, Route, set_ttl, wait};

/// Sends SYNs or echo requests that it makes itself.
pub(in super::super) struct Raw {
    route: Route,
    source: IpAddr,
    signature: Signature,
    icmp: Socket,
    /// None for echo requests.
    tcp: Option<Socket>,
    /// They keep the source ports from being used by others.
    reserved: Vec<Socket>,
    random: RandomState,
}

impl Raw {
    /// A prober for TCP or ICMP.
    pub(in super::super) fn new(protocol: Protocol, mut route: Route) -> io::Result<Self> {
        let v6 = route.is_v6();
        let kind = if v6 { socket2::Protocol::ICMPV6 } else { socket2::Protocol::ICMPV4 };
        let icmp = route.socket(Type::RAW, Some(kind))?;
        let source = route.source()?;
        // All flows have to have the address that the checksums are made with.
        route.source = Some(source);
        let tcp = match protocol {
            Protocol::Tcp => {
                let tcp = route.socket(Type::RAW, Some(socket2::Protocol::TCP))?;
                tcp.attach_filter(&from_port(route.target.port(), v6))?;
                Some(tcp)
            }
            Protocol::Udp | Protocol::Icmp => None,
        };
        let signature = Signature::new(protocol, source, route.target, Vec::new());
        Ok(Self { route, source, signature, icmp, tcp, reserved: Vec::new(), random: RandomState::new() })
    }

    /// Has a probe belong to a flow: the first SYNs to one, each later one to its own, echo requests to one of each attempt.
    fn ensure_flow(&mut self, probe: Probe) -> io::Result<()> {
        if self.signature.flow(probe).is_some() {
            return Ok(());
        }
        let [s0, s1, s2, s3, i0, i1, ..] = self.random.hash_one((probe.attempt, probe.ttl)).to_ne_bytes();
        let mut port = u16::from_ne_bytes([i0, i1]);
        if self.tcp.is_some() {
            let socket = self.route.socket(Type::STREAM, Some(socket2::Protocol::TCP))?;
            port = socket.local_addr()?.as_socket().map_or(port, |address| address.port());
            self.reserved.push(socket);
        }
        let ttl = (self.tcp.is_some() && probe.attempt > 0).then_some(probe.ttl);
        self.signature.add(Flow { attempt: probe.attempt, ttl, port, secret: u32::from_ne_bytes([s0, s1, s2, s3]) });
        Ok(())
    }

    /// What a packet says, from its IP header on for IPv4 and behind it for IPv6, if it is a reply to a probe.
    fn reply(&self, from: IpAddr, packet: &[u8], tcp: bool) -> Option<(Probe, Reply)> {
        let body = match from {
            IpAddr::V4(_) => packet.get(Ipv4HeaderSlice::from_slice(packet).ok()?.slice().len()..)?,
            IpAddr::V6(_) => packet,
        };
        let plain = |answer| Reply { from, answer, translation: None, labels: Vec::new() };
        if tcp {
            return self.signature.answered(from, body).map(|(probe, answer)| (probe, plain(answer)));
        }
        match Message::parse(body, from.is_ipv6())? {
            Message::EchoReply { id, sequence, payload } => {
                self.signature.echoed(from, id, sequence, payload).map(|probe| (probe, plain(Answer::Accepted)))
            }
            Message::Error { icmp, quote, labels } => {
                let (probe, translation) = self.signature.quoted(&quote)?;
                Some((probe, Reply { from, answer: Answer::Icmp(icmp), translation, labels }))
            }
        }
    }

    fn drain(&self, socket: &Socket, tcp: bool, replies: &mut Vec<(Probe, Reply)>) -> io::Result<()> {
        let mut buffer = [0; 1500];
        // Others may send us ICMP faster than we read it; the deadline is looked at in between.
        for _ in 0..MOST_AT_ONCE {
            match recvfrom::<SockaddrStorage>(socket.as_raw_fd(), &mut buffer) {
                Ok((length, from)) => {
                    let reply = buffer.get(..length).zip(from.as_ref().and_then(ip_of_storage));
                    replies.extend(reply.and_then(|(packet, from)| self.reply(from, packet, tcp)));
                }
                Err(Errno::EAGAIN) => break,
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

const MOST_AT_ONCE: usize = 256;

fn ip_of_storage(address: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|address| address.ip().into());
    v4.or_else(|| address.as_sockaddr_in6().map(|address| address.ip().into()))
}

/// A filter for segments from that port: a raw socket gets a copy of every TCP segment of the host.
fn from_port(port: u16, v6: bool) -> Vec<SockFilter> {
    // Classic BPF: x = length of the IP header; a = half-word at x; accept if it is the port.
    let load = match v6 {
        true => vec![SockFilter::new(0x28, 0, 0, 0)],
        false => vec![SockFilter::new(0xb1, 0, 0, 0), SockFilter::new(0x48, 0, 0, 0)],
    };
    let decide = [
        SockFilter::new(0x15, 0, 1, port.into()),
        SockFilter::new(0x06, 0, 0, u32::MAX),
        SockFilter::new(0x06, 0, 0, 0),
    ];
    load.into_iter().chain(decide).collect()
}

impl Prober for Raw {
    fn name(&self) -> &'static str {
        if self.tcp.is_some() { "half-open" } else { "raw echo" }
    }

    fn source(&self) -> Option<IpAddr> {
        Some(self.source)
    }

    fn send(&mut self, probe: Probe) -> io::Result<()> {
        self.ensure_flow(probe)?;
        let Some(packet) = self.signature.packet(probe) else { return Err(io::ErrorKind::InvalidInput.into()) };
        let socket = self.tcp.as_ref().unwrap_or(&self.icmp);
        set_ttl(socket, self.route.is_v6(), probe.ttl)?;
        // The port of a raw socket's address is its protocol, or 0.
        let mut target = self.route.target;
        target.set_port(0);
        socket.send_to(&packet, &target.into()).map(drop)
    }

    fn receive(
        &mut self,
        timeout: Duration,
        stop: BorrowedFd<'_>,
        replies: &mut Vec<(Probe, Reply)>,
    ) -> io::Result<bool> {
        let sockets = self.tcp.iter().map(|tcp| (tcp, true)).chain(std::iter::once((&self.icmp, false)));
        let sockets: Vec<_> = sockets.collect();
        let descriptors: Vec<_> = sockets.iter().map(|(socket, _)| (socket.as_fd(), PollFlags::IN)).collect();
        let ready = wait(&descriptors, timeout, stop)?;
        for (&(socket, tcp), _) in sockets.iter().zip(&ready).filter(|(_, ready)| **ready) {
            self.drain(socket, tcp, replies)?;
        }
        Ok(ready.last() == Some(&true))
    }
}
