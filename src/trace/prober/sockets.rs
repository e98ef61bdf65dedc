//! Probes through ordinary sockets, which need no privilege: one socket for each, with its time to live, whose error queue
//! gives what routers say of it.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::time::Duration;

use etherparse::{IcmpEchoHeader, Icmpv4Header, Icmpv4Type};
use rustix::event::PollFlags;
use rustix::io::Errno;
use socket2::{Socket, Type};

use super::super::Protocol;
use super::super::answer::{Answer, Reply};
use super::super::strategy::Probe;
use super::{Prober, Route, error_queue, ip_of, set_ttl, wait};

/// Connects, sends datagrams or echo requests, each from a socket of its own.
pub(in super::super) struct Sockets {
    protocol: Protocol,
    route: Route,
    source: Option<IpAddr>,
    open: Vec<(Probe, Socket)>,
    /// Replies that were there before the call that sent the probe was back.
    early: Vec<(Probe, Reply)>,
}

impl Sockets {
    pub(in super::super) const fn new(protocol: Protocol, route: Route) -> Self {
        Self { protocol, route, source: None, open: Vec::new(), early: Vec::new() }
    }

    /// Whether this user may send echo requests without privilege (`net.ipv4.ping_group_range`, icmp(7)).
    pub(in super::super) fn may_echo(route: &Route) -> bool {
        let protocol = if route.is_v6() { socket2::Protocol::ICMPV6 } else { socket2::Protocol::ICMPV4 };
        route.socket(Type::DGRAM, Some(protocol)).is_ok()
    }

    fn socket(&self, ttl: u8) -> io::Result<Socket> {
        let v6 = self.route.is_v6();
        let socket = match self.protocol {
            Protocol::Tcp => self.route.socket(Type::STREAM, Some(socket2::Protocol::TCP))?,
            Protocol::Udp => self.route.socket(Type::DGRAM, Some(socket2::Protocol::UDP))?,
            Protocol::Icmp if v6 => self.route.socket(Type::DGRAM, Some(socket2::Protocol::ICMPV6))?,
            Protocol::Icmp => self.route.socket(Type::DGRAM, Some(socket2::Protocol::ICMPV4))?,
        };
        if self.protocol == Protocol::Tcp {
            // A connection that was accepted is reset: nothing of it stays here or there.
            socket.set_linger(Some(Duration::ZERO))?;
        }
        set_ttl(&socket, v6, ttl)?;
        error_queue::listen(&socket, v6)?;
        Ok(socket)
    }

    /// What the payload of a probe is.
    fn payload(&self, probe: Probe) -> Vec<u8> {
        match self.protocol {
            Protocol::Tcp => Vec::new(),
            Protocol::Udp => b"netscript".to_vec(),
            Protocol::Icmp => {
                // The system puts the identifier and the checksum in.
                let echo = IcmpEchoHeader { id: 0, seq: u16::from_be_bytes([probe.attempt, probe.ttl]) };
                let mut bytes = Icmpv4Header::new(Icmpv4Type::EchoRequest(echo)).to_bytes().to_vec();
                if let (true, Some(kind)) = (self.route.is_v6(), bytes.first_mut()) {
                    *kind = ECHO_REQUEST_V6;
                }
                bytes
            }
        }
    }

    /// What became of a probe, if that is known. `error` is what a call has already said of it.
    fn outcome(&self, socket: &Socket, error: Option<io::Error>) -> io::Result<Option<Reply>> {
        if let Some(reply) = error_queue::next(socket)? {
            return Ok(Some(reply));
        }
        let from_target =
            |answer| Some(Reply { from: self.route.target.ip(), answer, translation: None, labels: Vec::new() });
        let error = match error {
            Some(error) => Some(error),
            None => socket.take_error()?,
        };
        match error.and_then(|error| Errno::from_io_error(&error)) {
            None => Ok(from_target(Answer::Accepted)),
            Some(Errno::CONNREFUSED) if self.protocol == Protocol::Tcp => Ok(from_target(Answer::Reset)),
            // The own host says it, of itself or because nobody has answered for long.
            Some(_) => Ok(None),
        }
    }
}

/// The type of an echo request of ICMPv6.
const ECHO_REQUEST_V6: u8 = 128;

impl Prober for Sockets {
    fn name(&self) -> &'static str {
        match self.protocol {
            Protocol::Tcp => "connect",
            Protocol::Udp => "datagram",
            Protocol::Icmp => "echo",
        }
    }

    fn source(&self) -> Option<IpAddr> {
        self.source
    }

    fn send(&mut self, probe: Probe) -> io::Result<()> {
        let socket = self.socket(probe.ttl)?;
        let connected = socket.connect(&self.route.target.into());
        if self.source.is_none() {
            self.source = socket.local_addr().and_then(|address| ip_of(&address)).ok();
        }
        let sent = match self.protocol {
            Protocol::Tcp => connected,
            Protocol::Udp | Protocol::Icmp => {
                connected.and_then(|()| socket.send(&self.payload(probe)).map(drop)).and(Err(Errno::INPROGRESS.into()))
            }
        };
        match sent {
            Err(error) if Errno::from_io_error(&error) == Some(Errno::INPROGRESS) => self.open.push((probe, socket)),
            // On short ways the reply is there before the call is back.
            Ok(()) => self.early.extend(self.outcome(&socket, None)?.map(|reply| (probe, reply))),
            Err(error) => {
                let why = error.raw_os_error();
                match self.outcome(&socket, Some(error))? {
                    Some(reply) => self.early.push((probe, reply)),
                    None => return Err(why.map_or_else(|| io::ErrorKind::Other.into(), io::Error::from_raw_os_error)),
                }
            }
        }
        Ok(())
    }

    fn receive(
        &mut self,
        timeout: Duration,
        stop: BorrowedFd<'_>,
        replies: &mut Vec<(Probe, Reply)>,
    ) -> io::Result<bool> {
        let timeout = if self.early.is_empty() { timeout } else { Duration::ZERO };
        replies.append(&mut self.early);
        let flags = if self.protocol == Protocol::Tcp { PollFlags::OUT } else { PollFlags::IN };
        let descriptors: Vec<_> = self.open.iter().map(|(_, socket)| (socket.as_fd(), flags)).collect();
        let mut ready = wait(&descriptors, timeout, stop)?;
        let stopped = ready.pop().unwrap_or(false);
        let mut places = ready.into_iter();
        let (settled, open) =
            std::mem::take(&mut self.open).into_iter().partition(|_: &(Probe, Socket)| places.next() == Some(true));
        self.open = open;
        let settled: Vec<(Probe, Socket)> = settled;
        for (probe, socket) in settled {
            replies.extend(self.outcome(&socket, None)?.map(|reply| (probe, reply)));
        }
        Ok(stopped)
    }
}
