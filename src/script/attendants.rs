//! What a script has begun and what needs it from time to time, while the script does something else.

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// Something that goes on beside a script and asks it things: which target a connection is brought to.
pub(crate) trait Attendant {
    /// Is readable when there is something to attend to; none if it does not go on.
    fn ready(&self) -> Option<Arc<OwnedFd>>;

    /// Attends to what there is.
    fn attend(&self);

    /// Ends it: the script is over.
    fn end(&self);
}

/// What goes on beside a script, for as long as the script has it.
#[derive(Default)]
pub(crate) struct Attendants(RefCell<Vec<Weak<dyn Attendant>>>);

impl Attendants {
    pub(crate) fn add(&self, attendant: Weak<dyn Attendant>) {
        let mut all = self.0.borrow_mut();
        all.retain(|known| known.strong_count() > 0);
        all.push(attendant);
    }

    /// Those that go on, with what is readable when they need the script.
    pub(crate) fn ready(&self) -> Vec<(Rc<dyn Attendant>, Arc<OwnedFd>)> {
        let all: Vec<_> = self.0.borrow().iter().filter_map(Weak::upgrade).collect();
        all.into_iter().filter_map(|attendant| attendant.ready().map(|ready| (attendant, ready))).collect()
    }

    /// Attends to all that there is.
    #[inline]
    pub(crate) fn attend(&self) {
        if self.0.borrow().is_empty() {
            return;
        }
        for (attendant, _) in self.ready() {
            attendant.attend();
        }
    }

    /// Attends to what there is, until the time is over or the descriptor is readable.
    ///
    /// # Errors
    ///
    /// If the system cannot wait.
    pub(crate) fn attend_until(&self, end: impl AsFd, within: Option<Duration>) -> io::Result<()> {
        let begun = Instant::now();
        loop {
            let ready = self.ready();
            let mut ends = vec![PollFd::new(&end, PollFlags::IN)];
            ends.extend(ready.iter().map(|(_, ready)| PollFd::new(&**ready, PollFlags::IN)));
            let left = within.map(|within| within.saturating_sub(begun.elapsed()));
            // What is longer than a clock can count has no end.
            match poll(&mut ends, left.and_then(|left| Timespec::try_from(left).ok()).as_ref()) {
                Ok(0) => return Ok(()),
                Ok(_) if !ends[0].revents().is_empty() => return Ok(()),
                Ok(_) => self.attend(),
                // By a signal; what it asks for makes the descriptor readable.
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Ends all of them, also one whose closures hold it, so that it would never go by itself.
    pub(crate) fn end(&self) {
        for attendant in self.0.take().iter().filter_map(Weak::upgrade) {
            attendant.end();
        }
    }
}
