//! IP fragments, put together within a bound (RFC 791, RFC 8200).
//!
//! Where IPv4 fragments overlap, the bytes that came first stay. An IPv6 datagram with overlapping fragments is
//! dropped (RFC 5722); exact repetitions are ignored. What is dropped or never completed is counted once.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;

use super::{Reason, TunnelKind, Vlans};
use crate::limits::Limits;
use crate::record::{Duration, Time};

/// The longest datagram that can be put together, in bytes.
const MAX_LENGTH: usize = 65_535;

/// How many complete datagrams are remembered, to tell late copies of their fragments from the beginning of another.
const ECHOES: usize = 16;

/// Which datagram a fragment belongs to.
///
/// Besides what the standards name it holds where the packet was seen, because address spaces repeat behind tunnels
/// and VLANs, and one datagram may pass two interfaces.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) addresses: (IpAddr, IpAddr),
    pub(super) id: u32,
    /// For IPv4.
    pub(super) protocol: Option<u8>,
    pub(super) tunnel: Option<(TunnelKind, Option<u32>)>,
    pub(super) vlans: Vlans,
    pub(super) interface: u32,
}

/// A fragment.
#[derive(Debug)]
pub(super) struct Piece<'a> {
    /// Where it belongs in the datagram, in bytes.
    pub(super) offset: usize,
    /// Whether more fragments follow.
    pub(super) more: bool,
    /// What the datagram holds, as this fragment says.
    pub(super) protocol: u8,
    /// What was captured of it.
    pub(super) bytes: &'a [u8],
    /// How long it was on the wire, in bytes.
    pub(super) length: usize,
}

/// A datagram without its IP header.
#[derive(Debug)]
pub(super) struct Whole {
    /// What it holds, as its first fragment says.
    pub(super) protocol: u8,
    /// Its bytes.
    pub(super) data: Arc<Vec<u8>>,
}

/// Datagrams in reassembly.
#[derive(Debug)]
pub(super) struct Fragments {
    limit: usize,
    timeout: Duration,
    datagrams: HashMap<Key, Datagram>,
    /// The keys of `datagrams`, oldest first.
    order: VecDeque<Key>,
    /// The latest complete datagrams.
    completed: VecDeque<(Key, Arc<Vec<u8>>)>,
    lost: u64,
}

impl Fragments {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            limit: limits.fragmented_datagrams,
            timeout: limits.fragment_timeout,
            datagrams: HashMap::new(),
            order: VecDeque::new(),
            completed: VecDeque::new(),
            lost: 0,
        }
    }

    /// Datagrams that were given up.
    pub(super) const fn lost(&self) -> u64 {
        self.lost
    }

    /// Gives up what is incomplete.
    pub(super) fn finish(&mut self) {
        while !self.order.is_empty() {
            self.give_up_oldest();
        }
    }

    /// Adds a fragment, and returns the datagram if that completes it.
    pub(super) fn add(&mut self, key: Key, piece: &Piece<'_>, time: Time) -> Result<Option<Whole>, Reason> {
        self.expire(time);
        if piece.more && !piece.length.is_multiple_of(8) {
            return Err(Reason::Fragment { problem: "with others after it has a length that is no multiple of 8" });
        }
        if piece.length == 0 {
            return Err(Reason::Fragment { problem: "is empty" });
        }
        let is_echo = self.is_echo(&key, piece);
        if !self.datagrams.contains_key(&key) {
            self.datagrams.insert(key.clone(), Datagram::new(time));
            self.order.push_back(key.clone());
            if self.order.len() > self.limit {
                self.give_up_oldest();
            }
        }
        let Some(datagram) = self.datagrams.get_mut(&key) else { return Ok(None) };
        datagram.is_echo &= is_echo;
        match datagram.add(piece, key.addresses.0.is_ipv4()) {
            Ok(false) => Ok(None),
            Ok(true) => Ok(self.complete(key)),
            Err(problem) => {
                if !std::mem::replace(&mut datagram.is_dropped, true) {
                    self.lost += 1;
                    datagram.data = Vec::new();
                    datagram.received = Vec::new();
                }
                Err(Reason::Fragment { problem })
            }
        }
    }

    /// Whether a fragment repeats a part of a datagram that was completed a moment ago: the capture saw each packet
    /// twice. Such repetitions make a datagram of their own, but nothing is missing if they do not complete it.
    fn is_echo(&self, key: &Key, piece: &Piece<'_>) -> bool {
        let end = piece.offset + piece.bytes.len();
        self.completed.iter().any(|(k, data)| k == key && data.get(piece.offset..end) == Some(piece.bytes))
    }

    fn complete(&mut self, key: Key) -> Option<Whole> {
        let datagram = self.datagrams.remove(&key)?;
        // The datagram that is complete is mostly the latest.
        if let Some(place) = self.order.iter().rposition(|k| *k == key) {
            self.order.remove(place);
        }
        let data = Arc::new(datagram.data);
        if self.completed.len() == ECHOES {
            self.completed.pop_front();
        }
        self.completed.push_back((key, Arc::clone(&data)));
        Some(Whole { protocol: datagram.protocol, data })
    }

    /// Gives up what is incomplete for too long.
    fn expire(&mut self, now: Time) {
        while let Some(datagram) = self.order.front().and_then(|key| self.datagrams.get(key))
            && now - datagram.since > self.timeout
        {
            self.give_up_oldest();
        }
    }

    fn give_up_oldest(&mut self) {
        if let Some(datagram) = self.order.pop_front().and_then(|key| self.datagrams.remove(&key))
            && !datagram.is_dropped
            && !datagram.is_echo
        {
            self.lost += 1;
        }
    }
}

/// A datagram of which something is missing.
#[derive(Debug)]
struct Datagram {
    since: Time,
    protocol: u8,
    data: Vec<u8>,
    /// Which bytes of `data` are there: in order, with something missing between each two.
    received: Vec<Range<usize>>,
    /// Its length, once its last fragment is there.
    length: Option<usize>,
    /// Something was wrong with it: the fragments that still come are ignored.
    is_dropped: bool,
    /// Every fragment so far repeats one of a complete datagram.
    is_echo: bool,
}

impl Datagram {
    const fn new(since: Time) -> Self {
        Self {
            since,
            protocol: 0,
            data: Vec::new(),
            received: Vec::new(),
            length: None,
            is_dropped: false,
            is_echo: true,
        }
    }

    /// Adds a fragment; whether the datagram is complete, or what is wrong with it.
    fn add(&mut self, piece: &Piece<'_>, may_overlap: bool) -> Result<bool, &'static str> {
        if self.is_dropped {
            return Err("belongs to a datagram that was dropped");
        }
        let (start, end) = (piece.offset, piece.offset + piece.length);
        if end > MAX_LENGTH {
            return Err("reaches beyond 65535 bytes");
        }
        let received_end = self.received.last().map_or(0, |range| range.end);
        if self.length.is_some_and(|length| end > length) || (!piece.more && end < received_end) {
            return Err("lies beyond the end of its datagram");
        }
        if piece.bytes.len() < piece.length {
            // The rest of it will never come.
            return Ok(false);
        }
        if !piece.more {
            self.length = Some(end);
        }
        if start == 0 && self.received.first().is_none_or(|range| range.start > 0) {
            self.protocol = piece.protocol;
        }
        self.store(start..end, piece.bytes, may_overlap)?;
        Ok(self.length.is_some_and(|length| self.received.first() == Some(&(0..length))))
    }

    /// Stores the bytes that are new.
    fn store(&mut self, place: Range<usize>, bytes: &[u8], may_overlap: bool) -> Result<(), &'static str> {
        // All ranges that touch or overlap the place become one with it.
        let first = self.received.partition_point(|range| range.end < place.start);
        let last = self.received.partition_point(|range| range.start <= place.end);
        let near = &self.received[first..last];
        let overlaps = near.iter().any(|range| range.start < place.end && place.start < range.end);
        if overlaps && !may_overlap {
            let is_repetition = near.iter().any(|range| range.start <= place.start && place.end <= range.end)
                && self.data.get(place) == Some(bytes);
            return if is_repetition { Ok(()) } else { Err("overlaps another one") };
        }
        if self.data.len() < place.end {
            self.data.resize(place.end, 0);
        }
        let mut at = place.start;
        let everything_after = std::iter::once(place.end..place.end);
        for range in near.iter().cloned().chain(everything_after) {
            if at < range.start {
                let new = at..range.start.min(place.end);
                self.data[new.clone()].copy_from_slice(&bytes[new.start - place.start..new.end - place.start]);
            }
            at = at.max(range.end);
        }
        let start = near.first().map_or(place.start, |range| range.start.min(place.start));
        let end = near.last().map_or(place.end, |range| range.end.max(place.end));
        self.received.splice(first..last, std::iter::once(start..end));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{ethernet, hex, ipv4, ipv4_fragment, ipv6, join, raw, stop, udp};
    use super::super::{Decoder, Frame, LinkType, RawPacket, Transport, Udp};
    use super::*;

    /// An IPv4 fragment of a datagram of UDP: `range` of its bytes.
    fn v4(id: u16, datagram: &[u8], range: Range<usize>) -> Vec<u8> {
        let more = if range.end < datagram.len() { 0x2000 } else { 0 };
        ipv4_fragment(17, id, u16::try_from(range.start / 8).unwrap() | more, &datagram[range])
    }

    /// The same in IPv6; `next` is the next header that this fragment names.
    fn v6(next: u8, id: u32, datagram: &[u8], range: Range<usize>) -> Vec<u8> {
        let more = u16::from(range.end < datagram.len());
        let place = (u16::try_from(range.start).unwrap() | more).to_be_bytes();
        ipv6(44, &join(&[&[next, 0], &place, &id.to_be_bytes(), &datagram[range]]))
    }

    /// A datagram of 48 bytes in which no two parts are equal.
    fn datagram() -> Vec<u8> {
        udp(5000, 53, &(0..40).collect::<Vec<u8>>())
    }

    fn decoder() -> Decoder {
        Decoder::new(&Limits::default())
    }

    #[track_caller]
    fn assert_fragment(frame: &Frame<'_>, payload: &[u8]) {
        assert!(frame.network.unwrap().fragment);
        assert_eq!((frame.transport, frame.payload, stop(frame)), (Transport::None, payload, String::new()));
    }

    #[track_caller]
    fn assert_whole(frame: &Frame<'_>) {
        let network = frame.network.unwrap();
        assert_eq!((network.fragment, network.protocol, stop(frame)), (false, 17, String::new()));
        assert_eq!(frame.transport, Transport::Udp(Udp { src_port: 5000, dst_port: 53 }));
        assert_eq!((frame.payload, frame.payload_length), (&datagram()[8..], 40));
    }

    #[test]
    fn the_fragment_that_completes_a_datagram_gives_it_whole() {
        let data = datagram();
        let parts = [0..16, 16..32, 32..48];
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            for version in [4, 6] {
                let mut decoder = decoder();
                for (count, part) in order.into_iter().map(|i| parts[i].clone()).enumerate() {
                    // Only the next header of the first IPv6 fragment counts.
                    let next = if part.start == 0 { 17 } else { 99 };
                    let bytes =
                        if version == 4 { v4(1, &data, part.clone()) } else { v6(next, 1, &data, part.clone()) };
                    let frame = decoder.decode(&raw(LinkType::RAW, &bytes));
                    if count < 2 { assert_fragment(&frame, &data[part]) } else { assert_whole(&frame) }
                }
                decoder.finish();
                assert_eq!(decoder.loss().fragments, 0);
            }
        }
    }

    #[test]
    fn fragments_of_other_datagrams_are_kept_apart() {
        let data = datagram();
        let first = ethernet(0x0800, &v4(1, &data, 0..24));
        let last = v4(1, &data, 24..48);
        let tagged = join(&[&hex("020000000002 020000000001 8100 0005 0800"), &last]);
        let mut other_source = last.clone();
        other_source[15] = 9;
        let mut other_protocol = last.clone();
        other_protocol[9] = 6;
        let in_tunnel = ethernet(0x0800, &ipv4(4, &last));
        let others = [
            ethernet(0x0800, &v4(2, &data, 24..48)),
            tagged,
            ethernet(0x0800, &other_source),
            ethernet(0x0800, &other_protocol),
            in_tunnel,
        ];
        let mut decoder = decoder();
        decoder.decode(&raw(LinkType::ETHERNET, &first));
        for bytes in &others {
            assert!(decoder.decode(&raw(LinkType::ETHERNET, bytes)).network.unwrap().fragment);
        }
        let last = ethernet(0x0800, &last);
        let elsewhere = RawPacket { interface: 1, ..raw(LinkType::ETHERNET, &last) };
        assert!(decoder.decode(&elsewhere).network.unwrap().fragment);
        assert_whole(&decoder.decode(&raw(LinkType::ETHERNET, &last)));
        decoder.finish();
        assert_eq!(decoder.loss().fragments, 6);
    }

    #[test]
    fn an_atomic_fragment_is_no_part_of_a_datagram_with_its_id() {
        let data = datagram();
        let mut decoder = decoder();
        decoder.decode(&raw(LinkType::RAW, &v6(17, 1, &data, 0..24)));
        assert_whole(&decoder.decode(&raw(LinkType::RAW, &v6(17, 1, &data, 0..48))));
        assert_whole(&decoder.decode(&raw(LinkType::RAW, &v6(17, 1, &data, 24..48))));
    }

    #[test]
    fn fragments_are_put_together_inside_and_outside_of_tunnels() {
        let data = datagram();
        let mut decoder = decoder();
        // The inner datagram is in two fragments, and the packet of each is in two fragments.
        let mut frames = Vec::new();
        for (id, part) in [(7, 0..24), (8, 24..48)] {
            let outer = v4(1, &data, part);
            frames.extend([(id, 0x2000, outer[..16].to_vec()), (id, 2, outer[16..].to_vec())]);
        }
        let last = frames.pop().unwrap();
        for (id, place, bytes) in frames {
            let bytes = ipv4_fragment(4, id, place, &bytes);
            assert!(decoder.decode(&raw(LinkType::RAW, &bytes)).network.unwrap().fragment);
        }
        let bytes = ipv4_fragment(4, last.0, last.1, &last.2);
        let frame = decoder.decode(&raw(LinkType::RAW, &bytes));
        assert_whole(&frame);
        assert!(frame.tunnel.is_some());
    }

    #[test]
    fn repeated_fragments_change_nothing() {
        let data = datagram();
        for version in [4, 6] {
            let packet = |part: Range<usize>| if version == 4 { v4(1, &data, part) } else { v6(17, 1, &data, part) };
            let mut decoder = decoder();
            for part in [0..24, 0..24, 8..16] {
                assert_fragment(&decoder.decode(&raw(LinkType::RAW, &packet(part.clone()))), &data[part]);
            }
            assert_whole(&decoder.decode(&raw(LinkType::RAW, &packet(24..48))));
            // The capture saw the last one twice, which begins a datagram that never completes, and misses nothing.
            assert_fragment(&decoder.decode(&raw(LinkType::RAW, &packet(24..48))), &data[24..]);
            decoder.finish();
            assert_eq!(decoder.loss().fragments, 0);
        }
    }

    #[test]
    fn a_datagram_that_is_sent_twice_is_there_twice() {
        let data = datagram();
        let mut decoder = decoder();
        for _ in 0..2 {
            assert_fragment(&decoder.decode(&raw(LinkType::RAW, &v4(1, &data, 0..24))), &data[..24]);
            assert_whole(&decoder.decode(&raw(LinkType::RAW, &v4(1, &data, 24..48))));
        }
    }

    #[test]
    fn where_ipv4_fragments_overlap_the_first_bytes_stay() {
        let data = datagram();
        let other = [0xee; 8];
        let mut decoder = decoder();
        for (place, bytes) in [
            (0x2002, &data[16..24]),
            (0x2000, &data[..8]),
            // Over the first, between both, over the second.
            (0x2000, &join(&[&other, &data[8..16], &other])),
        ] {
            let packet = ipv4_fragment(17, 1, place, bytes);
            assert_fragment(&decoder.decode(&raw(LinkType::RAW, &packet)), bytes);
        }
        let last = ipv4_fragment(17, 1, 2, &join(&[&other, &data[24..]]));
        assert_whole(&decoder.decode(&raw(LinkType::RAW, &last)));
        assert_eq!(decoder.loss().fragments, 0);
    }

    #[test]
    fn an_ipv6_datagram_with_an_overlap_is_dropped_and_counted_once() {
        let data = datagram();
        let mut decoder = decoder();
        decoder.decode(&raw(LinkType::RAW, &v6(17, 1, &data, 0..24)));
        let overlap = v6(17, 1, &data, 16..48);
        let frame = decoder.decode(&raw(LinkType::RAW, &overlap));
        assert_eq!(stop(&frame), "fragment overlaps another one at offset 48");
        assert!(frame.network.unwrap().fragment);
        let late = v6(17, 1, &data, 24..48);
        let frame = decoder.decode(&raw(LinkType::RAW, &late));
        assert_eq!(stop(&frame), "fragment belongs to a datagram that was dropped at offset 48");
        decoder.finish();
        assert_eq!(decoder.loss().fragments, 1);
    }

    #[test]
    fn fragments_that_contradict_each_other_drop_their_datagram() {
        let data = datagram();
        for (first, second, text) in [
            // Teardrop and its relatives: an end inside, a second end, something behind the end.
            (v4(1, &data, 8..24), v4(1, &data[..16], 8..16), "lies beyond the end of its datagram"),
            (v4(1, &data, 24..48), v4(1, &data[..40], 24..40), "lies beyond the end of its datagram"),
            (v4(1, &data[..24], 8..24), v4(1, &data, 24..40), "lies beyond the end of its datagram"),
            // The ping of death.
            (v4(1, &data, 0..24), ipv4_fragment(17, 1, 0x1fff, &[0; 8]), "reaches beyond 65535 bytes"),
        ] {
            let mut decoder = decoder();
            decoder.decode(&raw(LinkType::RAW, &first));
            assert_eq!(stop(&decoder.decode(&raw(LinkType::RAW, &second))), format!("fragment {text} at offset 20"));
            decoder.finish();
            assert_eq!(decoder.loss().fragments, 1);
        }
    }

    #[test]
    fn fragments_that_no_host_sends_are_refused() {
        for (data, text) in
            [(&[0; 9][..], "with others after it has a length that is no multiple of 8"), (&[], "is empty")]
        {
            let bytes = ipv4_fragment(17, 1, 0x2000, data);
            assert_eq!(stop(&decoder().decode(&raw(LinkType::RAW, &bytes))), format!("fragment {text} at offset 20"));
        }
    }

    #[test]
    fn tiny_fragments_hide_no_header() {
        let data = datagram();
        let mut decoder = decoder();
        for start in (0..40).step_by(8) {
            let part = start..start + 8;
            assert_fragment(&decoder.decode(&raw(LinkType::RAW, &v4(1, &data, part.clone()))), &data[part]);
        }
        assert_whole(&decoder.decode(&raw(LinkType::RAW, &v4(1, &data, 40..48))));
    }

    #[test]
    fn a_fragment_that_was_cut_leaves_its_datagram_incomplete() {
        let data = datagram();
        let mut decoder = decoder();
        let first = v4(1, &data, 0..24);
        let cut = RawPacket { bytes: &first[..43], ..raw(LinkType::RAW, &first) };
        let frame = decoder.decode(&cut);
        assert_fragment(&frame, &data[..23]);
        assert_eq!(frame.payload_length, 24);
        assert_fragment(&decoder.decode(&raw(LinkType::RAW, &v4(1, &data, 24..48))), &data[24..]);
        decoder.finish();
        assert_eq!(decoder.loss().fragments, 1);
    }

    #[test]
    fn datagrams_are_given_up_after_a_time_and_beyond_a_number() {
        let data = datagram();
        let limits = Limits { fragmented_datagrams: 2, fragment_timeout: Duration::from_secs(30), ..Limits::default() };
        let mut decoder = Decoder::new(&limits);
        let mut at = |seconds: i64, bytes: &[u8]| {
            let time = Time::MIN + Duration::from_secs(seconds);
            let is_fragment =
                decoder.decode(&RawPacket { time, ..raw(LinkType::RAW, bytes) }).network.unwrap().fragment;
            (is_fragment, decoder.loss().fragments)
        };
        assert_eq!(at(0, &v4(1, &data, 0..24)), (true, 0));
        // In time, and one too late: it begins anew.
        assert_eq!(at(30, &v4(1, &data, 24..48)), (false, 0));
        assert_eq!(at(40, &v4(2, &data, 0..24)), (true, 0));
        assert_eq!(at(71, &v4(2, &data, 24..48)), (true, 1));
        // A third one displaces the oldest.
        assert_eq!(at(72, &v4(3, &data, 0..24)), (true, 1));
        assert_eq!(at(73, &v4(4, &data, 0..24)), (true, 2));
        assert_eq!(at(74, &v4(3, &data, 24..48)), (false, 2));
        assert_eq!(at(75, &v4(4, &data, 24..48)), (false, 2));
    }

    #[test]
    fn what_is_incomplete_at_the_end_is_counted() {
        let mut decoder = decoder();
        decoder.decode(&raw(LinkType::RAW, &v4(1, &datagram(), 0..24)));
        decoder.decode(&raw(LinkType::RAW, &v4(2, &datagram(), 0..24)));
        assert_eq!(decoder.loss().fragments, 0);
        decoder.finish();
        assert_eq!(decoder.loss().fragments, 2);
    }

    #[test]
    fn a_stop_in_a_datagram_is_where_its_last_fragment_is() {
        let mut decoder = decoder();
        // The wrong header is behind another one.
        let authentication = hex("0601 0000 00000001 00000002");
        let data = join(&[&authentication, &hex("04d2 0050 00000001 00000005 1018 01f6 0000 0000")]);
        let first = ethernet(0x0800, &ipv4_fragment(51, 1, 0x2000, &data[..24]));
        decoder.decode(&raw(LinkType::ETHERNET, &first));
        let last = ethernet(0x0800, &ipv4_fragment(51, 1, 3, &data[24..]));
        let frame = decoder.decode(&raw(LinkType::ETHERNET, &last));
        assert_eq!(stop(&frame), "TCP: header length 4 is less than 20 at offset 34");
    }
}
