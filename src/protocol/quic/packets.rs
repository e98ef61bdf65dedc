//! Packets in a datagram (RFC 9000, section 17; RFC 8999).

use super::super::cursor::Cursor;

/// A version whose Initial packets can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    V1,
    V2,
}

impl Version {
    pub(super) const ALL: [Self; 2] = [Self::V1, Self::V2];

    const fn number(self) -> u32 {
        match self {
            Self::V1 => 1,
            Self::V2 => 0x6b33_43cf,
        }
    }

    /// The type of a packet with a long header: version 2 counts on from another one (RFC 9369, section 3.2).
    fn kind(self, first: u8) -> Kind {
        let bits = first >> 4 & 3;
        let place = match self {
            Self::V1 => bits,
            Self::V2 => bits.wrapping_sub(1) & 3,
        };
        [Kind::Initial, Kind::ZeroRtt, Kind::Handshake, Kind::Retry][usize::from(place)]
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Initial,
    ZeroRtt,
    Handshake,
    Retry,
}

/// A packet of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packet<'a> {
    Initial(Initial<'a>),
    /// An Initial packet of which the end is missing.
    Incomplete,
    Handshake,
    ZeroRtt,
    Retry,
    VersionNegotiation,
    /// Of a version that is not known here.
    OtherVersion,
    /// With a short header: the handshake is over for who sends it.
    Short,
}

/// An Initial packet as it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Initial<'a> {
    pub(super) version: Version,
    /// The connection ID of who it is for.
    pub(super) destination: &'a [u8],
    pub(super) bytes: &'a [u8],
    /// Where its packet number begins.
    pub(super) number_at: usize,
}

/// The next packet, taken off the front of a datagram; none at its end, or if this is none.
pub(super) fn next<'a>(datagram: &mut &'a [u8]) -> Option<Packet<'a>> {
    let whole = *datagram;
    let mut cursor = Cursor(whole);
    let first = cursor.u8()?;
    // A packet reaches to the end of the datagram, unless it says how long it is.
    *datagram = &[];
    if first & 0x80 == 0 {
        // Zeros that fill a datagram are no packet.
        return (first & 0x40 != 0).then_some(Packet::Short);
    }
    let number = cursor.number(4)?;
    let (destination, _source) = (cursor.vector(1)?.0, cursor.vector(1)?);
    let Some(version) = Version::ALL.into_iter().find(|version| u64::from(version.number()) == number) else {
        return Some(if number == 0 { Packet::VersionNegotiation } else { Packet::OtherVersion });
    };
    if destination.len() > LONGEST_ID {
        return None;
    }
    let kind = version.kind(first);
    if kind == Kind::Retry {
        return Some(Packet::Retry);
    }
    let incomplete = (kind == Kind::Initial).then_some(Packet::Incomplete);
    if kind == Kind::Initial && sized(&mut cursor).is_none() {
        return incomplete;
    }
    let Some(protected) = sized(&mut cursor) else { return incomplete };
    let (bytes, rest) = whole.split_at(whole.len() - cursor.0.len());
    *datagram = rest;
    Some(match kind {
        Kind::Initial => {
            let number_at = bytes.len() - protected.len();
            Packet::Initial(Initial { version, destination, bytes, number_at })
        }
        Kind::Handshake => Packet::Handshake,
        Kind::ZeroRtt | Kind::Retry => Packet::ZeroRtt,
    })
}

/// A connection ID has no more bytes in these versions.
const LONGEST_ID: usize = 20;

/// What follows its own length, which is a number of variable length.
pub(super) fn sized<'a>(cursor: &mut Cursor<'a>) -> Option<&'a [u8]> {
    let length = variable(cursor)?;
    cursor.take(usize::try_from(length).ok()?)
}

/// A number of variable length (RFC 9000, section 16).
pub(super) fn variable(cursor: &mut Cursor<'_>) -> Option<u64> {
    let length = 1 << (cursor.0.first()? >> 6);
    let number = cursor.number(length)?;
    Some(number & (u64::MAX >> (66 - 8 * length)))
}
