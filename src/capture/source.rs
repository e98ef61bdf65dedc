//! What every source of packets can do.

use super::CaptureError;
use crate::limits::Loss;
use crate::packet::{LinkType, RawPacket};
use crate::record::{Row, Time};

/// Delivers packets, in the order in which they were captured.
///
/// [`next`](Self::next) is for those who need packets only. Who needs to know where a packet was captured calls
/// [`advance`](Self::advance): the packet and the interfaces can then be looked at together.
pub trait PacketSource {
    /// Moves to the next packet. `false` at the end.
    ///
    /// # Errors
    ///
    /// What ends the source early: input that is cut or corrupt, a device that fails, a request to stop. After an error
    /// the source is at its end.
    fn advance(&mut self) -> Result<bool, CaptureError>;

    /// The packet that the last [`advance`](Self::advance) moved to. There is none before the first one and after the
    /// end: what is given then means nothing.
    fn packet(&self) -> RawPacket<'_>;

    /// The interfaces seen so far; a capture file may add some while it is read. The interface of the current packet is
    /// always among them.
    fn interfaces(&self) -> &[Interface];

    /// How far it is.
    fn progress(&self) -> Progress;

    /// Moves to the next packet as [`advance`](Self::advance) does, but comes back when none arrives for a moment, and at
    /// once if it is not to wait.
    ///
    /// # Errors
    ///
    /// As those of [`advance`](Self::advance).
    #[inline]
    fn poll(&mut self, _wait: bool) -> Result<Arrival, CaptureError> {
        Ok(if self.advance()? { Arrival::Packet } else { Arrival::End })
    }

    /// Ends it: what a live source has captured by now is still delivered, a file ends here.
    fn stop(&mut self);

    /// What it could not see so far.
    fn loss(&mut self) -> Loss {
        Loss::default()
    }

    /// What happened to it that somebody should know, said once: an interface that disappeared.
    fn take_notes(&mut self) -> Vec<String> {
        Vec::new()
    }

    /// Takes the rows that the source makes by itself, of what is more than packets.
    fn take_rows(&mut self) -> Vec<Row> {
        Vec::new()
    }

    /// The next packet, or `None` at the end.
    ///
    /// # Errors
    ///
    /// As those of [`advance`](Self::advance).
    #[inline]
    fn next(&mut self) -> Result<Option<RawPacket<'_>>, CaptureError> {
        Ok(if self.advance()? { Some(self.packet()) } else { None })
    }
}

/// What came of waiting for a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// There is one.
    Packet,
    /// Nothing has arrived up to this time.
    Nothing(Time),
    /// There will be no more.
    End,
}

/// Where packets were captured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Its name, where the capture says it.
    pub name: Option<String>,
    /// How its packets begin.
    pub link: LinkType,
    /// Bytes kept per packet, at most; 0 for no limit.
    pub snaplen: u32,
}

/// How far a source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Bytes of input read, as stored: compressed, where the input is compressed.
    pub bytes: u64,
    /// Bytes of input there are, where that is known.
    pub total: Option<u64>,
}
