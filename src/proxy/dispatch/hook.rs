//! The program in the kernel that chooses sockets, and its maps.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use aya::Ebpf;
use aya::maps::lpm_trie::{Key as Prefix, LpmTrie};
use aya::maps::{MapData, PerCpuArray, SockMap};
use aya::programs::links::FdLink;

use super::Verdicts;
use super::table::{KEY, Table};
use crate::host::Namespace;
use crate::host::bpf::{self, BpfError, Lookup};

static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("CARGO_MANIFEST_DIR"), "/bpf/dispatch.bpf.o"));

/// What the program is called.
pub(super) const PROGRAM: &str = "dispatch";

/// Its maps.
pub(super) const MAPS: [&str; 3] = ["ports", "sockets", "counters"];

/// The program, attached for as long as this lives or is pinned.
pub(super) struct Hook {
    ports: LpmTrie<MapData, [u8; KEY], [u32; 2]>,
    sockets: SockMap<MapData>,
    counters: PerCpuArray<MapData, u64>,
    _programs: Ebpf,
    _link: FdLink,
}

impl Hook {
    /// Loads and attaches it. It changes nothing yet.
    ///
    /// # Errors
    ///
    /// Why it cannot be; nothing is left attached then.
    pub(super) fn attach(namespace: &Namespace) -> Result<Lookup, BpfError> {
        bpf::attach_lookup(OBJECT, PROGRAM, namespace)
    }

    pub(super) fn new(Lookup { mut programs, link }: Lookup) -> Result<Self, BpfError> {
        let [ports, sockets, counters] = MAPS.map(|name| programs.take_map(name).ok_or(BpfError::Missing(name)));
        Ok(Self {
            ports: LpmTrie::try_from(ports?)?,
            sockets: SockMap::try_from(sockets?)?,
            counters: PerCpuArray::try_from(counters?)?,
            _programs: programs,
            _link: link,
        })
    }

    pub(super) fn set_socket(&mut self, place: u32, socket: &OwnedFd) -> Result<(), BpfError> {
        Ok(self.sockets.set(place, socket, 0)?)
    }

    pub(super) fn clear_socket(&mut self, place: u32) {
        // It goes away by itself with its last descriptor.
        let _ = self.sockets.clear_index(&place);
    }

    /// Leads ports elsewhere. What both tables have is there all the time: what is new is added before what is gone is
    /// taken out.
    ///
    /// # Errors
    ///
    /// If the kernel has no room. Some of it is done then; the way back is open.
    pub(super) fn change(&mut self, from: &Table, to: &Table) -> Result<(), BpfError> {
        for (key, action) in to.iter().filter(|(key, action)| from.get(*key) != Some(*action)) {
            let (bits, data) = key.encode();
            self.ports.insert(&Prefix::new(bits, data), action.encode(), 0)?;
        }
        for (key, _) in from.iter().filter(|(key, _)| to.get(*key).is_none()) {
            let (bits, data) = key.encode();
            // On the way back from a change that failed it may not be there.
            let _ = self.ports.remove(&Prefix::new(bits, data));
        }
        Ok(())
    }

    pub(super) fn verdicts(&self) -> Verdicts {
        let count = |place| self.counters.get(&place, 0).map_or(0, |values| values.iter().sum());
        Verdicts { dispatched: count(0), missed: count(1), no_socket: count(2), refused: count(3) }
    }
}

/// Pins the program, its maps and its link in a folder, which is made for it.
///
/// # Errors
///
/// What the system says. What was pinned until then stays.
pub(super) fn pin(Lookup { mut programs, link }: Lookup, folder: &Path) -> io::Result<Lookup> {
    let failed = |error: &dyn std::error::Error| io::Error::other(bpf::innermost(error));
    let program = programs.program_mut(PROGRAM).ok_or_else(|| failed(&BpfError::Missing(PROGRAM)))?;
    program.pin(folder.join(PROGRAM)).map_err(|error| failed(&error))?;
    for name in MAPS {
        let map = programs.map(name).ok_or_else(|| failed(&BpfError::Missing(name)))?;
        map.pin(folder.join(name)).map_err(|error| failed(&error))?;
    }
    let link = link.pin(folder.join(super::pins::LINK)).map_err(|error| failed(&error))?;
    Ok(Lookup { programs, link: link.into() })
}
