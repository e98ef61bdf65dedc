//! stub
use super::{Frame, RawPacket};
use crate::capture::Interface;
/// stub
#[derive(Debug, Clone, Copy)]
pub struct Keep {
    /// x
    pub payload: bool,
    /// x
    pub bytes: bool,
    /// x
    pub show_secrets: bool,
}
/// stub
#[derive(Debug)]
pub struct Packet {
    number: u64,
}
impl Packet {
    /// x
    pub fn new(number: u64, _i: Option<&Interface>, _p: &RawPacket<'_>, _f: &Frame<'_>, _k: &Keep) -> Self {
        Self { number }
    }
    /// x
    pub fn raw(&self) -> Option<RawPacket<'_>> {
        None
    }
    /// x
    pub fn interface_name(&self) -> Option<&str> {
        None
    }
}
crate::record! {
    /// stub
    impl Record for Packet as "packet" {
        /// n
        number: Integer, main => |p| p.number;
    }
}
