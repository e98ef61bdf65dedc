//! Captures made byte by byte, the same ones every time.
//!
//! A test says who talks with whom in [`Conversation`]s, and gives them to a [`Capture`], which puts their packets in the
//! order of their times and writes them as a file. Nothing of netscript is used: what it reads is made independently
//! of it.

mod conversation;
pub(crate) mod dns;
mod frame;
pub(crate) mod http;
pub(crate) mod tls;

pub(crate) use conversation::{Conversation, Datagrams};

use std::net::SocketAddr;
use std::time::Duration;

/// When captures begin: 2026-10-12 03:58:00 UTC, since 1970.
pub(crate) const START: Duration = Duration::from_secs(1_791_777_480);

/// Ethernet, as both file formats number it.
const ETHERNET: u32 = 1;

/// A packet as it was captured.
#[derive(Clone)]
pub(crate) struct Packet {
    /// Since 1970.
    time: Duration,
    from: SocketAddr,
    /// From the Ethernet header on.
    bytes: Vec<u8>,
}

/// Bytes kept of each packet, unless a capture is cut to fewer.
const SNAPLEN: usize = 0x0004_0000;

/// Packets in the order of their times.
pub(crate) struct Capture {
    packets: Vec<Packet>,
    snaplen: usize,
}

impl Capture {
    /// A capture without packets.
    pub(crate) fn new() -> Self {
        Self { packets: Vec::new(), snaplen: SNAPLEN }
    }

    /// Keeps no more than the beginning of each packet, as `tcpdump -s` does.
    pub(crate) fn snaplen(mut self, bytes: usize) -> Self {
        self.snaplen = bytes;
        self
    }

    /// Adds the packets of a conversation. Those at the same time keep the order in which they were added.
    pub(crate) fn with(mut self, conversation: impl Into<Vec<Packet>>) -> Self {
        self.packets.extend(conversation.into());
        self.packets.sort_by_key(|packet| packet.time);
        self
    }

    /// How many packets there are.
    pub(crate) fn len(&self) -> usize {
        self.packets.len()
    }

    /// A classic file: little-endian, microseconds.
    pub(crate) fn pcap(&self) -> Vec<u8> {
        let mut file = little(&[0xa1b2_c3d4, 0x0004_0002, 0, 0, self.snaplen as u32, ETHERNET]);
        for packet in &self.packets {
            let (kept, length) = self.kept(packet);
            file.extend(little(&[
                packet.time.as_secs() as u32,
                packet.time.subsec_micros(),
                kept.len() as u32,
                length,
            ]));
            file.extend(kept);
        }
        file
    }

    /// A pcapng file: one little-endian section, one interface, microseconds.
    pub(crate) fn pcapng(&self) -> Vec<u8> {
        let mut file = block(0x0a0d_0d0a, &little(&[0x1a2b_3c4d, 1, u32::MAX, u32::MAX]));
        file.extend(block(1, &little(&[ETHERNET, self.snaplen as u32])));
        for packet in &self.packets {
            let micros = packet.time.as_micros() as u64;
            let (kept, length) = self.kept(packet);
            let header = little(&[0, (micros >> 32) as u32, micros as u32, kept.len() as u32, length]);
            file.extend(block(6, &[&header, kept].concat()));
        }
        file
    }

    /// What is kept of a packet, and how long it was.
    fn kept<'a>(&self, packet: &'a Packet) -> (&'a [u8], u32) {
        (&packet.bytes[..packet.bytes.len().min(self.snaplen)], packet.bytes.len() as u32)
    }
}

impl From<Conversation> for Vec<Packet> {
    fn from(conversation: Conversation) -> Self {
        conversation.packets
    }
}

impl From<Datagrams> for Vec<Packet> {
    fn from(datagrams: Datagrams) -> Self {
        datagrams.packets
    }
}

/// Numbers one after another, little-endian.
pub(crate) fn little(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// A little-endian pcapng block, filled up to a multiple of four bytes.
pub(crate) fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let mut body = body.to_vec();
    body.resize(body.len().next_multiple_of(4), 0);
    let total = body.len() as u32 + 12;
    [&little(&[kind, total]), body.as_slice(), &little(&[total])].concat()
}
