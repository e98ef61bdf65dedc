//! One signal that ends everything.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use rustix::event::{EventfdFlags, eventfd};

/// A request to stop. Clones share it; it can be made from any thread.
#[derive(Debug, Clone)]
pub struct Cancel(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    level: AtomicU8,
    /// Becomes readable with the request, so that `poll` ends.
    event: OwnedFd,
}

const NONE: u8 = 0;
const INTERRUPT: u8 = 1;
const ABORT: u8 = 2;

impl Cancel {
    /// A token that nobody has asked to stop.
    ///
    /// # Errors
    ///
    /// When the process has no file descriptor left.
    pub fn new() -> std::io::Result<Self> {
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self(Arc::new(Shared { level: AtomicU8::new(NONE), event })))
    }

    /// Asks to stop reading, and to go on with what was read: Ctrl-C.
    pub fn interrupt(&self) {
        self.request(INTERRUPT);
    }

    /// Asks to stop everything.
    pub fn abort(&self) {
        self.request(ABORT);
    }

    fn request(&self, level: u8) {
        self.0.level.fetch_max(level, Ordering::Relaxed);
        // It can only fail by being readable already.
        let _ = rustix::io::write(&self.0.event, &1u64.to_ne_bytes());
    }

    /// Whether somebody asked, for one or the other.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.0.level.load(Ordering::Relaxed) != NONE
    }

    /// Whether everything is to stop.
    #[must_use]
    pub fn is_abort(&self) -> bool {
        self.0.level.load(Ordering::Relaxed) == ABORT
    }

    /// Takes an interruption back once it has been obeyed; an abort stays.
    pub fn obeyed(&self) {
        if self.0.level.compare_exchange(INTERRUPT, NONE, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            let _ = rustix::io::read(&self.0.event, &mut [0; 8]);
        }
    }

    /// Takes any request back, for a session that goes on.
    pub fn reset(&self) {
        self.0.level.store(NONE, Ordering::Relaxed);
        let _ = rustix::io::read(&self.0.event, &mut [0; 8]);
    }

    /// A descriptor that is readable once the request is there.
    #[must_use]
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.event.as_fd()
    }
}
