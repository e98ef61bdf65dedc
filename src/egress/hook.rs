//! The programs that run in the kernel: attached, told whom to watch, and read.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::path::Path;

use aya::Ebpf;
use aya::maps::{Array, HashMap, MapData, RingBuf};

use super::event::{Copied, Event, Reason};
use crate::host::bpf::{self, BpfError};
use crate::host::local::Node;

static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("CARGO_MANIFEST_DIR"), "/bpf/egress.bpf.o"));

/// The programs, attached for as long as this lives.
pub(super) struct Hook {
    events: RingBuf<MapData>,
    packets: RingBuf<MapData>,
    lost: Array<MapData, u64>,
    settings: Array<MapData, [u32; 5]>,
    services: HashMap<MapData, [u64; 2], u32>,
    processes: HashMap<MapData, u32, u32>,
    peers: HashMap<MapData, [u8; 32], [u64; 6]>,
    rules: Array<MapData, [u8; 80]>,
    patterns: Array<MapData, [u8; 72]>,
    learned: HashMap<MapData, [u8; 24], u32>,
    answers: Array<MapData, u64>,
    /// Holds the links.
    _programs: Ebpf,
}

/// What is counted of whom a socket without a connection reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Counted {
    /// Packets, and bytes from their IP headers on, that left.
    pub(super) sent: [u64; 2],
    /// Those that came back.
    pub(super) received: [u64; 2],
}

/// What the kernel could not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Lost {
    pub(super) events: u64,
    pub(super) processes: u64,
    pub(super) packets: u64,
}

/// What is watched besides processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Settings {
    /// The thread whose next children are the command.
    pub(super) spawner: u32,
    /// Whether all packets are wanted, and not only those that name somebody.
    pub(super) packets: bool,
    /// How many rules there are.
    pub(super) rules: u32,
    /// How many patterns of names there are.
    pub(super) patterns: u32,
    /// Whether TCP connections over loopback are told.
    pub(super) loopback: bool,
}

impl Hook {
    /// Loads and attaches. Nobody is watched yet.
    ///
    /// # Errors
    ///
    /// Why it cannot be; nothing is left attached then.
    pub(super) fn attach() -> Result<Self, BpfError> {
        let mut programs = bpf::attach(OBJECT, &[])?;
        let mut map = |name| programs.take_map(name).ok_or(BpfError::Missing(name));
        Ok(Self {
            events: RingBuf::try_from(map("events")?)?,
            packets: RingBuf::try_from(map("packets")?)?,
            lost: Array::try_from(map("lost")?)?,
            settings: Array::try_from(map("settings")?)?,
            services: HashMap::try_from(map("services")?)?,
            processes: HashMap::try_from(map("processes")?)?,
            peers: HashMap::try_from(map("peers")?)?,
            rules: Array::try_from(map("rules")?)?,
            patterns: Array::try_from(map("patterns")?)?,
            learned: HashMap::try_from(map("learned")?)?,
            answers: Array::try_from(map("learned_answers")?)?,
            _programs: programs,
        })
    }

    pub(super) fn set(&mut self, settings: Settings) -> Result<(), BpfError> {
        let Settings { spawner, packets, rules, patterns, loopback } = settings;
        Ok(self.settings.set(0, [spawner, packets.into(), rules, patterns, loopback.into()], 0)?)
    }

    /// Watches a process, and what it makes from now on.
    pub(super) fn watch(&mut self, pid: u32, reason: Reason) -> Result<(), BpfError> {
        Ok(self.processes.insert(pid, u32::from(reason.0), 0)?)
    }

    /// Watches it no more.
    pub(super) fn release(&mut self, pid: u32) {
        // It may have ended.
        let _ = self.processes.remove(&pid);
    }

    /// Tells who connects to a local socket from now on, by this number. Nothing if there is no such socket.
    pub(super) fn watch_service(&mut self, socket: &Path, number: u32) -> Result<(), BpfError> {
        let Ok(node) = Node::of(socket) else { return Ok(()) };
        Ok(self.services.insert([node.inode, node.device.into()], number, 0)?)
    }

    pub(super) fn set_rule(&mut self, place: u32, rule: [u8; 80]) -> Result<(), BpfError> {
        Ok(self.rules.set(place, rule, 0)?)
    }

    pub(super) fn set_pattern(&mut self, place: u32, pattern: [u8; 72]) -> Result<(), BpfError> {
        Ok(self.patterns.set(place, pattern, 0)?)
    }

    /// Says that an address goes by the names of that number.
    pub(super) fn learn(&mut self, name: u32, address: IpAddr) {
        let (octets, family) = octets(address);
        let mut key = [0; 24];
        key[..4].copy_from_slice(&name.to_ne_bytes());
        key[4..8].copy_from_slice(&u32::from(family).to_ne_bytes());
        key[8..].copy_from_slice(&octets);
        // The oldest give way; what is not known is refused.
        let _ = self.learned.insert(key, 1, 0);
    }

    /// Says how many answers have been looked at.
    pub(super) fn learned(&mut self, answers: u64) {
        // Without it those who wait go on after a moment.
        let _ = self.answers.set(0, answers, 0);
    }

    /// Hands on what happened since the last time, without waiting.
    pub(super) fn drain(&mut self) -> (Vec<Event>, Vec<Copied>) {
        let (mut events, mut packets) = (Vec::new(), Vec::new());
        // Whatever is in there was written by the programs.
        while let Some(bytes) = self.events.next() {
            events.extend(Event::parse(&bytes));
        }
        // After the events: what names somebody came before he is reached.
        while let Some(bytes) = self.packets.next() {
            packets.extend(Copied::parse(&bytes));
        }
        (events, packets)
    }

    /// What is counted of a peer, and forgotten here.
    pub(super) fn take_counted(&mut self, cookie: u64, protocol: u16, peer: SocketAddr) -> Counted {
        let key = counted_key(cookie, protocol, peer);
        let Ok([packets_out, bytes_out, packets_in, bytes_in, _, _]) = self.peers.get(&key, 0) else {
            return Counted::default();
        };
        let _ = self.peers.remove(&key);
        Counted { sent: [packets_out, bytes_out], received: [packets_in, bytes_in] }
    }

    pub(super) fn lost(&self) -> Lost {
        let count = |place| self.lost.get(&place, 0).unwrap_or_default();
        Lost { events: count(0), processes: count(1), packets: count(2) }
    }

    /// Becomes readable with a packet.
    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the map is open for as long as `self` is borrowed.
        unsafe { BorrowedFd::borrow_raw(self.packets.as_raw_fd()) }
    }
}

/// A `struct counted_key`.
fn counted_key(cookie: u64, protocol: u16, peer: SocketAddr) -> [u8; 32] {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&cookie.to_ne_bytes());
    key[8..24].copy_from_slice(&octets(peer.ip()).0);
    key[24..26].copy_from_slice(&peer.port().to_ne_bytes());
    key[26..28].copy_from_slice(&protocol.to_ne_bytes());
    key
}

/// An address as the programs have it, IPv4 in the first four bytes, and its family.
pub(super) fn octets(address: IpAddr) -> ([u8; 16], u8) {
    /// `AF_INET` and `AF_INET6` of Linux.
    const FAMILIES: [u8; 2] = [2, 10];
    match address {
        IpAddr::V6(address) => (address.octets(), FAMILIES[1]),
        IpAddr::V4(address) => {
            let mut bytes = [0; 16];
            bytes[..4].copy_from_slice(&address.octets());
            (bytes, FAMILIES[0])
        }
    }
}
