//! Packets of any link type, one after the other through one decoder, so that fragments meet.
//!
//! The input is a list of packets: place in [`LINKS`] and interface (a byte for both), how many bytes the snapshot
//! length cut off (a byte), length (two bytes, big-endian), bytes.

use netscript::limits::Limits;
use netscript::packet::{Decoder, Keep, LinkType, Packet, RawPacket, Transport};
use netscript::record::{Duration, Record as _, Time};

const LINKS: [u16; 16] = [1, 0, 9, 12, 14, 50, 51, 101, 104, 108, 113, 228, 229, 276, 147, 1];

/// Decodes the packets of the input, and shows every field of their rows.
pub fn check(input: &[u8]) {
    let mut decoder = Decoder::new(&Limits { fragmented_datagrams: 4, ..Limits::default() });
    let mut time = Time::from_nanos(0);
    let mut rest = input;
    while let [link, cut, high, low, data @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(data.len());
        let (bytes, after) = data.split_at(length);
        rest = after;
        time = time + Duration::from_secs(1);
        let packet = RawPacket {
            time,
            length: bytes.len() as u32 + u32::from(*cut),
            link: LinkType(LINKS[usize::from(link % 16)]),
            interface: u32::from(link / 16),
            bytes,
        };
        let frame = decoder.decode(&packet);
        assert!(frame.payload.len() <= frame.payload_length as usize, "{frame:?}");
        assert!(frame.stop.is_none_or(|stop| stop.offset as usize <= bytes.len()), "{frame:?}");
        assert!(frame.network.is_some() || frame.transport == Transport::None, "{frame:?}");
        assert!(frame.network.is_none() || frame.link_protocol.is_empty(), "{frame:?}");
        let row = Packet::new(1, None, &packet, &frame, Keep { payload: true, bytes: false, secrets: false });
        for field in 0..row.kind().fields.len() {
            let _ = row.value(field).to_string();
        }
    }
    decoder.finish();
}
