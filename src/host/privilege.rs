//! What this process may look at.

use rustix::thread::{CapabilitySet, capabilities};

/// Whether it may look at processes of other users: `CAP_SYS_PTRACE`.
pub(super) fn sees_all_processes() -> bool {
    has(CapabilitySet::SYS_PTRACE)
}

/// Whether it may find and enter the network namespaces of other users: `CAP_SYS_PTRACE` and `CAP_SYS_ADMIN`.
#[must_use]
pub fn sees_all_namespaces() -> bool {
    has(CapabilitySet::SYS_PTRACE | CapabilitySet::SYS_ADMIN)
}

/// Whether this process may capture packets.
#[must_use]
pub fn may_capture() -> bool {
    has(CapabilitySet::NET_RAW)
}

/// Whether this process may put programs into the kernel that tell of others: `CAP_BPF`, `CAP_PERFMON` and
/// `CAP_NET_ADMIN`, or `CAP_SYS_ADMIN`, which has all of them.
#[must_use]
pub fn may_watch() -> bool {
    has(CapabilitySet::SYS_ADMIN) || has(CapabilitySet::BPF | CapabilitySet::PERFMON | CapabilitySet::NET_ADMIN)
}

/// Whether this process may put programs into the kernel that choose sockets: `CAP_BPF` and `CAP_NET_ADMIN`, or
/// `CAP_SYS_ADMIN`, which has both.
#[must_use]
pub fn may_dispatch() -> bool {
    has(CapabilitySet::SYS_ADMIN) || has(CapabilitySet::BPF | CapabilitySet::NET_ADMIN)
}

fn has(wanted: CapabilitySet) -> bool {
    // Asked of oneself, this fails on no kernel that there is.
    capabilities(None).is_ok_and(|sets| sets.effective.contains(wanted))
}
