//! Bytes to frames: link types, VLAN tags, tunnels, IP fragments. Pure: no clock, no operating system.
//!
//! [`Decoder::decode`] borrows from the packet that it is given. What cannot be decoded is kept as a
//! [`Stop`]: everything up to there stands, with the reason and the offset.

mod decode;
mod ethernet;
mod fragment;
mod frame;
mod framing;
mod ip;
mod link;
mod plain;
mod record;
mod rest;
#[cfg(test)]
mod sample;
mod stop;
mod summary;
mod transport;
mod tunnel;

pub use decode::Decoder;
pub use frame::{
    Frame, Icmp, Network, RawPacket, Tcp, TcpFlags, Transport, Tunnel, TunnelKind, Udp, Vlans, protocol_name,
};
pub use link::LinkType;
pub use record::{Keep, Packet};
pub use stop::{Reason, Stop};
