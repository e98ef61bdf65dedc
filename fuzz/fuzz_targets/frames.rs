//! Packets of any kind, one after the other through one decoder, so that fragments meet.
//!
//! The input is a list of packets: place in `LINKS` and how much the snapshot length cut (a byte each), length (two
//! bytes, big-endian), bytes.

#![no_main]

use libfuzzer_sys::fuzz_target;
use netscript::limits::Limits;
use netscript::packet::{Decoder, Keep, LinkType, Packet, RawPacket, Transport};
use netscript::record::{Duration, Record, Time};

const LINKS: [u16; 16] = [1, 0, 9, 12, 14, 50, 51, 101, 104, 108, 113, 228, 229, 276, 147, 1];

fuzz_target!(|input: &[u8]| {
    let mut decoder = Decoder::new(&Limits { fragmented_datagrams: 4, ..Limits::default() });
    let mut rest = input;
    let mut time = Time::from_nanos(0);
    while let [link, cut, high, low, data @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(data.len());
        let (bytes, after) = data.split_at(length);
        rest = after;
        time = time + Duration::from_secs(1);
        let raw = RawPacket {
            time,
            length: u32::try_from(bytes.len()).unwrap() + u32::from(*cut),
            link: LinkType(LINKS[usize::from(link % 16)]),
            interface: u32::from(link / 16),
            bytes,
        };
        let frame = decoder.decode(&raw);
        assert!(frame.payload.len() <= frame.payload_length as usize);
        assert!(frame.stop.is_none_or(|stop| stop.offset as usize <= bytes.len()));
        assert!(frame.network.is_some() || frame.transport == Transport::None);
        assert!(frame.network.is_none() || frame.link_protocol.is_empty());
        let row = Packet::new(1, None, &raw, &frame, Keep { payload: true, bytes: false, secrets: false });
        for field in 0..row.kind().fields.len() {
            let _ = row.value(field).to_string();
        }
    }
    decoder.finish();
});
