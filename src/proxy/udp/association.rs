//! A client that talks to a target, as far as datagrams let one say so.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use super::super::balance::{Failure, Target};
use super::super::failure::failure;
use super::super::record::Connection;
use super::super::service::{Service, Shared};
use super::losses::Losses;
use crate::clock;
use crate::record::Time;

/// Datagrams between a client, whom it meant, and a target.
#[derive(Debug)]
pub(super) struct Association {
    pub(super) service: Arc<Service>,
    pub(super) client: SocketAddr,
    pub(super) meant: SocketAddr,
    /// None only while a target is looked for.
    pub(super) upstream: Option<Upstream>,
    tried: Vec<u64>,
    start: Time,
    begun: Duration,
    /// When the last datagram came, from either side.
    pub(super) last: Duration,
    bytes_to_target: u64,
    bytes_to_client: u64,
    /// Whether a datagram came from its target.
    pub(super) answered: bool,
    /// The socket through which its client is answered, once it is known.
    pub(super) answers: Option<u64>,
}

/// A target, and the socket that is connected to it. The target counts it as long as it is there.
#[derive(Debug)]
pub(super) struct Upstream {
    pub(super) target: Arc<Target>,
    pub(super) address: SocketAddr,
    pub(super) socket: Socket,
    losses: Losses,
}

/// Why no target was reached.
#[derive(Debug)]
pub(super) struct Unreached {
    pub(super) why: &'static str,
    /// What this host lacks, if it is that.
    pub(super) lack: Option<io::Error>,
}

impl Association {
    pub(super) fn new(service: &Arc<Service>, client: SocketAddr, meant: SocketAddr, now: Duration) -> Self {
        Self {
            service: service.clone(),
            client,
            meant,
            upstream: None,
            tried: Vec::new(),
            start: clock::now(),
            begun: now,
            last: now,
            bytes_to_target: 0,
            bytes_to_client: 0,
            answered: false,
            answers: None,
        }
    }

    /// Brings datagrams to the next target that was not tried yet and does not refuse them right away. `why` there is
    /// none if there is no further one.
    pub(super) fn seek(
        &mut self,
        shared: &Shared,
        mut why: &'static str,
        datagrams: &[&[u8]],
    ) -> Result<(), Unreached> {
        // The one that failed is counted no more when the next is picked: fewest connections go first.
        self.upstream = None;
        loop {
            let Some(target) = self.service.pool.pick(&self.tried, shared.now()) else {
                return Err(Unreached { why, lack: None });
            };
            if !self.tried.is_empty() {
                self.service.counters.retried.fetch_add(1, Ordering::Relaxed);
            }
            self.tried.push(target.id());
            let address = target.socket_address(self.meant.port());
            let failure = match Upstream::connect(&target, address) {
                Ok(upstream) => {
                    self.upstream = Some(upstream);
                    match datagrams.iter().find_map(|datagram| self.send(datagram).err()) {
                        None => return Ok(()),
                        Some(failure) => failure,
                    }
                }
                Err(error) => match failure(&error, address) {
                    Failure::Local => return Err(Unreached { why: "local", lack: Some(error) }),
                    failure => failure,
                },
            };
            self.upstream = None;
            self.service.pool.failed(&target, failure, shared.now());
            why = word(failure);
        }
    }

    /// Sends a datagram to the target. One that this host cannot send now is dropped.
    pub(super) fn send(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let Some(upstream) = &self.upstream else { return Ok(()) };
        match upstream.socket.send(bytes) {
            Ok(_) => {
                self.bytes_to_target += bytes.len() as u64;
                upstream.target.moved(bytes.len() as u64, 0);
            }
            Err(error) => match failure(&error, upstream.address) {
                Failure::Local => self.dropped(),
                failure => return Err(failure),
            },
        }
        Ok(())
    }

    /// Counts a datagram that the client got.
    pub(super) fn answered_with(&mut self, length: usize) {
        self.bytes_to_client += length as u64;
        if let Some(upstream) = &self.upstream {
            upstream.target.moved(0, length as u64);
        }
    }

    /// Counts a datagram that could not be passed on.
    pub(super) fn dropped(&self) {
        self.service.counters.dropped.fetch_add(1, Ordering::Relaxed);
    }

    /// Datagrams of the target that could not be read since this was asked before.
    pub(super) fn lost(&mut self) -> u64 {
        self.upstream.as_mut().map_or(0, |upstream| upstream.losses.take(&upstream.socket))
    }

    /// What is told of it: with why it ended, or while it goes on.
    pub(super) fn connection(&self, now: Duration, end: Option<&'static str>) -> Connection {
        Connection {
            start: self.start,
            duration: now.saturating_sub(self.begun).into(),
            app: self.service.app.name.as_str().into(),
            protocol: "udp",
            client: self.client,
            meant: self.meant,
            target: self.upstream.as_ref().map(|upstream| upstream.target.clone()),
            target_address: self.upstream.as_ref().map(|upstream| upstream.address),
            tries: self.tried.len() as u32,
            bytes_to_target: self.bytes_to_target,
            bytes_to_client: self.bytes_to_client,
            state: if end.is_some() { "ended" } else { "open" },
            end,
        }
    }
}

impl Upstream {
    fn connect(target: &Arc<Target>, address: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM.nonblocking(), None)?;
        socket.connect(&address.into())?;
        // Behind connecting, by which it got a port that no other has: clients may mean that very port, and are answered
        // from a socket that is bound to it, too.
        socket.set_reuse_address(true)?;
        target.begin();
        Ok(Self { target: target.clone(), address, socket, losses: Losses::default() })
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.target.end();
    }
}

/// Why an association ended whose target failed.
pub(super) const fn word(failure: Failure) -> &'static str {
    match failure {
        Failure::Refused => "refused",
        Failure::Reset => "reset",
        Failure::Timeout => "timeout",
        Failure::Unreachable => "unreachable",
        Failure::Local => "local",
    }
}
