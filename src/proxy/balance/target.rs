//! Somebody who serves an app.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// One address of a host that serves an app.
#[derive(Debug)]
pub struct Target {
    id: u64,
    name: String,
    address: IpAddr,
    port: Option<u16>,
    open: AtomicUsize,
    begun: AtomicU64,
    failed: AtomicU64,
    bytes_to_target: AtomicU64,
    bytes_to_client: AtomicU64,
}

/// Why a target could not be reached or went away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// It refused the connection.
    Refused,
    /// It reset the connection.
    Reset,
    /// It did not answer in time.
    Timeout,
    /// There is no way to it.
    Unreachable,
    /// This host could not try: it has no descriptor, port or memory left. The target cannot help it.
    Local,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "connection refused",
            Self::Reset => "connection reset",
            Self::Timeout => "no answer in time",
            Self::Unreachable => "no way to it",
            Self::Local => "nothing left to try with",
        })
    }
}

/// The id that no target had so far.
static NEXT: AtomicU64 = AtomicU64::new(1);

impl Target {
    /// An id that no other target has or had.
    pub(super) fn next_id() -> u64 {
        NEXT.fetch_add(1, Ordering::Relaxed)
    }

    /// One that nobody has been sent to yet. `id` is never used for another.
    #[must_use]
    pub fn new(id: u64, name: &str, address: IpAddr, port: Option<u16>) -> Self {
        Self {
            id,
            name: name.to_owned(),
            address,
            port,
            open: AtomicUsize::new(0),
            begun: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            bytes_to_target: AtomicU64::new(0),
            bytes_to_client: AtomicU64::new(0),
        }
    }

    /// Which one it is, as long as the proxy lives.
    #[must_use]
    pub const fn id(&self) -> u64 {
        self.id
    }

    /// What the configuration calls it: `a.example:5001`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its address.
    #[must_use]
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    /// Its port; none: the one that the client meant.
    #[must_use]
    pub const fn port(&self) -> Option<u16> {
        self.port
    }

    /// Where a client is brought that meant this port.
    #[must_use]
    pub fn socket_address(&self, meant: u16) -> SocketAddr {
        (self.address, self.port.unwrap_or(meant)).into()
    }

    /// Counts a connection that is about to be made.
    pub fn begin(&self) {
        self.open.fetch_add(1, Ordering::Relaxed);
        self.begun.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts the end of one that was counted.
    pub fn end(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }

    /// Counts one that failed.
    pub(super) fn fail(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts bytes that were moved.
    pub fn moved(&self, to_target: u64, to_client: u64) {
        self.bytes_to_target.fetch_add(to_target, Ordering::Relaxed);
        self.bytes_to_client.fetch_add(to_client, Ordering::Relaxed);
    }

    /// Connections that it has.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Connections that it got so far.
    #[must_use]
    pub fn begun(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }

    /// Connections to it that failed.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// Bytes that were moved to it, and from it.
    #[must_use]
    pub fn bytes(&self) -> (u64, u64) {
        (self.bytes_to_target.load(Ordering::Relaxed), self.bytes_to_client.load(Ordering::Relaxed))
    }
}
