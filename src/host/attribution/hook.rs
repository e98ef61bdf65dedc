//! The programs that run in the kernel: attached, and read.

use aya::Ebpf;
use aya::maps::{Array, MapData, RingBuf};

use super::event::Event;
use crate::host::bpf::{self, BpfError};

static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("CARGO_MANIFEST_DIR"), "/bpf/attribution.bpf.o"));

/// What kernels before 6.3 lack. Without them it is the process that listens that is known of a connection, and not one
/// that it gave the connection to.
const OPTIONAL: [&str; 2] = ["sock_send_length", "sock_recv_length"];

/// The programs, attached for as long as this lives.
pub(super) struct Hook {
    events: RingBuf<MapData>,
    lost: Array<MapData, u64>,
    /// Holds the links.
    _programs: Ebpf,
}

impl Hook {
    /// Loads and attaches.
    ///
    /// # Errors
    ///
    /// Why it cannot be; nothing is left attached then.
    pub(super) fn attach() -> Result<Self, BpfError> {
        let mut programs = bpf::attach(OBJECT, &OPTIONAL)?;
        let events = RingBuf::try_from(programs.take_map("events").ok_or(BpfError::Missing("events"))?)?;
        let lost = Array::try_from(programs.take_map("lost").ok_or(BpfError::Missing("lost"))?)?;
        Ok(Self { events, lost, _programs: programs })
    }

    /// Hands on what happened since the last time, without waiting.
    pub(super) fn drain(&mut self, mut take: impl FnMut(Event)) {
        while let Some(bytes) = self.events.next() {
            // Whatever is in there was written by the program above.
            if let Some(event) = Event::parse(&bytes) {
                take(event);
            }
        }
    }

    /// How many events did not fit since it was attached.
    pub(super) fn lost(&self) -> u64 {
        self.lost.get(&0, 0).unwrap_or_default()
    }
}
