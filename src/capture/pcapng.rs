//! Reads the capture file format pcapng (draft-ietf-opsawg-pcapng).
//!
//! Sections follow one another, each with its byte order and its interfaces; interfaces are numbered on through all of
//! them. Enhanced, simple and (obsolete) packet blocks are packets; all other blocks are passed over, custom blocks
//! too: what they hold is known to their makers only.

use super::clock::Clock;
use super::format::{ByteOrder, Located, has_foreign_family, longest_packet};
use super::input::Input;
use super::{CaptureError, Interface};
use crate::packet::LinkType;
use crate::record::Time;

/// The type of the block that begins a section, the same in both byte orders.
pub(super) const SECTION_HEADER: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];

const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;

const INTERFACE_DESCRIPTION: u32 = 1;
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;

/// Type and length before the body of a block, and the length again behind it.
const BLOCK_HEADER: usize = 8;
const BLOCK_TRAILER: usize = 4;
const SMALLEST_BLOCK: u32 = (BLOCK_HEADER + BLOCK_TRAILER) as u32;

/// Bytes of options in a packet block, at most: they have to be in memory together with the packet.
const LONGEST_OPTIONS: u32 = 1 << 20;

/// Bytes kept of an interface's name, and interfaces kept of a file. Longer files are those of an attacker.
const LONGEST_NAME: usize = 256;
const MOST_INTERFACES: usize = 1 << 18;

/// What the packets of an interface need to be read.
#[derive(Debug)]
struct Described {
    link: LinkType,
    snaplen: u32,
    longest: u32,
    foreign_family: bool,
    clock: Clock,
}

/// The header of a block.
#[derive(Debug, Clone, Copy)]
struct Block {
    /// Offset in the capture.
    begin: u64,
    /// Length of the whole block, in bytes; at least [`SMALLEST_BLOCK`] and a multiple of 4.
    length: u32,
}

/// Finds the packets of a file.
#[derive(Debug)]
pub(super) struct Reader {
    order: ByteOrder,
    /// The interfaces of this section.
    section: Vec<Described>,
    /// Number of this section's first interface among those of the file.
    first_interface: u32,
    /// Time of this section's last packet, which simple packet blocks take over because they have none of their own.
    last_time: Time,
}

impl Reader {
    /// Reads the first section header.
    pub(super) fn open(input: &mut Input) -> Result<Self, CaptureError> {
        let mut reader =
            Self { order: ByteOrder::Little, section: Vec::new(), first_interface: 0, last_time: Time::default() };
        reader.begin_section(input, 0)?;
        Ok(reader)
    }

    /// Moves to the next packet, and adds the interfaces described before it.
    #[inline]
    pub(super) fn advance(
        &mut self,
        input: &mut Input,
        interfaces: &mut Vec<Interface>,
    ) -> Result<Option<Located>, CaptureError> {
        loop {
            input.need(SMALLEST_BLOCK as usize)?;
            let begin = input.offset();
            let Some(header) = input.unread().first_chunk::<{ SMALLEST_BLOCK as usize }>() else {
                return if input.unread().is_empty() { Ok(None) } else { Err(input.truncated("a block", begin)) };
            };
            if header.starts_with(&SECTION_HEADER) {
                self.begin_section(input, interfaces.len())?;
                continue;
            }
            let kind = self.order.u32(header, 0);
            let block = Block { begin, length: checked_length(input, begin, self.order.u32(header, 4))? };
            match kind {
                ENHANCED_PACKET => return self.packet(input, block, |order, header| order.u32(header, 8)).map(Some),
                OBSOLETE_PACKET => {
                    return self.packet(input, block, |order, header| u32::from(order.u16(header, 8))).map(Some);
                }
                SIMPLE_PACKET => return self.simple_packet(input, block).map(Some),
                INTERFACE_DESCRIPTION => self.describe_interface(input, block, interfaces)?,
                _ => {
                    input.consume(BLOCK_HEADER);
                    self.end_block(input, block, u64::from(block.length) - BLOCK_HEADER as u64)?;
                }
            }
        }
    }

    /// Reads a section header block, and forgets the section before it.
    #[cold]
    fn begin_section(&mut self, input: &mut Input, interfaces: usize) -> Result<(), CaptureError> {
        const FIXED: usize = BLOCK_HEADER + 16;
        let begin = input.offset();
        input.need(FIXED)?;
        let Some(header) = input.unread().first_chunk::<FIXED>() else {
            return Err(input.truncated("a section header", begin));
        };
        let Some(order) = [ByteOrder::Little, ByteOrder::Big]
            .into_iter()
            .find(|order| order.u32(header, BLOCK_HEADER) == BYTE_ORDER_MAGIC)
        else {
            return Err(input.corrupt(begin, "the section header has no byte-order magic"));
        };
        let length = order.u32(header, 4);
        let (major, minor) = (order.u16(header, 12), order.u16(header, 14));
        if (major, minor) != (1, 0) && (major, minor) != (1, 2) {
            let reason = format!("pcapng version {major}.{minor} does not exist; netscript reads version 1.0");
            return Err(input.unusable(reason));
        }
        let block = Block { begin, length: checked_length(input, begin, length)? };
        let Some(options) = length.checked_sub(FIXED as u32).filter(|rest| *rest >= BLOCK_TRAILER as u32) else {
            return Err(input.corrupt(begin, format!("a section header of only {length} bytes")));
        };
        input.consume(FIXED);
        self.order = order;
        self.section.clear();
        // There are at most `MOST_INTERFACES`.
        self.first_interface = interfaces as u32;
        self.last_time = Time::default();
        self.end_block(input, block, u64::from(options))
    }

    /// Reads an interface description block.
    #[cold]
    fn describe_interface(
        &mut self,
        input: &mut Input,
        block: Block,
        interfaces: &mut Vec<Interface>,
    ) -> Result<(), CaptureError> {
        const FIXED: usize = BLOCK_HEADER + 8;
        const END_OF_OPTIONS: u16 = 0;
        const NAME: u16 = 2;
        const TIME_RESOLUTION: u16 = 9;
        const TIME_OFFSET: u16 = 14;

        let Some(mut rest) = block.length.checked_sub((FIXED + BLOCK_TRAILER) as u32) else {
            return Err(input.corrupt(block.begin, format!("an interface block of only {} bytes", block.length)));
        };
        if interfaces.len() == MOST_INTERFACES {
            return Err(input.corrupt(block.begin, format!("more than {MOST_INTERFACES} interfaces")));
        }
        let truncated = |input: &Input| input.truncated("an interface block", block.begin);
        input.need(FIXED)?;
        let Some(header) = input.unread().first_chunk::<FIXED>() else {
            return Err(truncated(input));
        };
        let link = LinkType(self.order.u16(header, 8));
        let snaplen = self.order.u32(header, 12);
        input.consume(FIXED);

        let (mut name, mut clock) = (None, Clock::default());
        while rest > 0 {
            // A rest is a multiple of 4, so there is room for the header of an option.
            input.need(4)?;
            let Some(header) = input.unread().first_chunk::<4>() else {
                return Err(truncated(input));
            };
            let (code, length) = (self.order.u16(header, 0), usize::from(self.order.u16(header, 2)));
            input.consume(4);
            rest -= 4;
            if code == END_OF_OPTIONS {
                break;
            }
            let padded = length.next_multiple_of(4);
            if padded > rest as usize {
                return Err(input.corrupt(block.begin, format!("option {code} is longer than its interface block")));
            }
            if input.need(padded)? < padded {
                return Err(truncated(input));
            }
            let place = input.consume(padded);
            let value = input.bytes(place, length);
            match (code, value) {
                (NAME, _) => name = Some(interface_name(value)),
                (TIME_RESOLUTION, &[resolution]) => clock.set_resolution(resolution),
                (TIME_OFFSET, &[a, b, c, d, e, f, g, h]) => {
                    clock.set_offset(self.order.i64([a, b, c, d, e, f, g, h]));
                }
                (TIME_RESOLUTION | TIME_OFFSET, _) => {
                    let reason = format!("option {code} of an interface block has an impossible length of {length}");
                    return Err(input.corrupt(block.begin, reason));
                }
                _ => {}
            }
            rest -= padded as u32;
        }
        self.end_block(input, block, u64::from(rest) + BLOCK_TRAILER as u64)?;

        self.section.push(Described {
            link,
            snaplen,
            longest: longest_packet(link),
            foreign_family: has_foreign_family(link, self.order),
            clock,
        });
        interfaces.push(Interface { name, link, snaplen });
        Ok(())
    }

    /// Reads a block whose body begins with an interface, a time stamp and two lengths.
    #[inline]
    fn packet(
        &mut self,
        input: &mut Input,
        block: Block,
        interface: impl Fn(ByteOrder, &[u8; 28]) -> u32,
    ) -> Result<Located, CaptureError> {
        const FIXED: usize = BLOCK_HEADER + 20;
        input.need(FIXED)?;
        let Some(header) = input.unread().first_chunk::<FIXED>() else {
            return Err(input.truncated("a packet block", block.begin));
        };
        let number = interface(self.order, header);
        let ticks = u64::from(self.order.u32(header, 12)) << 32 | u64::from(self.order.u32(header, 16));
        let (captured, length) = (self.order.u32(header, 20), self.order.u32(header, 24));
        let Some(described) = self.section.get(number as usize) else {
            return Err(self.no_interface(input, block, number));
        };
        self.last_time = described.clock.time(ticks);
        let packet = Located {
            time: self.last_time,
            length,
            link: described.link,
            interface: self.first_interface + number,
            place: FIXED,
            captured: captured as usize,
        };
        take_packet(self.order, input, block, packet, described)
    }

    /// Reads a block that is nothing but a packet of the section's first interface.
    fn simple_packet(&mut self, input: &mut Input, block: Block) -> Result<Located, CaptureError> {
        const FIXED: usize = BLOCK_HEADER + 4;
        input.need(FIXED)?;
        let Some(header) = input.unread().first_chunk::<FIXED>() else {
            return Err(input.truncated("a packet block", block.begin));
        };
        let length = self.order.u32(header, 8);
        let Some(described) = self.section.first() else {
            return Err(self.no_interface(input, block, 0));
        };
        let captured = if described.snaplen == 0 { length } else { length.min(described.snaplen) };
        let packet = Located {
            time: self.last_time,
            length,
            link: described.link,
            interface: self.first_interface,
            place: FIXED,
            captured: captured as usize,
        };
        take_packet(self.order, input, block, packet, described)
    }

    #[cold]
    fn no_interface(&self, input: &Input, block: Block, number: u32) -> CaptureError {
        let known = self.section.len();
        input.corrupt(block.begin, format!("a packet of interface {number}, but {known} were described before it"))
    }

    /// Passes over the rest of a block, and checks the length at its end. `rest` counts that length too.
    fn end_block(&self, input: &mut Input, block: Block, rest: u64) -> Result<(), CaptureError> {
        let complete = input.skip(rest - BLOCK_TRAILER as u64)? && input.need(BLOCK_TRAILER)? >= BLOCK_TRAILER;
        if !complete {
            return Err(input.truncated("a block", block.begin));
        }
        let place = input.consume(BLOCK_TRAILER);
        check_trailer(self.order, input, block, place)
    }
}

/// Checks a packet block against its length and consumes it. The place of the packet is relative to the block, and
/// becomes that in the input.
#[inline]
fn take_packet(
    order: ByteOrder,
    input: &mut Input,
    block: Block,
    mut packet: Located,
    described: &Described,
) -> Result<Located, CaptureError> {
    let captured = packet.captured;
    if captured > described.longest as usize {
        let reason =
            format!("{captured} captured bytes in one packet; no more than {} are possible", described.longest);
        return Err(input.corrupt(block.begin, reason));
    }
    let length = block.length as usize;
    let least = packet.place + captured.next_multiple_of(4) + BLOCK_TRAILER;
    if length < least || length - least > LONGEST_OPTIONS as usize {
        let reason = format!("a packet block of {length} bytes for {captured} captured bytes");
        return Err(input.corrupt(block.begin, reason));
    }
    if input.need(length)? < length {
        return Err(input.truncated("a packet block", block.begin));
    }
    let place = input.consume(length);
    check_trailer(order, input, block, place + length - BLOCK_TRAILER)?;
    packet.place += place;
    if described.foreign_family {
        packet.normalise_family(input);
    }
    Ok(packet.trimmed())
}

/// Checks the length at the end of a block, which is at this place.
#[inline]
fn check_trailer(order: ByteOrder, input: &Input, block: Block, place: usize) -> Result<(), CaptureError> {
    let trailer = input.bytes(place, BLOCK_TRAILER).first_chunk::<BLOCK_TRAILER>();
    let length = trailer.map(|trailer| order.u32(trailer, 0));
    if length == Some(block.length) {
        return Ok(());
    }
    let reason = format!("a block of {} bytes ends with the length {}", block.length, length.unwrap_or_default());
    Err(input.corrupt(block.begin, reason))
}

/// The length of a block, if a block can have it.
#[inline]
fn checked_length(input: &Input, begin: u64, length: u32) -> Result<u32, CaptureError> {
    if length < SMALLEST_BLOCK || !length.is_multiple_of(4) {
        return Err(input.corrupt(begin, format!("a block cannot have a length of {length} bytes")));
    }
    Ok(length)
}

/// The name of an interface: UTF-8 without the terminating zeros that some writers count.
fn interface_name(value: &[u8]) -> String {
    let end = value.iter().position(|byte| *byte == 0).unwrap_or(value.len()).min(LONGEST_NAME);
    String::from_utf8_lossy(&value[..end]).into_owned()
}

#[cfg(test)]
mod tests;
