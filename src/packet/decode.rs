//! The way from a link type to a payload.

use super::{Frame, RawPacket};
use crate::limits::{Limits, Loss};

/// Decodes packets, and puts IP fragments together.
#[derive(Debug)]
pub struct Decoder {}

impl Decoder {
    /// A decoder that keeps fragments within these limits.
    #[must_use]
    pub fn new(_limits: &Limits) -> Self {
        Self {}
    }

    /// Decodes a packet. Never fails: what cannot be decoded is in [`Frame::stop`].
    pub fn decode<'a>(&'a mut self, _packet: &RawPacket<'a>) -> Frame<'a> {
        todo!()
    }

    /// What could not be put together so far.
    #[must_use]
    pub fn loss(&self) -> Loss {
        Loss::default()
    }
}
