//! Datagrams that nobody could read: the kernel dropped them.

use std::os::fd::AsFd;

use nix::libc::{self, SK_MEMINFO_DROPS, SO_MEMINFO, SOL_SOCKET};
use nix::sys::socket::getsockopt;
use nix::{getsockopt_impl, sockopt_impl};

sockopt_impl!(
    /// What the kernel knows of the memory of a socket, in the order of `SK_MEMINFO_RMEM_ALLOC` and so on.
    Memory,
    GetOnly,
    SOL_SOCKET,
    SO_MEMINFO,
    [u32; SK_MEMINFO_DROPS as usize + 1]
);

/// What a socket lost, as far as it was counted.
#[derive(Debug, Default)]
pub(super) struct Losses(u32);

impl Losses {
    /// Datagrams that the socket lost since this was asked before: its buffer was full, or they were damaged.
    pub(super) fn take(&mut self, socket: impl AsFd) -> u64 {
        let Ok(memory) = getsockopt(&socket, Memory) else { return 0 };
        let lost = memory[SK_MEMINFO_DROPS as usize];
        let before = std::mem::replace(&mut self.0, lost);
        // The kernel's number begins anew behind its largest.
        lost.wrapping_sub(before).into()
    }
}
