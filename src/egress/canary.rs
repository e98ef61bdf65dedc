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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::egress::event::{How, Reason};

    /// What is missing once this was told, in order.
    fn missing(told: &[(Step, u16, &str)]) -> Option<&'static str> {
        let mut canary = Canary::default();
        for &(step, protocol, peer) in told {
            let peer = peer.parse().unwrap();
            let what =
                What::Socket(Happening { cookie: 42, step, protocol, peer, local: None, error: 0, bytes: [0, 0] });
            canary.hear(&Event { time: 0, pid: 1, reason: Reason::COMMAND, name: String::new(), what });
        }
        canary.missing()
    }

    const HERE: &str = "127.0.0.1:9";
    const CONNECT: (Step, u16, &str) = (Step::Begun(How::Connect), TCP, HERE);
    const SEND: (Step, u16, &str) = (Step::Begun(How::Send), UDP, HERE);
    const CLOSED: (Step, u16, &str) = (Step::Closed { used: true }, TCP, HERE);

    #[test]
    fn all_of_a_canary_has_to_be_heard() {
        assert_eq!(missing(&[CONNECT, CLOSED, SEND]), None);
        assert_eq!(missing(&[CONNECT, (Step::Failed, TCP, HERE), CLOSED, SEND]), None);
        // Somebody may listen there.
        assert_eq!(missing(&[CONNECT, (Step::Connected, TCP, HERE), SEND]), None);
        assert_eq!(missing(&[]), Some("connecting"));
        assert_eq!(missing(&[CLOSED, SEND]), Some("connecting"));
        assert_eq!(missing(&[CONNECT, SEND]), Some("what comes of connecting"));
        assert_eq!(missing(&[CONNECT, CLOSED]), Some("sending"));
    }

    #[test]
    fn what_else_this_process_does_is_no_canary() {
        let elsewhere = "127.0.0.1:53";
        let connect = (Step::Begun(How::Connect), TCP, elsewhere);
        assert_eq!(missing(&[connect, CLOSED, SEND]), Some("connecting"));
        assert_eq!(missing(&[CONNECT, CLOSED, (Step::Begun(How::Send), UDP, elsewhere)]), Some("sending"));
        // That a datagram could not be sent says nothing of connecting.
        assert_eq!(missing(&[CONNECT, (Step::Failed, UDP, HERE), SEND]), Some("what comes of connecting"));
    }
}
