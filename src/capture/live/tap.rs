//! One interface that is listened on.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::slice;

use pcap::{Active, Capture, Linktype, Precision};
use rustix::ioctl::{Opcode, Updater, ioctl};
use rustix::net::{AddressFamily, SocketFlags, SocketType, netdevice, socket_with};

use super::super::filter::libpcap_words;
use super::super::{CaptureError, Filter, Interface, PipelineError};
use super::{BLOCK_TIMEOUT, Listen, LiveSettings, RemoteShell};
use crate::host::{self, HostError};
use crate::packet::{LinkType, RawPacket};
use crate::record::{Duration, Time};

/// All interfaces of a namespace.
const ANY: &str = "any";

/// An open handle of libpcap, and the packet that it has read ahead.
pub(super) struct Tap {
    handle: Capture<Active>,
    /// What its namespace calls it.
    interface: String,
    /// What to call it here, where several namespaces are told apart.
    name: String,
    /// In the namespace of the interface, to ask about it.
    socket: OwnedFd,
    down_since: Option<Time>,
    link: LinkType,
    pending: Option<Pending>,
    naming: Naming,
    /// Packets that were lost, as far as they have been counted.
    dropped: u64,
    /// Whether it is in the namespace of this process.
    is_here: bool,
}

/// A packet in the buffer of the handle, until the handle reads on.
struct Pending {
    time: Time,
    length: u32,
    interface: u32,
    bytes: *const u8,
    captured: usize,
}

// SAFETY: the pointer is into a buffer that the handle owns, and goes where the handle goes.
unsafe impl Send for Pending {}

/// How the interface of a packet is known.
enum Naming {
    /// There is one.
    One(u32),
    /// Each packet has the kernel's index of it in its header: the places of those seen so far.
    Each { places: Vec<(u32, u32)>, prefix: String },
}

/// What came of looking for a packet.
pub(super) enum Fetched {
    Packet(Time),
    Nothing,
    /// There will be no more: why.
    Ended(String),
}

impl Tap {
    /// Opens the interface with a filter in the kernel. Interfaces are added as they become known.
    pub(super) fn open(
        listen: &Listen,
        filter: &str,
        shell: Option<&RemoteShell>,
        settings: &LiveSettings,
        interfaces: &mut Vec<Interface>,
    ) -> Result<Self, PipelineError> {
        let prefix = listen.place.as_ref().map_or_else(String::new, |(_, place)| format!("{place}:"));
        let name = format!("{prefix}{}", listen.interface);
        let open = || open_here(&listen.interface, &name, settings);
        let opened = match &listen.place {
            Some((namespace, _)) => namespace.enter(open).map_err(CaptureError::from)?,
            None => open(),
        };
        let (mut handle, socket) = opened?;
        let refused = |error| CaptureError::Listen { interface: name.clone(), reason: libpcap_words(error) };
        let mut link = handle.get_datalink();
        if link == Linktype::LINUX_SLL && handle.set_datalink(Linktype(LinkType::LINUX_SLL2.0.into())).is_ok() {
            link = handle.get_datalink();
        }
        let link = link_type(link);
        // Alone first, so that an error shows what was typed.
        Filter::compile_for(&handle, filter, link)?;
        let filter = match shell {
            Some(shell) if filter.trim().is_empty() => format!("not {}", shell.filter()),
            // In front, because `vlan` and the like move what stands behind them.
            Some(shell) => format!("not {} and ({filter})", shell.filter()),
            None => filter.to_owned(),
        };
        handle.filter(&filter, true).map_err(refused)?;
        let handle = handle.setnonblock().map_err(refused)?;
        let naming = if link == LinkType::LINUX_SLL2 {
            Naming::Each { places: Vec::new(), prefix }
        } else {
            interfaces.push(Interface { name: Some(name.clone()), link, snaplen: settings.snaplen });
            Naming::One(u32::try_from(interfaces.len() - 1).unwrap_or(u32::MAX))
        };
        let interface = listen.interface.clone();
        Ok(Self {
            handle,
            interface,
            name,
            socket,
            down_since: None,
            link,
            pending: None,
            naming,
            dropped: 0,
            is_here: listen.place.is_none(),
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// As tcpdump says it: `eth0, link-type EN10MB (Ethernet)`.
    pub(super) fn describe(&self) -> String {
        let link = self.handle.get_datalink();
        let name = link.get_name().unwrap_or_else(|_| link.0.to_string());
        let description = link.get_description().map_or_else(|_| String::new(), |text| format!(" ({text})"));
        format!("{}, link-type {name}{description}", self.name)
    }

    /// Makes sure that there is a packet, if one has arrived.
    #[inline]
    pub(super) fn fetch(&mut self, interfaces: &mut Vec<Interface>) -> Fetched {
        if let Some(pending) = &self.pending {
            return Fetched::Packet(pending.time);
        }
        let packet = match self.handle.next_packet() {
            Ok(packet) => packet,
            Err(pcap::Error::TimeoutExpired) => return Fetched::Nothing,
            Err(error) => return Fetched::Ended(libpcap_words(error)),
        };
        let header = packet.header;
        // Nanoseconds stand where the type says microseconds.
        let time = Time::from_nanos(header.ts.tv_sec.saturating_mul(1_000_000_000).saturating_add(header.ts.tv_usec));
        let interface = match &mut self.naming {
            Naming::One(place) => *place,
            Naming::Each { places, prefix } => {
                let index = packet
                    .data
                    .get(4..8)
                    .map_or(0, |bytes| u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
                match places.iter().find(|(known, _)| *known == index) {
                    Some((_, place)) => *place,
                    None => {
                        let name =
                            netdevice::index_to_name(&self.socket, index).unwrap_or_else(|_| format!("if{index}"));
                        let place = u32::try_from(interfaces.len()).unwrap_or(u32::MAX);
                        interfaces.push(Interface {
                            name: Some(format!("{prefix}{name}")),
                            link: self.link,
                            snaplen: 0,
                        });
                        places.push((index, place));
                        place
                    }
                }
            }
        };
        let (bytes, captured) = (packet.data.as_ptr(), packet.data.len());
        self.pending = Some(Pending { time, length: header.len, interface, bytes, captured });
        Fetched::Packet(time)
    }

    /// For how long its interface has been down, if it is and nothing of it is left to read. libpcap would wait for it to
    /// come back.
    pub(super) fn is_down_for(&mut self, now: Time) -> Option<Duration> {
        if self.pending.is_some() || self.interface == ANY || is_up(&self.socket, &self.interface) {
            self.down_since = None;
            return None;
        }
        Some(now - *self.down_since.get_or_insert(now))
    }

    /// When its next packet was captured.
    pub(super) fn time(&self) -> Option<Time> {
        self.pending.as_ref().map(|pending| pending.time)
    }

    /// Lets go of its packet.
    #[inline]
    pub(super) fn consume(&mut self) {
        self.pending = None;
    }

    /// Its next packet.
    #[inline]
    pub(super) fn packet(&self) -> RawPacket<'_> {
        let Some(pending) = &self.pending else {
            return RawPacket { time: Time::MIN, length: 0, link: self.link, interface: 0, bytes: &[] };
        };
        // SAFETY: libpcap leaves the buffer alone until the handle reads on, which happens only where nothing is pending.
        let bytes = unsafe { slice::from_raw_parts(pending.bytes, pending.captured) };
        RawPacket { time: pending.time, length: pending.length, link: self.link, interface: pending.interface, bytes }
    }

    /// Packets that the kernel or the interface has dropped so far.
    pub(super) fn dropped(&mut self) -> u64 {
        // Of an interface that is gone the last count stands.
        if let Ok(stats) = self.handle.stats() {
            // What the interface counts is read from a file system that shows only the own namespace.
            let now = stats.dropped.wrapping_add(if self.is_here { stats.if_dropped } else { 0 });
            #[expect(clippy::cast_possible_truncation, reason = "the counters are 32 bits wide, and go round")]
            let more = now.wrapping_sub(self.dropped as u32);
            self.dropped += u64::from(more);
        }
        self.dropped
    }
}

impl AsFd for Tap {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }
}

/// Opens an interface of the namespace that this thread is in, and a socket there.
fn open_here(interface: &str, name: &str, settings: &LiveSettings) -> Result<(Capture<Active>, OwnedFd), CaptureError> {
    let refused = |reason: String| CaptureError::Listen { interface: name.to_owned(), reason };
    let known = interface_names();
    if interface != ANY && !known.iter().any(|known| known == interface) {
        let prefix = name.strip_suffix(interface).unwrap_or_default();
        let known: Vec<_> = known.into_iter().map(|known| format!("{prefix}{known}")).collect();
        return Err(HostError::unknown("interface", name, known.iter().map(String::as_str)).into());
    }
    if !host::may_capture() {
        return Err(HostError::permission(format!("capture on {name}"), "CAP_NET_RAW").into());
    }
    let snaplen = i32::try_from(settings.snaplen).unwrap_or(i32::MAX);
    let inactive = Capture::from_device(interface).map_err(|error| refused(libpcap_words(error)))?;
    let inactive = inactive
        .precision(Precision::Nano)
        .snaplen(snaplen)
        // `any` cannot be promiscuous, and says so.
        .promisc(settings.promiscuous && interface != ANY)
        .buffer_size(i32::try_from(settings.ring.0).unwrap_or(i32::MAX))
        .timeout(i32::try_from(BLOCK_TIMEOUT.as_millis()).unwrap_or(i32::MAX));
    let handle = inactive.open().map_err(|error| refused(in_words(libpcap_words(error), interface)))?;
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None);
    Ok((handle, socket.map_err(|errno| refused(io::Error::from(errno).to_string()))?))
}

/// Whether an interface of the namespace of this socket is up, as far as its flags say (`SIOCGIFFLAGS` of netdevice(7)).
fn is_up(socket: &OwnedFd, interface: &str) -> bool {
    const GET_FLAGS: Opcode = 0x8913;
    const IFF_UP: u16 = 1;
    let mut request = [0_u8; 40];
    let length = interface.len().min(15);
    request[..length].copy_from_slice(&interface.as_bytes()[..length]);
    // SAFETY: the kernel reads a name that ends with a zero, and writes flags behind it, within the 40 bytes of an `ifreq`.
    let asked = unsafe { ioctl(socket, Updater::<GET_FLAGS, _>::new(&mut request)) };
    asked.is_err() || u16::from_ne_bytes([request[16], request[17]]) & IFF_UP != 0
}

/// What libpcap says, and what to do about it.
fn in_words(message: String, interface: &str) -> String {
    if message.contains("not up") {
        return format!("it is down; bring it up with: ip link set {interface} up");
    }
    message
}

/// The interfaces of the namespace that this thread is in.
fn interface_names() -> Vec<String> {
    let table = std::fs::read_to_string("/proc/thread-self/net/dev").unwrap_or_default();
    let names = table.lines().skip(2).filter_map(|line| Some(line.split_once(':')?.0.trim().to_owned()));
    names.collect()
}

/// How files call what libpcap calls that; they differ in raw IP.
fn link_type(link: Linktype) -> LinkType {
    match u16::try_from(link.0) {
        Ok(12 | 14) => LinkType::RAW,
        Ok(link) => LinkType(link),
        Err(_) => LinkType(u16::MAX),
    }
}
