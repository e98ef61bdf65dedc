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
                let reason =
                    format!("pcap version {major}.{minor} does not exist; netscript reads versions 2.0 to 2.4");
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

#[cfg(test)]
mod tests {
    use super::super::testing::{Outcome, big, little, pcap_header, pcap_record, read};
    use super::*;

    const DATA: [u8; 4] = [1, 2, 3, 4];

    /// Time, length and bytes of packets.
    fn shape(outcome: &Outcome) -> Vec<(i64, u32, &[u8])> {
        outcome.packets.iter().map(|packet| (packet.nanos, packet.length, packet.bytes.as_slice())).collect()
    }

    #[test]
    fn both_byte_orders_and_both_resolutions_are_read() {
        #[rustfmt::skip]
        let little_micros = [
            0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 1, 0, 0, 0,
            0x10, 0, 0, 0, 7, 0, 0, 0, 4, 0, 0, 0, 60, 0, 0, 0, 1, 2, 3, 4,
        ];
        #[rustfmt::skip]
        let big_micros = [
            0xa1, 0xb2, 0xc3, 0xd4, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 1,
            0, 0, 0, 0x10, 0, 0, 0, 7, 0, 0, 0, 4, 0, 0, 0, 60, 1, 2, 3, 4,
        ];
        let mut little_nanos = little_micros;
        little_nanos[..4].copy_from_slice(&[0x4d, 0x3c, 0xb2, 0xa1]);
        let mut big_nanos = big_micros;
        big_nanos[..4].copy_from_slice(&[0xa1, 0xb2, 0x3c, 0x4d]);
        for (file, nanos) in [
            (little_micros, 16_000_007_000),
            (big_micros, 16_000_007_000),
            (little_nanos, 16_000_000_007),
            (big_nanos, 16_000_000_007),
        ] {
            let outcome = read(&file);
            assert_eq!(outcome.message(), "");
            assert_eq!(shape(&outcome), [(nanos, 60, DATA.as_slice())]);
            let ethernet = Interface { name: None, link: LinkType::ETHERNET, snaplen: 65535 };
            assert_eq!(outcome.interfaces, [ethernet]);
        }
    }

    #[test]
    fn the_longer_records_of_the_patched_format_are_read() {
        let header = [0xa1b2_cd34, 0x0002_0004, 0, 0, 65535, 1];
        let record = [16, 7, 4, 60, 3, 0x0800_0000, 0x0102_0304];
        let outcome = read(&big(&[header.as_slice(), &record, &record].concat()));
        assert_eq!(outcome.message(), "");
        assert_eq!(shape(&outcome), [(16_000_007_000, 60, DATA.as_slice()); 2]);
    }

    #[test]
    fn what_the_link_type_says_about_the_frame_check_sequence_is_masked() {
        let outcome = read(&[pcap_header(0x2400_0071), pcap_record(1, 0, &DATA)].concat());
        assert_eq!(outcome.packets[0].link, LinkType::LINUX_SLL);
    }

    #[test]
    fn versions_that_do_not_exist_are_refused() {
        for (version, name) in [(0x0004_0001, "1.4"), (0x0005_0002, "2.5"), (0x0001_021f, "543.1"), (3, "3.0")] {
            let outcome = read(&[little(&[0xa1b2_c3d4, version, 0, 0, 0, 1]), pcap_record(1, 0, &DATA)].concat());
            assert_eq!(
                outcome.message(),
                format!("cannot read `test`: pcap version {name} does not exist; netscript reads versions 2.0 to 2.4")
            );
            assert!(outcome.packets.is_empty());
        }
    }

    #[test]
    fn old_versions_have_their_lengths_the_other_way_round() {
        for (version, first, second) in [
            (0x0002_0002, 60, 4),
            (0x0000_021f, 60, 4),
            (0x0003_0002, 60, 4),
            (0x0003_0002, 4, 60),
            (0x0004_0002, 4, 60),
        ] {
            let header = little(&[0xa1b2_c3d4, version, 0, 0, 0, 1]);
            let outcome = read(&[header, little(&[1, 0, first, second]), DATA.to_vec()].concat());
            assert_eq!(shape(&outcome), [(1_000_000_000, 60, DATA.as_slice())], "{version:#x}");
        }
    }

    #[test]
    fn bytes_beyond_the_length_on_the_wire_are_no_part_of_the_packet() {
        let record = |captured, length| [little(&[1, 0, captured, length]), DATA.to_vec()].concat();
        let outcome = read(&[pcap_header(1), record(4, 3), record(4, 0), record(4, 4)].concat());
        let lengths: Vec<_> = outcome.packets.iter().map(|packet| (packet.length, packet.bytes.len())).collect();
        assert_eq!(lengths, [(3, 3), (4, 4), (4, 4)]);
    }

    #[test]
    fn seconds_after_2038_and_too_many_microseconds_are_read_as_they_are() {
        let outcome = read(&[pcap_header(1), pcap_record(u32::MAX, u32::MAX, &DATA)].concat());
        assert_eq!(outcome.packets[0].nanos, 4_294_967_295 * 1_000_000_000 + 4_294_967_295 * 1_000);
    }

    #[test]
    fn a_length_that_lies_is_corrupt_and_what_came_before_stands() {
        for captured in [262_145, 0x7fff_ffff, u32::MAX] {
            let lie = little(&[1, 0, captured, captured]);
            let outcome = read(&[pcap_header(1), pcap_record(1, 0, &DATA), lie, vec![0; 100]].concat());
            assert_eq!(outcome.packets.len(), 1);
            assert_eq!(
                outcome.message(),
                format!(
                    "`test` is corrupt at byte 44: {captured} captured bytes in one packet; no more than 262144 are \
                     possible"
                )
            );
        }
    }

    #[test]
    fn the_longest_packet_is_read_and_messages_may_be_longer() {
        for (link, length) in [(1, 262_144), (231, 3_000_000)] {
            let data = vec![7; length];
            let outcome = read(&[pcap_header(link), pcap_record(1, 0, &data), pcap_record(2, 0, &DATA)].concat());
            assert_eq!(outcome.message(), "");
            assert!(outcome.packets[0].bytes == data);
            assert_eq!(outcome.packets[1].bytes, DATA);
        }
    }

    #[test]
    fn a_file_that_is_cut_says_where_and_in_what() {
        let whole = [pcap_header(1), pcap_record(1, 0, &DATA), pcap_record(2, 0, &DATA)].concat();
        for (length, packets, message) in [
            (3, 0, "`test` is cut short: it ends at byte 3, inside the magic number that begins at byte 0"),
            (23, 0, "`test` is cut short: it ends at byte 23, inside the file header that begins at byte 0"),
            (24, 0, ""),
            (25, 0, "`test` is cut short: it ends at byte 25, inside a packet record that begins at byte 24"),
            (43, 0, "`test` is cut short: it ends at byte 43, inside a packet record that begins at byte 24"),
            (44, 1, ""),
            (63, 1, "`test` is cut short: it ends at byte 63, inside a packet record that begins at byte 44"),
            (64, 2, ""),
        ] {
            let outcome = read(&whole[..length]);
            assert_eq!((outcome.packets.len(), outcome.message().as_str()), (packets, message));
        }
    }

    #[test]
    fn the_address_family_of_a_foreign_file_is_brought_into_our_order() {
        let native = 2u32.to_ne_bytes();
        for (order, bytes) in [(little as fn(&[u32]) -> _, 2u32.to_le_bytes()), (big, 2u32.to_be_bytes())] {
            let version = if bytes[0] == 2 { 0x0004_0002 } else { 0x0002_0004 };
            let file = order(&[0xa1b2_c3d4, version, 0, 0, 0, 0, 1, 0, 8, 8]);
            let short = order(&[1, 0, 3, 3]);
            let outcome = read(&[&file, bytes.as_slice(), &[0x45, 0, 0, 1], &short, &[2, 0, 0]].concat());
            assert_eq!(outcome.message(), "");
            assert_eq!(outcome.packets[0].bytes, [native.as_slice(), &[0x45, 0, 0, 1]].concat());
            assert_eq!(outcome.packets[1].bytes, [2, 0, 0], "a family that was not captured whole stays as it is");
        }
    }
}
