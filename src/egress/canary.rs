//! Proof that the programs in the kernel see: netscript reaches for itself, and they have to tell.

use std::io;
use std::net::{Ipv4Addr, TcpStream, UdpSocket};

use super::event::{Event, Happening, Step, What};

/// What was seen of a canary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Canary {
    connected: bool,
    /// Whether it was told what came of it.
    concluded: bool,
    sent: bool,
}

/// Nobody listens there, and it does not matter if somebody does.
const PORT: u16 = 9;

const TCP: u16 = 6;
const UDP: u16 = 17;

impl Canary {
    /// Tries to connect and to send to this host, from this thread, which has to be watched.
    ///
    /// # Errors
    ///
    /// When there is no socket to be had.
    pub(super) fn sing() -> io::Result<()> {
        // Whether it works does not matter, but that it is seen.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, PORT));
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        let _ = socket.send_to(b"netscript", (Ipv4Addr::LOCALHOST, PORT));
        Ok(())
    }

    /// Takes in what was told of this process.
    pub(super) fn hear(&mut self, event: &Event) {
        let What::Socket(Happening { step, protocol, peer, .. }) = event.what else { return };
        match (step, protocol) {
            (Step::Begun(_), TCP) if peer.port() == PORT => self.connected = true,
            (Step::Begun(_), UDP) if peer.port() == PORT => self.sent = true,
            (Step::Connected | Step::Failed | Step::Closed { .. }, TCP) => self.concluded = true,
            _ => {}
        }
    }

    /// What of it was not seen; nothing if all was.
    pub(super) fn missing(self) -> Option<&'static str> {
        match self {
            Self { connected: false, .. } => Some("connecting"),
            Self { concluded: false, .. } => Some("what comes of connecting"),
            Self { sent: false, .. } => Some("sending"),
            _ => None,
        }
    }
}
