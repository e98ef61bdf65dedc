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
    hang_up: AtomicU8,
    /// Becomes readable with the request, so that `poll` ends.
    event: OwnedFd,
}

const NONE: u8 = 0;
const INTERRUPT: u8 = 1;
const ABORT: u8 = 2;

/// How often it is looked whether another thread has made the descriptor readable.
const PATIENCE: u32 = 10_000;

/// What a hang-up means: nothing that anybody here would do.
const REFUSED: u8 = 0;
/// It is to have no effect.
const IGNORED: u8 = 1;
/// It is waited for.
const AWAITED: u8 = 2;
/// It came.
const CAME: u8 = 3;

impl Cancel {
    /// A token that nobody has asked to stop.
    ///
    /// # Errors
    ///
    /// When the process has no file descriptor left.
    pub fn new() -> std::io::Result<Self> {
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self(Arc::new(Shared { level: AtomicU8::new(NONE), hang_up: AtomicU8::new(REFUSED), event })))
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
        self.wake();
    }

    fn wake(&self) {
        // It can only fail by being readable already.
        let _ = rustix::io::write(&self.0.event, &1u64.to_ne_bytes());
    }

    /// Makes the descriptor unreadable after something was taken back that made it readable, unless something else does.
    /// Where another thread is just about to, it is waited for: it would look like a further request.
    fn calm(&self) {
        for _ in 0..PATIENCE {
            if rustix::io::read(&self.0.event, &mut [0; 8]) != Err(rustix::io::Errno::AGAIN) {
                break;
            }
            std::thread::yield_now();
        }
        if self.is_requested() || self.0.hang_up.load(Ordering::Relaxed) == CAME {
            self.wake();
        }
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
            self.calm();
        }
    }

    /// Takes any request back: for a session that goes on, or because what it asks for takes some time, and a further
    /// request is to be told from it. Gives whether everything was to stop.
    pub fn reset(&self) -> bool {
        let level = self.0.level.swap(NONE, Ordering::Relaxed);
        if level != NONE {
            self.calm();
        }
        level == ABORT
    }

    /// Asks to read configuration and to open logs anew: SIGHUP. Gives false if nobody here would: then the signal means
    /// what it means to any program, that the terminal has gone.
    #[must_use]
    pub fn hang_up(&self) -> bool {
        let came = self.0.hang_up.compare_exchange(AWAITED, CAME, Ordering::Relaxed, Ordering::Relaxed);
        if came.is_ok() {
            self.wake();
        }
        came != Err(REFUSED)
    }

    /// Waits for hang-ups from now on, and until the value that it gives goes.
    #[must_use]
    pub fn await_hang_ups(&self) -> HangUps<'_> {
        self.0.hang_up.store(AWAITED, Ordering::Relaxed);
        HangUps(self)
    }

    /// A descriptor that is readable once the request is there, or a hang-up that is waited for.
    #[must_use]
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.event.as_fd()
    }
}

/// Hang-ups, for as long as somebody waits for them.
#[derive(Debug)]
pub struct HangUps<'a>(&'a Cancel);

impl HangUps<'_> {
    /// Whether one came since the last time that this was asked.
    #[must_use]
    pub fn came(&self) -> bool {
        let came = self.0.0.hang_up.compare_exchange(CAME, AWAITED, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if came {
            self.0.calm();
        }
        came
    }

    /// From now on they have no effect: while something ends, nothing begins anew.
    pub fn ignore(&self) {
        let _ = self.came();
        self.0.0.hang_up.store(IGNORED, Ordering::Relaxed);
    }
}

impl Drop for HangUps<'_> {
    fn drop(&mut self) {
        self.ignore();
        self.0.0.hang_up.store(REFUSED, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    use super::*;

    fn is_ready(cancel: &Cancel) -> bool {
        poll(&mut [PollFd::new(&cancel.as_fd(), PollFlags::IN)], Some(&Timespec::default())).unwrap() == 1
    }

    #[test]
    fn a_request_that_was_taken_back_can_be_made_again() {
        let cancel = Cancel::new().unwrap();
        assert!(!cancel.reset());
        for (ask, abort) in [(Cancel::interrupt as fn(&Cancel), false), (Cancel::abort, true)] {
            ask(&cancel);
            assert_eq!((cancel.is_requested(), is_ready(&cancel)), (true, true));
            assert_eq!(cancel.reset(), abort);
            assert_eq!((cancel.is_requested(), is_ready(&cancel)), (false, false));
        }
        // An abort is not obeyed and forgotten.
        cancel.abort();
        cancel.obeyed();
        assert!(cancel.is_abort() && is_ready(&cancel));
    }

    #[test]
    fn a_request_that_is_about_to_be_told_is_not_taken_for_a_further_one() {
        for _ in 0..2000 {
            let cancel = Cancel::new().unwrap();
            let other = cancel.clone();
            let asks = std::thread::spawn(move || other.interrupt());
            while !cancel.is_requested() {
                std::hint::spin_loop();
            }
            cancel.reset();
            asks.join().unwrap();
            assert!(!is_ready(&cancel));
        }
    }

    #[test]
    fn a_hang_up_is_heard_while_somebody_waits_for_it() {
        let cancel = Cancel::new().unwrap();
        assert!(!cancel.hang_up());
        let hang_ups = cancel.await_hang_ups();
        assert!(!hang_ups.came());
        assert!(cancel.hang_up() && cancel.hang_up());
        assert!(is_ready(&cancel) && !cancel.is_requested());
        assert_eq!([hang_ups.came(), hang_ups.came()], [true, false]);
        assert!(!is_ready(&cancel));
        cancel.interrupt();
        assert!(cancel.hang_up() && hang_ups.came());
        assert!(is_ready(&cancel), "that somebody asked to stop is not forgotten");
        assert!(cancel.hang_up());
        cancel.reset();
        assert!(is_ready(&cancel), "and neither is a hang-up");
        hang_ups.ignore();
        assert!(cancel.hang_up() && !is_ready(&cancel));
        drop(hang_ups);
        assert!(!cancel.hang_up());
    }
}
