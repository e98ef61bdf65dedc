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
        if !piece.more && self.length.is_some_and(|length| end != length) {
            return Err("ends its datagram at a second place");
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
