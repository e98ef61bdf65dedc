//! The Initial packets of both ends of a connection.

use super::super::cursor::Cursor;
use super::frames::{self, Frame};
use super::keys::{End, Keys};
use super::packets::{self, Initial, Packet, Version};
use super::stream::Stream;
use crate::flow::Side;

/// Opens the Initial packets of a connection and puts what they carry in order.
#[derive(Debug, Default)]
pub struct Connection {
    /// Who sent an Initial packet that could be opened with the keys of a client.
    client: Option<Side>,
    /// The connection ID that the keys follow from.
    id: Vec<u8>,
    /// The keys of client and server, for each version that was needed.
    keys: [Option<[Keys; 2]>; Version::ALL.len()],
    streams: [Stream; 2],
    /// The packet number that should come next of each side.
    expected: [u64; 2],
}

/// What Initial packets tell.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// The next bytes of a side's handshake messages.
    Crypto(Side, &'a [u8]),
    /// A side's handshake messages are longer than allowed, or in too many pieces.
    TooMuch(Side),
    /// A side closed the connection with this error code.
    Close(Side, u64),
    /// The client begins anew, and sends its handshake messages from their beginning.
    Restart,
    /// The server wants a proof of the client's address first.
    Retry,
    /// The server does not speak the client's version.
    VersionNegotiation,
    /// The client has gone on to packets of other keys.
    Established,
    /// An Initial packet cannot be opened: the keys follow from one that was not captured.
    Locked,
    /// The end of an Initial packet is missing.
    Incomplete,
}

/// The smallest datagram in which a client may begin, in bytes (RFC 9000, section 14.1).
const SMALLEST: usize = 1200;

impl Connection {
    /// Takes in a datagram, and tells what is in it. Handshake messages may have `limit` bytes. Gives whether this is QUIC.
    pub fn datagram(&mut self, from: Side, datagram: &[u8], limit: usize, emit: &mut dyn FnMut(Event<'_>)) -> bool {
        let mut rest = datagram;
        let mut is_quic = self.client.is_some();
        while let Some(packet) = packets::next(&mut rest) {
            is_quic |= match packet {
                Packet::OtherVersion => datagram[0] & 0x40 != 0 && datagram.len() >= SMALLEST,
                Packet::Short => false,
                _ => true,
            };
            match packet {
                Packet::Initial(packet) => self.initial(from, &packet, limit, emit),
                Packet::Incomplete => emit(Event::Incomplete),
                Packet::Retry if self.client == Some(from.other()) => emit(Event::Retry),
                Packet::VersionNegotiation if self.client != Some(from) => emit(Event::VersionNegotiation),
                Packet::Handshake | Packet::Short if self.client == Some(from) => emit(Event::Established),
                _ => {}
            }
        }
        is_quic
    }

    fn initial(&mut self, from: Side, packet: &Initial<'_>, limit: usize, emit: &mut dyn FnMut(Event<'_>)) {
        let opened = self.open(from, packet).or_else(|| self.begin(from, packet, emit));
        let Some((number, frames)) = opened else { return emit(Event::Locked) };
        let expected = &mut self.expected[from.index()];
        *expected = number.saturating_add(1).max(*expected);
        let mut content = Cursor(&frames);
        while let Some(frame) = frames::next(&mut content) {
            match frame {
                Frame::Crypto(place, bytes) => {
                    let stream = &mut self.streams[from.index()];
                    if !stream.push(place, bytes, limit, &mut |bytes| emit(Event::Crypto(from, bytes))) {
                        return emit(Event::TooMuch(from));
                    }
                }
                Frame::Close(code) => emit(Event::Close(from, code)),
            }
        }
    }

    /// Opens a packet with the keys that are known. A server may answer in another version, with keys that follow from the
    /// same connection ID (RFC 9368, section 4.1).
    fn open(&mut self, from: Side, packet: &Initial<'_>) -> Option<(u64, Vec<u8>)> {
        let end = if self.client? == from { End::Client } else { End::Server };
        let keys = self.keys[packet.version as usize]
            .get_or_insert_with(|| [End::Client, End::Server].map(|end| Keys::new(packet.version, &self.id, end)));
        keys[end as usize].open(packet, self.expected[from.index()])
    }

    /// Opens a packet with which a client begins, or begins anew: its own connection ID gives the keys.
    fn begin(&mut self, from: Side, packet: &Initial<'_>, emit: &mut dyn FnMut(Event<'_>)) -> Option<(u64, Vec<u8>)> {
        if self.client == Some(from.other()) {
            return None;
        }
        let client = Keys::new(packet.version, packet.destination, End::Client);
        let opened = client.open(packet, 0)?;
        if self.client.is_some() {
            emit(Event::Restart);
        }
        let server = Keys::new(packet.version, packet.destination, End::Server);
        *self = Self { client: Some(from), id: packet.destination.to_vec(), ..Self::default() };
        self.keys[packet.version as usize] = Some([client, server]);
        Some(opened)
    }

    /// Who is the client, once that is known.
    #[must_use]
    pub const fn client(&self) -> Option<Side> {
        self.client
    }

    /// Whether a part of a side's handshake messages is missing before others that came.
    #[must_use]
    pub const fn has_hole(&self, side: Side) -> bool {
        self.streams[side.index()].has_hole()
    }
}
