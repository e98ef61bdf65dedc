//! Every packet of every capture cut, damaged and wrapped: what a decoder must do with any bytes at all.

use netscript::limits::Limits;
use netscript::packet::{Decoder, Frame, LinkType, RawPacket, Reason, Stop, Transport, Vlans};

use crate::packets::{captures, packets};

/// Calls `check` with each packet of each capture.
fn for_each_packet(mut check: impl FnMut(&RawPacket<'_>)) {
    let mut count = 0;
    for file in captures() {
        for packet in packets(&std::fs::read(file).unwrap()) {
            check(&packet.raw());
            count += 1;
        }
    }
    assert!(count > 6000, "only {count} packets");
}

/// Calls `check` with the frame of a packet that no other packet comes before.
fn decode<T>(packet: &RawPacket<'_>, check: impl FnOnce(&Frame<'_>) -> T) -> T {
    check(&Decoder::new(&Limits::default()).decode(packet))
}

/// What holds for the frame of any bytes.
#[track_caller]
fn assert_sound(packet: &RawPacket<'_>, frame: &Frame<'_>) {
    let (bytes, payload) = (packet.bytes.as_ptr_range(), frame.payload.as_ptr_range());
    assert!(
        frame.payload.is_empty() || (bytes.start <= payload.start && payload.end <= bytes.end),
        "the payload is not in the packet: {frame:?}"
    );
    assert!(frame.payload.len() <= frame.payload_length as usize, "{frame:?}");
    assert!(frame.stop.is_none_or(|stop| stop.offset as usize <= packet.bytes.len()), "{frame:?}");
    assert!(frame.network.is_some() || frame.transport == Transport::None, "{frame:?}");
    assert!(frame.network.is_none() || frame.link_protocol.is_empty(), "{frame:?}");
}

/// Numbers that look random and are the same in every run (xorshift).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `end`.
    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end.max(1)).unwrap()).unwrap()
    }
}

/// A copy of a packet with a few bytes changed, mostly among the headers.
fn damaged(packet: &RawPacket<'_>, numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = packet.bytes.to_vec();
    for _ in 0..=numbers.below(4) {
        let end = if numbers.below(4) == 0 { bytes.len() } else { bytes.len().min(80) };
        let at = numbers.below(end);
        if let Some(byte) = bytes.get_mut(at) {
            *byte = match numbers.below(4) {
                0 => 0,
                1 => 0xff,
                2 => *byte ^ (1 << numbers.below(8)),
                _ => numbers.next().to_le_bytes()[0],
            };
        }
    }
    bytes
}

#[test]
fn a_cut_packet_says_the_same_up_to_the_cut() {
    for_each_packet(|packet| {
        // The captured bytes are the whole here, so that each cut is one by the snapshot length.
        let whole_packet = RawPacket { length: u32::try_from(packet.bytes.len()).unwrap(), ..*packet };
        decode(&whole_packet, |whole| {
            assert_sound(&whole_packet, whole);
            // Every length that may end inside a header, and some of the others.
            let lengths = (0..packet.bytes.len()).filter(|length| *length < 160 || length % 97 == 0);
            for length in lengths {
                let cut_packet = RawPacket { bytes: &packet.bytes[..length], ..whole_packet };
                decode(&cut_packet, |cut| {
                    assert_sound(&cut_packet, cut);
                    if cut.network.is_some() && cut.network == whole.network && cut.transport == whole.transport {
                        assert!(whole.payload.starts_with(cut.payload), "{length}: {cut:?}");
                        assert_eq!(cut.payload_length, whole.payload_length, "{length}: {cut:?}");
                    } else if !matches!(cut.stop, Some(Stop { reason: Reason::Cut { .. }, .. })) {
                        let is_same = cut.network == whole.network && cut.link_protocol == whole.link_protocol;
                        // Whether UDP to a port of a tunnel is a tunnel shows only after some bytes.
                        let may_be_tunnel = matches!(cut.transport, Transport::Udp(udp) if udp.dst_port == 6081);
                        assert!(is_same || may_be_tunnel, "{length}: {cut:?}, and whole: {whole:?}");
                    }
                });
            }
        });
    });
}

#[test]
fn damaged_packets_are_decoded_or_stop() {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    // One decoder for all, so that damaged fragments meet in it.
    let mut decoder = Decoder::new(&Limits { fragmented_datagrams: 8, ..Limits::default() });
    for_each_packet(|packet| {
        for _ in 0..20 {
            let bytes = damaged(packet, &mut numbers);
            let captured = if numbers.below(2) == 0 { bytes.len() } else { numbers.below(bytes.len()) };
            let links = [0, 1, 9, 50, 51, 101, 108, 113, 228, 229, 276, 147].map(LinkType);
            let link = if numbers.below(8) == 0 { links[numbers.below(links.len())] } else { packet.link };
            let damaged = RawPacket { bytes: &bytes[..captured], link, ..*packet };
            decode(&damaged, |frame| assert_sound(&damaged, frame));
            let frame = decoder.decode(&damaged);
            assert!(frame.stop.is_none_or(|stop| stop.offset as usize <= captured), "{frame:?}");
        }
    });
    decoder.finish();
}

/// The frame without what a header around the packet may change.
fn inside(frame: &Frame<'_>, around: u32) -> String {
    let stop = frame.stop.map(|stop| Stop { offset: stop.offset - around, ..stop });
    format!("{:?}", Frame { tunnel: None, vlans: Vlans::default(), stop, ..frame.clone() })
}

/// The packet inside each tunnel of Ethernet over IP.
fn in_tunnels(ethernet: &[u8]) -> Vec<Vec<u8>> {
    let length = |more: usize| u16::try_from(ethernet.len() + more).unwrap().to_be_bytes();
    let ipv4 = |protocol: u8, inside: usize| {
        let mut header = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0];
        header.extend(length(20 + inside));
        header.extend([0, 0, 0, 0, 64, protocol, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2]);
        header
    };
    let udp = |port: u16, inside: usize| {
        let mut header = ipv4(17, 8 + inside);
        header.extend([&[200, 0][..], &port.to_be_bytes(), &length(8 + inside), &[0, 0]].concat());
        header
    };
    [
        [ipv4(47, 4), vec![0, 0, 0x65, 0x58]],
        [ipv4(47, 16), vec![0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 0, 0, 9, 0, 0, 0, 0]],
        [udp(4789, 8), vec![8, 0, 0, 0, 0, 0, 9, 0]],
        [udp(6081, 12), vec![1, 0, 0x65, 0x58, 0, 0, 9, 0, 1, 2, 3, 0]],
    ]
    .map(|headers| [&headers.concat(), ethernet].concat())
    .to_vec()
}

#[test]
fn a_packet_is_the_same_behind_a_tag_and_through_a_tunnel() {
    let mut numbers = Numbers(0x2545_f491_4f6c_dd1d);
    let mut compared = 0;
    for_each_packet(|packet| {
        if packet.link != LinkType::ETHERNET || packet.bytes.len() < 14 || packet.bytes.len() > 1500 {
            return;
        }
        for bytes in [packet.bytes.to_vec(), damaged(packet, &mut numbers), damaged(packet, &mut numbers)] {
            let plain = RawPacket { bytes: &bytes, length: u32::try_from(bytes.len()).unwrap(), ..*packet };
            let tagged = [&bytes[..12], &[0x81, 0, 0, 5], &bytes[12..]].concat();
            decode(&plain, |frame| {
                for wrapped in in_tunnels(&bytes).into_iter().chain([tagged]) {
                    let around = u32::try_from(wrapped.len() - bytes.len()).unwrap();
                    let wrapped = RawPacket { bytes: &wrapped, length: plain.length + around, ..plain };
                    decode(&wrapped, |wrapped| assert_eq!(inside(wrapped, around), inside(frame, 0)));
                    compared += 1;
                }
            });
        }
    });
    assert!(compared > 50_000, "only {compared} packets compared");
}
