//! Reads the classic capture file format of libpcap (`pcap-savefile(5)`, draft-ietf-opsawg-pcap).

use super::format::{ByteOrder, Located, has_foreign_family, longest_packet};
use super::input::Input;
use super::{CaptureError, Interface};
use crate::packet::LinkType;
use crate::record::Time;

const MICROSECONDS: u32 = 0xa1b2_c3d4;
const NANOSECONDS: u32 = 0xa1b2_3c4d;
/// Written by libpcap with Alexey Kuznetzov's patch: longer record headers, microseconds.
const PATCHED: u32 = 0xa1b2_cd34;

const FILE_HEADER: usize = 24;

/// What the first four bytes say about a file in this format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Magic {
    order: ByteOrder,
    number: u32,
}

impl Magic {
    /// The byte order and variant, if this is the beginning of a file in this format.
    pub(super) fn recognise(first: &[u8; 4]) -> Option<Self> {
        [ByteOrder::Little, ByteOrder::Big]
            .into_iter()
            .map(|order| Self { order, number: order.u32(first, 0) })
            .find(|magic| matches!(magic.number, MICROSECONDS | NANOSECONDS | PATCHED))
    }

    /// Whether a file in this format may begin with these bytes, of which there are less than four.
    pub(super) fn may_begin_with(bytes: &[u8]) -> bool {
        [MICROSECONDS, NANOSECONDS, PATCHED]
            .iter()
            .any(|number| number.to_le_bytes().starts_with(bytes) || number.to_be_bytes().starts_with(bytes))
    }
}

/// Which of the two lengths of a record comes first. The order was changed with version 2.3, not by everybody at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lengths {
    CapturedFirst,
    WireFirst,
    SmallerIsCaptured,
}

/// Finds the records of a file.
#[derive(Debug)]
pub(super) struct Reader {
    order: ByteOrder,
    nanos_per_tick: i64,
    record_header: usize,
    lengths: Lengths,
    link: LinkType,
    longest: u32,
    foreign_family: bool,
}

impl Reader {
    /// Reads the file header. The interface is the only one of the file.
    pub(super) fn open(input: &mut Input, magic: Magic) -> Result<(Self, Interface), CaptureError> {
        let order = magic.order;
        input.need(FILE_HEADER)?;
        let Some(header) = input.unread().first_chunk::<FILE_HEADER>() else {
            return Err(input.truncated("the file header", 0));
        };
        let lengths = match (order.u16(header, 4), order.u16(header, 6)) {
            (2, 4) => Lengths::CapturedFirst,
            (2, 3) => Lengths::SmallerIsCaptured,
            // 543.0 is what tcpdump of DG/UX writes.
            (2, 0..3) | (543, 0) => Lengths::WireFirst,
            (major, minor) => {
                let reason = format!("pcap version {major}.{minor} does not exist; netscript reads versions 2.0 to 2.4");
                return Err(input.unusable(reason));
            }
        };
        let snaplen = order.u32(header, 16);
        // The upper half says whether, and how many, bytes of the frame check sequence end each packet.
        let link = LinkType((order.u32(header, 20) & 0xffff) as u16);
        input.consume(FILE_HEADER);
        let reader = Self {
            order,
            nanos_per_tick: if magic.number == NANOSECONDS { 1 } else { 1000 },
            record_header: if magic.number == PATCHED { 24 } else { 16 },
            lengths,
            link,
            longest: longest_packet(link),
            foreign_family: has_foreign_family(link, order),
        };
        Ok((reader, Interface { name: None, link, snaplen }))
    }

    /// Moves to the next record.
    #[inline]
    pub(super) fn advance(&mut self, input: &mut Input) -> Result<Option<Located>, CaptureError> {
        let available = input.need(self.record_header)?;
        let Some(header) = input.unread().first_chunk::<16>().filter(|_| available >= self.record_header) else {
            let begin = input.offset();
            return if available == 0 { Ok(None) } else { Err(input.truncated("a packet record", begin)) };
        };
        let ticks = i64::from(self.order.u32(header, 4)) * self.nanos_per_tick;
        let time = Time::from_nanos(i64::from(self.order.u32(header, 0)) * 1_000_000_000 + ticks);
        let (mut captured, mut length) = (self.order.u32(header, 8), self.order.u32(header, 12));
        if self.lengths != Lengths::CapturedFirst && (self.lengths == Lengths::WireFirst || captured > length) {
            std::mem::swap(&mut captured, &mut length);
        }
        if captured > self.longest {
            let reason = format!("{captured} captured bytes in one packet; no more than {} are possible", self.longest);
            return Err(input.corrupt(input.offset(), reason));
        }
        let captured = captured as usize;
        let record = self.record_header + captured;
        if input.need(record)? < record {
            return Err(input.truncated("a packet record", input.offset()));
        }
        let place = input.consume(record) + self.record_header;
        let packet = Located { time, length, link: self.link, interface: 0, place, captured };
        if self.foreign_family {
            packet.normalise_family(input);
        }
        Ok(Some(packet.trimmed()))
    }
}
