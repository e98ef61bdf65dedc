//! One signal that ends everything.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{EventfdFlags, eventfd};

/// A request to stop. Clones share it; it can be made from any thread and from a signal handler.
#[derive(Debug, Clone)]
pub struct Cancel(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    requested: AtomicBool,
    /// Becomes readable with the request, so that `poll` ends.
    event: OwnedFd,
}

impl Cancel {
    /// A token that nobody has asked to stop.
    ///
    /// # Errors
    ///
    /// When the process has no file descriptor left.
    pub fn new() -> std::io::Result<Self> {
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self(Arc::new(Shared { requested: AtomicBool::new(false), event })))
    }

    /// Asks to stop.
    pub fn request(&self) {
        self.0.requested.store(true, Ordering::Relaxed);
        // It can only fail by being readable already.
        let _ = rustix::io::write(&self.0.event, &1u64.to_ne_bytes());
    }

    /// Whether somebody asked.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.0.requested.load(Ordering::Relaxed)
    }

    /// Takes the request back, for a session that goes on.
    pub fn reset(&self) {
        self.0.requested.store(false, Ordering::Relaxed);
        let _ = rustix::io::read(&self.0.event, &mut [0; 8]);
    }

    /// A descriptor that is readable once the request is there.
    #[must_use]
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.event.as_fd()
    }
}
