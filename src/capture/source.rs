//! What every source of packets can do.

use super::CaptureError;
use crate::packet::{LinkType, RawPacket};

/// Delivers packets, in the order in which they were captured.
pub trait PacketSource {
    /// The next packet, or `None` at the end.
    ///
    /// # Errors
    ///
    /// What ends the source early: input that is cut or corrupt, a device that fails. After an error the source is at
    /// its end.
    fn next(&mut self) -> Result<Option<RawPacket<'_>>, CaptureError>;

    /// The interfaces seen so far; a capture file may add some while it is read.
    fn interfaces(&self) -> &[Interface];

    /// How far it is.
    fn progress(&self) -> Progress;
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
    /// Bytes of input read.
    pub bytes: u64,
    /// Bytes of input there are, where that is known.
    pub total: Option<u64>,
}
