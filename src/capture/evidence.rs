//! The packets that show something, picked out of a capture file.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::path::Path;

use super::{Cancel, CaptureError, CaptureFile, PacketSource as _, Writer};
use crate::limits::Limits;
use crate::packet::{Decoder, Frame, Transport};
use crate::record::Time;

/// Which packets to pick: those of conversations within spans of time, and single ones by number.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    spans: HashMap<[SocketAddr; 2], Vec<(Time, Time)>>,
    numbers: HashSet<u64>,
}

impl Selection {
    /// Whether nothing is selected.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty() && self.numbers.is_empty()
    }

    /// Selects the packets between two endpoints, from a time to a time, both included.
    pub fn conversation(&mut self, a: SocketAddr, b: SocketAddr, from: Time, to: Time) {
        self.spans.entry(sorted(a, b)).or_default().push((from, to));
    }

    /// Selects the packet with that number, from 1.
    pub fn packet(&mut self, number: u64) {
        self.numbers.insert(number);
    }

    /// Copies what is selected from one file to another, and gives the number of packets.
    ///
    /// # Errors
    ///
    /// When the file to write cannot be written, or the file to read cannot be opened again. A file that is cut short
    /// gives what can be read of it.
    pub fn copy(&self, from: &Path, to: &Path, limits: &Limits, cancel: &Cancel) -> Result<u64, CaptureError> {
        let mut source = CaptureFile::open(from, cancel)?;
        let mut writer = Writer::create(to)?;
        let mut decoder = Decoder::new(limits);
        let (mut number, mut copied) = (0, 0);
        while source.advance().unwrap_or(false) {
            number += 1;
            let packet = source.packet();
            let shows = self.numbers.contains(&number) || {
                let frame = decoder.decode(&packet);
                self.includes(&frame, packet.time)
            };
            if shows {
                writer.write(&packet, source.interfaces(), None)?;
                copied += 1;
            }
        }
        writer.finish(source.interfaces())?;
        Ok(copied)
    }

    fn includes(&self, frame: &Frame<'_>, time: Time) -> bool {
        let Some(network) = frame.network else { return false };
        let (src, dst) = match frame.transport {
            Transport::Tcp(tcp) => (tcp.src_port, tcp.dst_port),
            Transport::Udp(udp) => (udp.src_port, udp.dst_port),
            Transport::Icmp(_) | Transport::None => (0, 0),
        };
        let ends = sorted(SocketAddr::new(network.src, src), SocketAddr::new(network.dst, dst));
        self.spans.get(&ends).is_some_and(|spans| spans.iter().any(|(from, to)| (*from..=*to).contains(&time)))
    }
}

fn sorted(a: SocketAddr, b: SocketAddr) -> [SocketAddr; 2] {
    if a <= b { [a, b] } else { [b, a] }
}
